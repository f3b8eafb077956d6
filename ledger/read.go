package ledger

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"gated/ledger/entry"
	"gated/ledger/tlog"
)

// piece is how many entries are read at a time, and held while they are handed on.
const piece = 2 * tlog.TileWidth

// scan calls f for the entries from..to in order, up to the newest; all between must be there. Their personal fields are
// opened by o, and left out where that is nil. No query is open while f works or waits for a slow pipe, which would keep the
// WAL growing.
func (c *conn) scan(zone *time.Location, from, to int64, o *opener, f func(*Entry) error) error {
	return c.open(zone, from, to, o, func(e *Entry, got personal) error {
		e.Personal = got.shown(e)
		return f(e)
	})
}

// open is scan with all there is of the entries' personal data.
func (c *conn) open(zone *time.Location, from, to int64, o *opener, f func(e *Entry, got personal) error) error {
	for from <= to {
		last := min(to, from+piece-1)
		list, sealed := make([]Entry, 0, last-from+1), [][]byte(nil)
		next, err := c.rows(from, last, o != nil, func(row Row) error {
			e, err := entry.Parse(row.Seq, row.TS, row.Record, zone)
			list, sealed = append(list, e), append(sealed, row.sealed)
			return err
		})
		if err == nil && next <= last { // the newest, or a gap
			to, err = next-1, c.ends(next)
		}
		var p *page
		if err == nil && o != nil && len(list) > 0 {
			p, err = o.page(c, from, next-1)
		}
		if err != nil {
			return err
		}
		for i := range list {
			var got personal
			if o != nil {
				if got, err = p.open(list[i].Seq, list[i].Record.Personal, sealed[i]); err != nil {
					return err
				}
			}
			if err := f(&list[i], got); err != nil {
				return err
			}
		}
		from = next
	}
	return nil
}

// rows calls f for the entries from..to as their rows have them, in order, up to the first that is not there, which it
// returns.
func (c *conn) rows(from, to int64, sealed bool, f func(Row) error) (next int64, err error) {
	columns := "seq, ts, record, NULL"
	if sealed {
		columns = "seq, ts, record, sealed"
	}
	next = from
	err = c.repeat(func(v []driver.Value) error {
		if v[0] != next {
			return missing(next)
		}
		ts, _ := v[1].(int64)
		next++
		return f(Row{Seq: next - 1, TS: ts, Record: text(v[2]), sealed: blob(v[3])})
	}, "SELECT "+columns+" FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq", from, to)
	return next, err
}

// ends says that an entry is missing, unless there is none behind it, or it was written since.
func (c *conn) ends(seq int64) error {
	next, err := c.number("SELECT coalesce(min(seq), ?1) FROM entry WHERE seq >= ?1", seq)
	if err == nil && next != seq {
		err = missing(seq)
	}
	return err
}

func missing(seq int64) error { return fmt.Errorf("entry %d is missing", seq) }

// Reader reads a ledger, also while a daemon writes it. It never changes the file.
type Reader struct {
	c    *conn
	path string
	Meta Meta
	Zone *time.Location

	opening sync.Once
	opener  *opener // see personal
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
	if r.opener != nil {
		err = errors.Join(err, r.opener.close())
	}
	return err
}

// Scan calls f for the entries from..to in order, up to the newest; an entry that is missing between them is an error.
// They have their personal fields where asked for, as far as these can be read: Hidden says why not all can.
func (r *Reader) Scan(from, to int64, personal bool, f func(*Entry) error) error {
	var o *opener
	if personal {
		o = r.personal()
	}
	return r.c.scan(r.Zone, from, to, o, f)
}

// query calls f for the entries of which a condition holds, in order.
func (r *Reader) query(where string, f func(*Entry) error, args ...any) error {
	return r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		ts, _ := v[1].(int64)
		e, err := entry.Parse(seq, ts, text(v[2]), r.Zone)
		if err != nil {
			return err
		}
		return f(&e)
	}, "SELECT seq, ts, record FROM entry WHERE "+where+" ORDER BY seq", args...)
}

// Size is the number of entries.
func (r *Reader) Size() (int64, error) {
	return r.c.number("SELECT coalesce(max(seq), 0) FROM entry")
}

// Segment is a run of entries of one day (2006-01-02, in the gate's zone).
type Segment struct {
	First, Last int64
	Day         string
}

// Segments lists the runs of entries of one day, in order. The last one goes on.
func (r *Reader) Segments() ([]Segment, error) { return r.c.segments() }

func (c *conn) segments() (all []Segment, err error) {
	err = c.query(func(v []driver.Value) error {
		first, _ := v[0].(int64)
		if n := len(all); n > 0 {
			all[n-1].Last = first - 1
		}
		all = append(all, Segment{first, 1<<62 - 1, text(v[1])})
		return nil
	}, "SELECT first, day FROM segment ORDER BY first")
	return all, err
}

// DayOf is the day of an entry, by the segments.
func DayOf(segments []Segment, seq int64) string {
	i := sort.Search(len(segments), func(i int) bool { return segments[i].First > seq })
	if i == 0 {
		return ""
	}
	return segments[i-1].Day
}

// SegmentsOf lists where the entries of a day (2006-01-02, in the gate's zone) stand, and the newest entry of an earlier day
// before them. A clock that was set back gives a day more than one segment, with others between.
func (r *Reader) SegmentsOf(day string) (own []Segment, before int64, err error) {
	err = r.c.query(func(v []driver.Value) error {
		first, _ := v[0].(int64)
		last, _ := v[1].(int64)
		own = append(own, Segment{first, last, day})
		return nil
	}, "SELECT first, "+segmentEnd+" FROM segment s WHERE day = ? ORDER BY first", day)
	if err != nil {
		return nil, 0, err
	}
	until := int64(1 << 62)
	if len(own) > 0 {
		until = own[0].First
	}
	before, err = r.c.number("SELECT "+segmentEnd+" FROM segment s WHERE day < ? AND first < ? ORDER BY first DESC LIMIT 1", day, until)
	return own, before, err
}

// segmentEnd is the newest entry of segment s, in SQL.
const segmentEnd = "coalesce((SELECT min(n.first) - 1 FROM segment n WHERE n.first > s.first), (SELECT max(seq) FROM entry))"
