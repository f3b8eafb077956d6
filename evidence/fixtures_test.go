package evidence

import (
	"os"
	"path/filepath"
	"testing"

	"gated/ledger/file"
	"gated/register/registertest"
)

// small is a ledger of two days, more than one tile, personal fields and three heads.
func small(t testing.TB) string {
	ck := &registertest.Clock{}
	ck.Set("2026-11-22 08:00:00")
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 253)
	registertest.MustAppend(t, l, registertest.Passage(ck, "a", "in", "admit")...)
	ck.Set("2026-11-23 08:00:00")
	registertest.MustAppend(t, l, registertest.Passage(ck, "b", "in", "admit")...)
	registertest.MustAppend(t, l, registertest.Decided(ck, "b", "in", "admit", "resident"))
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
