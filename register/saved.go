package register

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
	"gated/register/index"
	"gated/register/presence"
	"gated/register/trips"
	"gated/register/visits"
)

// saved are the parts of a state that the index has as one text; people, trips and passages are rows.
type saved struct {
	plain
	Day          string          // of the trip book
	Open, Recent []int64         // passages, by their first entries
	Undecided    []int64         // likewise
	ToAccountFor map[int64]int64 // likewise, by the opening
}

// take hands out what the index has not heard of yet of the ledger of that name; nil: nothing. The caller holds what guards the
// state.
func (s *State) take(origin string) *index.Changes {
	c := s.changed
	if c == nil || s.taken == s.Size {
		return nil
	}
	s.changed, s.taken = index.NewChanges(), s.Size
	v := saved{plain: s.plain, Day: s.book.Day, ToAccountFor: map[int64]int64{}}
	for _, p := range s.Open {
		v.Open = append(v.Open, p.First)
	}
	slices.Sort(v.Open)
	for _, p := range s.Undecided {
		v.Undecided = append(v.Undecided, p.First)
	}
	slices.Sort(v.Undecided)
	for _, p := range s.Recent {
		v.Recent = append(v.Recent, p.First)
	}
	for seq, p := range s.ToAccountFor {
		v.ToAccountFor[seq] = p.First
	}
	text, _ := json.Marshal(v) // plain values: it cannot fail
	c.Head = index.Head{Origin: origin, Size: s.Size, Last: hex.EncodeToString(s.last[:]), State: string(text)}
	return c
}

// errAhead: the index knows entries that the ledger does not have.
var errAhead = errors.New("it has heard of more entries than the ledger has: entries were cut off, or an older copy was put in its place")

// load reads the state as it was when the index was written last; an empty one where there is none yet. An error says why
// it is not one of this ledger.
func load(x *index.Index, in *file.Reader, h blind.Hasher) (*State, error) {
	s := newState(h)
	return s, x.AtOnce(func() error {
		head, err := x.Head()
		if err != nil || head.Size == 0 {
			return err
		}
		size, err := in.Size()
		switch {
		case err != nil:
			return err
		case head.Origin != in.Meta.Origin:
			return fmt.Errorf("it is of the ledger %s, not of %s", head.Origin, in.Meta.Origin)
		case head.Size > size:
			return errAhead
		}
		err = in.Scan(head.Size, head.Size, false, func(e *ledger.Entry) error { s.last = sha256.Sum256(e.Raw); return nil })
		if err != nil {
			return err
		}
		if hex.EncodeToString(s.last[:]) != head.Last {
			return fmt.Errorf("it ends with another entry %d than the ledger has", head.Size)
		}
		if s.segments, err = in.Segments(); err != nil {
			return err
		}
		s.Size = head.Size
		return s.restore(x, head.State, in.Zone)
	})
}

// restore takes the parts of the state from the index.
func (s *State) restore(x *index.Index, text string, zone *time.Location) error {
	var v saved
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	s.plain, s.book.Day = v.plain, v.Day
	for _, t := range []*time.Time{&s.Newest.Time, &s.Trusted.Time, &s.Copied} {
		*t = timeIn(*t, zone)
	}
	recent, err1 := x.Passages(v.Recent, zone)
	for i := range recent {
		s.Recent = append(s.Recent, &recent[i])
	}
	open, err2 := x.Passages(v.Open, zone)
	for _, p := range open {
		s.Open[p.ID] = p
	}
	undecided, err3 := x.Passages(v.Undecided, zone)
	for _, p := range undecided {
		s.Undecided[p.ID] = p
	}
	for seq, first := range v.ToAccountFor { // hardly ever more than one
		p, err := x.Passages([]int64{first}, zone)
		if len(p) == 0 {
			return cmp.Or(err, fmt.Errorf("it lacks the passage of the opening %d", seq))
		}
		s.ToAccountFor[seq] = p[0]
	}
	return errors.Join(err1, err2, err3,
		x.People(func(who blind.Key, at presence.Place) { s.place(who, &at) }),
		x.Trips(func(seq int64, t trips.Trip) { s.book.Add(seq, t) }),
		x.Visits(func(id string, v visits.Visit) { s.Visits[id] = v }))
}

// timeIn is a time of the state in the gate's zone, and zero where there is none. Before 1901 the zones were off by odd seconds,
// which JSON leaves out: a zero time that was put into one comes back as another.
func timeIn(t time.Time, zone *time.Location) time.Time {
	if t.Year() <= 1 {
		return time.Time{}
	}
	return t.In(zone)
}

// digest is all of it as text: equal states have equal digests.
func (s *State) digest() string {
	b, _ := json.MarshalIndent(map[string]any{
		"plain": s.plain, "size": s.Size, "last": s.last, "open": s.Open, "toAccountFor": s.ToAccountFor,
		"undecided": s.Undecided,
		"recent":    s.Recent, "people": s.people, "day": s.book.Day, "trips": s.book.All(),
		"visits": s.Visits}, "", " ") // plain values: it cannot fail
	return string(b)
}
