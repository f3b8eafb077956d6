package ledger

import "gated/ledger/tlog"

// maxRecent is how many bytes of entries are kept in memory.
const maxRecent = 8 << 20

// recent are the entries that may stand nowhere but in the write-ahead log: those since it was last moved into the database
// whole, and synced. After a disk error they are compared with what the medium has, and what it lacks is appended again.
type recent struct {
	first int64 // seq of the first
	rows  []recentRow
	bytes int
	heads map[int64]tlog.Head // that are rows, by their size
}

// sign adds tree heads.
func (r *recent) sign(heads ...tlog.Head) {
	if r.heads == nil {
		r.heads = map[int64]tlog.Head{}
	}
	for _, h := range heads {
		r.heads[h.Size] = h
	}
}

// recentRow is an entry as its row has it.
type recentRow struct {
	ts          int64
	raw, sealed []byte
}

func (x recentRow) bytes() int { return 128 + len(x.raw) + len(x.sealed) }

func (r *recent) add(d draft) {
	for i := range d.entries {
		e := &d.entries[i]
		if len(r.rows) == 0 {
			r.first = e.Seq
		}
		x := recentRow{e.At.UnixMicro(), e.Raw, d.rest[i].sealed}
		r.rows = append(r.rows, x)
		r.bytes += x.bytes()
	}
	n := 0 // a reader keeps the log from being moved
	for ; r.bytes > maxRecent; n++ {
		r.bytes -= r.rows[n].bytes()
	}
	r.first, r.rows = r.first+int64(n), r.rows[n:]
}

// all says whether no entry of the ledger stands elsewhere.
func (r *recent) all() bool { return len(r.rows) > 0 && r.first == 1 }

// cut removes the entries behind the first size and returns them; ok is false where they are not all there.
func (r *recent) cut(size int64) (behind []recentRow, ok bool) {
	n := size + 1 - r.first
	if n < 0 || n >= int64(len(r.rows)) {
		return nil, false
	}
	behind, r.rows = r.rows[n:], r.rows[:n:n]
	for _, x := range behind {
		r.bytes -= x.bytes()
	}
	return behind, true
}
