package register

import (
	"cmp"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"gated/ledger/file"
	"gated/register/blind"
	"gated/sqliteprocess"
)

// mergeAt is how many rows the table fresh has at most before they go into the table term.
const mergeAt = 2048

// batch is what goes into the index at once: the changes, and what of the state they need.
type batch struct {
	*changes
	kept         kept
	last         string
	recent       []*Passage
	people       map[blind.Key]whereabouts // of those who moved; who is missing is forgotten
	holds        []int64                   // by their first entry; nil: unchanged, like the next three
	toAccountFor map[int64]int64
	keeps        map[int64]Span
	days         []file.Segment
}

// take hands out what the index has not heard of yet; nil: nothing. The caller holds what guards the state.
func (s *State) take() *batch {
	c := s.changed
	if c == nil || s.taken == s.Size {
		return nil
	}
	s.changed, s.taken = newChanges(), s.Size
	b := &batch{changes: c, kept: kept{s.scalars, s.book.Day}, last: hex.EncodeToString(s.last[:]), recent: slices.Clone(s.Recent),
		people: map[blind.Key]whereabouts{}, days: s.segments}
	for who := range c.people {
		if at, known := s.people[who]; known {
			b.people[who] = at
		}
	}
	if c.holds {
		b.holds, b.toAccountFor, b.keeps = []int64{}, map[int64]int64{}, maps.Clone(s.Keeps)
		for _, p := range s.Open {
			b.holds = append(b.holds, p.First)
		}
		for seq, p := range s.ToAccountFor {
			b.toAccountFor[seq] = p.First
		}
	}
	return b
}

// write writes batches in their order, in one transaction, with what more is to be done in it.
func (x *index) write(origin string, batches []*batch, more func(tx *sql.Tx) error) error {
	sqliteprocess.Probe(x.path)
	tx, err := x.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	w := writer{tx: tx, stmts: map[string]*sql.Stmt{}}
	fresh := x.fresh
	for _, b := range batches {
		w.batch(b, origin)
		fresh += len(b.found)
	}
	if fresh >= x.merge {
		w.merge(batches)
		fresh = 0
	} else {
		w.found(batches...)
	}
	if w.err == nil && more != nil {
		w.err = more(tx)
	}
	if w.err == nil {
		w.err = tx.Commit()
	}
	if w.err == nil {
		x.fresh = fresh
	}
	return w.err
}

// writer writes rows and remembers the first error.
type writer struct {
	tx    *sql.Tx
	stmts map[string]*sql.Stmt
	err   error
}

func (w *writer) exec(q string, args ...any) {
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

func (w *writer) batch(b *batch, origin string) {
	for _, p := range slices.SortedFunc(maps.Values(b.passages), func(a, b *Passage) int { return cmp.Compare(a.First, b.First) }) {
		decided := int64(0)
		if !p.Decided.IsZero() {
			decided = p.Decided.UnixMicro()
		}
		w.exec("INSERT OR REPLACE INTO passage VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", p.First, p.ID, p.Last,
			p.At.UnixMicro(), decided, p.Lane, p.Direction, p.Class, p.Credential, p.Verdict, p.Reason, p.By, p.Emergency)
	}
	if len(b.passages) > 0 {
		w.exec("DELETE FROM recent")
		for place, p := range b.recent {
			w.exec("INSERT INTO recent VALUES(?, ?)", place, p.First)
		}
	}
	if b.holds != nil {
		w.exec("DELETE FROM hold")
		w.exec("DELETE FROM opening")
		w.exec("DELETE FROM keep")
		for _, first := range b.holds {
			w.exec("INSERT INTO hold VALUES(?)", first)
		}
		for seq, first := range b.toAccountFor {
			w.exec("INSERT INTO opening VALUES(?, ?)", seq, first)
		}
		for seq, k := range b.keeps {
			w.exec("INSERT INTO keep VALUES(?, ?, ?)", seq, k.From, k.To)
		}
	}
	for who := range b.changes.people {
		if at, known := b.people[who]; known {
			w.exec("INSERT OR REPLACE INTO person VALUES(?, ?, ?)", who, at.seq, at.inside)
		} else {
			w.exec("DELETE FROM person WHERE key = ?", who)
		}
	}
	for seq, t := range b.trips {
		if t == nil {
			w.exec("DELETE FROM trip WHERE seq = ?", seq)
		} else {
			w.exec("INSERT OR REPLACE INTO trip VALUES(?, ?, ?)", seq, t.Household, t.Day)
		}
	}
	for _, l := range b.later {
		w.exec("INSERT OR REPLACE INTO later VALUES(?, ?, ?)", l.seq, l.first, l.last)
	}
	state, err := json.Marshal(b.kept)
	if w.err == nil {
		w.err = err
	}
	w.exec("INSERT OR REPLACE INTO meta VALUES('state', ?), ('last', ?), ('origin', ?)", string(state), b.last, origin)
}

// found notes by what entries are found.
func (w *writer) found(batches ...*batch) {
	for _, b := range batches {
		for _, f := range b.changes.found {
			w.exec("INSERT OR REPLACE INTO fresh VALUES(?, ?, ?, ?)", f.seq, f.first, file.DayOf(b.days, f.seq), packKeys(f.keys))
		}
	}
}

// merge puts the rows of the table fresh, and what the batches have, into the table term, in the order of its pages.
func (w *writer) merge(batches []*batch) {
	type row struct {
		day        string
		key        blind.Key
		seq, first int64
	}
	var rows []row
	if w.err == nil {
		w.err = each(w.tx, func(scan func(...any) error) error {
			var r row
			var keys []byte
			err := scan(&r.seq, &r.first, &r.day, &keys)
			for _, r.key = range unpackKeys(keys) {
				rows = append(rows, r)
			}
			return err
		}, "SELECT seq, first, day, keys FROM fresh")
	}
	for _, b := range batches {
		for _, f := range b.changes.found {
			for _, k := range f.keys {
				rows = append(rows, row{file.DayOf(b.days, f.seq), k, f.seq, f.first})
			}
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.key, b.key), cmp.Compare(a.seq, b.seq))
	})
	for _, r := range rows {
		w.exec("INSERT OR REPLACE INTO term VALUES(?, ?, ?, ?)", r.day, r.key, r.seq, r.first)
	}
	w.exec("DELETE FROM fresh")
}
