package erasure

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/retention"
	"gated/register/visits"
)

// eraseOlder erases the entries after a seq, of the days before one, that match (nil: all), chunk by chunk.
// It returns up to which entry nothing was left to a later time but what is kept.
func (x *Eraser) eraseOlder(j *job, e epoch, before string, after int64) (done Erased, upTo int64, err error) {
	segments, err := e.Segments()
	if err != nil {
		return done, after, err
	}
	size, err := e.Size()
	if err != nil {
		return done, after, err
	}
	j.ev.Detail["before"] = before
	k, err := x.kept(e)
	if err != nil {
		return done, after, err
	}
	// Who went out in the days that count decides who may, so that stays. The days only move on, to entries after size.
	if first := x.opt.Register.Counting(before); first > 0 && e.older == 0 {
		size = min(size, first-1)
	}
	upTo = size
	var seqs []int64
	for _, seg := range segments {
		if seg.Day >= before {
			upTo = min(upTo, seg.First-1)
			continue
		}
		if k.day(seg.Day) != nil {
			continue
		}
		for from, to := max(seg.First, after+1), min(seg.Last, size); from <= to; {
			found, next, err := due(e.Reader, from, to, j.match)
			if err != nil {
				return done, after, err
			}
			for i := range found {
				if k.entry(&found[i]) == nil {
					seqs = append(seqs, found[i].Seq)
				}
			}
			from = next
			for len(seqs) >= ledger.EraseAtOnce {
				part, err := x.eraseChunk(j, e, seqs[:ledger.EraseAtOnce], "")
				done.add(part)
				if err == nil && j.pause != nil {
					err = j.pause()
				}
				if err != nil {
					return done, after, err
				}
				seqs = slices.Delete(seqs, 0, ledger.EraseAtOnce)
			}
		}
	}
	if len(seqs) > 0 {
		part, err := x.eraseChunk(j, e, seqs, "")
		done.add(part)
		if err != nil {
			return done, after, err
		}
	}
	return done, max(upTo, after), nil
}

// errFound ends a search.
var errFound = errors.New("found")

// due lists entries from..to that hold personal data and match, as many as are erased at once; next is
// where to go on.
func due(r *file.Reader, from, to int64, match func(of retention.Of) bool) (some []ledger.Entry, next int64, err error) {
	found, next, err := r.Readable(from, to, ledger.EraseAtOnce)
	if err != nil {
		return nil, 0, err
	}
	for i := range found {
		e := &found[i]
		ok := match == nil
		if !ok {
			of, err := whatOf(r, e, found[i+1:])
			if err != nil {
				return nil, 0, err
			}
			ok = match(of)
		}
		if ok {
			some = append(some, *e)
		}
	}
	return some, next, nil
}

