package ledger

import (
	"slices"
	"sort"
	"strconv"
	"time"
)

// Recent is how many of the newest passages the state remembers.
const Recent = 20

// State is what the entries add up to. It is never written by anything but entries, so that it can always be rebuilt.
type State struct {
	Size    int64              `json:"size"`
	Open    map[string]Passage `json:"open"`   // on hold, by passage ID
	Inside  map[string]int64   `json:"inside"` // roster ID of a person admitted in → seq
	Day     string             `json:"day"`    // the day of Trips
	Trips   map[string]int     `json:"trips"`  // household → residents admitted out that day
	Debts   map[int64]Passage  `json:"debts"`  // emergency openings, by seq, of which nobody said yet who passed
	Recent  []Passage          `json:"recent"` // newest last
	Trusted Stamp              `json:"trusted"`
	Newest  Stamp              `json:"newest"`
	Copied  time.Time          `json:"copied"`  // when the newest backup was made; zero: never
	Running bool               `json:"running"` // started and not stopped: after a start that finds this set, the box went down hard
}

// Passage is one attempt to pass, as its newest event left it.
type Passage struct {
	ID         string    `json:"id"`
	First      int64     `json:"first"`
	Last       int64     `json:"last"`
	Day        string    `json:"day"` // of its first event
	At         time.Time `json:"at"`  // of its first event
	Decided    time.Time `json:"decided"`
	Lane       string    `json:"lane"`
	Direction  string    `json:"direction"`
	Class      string    `json:"class"`
	Credential string    `json:"credential"`
	Proof      string    `json:"proof"`
	Verdict    string    `json:"verdict"`
	Reason     string    `json:"reason"`
	Rule       string    `json:"rule"`
	By         string    `json:"by"`
	Policy     string    `json:"policy"`
	Roster     string    `json:"roster"`
	Clock      string    `json:"clock"`
	Emergency  bool      `json:"emergency"`
}

func newState() *State {
	return &State{Open: map[string]Passage{}, Inside: map[string]int64{}, Trips: map[string]int{}, Debts: map[int64]Passage{}}
}

