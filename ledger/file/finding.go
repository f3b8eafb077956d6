package file

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"gated/ledger/entry"
	"gated/ledger/seal"
	"gated/ledger/tlog"
)

// Finding is what no crash, power cut or disk error leaves behind: somebody has changed the ledger, or put another one in
// its place. The daemon stays in fault on it, and Verify returns it.
type Finding struct{ What string }

func (f *Finding) Error() string { return f.What }

// Found is a finding in these words.
func Found(format string, args ...any) error { return &Finding{fmt.Errorf(format, args...).Error()} }

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
// appended; each second under traffic; when SignAfter entries have none, which a batch of MaxBatch may be added to; with
// the entry stop, and with whatever a process writes that has begun with no start. So unsigned entries are of one run, which
// they may begin with its start, few, and of a short time.
const (
	MaxBatch     = 256 // entries in one transaction
	SignAfter    = 256
	MaxUnsigned  = SignAfter + MaxBatch
	UnsignedSpan = 60 * time.Second
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

func (u *unsignedTail) take(e *entry.Entry) error {
	u.n++
	switch {
	case u.n > MaxUnsigned:
		return Found("more than %d entries after entry %d are signed by no tree head", MaxUnsigned, u.signed)
	case u.stop > u.signed || u.stop > 0 && u.begun == 0 && e.Kind != entry.Start && e.Kind != entry.Epoch && e.Kind != entry.KeyChange:
		return Found("entry %d is signed by no tree head and stands behind entry %d, a stop", e.Seq, u.stop)
	case e.Kind == entry.Start && u.begun > 0:
		return Found("entry %d is a start, and entry %d before it is signed by no tree head", e.Seq, u.begun)
	}
	if e.Kind == entry.Stop {
		u.stop = e.Seq
	}
	if u.begun == 0 && e.Kind != entry.Epoch && e.Kind != entry.KeyChange {
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
	if b.to-b.from > UnsignedSpan {
		first, last := min(b.fromSeq, b.toSeq), max(b.fromSeq, b.toSeq)
		return Found("entries %d and %d are signed by no tree head, and %s lie between them",
			first, last, (b.to - b.from).Round(time.Second))
	}
	return nil
}

// End is what lies beside a ledger and tells how it must end. It is read before the entries are, which are then no fewer.
type End struct {
	anchored []tlog.Head
	err      error
	slots    error // the finding that there are slots too far beyond the entries
}

// End reads the anchor, and how far the slots of personal data reach.
func (r *Reader) End() (e End, err error) {
	e.anchored, e.err = tlog.ReadAnchor(AnchorOf(r.path))
	size, err := r.Size()
	if err == nil && r.isLive() {
		e.slots = SlotsBeyond(r.personal().files, size)
	}
	return e, err
}

// SlotsBeyond looks for slots so far behind the last entry that nobody has written them ahead.
func SlotsBeyond(files seal.Files, size int64) error {
	end, err := files.End()
	if n := end - size; err == nil && n > seal.MaxBeyond {
		err = Found("there are slots for %d entries behind the last one, entry %d: some were removed from the end", n, size)
	}
	return err
}

// Check compares the end of the ledger, of so many entries, with the newest head that is a row, with the anchor and with what
// others know. It returns the newest head.
func (e End) Check(r *Reader, row tlog.Head, size, known int64) (newest tlog.Head, err error) {
	if e.slots != nil {
		return row, e.slots
	}
	if r.isLive() { // others are copies, or were put aside with an anchor that may not be theirs
		if err := CheckAnchor(r.path, e.anchored, e.err, r.Meta.Origin, size); err != nil {
			return row, err
		}
	} else {
		e.anchored = slices.DeleteFunc(e.anchored, func(h tlog.Head) bool { return h.Size > size || r.c.CheckRoot(h) != nil })
	}
	if err := Beyond(known, size); err != nil {
		return row, err
	}
	newest = Newest(row, e.anchored, r.Meta.Origin, size)
	return newest, r.c.CheckUnsigned(r.Zone, newest.Size, size)
}

// CheckAnchor compares the anchor, as it was read, with the ledger that it lies beside. It may only be missing, or hold no
// head, where the ledger is so young that the first may never have reached the disk.
func CheckAnchor(ledger string, heads []tlog.Head, read error, origin string, size int64) error {
	path := AnchorOf(ledger)
	switch young := size <= MaxUnsigned; {
	case errors.Is(read, fs.ErrNotExist) && !young:
		return Found("%s is not there, and the ledger has %d entries", path, size)
	case errors.Is(read, tlog.ErrTorn) && !young:
		return Found("%w, and the ledger has %d entries", read, size)
	case errors.Is(read, fs.ErrNotExist), errors.Is(read, tlog.ErrTorn):
		return nil
	case read != nil:
		return read
	case len(heads) == 0 && !young:
		return Found("%s holds no tree head, and the ledger has %d entries", path, size)
	case len(heads) > 0 && heads[0].Origin != origin:
		return Found("%s is of the ledger %q, not of %q", path, heads[0].Origin, origin)
	case len(heads) > 0 && heads[0].Size > size:
		return Found("%s counts %d entries, and %d are there: some were removed from the end", path, heads[0].Size, size)
	}
	return nil
}

// Beyond compares the size with what others remember.
func Beyond(known, size int64) error {
	if known > size {
		return Found("the index or the spool has heard of %d entries, and %d are there: some were removed from the end, "+
			"or an older copy was put in its place, which is started once with --restored", known, size)
	}
	return nil
}

// CheckUnsigned looks at the entries behind the newest tree head.
func (c *Conn) CheckUnsigned(zone *time.Location, signed, size int64) error {
	u := &unsignedTail{signed: signed}
	if signed > 0 && size > signed {
		if err := c.scan(zone, signed, signed, nil, func(e *entry.Entry) error {
			if e.Kind == entry.Stop {
				u.stop = signed
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return c.scan(zone, signed+1, min(size, signed+MaxUnsigned+1), nil, u.take)
}

// Check is what opening a ledger checks, for one that is only read. known is how many entries others remember, keys are those
// that may have signed, none: any.
func (r *Reader) Check(known int64, keys []string) error {
	end, err := r.End()
	if err = errors.Join(err, r.CheckMaster()); err != nil {
		return err
	}
	size, err := r.Size()
	if err != nil {
		return err
	}
	if err := r.c.VerifyTail(r.Zone); err != nil {
		return err
	}
	row, err := r.c.Head(1 << 62)
	if err != nil {
		return err
	}
	h, err := end.Check(r, row, size, known)
	if err != nil {
		return err
	}
	if h.Note == nil {
		return r.c.CheckHeads(r.Zone, size)
	}
	if h.Size > size {
		return Found("the newest tree head counts %d entries, and %d are there: some were removed from the end", h.Size, size)
	}
	if err := r.c.CheckRoot(h); err != nil {
		return err
	}
	if len(tlog.OfOrigin(keys, r.Meta.Origin)) > 0 && !h.SignedBy(keys...) {
		return Found("the newest tree head is not signed by a key of %s", tlog.PublicFile(filepath.Dir(r.path)))
	}
	return r.c.CheckHeads(r.Zone, size)
}

// Tail is how many entries are read back whenever a ledger is opened.
const Tail = 256

// VerifyTail reads the newest entries and checks that they follow each other, are well formed, and are the leaves that the
// tiles hold.
func (c *Conn) VerifyTail(zone *time.Location) error {
	size, err := c.Size()
	if err != nil {
		return err
	}
	var leaves []byte // of the full tile that the entry is in
	return c.scan(zone, max(size-Tail+1, 1), size, nil, func(e *entry.Entry) error {
		leaf := e.Seq - 1
		if leaf/tlog.TileWidth == size/tlog.TileWidth {
			return nil // in no full tile yet: the tree is made of it
		}
		if leaves == nil {
			if leaves, err = c.ReadTile(0, leaf/tlog.TileWidth, tlog.TileWidth); err != nil {
				return err
			}
		}
		h, at := tlog.LeafHash(e.Raw), leaf%tlog.TileWidth*tlog.HashSize
		if !bytes.Equal(h[:], leaves[at:at+tlog.HashSize]) {
			return fmt.Errorf("entry %d is not the one in its tile: one of them was changed", e.Seq)
		}
		if leaf%tlog.TileWidth == tlog.TileWidth-1 {
			leaves = nil
		}
		return nil
	})
}
