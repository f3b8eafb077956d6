//go:build linux

package ledger

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gated/ledger/file"
)

// hanging is a ledger of which a test lets an operation hang.
type hanging struct {
	*Ledger
	t       *testing.T
	ck      *clock
	changed <-chan struct{}

	mu   sync.Mutex
	hang string        // the operation
	free chan struct{} // closed: it goes on
}

func newHanging(t *testing.T) *hanging {
	h := &hanging{t: t, ck: &clock{t: time.Now()}}
	opt, changed := changing(t.TempDir())
	h.changed = changed
	opt.Recovered, opt.Hangs = takenBack, 0
	opt.Inject = func(op string) error {
		h.mu.Lock()
		free := h.free
		if op != h.hang {
			free = nil
		}
		h.mu.Unlock()
		if free != nil {
			<-free
		}
		return nil
	}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	h.Ledger = l
	mustAppend(t, l, Event{Stamp: h.ck.now(), Kind: Start})
	return h
}

// stall lets the operation hang from now on; the returned function lets it go on.
func (h *hanging) stall(op string) (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	free := make(chan struct{})
	h.hang, h.free = op, free
	release = sync.OnceFunc(func() {
		h.mu.Lock()
		h.hang, h.free = "", nil
		h.mu.Unlock()
		close(free)
	})
	h.t.Cleanup(release) // before the ledger is closed
	return release
}

// append appends a passage and returns how long that took.
func (h *hanging) append(id string) (time.Duration, error) {
	start := time.Now()
	_, err := h.Append(append(passage(h.ck, id, "in", "admit"), register(h.ck, id, "in", "admit", "resident"))...)
	return time.Since(start), err
}

// Nobody waits for a disk that hangs: who was first is answered after two seconds, those behind with it, who comes then at
// once; nothing counts when the disk answers, and what it has kept is taken back.
func TestHangOfACommit(t *testing.T) {
	for _, when := range []string{"commit", "committed"} { // before it is on the disk, and behind
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			h := newHanging(t)
			release := h.stall(when)
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					if took, err := h.append(fmt.Sprint("slow", i)); !errors.Is(err, ErrFault) || took > hangsAfter+time.Second {
						t.Errorf("after %v: %v, want a ledger-fault after %v", took, err, hangsAfter)
					}
				})
			}
			wg.Wait()
			if f := h.Fault(); f == nil || !strings.Contains(f.Cause, "did not answer") {
				t.Fatalf("fault %+v", f)
			}
			for range 100 {
				if took, err := h.append("next"); !errors.Is(err, ErrFault) || took > time.Second {
					t.Fatalf("while it hangs: %v after %v, want a ledger-fault at once", err, took)
				}
			}
			if err := h.do(func() error { return nil }); !errors.Is(err, ErrFault) {
				t.Errorf("another thing to do: %v", err)
			}
			release()
			well(t, h.Ledger, h.changed)
			if _, err := h.append("after"); err != nil {
				t.Fatal(err)
			}
			verify(t, h.Ledger)
			o, verdicts := outages(t, h.opt.Dir)
			if o != 1 {
				t.Errorf("%d outages are told of", o)
			}
			kept := 0
			for i := range 3 {
				switch v := verdicts[fmt.Sprint("slow", i)]; v {
				case "":
				case "refuse answered-fault":
					kept++
				default:
					t.Errorf("a passage that was answered with a fault stands as %q", v)
				}
			}
			if when == "committed" && kept == 0 {
				t.Error("what the disk has kept is not there")
			}
			if v := verdicts["next"]; v != "" {
				t.Errorf("a passage that came while the disk hung stands as %q", v)
			}
			if v := verdicts["after"]; v != "admit resident" {
				t.Errorf("a passage after it stands as %q", v)
			}
		})
	}
}

// outages counts the outages that are told of, and reads what each passage stands as.
func outages(t *testing.T, dir string) (n int, verdicts map[string]string) {
	t.Helper()
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	verdicts = map[string]string{}
	if err := r.Scan(1, 1<<62, false, func(e *Entry) error {
		switch {
		case e.Kind == Outage:
			n++
		case e.Kind == Register || e.Kind == Correction:
			verdicts[e.Passage] = e.Verdict + " " + e.Reason
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n, verdicts
}

// What hangs while nobody waits is a fault, too: the page says so before the next one comes.
func TestHangWhileNobodyWaits(t *testing.T) {
	h := newHanging(t)
	release := h.stall("sign")
	if _, err := h.append("a"); err != nil {
		t.Fatal(err)
	}
	for late := time.Now().Add(time.Minute); h.Fault() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("no fault")
		}
	}
	if took, err := h.append("b"); !errors.Is(err, ErrFault) || took > time.Second {
		t.Errorf("%v after %v, want a ledger-fault at once", err, took)
	}
	release()
	well(t, h.Ledger, h.changed)
	if _, err := h.append("c"); err != nil {
		t.Fatal(err)
	}
	verify(t, h.Ledger)
}

// A file system that is frozen hangs each write as a disk does that answers no more. The rest of the process goes on, also
// through garbage collections.
func TestHangOfARealDisk(t *testing.T) {
	for _, checkpointed := range []bool{false, true} { // then the first store of a commit is one to mapped memory
		t.Run(fmt.Sprint("checkpointed=", checkpointed), func(t *testing.T) {
			t.Parallel()
			needsTool(t, "fsfreeze", "util-linux")
			d := newImage(t)
			dir := filepath.Join(d.dir, "state")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			opt, changed := changing(dir)
			opt.Recovered, opt.Hangs = takenBack, 0
			l, err := Open(opt)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			answered := map[int64]string{}
			if err := fill(l, 50, answered); err != nil {
				t.Fatal(err)
			}
			if checkpointed {
				if err := l.do(func() error { return l.checkpoint("PASSIVE") }); err != nil {
					t.Fatal(err)
				}
			}
			tool(t, "fsfreeze", "--freeze", d.dir)
			time.Sleep(100 * time.Millisecond) // a disk that has just answered, to the signing of each second, is not asked whether it does
			// Another process thaws it: this one may stand still if it is not as it should be.
			thaw := exec.Command("sh", "-c", "sleep 6; fsfreeze --unfreeze "+d.dir)
			if err := thaw.Start(); err != nil {
				t.Fatal(err)
			}
			thawed := sync.OnceFunc(func() { thaw.Wait() })
			defer thawed()
			var longest atomic.Int64
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(50 * time.Millisecond):
					}
					start := time.Now()
					runtime.GC()
					longest.Store(max(longest.Load(), int64(time.Since(start))))
				}
			})
			start := time.Now()
			err = fill(l, 1, answered)
			if took := time.Since(start); !errors.Is(err, ErrFault) || took > hangsAfter+time.Second {
				t.Errorf("after %v: %v, want a ledger-fault after %v", took, err, hangsAfter)
			}
			start = time.Now()
			if err := fill(l, 1, answered); !errors.Is(err, ErrFault) || time.Since(start) > time.Second {
				t.Errorf("after %v: %v, want a ledger-fault at once", time.Since(start), err)
			}
			thawed()
			close(stop)
			wg.Wait()
			if took := time.Duration(longest.Load()); took > time.Second {
				t.Errorf("the whole process stood still for %v", took)
			}
			well(t, l, changed)
			if err := fill(l, 20, answered); err != nil {
				t.Fatal(err)
			}
			verify(t, l)
			if n, _ := outages(t, dir); n != 1 {
				t.Errorf("%d outages are told of", n)
			}
			var s tally
			if s.compare(t, dir, 1, answered); s.lost > 0 {
				t.Error(s)
			}
		})
	}
}
