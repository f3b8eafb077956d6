package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"gated/ledger/seal"
	"gated/ledger/tlog"
)

// Finding is what no crash, power cut or disk error leaves behind: somebody has changed the ledger, or put another one in
// its place. The daemon stays in fault on it, and Verify returns it.
type Finding struct{ What string }

func (f *Finding) Error() string { return f.What }

func finding(format string, args ...any) error { return &Finding{fmt.Errorf(format, args...).Error()} }

// advice is what a finding asks for.
const advice = "keep the files, look with \"gated ledger verify\" for what was changed, and call the maintainer; " +
	"\"gated ledger begin\" begins a new epoch, whose first entry names what was found"

// Advise adds what is to be done about a finding.
func Advise(err error) error {
	if f := new(Finding); errors.As(err, &f) {
		return fmt.Errorf("%w: %s", err, advice)
	}
	return err
}

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
	u.n++
	switch {
	case u.n > maxUnsigned:
		return finding("more than %d entries after entry %d are signed by no tree head", maxUnsigned, u.signed)
	case u.stop > u.signed || u.stop > 0 && u.begun == 0 && e.Kind != Start && e.Kind != Epoch && e.Kind != KeyChange:
		return finding("entry %d is signed by no tree head and stands behind entry %d, a stop", e.Seq, u.stop)
	case e.Kind == Start && u.begun > 0:
		return finding("entry %d is a start, and entry %d before it is signed by no tree head", e.Seq, u.begun)
	}
	if e.Kind == Stop {
		u.stop = e.Seq
	}
	if u.begun == 0 && e.Kind != Epoch && e.Kind != KeyChange {
		u.begun = e.Seq
	}
	if e.Late() {
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
		first, last := min(b.fromSeq, b.toSeq), max(b.fromSeq, b.toSeq)
		return finding("entries %d and %d are signed by no tree head, and %s lie between them",
			first, last, (b.to - b.from).Round(time.Second))
	}
	return nil
}

// lookForFindings compares what the ledger ends with with what others know of it.
func (l *Ledger) lookForFindings(c *conn, zone *time.Location) error {
	if l.durable == nil { // later on the others know what they know from here
		if err := beyond(l.remembered(l.meta.Origin), l.size); err != nil {
			return err
		}
	}
	return checkUnsigned(c, zone, l.head.Size, l.size)
}

// End is what lies beside a ledger and tells how it must end. It is read before the entries are, which are then no fewer.
type End struct {
	anchored []tlog.Head
	err      error
	slots    error // the finding that there are slots too far beyond the entries
}

// End reads the anchor, and how far the slots of personal data reach.
func (r *Reader) End() (e End, err error) {
	e.anchored, e.err = tlog.ReadAnchor(anchorFile(r.path))
	size, err := r.Size()
	if err == nil && filepath.Base(r.path) == "ledger.db" {
		e.slots = slotsBeyond(r.personal().files, size)
	}
	return e, err
}

// slotsBeyond looks for slots so far behind the last entry that nobody has written them ahead.
func slotsBeyond(files seal.Files, size int64) error {
	end, err := files.End()
	if n := end - size; err == nil && n > seal.MaxBeyond {
		err = finding("there are slots for %d entries behind the last one, entry %d: some were removed from the end", n, size)
	}
	return err
}

// Check compares the end of the ledger, of so many entries, with the newest head that is a row, with the anchor and with what
// others know. It returns the newest head.
func (e End) Check(r *Reader, row tlog.Head, size, known int64) (newest tlog.Head, err error) {
	if e.slots != nil {
		return row, e.slots
	}
	if filepath.Base(r.path) == "ledger.db" { // others are copies, or were put aside with an anchor that may not be theirs
		if err := checkAnchor(r.path, e, r.Meta.Origin, size); err != nil {
			return row, err
		}
	} else {
		e.anchored = slices.DeleteFunc(e.anchored, func(h tlog.Head) bool { return h.Size > size || checkRoot(r.c, h) != nil })
	}
	if err := beyond(known, size); err != nil {
		return row, err
	}
	newest = newestHead(row, e.anchored, r.Meta.Origin, size)
	return newest, checkUnsigned(r.c, r.Zone, newest.Size, size)
}

// checkAnchor compares the anchor with the ledger that it lies beside. It may only be missing where the ledger is so young
// that it may never have reached the disk.
func checkAnchor(ledger string, e End, origin string, size int64) error {
	path := anchorFile(ledger)
	switch young := size <= maxUnsigned; {
	case errors.Is(e.err, fs.ErrNotExist) && !young:
		return finding("%s is not there, and the ledger has %d entries", path, size)
	case errors.Is(e.err, tlog.ErrTorn) && !young:
		return finding("%w, and the ledger has %d entries", e.err, size)
	case errors.Is(e.err, fs.ErrNotExist), errors.Is(e.err, tlog.ErrTorn):
		return nil
	case e.err != nil:
		return e.err
	case len(e.anchored) > 0 && e.anchored[0].Origin != origin:
		return finding("%s is of the ledger %q, not of %q", path, e.anchored[0].Origin, origin)
	case len(e.anchored) > 0 && e.anchored[0].Size > size:
		return finding("%s counts %d entries, and %d are there: some were removed from the end", path, e.anchored[0].Size, size)
	}
	return nil
}

// beyond compares the size with what others remember.
func beyond(known, size int64) error {
	if known > size {
		return finding("the index or the spool has heard of %d entries, and %d are there: some were removed from the end, "+
			"or an older copy was put in its place, which is started once with --restored", known, size)
	}
	return nil
}

// checkUnsigned looks at the entries behind the newest tree head.
func checkUnsigned(c *conn, zone *time.Location, signed, size int64) error {
	u := &unsignedTail{signed: signed}
	if signed > 0 && size > signed {
		if err := c.scan(zone, signed, signed, nil, func(e *Entry) error {
			if e.Kind == Stop {
				u.stop = signed
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return c.scan(zone, signed+1, min(size, signed+maxUnsigned+1), nil, u.take)
}
