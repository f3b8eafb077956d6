// Package shift adds up from the entries who is on duty and what their shift has done.
package shift

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/ledger"
)

// Kinds of entries of a shift itself.
const (
	SignOn   ledger.Kind = "signon"   // somebody is on duty from here on
	SignOff  ledger.Kind = "signoff"  // the sign-on that it names has ended
	HandOver ledger.Kind = "handover" // a shift has ended, and the next begins (交接班)
	Log      ledger.Kind = "log"      // what is worth telling of a shift (值班记事)
	Count    ledger.Kind = "count"    // what is counted and is no passage
)

// Kinds that package register names, which is above this one: a test there ties them.
const (
	decided    = "register"
	opening    = "open"
	correction = "correction"
	byHand     = "by-hand"
	alarm      = "alarm"
	scanner    = "scanner"
)

// How is the detail of a sign-on that says whether a shift begins with it: without one it does.
const (
	How    = "shift"
	GoesOn = "goes-on" // the guard was on duty already, whose shift goes on
	Joins  = "joins"   // the second guard of the shift, or whoever takes over by the handover before it
)

// Most is how many can be on duty at a time.
const Most = 2

// Reasons of what stands in the log. The list is closed: a word of the guard's own could name somebody.
var Reasons = []string{"quarrel", "police", "patrol", "found-item", "keys", Moment, "other"}

// Moment is a moment that somebody marked with one key, to say later what it was; what is about one has its entry as the reference.
const Moment = "moment"

// Counted is what can be counted.
var Counted = []string{"goods-left"}

// Number is the detail of a count: how many more, or less where somebody takes some back.
const Number = "n"

// OneSided is the detail of a handover that only one side signed: the word says which, Outgoing or Incoming.
const (
	OneSided = "one-sided"
	Outgoing = "outgoing"
	Incoming = "incoming"
)

// Annulled is what an admission counts as that was taken back: nobody refused them.
const Annulled = "annulled"

// Bodies are those that people on duty can be of: the property management, the community (网格员), officials sent down (下沉干部),
// volunteers.
var Bodies = []string{"property", "community", "cadre", "volunteers"}

// Guard is somebody on duty, by the entry with which they signed on: who that is only that says.
type Guard struct {
	Entry int64     `json:"entry"`
	Since time.Time `json:"since"`
	Body  string    `json:"body,omitempty"`
}

// mostNotes is how many entries of the log a shift remembers; of the others it knows how many there are.
const mostNotes = 100

// Shift is what happened from the entry with which it began.
type Shift struct {
	Began  int64     `json:"began"` // 0: nobody has signed on yet
	Since  time.Time `json:"since"`
	Here   time.Time `json:"here"` // when somebody on duty was there for certain, since they signed on
	Ended  time.Time `json:"ended,omitzero"`
	Guards []Guard   `json:"guards,omitempty"`

	Passages    map[string]map[string]int `json:"passages,omitempty"` // by class, then by the verdict as it stands
	ByGuard     map[string]int            `json:"by_guard,omitempty"` // admissions by a guard, by reason
	Corrections map[string]int            `json:"corrections,omitempty"`
	ByHand      map[string]int            `json:"by_hand,omitempty"` // openings, by reason
	Uncounted   int                       `json:"uncounted,omitempty"`
	Emergency   int                       `json:"emergency,omitempty"`
	Faults      map[string]int            `json:"faults,omitempty"`
	Counts      map[string]int            `json:"counts,omitempty"`
	Logged      map[string]int            `json:"logged,omitempty"` // entries of the log, by reason
	Notes       []int64                   `json:"notes,omitempty"`  // the newest of them
	Words       map[int64]int64           `json:"words,omitempty"`  // what was said later, by the moment that it is about
}

// Book has the shift that goes on, and the one before it.
type Book struct {
	Now    Shift  `json:"now"`
	Before *Shift `json:"before,omitempty"` // never changed
}

// Add takes the next entry, and tells whether a shift begins with it. It changes the book in place: Clone is for whoever keeps some of it.
func (b *Book) Add(e *ledger.Entry) (begins bool) {
	b.Now.add(e)
	if begins = e.Kind == HandOver || e.Kind == SignOn && e.Detail[How] != GoesOn && e.Detail[How] != Joins; begins {
		b.begin(e)
	}
	return begins
}

// begin ends the shift; with the entry the next begins.
func (b *Book) begin(e *ledger.Entry) {
	before := b.Now
	if before.Ended = e.At; before.Began != 0 {
		b.Before = &before
	}
	b.Now = Shift{Began: e.Seq, Since: e.At, Here: e.At}
	if e.Kind == SignOn {
		b.Now.Guards = []Guard{guard(e)}
	}
}

func guard(e *ledger.Entry) Guard { return Guard{e.Seq, e.At, strings.Clone(e.Detail["body"])} }

