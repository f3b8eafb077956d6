package register

import (
	"gated/register/blind"
	"gated/register/trips"
)

// changes are what the index has not heard of yet. All methods do nothing on nil.
type changes struct {
	passages map[int64]*Passage // by first entry
	people   map[blind.Key]bool
	holds    bool                  // holds, openings to account for or legal holds
	trips    map[int64]*trips.Trip // by entry; nil: it counts no longer
	later    []later
	found    []finding
}

// later is an entry that is about the entries first..last of an earlier day.
type later struct{ seq, first, last int64 }

// finding is by what an entry is found; first is the first of its passage.
type finding struct {
	seq, first int64
	keys       []blind.Key
}

func newChanges() *changes {
	return &changes{passages: map[int64]*Passage{}, people: map[blind.Key]bool{}, trips: map[int64]*trips.Trip{}}
}

func (c *changes) waiting() {
	if c != nil {
		c.holds = true
	}
}

func (c *changes) moved(who blind.Key) {
	if c != nil {
		c.people[who] = true
	}
}

func (c *changes) tripped(seq int64, b *trips.Book) {
	if c == nil {
		return
	}
	if t, counts := b.All()[seq]; counts {
		c.trips[seq] = &t
	} else {
		c.trips[seq] = nil
	}
}

func (c *changes) find(seq, first int64, keys []blind.Key) {
	if c != nil && len(keys) > 0 {
		c.found = append(c.found, finding{seq, first, keys})
	}
}
