package register

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gated/ledger"
)

// Reader reads a ledger with what is known of its passages, also while a daemon writes it. It changes nothing.
type Reader struct {
	*ledger.Reader
	index *sql.DB // nil: there is none that fits
	size  int64   // entries that it was built from
	tail  []later // by the entries that the index does not know
	from  int64   // the tail is complete for what is about this entry and later ones; 0: not read yet
	state *State  // that of the index
}

// OpenReader opens the ledger of a state directory for reading.
func OpenReader(dir string) (*Reader, error) {
	in, err := ledger.OpenReader(dir)
	if err != nil {
		return nil, err
	}
	return withIndex(in, filepath.Join(dir, "index.db")), nil
}

// OpenFile opens a ledger, or a copy of one, by its own name, without an index.
func OpenFile(path string) (*Reader, error) {
	in, err := ledger.OpenFile(path)
	if err != nil {
		return nil, err
	}
	return &Reader{Reader: in}, nil
}

func withIndex(in *ledger.Reader, path string) *Reader {
	r := &Reader{Reader: in}
	if _, err := os.Stat(path); err != nil {
		return r
	}
	db, err := sql.Open("sqlite", dsn(path, "mode=ro&_busy_timeout=5000&_pragma=query_only(1)"))
	if err != nil {
		return r
	}
	x := index{db: db}
	v, err := one(db, "SELECT value FROM meta WHERE key = 'version'")
	if err == nil && v == indexVersion {
		r.state, err = x.state(in)
	}
	if err != nil || r.state == nil {
		db.Close()
		return r
	}
	r.index, r.size = db, r.state.Size
	return r
}

func (r *Reader) Close() error {
	err := r.Reader.Close()
	if r.index != nil {
		err = errors.Join(err, r.index.Close())
	}
	return err
}

