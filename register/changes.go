package register

import "gated/register/blind"

// changes are what the index has not heard of yet. All methods do nothing on nil.
type changes struct {
	passages map[int64]*Passage // by first entry
	people   map[blind.Key]bool
	holds    bool                // holds, openings to account for or legal holds
	all      bool                // who went out, all of it
	out      map[int64]blind.Key // who went out, only these are new
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
	return &changes{passages: map[int64]*Passage{}, people: map[blind.Key]bool{}, out: map[int64]blind.Key{}}
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

func (c *changes) wentOut(seq int64, household blind.Key) {
	if c != nil {
		c.out[seq] = household
	}
}

func (c *changes) rewriteOut() {
	if c != nil {
		c.all = true
		clear(c.out)
	}
}

func (c *changes) find(seq, first int64, keys []blind.Key) {
	if c != nil && len(keys) > 0 {
		c.found = append(c.found, finding{seq, first, keys})
	}
}
