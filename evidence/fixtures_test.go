package evidence

import (
	"os"
	"path/filepath"
	"testing"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/registertest"
)

type (
	Event = ledger.Event
	Entry = ledger.Entry
	Field = ledger.Field
	Stamp = ledger.Stamp
	clock = registertest.Clock
)

var (
	shanghai   = registertest.Shanghai
	at         = registertest.At
	open       = registertest.Open
	passage    = registertest.Passage
	decided    = registertest.Decided
	mustAppend = registertest.MustAppend
	many       = registertest.Many
	startOf    = registertest.StartOf
	unlocked   = registertest.Unlocked
)

// small is a ledger of two days, more than one tile, personal fields and three heads.
func small(t testing.TB) string {
	ck := &clock{}
	ck.Set("2026-11-22 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	many(t, l, ck, 253)
	mustAppend(t, l, passage(ck, "a", "in", "admit")...)
	ck.Set("2026-11-23 08:00:00")
	mustAppend(t, l, passage(ck, "b", "in", "admit")...)
	mustAppend(t, l, decided(ck, "b", "in", "admit", "resident"))
	l.Close()
	return dir
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