// Later lists the entries that are about the entries first..last of an earlier day: corrections, openings accounted for,
// decisions after midnight, erasures.
func (r *Reader) Later(first, last int64) (seqs []int64, err error) {
	if err := r.readTail(first); err != nil {
		return nil, err
	}
	if r.index != nil {
		rows, err := r.index.Query("SELECT seq FROM later WHERE seq <= ? AND first <= ? AND last >= ? ORDER BY seq", r.size, last, first)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var seq int64
			if err := rows.Scan(&seq); err != nil {
				return nil, err
			}
			seqs = append(seqs, seq)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	for _, l := range r.tail {
		if l.first <= last && l.last >= first {
			seqs = append(seqs, l.seq)
		}
	}
	return seqs, nil
}

// readTail finds out which of the entries that the index does not know are about entries of an earlier day. Without an index
// all entries from the asked one on are read.
func (r *Reader) readTail(first int64) error {
	if r.from != 0 && r.from <= first {
		return nil
	}
	segments, err := r.Segments()
	if err != nil {
		return err
	}
	s := r.state
	if s == nil {
		s = newState()
		s.Size = first - 1
	}
	r.tail = nil
	err = r.Scan(s.Size+1, 1<<62, false, func(e *ledger.Entry) error {
		if first, last := s.about(e, segments); first != 0 {
			r.tail = append(r.tail, later{e.Seq, first, last})
		}
		s.apply(e)
		return nil
	})
	if r.from = first; r.state != nil {
		r.from, r.state = 1, nil // used up
	}
	return err
}

// LaterEntry is an entry of after the day that is about one of the day's passages.
type LaterEntry struct {
	Seq  int64
	Kind ledger.Kind
	At   time.Time
}

// DayPassage is a passage whose first event is of the day, with what was said of it later.
type DayPassage struct {
	Passage
	Entries  []int64
	Later    []LaterEntry
	Personal []ledger.Field // only where asked for: of each field the newest value
}

// Begins tells whether a passage begins with an entry: with its check, or with its opening by the emergency key.
func Begins(e *ledger.Entry) bool { return e.Kind == Check || e.Kind == Opening && e.Verdict != "" }

// DayPassages are the passages that begin on a day, in the order of their first events, each as its newest event left it,
// wherever that stands.
type DayPassages struct {
	List []*DayPassage
	byID map[string]*DayPassage
}

// Add takes the next entry, in the order of seq, with the personal fields that were read; own says whether it is of the day.
func (d *DayPassages) Add(e *ledger.Entry, own bool) {
	p := d.byID[e.Passage]
	if p == nil {
		if e.Passage == "" || !own || !Begins(e) {
			return // it began on another day and counts there
		}
		p = &DayPassage{}
		if d.byID == nil {
			d.byID = map[string]*DayPassage{}
		}
		d.byID[e.Passage] = p
		d.List = append(d.List, p)
	}
	p.take(e)
	p.Entries = append(p.Entries, e.Seq)
	if !own {
		p.Later = append(p.Later, LaterEntry{e.Seq, e.Kind, e.At})
	}
	for _, f := range e.Personal {
		p.Personal = append(slices.DeleteFunc(p.Personal, func(old ledger.Field) bool { return old.Name == f.Name }), f)
	}
}

// LaterThan lists the later entries about some segments of one day.
func (r *Reader) LaterThan(own []ledger.Segment) (seqs []int64, err error) {
	for _, s := range own {
		more, err := r.Later(s.First, s.Last)
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, more...)
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
}

// Filter says which passages are wanted; an empty field matches all.
type Filter struct {
	Day, Verdict, Reason, Class, Lane string
	Limit                             int
}

// Search asks the index of a state directory for passages, newest first, without reading the ledger through. What is
// found is no evidence: the index is made from the ledger and may be behind it, by as many entries as it says.
func Search(dir string, f Filter) (found []Passage, behind int64, err error) {
	r, err := OpenReader(dir)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	if r.index == nil {
		return nil, 0, fmt.Errorf("no index: %w: the daemon makes it at its next start", fs.ErrNotExist)
	}
	size, err := r.Size()
	if err != nil {
		return nil, 0, err
	}
	behind = max(size-r.size, 0)
	where, args := "1", []any{}
	own := []ledger.Segment{{First: 1, Last: 1<<63 - 1}}
	if f.Day != "" { // a passage is of the day in whose segment its first entry stands
		if own, _, err = r.SegmentsOf(f.Day); err != nil {
			return nil, 0, err
		}
	}
	for _, w := range []struct{ column, value string }{{"verdict", f.Verdict}, {"reason", f.Reason}, {"class", f.Class}, {"lane", f.Lane}} {
		if w.value != "" {
			where += " AND " + w.column + " = ?"
			args = append(args, w.value)
		}
	}
	for _, s := range slices.Backward(own) {
		if len(found) == f.Limit {
			break
		}
		more, err := r.find(where, append(slices.Clone(args), s.First, s.Last, f.Limit-len(found)))
		if err != nil {
			return nil, 0, fmt.Errorf("read the index: %w: the daemon makes it anew at its next start", err)
		}
		found = append(found, more...)
	}
	return found, behind, nil
}

func (r *Reader) find(where string, args []any) (found []Passage, err error) {
	rows, err := r.index.Query("SELECT id, first, last, at, lane, direction, class, credential, verdict, reason, by FROM passage WHERE "+where+
		" AND first BETWEEN ? AND ? ORDER BY first DESC LIMIT ?", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p Passage
		var at int64
		if err := rows.Scan(&p.ID, &p.First, &p.Last, &at, &p.Lane, &p.Direction, &p.Class, &p.Credential, &p.Verdict, &p.Reason, &p.By); err != nil {
			return nil, err
		}
		p.At = time.UnixMicro(at).In(r.Zone)
		p.Day = p.At.Format(time.DateOnly)
		found = append(found, p)
	}
	return found, rows.Err()
}
