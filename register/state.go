package register

import (
	"gated/ledger"
	"maps"
	"slices"
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
	Erased  int64              `json:"erased"` // who came in up to this entry is not counted inside: that was erased by its age
	Day     string             `json:"day"`    // the day of Trips
	First   int64              `json:"first"`  // the entry with which that day began
	Trips   map[string]int     `json:"trips"`  // household → residents admitted out that day
	Out     map[int64]string   `json:"out"`    // each of them: seq → household
	Keeps   map[int64]Span     `json:"keeps"`  // days whose personal data must not be erased, by the entry that says so
	Debts   map[int64]Passage  `json:"debts"`  // emergency openings, by seq, of which nobody said yet who passed
	Recent  []*Passage         `json:"recent"` // newest last
	Trusted ledger.Stamp       `json:"trusted"`
	Newest  ledger.Stamp       `json:"newest"`
	Copied  time.Time          `json:"copied"`  // when the newest backup was made; zero: never
	Running bool               `json:"running"` // started and not stopped: after a start that finds this set, the box went down hard
}

// Span is days in the gate's zone, both included.
type Span struct {
	From string `json:"from"`
	To   string `json:"to"`
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
	return &State{Open: map[string]Passage{}, Inside: map[string]int64{}, Trips: map[string]int{}, Out: map[int64]string{}, Keeps: map[int64]Span{}, Debts: map[int64]Passage{}}
}

// take adds one event to the passage.
func (p *Passage) take(e *ledger.Entry) {
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
func (s *State) passage(e *ledger.Entry) (p Passage, known bool) {
	if p, known = s.Open[e.Passage]; known || e.Passage == "" {
		return p, known
	}
	if i := s.recent(e.Passage); i >= 0 {
		return *s.Recent[i], true
	}
	p, known = s.Debts[e.Ref]
	return p, known && p.ID == e.Passage
}

// recent finds a passage among the newest. The events of one decided at once follow each other, so it is the last.
func (s *State) recent(id string) int {
	for i := len(s.Recent) - 1; i >= 0; i-- {
		if s.Recent[i].ID == id {
			return i
		}
	}
	return -1
}

// about says which entries of an earlier day the next entry is about, 0 where there are none: those of its passage, the
// one that it names, those of which it erased something.
func (s *State) about(e *ledger.Entry, segments []ledger.Segment) (first, last int64) {
	if p, known := s.passage(e); known {
		first, last = p.First, p.First
	} else if e.Kind == ledger.Erase && !elsewhere(e) {
		first, _ = strconv.ParseInt(e.Detail["first"], 10, 64)
		last, _ = strconv.ParseInt(e.Detail["last"], 10, 64)
	} else if e.Ref != 0 && e.Ref < e.Seq {
		first, last = e.Ref, e.Ref
	}
	if first == 0 || ledger.DayOf(segments, first) == e.At.Format(time.DateOnly) {
		return 0, 0
	}
	return first, last
}

// apply takes the next entry, with its personal fields, and returns the passage it belongs to, if any.
func (s *State) apply(e *ledger.Entry) *Passage {
	s.Size = e.Seq
	if e.Kind == ledger.Start || e.Kind == ledger.Stop {
		s.Running = e.Kind == ledger.Start
	}
	if e.Kind == ledger.Backup {
		s.Copied = e.At
	}
	s.Newest = ledger.Stamp{Time: e.At, Boot: e.Boot, Mono: time.Duration(e.Mono) * time.Microsecond, Trusted: e.Clock == "trusted"}
	// The trusted time only moves forward, or else a clock set back could bring expired passes to life;
	// a correction, which says who did it, may move it back.
	if e.Kind == Clock && e.Reason == "clock-corrected" || s.Newest.Trusted && !e.At.Before(s.Trusted.Time) {
		s.Trusted = s.Newest
	}
	switch {
	case e.Kind == ledger.Epoch:
		if at, err := time.Parse(time.RFC3339Nano, e.Detail["trusted"]); err == nil && at.After(s.Trusted.Time) {
			s.Trusted = ledger.Stamp{Time: at.In(e.At.Location()), Trusted: true} // the epoch before had got so far
		}
	case e.Kind == ledger.Erase:
		s.erased(e)
	case e.Kind == ledger.Keep && e.Reason == "lifted":
		delete(s.Keeps, e.Ref)
	case e.Kind == ledger.Keep:
		s.Keeps[e.Seq] = Span{e.Detail["from"], e.Detail["to"]}
	}
	if e.Passage == "" {
		return nil
	}
	s.move(e)
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
	case Decided, Correction:
		delete(s.Debts, e.Ref)
	}
	if i := s.recent(p.ID); i >= 0 {
		s.Recent = slices.Delete(s.Recent, i, i+1)
	}
	if s.Recent = append(s.Recent, &p); len(s.Recent) > Recent {
		s.Recent = slices.Delete(s.Recent, 0, len(s.Recent)-Recent)
	}
	return &p
}

