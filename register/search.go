package register

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
	"gated/register/index"
	"gated/register/visits"
)

// Filter says which passages are wanted.
type Filter = index.Filter

// newestFirst cuts a list of passages down to the limit.
func newestFirst(found []Passage, limit int) []Passage {
	slices.SortFunc(found, func(a, b Passage) int { return cmp.Compare(b.First, a.First) })
	return found[:min(len(found), limit)]
}

// maxTail is how many entries a search reads that the index has not heard of.
const maxTail = 200_000

// Search asks the index of a state directory for passages, newest first, without reading the ledger through. What is
// found is no evidence: the index is made from the ledger.
func Search(dir string, f Filter) ([]Passage, error) {
	r, err := OpenReader(dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.index == nil {
		return nil, fmt.Errorf("no index: %w: the daemon makes it while it runs", fs.ErrNotExist)
	}
	if size, err := r.Size(); err != nil {
		return nil, err
	} else if size-r.heard > maxTail {
		return nil, fmt.Errorf("the index has heard of %d of %d entries: the daemon goes on making it while it runs", r.heard, size)
	}
	if err := r.readTail(r.heard+1, true); err != nil {
		return nil, err
	}
	var found []Passage
	for _, p := range r.state.changed.Passages {
		if f.Match(p) {
			found = append(found, *p)
		}
	}
	own := []file.Segment{{First: 1, Last: 1<<63 - 1}}
	if f.Day != "" { // a passage is of the day in whose segment its first entry stands
		if own, err = r.SegmentsOf(f.Day); err != nil {
			return nil, err
		}
	}
	more := f
	more.Limit += len(r.state.changed.Passages) // some of those in the index are as they were before the newest entries
	for _, s := range slices.Backward(own) {
		list, err := r.index.Newest(more, s.First, s.Last, r.Zone)
		if err != nil {
			return nil, fmt.Errorf("read the index: %w: the daemon makes it anew at its next start", err)
		}
		for _, p := range list {
			if r.state.changed.Passages[p.First] == nil {
				found = append(found, p)
			}
		}
		if more.Limit -= len(list); more.Limit <= 0 {
			break
		}
	}
	return newestFirst(found, f.Limit), nil
}

// Find looks for the passages of a person, household or vehicle by a value of a kind such as blind.OfName, over all time, by the
// exact value in its normal form. Of a plate the last four do.
func (r *Register) Find(kind, value string, f Filter) ([]Passage, error) {
	if err := r.Wait(); err != nil {
		return nil, err
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	in, err := r.found(r.hash.Wanted(kind, value))
	if err != nil {
		return nil, err
	}
	firsts := map[int64]bool{}
	for _, g := range in {
		firsts[g.First] = true
	}
	return r.list(firsts, f)
}

// Who are the fields by which a passage counts, the roster ID and the household, as far as they can still be read, and the details by
// which it does, as one of a visit or as a trip.
func (r *Register) Who(p *Passage) (fields []ledger.Field, counts map[string]string, err error) {
	in, err := r.open()
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	counts = map[string]string{}
	err = in.Scan(p.First, min(p.First+1, p.Last), true, func(e *ledger.Entry) error { // the check, and the query behind it
		for _, name := range []string{Came, Due, Uncounted} {
			if v := e.Detail[name]; v != "" && e.Passage == p.ID {
				counts[name] = v
			}
		}
		if e.Passage == p.ID {
			visits.Of(e, counts)
		}
		for _, f := range e.Personal {
			if e.Passage == p.ID && (f.Name == "subject" || f.Name == "household") {
				fields = append(fields, f)
			}
		}
		return nil
	})
	return fields, counts, err
}

// Entries are some entries, by their numbers, with what of them can still be read.
func (r *Register) Entries(seqs []int64) (map[int64]*ledger.Entry, error) {
	in, err := r.open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	found := map[int64]*ledger.Entry{}
	return found, in.ScanSome(seqs, func(e *ledger.Entry) { found[e.Seq] = e })
}

// unwritten are the changes that are not in the index. The caller holds writing.
func (r *Register) unwritten() []*index.Changes {
	all := slices.Clone(r.batches)
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.state.changed; c != nil { // what is in the maps now: they go on being written to
		all = append(all, &index.Changes{Passages: maps.Clone(c.Passages), Found: slices.Clone(c.Found)})
	}
	return all
}

// list returns the passages that begin with these entries, as far as they match. The caller holds writing.
func (r *Register) list(firsts map[int64]bool, f Filter) (found []Passage, err error) {
	written, err := r.index.Passages(slices.Collect(maps.Keys(firsts)), r.l.Zone())
	if err != nil {
		return nil, err
	}
	all := map[int64]*Passage{}
	for i := range written {
		all[written[i].First] = &written[i]
	}
	for _, c := range r.unwritten() { // newer
		maps.Copy(all, c.Passages)
	}
	for first, p := range all {
		if firsts[first] && f.Match(p) {
			found = append(found, *p)
		}
	}
	return newestFirst(found, f.Limit), nil
}

// maxFindDays bounds a search by a part of a name, which opens all entries of its days.
const maxFindDays = 62

// FindPart looks for the passages of some days, both included, in which a name has a part.
func (r *Register) FindPart(part, from, to string, f Filter) ([]Passage, error) {
	a, err1 := time.Parse(time.DateOnly, from)
	b, err2 := time.Parse(time.DateOnly, to)
	if err1 != nil || err2 != nil || b.Before(a) || b.Sub(a) >= maxFindDays*24*time.Hour {
		return nil, fmt.Errorf("from %q to %q: write days as 2026-11-23, at most %d at a time", from, to, maxFindDays)
	}
	if err := r.Wait(); err != nil {
		return nil, err
	}
	in, err := file.OpenReader(r.opt.Dir)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	part = blind.Normal(blind.OfName, part)
	named := func(g ledger.Field) bool {
		return blind.KindOf(g.Name) == blind.OfName && strings.Contains(blind.Normal(blind.OfName, g.Value), part)
	}
	begun, firsts := map[string]int64{}, map[int64]bool{}
	segments, err := in.Segments()
	for _, s := range segments {
		if err != nil || s.Day < from || s.Day > to {
			continue
		}
		err = in.Scan(s.First, min(s.Last, r.l.Size()), true, func(e *ledger.Entry) error {
			if Begins(e) {
				begun[e.Passage] = e.Seq
			}
			if first := begun[e.Passage]; first != 0 && slices.ContainsFunc(e.Personal, named) {
				firsts[first] = true
			}
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	return r.list(firsts, f)
}
