package ledger

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"gated/sqliteprocess"
)

// hangsAfter is how long anybody waits for the disk. What takes longer is a fault, and opens nothing when it ends.
const hangsAfter = 2 * time.Second

// errHung: the disk answered, but nobody had waited so long.
var errHung = fmt.Errorf("the disk did not answer for %s", hangsAfter)

// operation is one thing that the writer does with the disk while people wait for it.
type operation struct {
	l     *Ledger
	timer *time.Timer

	mu      sync.Mutex
	waiting []*request // who is still to be answered: for one commit
	asked   *request   // for the whole operation, if anybody
	ended   bool
	hung    bool // they were answered with a fault
}

// operate begins an operation for those who wait for its commit, the first the longest, or for the one who has asked for it.
func (l *Ledger) operate(waiting []*request, asked *request) *operation {
	op := &operation{l: l, waiting: waiting, asked: asked}
	wait := l.opt.Hangs
	first := asked
	if len(waiting) > 0 {
		first = waiting[0]
	}
	if first != nil {
		wait = max(wait-time.Since(first.since), wait/10) // a disk that works gets its chance
	}
	op.mu.Lock()
	op.timer = time.AfterFunc(wait, op.hang)
	op.mu.Unlock()
	if time.Since(l.answered) > 50*time.Millisecond { // else the disk has just shown that it works
		sqliteprocess.Probe(l.path)
	}
	return op
}

// inTime says whether a commit is done in time, so that it counts. From then on those who wait for it are answered by the
// writer, and the rest of the operation has its own time.
func (op *operation) inTime() bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.hung {
		return false
	}
	op.waiting = nil
	op.timer.Reset(op.l.opt.Hangs)
	return true
}

// end ends the operation and returns those who were not answered yet. After a hang there are none.
func (op *operation) end() (waiting []*request, err error) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.timer.Stop()
	op.ended, op.l.answered = true, time.Now()
	if op.hung {
		return nil, errHung
	}
	if op.asked != nil {
		return append(op.waiting, op.asked), nil
	}
	return op.waiting, nil
}

// hang answers all who wait for the disk, also those whom the writer has not got to: what became of their events is not
// known, and those who come meanwhile are told at once.
func (op *operation) hang() {
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.ended {
		return
	}
	op.hung = true
	l := op.l
	waiting := op.waiting
	if op.asked != nil {
		waiting = append(waiting, op.asked)
	}
	f := &Fault{Since: l.opt.Now().Time.Add(-l.opt.Hangs), Cause: errHung.Error()}
	l.intake.Lock()
	news := l.fault.CompareAndSwap(nil, f)
	for queued := true; queued; {
		select {
		case req := <-l.queue:
			waiting = append(waiting, req)
		default:
			queued = false
		}
	}
	l.intake.Unlock()
	for _, req := range waiting {
		req.answer <- fmt.Errorf("%w: %w", ErrFault, errHung)
	}
	if news {
		l.tell(f)
	}
}

// watched runs f as an operation for which nobody waits but those who come meanwhile.
func (l *Ledger) watched(f func() error) error {
	op := l.operate(nil, nil)
	err := f()
	_, hung := op.end()
	return errors.Join(hung, err)
}
