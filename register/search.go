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
)

// Filter says which passages are wanted; an empty field matches all.
type Filter struct {
	Day, Verdict, Reason, Class, Lane string
	Limit                             int
}

func (f *Filter) match(p *Passage) bool {
	return (f.Verdict == "" || f.Verdict == p.Verdict) && (f.Reason == "" || f.Reason == p.Reason) &&
		(f.Class == "" || f.Class == p.Class) && (f.Lane == "" || f.Lane == p.Lane) && (f.Day == "" || f.Day == p.Day)
}

// newestFirst cuts a list of passages down to the limit.
func (f *Filter) newestFirst(found []Passage) []Passage {
	slices.SortFunc(found, func(a, b Passage) int { return cmp.Compare(b.First, a.First) })
	return found[:min(len(found), f.Limit)]
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
	for _, p := range r.state.changed.passages {
		if f.match(p) {
			found = append(found, *p)
		}
	}
	where, args := "1", []any{}
	for _, w := range []struct{ column, value string }{{"verdict", f.Verdict}, {"reason", f.Reason}, {"class", f.Class}, {"lane", f.Lane}} {
		if w.value != "" {
			where += " AND " + w.column + " = ?"
			args = append(args, w.value)
		}
	}
	own := []file.Segment{{First: 1, Last: 1<<63 - 1}}
	if f.Day != "" { // a passage is of the day in whose segment its first entry stands
		if own, err = r.SegmentsOf(f.Day); err != nil {
			return nil, err
		}
	}
	enough := f.Limit + len(r.state.changed.passages) // some of those in the index are as they were before the newest entries
	for _, s := range slices.Backward(own) {
		n := 0
		err := each(r.index, func(scan func(...any) error) error {
			p, err := scanPassage(scan, r.Zone)
			if n++; r.state.changed.passages[p.First] == nil {
				found = append(found, p)
			}
			return err
		}, selectPassage+"WHERE "+where+" AND first BETWEEN ? AND ? ORDER BY first DESC LIMIT ?",
			append(slices.Clone(args), s.First, s.Last, enough)...)
		if err != nil {
			return nil, fmt.Errorf("read the index: %w: the daemon makes it anew at its next start", err)
		}
		if enough -= n; enough <= 0 {
			break
		}
	}
	return f.newestFirst(found), nil
}

// Find looks for the passages of a person, household or vehicle by a value of a kind such as blind.OfName, over all time, by the
// exact value in its normal form. Of a plate the last four do.
func (r *Register) Find(kind, value string, f Filter) ([]Passage, error) {
	if err := r.Wait(); err != nil {
		return nil, err
	}
	k := r.hash.Wanted(kind, value)
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.index.db == nil {
		return nil, errNoIndex
	}
	x, err := newFinder(r.index.db)
	if err != nil {
		return nil, err
	}
	in, err := x.entries(k)
	if err != nil {
		return nil, err
	}
	for _, c := range r.unwritten() {
		for _, g := range c.found {
			if slices.Contains(g.keys, k) {
				in = append(in, g)
			}
		}
	}
	firsts := map[int64]bool{}
	for _, g := range in {
		firsts[g.first] = true
	}
	return r.list(firsts, f)
}

// Who are the fields by which a passage counts, the roster ID and the household, as far as they can still be read.
func (r *Register) Who(p *Passage) (fields []ledger.Field, err error) {
	in, err := r.open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	err = in.Scan(p.First, min(p.First+1, p.Last), true, func(e *ledger.Entry) error { // the check, and the query behind it
		for _, f := range e.Personal {
			if e.Passage == p.ID && (f.Name == "subject" || f.Name == "household") {
				fields = append(fields, f)
			}
		}
		return nil
	})
	return fields, err
}

// unwritten are the changes that are not in the index. The caller holds writing.
func (r *Register) unwritten() (all []*changes) {
	for _, b := range r.batches {
		all = append(all, b.changes)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.state.changed; c != nil { // what is in the maps now: they go on being written to
		all = append(all, &changes{passages: maps.Clone(c.passages), found: slices.Clone(c.found)})
	}
	return all
}

// list returns the passages that begin with these entries, as far as they match. The caller holds writing.
func (r *Register) list(firsts map[int64]bool, f Filter) (found []Passage, err error) {
	unwritten := r.unwritten()
	for first := range firsts {
		var p *Passage
		for _, c := range unwritten {
			if newer := c.passages[first]; newer != nil {
				p = newer
			}
		}
		if p == nil {
			err := each(r.index.db, func(scan func(...any) error) error {
				read, err := scanPassage(scan, r.l.Zone())
				p = &read
				return err
			}, selectPassage+"WHERE first = ?", first)
			if err != nil {
				return nil, err
			}
		}
		if p != nil && f.match(p) {
			found = append(found, *p)
		}
	}
	return f.newestFirst(found), nil
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
	if r.index.db == nil {
		return nil, errNoIndex
	}
	return r.list(firsts, f)
}
