package ledger

import (
	"fmt"
	"time"
)

// Finding is what no crash, power cut or disk error leaves behind: somebody has changed the ledger, or put another one in
// its place. The daemon stays in fault on it, and Verify returns it.
type Finding struct{ What string }

func (f *Finding) Error() string { return f.What }

func finding(format string, args ...any) error { return &Finding{fmt.Sprintf(format, args...)} }

// What an end of the process can leave unsigned. A head is signed at opening, over all that was found, before anything is
// appended; each second under traffic; when signAfter entries have none, which a batch of maxBatch may be added to; with
// the entry stop, and with whatever a process writes that has begun with no start. So unsigned entries are of one run, which
// they may begin with its start, few, and of a short time.
const (
	signAfter    = 256
	maxUnsigned  = signAfter + maxBatch
	unsignedSpan = 60 * time.Second
)

// unsignedTail takes the entries behind the newest tree head, in order, and says what cannot be there.
type unsignedTail struct {
	signed int64 // size of that head
	n      int64
	stop   int64 // the newest stop; it may be signed
	begun  int64 // the first unsigned entry other than epoch and key, 0: none
	boots  map[string]bootSpan
}

type bootSpan struct {
	from, to       time.Duration // the least and the greatest mono
	fromSeq, toSeq int64
}

func (u *unsignedTail) take(e *Entry) error {
	const keep = "gated never leaves that: keep the file, and look with \"gated ledger verify\" for what was changed"
	u.n++
	switch {
	case u.n > maxUnsigned:
		return finding("more than %d entries after entry %d are signed by no tree head: %s", maxUnsigned, u.signed, keep)
	case u.stop > u.signed || u.stop > 0 && u.begun == 0 && e.Kind != Start && e.Kind != Epoch && e.Kind != KeyChange:
		return finding("entry %d is signed by no tree head and stands behind entry %d, a stop: %s", e.Seq, u.stop, keep)
	case e.Kind == Start && u.begun > 0:
		return finding("entry %d is a start, and entry %d before it is signed by no tree head: %s", e.Seq, u.begun, keep)
	}
	if e.Kind == Stop {
		u.stop = e.Seq
	}
	if u.begun == 0 && e.Kind != Epoch && e.Kind != KeyChange {
		u.begun = e.Seq
	}
	if e.late() {
		return nil
	}
	mono := time.Duration(e.Mono) * time.Microsecond
	b, seen := u.boots[e.Boot]
	if !seen || mono < b.from {
		b.from, b.fromSeq = mono, e.Seq
	}
	if !seen || mono > b.to {
		b.to, b.toSeq = mono, e.Seq
	}
	if u.boots == nil {
		u.boots = map[string]bootSpan{}
	}
	u.boots[e.Boot] = b
	if b.to-b.from > unsignedSpan {
		return finding("entries %d and %d are signed by no tree head, and %s lie between them: %s", min(b.fromSeq, b.toSeq), max(b.fromSeq, b.toSeq), (b.to - b.from).Round(time.Second), keep)
	}
	return nil
}

// late says whether the entry was written later than what it tells of happened, as the ledger could not take it then.
func (e *Entry) late() bool { return e.Detail["late"] != "" }
