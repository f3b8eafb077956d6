package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"gated/ledger/file"
	"gated/ledger/seal"
)

// EraseAtOnce is how many entries one erase entry names at most.
const EraseAtOnce = file.EraseAtOnce

// ErrNothingErased: there was nothing, or nothing left, to erase.
var ErrNothingErased = errors.New("nothing to erase")

// Erased is what an erasure came to in one epoch.
type Erased struct {
	Epoch   int     // 0: the current one
	Entries int     // that lost fields
	Fields  int64   // erased
	First   int64   // the oldest of the entries
	Last    int64   // the newest
	Records []int64 // the erase entries, of the current epoch
}

// Add adds what another erasure came to in the same epoch.
func (d *Erased) Add(o Erased) {
	if d.First == 0 || o.First != 0 && o.First < d.First {
		d.First = o.First
	}
	d.Last = max(d.Last, o.Last)
	d.Entries, d.Fields, d.Records = d.Entries+o.Entries, d.Fields+o.Fields, append(d.Records, o.Records...)
}

// Erase erases the personal data of entries of an epoch (0: the current one) and records that it does: ev is the erase entry
// without its moment and numbers. The commitments stay, and every proof with them. The entries are in order. Many of them
// get several erase entries; an erasure that fails on the way says with its error what was erased until then. What erase
// entries themselves say of people stays.
//
// The entry comes first, then zeros over the slots. After a crash between the two the next opening writes them.
func (l *Ledger) Erase(epoch int, seqs []int64, ev Event) (done Erased, err error) {
	return l.erase(epoch, seqs, "", ev)
}

// EraseField is Erase for one field of one entry. What is left of its fields another entry carries from then on.
func (l *Ledger) EraseField(epoch int, seq int64, field string, ev Event) (Erased, error) {
	return l.erase(epoch, []int64{seq}, field, ev)
}

func (l *Ledger) erase(epoch int, seqs []int64, field string, ev Event) (done Erased, err error) {
	if !slices.IsSorted(seqs) {
		return done, errors.New("erase: the entries must be in order")
	}
	l.erasing.Lock()
	defer l.erasing.Unlock()
	if fault := l.Fault(); fault != nil {
		return done, fmt.Errorf("%w: %s", ErrFault, fault.Cause)
	}
	path := l.path
	if epoch != 0 && epoch != l.Meta().Epoch {
		done.Epoch, path = epoch, file.OfEpoch(l.opt.Dir, epoch)
	}
	r, err := file.OpenFile(path)
	if err != nil {
		return done, err
	}
	defer r.Close()
	for seqs := range slices.Chunk(seqs, EraseAtOnce) {
		part, err := l.eraseChunk(r, done.Epoch, seqs, field, ev)
		if done.Add(part); err != nil {
			return done, err
		}
	}
	return done, nil
}

// eraseChunk erases what there is to erase of the entries, of an older epoch or of the current one (0).
func (l *Ledger) eraseChunk(r *file.Reader, older int, seqs []int64, field string, ev Event) (done Erased, err error) {
	seqs, left, fields, err := r.Losing(seqs, field)
	if err != nil || len(seqs) == 0 {
		return done, err
	}
	done = Erased{Epoch: older, Entries: len(seqs), Fields: fields, First: seqs[0], Last: seqs[len(seqs)-1]}
	events := []Event{done.said(ev, seqs)}
	if left != nil {
		e := Event{Kind: Carried, By: "machine", Ref: seqs[0], Carried: left}
		if older != 0 {
			e.Detail = map[string]string{"epoch": strconv.Itoa(older)}
		}
		events = append(events, e)
	}
	if err := l.do(func() error {
		l.erasing.Announce() // here no recovery comes between that and the entry
		now := l.opt.Now()
		for i := range events {
			events[i].Stamp = now
		}
		entries, err := l.enter(events...)
		if err == nil {
			done.Records = []int64{entries[0].Seq}
		}
		return err
	}); err != nil {
		return Erased{}, err
	}
	said := seal.Place{Epoch: l.Meta().Epoch, Seq: done.Records[0]}
	later, err := l.erasing.Erase(file.Erasure{Epoch: r.Meta.Epoch, Seqs: seqs, Said: said})
	if err != nil && !later {
		err = l.do(func() error { return err }) // the next opening does it
	}
	return done, err
}

// said is the erase entry with its numbers and its list.
func (d *Erased) said(ev Event, seqs []int64) Event {
	ev.Detail = maps.Clone(ev.Detail)
	if ev.Detail == nil {
		ev.Detail = map[string]string{}
	}
	for k, v := range map[string]int64{"first": d.First, "last": d.Last, "entries": int64(d.Entries), "fields": d.Fields} {
		ev.Detail[k] = strconv.FormatInt(v, 10)
	}
	if d.Epoch != 0 {
		ev.Detail["epoch"] = strconv.Itoa(d.Epoch)
	}
	ev.Personal = append(slices.Clone(ev.Personal), Field{Name: file.ListField, Value: file.FormatList(seqs)})
	return ev
}

// Keys are the keys of the entries from..to of an epoch, for those who ask (file.Keys).
func (l *Ledger) Keys(epoch int, from, to int64) ([][]byte, error) {
	path := l.path
	if epoch != l.Meta().Epoch {
		path = file.OfEpoch(l.opt.Dir, epoch)
	}
	r, err := file.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Keys(l.master.Load(), from, to)
}
