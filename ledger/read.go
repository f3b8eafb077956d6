package ledger

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// scan calls f for the entries from..to in order. Personal fields are read only where asked for.
func scan(c *conn, zone *time.Location, from, to int64, personal bool, f func(*Entry) error) error {
	fields := map[int64][]Field{}
	const page = 500 // entries whose personal fields are held at a time
	have := from - 1
	return c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		ts, _ := v[1].(int64)
		e, err := parse(seq, ts, text(v[2]), zone)
		if err != nil {
			return err
		}
		if personal {
			if seq > have {
				clear(fields)
				have = seq + page
				err := c.query(func(v []driver.Value) error {
					at, _ := v[0].(int64)
					fields[at] = append(fields[at], Field{text(v[1]), text(v[2])})
					return nil
				}, "SELECT seq, field, value FROM personal WHERE seq BETWEEN ? AND ? AND value IS NOT NULL ORDER BY seq, field", seq, have)
				if err != nil {
					return fmt.Errorf("personal fields of entry %d: %w", seq, err)
				}
			}
			e.Personal = fields[seq]
		}
		return f(&e)
	}, "SELECT seq, ts, record FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq", from, to)
}

// Reader reads a ledger, also while a daemon writes it. It never changes the file.
type Reader struct {
	c    *conn
	path string
	more []*conn // for reading a long stretch, opened when first needed
	Meta Meta
	Zone *time.Location
}

// OpenReader opens the ledger of a state directory for reading.
func OpenReader(dir string) (*Reader, error) {
	r, err := OpenFile(filepath.Join(dir, "ledger.db"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no ledger in %s: %w: is this the state directory? name it with --state", dir, err)
	}
	return r, err
}

// OpenFile opens a ledger, or a copy of one, by its own name.
func OpenFile(path string) (*Reader, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	c, err := connect(readerDSN(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	r := &Reader{c: c, path: path}
	if n, nerr := c.number("SELECT count(*) FROM sqlite_schema"); nerr == nil && n == 0 {
		c.Close()
		return nil, fmt.Errorf("%s has no entries yet: %w", path, os.ErrNotExist)
	}
	if r.Meta, err = c.meta(); err == nil {
		r.Zone, err = time.LoadLocation(r.Meta.TimeZone)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("read %s: %w: try it as the user who owns the state directory; after a power cut, start the daemon once", path, err)
	}
	return r, nil
}

func (r *Reader) Close() error {
	err := r.c.Close()
	for _, c := range r.more {
		err = errors.Join(err, c.Close())
	}
	return err
}

// Scan calls f for the entries from..to (inclusive) in order.
func (r *Reader) Scan(from, to int64, personal bool, f func(*Entry) error) error {
	return scan(r.c, r.Zone, from, to, personal, f)
}

// query calls f for the entries of which a condition holds, in order.
func (r *Reader) query(where string, f func(*Entry) error) error {
	return r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		ts, _ := v[1].(int64)
		e, err := parse(seq, ts, text(v[2]), r.Zone)
		if err != nil {
			return err
		}
		return f(&e)
	}, "SELECT seq, ts, record FROM entry WHERE "+where+" ORDER BY seq")
}

// Size is the number of entries.
func (r *Reader) Size() (int64, error) {
	return r.c.number("SELECT coalesce(max(seq), 0) FROM entry")
}

// personalRows reads the personal fields of some entries and checks those that are not erased against their hashes.
func (r *Reader) personalRows(from, to int64, rows map[int64][]personalRow) error {
	return personalRows(r.c, from, to, rows)
}

func personalRows(c *conn, from, to int64, rows map[int64][]personalRow) error {
	return c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		row := personalRow{Field: Field{text(v[1]), text(v[3])}}
		copy(row.hash[:], text(v[4]))
		if row.erased = v[2] == nil && v[3] == nil; !row.erased {
			copy(row.salt[:], text(v[2]))
			if fieldHash(row.salt, row.Field) != row.hash {
				return fmt.Errorf("entry %d: personal field %s is not what was recorded", seq, row.Name)
			}
		}
		rows[seq] = append(rows[seq], row)
		return nil
	}, "SELECT seq, field, salt, value, hash FROM personal WHERE seq BETWEEN ? AND ? ORDER BY seq, field", from, to)
}

type segment struct {
	first, last int64
	day         string
}

func (r *Reader) segments() ([]segment, error) { return r.c.segments() }

