package ledger

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
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

// Who still writes slots ahead for the file as it was before a fault has ended when they are opened again.
func TestSlotsAreOpenedAgainWhenNobodyWritesThem(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	opt := options(t.TempDir(), ck)
	var slow, writing, both, broken atomic.Bool
	begun := make(chan struct{})
	opt.Inject = func(op string) error {
		switch {
		case op == "commit" && broken.Swap(false):
			return errors.New("medium error")
		case op == "slots" && slow.Swap(false):
			writing.Store(true)
			close(begun)
			time.Sleep(2 * time.Second) // the recovery comes meanwhile
			writing.Store(false)
		case op == "slots-synced" && writing.Load():
			both.Store(true)
		}
		return nil
	}
	l, err := Open(opt)
	if err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	defer l.Close()
	crowd(t, l, ck, 0, 20)
	slow.Store(true)
	told := make(chan error, 1)
	l.slots.Load().Ahead(4097, func(err error) { told <- err })
	<-begun
	broken.Store(true)
	if _, err := l.Append(Event{Stamp: ck.now(), Kind: Alive}); err == nil {
		t.Fatal("the commit did not fail")
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(20 * time.Second); l.Fault() != nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	if l.Fault() != nil || both.Load() {
		t.Errorf("fault %v, opened while they were written: %v", l.Fault(), both.Load())
	}
}
