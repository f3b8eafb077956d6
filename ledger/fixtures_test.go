package ledger

import (
	"database/sql/driver"
	"path/filepath"
	"testing"
	"time"
)

// unlocked opens the ledger of a state directory as somebody would who means to change it.
func unlocked(t testing.TB, dir string) *conn {
	t.Helper()
	c, err := connect("file:" + filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var triggers []string
	if err := c.query(func(v []driver.Value) error { triggers = append(triggers, text(v[0])); return nil }, "SELECT name FROM sqlite_schema WHERE type = 'trigger'"); err != nil {
		t.Fatal(err)
	}
	for _, name := range triggers {
		if err := c.exec("DROP TRIGGER " + name); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// small is a ledger of two days, more than one tile, personal fields and three heads.
func small(t testing.TB) string {
	ck := &clock{}
	ck.set("2026-11-22 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	many(t, l, ck, 253)
	mustAppend(t, l, passage(ck, "a", "in", "admit")...)
	ck.set("2026-11-23 08:00:00")
	mustAppend(t, l, passage(ck, "b", "in", "admit")...)
	mustAppend(t, l, register(ck, "b", "in", "admit", "resident"))
	l.Close()
	return dir
}

// startOf is the start entry as the gate writes it.
func startOf(l *Ledger) Event {
	m := l.Meta()
	return Event{Stamp: l.opt.Now(), Kind: Start, By: "machine", Detail: map[string]string{"gate": m.Gate, "time_zone": m.TimeZone}}
}

// recordOf is the record of an event as entry seq.
func recordOf(t testing.TB, ev Event, seq int64, zone *time.Location) []byte {
	t.Helper()
	d, err := newDraft([]Event{ev}, zone)
	if err == nil {
		err = d.number(seq - 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d.rest[0].record
}