// whatOf is what an entry is of. A check does not know yet whose it is: the query that follows in the same transaction does.
func whatOf(r *file.Reader, e *ledger.Entry, following []ledger.Entry) (of retention.Of, err error) {
	says := func(e *ledger.Entry) retention.Of {
		return retention.Of{Class: e.Class, Visit: e.Detail[visits.ID] != "", Passage: e.Passage != ""}
	}
	if of = says(e); e.Class != "" || e.Kind != register.Check {
		return of, nil
	}
	for i := range following {
		if f := &following[i]; f.Passage == e.Passage && f.Class != "" {
			return says(f), nil
		}
	}
	err = r.Scan(e.Seq+1, e.Seq+together, false, func(f *ledger.Entry) error {
		if f.Passage == e.Passage && f.Class != "" {
			of = says(f)
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return of, err
}

// together is how many entries one transaction has at most.
const together = 256

// subjectEntries lists the entries of all passages of a person or vehicle, and those of no passage
// that name them. unseen counts those that could not be looked at.
func subjectEntries(r *file.Reader, id string) (seqs []int64, unseen int64, err error) {
	passages := map[string]bool{}
	found := map[int64]bool{}
	from := int64(1 << 62)
	err = r.ScanPersonal(1, 1<<62, func(e *ledger.Entry, hidden bool) error {
		if hidden {
			unseen++
		}
		if e.Personally("subject") != id && e.Personally("stated_subject") != id {
			return nil
		}
		found[e.Seq] = true
		if e.Passage != "" {
			passages[e.Passage] = true
			from = min(from, max(e.Seq-together, 1)) // its check is in the same transaction
			if e.Ref != 0 {
				from = min(from, e.Ref)
			}
		}
		return nil
	})
	if err != nil {
		return nil, unseen, fmt.Errorf("look for the person: %w", err)
	}
	if len(passages) > 0 {
		err = r.Scan(from, 1<<62, false, func(e *ledger.Entry) error {
			if passages[e.Passage] {
				found[e.Seq] = true
			}
			return nil
		})
		if err != nil {
			return nil, unseen, err
		}
	}
	return slices.Sorted(maps.Keys(found)), unseen, nil
}

// UnseenError tells that an answer leaves out entries that could not be looked at.
type UnseenError struct {
	N   int64
	Why error
}

func (x UnseenError) Error() string {
	return fmt.Sprintf("%d entries could not be looked at: %v", x.N, x.Why)
}
func (x UnseenError) Unwrap() error { return x.Why }

// add counts n entries of a ledger.
func (x *UnseenError) add(n int64, r *file.Reader) {
	why := r.Hidden()
	if why == nil {
		why = errors.New("what opens their personal data is missing from personal.keys")
	}
	if x.N += n; n > 0 && x.Why == nil {
		x.Why = why
	}
}

// err is nil where all entries were looked at.
func (x UnseenError) err() error {
	if x.N == 0 {
		return nil
	}
	return x
}

// Subject calls f for the entries of all passages of a person or vehicle, by their roster ID, and for those of no passage
// that name them, with what personal data is left; those of older epochs first. It returns how many there are. ask, which may
// be nil, is asked for keys where the master key is not here. An UnseenError comes after all that was found.
func Subject(dir, id string, ask file.Keys, f func(*ledger.Entry) error) (n int, err error) {
	if strings.TrimSpace(id) == "" {
		return 0, errEmptyID
	}
	readers, err := file.OpenEpochs(dir)
	for i, r := range readers {
		defer r.Close()
		if ask != nil {
			r.AskKeys(ask)
		} else if i == 0 && !r.HasMaster() && err == nil {
			err = r.Hidden()
		}
	}
	if err != nil {
		return 0, err
	}
	var all UnseenError
	for _, r := range append(readers[1:], readers[0]) {
		seqs, unseen, err := subjectEntries(r, id)
		if err != nil {
			return n, err
		}
		all.add(unseen, r)
		for _, seq := range seqs {
			n++
			if err := r.Scan(seq, seq, true, f); err != nil {
				return n, err
			}
		}
	}
	return n, all.err()
}

// still lists those of the entries that have the field (any, if empty) not erased. unseen counts those that could not be looked at.
func still(r *file.Reader, seqs []int64, field string) (left []int64, unseen int64, err error) {
	for _, seq := range seqs {
		there := false
		err := r.ScanPersonal(seq, seq, func(e *ledger.Entry, hidden bool) error {
			if there = true; hidden {
				unseen++
			}
			if slices.ContainsFunc(e.Personal, func(f ledger.Field) bool { return field == "" || f.Name == field }) {
				left = append(left, seq)
			}
			return nil
		})
		if err == nil && !there {
			err = fmt.Errorf("%w: there is no entry %d", ledger.ErrNothingErased, seq)
		}
		if err != nil {
			return nil, unseen, err
		}
	}
	return left, unseen, nil
}

// unseenBefore counts the entries of the days before one that could not be looked at.
func unseenBefore(r *file.Reader, before string) (n int64, err error) {
	segments, err := r.Segments()
	for _, seg := range segments {
		if err != nil || seg.Day >= before {
			continue
		}
		var more int64
		more, err = r.Unseen(seg.First, seg.Last)
		n += more
	}
	return n, err
}

// eraseEntries erases fields of the entries, which are in order, chunk by chunk.
func (x *Eraser) eraseEntries(j *job, e epoch, seqs []int64, field string) (done Erased, err error) {
	for chunk := range slices.Chunk(seqs, ledger.EraseAtOnce) {
		part, err := x.eraseChunk(j, e, chunk, field)
		if done.add(part); err != nil {
			return done, err
		}
	}
	return done, nil
}

// eraseChunk erases fields of the entries, at most EraseAtOnce of them.
func (x *Eraser) eraseChunk(j *job, e epoch, seqs []int64, field string) (ledger.Erased, error) {
	x.keeping.Lock()
	defer x.keeping.Unlock()
	if err := x.refuseKeptEntries(e, seqs); err != nil { // since the first look
		return ledger.Erased{}, err
	}
	if e.older == 0 {
		j.lose(seqs)
	}
	if field != "" {
		return x.opt.Ledger.EraseField(e.older, seqs[0], field, j.ev)
	}
	return x.opt.Ledger.Erase(e.older, seqs, j.ev)
}
