package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gated/ledger/file"
	"gated/ledger/seal"
	"gated/sqliteprocess"
)

// database is one connection to a file, as somebody at the sqlite3 prompt has it.
type database struct{ *sql.DB }

func connect(dsn string) (database, error) {
	if err := sqliteprocess.Prepare(""); err != nil {
		return database{}, err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return database{}, err
	}
	db.SetMaxOpenConns(1)
	return database{db}, db.Ping()
}

func (d database) exec(q string, args ...any) error {
	_, err := d.Exec(q, args...)
	return err
}

func (d database) one(q string, args ...any) (s string, err error) {
	err = d.QueryRow(q, args...).Scan(&s)
	return s, err
}

func (d database) query(row func(v []any) error, q string, args ...any) error {
	rows, err := d.Query(q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	v, to := make([]any, len(columns)), make([]any, len(columns))
	for i := range v {
		to[i] = &v[i]
	}
	for err == nil && rows.Next() {
		if err = rows.Scan(to...); err == nil {
			err = row(v)
		}
	}
	return errors.Join(err, rows.Err())
}

// tileAt is the key of a tile in its table.
func tileAt(level int, n int64) int64 { return n - int64(level)<<56 }

// piece is how many entries a reader takes at a time.
const piece = file.MaxKeys

// slots reads those of the entries from..to.
func slots(t testing.TB, r *file.Reader, from, to int64) ([]seal.Slot, []bool) {
	t.Helper()
	files, err := r.Slots(os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	list, here, err := files.Read(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return list, here
}

// unlocked opens the ledger of a state directory as somebody would who means to change it.
func unlocked(t testing.TB, dir string) database {
	t.Helper()
	c, err := connect("file:" + filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var triggers []string
	if err := c.query(func(v []any) error { triggers = append(triggers, fmt.Sprint(v[0])); return nil }, "SELECT name FROM sqlite_schema WHERE type = 'trigger'"); err != nil {
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
	return Event{Stamp: l.opt.Now(), Kind: Start, By: "machine", Detail: map[string]string{"gate": m.Gate, "time_zone": m.TimeZone, "master": m.Master}}
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
	return d.entries[0].Raw
}