// moves tells whether the entry says that somebody moved, and where they are then. It goes by what was permitted:
// whether they went through is told by a passage sensor, where there is one.
func moves(e *ledger.Entry) (inside, ok bool) {
	switch {
	case e.Direction != "in" && e.Direction != "out":
		return false, false
	case e.Kind == Decided && e.Verdict == "admit":
		return e.Direction == "in", true
	case e.Kind == Correction && e.Detail["was"] == "admit": // it did not happen
		return e.Direction == "out", true
	}
	return false, false
}

// move counts who is inside and how often a household went out.
func (s *State) move(e *ledger.Entry) {
	inside, ok := moves(e)
	if !ok {
		return
	}
	// The day only moves forward, and only by a trusted clock, or else setting the clock would give trips back.
	if d := e.At.Format(time.DateOnly); e.Kind == Decided && d > s.Day && (e.Clock == "trusted" || s.Day == "") {
		s.Day, s.First, s.Trips, s.Out = d, e.Seq, map[string]int{}, map[int64]string{}
	}
	if e.Kind == Correction {
		s.untrip(e.Ref)
	}
	switch subject := e.Personally("subject"); {
	case subject == "":
	case inside:
		s.Inside[subject] = e.Seq
	default:
		delete(s.Inside, subject)
		if h := e.Personally("household"); h != "" && e.Class == "resident" && e.Kind == Decided { // their car is no trip more
			s.Out[e.Seq] = h
			s.Trips[h]++
		}
	}
}

// untrip forgets the trip that an entry was counted as, if any.
func (s *State) untrip(seq int64) {
	h, ok := s.Out[seq]
	if !ok {
		return
	}
	delete(s.Out, seq)
	if s.Trips[h]--; s.Trips[h] == 0 {
		delete(s.Trips, h)
	}
}

// erased takes an erasure by age. Whose coming in was erased is not counted inside any more, although their going out
// may have been kept or the other way round; the same whether the entries are read with what was erased or without.
// What other erasures change is known to those alone who still saw the fields: see Register.forget.
func (s *State) erased(e *ledger.Entry) {
	last, err := strconv.ParseInt(e.Detail["last"], 10, 64)
	if err != nil || e.Reason != byAge && e.Reason != byRetention || elsewhere(e) {
		return
	}
	s.Erased = max(s.Erased, last)
	maps.DeleteFunc(s.Inside, func(_ string, seq int64) bool { return seq <= last })
	if s.Day < e.Detail["before"] { // the trips of a day that is over
		clear(s.Trips)
		clear(s.Out)
	}
}

// TripsToday is how often the household was admitted out on the day of now, a time that may be trusted.
func (s *State) TripsToday(household string, now time.Time) int {
	if now.Format(time.DateOnly) > s.Day {
		return 0
	}
	return s.Trips[household]
}

// forgets tells whether the entry changed the state in a way that only the running one knows.
func forgets(e *ledger.Entry) bool {
	return e.Kind == ledger.Erase && e.Reason != byAge && e.Reason != byRetention && !elsewhere(e)
}

// elsewhere tells whether an erasure was one in an older epoch: first and last are entries of that.
func elsewhere(e *ledger.Entry) bool { return e.Detail["epoch"] != "" }
