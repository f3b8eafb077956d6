package ledger

import (
	"database/sql/driver"
)

// maxRecent is how many bytes of entries are kept in memory.
const maxRecent = 8 << 20

// recent are the entries that may stand nowhere but in the write-ahead log: those since it was last moved into the database
// whole, and synced. After a disk error they are compared with what the medium has, and what it lacks is appended again.
type recent struct {
	drafts []draft
	bytes  int
}

func (r *recent) add(d draft) {
	r.drafts = append(r.drafts, d)
	for r.bytes += d.bytes(); r.bytes > maxRecent; r.drafts = r.drafts[1:] { // a reader keeps the log from being moved
		r.bytes -= r.drafts[0].bytes()
	}
}

// bytes is about what the draft takes in memory.
func (d *draft) bytes() (n int) {
	for i := range d.entries {
		n += 512 + len(d.entries[i].Raw)
		for _, f := range d.rest[i].fields {
			n += 128 + len(f.Name) + len(f.Value)
		}
	}
	return n
}

// first is the seq of the first entry; 0: there is none.
func (r *recent) first() int64 {
	if len(r.drafts) == 0 {
		return 0
	}
	return r.drafts[0].entries[0].Seq
}

// cut removes the drafts behind the first size entries and returns them; ok is false where they are not all there.
func (r *recent) cut(size int64) (behind []draft, ok bool) {
	for i, d := range r.drafts {
		if d.entries[0].Seq != size+1 {
			continue
		}
		behind = r.drafts[i:]
		r.drafts = r.drafts[:i:i]
		for _, d := range behind {
			r.bytes -= d.bytes()
		}
		return behind, true
	}
	return nil, false
}

// moveLog moves the write-ahead log into the database and tells whether all of it is there now, and synced.
func (c *conn) moveLog(mode string) (all bool, err error) {
	err = c.query(func(v []driver.Value) error {
		all = v[0] == int64(0) && v[1] == v[2]
		return nil
	}, "PRAGMA wal_checkpoint("+mode+")")
	return all, err
}
