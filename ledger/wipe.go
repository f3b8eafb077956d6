package ledger

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"strings"
)

// What an erasure leaves in the files, and how it is removed.
//
// secure_delete overwrites a row that is deleted, and pages that become free. It does not overwrite the copy that stays
// in the gap of a page, between its cell pointers and its cells, when SQLite moves a row to the next page (seen with one
// salt in two hundred). So the gaps near erased rows are overwritten, then what the write-ahead log still holds. As long
// as that is to be done user_version is 1, from the erasing transaction on.

const (
	wipedAtOnce = 500 // entries whose pages are wiped in one transaction, or
	spansAtOnce = 20  // places in the ledger where they stand
)

// strayed is how many pages from its row, on each level of the tree, the copy of a row is looked for: moving spreads rows over at
// most five pages, and a later move may take the row one page further.
const strayed = 8

// span is entries from..to.
type span struct{ from, to int64 }

// spans gathers entries, in order, that stand close together.
func spans(seqs []int64) (all []span) {
	for _, seq := range seqs {
		if n := len(all); n > 0 && seq-all[n-1].to < 50 && seq-all[n-1].from < wipedAtOnce {
			all[n-1].to = seq
		} else {
			all = append(all, span{seq, seq})
		}
	}
	return all
}

// wipe overwrites the gaps of pages near the next of l.remains.
func (l *Ledger) wipe() (err error) {
	if l.remains, err = wipe(l.path, l.remains); err != nil {
		return err
	}
	return l.checkpoint("PASSIVE")
}

// wipe overwrites the gaps of pages of a ledger near the first of these entries. It returns those that are left to do.
func wipe(path string, remains []span) (rest []span, err error) {
	rest = remains
	c, err := connect(strings.Replace(writerDSN(path), "_defensive=1", "_defensive=0", 1)) // pages are out of bounds for the usual one
	if err != nil {
		return remains, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return remains, err
	}
	root, err := c.number("SELECT rootpage FROM sqlite_schema WHERE name = 'personal'")
	if err != nil {
		return remains, err
	}
	pages := map[int64][]byte{}
	entries := int64(0)
	for n := 0; n < spansAtOnce && len(rest) > 0 && entries < wipedAtOnce; n++ {
		s := rest[0]
		if s.to-s.from >= wipedAtOnce {
			s.to = s.from + wipedAtOnce - 1
			rest = append([]span{{s.to + 1, rest[0].to}}, rest[1:]...)
		} else {
			rest = rest[1:]
		}
		entries += s.to - s.from + 1
		if err := c.pagesNear(root, s, pages); err != nil {
			return remains, err
		}
	}
	for _, no := range slices.Sorted(maps.Keys(pages)) {
		if p := pages[no]; wipeGap(p) {
			if err := c.exec("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", p, no); err != nil {
				return remains, err
			}
		}
	}
	if err := c.exec("COMMIT"); err != nil {
		return remains, err
	}
	return rest, nil
}

// pagesNear reads the pages of an index tree whose first column is the seq, from its root down to where the entries are.
func (c *conn) pagesNear(root int64, s span, pages map[int64][]byte) error {
	for level := []int64{root}; len(level) > 0; {
		var children, keys []int64 // the rows below children[i] are up to keys[i]
		for _, no := range level {
			p := pages[no]
			if p == nil {
				err := c.query(func(v []driver.Value) error { p = slices.Clone(v[0].([]byte)); return nil }, "SELECT data FROM sqlite_dbpage WHERE pgno = ?", no)
				if err != nil {
					return err
				}
				if len(p) < 512 || p[0] != interiorPage && p[0] != leafPage {
					return fmt.Errorf("page %d of the personal data is not one of its index", no)
				}
				pages[no] = p
			}
			if p[0] == leafPage {
				continue
			}
			for i := range int(binary.BigEndian.Uint16(p[3:])) {
				cell := p[binary.BigEndian.Uint16(p[12+2*i:]):]
				children = append(children, int64(binary.BigEndian.Uint32(cell)))
				_, n := varint(cell[4:])
				keys = append(keys, firstColumn(cell[4+n:]))
			}
			children = append(children, int64(binary.BigEndian.Uint32(p[8:])))
			keys = append(keys, 1<<62) // up to the next key of its parent, which is not needed
		}
		if len(children) == 0 {
			return nil
		}
		for i := len(keys) - 2; i >= 0; i-- {
			keys[i] = min(keys[i], keys[i+1])
		}
		from := sort.Search(len(keys), func(i int) bool { return keys[i] >= s.from })
		to := sort.Search(len(keys), func(i int) bool { return keys[i] > s.to })
		level = children[max(from-strayed, 0):min(to+strayed+1, len(children))]
	}
	return nil
}

