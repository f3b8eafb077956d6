package erasure

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
)

// kept is what the keep entries in force forbid to erase of an epoch: days, and what happened from one time to another.
type kept struct {
	keeps map[int64]register.Span
	days  []int64           // the keep entries that are of days, in order
	times map[int64]*window // those that are of times
}

// window is what happened from one time to another: the entries of that time, and the passages that they belong to, also where those
// began before it or ended after it.
type window struct {
	read     int64 // so many entries of the ledger
	seqs     map[int64]bool
	passages map[string]bool
}

// has tells whether an entry is of it, or says something later of what is.
func (w *window) has(e *ledger.Entry) bool {
	return w.seqs[e.Seq] || e.Ref != 0 && w.seqs[e.Ref] || e.Passage != "" && w.passages[e.Passage]
}

// kept reads what is kept of an epoch. What it has read of times it remembers.
func (x *Eraser) kept(e epoch) (k kept, err error) {
	k = kept{keeps: x.opt.Register.Keeps(), times: map[int64]*window{}}
	for _, seq := range slices.Sorted(maps.Keys(k.keeps)) {
		from, to, timed := k.keeps[seq].Times()
		if !timed {
			k.days = append(k.days, seq)
			continue
		}
		id := fmt.Sprint(e.Meta.Origin, " ", seq)
		if x.windows[id] == nil {
			x.windows[id] = &window{seqs: map[int64]bool{}, passages: map[string]bool{}}
		}
		if k.times[seq] = x.windows[id]; err == nil {
			err = k.times[seq].readOn(e.Reader, from.In(e.Zone), to.In(e.Zone))
		}
	}
	return k, err
}

// readOn takes in what happened between two times, in the gate's zone, of the entries that it has not read.
func (w *window) readOn(r *file.Reader, from, to time.Time) error {
	size, err := r.Size()
	if err != nil {
		return err
	}
	segments, err := r.Segments()
	for _, seg := range segments {
		if err != nil || seg.Day < from.Format(time.DateOnly) || seg.Day > to.Format(time.DateOnly) {
			continue
		}
		err = r.Scan(max(seg.First, w.read+1), min(seg.Last, size), false, func(e *ledger.Entry) error {
			if e.At.Before(from) || e.At.After(to) {
				return nil
			}
			if w.seqs[e.Seq] = true; e.Passage != "" {
				w.passages[strings.Clone(e.Passage)] = true
			}
			return nil
		})
	}
	if err == nil {
		w.read = size
	}
	return err
}

// day is the keep entry that forbids to erase anything of a day, if there is one.
func (k *kept) day(day string) error {
	for _, seq := range k.days {
		if s := k.keeps[seq]; s.From <= day && day <= s.To {
			return KeptError{seq, s}
		}
	}
	return nil
}

// entry is the keep entry of some time that forbids to erase an entry, if there is one.
func (k *kept) entry(e *ledger.Entry) error {
	for _, seq := range slices.Sorted(maps.Keys(k.times)) {
		if k.times[seq].has(e) {
			return KeptError{seq, k.keeps[seq]}
		}
	}
	return nil
}

// refuseKept refuses an erasure of all days before one, if anything is left of what is kept.
func (x *Eraser) refuseKept(e epoch, before string) error {
	segments, err := e.Segments()
	if err != nil {
		return err
	}
	k, err := x.kept(e)
	if err != nil {
		return err
	}
	for _, seg := range segments {
		day := k.day(seg.Day)
		if seg.Day >= before || day == nil && len(k.times) == 0 {
			continue
		}
		for from, more := seg.First, true; more; {
			found, next, err := e.Readable(from, seg.Last, ledger.EraseAtOnce)
			if err != nil {
				return err
			}
			for i := range found {
				if day != nil {
					return day
				}
				if err := k.entry(&found[i]); err != nil {
					return err
				}
			}
			from, more = next, len(found) == ledger.EraseAtOnce
		}
	}
	return nil
}

// refuseKeptEntries refuses an erasure of entries if one of them is kept.
func (x *Eraser) refuseKeptEntries(e epoch, seqs []int64) error {
	segments, err := e.Segments()
	if err != nil {
		return err
	}
	k, err := x.kept(e)
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		if err := k.day(file.DayOf(segments, seq)); err != nil {
			return err
		}
	}
	if len(k.times) == 0 {
		return nil
	}
	var refused error
	if err := e.ScanSome(slices.Clone(seqs), func(e *ledger.Entry) {
		if refused == nil {
			refused = k.entry(e)
		}
	}); err != nil {
		return err
	}
	return refused
}
