package register

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
)

// Erasing calls f, which erases: before it does it tells which entries of the current epoch lose something. Then the
// register forgets what they said. There is one erasure at a time, and none before all entries are read.
func (r *Register) Erasing(f func(lose func(seqs []int64)) error) error {
	r.erasing.Lock()
	defer r.erasing.Unlock()
	if !r.readAll() {
		return errNotRead
	}
	err := f(r.lose)
	return errors.Join(err, r.forget())
}

// lose keeps the index from saying that it has heard of an erasure before it has forgotten what that took.
func (r *Register) lose(seqs []int64) {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.gone == nil {
		r.write(nil)
	}
	r.gone = append(r.gone, seqs...)
}

// forget brings state and index to what they would be, had the entries never held what was erased of them. Who was last
// seen by one of them is where the newest entry that is left says.
func (r *Register) forget() error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.gone == nil {
		return nil
	}
	in, err := file.OpenReader(r.opt.Dir)
	if err != nil {
		r.noIndex(err)
		return err
	}
	defer in.Close()
	left := make(map[int64]*ledger.Entry, len(r.gone)) // as they are now
	if err := in.ScanSome(r.gone, func(e *ledger.Entry) { left[e.Seq] = e }); err != nil {
		r.noIndex(err)
		return err
	}
	r.gone = nil
	lost := r.lost(left)
	err = r.write(func(tx *sql.Tx) error {
		w := writer{tx: tx, stmts: map[string]*sql.Stmt{}}
		w.findAgain(r.hash, left)
		if w.err != nil {
			return w.err
		}
		moved := map[blind.Key]whereabouts{}
		x, err := newFinder(tx)
		if err != nil {
			return err
		}
		for who := range lost {
			if err := x.lastMove(in, r.hash, who, moved); err != nil {
				return err
			}
		}
		if b := r.settle(left, lost, moved); b != nil {
			w.batch(b, in.Meta.Origin)
			w.found(b)
		}
		return w.err
	})
	if err != nil {
		return r.lookThrough(in, left, lost)
	}
	_, err = r.index.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)") // not even hashes of what is gone are to stay in the log
	return err
}

// lost forgets the trips that the entries were, and names the people whose newest move was one of them.
func (r *Register) lost(left map[int64]*ledger.Entry) map[blind.Key]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := map[blind.Key]bool{}
	for who, at := range r.state.people {
		if e := left[at.seq]; e != nil {
			if k, named := r.hash.Field(e, "subject"); !named || k != who {
				lost[who] = true
			}
		}
	}
	for seq, t := range maps.Clone(r.state.book.All()) {
		if e := left[seq]; e != nil {
			_, named := r.hash.Field(e, "subject")
			if k, ok := r.hash.Field(e, "household"); !named || !ok || k != t.Household {
				r.state.untrip(seq)
			}
		}
	}
	return lost
}

// settle says where the lost people are, unless they have moved since, and hands out what the index has not heard of.
func (r *Register) settle(left map[int64]*ledger.Entry, lost map[blind.Key]bool, moved map[blind.Key]whereabouts) *batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	for who := range lost {
		if left[r.state.people[who].seq] == nil {
			continue
		}
		if at, known := moved[who]; known {
			r.state.place(who, at)
		} else {
			r.state.forgetPerson(who)
		}
	}
	r.state.taken = 0
	return r.state.take()
}

// findAgain has entries found by what is left of them.
func (w *writer) findAgain(h blind.Hasher, left map[int64]*ledger.Entry) {
	byDay := map[string][]int64{}
	for _, e := range left {
		day := e.At.Format(time.DateOnly)
		byDay[day] = append(byDay[day], e.Seq)
	}
	for day, seqs := range byDay {
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
				if keys := h.Terms(left[seq]); len(keys) > 0 {
					w.exec("INSERT OR REPLACE INTO fresh VALUES(?, ?, ?, ?)", seq, first, day, packKeys(keys))
				}
			}
		}
	}
}

// lastMove notes where the newest readable entry says that a person is.
func (x *finder) lastMove(in *file.Reader, h blind.Hasher, who blind.Key, moved map[blind.Key]whereabouts) error {
	found, err := x.entries(who)
	for i := len(found) - 1; i >= 0 && err == nil; i-- {
		err = in.Scan(found[i].seq, found[i].seq, true, func(e *ledger.Entry) error {
			k, named := h.Field(e, "subject")
			if inside, ok := Moves(e); ok && named && k == who {
				moved[who] = whereabouts{e.Seq, inside}
			}
			return nil
		})
		if _, known := moved[who]; known {
			break
		}
	}
	return err
}

// finder finds entries by keys. What is fresh is read once.
type finder struct {
	db    querier
	fresh map[blind.Key][]finding
}

func newFinder(db querier) (*finder, error) {
	x := &finder{db, map[blind.Key][]finding{}}
	return x, each(db, func(scan func(...any) error) (err error) {
		var f finding
		var keys []byte
		err = scan(&f.seq, &f.first, &keys)
		for _, k := range unpackKeys(keys) {
			x.fresh[k] = append(x.fresh[k], f)
		}
		return err
	}, "SELECT seq, first, keys FROM fresh")
}

// entries lists the entries that are found by a key, in order. It searches in each day: those of a key stand together there.
func (x *finder) entries(k blind.Key) ([]finding, error) {
	found := slices.Clone(x.fresh[k])
	err := each(x.db, func(scan func(...any) error) error {
		found = append(found, finding{})
		return scan(&found[len(found)-1].seq, &found[len(found)-1].first)
	}, `WITH RECURSIVE d(day) AS (SELECT min(day) FROM term UNION ALL SELECT (SELECT min(day) FROM term WHERE day > d.day)
		FROM d WHERE d.day IS NOT NULL) SELECT seq, first FROM d CROSS JOIN term t ON t.day = d.day AND t.key = ?`, k)
	slices.SortFunc(found, func(a, b finding) int { return cmp.Compare(a.seq, b.seq) })
	return found, err
}

// lookThrough says where people are by all entries, as there is no index.
func (r *Register) lookThrough(in *file.Reader, left map[int64]*ledger.Entry, lost map[blind.Key]bool) error {
	moved := map[blind.Key]whereabouts{}
	if len(lost) > 0 {
		if err := in.Scan(1, r.l.Size(), true, func(e *ledger.Entry) error {
			if who, named := r.hash.Field(e, "subject"); named && lost[who] {
				if inside, ok := Moves(e); ok {
					moved[who] = whereabouts{e.Seq, inside}
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	r.settle(left, lost, moved)
	return nil
}
