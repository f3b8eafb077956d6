package file

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
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
func (c *Conn) scan(zone *time.Location, from, to int64, o *opener, f func(*entry.Entry) error) error {
	return c.open(zone, from, to, o, func(e *entry.Entry, got personal) error {
		e.Personal = got.shown(e)
		return f(e)
	})
}

// open is scan with all there is of the entries' personal data.
func (c *Conn) open(zone *time.Location, from, to int64, o *opener, f func(e *entry.Entry, got personal) error) error {
	for from <= to {
		last := from + min(to-from, piece-1) // from+piece may be more than an int64 holds
		list, sealed := make([]entry.Entry, 0, last-from+1), [][]byte(nil)
		next, err := c.Rows(from, last, o != nil, func(row Row) error {
			e, err := entry.Parse(row.Seq, row.TS, row.Record, zone)
			list, sealed = append(list, e), append(sealed, row.Sealed)
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

// Rows calls f for the entries from..to as their rows have them, in order, up to the first that is not there, which it
// returns.
func (c *Conn) Rows(from, to int64, sealed bool, f func(Row) error) (next int64, err error) {
	columns := "seq, ts, record, NULL"
	if sealed {
		columns = "seq, ts, record, sealed"
	}
	next = from
	err = c.query(func(v []driver.Value) error {
		if v[0] != next {
			return missing(next)
		}
		ts, _ := v[1].(int64)
		next++
		return f(Row{Seq: next - 1, TS: ts, Record: text(v[2]), Sealed: blob(v[3])})
	}, "SELECT "+columns+" FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq", from, to)
	return next, err
}

// ends says that an entry is missing, unless there is none behind it, or it was written since.
func (c *Conn) ends(seq int64) error {
	next, err := c.number("SELECT coalesce(min(seq), ?1) FROM entry WHERE seq >= ?1", seq)
	if err == nil && next != seq {
		err = missing(seq)
	}
	return err
}

func missing(seq int64) error { return fmt.Errorf("entry %d is missing", seq) }

// Reader reads a ledger, also while a daemon writes it. It never changes the file.
type Reader struct {
	c    *Conn
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

// isLive tells whether an anchor must lie beside the ledger: a copy has none, and what was put aside may have that of another
// history. In a backup, which has its archive beside it, the copy is called ledger.db as well.
func (r *Reader) isLive() bool {
	dir, name := filepath.Split(r.path)
	_, archive := os.Stat(filepath.Join(dir, "secret.tar"))
	_, keys := os.Stat(filepath.Join(dir, "keys"))
	return name == "ledger.db" && (archive != nil || keys == nil)
}

// OpenFile opens a ledger, or a copy of one, by its own name.
func OpenFile(path string) (*Reader, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	c, err := connect(path, readerDSN(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	r := &Reader{c: c, path: path}
	if n, nerr := c.number("SELECT count(*) FROM sqlite_schema"); nerr == nil && n == 0 {
		c.Close()
		return nil, fmt.Errorf("%s has no entries yet: %w", path, os.ErrNotExist)
	}
	if r.Meta, err = c.Meta(); err == nil {
		r.Zone, err = time.LoadLocation(r.Meta.TimeZone)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("read %s: %w: try it as the user who owns the state directory; after a power cut, start the daemon once",
			path, err)
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
func (r *Reader) Scan(from, to int64, personal bool, f func(*entry.Entry) error) error {
	var o *opener
	if personal {
		o = r.personal()
	}
	return r.c.scan(r.Zone, from, to, o, f)
}

// ScanPersonal is Scan with the personal fields; unseen tells that those of an entry could not be looked at, as Hidden says why.
func (r *Reader) ScanPersonal(from, to int64, f func(e *entry.Entry, unseen bool) error) error {
	return r.c.open(r.Zone, from, to, r.personal(), func(e *entry.Entry, got personal) error {
		e.Personal = got.shown(e)
		return f(e, got.hidden)
	})
}

// ScanSome calls f for some entries, each once and in order, with their personal fields.
func (r *Reader) ScanSome(seqs []int64, f func(*entry.Entry)) error {
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	for len(seqs) > 0 {
		n := 1
		for n < len(seqs) && seqs[n]-seqs[n-1] < 50 { // to read what is between them costs less than to ask again
			n++
		}
		err := r.Scan(seqs[0], seqs[n-1], true, func(e *entry.Entry) error {
			if _, asked := slices.BinarySearch(seqs[:n], e.Seq); asked {
				f(e)
			}
			return nil
		})
		if err != nil {
			return err
		}
		seqs = seqs[n:]
	}
	return nil
}

// OfKind calls f for those of the entries from..to that are of some kinds, in order, without their personal fields.
func (r *Reader) OfKind(from, to int64, f func(*entry.Entry) error, kinds ...entry.Kind) error {
	is, args := "0", []any{from, to}
	for _, k := range kinds {
		is, args = is+" OR instr(record, ?)", append(args, `"kind":"`+string(k)+`"`)
	}
	return r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		ts, _ := v[1].(int64)
		e, err := entry.Parse(seq, ts, text(v[2]), r.Zone)
		if err != nil || !slices.Contains(kinds, e.Kind) { // the words may stand in a text of it
			return err
		}
		return f(&e)
	}, "SELECT seq, ts, record FROM entry WHERE seq BETWEEN ? AND ? AND ("+is+") ORDER BY seq", args...)
}

// NewestTrusted is the newest entry whose clock was trusted, nil where there is none. What cannot be read is passed over.
func (r *Reader) NewestTrusted() (*entry.Entry, error) {
	for before := int64(math.MaxInt64); ; {
		var e entry.Entry
		seq, bad := int64(0), error(nil)
		if err := r.c.query(func(v []driver.Value) error {
			seq, _ = v[0].(int64)
			ts, _ := v[1].(int64)
			e, bad = entry.Parse(seq, ts, text(v[2]), r.Zone)
			return nil
		}, `SELECT seq, ts, record FROM entry WHERE seq < ? AND instr(record, '"clock":"trusted"') ORDER BY seq DESC LIMIT 1`,
			before); err != nil || seq == 0 {
			return nil, err
		}
		if bad == nil && e.Clock == "trusted" { // the words may stand in its details
			return &e, nil
		}
		before = seq
	}
}

// Size is the number of entries.
func (r *Reader) Size() (int64, error) {
	return r.c.Size()
}

// Size is the number of entries.
func (c *Conn) Size() (int64, error) { return c.number("SELECT coalesce(max(seq), 0) FROM entry") }

// Record is the record of an entry.
func (c *Conn) Record(seq int64) (string, error) {
	return c.one("SELECT record FROM entry WHERE seq = ?", seq)
}

// Segment is a run of entries of one day (2006-01-02, in the gate's zone).
type Segment struct {
	First, Last int64
	Day         string
}

// Segments lists the runs of entries of one day, in order. The last one goes on.
func (r *Reader) Segments() ([]Segment, error) { return r.c.Segments() }

// Segments lists the runs of entries of one day, in order.
func (c *Conn) Segments() (all []Segment, err error) {
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

// SegmentsOf lists where the entries of a day (2006-01-02, in the gate's zone) stand. A clock that was set back gives a day
// more than one segment, with others between.
func (r *Reader) SegmentsOf(day string) (own []Segment, err error) {
	all, err := r.Segments()
	return slices.DeleteFunc(all, func(s Segment) bool { return s.Day != day }), err
}

// OpenEpochs opens the ledger of a state directory for reading and then those of its older epochs that are there, the oldest
// first. Its error names those that cannot be read, if any; nil without the current one.
func OpenEpochs(dir string) ([]*Reader, error) {
	current, err := OpenReader(dir)
	if err != nil {
		return nil, err
	}
	all := []*Reader{current}
	for _, n := range Aside(dir, current.Meta.Epoch) {
		path := OfEpoch(dir, n)
		r, oerr := OpenFile(path)
		if oerr == nil && r.Meta.Origin != EpochOrigin(current.Meta.Name(), n) {
			r.Close()
			oerr = fmt.Errorf("%s is of %s, not of epoch %d: move it away, it is another ledger's", path, r.Meta.Origin, n)
		}
		if oerr != nil {
			err = errors.Join(err, oerr)
			continue
		}
		all = append(all, r)
	}
	return all, err
}

// Aside lists the epochs before the current one whose files are there.
func Aside(dir string, epoch int) (found []int) {
	for n := 1; n < epoch; n++ {
		if _, err := os.Lstat(OfEpoch(dir, n)); err == nil {
			found = append(found, n)
		}
	}
	return found
}