// add takes the next entry into the shift.
func (s *Shift) add(e *ledger.Entry) {
	switch e.Kind {
	case SignOn:
		switch e.Detail[How] {
		case GoesOn:
			s.Here = e.At
		case Joins:
			s.Guards = append(slices.Clone(s.Guards), guard(e))
			s.Guards = s.Guards[max(0, len(s.Guards)-Most):]
		}
	case SignOff:
		s.Guards = slices.DeleteFunc(slices.Clone(s.Guards), func(g Guard) bool { return g.Entry == e.Ref })
	case Log:
		s.log(e)
	case Count:
		n, _ := strconv.Atoi(e.Detail[Number])
		count(&s.Counts, e.Reason, n)
	case decided:
		if e.Rule == "emergency-key" && e.Ref != 0 { // says who passed by an opening that was counted
			return
		}
		s.pass(e.Class, e.Verdict, 1)
		if e.Verdict == "admit" && e.By != "machine" {
			count(&s.ByGuard, e.Reason, 1)
		}
	case opening:
		if e.Verdict != "" {
			s.Emergency++
			s.pass(e.Class, e.Verdict, 1)
		} else if e.Reason != "pulse" && e.Reason != "" {
			count(&s.Faults, e.Reason, 1)
		}
	case correction:
		s.correct(e)
	case byHand:
		s.openedByHand(e)
	default:
		s.fault(e)
	}
}

// log takes in what the entry says of the shift.
func (s *Shift) log(e *ledger.Entry) {
	if e.Ref != 0 && slices.Contains(s.Notes, e.Ref) { // words for a moment
		if s.Words == nil {
			s.Words = map[int64]int64{}
		}
		s.Words[e.Ref] = e.Seq
		return
	}
	count(&s.Logged, e.Reason, 1)
	s.Notes = append(slices.Clone(s.Notes), e.Seq)
	for ; len(s.Notes) > mostNotes; s.Notes = s.Notes[1:] {
		delete(s.Words, s.Notes[0])
	}
}

// correct counts what is said of a passage afterwards: what that counted as, in this shift, it counts as no more.
func (s *Shift) correct(e *ledger.Entry) {
	if e.By != "machine" {
		count(&s.Corrections, e.Reason, 1)
	}
	if e.Ref >= s.Began {
		s.pass(e.Class, e.Detail["was"], -1)
	}
	verdict := e.Verdict
	if e.Reason == "did-not-go-through" {
		verdict = Annulled
	}
	s.pass(e.Class, verdict, 1)
}

// pass counts a passage that was decided; a hold is none yet.
func (s *Shift) pass(class, verdict string, n int) {
	if verdict == "" || verdict == "hold" {
		return
	}
	of := s.Passages[class]
	count(&of, verdict, n)
	switch {
	case len(of) == 0:
		delete(s.Passages, class)
	case s.Passages[class] == nil:
		if s.Passages == nil {
			s.Passages = map[string]map[string]int{}
		}
		s.Passages[strings.Clone(class)] = of
	}
}

// openedByHand counts openings, and the ends of which nobody said how many had passed.
func (s *Shift) openedByHand(e *ledger.Entry) {
	switch {
	case e.Ref == 0:
		count(&s.ByHand, e.Reason, 1)
	case e.Reason == "answered-fault":
		if e.Ref >= s.Began {
			count(&s.ByHand, e.Detail["why"], -1)
		}
	case e.Detail["heads"] == "uncounted":
		s.Uncounted++
	}
}

// fault counts what went wrong.
func (s *Shift) fault(e *ledger.Entry) {
	switch e.Kind {
	case alarm:
		count(&s.Faults, e.Reason, 1)
	case scanner:
		n, _ := strconv.Atoi(e.Detail["downs"])
		if e.Reason == "down" {
			n = max(n, 1)
		}
		name := e.Detail["device"]
		if name == "" {
			name = "scanner"
		}
		count(&s.Faults, name+"-down", n)
	case ledger.Outage:
		count(&s.Faults, "outage", 1)
	case ledger.Start:
		if e.Detail["after"] == "crash" {
			count(&s.Faults, "crash", 1)
		}
	}
}

// count adds to a number by its word, which never is below nothing; what comes to nothing is not there.
func count(to *map[string]int, word string, n int) {
	was, known := (*to)[word]
	switch {
	case n == 0:
	case was+n <= 0:
		delete(*to, word)
	case *to == nil:
		*to = map[string]int{strings.Clone(word): n}
	case known:
		(*to)[word] = was + n
	default: // not with the record that the word is a part of
		(*to)[strings.Clone(word)] = n
	}
}

// Clone is a copy for whoever keeps it.
func (s *Shift) Clone() Shift {
	c := *s
	c.Passages = maps.Clone(s.Passages)
	for class, of := range c.Passages {
		c.Passages[class] = maps.Clone(of)
	}
	for _, m := range []*map[string]int{&c.ByGuard, &c.Corrections, &c.ByHand, &c.Faults, &c.Counts, &c.Logged} {
		*m = maps.Clone(*m)
	}
	c.Words = maps.Clone(s.Words)
	return c
}
