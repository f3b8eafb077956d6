package index

import (
	"time"

	"gated/register/blind"
	"gated/register/presence"
	"gated/register/trips"
	"gated/register/visits"
)

// Passage is one attempt to pass, as its newest event left it.
type Passage struct {
	ID         string
	First      int64
	Last       int64
	Day        string    // of its first event
	At         time.Time // of its first event
	Decided    time.Time
	Lane       string
	Direction  string
	Class      string
	Credential string
	Verdict    string
	Reason     string
	By         string
	Emergency  bool
}

// Later is an entry that is about the entries First to Last of an earlier day.
type Later struct{ Seq, First, Last int64 }

// Finding is by what an entry is found; First is the first of its passage.
type Finding struct {
	Seq, First int64
	Day        string // of the entry
	Keys       []blind.Key
}

// Head says how far the index has heard of a ledger.
type Head struct {
	Origin string // of the ledger
	Size   int64  // entries
	Last   string // hash of the newest one's record
	State  string // the parts of the state that are no rows: whoever wrote them knows what they mean
}

// Changes are what the index has not heard of yet, up to their head.
type Changes struct {
	Head
	Passages map[int64]*Passage            // by first entry
	People   map[blind.Key]*presence.Place // nil: unknown from now on
	Trips    map[int64]*trips.Trip         // by entry; nil: it counts no longer
	Visits   map[string]*visits.Visit      // by ID; nil: forgotten
	Later    []Later
	Found    []Finding
}

// NewChanges returns none yet.
func NewChanges() *Changes {
	return &Changes{Passages: map[int64]*Passage{}, People: map[blind.Key]*presence.Place{}, Trips: map[int64]*trips.Trip{},
		Visits: map[string]*visits.Visit{}}
}
