package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"gated/ledger/file"
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
		known, err := l.c.Marked(mark)
		if err == nil && !known {
			_, err = l.enter(Event{Stamp: l.opt.Now(), Kind: KeyChange, Reason: "witness", By: "machine",
				Detail: map[string]string{"verifier": key}})
		}
		if err != nil {
			return err
		}
		n, err := l.c.Note(h.Size)
		if err != nil || strings.Contains(n, mark) {
			return err
		}
		if n == "" { // it was the newest for a moment
			if err = l.c.AddHead(h, nil); err == nil {
				l.recent.sign(h)
			}
		}
		if err == nil {
			err = l.c.AddCosignature(h.Size, line)
		}
		if err == nil {
			n, err = l.c.Note(h.Size)
			h.Note = []byte(n)
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
	r, err := file.OpenReader(s.opt.Dir)
	if err != nil {
		return nil, err
	}
	return r, nil
}
