package ledger

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/ledger/file"
	"gated/ledger/tlog"

	"github.com/google/go-cmp/cmp"
)

func TestACopyHolds(t *testing.T) {
	dir := small(t)
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	to := filepath.Join(t.TempDir(), "copy.db")
	h, err := r.Copy(to)
	if err != nil || h.Size != 258 {
		t.Fatal(err, h.Size)
	}
	known, _ := tlog.PublicKeys(dir)
	if reports, err := VerifyChain(to, Given{Keys: known, Since: &h}); err != nil || reports[0].Entries != 258 {
		t.Error(err)
	}
	if st, err := os.Stat(to); err != nil || st.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	// A ledger that does not hold is not copied in silence.
	c := unlocked(t, dir)
	if err := c.exec("UPDATE entry SET record = replace(record, 'alive', 'start') WHERE seq = 200"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Copy(filepath.Join(t.TempDir(), "copy.db")); err == nil || !strings.Contains(err.Error(), "does not hold") {
		t.Errorf("a changed ledger was copied: %v", err)
	}
}

func TestACopyIsTheWholeFile(t *testing.T) {
	r := reader(t, small(t))
	path := filepath.Join(t.TempDir(), "copy's.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Copy(path); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("beside the copy: %v, %v", files, err)
	}
	c, err := file.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want, err1 := tlog.RootAt(r, 6)
	got, err2 := tlog.RootAt(c, 6)
	if err := errors.Join(err1, err2); err != nil || got != want {
		t.Errorf("root of the copy %v, want %v: %v", got, want, err)
	}
	var schemas [2]string
	for i, r := range []*file.Reader{r, c} {
		c, err := connect("file:" + url.PathEscape(r.Path()) + "?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if schemas[i], err = c.one("SELECT group_concat(sql, char(10)) FROM (SELECT sql FROM sqlite_schema ORDER BY name)"); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(schemas[0], schemas[1]); d != "" {
		t.Errorf("schema (-ledger +copy):\n%s", d)
	}
	// A file that holds something is left alone.
	path = filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Copy(path); err == nil {
		t.Error("an older file was written over")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
}
