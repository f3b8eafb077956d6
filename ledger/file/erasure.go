package file

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gated/ledger/entry"
	"gated/ledger/seal"
)

// EraseAtOnce is how many entries one erase entry names at most.
const EraseAtOnce = 500

// ListField is the personal field of an erase entry that lists the entries. Its record has only their number, the first and
// the last: which ones they were tells who was there.
const ListField = "entries"

// FormatList writes entries, which are in order, as 1-3,7.
func FormatList(seqs []int64) string {
	var b strings.Builder
	for i := 0; i < len(seqs); {
		from, to := seqs[i], seqs[i]
		for i++; i < len(seqs) && seqs[i] == to+1; i++ {
			to++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(from, 10))
		if to > from {
			b.WriteString("-" + strconv.FormatInt(to, 10))
		}
	}
	return b.String()
}

// parseList reads what FormatList writes.
func parseList(s string) (seqs []int64, err error) {
	bad := fmt.Errorf("%q is not a list of at most %d entries", s[:min(len(s), 100)], EraseAtOnce)
	for _, run := range strings.Split(s, ",") {
		first, last, more := strings.Cut(run, "-")
		from, err := strconv.ParseInt(first, 10, 64)
		to := from
		if err == nil && more {
			to, err = strconv.ParseInt(last, 10, 64)
		}
		if err != nil || from < 1 || to < from || to-from >= EraseAtOnce-int64(len(seqs)) {
			return nil, bad
		}
		for ; from <= to; from++ {
			seqs = append(seqs, from)
		}
	}
	if !slices.IsSorted(seqs) || FormatList(seqs) != s {
		return nil, bad
	}
	return seqs, nil
}

// Erasure is what an erase entry says.
type Erasure struct {
	Epoch int        // of the entries
	Seqs  []int64    // in order; nil where they cannot be read here
	Said  seal.Place // where the erase entry is
}

