package ledger

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"gated/ledger/tlog"
)

// head reads the newest tree head, or the newest with at most size entries; Note is nil where there is none.
func (c *conn) head(size int64) (h tlog.Head, err error) {
	s, err := c.one("SELECT note FROM head WHERE size <= ? ORDER BY size DESC LIMIT 1", size)
	if err != nil || s == "" {
		return h, err
	}
	return tlog.ParseHead([]byte(s))
}

// Head is the newest tree head.
func (r *Reader) Head() (tlog.Head, error) { return r.HeadBefore(1 << 62) }

// HeadBefore is the newest tree head of at most size entries.
func (r *Reader) HeadBefore(size int64) (tlog.Head, error) {
	h, err := r.c.head(size)
	if err == nil && h.Note == nil {
		err = tlog.ErrNoHead
	}
	return h, err
}

// HeadAt is the tree head of exactly size entries; day ends and witnessed heads are kept for good.
func (r *Reader) HeadAt(size int64) (tlog.Head, error) {
	h, err := r.HeadBefore(size)
	if err == nil && h.Size != size {
		err = fmt.Errorf("no tree head of %d entries was kept", size)
	}
	return h, err
}

// Head is the newest tree head, or nil before the first.
func (l *Ledger) Head() *tlog.Head { return l.newest.Load() }

func (l *Ledger) setHead(h tlog.Head) {
	if h.Note == nil || h.Size == l.head.Size && len(h.Note) == len(l.head.Note) {
		return
	}
	if l.head.Note == nil {
		l.opt.Log.Info("the first tree head: let an auditor keep it away from this box", "origin", h.Origin, "size", h.Size, "short_root", h.ShortRoot(),
			"verifier", l.keys[0].Verifier(), "fingerprint", tlog.Fingerprint(l.keys[0].Verifier()))
	}
	l.head = h
	l.newest.Store(&h)
}

// signed makes a tree head of all entries, where there is none yet. It runs each second, and at the end.
func (l *Ledger) signed() {
	if l.fault.Load() != nil || len(l.keys) == 0 || l.head.Size == l.size {
		return
	}
	if err := l.watched(func() error { return l.sign(l.keys[0]) }); err != nil {
		l.fail(fmt.Errorf("sign a tree head: %w", err), nil)
	}
}

// sign makes the head of all entries with the keys in a transaction of its own: published, it must outlast a power cut.
func (l *Ledger) sign(keys ...*tlog.Key) error {
	if err := run(l.begin); err != nil {
		return err
	}
	h, err := l.putHead(l.size, l.head, l.segments, keys...)
	if err == nil {
		err = l.opt.inject("sign")
	}
	if err == nil {
		err = run(l.commit)
	}
	if err != nil {
		return err
	}
	l.setHead(h)
	return nil
}

// putHead signs the tree as it stands, with size entries, and inserts the head in the transaction under way. The head
// before it goes, unless it ended a day or bears more than one signature.
func (l *Ledger) putHead(size int64, before tlog.Head, segments []Segment, keys ...*tlog.Key) (tlog.Head, error) {
	if len(l.keys) == 0 {
		return before, nil
	}
	if len(keys) == 0 {
		keys = l.keys[:1]
		if l.rotated != nil { // the entry that names the new key may end a day; the old one must be seen to have known it
			keys = []*tlog.Key{l.keys[0], l.rotated}
		}
	}
	h, err := tlog.SignHead(l.meta.Origin, size, l.tree.Root(), keys...)
	if err != nil {
		return h, err
	}
	if before.Note != nil && before.Size == size { // only when it is signed by a second key
		return h, l.c.exec("UPDATE head SET note = ? WHERE size = ?", string(h.Note), size)
	}
	// The leaves that no full tile holds yet let a verifier name the entry that was changed, should one be.
	if err := l.c.exec("INSERT INTO head(size, note, leaves) VALUES(?, ?, ?)", size, string(h.Note), l.tree.Edge(0)); err != nil {
		return h, err
	}
	i := sort.Search(len(segments), func(i int) bool { return segments[i].First > before.Size })
	ended := i < len(segments) && segments[i].First == before.Size+1
	if before.Note == nil || ended || len(before.Signatures()) > 1 {
		return h, nil
	}
	return h, l.c.exec("DELETE FROM head WHERE size = ?", before.Size)
}

