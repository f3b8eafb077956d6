package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"gated/ledger/file"
	"gated/ledger/tlog"
)

// Head is the newest tree head, or nil before the first.
func (l *Ledger) Head() *tlog.Head { return l.newest.Load() }

func (l *Ledger) setHead(h tlog.Head) {
	if h.Note == nil || h.Size == l.head.Size && len(h.Note) == len(l.head.Note) {
		return
	}
	if l.head.Note == nil {
		l.opt.Log.Info("the first tree head: let an auditor keep it away from this box", "origin", h.Origin, "size", h.Size,
			"short_root", h.ShortRoot(), "verifier", l.keys[0].Verifier(), "fingerprint", tlog.Fingerprint(l.keys[0].Verifier()))
	}
	l.head = h
	l.newest.Store(&h)
}

// signed makes a tree head of all entries, where there is none yet, and lets the anchor hold it. It runs each second, after
// file.SignAfter entries, and at the end.
func (l *Ledger) signed() {
	if l.fault.Load() != nil || l.anchored == l.size {
		return
	}
	if err := l.watched(l.sign); err != nil {
		l.fail(fmt.Errorf("sign a tree head: %w", err), nil)
	}
}

func (l *Ledger) sign() error {
	h := l.head
	if h.Size != l.size || h.Note == nil {
		var err error
		if h, err = tlog.SignHead(l.meta.Origin, l.size, l.tree.Root(), l.signer()); err != nil {
			return err
		}
	}
	if err := l.opt.inject("sign"); err != nil {
		return err
	}
	if err := l.anchor.Write(h); err != nil {
		return err
	}
	l.anchored, l.oldest = h.Size, nil
	l.setHead(h)
	return nil
}

// signer is the key that signs: a new one signs only behind the entry that names it.
func (l *Ledger) signer() *tlog.Key {
	if l.rotated != nil {
		return l.rotated
	}
	return l.keys[0]
}

// openTree rebuilds the frontier and checks it against the newest tree head. What does not fit is never put right: who
// can say which of the two was changed?
func (l *Ledger) openTree(c *file.Conn, m file.Meta, size int64) (err error) {
	if l.tree, err = tlog.LoadTree(c, size); err != nil {
		return err
	}
	row, err := c.Head(1 << 62)
	if err != nil {
		return fmt.Errorf("the newest tree head: %w", err)
	}
	anchored, err := l.openAnchor(m, size)
	if err != nil {
		return err
	}
	l.head, l.rowed, l.anchored, l.rotated, l.oldest = file.Newest(row, anchored, m.Origin, size), row.Size, 0, nil, nil
	if len(anchored) > 0 {
		l.anchored = anchored[0].Size
	}
	h := l.head
	if h.Note == nil {
		l.newest.Store(nil) // what an epoch before ended with is none of this ledger
		return nil
	}
	l.newest.Store(&h)
	if h.Origin != m.Origin {
		return file.Found("the newest tree head is of %q, not of %q", h.Origin, m.Origin)
	}
	if h.Size > size {
		return file.Found("the newest tree head counts %d entries, and %d are there: some were removed from the end", h.Size, size)
	}
	if err := c.CheckRoot(h); err != nil {
		return err
	}
	for i, k := range l.keys {
		if h.SignedBy(k.Verifier()) {
			if i > 0 {
				l.rotated = k
			}
			return nil
		}
	}
	return file.Found("the newest tree head is not signed by the key %s: put back the key that signed it, or its line below the new one",
		l.keys[0].Verifier())
}

// openAnchor opens the anchor, for the one who writes, and returns its heads.
func (l *Ledger) openAnchor(m file.Meta, size int64) (heads []tlog.Head, err error) {
	path := file.AnchorOf(l.path)
	heads, err = tlog.ReadAnchor(path)
	if err == nil && len(heads) > 0 && heads[0].Origin != m.Origin {
		for n := 1; n < m.Epoch; n++ { // a power cut came before it was put aside with its ledger
			if heads[0].Origin != file.EpochOrigin(m.Name(), n) {
				continue
			}
			if err := os.Rename(path, file.AnchorOf(file.OfEpoch(l.opt.Dir, n))); err != nil {
				return nil, err
			}
			heads, err = nil, fs.ErrNotExist
			break
		}
	}
	if err := file.CheckAnchor(l.path, heads, err, m.Origin, size); err != nil {
		return nil, err
	}
	if errors.Is(err, tlog.ErrTorn) { // its very first writing was cut off
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l.anchor, err = tlog.OpenAnchor(path)
	return heads, err
}

// rotate lets the new key take over from the old one: an entry names the new key, and both sign the head with it.
func (l *Ledger) rotate() error {
	if l.rotated == nil {
		return nil
	}
	if _, err := l.enter(Event{Stamp: l.opt.Now(), Kind: KeyChange, Reason: "rotated", By: "machine",
		Detail: map[string]string{"verifier": l.keys[0].Verifier(), "was": l.rotated.Verifier()}}); err != nil {
		return err
	}
	l.opt.Log.Info("another key signs tree heads from now on: the old one can be removed from the key file",
		"verifier", l.keys[0].Verifier(), "entries", l.size)
	l.rotated = nil
	return nil
}
