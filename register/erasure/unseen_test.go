package erasure

import (
	"errors"
	"gated/register/registertest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/ledger"
)

// TestNothingIsOnlySaidOfWhatWasLookedAt: without the slots nobody can tell whose an entry is.
func TestNothingIsOnlySaidOfWhatWasLookedAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		lose   func(path string) error
		unseen string
		told   int // of bo
		fields int64
	}{
		{"whole", func(string) error { return nil }, "", 3, 0},
		{"removed", os.Remove, "6 entries could not be looked at: ", 0, 0},
		{"cut short", func(path string) error { return os.Truncate(path, 4*32) }, // before the slot of entry 4
			"3 entries could not be looked at: ", 3, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			ck := &registertest.Clock{}
			ck.Set("2026-11-20 08:00:00")
			dir := t.TempDir()
			l := open(t, dir, ck)
			registertest.MustAppend(t, l, someone(ck, "p1", "bo", "resident", "in")...) // 1 to 3
			registertest.MustAppend(t, l, someone(ck, "p2", "cy", "resident", "in")...) // 4 to 6
			l.Close()
			if err := c.lose(filepath.Join(dir, "personal.keys")); err != nil {
				t.Fatal(err)
			}
			told := 0
			n, err := Subject(dir, "bo", nil, func(*ledger.Entry) error { told++; return nil })
			if n != c.told || told != n || !says(err, c.unseen) {
				t.Errorf("%d entries, told %d, %v", n, told, err)
			}
			n, err = Subject(dir, "di", nil, func(*ledger.Entry) error { return nil })
			if n != 0 || !says(err, c.unseen) {
				t.Errorf("of somebody unknown %d entries, %v", n, err)
			}
			l = open(t, dir, ck)
			if c.unseen == "" {
				return
			}
			ck.Set("2026-11-21 08:00:00")
			for _, sel := range []Selection{{Subject: "cy"}, {Seq: 5}, {Seq: 5, Field: "name"}, {Subject: "bo"}, {Before: "today"}} {
				done, err := l.Erase(sel, "", "asked for")
				_, fields := done.Sum()
				if err == nil || errors.Is(err, ledger.ErrNothingErased) || !strings.Contains(err.Error(), "could not be looked at: ") {
					t.Errorf("%+v: %+v, %v", sel, done, err)
				}
				if want := map[bool]int64{true: c.fields}[sel.Subject == "bo"]; fields != want {
					t.Errorf("%+v: %d fields, want %d: %v", sel, fields, want, err)
				}
			}
		})
	}
}

func says(err error, begin string) bool {
	if begin == "" {
		return err == nil
	}
	return err != nil && strings.HasPrefix(err.Error(), begin)
}
