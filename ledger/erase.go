package ledger

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"gated/ledger/entry"
	"gated/ledger/seal"
)

// EraseAtOnce is how many entries one erase entry names at most.
const EraseAtOnce = 500

// ErrNothingErased: there was nothing, or nothing left, to erase.
var ErrNothingErased = errors.New("nothing to erase")

// listField is the personal field of an erase entry that lists the entries. Its record has only their number, the first and
// the last: which ones they were tells who was there.
const listField = "entries"

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
		done.Epoch, path = epoch, EpochFile(l.opt.Dir, epoch)
	}
	r, err := OpenFile(path)
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
func (l *Ledger) eraseChunk(r *Reader, older int, seqs []int64, field string, ev Event) (done Erased, err error) {
	seqs, left, fields, err := r.losing(seqs, field)
	if err != nil || len(seqs) == 0 {
		return done, err
	}
	done = Erased{Epoch: older, Entries: len(seqs), Fields: fields, First: seqs[0], Last: seqs[len(seqs)-1]}
	events := []Event{done.said(ev, seqs)}
	var with func() error
	if left != nil {
		e := Event{Kind: Carried, By: "machine", Ref: seqs[0], Carried: left}
		if older != 0 {
			e.Detail = map[string]string{"epoch": strconv.Itoa(older)}
		}
		events = append(events, e)
		with = func() error {
			return l.c.exec("INSERT INTO carried VALUES(?, ?, ?)", int64(r.Meta.Epoch), seqs[0], l.size+2)
		}
	}
	l.pending.Store(true)
	if err := l.do(func() error {
		now := l.opt.Now()
		for i := range events {
			events[i].Stamp = now
		}
		entries, err := l.enter(with, events...)
		if err == nil {
			done.Records = []int64{entries[0].Seq}
		}
		return err
	}); err != nil {
		return Erased{}, err
	}
	x := erasure{epoch: r.Meta.Epoch, seqs: seqs, said: seal.Place{Epoch: l.Meta().Epoch, Seq: done.Records[0]}}
	err = l.clear(x)
	if err == nil {
		l.mark(x.said)
		return done, nil
	}
	err = fmt.Errorf("what entry %d says is not erased yet: %w", x.said.Seq, err)
	if errors.As(err, new(asideError)) { // no reason to close the gate
		l.postpone(x)
		return done, fmt.Errorf("%w: it is tried again each minute", err)
	}
	return done, l.do(func() error { return err }) // the next opening does it
}

// asideError: the slots of an older epoch could not be written.
type asideError struct{ error }

func (a asideError) Unwrap() error { return a.error }

// asideAgain is how long what could not be done in the files of an older epoch waits.
const asideAgain = time.Minute

// postpone keeps what could not be erased for finish.
func (l *Ledger) postpone(x erasure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.undone = append(l.undone, x)
}

// postponed are the erasures that finish is to carry out.
func (l *Ledger) postponed() []erasure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.undone
}

// mark notes that all erasures up to an entry were carried out. The caller holds l.erasing.
func (l *Ledger) mark(p seal.Place) {
	if len(l.postponed()) > 0 {
		return
	}
	l.pending.Store(false)
	if err := l.slots.Load().Mark(p); err != nil { // the next start looks through more entries
		l.opt.Log.Warn("erasures are looked for once more at the next start", "cause", err)
	}
}

// finish carries out what could not be done in older epochs. The caller holds l.erasing.
func (l *Ledger) finish(now time.Time) {
	if now.Before(l.again) {
		return
	}
	l.again = now.Add(asideAgain)
	for _, x := range l.postponed() {
		if err := l.clear(x); err != nil {
			l.opt.Log.Warn("personal data of an older epoch is not erased yet; trying again each minute", "cause", err)
			return
		}
		l.mu.Lock()
		l.undone = l.undone[1:]
		l.mu.Unlock()
	}
	l.pending.Store(false)
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
	ev.Personal = append(slices.Clone(ev.Personal), Field{Name: listField, Value: formatList(seqs)})
	return ev
}

// losing tells which of the entries have something to erase, in all how many fields, and for a single field what is left of
// the entry's others: nil if that is nothing.
func (r *Reader) losing(seqs []int64, field string) (gone []int64, left []seal.Row, fields int64, err error) {
	var p *page
	for _, seq := range seqs {
		var row Row
		if _, err := r.c.rows(seq, seq, true, func(x Row) error { row = x; return nil }); err != nil {
			return nil, nil, 0, err
		}
		if row.sealed == nil {
			continue
		}
		e, err := entry.Parse(row.Seq, row.TS, row.Record, r.Zone)
		if err != nil {
			return nil, nil, 0, err
		}
		if e.Kind == Erase || e.Kind == Carried {
			continue
		}
		if p == nil || seq > p.to {
			if p, err = r.personal().page(r.c, seq, 1<<62); err != nil {
				return nil, nil, 0, err
			}
		}
		got, err := p.open(seq, e.Record.Personal, row.sealed)
		n := int64(0)
		for i := range got.rows {
			if row := &got.rows[i]; !row.Erased && (field == "" || field == row.Name) {
				n++
			}
		}
		// What somebody has changed, so that it does not open, is erased all the same.
		if n == 0 && err == nil && (!got.hidden || field != "" || !p.here[seq-p.from]) {
			continue
		}
		gone, fields = append(gone, seq), fields+n
		if rest, found := seal.Without(got.rows, field); found && slices.ContainsFunc(rest, func(r seal.Row) bool { return !r.Erased }) {
			left = rest
		}
	}
	return gone, left, fields, nil
}

// Readable lists the entries from..to that still have personal data, at most limit of them, without it; next is where to
// go on, to+1 at the end. Entries that tell of erasures are not among them: what they say stays.
func (r *Reader) Readable(from, to int64, limit int) (found []Entry, next int64, err error) {
	size, err := r.Size()
	if err != nil {
		return nil, 0, err
	}
	o := r.personal()
	for to = min(to, size); from <= to && len(found) < limit; {
		p, err := o.page(r.c, from, to)
		if err != nil {
			return nil, 0, err
		}
		if found, from, err = r.readable(p, found, limit); err != nil {
			return nil, 0, fmt.Errorf("look for personal data: %w", err)
		}
	}
	return found, from, nil
}

// readable is Readable for the entries of a page.
func (r *Reader) readable(p *page, found []Entry, limit int) ([]Entry, int64, error) {
	next := p.to + 1
	err := r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		ts, _ := v[1].(int64)
		if len(found) == limit {
			next = min(next, seq)
			return nil
		}
		at := seq - p.from
		there := p.here[at] && p.slots[at] != seal.Slot{}
		if p.here[at] && !there {
			by, err := p.carrier(seq)
			if err != nil {
				return err
			}
			if by.c != nil {
				keys, here, err := by.in.files.Read(by.at, by.at)
				if err != nil {
					return err
				}
				there = here[0] && keys[0] != seal.Slot{}
			}
		}
		if !there {
			return nil
		}
		e, err := entry.Parse(seq, ts, text(v[2]), r.Zone)
		if err == nil && e.Kind != Erase && e.Kind != Carried {
			found = append(found, e)
		}
		return err
	}, "SELECT seq, ts, record FROM entry WHERE seq BETWEEN ? AND ? AND sealed IS NOT NULL ORDER BY seq", p.from, p.to)
	return found, next, err
}