// erasureOf reads an erase entry with its personal fields, of a ledger of that epoch.
func erasureOf(e *entry.Entry, own int) (x Erasure, err error) {
	x = Erasure{Epoch: own, Said: seal.Place{Epoch: own, Seq: e.Seq}}
	if s := e.Detail["epoch"]; s != "" {
		if x.Epoch, err = strconv.Atoi(s); err != nil || x.Epoch < 1 || x.Epoch > own {
			return x, fmt.Errorf("entry %d: erased in epoch %q", e.Seq, s)
		}
	}
	list := e.Personally(ListField)
	if list == "" {
		return x, nil
	}
	if x.Seqs, err = parseList(list); err != nil {
		err = fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return x, err
}

// Erasures calls f for what the erase entries after a seq say, in order.
func (r *Reader) Erasures(after int64, f func(Erasure) error) error {
	var found []int64
	if err := r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		found = append(found, seq)
		return nil
	}, `SELECT seq FROM entry WHERE seq > ? AND instr(record, '"kind":"erase"') ORDER BY seq`, after); err != nil {
		return err
	}
	for _, seq := range found {
		err := r.Scan(seq, seq, true, func(e *entry.Entry) error {
			if e.Kind != entry.Erase { // the words stand in a text of it
				return nil
			}
			x, err := erasureOf(e, r.Meta.Epoch)
			if err != nil {
				return err
			}
			return f(x)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Losing tells which of the entries have something to erase, in all how many fields, and for a single field what is left of
// the entry's others: nil if that is nothing.
func (r *Reader) Losing(seqs []int64, field string) (gone []int64, left []seal.Row, fields int64, err error) {
	var p *page
	for _, seq := range seqs {
		var row Row
		if _, err := r.c.Rows(seq, seq, true, func(x Row) error { row = x; return nil }); err != nil {
			return nil, nil, 0, err
		}
		if row.Sealed == nil {
			continue
		}
		e, err := entry.Parse(row.Seq, row.TS, row.Record, r.Zone)
		if err != nil {
			return nil, nil, 0, err
		}
		if e.Kind == entry.Erase || e.Kind == entry.Carried {
			continue
		}
		if p == nil || seq > p.to {
			if p, err = r.personal().page(r.c, seq, 1<<62); err != nil {
				return nil, nil, 0, err
			}
		}
		got, err := p.open(seq, e.Record.Personal, row.Sealed)
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
func (r *Reader) Readable(from, to int64, limit int) (found []entry.Entry, next int64, err error) {
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

// Unseen counts the entries from..to of which nobody can say whether they still have personal data: their slots are not here.
// Entries that tell of erasures are not counted.
func (r *Reader) Unseen(from, to int64) (n int64, err error) {
	size, err := r.Size()
	if err != nil {
		return 0, err
	}
	for to = min(to, size); from <= to; {
		p, err := r.personal().page(r.c, from, to)
		if err != nil {
			return n, err
		}
		err = r.c.query(func(v []driver.Value) error {
			if seq, _ := v[0].(int64); !p.here[seq-p.from] {
				n++
			}
			return nil
		}, `SELECT seq FROM entry WHERE seq BETWEEN ? AND ? AND sealed IS NOT NULL
			AND NOT instr(record, '"kind":"erase"') AND NOT instr(record, '"kind":"carried"')`, p.from, p.to)
		if err != nil {
			return n, err
		}
		from = p.to + 1
	}
	return n, nil
}

// readable is Readable for the entries of a page.
func (r *Reader) readable(p *page, found []entry.Entry, limit int) ([]entry.Entry, int64, error) {
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
		if err == nil && e.Kind != entry.Erase && e.Kind != entry.Carried {
			found = append(found, e)
		}
		return err
	}, "SELECT seq, ts, record FROM entry WHERE seq BETWEEN ? AND ? AND sealed IS NOT NULL ORDER BY seq", p.from, p.to)
	return found, next, err
}

// Carriers lists the entries that carried what was left of those that are erased, before the erase entry.
func (r *Reader) Carriers(x Erasure) (seqs []int64, err error) {
	before := int64(1 << 62)
	if r.Meta.Epoch == x.Said.Epoch {
		before = x.Said.Seq
	}
	err = r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		at, _ := v[1].(int64)
		if _, ok := slices.BinarySearch(x.Seqs, seq); ok {
			seqs = append(seqs, at)
		}
		return nil
	}, "SELECT seq, at FROM carried WHERE epoch = ? AND seq BETWEEN ? AND ? AND at < ?",
		int64(x.Epoch), x.Seqs[0], x.Seqs[len(x.Seqs)-1], before)
	return seqs, err
}

// Slots opens the slots that are here, to read (os.O_RDONLY) or to erase them (os.O_RDWR).
func (r *Reader) Slots(flag int) (seal.Files, error) {
	files, _, err := seal.OpenFiles(seal.Stem(r.path), r.Meta.Whose(), flag)
	return files, err
}

// ErasedAfter counts the entries whose slots are zeros although no entry of this ledger says so: they were erased after the
// copy was made that this ledger is.
func (r *Reader) ErasedAfter() (n int64, err error) {
	o := r.personal()
	if o.seals.Master == nil {
		return 0, nil // nobody can say
	}
	said := map[int64]bool{}
	if err := r.Erasures(0, func(x Erasure) error {
		if x.Epoch == o.epoch {
			for _, seq := range x.Seqs {
				said[seq] = true
			}
		}
		return nil
	}); err != nil {
		return 0, err
	}
	size, err := r.Size()
	if err != nil {
		return 0, err
	}
	for from := int64(1); from <= size; from += piece {
		p, err := o.page(r.c, from, size)
		if err != nil {
			return 0, err
		}
		if err := r.c.query(func(v []driver.Value) error {
			seq, _ := v[0].(int64)
			if p.here[seq-from] && p.slots[seq-from] == (seal.Slot{}) && !said[seq] && v[1] == nil {
				n++
			}
			return nil
		}, `SELECT e.seq, c.at FROM entry e LEFT JOIN carried c ON c.at = e.seq
			WHERE e.seq BETWEEN ? AND ? AND e.sealed IS NOT NULL`, p.from, p.to); err != nil {
			return 0, err
		}
	}
	return n, nil
}
