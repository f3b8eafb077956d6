package bundle

import (
	"gated/register/registertest"
	"testing"

	"gated/evidence"
)

// held is a pipe whose reader stands still: what is done meanwhile is done at the first byte.
type held struct {
	meanwhile func()
	done      bool
}

func (h *held) Write(b []byte) (int, error) {
	if !h.done {
		h.done = true
		h.meanwhile()
	}
	return len(b), nil
}

// A bundle that goes into a pipe may take as long as its reader likes: the ledger's log becomes short meanwhile.
func TestASlowPipeHoldsUpNoLog(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	ck.Set("2026-11-23 08:00:00")
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 300)
	r, err := evidence.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tried := false
	w := &held{meanwhile: func() {
		tried = true
		registertest.Many(t, l, ck, 300)
		var busy, log, moved int
		if err := registertest.Unlocked(t, dir).QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil || busy != 0 {
			t.Errorf("the log cannot be emptied: busy %d, %v", busy, err)
		}
	}}
	if err := Write(w, r, "2026-11-23", false); err != nil || !tried {
		t.Error(err, tried)
	}
}
