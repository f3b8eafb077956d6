// Package byhand knows from the entries which lanes a guard has opened for a time.
package byhand

import (
	"maps"
	"slices"
	"strings"
	"time"

	"gated/ledger"
)

// Kind of the entries: an opening refers to none, what is told of it later refers to it.
const Kind ledger.Kind = "by-hand"

// Reasons that a guard can give for an opening. The list is closed: a word of the guard's own could name somebody.
var Reasons = []string{"school-run", "rush-hour", "moving-van", "relay-dead", "other-need"}

// Reasons of the entries that refer to an opening.
const (
	GoesOn    = "goes-on"        // told each hour, so that each day tells of it
	Shut      = "shut"           // a guard closed the lane and said how many had passed
	Closed    = "closed"         // likewise, by what closes after an emergency, which does not ask
	Emergency = "emergency-key"  // the emergency key holds the lane open from then on
	Restart   = "restart"        // the box stopped or crashed: it was over by then at the latest
	NeverWas  = "answered-fault" // its commit failed, nothing opened, and yet the disk had kept it
)

// Heads are how many passed, as a guard can say it.
var Heads = []string{"0", "1", "2", "3", "4", "5", "10", "20", "50", Uncounted}

// Uncounted: nobody said how many passed.
const Uncounted = "uncounted"

// Opening is one that has not ended.
type Opening struct {
	Entry     int64     `json:"entry"`
	Lane      string    `json:"lane"`
	Direction string    `json:"direction"`
	Since     time.Time `json:"since"`
	Reason    string    `json:"reason"`
}

// Of is the opening that an entry tells of.
func Of(e *ledger.Entry) Opening {
	return Opening{e.Seq, strings.Clone(e.Lane), strings.Clone(e.Direction), e.At, strings.Clone(e.Reason)}
}

// Told is an event that refers to the opening. Where it ends it, heads are how many passed.
func (o Opening) Told(at ledger.Stamp, reason, heads string) ledger.Event {
	ev := ledger.Event{Stamp: at, Kind: Kind, Lane: o.Lane, Direction: o.Direction, Reason: reason, By: "machine", Ref: o.Entry,
		Detail: map[string]string{"why": o.Reason}}
	if heads != "" {
		ev.Detail["heads"] = heads
	}
	if slices.Contains([]string{Shut, Closed, Emergency}, reason) {
		ev.By = "unauthenticated"
	}
	return ev
}

// Lanes are the lanes that are open by hand, by their ID. They are never changed in place.
type Lanes map[string]Opening

// After are the lanes after an entry of this kind.
func (l Lanes) After(e *ledger.Entry) Lanes {
	ends := e.Ref != 0 && e.Reason != GoesOn && e.Ref == l[e.Lane].Entry // and no newer one
	if e.Ref != 0 && !ends {
		return l
	}
	after := maps.Clone(l)
	if after == nil {
		after = Lanes{}
	}
	if ends {
		delete(after, e.Lane)
	} else {
		o := Of(e)
		after[o.Lane] = o
	}
	return after
}

// Sorted are the openings in their order.
func (l Lanes) Sorted() []Opening {
	return slices.SortedFunc(maps.Values(l), func(a, b Opening) int { return int(a.Entry - b.Entry) })
}