func (c *conn) segments() (all []segment, err error) {
	err = c.query(func(v []driver.Value) error {
		first, _ := v[0].(int64)
		if n := len(all); n > 0 {
			all[n-1].last = first - 1
		}
		all = append(all, segment{first, 1<<62 - 1, text(v[1])})
		return nil
	}, "SELECT first, day FROM segment ORDER BY first")
	return all, err
}

// day lists where the entries of a day (2006-01-02, in the gate's zone) stand, and the newest entry of an earlier day before
// them. A clock that was set back gives a day more than one segment, with others between.
func (r *Reader) day(day string) (own []segment, before int64, err error) {
	err = r.c.query(func(v []driver.Value) error {
		first, _ := v[0].(int64)
		last, _ := v[1].(int64)
		own = append(own, segment{first, last, day})
		return nil
	}, "SELECT first, "+segmentEnd+" FROM segment s WHERE day = ? ORDER BY first", day)
	if err != nil {
		return nil, 0, err
	}
	until := int64(1 << 62)
	if len(own) > 0 {
		until = own[0].first
	}
	before, err = r.c.number("SELECT "+segmentEnd+" FROM segment s WHERE day < ? AND first < ? ORDER BY first DESC LIMIT 1", day, until)
	return own, before, err
}

// segmentEnd is the newest entry of segment s, in SQL.
const segmentEnd = "coalesce((SELECT min(n.first) - 1 FROM segment n WHERE n.first > s.first), (SELECT max(seq) FROM entry))"

// Day calls f for the entries recorded on a day (2006-01-02, in the gate's zone), in order.
func (r *Reader) Day(day string, personal bool, f func(*Entry) error) error {
	own, _, err := r.day(day)
	if err != nil {
		return err
	}
	for _, s := range own {
		if err := r.entries(s.first, s.last, personal, f); err != nil {
			return err
		}
	}
	return nil
}

// Later is an entry of after the day that is about one of the day's passages or entries.
type Later struct {
	Seq  int64
	Kind Kind
	At   time.Time
}

// DayPassage is a passage whose first event is of the day, with what was said of it later.
type DayPassage struct {
	Passage
	Entries  []int64
	Later    []Later
	Personal []Field // only where asked for: of each field the newest value
}

// Passages returns the day's passages in the order of their first events, each as its newest event left it,
// wherever that stands. A passage begins with its check, or with its opening by the emergency key.
func (r *Reader) Passages(day string) ([]*DayPassage, error) { return r.passages(day, false, nil) }

// passages hands each of the day's entries to see as well, if that is not nil.
func (r *Reader) passages(day string, personal bool, see func(*Entry) error) ([]*DayPassage, error) {
	stretches, _, err := r.day(day)
	if err != nil {
		return nil, err
	}
	later, err := r.laterThan(stretches)
	if err != nil {
		return nil, err
	}
	for _, seq := range later {
		stretches = append(stretches, segment{seq, seq, ""})
	}
	slices.SortFunc(stretches, func(a, b segment) int { return cmp.Compare(a.first, b.first) })
	var list []*DayPassage
	byID := map[string]*DayPassage{}
	for _, s := range stretches {
		err := r.entries(s.first, s.last, personal, func(e *Entry) error {
			if see != nil && s.day == day {
				if err := see(e); err != nil {
					return err
				}
			}
			if e.Passage == "" {
				return nil
			}
			p := byID[e.Passage]
			if p == nil {
				if s.day != day || e.Kind != Check && !(e.Kind == Opening && e.Verdict != "") {
					return nil // it began on another day and counts there
				}
				p = &DayPassage{}
				byID[e.Passage] = p
				list = append(list, p)
			}
			p.take(e)
			p.Entries = append(p.Entries, e.Seq)
			if s.day != day {
				p.Later = append(p.Later, Later{e.Seq, e.Kind, e.At})
			}
			for _, f := range e.Personal {
				p.Personal = append(slices.DeleteFunc(p.Personal, func(old Field) bool { return old.Name == f.Name }), f)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// laterThan lists the later entries about some segments of one day.
func (r *Reader) laterThan(own []segment) (seqs []int64, err error) {
	for _, s := range own {
		more, err := r.Later(s.first, s.last)
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, more...)
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
}

// Later lists the entries that are about the entries first..last of an earlier day: corrections, filled debts,
// decisions after midnight, erasures.
func (r *Reader) Later(first, last int64) (seqs []int64, err error) {
	err = r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		seqs = append(seqs, seq)
		return nil
	}, "SELECT seq FROM later WHERE first <= ? AND last >= ? ORDER BY seq", last, first)
	return seqs, err
}
