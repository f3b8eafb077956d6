package ledger

import (
	"time"

	"gated/ledger/file"
	"gated/ledger/tlog"
)

// mono is the moment of an entry by the clock that nobody sets.
type mono struct {
	boot string
	at   time.Duration
}

// headRows signs heads in the transaction that puts entries, so that none is left unsigned that must not be (unsignedTail).
// These heads stay for good: where a day ends, before a start, with a stop, a key or an entry of a process without a start.
type headRows struct {
	l       *Ledger
	newest  tlog.Head // Note nil: none in this transaction
	rows    []tlog.Head
	rowed   int64 // size of the newest row
	oldest  *mono // of the unsigned entries
	running bool  // a start was appended, and no stop since
	due     bool  // with what is put the head is due
}

// before is called before an entry is put.
func (h *headRows) before(e *Entry, newDay bool) error {
	now := &mono{e.Boot, time.Duration(e.Mono) * time.Microsecond}
	apart := h.oldest != nil && !e.Late() && h.oldest.boot == now.boot && (now.at-h.oldest.at).Abs() > file.UnsignedSpan/3
	_, again := h.again(e.Seq - 1)
	if (newDay || e.Kind == Start || apart || again) && e.Seq-1 > h.rowed {
		if err := h.sign(e.Seq-1, h.l.signer()); err != nil {
			return err
		}
	}
	if h.oldest == nil && !e.Late() {
		h.oldest = now
	}
	h.running = e.Kind == Start || h.running && e.Kind != Stop
	h.due = h.due || e.Kind == Stop || e.Kind == KeyChange
	return nil
}

// end is called before the commit of the first size entries.
func (h *headRows) end(size int64) error {
	_, again := h.again(size)
	switch {
	case h.l.known && !again: // its end is not where it was
	case h.l.rotated != nil: // both keys sign what names the new one
		return h.sign(size, h.l.keys[0], h.l.rotated)
	case h.due || !h.running || again:
		return h.sign(size, h.l.keys[0])
	}
	return nil
}

// sign signs the tree as it stands, with size entries, and inserts the head in the transaction under way.
func (h *headRows) sign(size int64, keys ...*tlog.Key) (err error) {
	head, again := h.again(size)
	if !again {
		head, err = tlog.SignHead(h.l.meta.Origin, size, h.l.tree.Root(), keys...)
	}
	if err == nil {
		err = h.l.c.AddHead(head, h.l.tree.Edge(0))
	}
	h.newest, h.rowed, h.oldest = head, size, nil
	h.rows = append(h.rows, head)
	return err
}

// again is the head of so many entries as it was, while entries that the medium lacks are appended again.
func (h *headRows) again(size int64) (head tlog.Head, was bool) {
	if h.l.known {
		head, was = h.l.recent.heads[size]
	}
	return head, was
}
