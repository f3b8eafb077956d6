package index

import (
	"cmp"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gated/register/blind"
	"gated/register/presence"
	"gated/register/trips"
	"gated/register/visits"
)

// Filter says which passages are wanted; an empty field matches all.
type Filter struct {
	Day, Verdict, Reason, Class, Lane string
	Limit                             int
}

// Match tells whether a passage is wanted.
func (f *Filter) Match(p *Passage) bool {
	return (f.Verdict == "" || f.Verdict == p.Verdict) && (f.Reason == "" || f.Reason == p.Reason) &&
		(f.Class == "" || f.Class == p.Class) && (f.Lane == "" || f.Lane == p.Lane) && (f.Day == "" || f.Day == p.Day)
}

// querier is a database or a transaction.
type querier interface {
	Query(q string, args ...any) (*sql.Rows, error)
}

// each calls f for each row of a query; f scans it.
func each(db querier, f func(scan func(...any) error) error, q string, args ...any) error {
	rows, err := db.Query(q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (x *Index) each(f func(scan func(...any) error) error, q string, args ...any) error {
	if x.db == nil {
		return ErrNone
	}
	return each(x.db, f, q, args...)
}

// AtOnce calls f, which reads all tables as they are at one moment.
func (x *Index) AtOnce(f func() error) error {
	if x.db == nil {
		return ErrNone
	}
	if _, err := x.db.Exec("BEGIN"); err != nil {
		return err
	}
	defer x.db.Exec("COMMIT")
	return f()
}

func (x *Index) meta() (m map[string]string, err error) {
	m = map[string]string{}
	return m, x.each(func(scan func(...any) error) error {
		var key, value string
		err := scan(&key, &value)
		m[key] = value
		return err
	}, "SELECT key, value FROM meta")
}

// Head says how far the index has heard of its ledger.
func (x *Index) Head() (Head, error) {
	m, err := x.meta()
	if err != nil {
		return Head{}, err
	}
	size, err := strconv.ParseInt(cmp.Or(m["size"], "0"), 10, 64)
	if v := m["version"]; v != version {
		err = fmt.Errorf("its version is %q, not %q", v, version)
	}
	return Head{m["origin"], size, m["last"], m["state"]}, err
}

// Known is how many entries of the ledger of that name the index has heard of, of whatever version it is; 0 where it does not know.
func (x *Index) Known(origin string) int64 {
	if h, _ := x.Head(); h.Origin == origin {
		return h.Size
	}
	return 0
}

// passages reads passages: from says which.
func (x *Index) passages(zone *time.Location, from string, args ...any) (list []Passage, err error) {
	err = x.each(func(scan func(...any) error) error {
		var p Passage
		var at, decided int64
		err := scan(&p.ID, &p.First, &p.Last, &at, &decided,
			&p.Lane, &p.Direction, &p.Class, &p.Credential, &p.Verdict, &p.Reason, &p.By, &p.Emergency)
		p.At = time.UnixMicro(at).In(zone)
		p.Day = p.At.Format(time.DateOnly)
		if decided != 0 {
			p.Decided = time.UnixMicro(decided).In(zone)
		}
		list = append(list, p)
		return err
	}, "SELECT p.id, first, last, at, decided, lane, direction, class, credential, verdict, reason, by, emergency FROM "+from, args...)
	return list, err
}

// Passages are the passages that begin with these entries, in this order, as far as the index has heard of them.
func (x *Index) Passages(firsts []int64, zone *time.Location) ([]Passage, error) {
	of, _ := json.Marshal(firsts) // numbers
	return x.passages(zone, "json_each(?) j CROSS JOIN passage p ON p.first = j.value ORDER BY j.key", string(of))
}

// Passage is the passage with an ID, if the index has heard of one.
func (x *Index) Passage(id string, zone *time.Location) (p Passage, known bool, err error) {
	list, err := x.passages(zone, "passage p WHERE id = ? ORDER BY first DESC LIMIT 1", id)
	if len(list) > 0 {
		return list[0], true, err
	}
	return p, false, err
}

// Newest are the passages that begin with one of the entries first to last and are wanted, newest first. Their day does not count.
func (x *Index) Newest(f Filter, first, last int64, zone *time.Location) ([]Passage, error) {
	where, args := "first BETWEEN ? AND ?", []any{first, last}
	for _, w := range []struct{ column, value string }{{"verdict", f.Verdict}, {"reason", f.Reason}, {"class", f.Class}, {"lane", f.Lane}} {
		if w.value != "" {
			where += " AND " + w.column + " = ?"
			args = append(args, w.value)
		}
	}
	return x.passages(zone, "passage p WHERE "+where+" ORDER BY first DESC LIMIT ?", append(args, f.Limit)...)
}

// People calls f with the whereabouts of everybody.
func (x *Index) People(f func(who blind.Key, at presence.Place)) error {
	return x.each(func(scan func(...any) error) error {
		var who blind.Key
		var at presence.Place
		err := scan(&who, &at.Seq, &at.Inside, &at.Unknown, &at.Class, &at.Back, &at.At)
		f(who, at)
		return err
	}, "SELECT key, seq, inside, unknown, class, back, at FROM person")
}

// Trips calls f with each trip and the entry that tells of it.
func (x *Index) Trips(f func(seq int64, t trips.Trip)) error {
	return x.each(func(scan func(...any) error) error {
		var seq int64
		var t trips.Trip
		err := scan(&seq, &t.Household, &t.Day, &t.Who, &t.Due, &t.Unsure)
		f(seq, t)
		return err
	}, "SELECT seq, household, day, who, due, unsure FROM trip")
}

// Visits calls f with each visit.
func (x *Index) Visits(f func(id string, v visits.Visit)) error {
	return x.each(func(scan func(...any) error) error {
		var id, said string
		err := scan(&id, &said)
		var v visits.Visit
		if err == nil {
			err = json.Unmarshal([]byte(said), &v)
		}
		f(id, v)
		return err
	}, "SELECT id, said FROM visit")
}

// Later lists the entries up to one that are about the entries first to last of an earlier day.
func (x *Index) Later(to, first, last int64) (seqs []int64, err error) {
	err = x.each(func(scan func(...any) error) error {
		var seq int64
		err := scan(&seq)
		seqs = append(seqs, seq)
		return err
	}, "SELECT seq FROM later WHERE seq <= ? AND first <= ? AND last >= ? ORDER BY seq", to, last, first)
	return seqs, err
}

// Finder finds entries by keys. What is fresh is read once.
type Finder struct {
	db    querier
	fresh map[blind.Key][]Finding
}

// Finder returns one for what the index has.
func (x *Index) Finder() (*Finder, error) {
	if x.db == nil {
		return nil, ErrNone
	}
	return newFinder(x.db)
}

func newFinder(db querier) (*Finder, error) {
	x := &Finder{db, map[blind.Key][]Finding{}}
	return x, eachFresh(db, func(f Finding) {
		for _, k := range f.Keys {
			x.fresh[k] = append(x.fresh[k], f)
		}
	})
}

// eachFresh calls f with each row of the table fresh.
func eachFresh(db querier, f func(Finding)) error {
	return each(db, func(scan func(...any) error) error {
		var g Finding
		var keys []byte
		err := scan(&g.Seq, &g.First, &g.Day, &keys)
		for ; len(keys) >= 8; keys = keys[8:] {
			g.Keys = append(g.Keys, blind.Key(binary.BigEndian.Uint64(keys)))
		}
		f(g)
		return err
	}, "SELECT seq, first, day, keys FROM fresh")
}

// Entries lists the entries that are found by a key, in order. It searches in each day: those of a key stand together there.
func (x *Finder) Entries(k blind.Key) ([]Finding, error) {
	found := slices.Clone(x.fresh[k])
	err := each(x.db, func(scan func(...any) error) error {
		found = append(found, Finding{})
		return scan(&found[len(found)-1].Seq, &found[len(found)-1].First)
	}, `WITH RECURSIVE d(day) AS (SELECT min(day) FROM term UNION ALL SELECT (SELECT min(day) FROM term WHERE day > d.day)
		FROM d WHERE d.day IS NOT NULL) SELECT seq, first FROM d CROSS JOIN term t ON t.day = d.day AND t.key = ?`, k)
	slices.SortFunc(found, func(a, b Finding) int { return cmp.Compare(a.Seq, b.Seq) })
	return found, err
}