// errStranger: the keys of the state directory are not those of the ledger.
var errStranger = errors.New("not signed by the key")

// openTree rebuilds the frontier and checks it against the newest tree head. What does not fit is never put right: who
// can say which of the two was changed?
func (l *Ledger) openTree(c *conn, m Meta) error {
	size, err := c.number("SELECT coalesce(max(seq), 0) FROM entry")
	if err != nil {
		return err
	}
	if l.tree, err = tlog.LoadTree(c, size); err != nil {
		return err
	}
	h, err := c.head(1 << 62)
	if err != nil {
		return fmt.Errorf("the newest tree head: %w", err)
	}
	l.head, l.rotated = h, nil
	if h.Note == nil {
		l.newest.Store(nil) // what an epoch before ended with is none of this ledger
		return nil
	}
	l.newest.Store(&h)
	const keep = "keep the file, and look with \"gated ledger verify\" for what was changed"
	if h.Origin != m.Origin {
		return fmt.Errorf("the newest tree head is of %q, not of %q: %s", h.Origin, m.Origin, keep)
	}
	if h.Size > size {
		return fmt.Errorf("the newest tree head counts %d entries, and %d are there: some were removed from the end: %s", h.Size, size, keep)
	}
	t := l.tree
	if h.Size != size {
		if t, err = tlog.LoadTree(c, h.Size); err != nil {
			return err
		}
	}
	if root := t.Root(); root != h.Root {
		return fmt.Errorf("entries 1 to %d have the root %s, and the tree head signed %s: %s", h.Size, root, h.Root, keep)
	}
	for i, k := range l.keys {
		if h.SignedBy(k.Verifier()) {
			if i > 0 || len(h.Signatures()) == 1 {
				if i > 0 {
					l.rotated = k
				}
				return nil
			}
			// Both signed. Unless that was right after the entry that names the new key, it was broken off.
			last, err := c.one("SELECT record FROM entry WHERE seq = ?", h.Size)
			if err != nil {
				return err
			}
			for _, old := range l.keys[1:] {
				if h.SignedBy(old.Verifier()) && !strings.Contains(last, k.Verifier()) {
					l.rotated = old
				}
			}
			return nil
		}
	}
	if len(l.keys) > 0 {
		return fmt.Errorf("the newest tree head is not signed by the key %s: put back the key that signed it, or its line below the new one; "+
			"if it is lost, begin a new epoch with \"gated run --restored\"", l.keys[0].Verifier())
	}
	known, err := tlog.PublicKeys(l.opt.Dir)
	if err != nil {
		return err
	}
	if !h.SignedBy(known...) {
		return fmt.Errorf("the newest tree head is %w of %s: %s", errStranger, tlog.PublicFile(l.opt.Dir), keep)
	}
	return nil
}

// rotate lets the new key take over from the old one: an entry names the new key, and both sign one head.
func (l *Ledger) rotate() error {
	if l.rotated == nil {
		return nil
	}
	if _, err := l.enter(nil, Event{Stamp: l.opt.Now(), Kind: KeyChange, Reason: "rotated", By: "machine",
		Detail: map[string]string{"verifier": l.keys[0].Verifier(), "was": l.rotated.Verifier()}}); err != nil {
		return err
	}
	if err := l.sign(l.keys[0], l.rotated); err != nil {
		return err
	}
	l.opt.Log.Info("another key signs tree heads from now on: the old one can be removed from the key file", "verifier", l.keys[0].Verifier(), "entries", l.size)
	l.rotated = nil
	return nil
}
