package ledger

import (
	"errors"
	"sync/atomic"
	"testing"
)

// What is not erased yet is not passed over by the slots that are written ahead meanwhile, nor then by the next start.
func TestAnErasureThatFailedIsNotPassedOver(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	opt := options(dir, ck)
	var bad atomic.Bool
	opt.Inject = func(op string) error {
		if bad.Load() && (op == "erase" || op == "open") {
			return errors.New("medium error")
		}
		return nil
	}
	l, err := Open(opt)
	if err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	defer l.Close()
	crowd(t, l, ck, 0, 20)
	_, gone := secrets(t, l, 1, 30)
	bad.Store(true)
	if _, err := l.Erase(0, seqs(1, 30), asked); err == nil || l.Fault() == nil {
		t.Fatal(err, l.Fault())
	}
	l.ahead(l.Size(), nil)
	if !l.erasing.Pending() {
		t.Error("it is said to be erased")
	}
	killed := cutOff(t, dir)
	open(t, killed, ck).Close()
	if found := traces(t, killed, gone); len(found) > 0 {
		t.Errorf("after a restart %d of %d slots are there", len(found), len(gone))
	}
	bad.Store(false)
}
