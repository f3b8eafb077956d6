package file

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"

	"gated/ledger/entry"
	"gated/ledger/tlog"
)

// What a verification reads: the rows as they are, of which it believes nothing.

// Path is the name of the file.
func (r *Reader) Path() string { return r.path }

// Snapshot lets f read one state of a ledger that may be growing.
func (r *Reader) Snapshot(f func() error) error {
	if err := r.c.Exec("SAVEPOINT snapshot"); err != nil {
		return err
	}
	return errors.Join(f(), r.c.Exec("RELEASE snapshot"))
}

// Row is an entry as it stands in its row.
type Row struct {
	Seq, TS int64 // TS: the time that the row has, in µs since 1970
	Record  string
	Sealed  []byte // nil where it has no personal fields, or they were not asked for
	page    *page
}

// Rows calls f for each of the entries from..to, in order; all of them must be there.
func (r *Reader) Rows(from, to int64, f func(Row) error) error {
	p, err := r.personal().page(r.c, from, to)
	if err != nil {
		return err
	}
	next, err := r.c.Rows(from, to, true, func(row Row) (err error) {
		if row.Seq > p.to {
			if p, err = r.personal().page(r.c, row.Seq, to); err != nil {
				return err
			}
		}
		row.page = p
		return f(row)
	})
	if err == nil && next <= to {
		err = missing(next)
	}
	return err
}

// Records calls f for the records of the entries from..to, in order; all of them must be there.
func (r *Reader) Records(from, to int64, f func(record string) error) error {
	next, err := r.c.Rows(from, to, false, func(row Row) error { return f(row.Record) })
	if err == nil && next <= to {
		err = missing(next)
	}
	return err
}

// Heads calls f for each tree head that is kept, the oldest first. leaves are the hashes that were in no full tile yet,
// where they are kept with it.
func (r *Reader) Heads(f func(size int64, note string, leaves []byte) error) error {
	return r.c.query(func(v []driver.Value) error {
		size, _ := v[0].(int64)
		leaves, _ := v[2].([]byte)
		return f(size, text(v[1]), bytes.Clone(leaves))
	}, "SELECT size, note, leaves FROM cosigned ORDER BY size")
}

// CheckHeads looks for the tree heads that came with days and with some entries.
func (r *Reader) CheckHeads(entries []entry.Entry) error {
	for i := range entries {
		if err := r.c.CheckHead(&entries[i]); err != nil {
			return err
		}
	}
	return r.c.CheckDays(-1)
}

// LooseCosignatures counts those of tree heads that are not kept.
func (r *Reader) LooseCosignatures() (int64, error) {
	return r.c.number("SELECT count(*) FROM cosignature WHERE size NOT IN (SELECT size FROM head)")
}

// FullTile reads a tile that must be there.
func (r *Reader) FullTile(level int, n int64) (tlog.Tile, error) {
	t := tlog.Tile{Level: level, N: n}
	err := r.c.query(func(v []driver.Value) error {
		root, _ := v[0].([]byte)
		data, _ := v[1].([]byte)
		if len(root) != tlog.HashSize || len(data) != tlog.TileWidth*tlog.HashSize {
			return fmt.Errorf("tile %d/%d was changed: it has %d bytes and a root of %d", level, n, len(data), len(root))
		}
		t.Root, t.Data = tlog.Hash(root), bytes.Clone(data)
		return nil
	}, "SELECT root, data FROM tile WHERE at = ?", tileAt(level, n))
	if err == nil && t.Data == nil {
		err = fmt.Errorf("tile %d/%d is missing", level, n)
	}
	return t, err
}

// FullTiles counts the tiles that are kept.
func (r *Reader) FullTiles() (int64, error) { return r.c.number("SELECT count(*) FROM tile") }

// PersonalState tells of the personal data of an entry that has some.
type PersonalState struct {
	Fields  int64 // that can be read, and are what the record committed to
	Zero    bool  // its slot was erased
	Carrier int64 // the entry that carries what was left then
	Hidden  bool  // it was not looked at: what would open it is not here
}

// Personal opens the personal data of a row whose record commits to it so. It is an error where something is there that
// does not open, or is not what the record committed to.
func (row Row) Personal(committed string) (s PersonalState, err error) {
	got, err := row.page.open(row.Seq, committed, row.Sealed)
	s = PersonalState{Zero: got.zero, Carrier: got.carrier, Hidden: got.hidden}
	for i := range got.rows {
		if !got.rows[i].Erased {
			s.Fields++
		}
	}
	return s, err
}

// Erasure reads what an erase entry says was erased: entries, in order, of an epoch. They are nil where that cannot be read
// here.
func (row Row) Erasure(e *entry.Entry) (epoch int, seqs []int64, err error) {
	got, err := row.page.open(e.Seq, e.Record.Personal, row.Sealed)
	if err != nil {
		return 0, nil, err
	}
	e.Personal = got.shown(e)
	x, err := erasureOf(e, row.page.o.epoch)
	return x.Epoch, x.Seqs, err
}

// LaterErasures calls f for what the erase entries say that are not among the first size of this ledger: those that came
// since, and those of later epochs that are here. seqs are nil where they cannot be read.
func (r *Reader) LaterErasures(size int64, f func(epoch int, seqs []int64) error) error {
	o := r.personal()
	ours := func(x Erasure) error { return f(x.Epoch, x.Seqs) }
	if err := r.Erasures(size, ours); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, later := range o.later {
		if err := later.Erasures(0, ours); err != nil {
			return err
		}
	}
	return nil
}

// CarriedOut is up to which of its own entries what erase entries say was surely carried out.
func (r *Reader) CarriedOut() int64 {
	p := r.personal().files.Done()
	if p.Epoch != r.Meta.Epoch {
		return 1 << 62
	}
	return p.Seq
}

// Carrying calls f for each row that says which entry carries what is left of another.
func (r *Reader) Carrying(f func(epoch int, seq, at int64) error) error {
	return r.c.query(func(v []driver.Value) error {
		epoch, _ := v[0].(int64)
		seq, _ := v[1].(int64)
		at, _ := v[2].(int64)
		return f(int(epoch), seq, at)
	}, "SELECT epoch, seq, at FROM carried ORDER BY epoch, seq, at")
}