// Kinds of pages, and what they consist of: sqlite.org/fileformat2.html, 1.6.
const (
	interiorPage = 2
	leafPage     = 10
)

// wipeGap overwrites the gap of a page and tells whether there was anything in it.
func wipeGap(p []byte) (dirty bool) {
	from := 8
	if p[0] == interiorPage {
		from = 12
	}
	from += 2 * int(binary.BigEndian.Uint16(p[3:]))
	to := int(binary.BigEndian.Uint16(p[5:]))
	if to == 0 {
		to = 65536
	}
	for i := from; i < to && i < len(p); i++ {
		dirty = dirty || p[i] != 0
		p[i] = 0
	}
	return dirty
}

// varint reads an integer of one to nine bytes.
func varint(b []byte) (v int64, n int) {
	for n < 8 {
		v = v<<7 | int64(b[n]&0x7f)
		if n++; b[n-1] < 0x80 {
			return v, n
		}
	}
	return v<<8 | int64(b[8]), 9
}

// firstColumn is the first value of a row, an integer.
func firstColumn(row []byte) (v int64) {
	header, n := varint(row)
	kind, _ := varint(row[n:])
	if kind == 9 {
		return 1
	}
	size := []int64{0, 1, 2, 3, 4, 6, 8}[kind%7]
	for _, b := range row[header : header+size] {
		v = v<<8 | int64(b)
	}
	return v
}

// clean does the next piece of what erasures have left to do, and tells whether that was all.
func (l *Ledger) clean() (bool, error) {
	if len(l.remains) > 0 {
		if err := l.wipe(); err != nil {
			return false, fmt.Errorf("overwrite what is left of erased rows: %w", err)
		}
		return false, nil
	}
	done, err := l.c.scrub(l.path + "-wal")
	if err != nil {
		return false, fmt.Errorf("overwrite the write-ahead log: %w", err)
	}
	if !done && !l.held {
		l.opt.Log.Info("what was erased still stands in the write-ahead log, as somebody is reading: it is overwritten once they have ended")
	}
	l.held = !done
	l.traces.Store(!done)
	return done, nil
}

// unclean finds out whether the last run was cut off before it had removed what erasures left.
func (l *Ledger) unclean(c *conn, log int64) error {
	n, err := c.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	if n != 0 && len(l.remains) == 0 { // which entries they were is not known any more
		l.remains = []span{{1, l.size}}
	}
	if n != 0 || log > 0 {
		l.traces.Store(true)
	}
	return nil
}

// scrub leaves nothing in the write-ahead log but its newest transaction: erased pages stand there in their older
// versions, and in the disk's free blocks once the file is truncated. It tells whether that could be done now.
//
// The log is moved into the database first. The next transaction, which sets user_version, then begins it anew; what
// stands behind that transaction belongs to nobody, as no reader is left in the log and there is one writer. Truncation
// is not asked for: where it failed because of a reader, a log with zeros in front would lose what comes after.
func (c *conn) scrub(log string) (done bool, err error) {
	size := fileSize(log)
	if size == 0 {
		return true, nil
	}
	wait, err := c.one("PRAGMA busy_timeout")
	if err != nil {
		return false, err
	}
	if err := c.exec("PRAGMA busy_timeout = 0"); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.exec("PRAGMA busy_timeout = "+wait)) }()
	busy, before, err := c.checkpoint("RESTART")
	if err != nil || busy {
		return false, err
	}
	if err := c.exec("PRAGMA user_version = 0"); err != nil {
		return false, err
	}
	_, frames, err := c.checkpoint("PASSIVE")
	if err != nil || frames < 1 || before > 0 && frames > before { // it went on where it was: a reader came in between
		return false, err
	}
	page, err := c.number("PRAGMA page_size")
	if err != nil {
		return false, err
	}
	used := 32 + frames*(24+page) // sqlite.org/fileformat2.html, 4.1: the log's header, then a header and a page each
	return true, overwrite(log, used, size)
}

func fileSize(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

// checkpoint moves the log into the database and tells whether somebody was in the way, and of how many pages it is now.
func (c *conn) checkpoint(mode string) (busy bool, frames int64, err error) {
	err = c.query(func(v []driver.Value) error {
		busy = v[0] != int64(0)
		frames, _ = v[1].(int64)
		return nil
	}, "PRAGMA wal_checkpoint("+mode+")")
	return busy, frames, err
}

// overwrite writes zeros over the bytes from..to of a file, where they stand.
func overwrite(path string, from, to int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for zeros := make([]byte, 1<<20); from < to && err == nil; from += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), to-from)], from)
	}
	return errors.Join(err, f.Sync())
}