// take adds one event to the passage.
func (p *Passage) take(e *Entry) {
	if p.First == 0 {
		p.ID, p.First, p.At, p.Day = e.Passage, e.Seq, e.At, e.At.Format(time.DateOnly)
	}
	p.Last = e.Seq
	for _, f := range []struct {
		to   *string
		from string
	}{{&p.Lane, e.Lane}, {&p.Direction, e.Direction}, {&p.Class, e.Class}, {&p.Credential, e.Credential}, {&p.Proof, e.Proof},
		{&p.Policy, e.Policy}, {&p.Roster, e.Roster}, {&p.Clock, e.Clock}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if e.Verdict != "" && e.Kind != Check {
		p.Verdict, p.Reason, p.Rule, p.By, p.Decided = e.Verdict, e.Reason, e.Rule, e.By, e.At
	}
	if e.Kind == Opening && e.Verdict != "" {
		p.Emergency = true // the only opening that is itself a verdict
	}
}

// passage is what the entries so far say of the passage that e belongs to.
func (s *State) passage(e *Entry) (p Passage, known bool) {
	if p, known = s.Open[e.Passage]; known || e.Passage == "" {
		return p, known
	}
	// The events of a passage decided at once follow each other: it is the newest in Recent.
	if i := slices.IndexFunc(s.Recent, func(p Passage) bool { return p.ID == e.Passage }); i >= 0 {
		return s.Recent[i], true
	}
	p, known = s.Debts[e.Ref]
	return p, known && p.ID == e.Passage
}

// about says which entries of an earlier day the next entry is about, 0 where there are none: those of its passage, the
// one that it names, those of which it erased something.
func (s *State) about(e *Entry, segments []segment) (first, last int64) {
	if p, known := s.passage(e); known {
		first, last = p.First, p.First
	} else if e.Kind == Erase {
		first, _ = strconv.ParseInt(e.Detail["first"], 10, 64)
		last, _ = strconv.ParseInt(e.Detail["last"], 10, 64)
	} else if e.Ref != 0 && e.Ref < e.Seq {
		first, last = e.Ref, e.Ref
	}
	if first == 0 || dayOf(segments, first) == e.At.Format(time.DateOnly) {
		return 0, 0
	}
	return first, last
}

// dayOf is the day of an entry.
func dayOf(segments []segment, seq int64) string {
	i := sort.Search(len(segments), func(i int) bool { return segments[i].first > seq })
	if i == 0 {
		return ""
	}
	return segments[i-1].day
}

// apply takes the next entry, with its personal fields, and returns the passage it belongs to, if any.
func (s *State) apply(e *Entry) *Passage {
	s.Size = e.Seq
	if e.Kind == Start || e.Kind == Stop {
		s.Running = e.Kind == Start
	}
	if e.Kind == Backup {
		s.Copied = e.At
	}
	s.Newest = Stamp{Time: e.At, Boot: e.Boot, Mono: time.Duration(e.Mono) * time.Microsecond, Trusted: e.Clock == "trusted"}
	// The trusted time only moves forward, or else a clock set back could bring expired passes to life;
	// a correction, which says who did it, may move it back.
	if e.Kind == Clock && e.Reason == "clock-corrected" || s.Newest.Trusted && !e.At.Before(s.Trusted.Time) {
		s.Trusted = s.Newest
	}
	if at, err := time.Parse(time.RFC3339Nano, e.Detail["trusted"]); e.Kind == Epoch && err == nil && at.After(s.Trusted.Time) {
		s.Trusted = Stamp{Time: at.In(e.At.Location()), Trusted: true} // the epoch before had got so far
	}
	if e.Passage == "" {
		return nil
	}
	_, open := s.Open[e.Passage]
	p, known := s.passage(e)
	if !known && e.Kind != Check && !(e.Kind == Opening && e.Verdict != "") {
		return nil // a pulse told late, of a passage long decided: nothing to add
	}
	p.take(e)
	switch {
	case p.Verdict == "hold":
		s.Open[p.ID] = p
	case open:
		delete(s.Open, p.ID)
	}
	switch e.Kind {
	case Opening:
		if e.Verdict != "" {
			s.Debts[e.Seq] = p
		}
	case Register:
		delete(s.Debts, e.Ref)
		if e.Verdict == "admit" {
			s.moved(e)
		}
	case Correction:
		delete(s.Debts, e.Ref)
		if e.Detail["was"] == "admit" {
			s.unmoved(e)
		}
	}
	if i := slices.IndexFunc(s.Recent, func(q Passage) bool { return q.ID == p.ID }); i >= 0 {
		s.Recent = slices.Delete(s.Recent, i, i+1)
	}
	if s.Recent = append(s.Recent, p); len(s.Recent) > Recent {
		s.Recent = slices.Delete(s.Recent, 0, len(s.Recent)-Recent)
	}
	return &p
}

// moved counts who is inside and how often a household went out. It goes by what was permitted:
// whether they went through is told by a passage sensor, where there is one.
func (s *State) moved(e *Entry) {
	// The day only moves forward, and only by a trusted clock, or else setting the clock would give trips back.
	if d := e.At.Format(time.DateOnly); d > s.Day && (e.Clock == "trusted" || s.Day == "") {
		s.Day, s.Trips = d, map[string]int{}
	}
	subject := e.Personally("subject")
	switch {
	case subject == "":
	case e.Direction == "in":
		s.Inside[subject] = e.Seq
	case e.Direction == "out":
		delete(s.Inside, subject)
		if h := e.Personally("household"); h != "" && e.Class == "resident" { // their car is no trip more
			s.Trips[h]++
		}
	}
}

// unmoved takes back an admit that did not happen.
func (s *State) unmoved(e *Entry) {
	subject, household := e.Personally("subject"), e.Personally("household")
	switch {
	case subject == "":
	case e.Direction == "in":
		delete(s.Inside, subject)
	case e.Direction == "out":
		s.Inside[subject] = e.Seq
		if s.Trips[household] > 0 && e.Class == "resident" {
			s.Trips[household]--
		}
	}
}

// TripsToday is how often the household was admitted out on the day of now, a time that may be trusted.
func (s *State) TripsToday(household string, now time.Time) int {
	if now.Format(time.DateOnly) > s.Day {
		return 0
	}
	return s.Trips[household]
}
