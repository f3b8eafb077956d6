package file

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"gated/ledger/entry"
	"gated/ledger/tlog"
)

// Head reads the newest tree head, or the newest with at most size entries; Note is nil where there is none.
func (c *Conn) Head(size int64) (h tlog.Head, err error) {
	s, err := c.one("SELECT note FROM cosigned WHERE size <= ? ORDER BY size DESC LIMIT 1", size)
	if err != nil || s == "" {
		return h, err
	}
	return tlog.ParseHead([]byte(s))
}

// Note is the row of the tree head of exactly size entries; "" where there is none.
func (c *Conn) Note(size int64) (string, error) {
	return c.one("SELECT note FROM cosigned WHERE size = ?", size)
}

// Marked tells whether a tree head has such a signature line (tlog.Mark).
func (c *Conn) Marked(mark string) (bool, error) {
	n, err := c.number("SELECT count(*) FROM cosigned WHERE instr(note, ?) > 0", mark)
	return n > 0, err
}

// Head is the newest tree head: that of the anchor, as far as this reader sees the entries that it counts, or a row.
func (r *Reader) Head() (tlog.Head, error) {
	heads, err := tlog.ReadAnchor(AnchorOf(r.path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return tlog.Head{}, err
	}
	h, err := r.c.Head(1 << 62)
	if err != nil {
		return h, err
	}
	size, err := r.Size()
	if err != nil {
		return h, err
	}
	if !r.isLive() { // it may have been put aside with the anchor of another history
		heads = slices.DeleteFunc(heads, func(h tlog.Head) bool { return h.Size > size || r.c.CheckRoot(h) != nil })
	}
	if h = Newest(h, heads, r.Meta.Origin, size); h.Note == nil {
		return h, tlog.ErrNoHead
	}
	return h, nil
}

// Newest is the newest of a row and the anchor's heads that are of the first size entries of this ledger. Of two of the
// same size the row counts, which may have cosignatures.
func Newest(row tlog.Head, anchored []tlog.Head, origin string, size int64) tlog.Head {
	for _, h := range anchored { // the newest first
		if h.Origin == origin && h.Size <= size && (row.Note == nil || h.Size > row.Size) {
			return h
		}
	}
	return row
}

// CheckHead looks for the tree head that came in the transaction of an entry, so that no crash, power cut or disk error parts
// the two: before a start, and with a stop or a key, behind which others of the same transaction may stand.
func (c *Conn) CheckHead(e *entry.Entry) error {
	from, to := e.Seq, e.Seq+2*MaxBatch-2
	switch {
	case e.Kind == entry.Start && e.Seq > 1:
		from, to = e.Seq-1, e.Seq-1
	case e.Kind != entry.Stop && e.Kind != entry.KeyChange:
		return nil
	}
	n, err := c.number("SELECT EXISTS(SELECT 1 FROM head WHERE size BETWEEN ? AND ?)", from, to)
	if err == nil && n == 0 {
		err = Found("entry %d is a %s, and the tree head that was signed with it is not there", e.Seq, e.Kind)
	}
	return err
}

// CheckDays looks for the tree heads with which days ended, the newest of them or, below 0, all: they came in the transactions
// of the next days' first entries.
func (c *Conn) CheckDays(newest int) error {
	first, err := c.number(`SELECT first FROM (SELECT first FROM segment WHERE first > 1 ORDER BY first DESC LIMIT ?)
		WHERE NOT EXISTS(SELECT 1 FROM head WHERE size = first - 1)`, int64(newest))
	if err == nil && first > 0 {
		err = Found("a day ended with entry %d, and the tree head that was signed then is not there", first-1)
	}
	return err
}

// CheckHeads looks for the tree heads that came with the newest entries, and of a month. Verifying looks for all.
func (c *Conn) CheckHeads(zone *time.Location, size int64) error {
	if err := c.CheckDays(31); err != nil { // each stands on pages of its own, which a cold start reads one after the other
		return err
	}
	return c.scan(zone, max(size-Tail+1, 1), size, nil, c.CheckHead)
}

// CheckRoot compares a head with the entries that it counts.
func (c *Conn) CheckRoot(h tlog.Head) error {
	root, err := tlog.RootAt(c, h.Size)
	if err == nil && root != h.Root {
		err = Found("entries 1 to %d have the root %s, and the tree head signed %s", h.Size, root, h.Root)
	}
	return err
}

// HeadMarked is the newest tree head with such a signature line (tlog.Mark); Note is nil where there is none.
func (r *Reader) HeadMarked(mark string) (tlog.Head, error) {
	return r.oneHead("SELECT note FROM cosigned WHERE instr(note, ?) > 0 ORDER BY size DESC LIMIT 1", mark)
}

// DayEnd is the oldest tree head of more than size entries that ended a day; Note is nil where there is none.
func (r *Reader) DayEnd(size int64) (tlog.Head, error) {
	return r.oneHead(`SELECT note FROM cosigned WHERE size > ? AND EXISTS(SELECT 1 FROM segment WHERE first = size + 1)
		ORDER BY size LIMIT 1`, size)
}

func (r *Reader) oneHead(q string, args ...any) (h tlog.Head, err error) {
	n, err := r.c.one(q, args...)
	if err == nil && n != "" {
		h, err = tlog.ParseHead([]byte(n))
	}
	if err != nil {
		return h, fmt.Errorf("read the tree heads: %w", err)
	}
	return h, nil
}
