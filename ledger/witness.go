package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"gated/ledger/tlog"
)

// Cosign keeps a witness's signature line with a tree head of this ledger. Before the first one of a key an entry names
// that key under a newer head, so that whoever reads the ledger up to the newest head knows who signed.
func (l *Ledger) Cosign(h tlog.Head, key, line string) error {
	v, err := tlog.NewVerifier(key)
	if err != nil {
		return err
	}
	mark := tlog.Mark(v)
	return l.do(func() error {
		root, err := tlog.RootAt(l.c, h.Size)
		if err != nil {
			return err
		}
		got, _, err := tlog.Head{Origin: l.meta.Origin, Size: h.Size, Root: root}.Cosignature(key, []byte(line+"\n"))
		if err == nil && got != line {
			err = errors.New("it is written in another way than its own")
		}
		if err != nil {
			return refused{fmt.Errorf("cosignature of %s on the tree head of %d entries: %w", v.Name(), h.Size, err)}
		}
		known, err := l.c.number("SELECT count(*) FROM head WHERE instr(note, ?) > 0", mark)
		if err == nil && known == 0 {
			_, err = l.enter(nil, Event{Stamp: l.opt.Now(), Kind: KeyChange, Reason: "witness", By: "machine",
				Detail: map[string]string{"verifier": key}})
		}
		if err != nil {
			return err
		}
		n, err := l.c.one("SELECT note FROM head WHERE size = ?", h.Size)
		switch {
		case err != nil:
			return err
		case strings.Contains(n, mark):
			return nil
		case n == "": // it was the newest for a moment
			h.Note = fmt.Appendf(bytes.Clone(h.Note), "%s\n", line)
			err = l.c.exec("INSERT INTO head(size, note) VALUES(?, ?)", h.Size, string(h.Note))
		default: // with what other witnesses have added
			h.Note = []byte(n + line + "\n")
			err = l.c.exec("UPDATE head SET note = ? WHERE size = ?", string(h.Note), h.Size)
		}
		if err == nil {
			l.rowed = max(l.rowed, h.Size)
			if l.head.Size == h.Size {
				l.setHead(h)
			}
		}
		return err
	})
}

// SendHeads sends tree heads to the witnesses, as tlog.Sender does, and keeps their cosignatures, until ctx ends.
func (l *Ledger) SendHeads(ctx context.Context, witnesses []tlog.Witness, every int) error {
	senders, err := tlog.NewSenders(sending{l}, witnesses, every, l.opt.Log, l.opt.Registry)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for _, s := range senders {
		all.Go(func() { s.Run(ctx) })
	}
	all.Wait()
	return nil
}

// sending is the ledger as the senders see it.
type sending struct{ *Ledger }

func (s sending) Head() *tlog.Head {
	if s.Fault() != nil {
		return nil // a cosignature could not be kept
	}
	return s.Ledger.Head()
}

func (s sending) Heads() (tlog.HeadReader, error) {
	r, err := OpenReader(s.opt.Dir)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// HeadMarked is the newest tree head with such a signature line (tlog.Mark); Note is nil where there is none.
func (r *Reader) HeadMarked(mark string) (tlog.Head, error) {
	return r.oneHead("SELECT note FROM head WHERE instr(note, ?) > 0 ORDER BY size DESC LIMIT 1", mark)
}

// DayEnd is the oldest tree head of more than size entries that ended a day; Note is nil where there is none.
func (r *Reader) DayEnd(size int64) (tlog.Head, error) {
	return r.oneHead(`SELECT note FROM head WHERE size > ? AND EXISTS(SELECT 1 FROM segment WHERE first = size + 1)
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
