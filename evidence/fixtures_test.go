package evidence

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"

	_ "modernc.org/sqlite"
)

// many appends n entries.
func many(t testing.TB, l *box, ck *clock, n int) {
	t.Helper()
	for n > 0 {
		events := make([]ledger.Event, min(n, 256))
		for i := range events {
			events[i] = ledger.Event{Stamp: ck.now(), Kind: register.Alive}
		}
		mustAppend(t, l, events...)
		n -= len(events)
	}
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
	mustAppend(t, l, decided(ck, "b", "in", "admit", "resident"))
	l.Close()
	return dir
}

// startOf is the start entry as the gate writes it.
func startOf(l *box, ck *clock) ledger.Event {
	m := l.Meta()
	return ledger.Event{Stamp: ck.now(), Kind: ledger.Start, By: "machine", Detail: map[string]string{"gate": m.Gate, "time_zone": m.TimeZone}}
}

// restore copies what a backup holds: the ledger, not the index, and the key only where one was careless.
func restore(t *testing.T, from string, files ...string) string {
	t.Helper()
	to := t.TempDir()
	for _, f := range append(files, "keys/personal.key") { // the master key comes from the safe
		b, err := os.ReadFile(filepath.Join(from, f))
		if err != nil {
			t.Fatal(err)
		}
		os.MkdirAll(filepath.Dir(filepath.Join(to, f)), 0o700)
		if err := os.WriteFile(filepath.Join(to, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// database is the file of a ledger in the hands of somebody who means to change it.
type database struct{ *sql.DB }

// unlocked opens the ledger of a state directory with all that keeps it from being changed taken away.
func unlocked(t testing.TB, dir string) database {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	c := database{db}
	var triggers []string
	if err := c.each(func(name any) { triggers = append(triggers, name.(string)) }, "SELECT name FROM sqlite_schema WHERE type = 'trigger'"); err != nil {
		t.Fatal(err)
	}
	for _, name := range triggers {
		if err := c.exec("DROP TRIGGER " + name); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c database) exec(q string, args ...any) error {
	_, err := c.Exec(q, args...)
	return err
}

// each hands the only column of each row to f.
func (c database) each(f func(value any), q string, args ...any) error {
	rows, err := c.Query(q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var v any
		if err := rows.Scan(&v); err != nil {
			return err
		}
		f(v)
	}
	return rows.Err()
}

func reader(t testing.TB, dir string) *file.Reader {
	t.Helper()
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// verifyDir verifies the ledger of a state directory.
func verifyDir(t testing.TB, dir string, g Given) (*Report, error) {
	t.Helper()
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return Verify(r, g)
}
