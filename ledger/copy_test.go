package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/ledger/tlog"
)

func TestACopyHolds(t *testing.T) {
	dir := small(t)
	r, err := OpenReader(dir)
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
