package register

import (
	"maps"
	"slices"

	"gated/ledger"
	"gated/register/byhand"
)

// Lost are the openings that ended with the run before, as they are to be recorded: by the emergency key, which nobody has closed, and
// by hand, which began before the entry with which this run began. lane tells the direction of one, and whether it is held open in this
// run by a passage.
func (s *State) Lost(start int64, now ledger.Stamp, lane func(id, passage string) (direction string, ours bool)) (events []ledger.Event) {
	for _, id := range slices.Sorted(maps.Keys(s.Latched)) {
		was := s.Latched[id]
		if direction, ours := lane(id, was.Passage); !ours {
			events = append(events, ledger.Event{Stamp: now, Kind: Alarm, Lane: id, Direction: direction, Reason: LatchLost, By: "machine",
				Ref: was.Seq})
		}
	}
	for _, o := range s.ByHand.Sorted() {
		if o.Entry < start {
			events = append(events, o.Told(now, byhand.Restart, byhand.Uncounted))
		}
	}
	return events
}

// MovedSince tells whether somebody has passed, or what they passed was put right, since an entry.
func (r *Register) MovedSince(id string, entry int64) (yes bool) {
	r.View(func(s *State) { yes = s.Place(id).Seq > entry })
	return yes
}
