package index

import (
	"cmp"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"gated/register/blind"
	"gated/sqliteprocess"
)

// Write writes changes in their order, in one transaction, with what more is to be done in it.
func (x *Index) Write(changes []*Changes, more func(w *Writer) error) error {
	if x.db == nil {
		return ErrNone
	}
	sqliteprocess.Probe(x.Path)
	tx, err := x.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	w := &Writer{tx: tx, stmts: map[string]*sql.Stmt{}}
	var found []Finding
	for _, c := range changes {
		w.rows(c)
		found = append(found, c.Found...)
	}
	fresh := x.fresh + len(found)
	if fresh >= x.MergeAt {
		w.merge(found)
		fresh = 0
	} else {
		w.found(found...)
	}
	if w.err == nil && more != nil {
		err = more(w)
		w.err = cmp.Or(w.err, err)
	}
	if w.err == nil {
		w.err = tx.Commit()
	}
	if w.err == nil {
		x.fresh = fresh
	}
	return w.err
}

// Writer writes rows in a transaction and remembers the first error, with which that ends.
type Writer struct {
	tx    *sql.Tx
	stmts map[string]*sql.Stmt
	err   error
}

func (w *Writer) exec(q string, args ...any) {
	if w.err != nil {
		return
	}
	st := w.stmts[q]
	if st == nil {
		if st, w.err = w.tx.Prepare(q); w.err != nil {
			return
		}
		w.stmts[q] = st
	}
	_, w.err = st.Exec(args...)
}

// Put writes more changes.
func (w *Writer) Put(c *Changes) {
	w.rows(c)
	w.found(c.Found...)
}

// Finder returns one for what the transaction has so far.
func (w *Writer) Finder() (*Finder, error) {
	if w.err != nil {
		return nil, w.err
	}
	return newFinder(w.tx)
}

func (w *Writer) rows(c *Changes) {
	for _, p := range slices.SortedFunc(maps.Values(c.Passages), func(a, b *Passage) int { return cmp.Compare(a.First, b.First) }) {
		decided := int64(0)
		if !p.Decided.IsZero() {
			decided = p.Decided.UnixMicro()
		}
		w.exec("INSERT OR REPLACE INTO passage VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", p.First, p.ID, p.Last,
			p.At.UnixMicro(), decided, p.Lane, p.Direction, p.Class, p.Credential, p.Verdict, p.Reason, p.By, p.Emergency)
	}
	for who, at := range c.People {
		if at == nil {
			w.exec("DELETE FROM person WHERE key = ?", who)
		} else {
			w.exec("INSERT OR REPLACE INTO person VALUES(?, ?, ?, ?, ?, ?, ?)", who, at.Seq, at.Inside, at.Unknown, at.Class, at.Back,
				at.At)
		}
	}
	for seq, t := range c.Trips {
		if t == nil {
			w.exec("DELETE FROM trip WHERE seq = ?", seq)
		} else {
			w.exec("INSERT OR REPLACE INTO trip VALUES(?, ?, ?, ?, ?, ?)", seq, t.Household, t.Day, t.Who, t.Due, t.Unsure)
		}
	}
	for id, v := range c.Visits {
		if v == nil {
			w.exec("DELETE FROM visit WHERE id = ?", id)
		} else {
			said, _ := json.Marshal(v) // plain values: it cannot fail
			w.exec("INSERT OR REPLACE INTO visit VALUES(?, ?)", id, string(said))
		}
	}
	for _, l := range c.Later {
		w.exec("INSERT OR REPLACE INTO later VALUES(?, ?, ?)", l.Seq, l.First, l.Last)
	}
	w.exec("INSERT OR REPLACE INTO meta VALUES('origin', ?), ('size', ?), ('last', ?), ('state', ?)",
		c.Origin, strconv.FormatInt(c.Size, 10), c.Last, c.State)
}

// found notes by what entries are found.
func (w *Writer) found(list ...Finding) {
	for _, f := range list {
		var keys []byte
		for _, k := range f.Keys {
			keys = binary.BigEndian.AppendUint64(keys, uint64(k))
		}
		w.exec("INSERT OR REPLACE INTO fresh VALUES(?, ?, ?, ?)", f.Seq, f.First, f.Day, keys)
	}
}

// merge puts the rows of the table fresh, and what more was found, into the table term, in the order of its pages.
func (w *Writer) merge(found []Finding) {
	type row struct {
		day        string
		key        blind.Key
		seq, first int64
	}
	var rows []row
	add := func(f Finding) {
		for _, k := range f.Keys {
			rows = append(rows, row{f.Day, k, f.Seq, f.First})
		}
	}
	if w.err == nil {
		w.err = eachFresh(w.tx, add)
	}
	for _, f := range found {
		add(f)
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.key, b.key), cmp.Compare(a.seq, b.seq))
	})
	for _, r := range rows {
		w.exec("INSERT OR REPLACE INTO term VALUES(?, ?, ?, ?)", r.day, r.key, r.seq, r.first)
	}
	w.exec("DELETE FROM fresh")
}

// FindAgain has entries found by what is left of them. The first entries of their passages are known already.
func (w *Writer) FindAgain(left []Finding) {
	days, keys := map[string][]int64{}, map[int64][]blind.Key{}
	for _, f := range left {
		days[f.Day] = append(days[f.Day], f.Seq)
		keys[f.Seq] = f.Keys
	}
	for day, seqs := range days {
		list, _ := json.Marshal(seqs) // numbers
		for _, table := range []string{"term", "fresh"} {
			where := " FROM " + table + " WHERE day = ? AND seq IN (SELECT value FROM json_each(?))"
			firsts := map[int64]int64{}
			if w.err == nil {
				w.err = each(w.tx, func(scan func(...any) error) error {
					var seq, first int64
					err := scan(&seq, &first)
					firsts[seq] = first
					return err
				}, "SELECT seq, first"+where, day, string(list))
			}
			w.exec("DELETE"+where, day, string(list))
			for seq, first := range firsts {
				if len(keys[seq]) > 0 {
					w.found(Finding{seq, first, day, keys[seq]})
				}
			}
		}
	}
}
