package report

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/ledger/entry"
	"gated/register"
	"gated/register/byhand"
	"gated/register/levels"
	"gated/register/paper"
	"gated/register/presence"
)

// Kinds of entries that are told of.
const (
	kindVisit entry.Kind = "visit"
	kindLog   entry.Kind = "log"
	kindCount entry.Kind = "count"
	kindSlip  entry.Kind = "slip"
)

// noStaff are the classes of whoever is no member of staff.
var noStaff = []string{"", "resident", "vehicle", "emergency-vehicle", "unknown"}

// passage is what the entries read so far say of one attempt to pass.
type passage struct {
	id                    string
	first                 int64     // its first entry
	at                    time.Time // of that
	own, listed           bool      // it begins in the time that is told of; it is in the list
	class, direction      string
	verdict, reason       string
	heads                 int
	visit                 *visit
	overridden, emergency bool
	accounted, byRoom     bool
	name, household, by   string
	approved, disputed    string
	plate                 string
	decided               time.Time
	seqs                  []int64 // its entries
}

// move is a passing that was admitted, and counts.
type move struct {
	seq   int64
	at    time.Time
	in    bool
	heads int
}

// line is one of the log of a shift, without what was noted.
type line struct {
	at     time.Time
	reason string
}

// person is somebody of the roster who was seen to pass.
type person struct {
	id, household, name, class string
	place                      presence.Place
	since                      time.Time // of the newest entry that moved them
	moves                      []move    // of staff, and of whoever passed in the time that is told of
	went                       move      // their newest trip,
	due                        time.Time // and when they are to be back from it; zero: nobody said
}

// story is what the entries say that were read, in their order.
type story struct {
	own    func(seq int64) bool    // whether an entry is of the time that is told of
	within func(at time.Time) bool // likewise a time, at which something was written on paper
	visits map[string]*visit
	people map[string]*person
	stay   time.Duration // who has been inside longer may have left unseen

	passages map[string]*passage
	all      bool       // each passage is asked for, or else those of visits and of whom the guard found by room
	order    []*passage // of the time that is told of
	byHand   byhand.Day

	entries, hidden       int
	erased                map[int64]bool // entries of that time whose personal data, or a part of it, is gone
	steps                 map[string]int
	counts, alarms, slips map[string]int
	callbacks             map[string]int // what hosts said who were called back
	logged                []line
}

func newStory(own func(seq int64) bool) *story {
	return &story{own: own, visits: map[string]*visit{}, people: map[string]*person{}, passages: map[string]*passage{},
		erased: map[int64]bool{}, steps: map[string]int{}, counts: map[string]int{}, alarms: map[string]int{}, slips: map[string]int{},
		callbacks: map[string]int{}}
}

// add takes the next entry with its personal fields; unseen: those cannot be looked at here.
func (s *story) add(e *entry.Entry, unseen bool) {
	own := s.own(e.Seq)
	if own {
		s.entry(e)
	}
	if written := stamp(e.Detail[paper.Written]); !written.IsZero() { // it counts as of then, whenever it was typed
		of := *e
		of.At, e, own = written, &of, s.within(written)
	}
	if e.Kind == entry.Carried && e.Detail["epoch"] == "" && s.own(e.Ref) { // one field of it is gone
		s.erased[e.Ref] = true
	}
	if own {
		s.count(e, unseen)
	}
	switch e.Kind {
	case kindVisit:
		s.visit(e.Detail["visit"]).take(e, own)
	case register.Trip:
		s.carried(e)
	case entry.Start, register.Settings:
		if d, err := time.ParseDuration(e.Detail[register.InsideFor]); err == nil {
			s.stay = d
		}
	}
	if e.Passage != "" {
		s.pass(e, own)
	}
}

// entry counts one that was written in the time that is told of.
func (s *story) entry(e *entry.Entry) {
	s.entries++
	s.byHand.Add(e)
}

// count counts what an entry of that time says.
func (s *story) count(e *entry.Entry, unseen bool) {
	if e.Record.Personal != "" && e.Kind != entry.Carried && len(e.Personal) == 0 {
		if unseen {
			s.hidden++
		} else {
			s.erased[e.Seq] = true
		}
	}
	switch e.Kind {
	case register.Check:
		switch {
		case strings.HasPrefix(e.Credential, "cn-"):
			s.steps["document"]++
		case e.Credential != "" && e.Credential != "none":
			s.steps["code"]++
		}
	case register.Query:
		s.steps["inquire"]++
	case register.Decided:
		s.steps["register"]++
		if e.Reason == "document-sighted" {
			s.steps["document"]++
		}
	case register.Alarm:
		s.alarms[strings.Clone(e.Reason)]++
	case kindLog:
		s.logged = append(s.logged, line{e.At, strings.Clone(e.Reason)})
	case kindSlip:
		s.slips[strings.Clone(e.Reason)]++
	case register.Callback:
		s.callbacks[strings.Clone(e.Reason)]++
	case kindCount:
		n, err := strconv.Atoi(e.Detail["n"])
		if err != nil {
			n = 1
		}
		s.counts[strings.Clone(e.Reason)] += n
	}
}

// pass takes an entry of a passage.
func (s *story) pass(e *entry.Entry, own bool) {
	p := s.passages[e.Passage]
	if p == nil {
		id := strings.Clone(e.Passage)
		p = &passage{id: id, first: e.Seq, at: e.At, own: own && register.Begins(e), heads: 1}
		s.passages[id] = p
	}
	p.take(e)
	if id := e.Detail["visit"]; id != "" {
		p.visit = s.visit(id)
	}
	if p.own && !p.listed && (s.all || p.visit != nil || p.byRoom) {
		p.listed, s.order = true, append(s.order, p)
	}
	s.move(p, e, own)
	// Of the others nothing is asked any more.
	if !p.listed && p.visit == nil && e.Kind == register.Decided && e.Verdict != "undecided" {
		delete(s.passages, e.Passage)
	}
}

func (p *passage) take(e *entry.Entry) {
	keep := func(to *string, from string) {
		if from != "" {
			*to = strings.Clone(from)
		}
	}
	p.seqs = append(p.seqs, e.Seq)
	if e.Kind == register.Decided {
		p.decided = e.At
	}
	keep(&p.plate, e.Personally("plate"))
	keep(&p.class, e.Class)
	keep(&p.direction, e.Direction)
	if n, err := strconv.Atoi(e.Detail["heads"]); err == nil && n > 0 {
		p.heads = n
	}
	keep(&p.name, e.Personally("name"))
	keep(&p.household, cmp.Or(e.Personally("homes"), e.Personally("household")))
	keep(&p.name, e.Personally("answer_who"))
	keep(&p.by, e.Personally("guard"))
	keep(&p.approved, e.Personally("approved_by"))
	p.byRoom = p.byRoom || e.Kind == register.Check && e.Reason == "found-by-room"
	p.overridden = p.overridden || e.Kind == register.Correction && e.Detail["override"] != ""
	p.emergency = p.emergency || e.Kind == register.Opening && e.Verdict != ""
	p.accounted = p.accounted || e.Kind == register.Decided && e.Ref != 0
	if e.Kind == register.Disputed {
		p.disputed = e.At.Format(minute)
	}
	if e.Verdict != "" && e.Kind != register.Check {
		keep(&p.verdict, e.Verdict)
		keep(&p.reason, e.Reason)
		if e.Kind == register.Correction && e.Reason == register.DidNotGoThrough {
			p.verdict = "annulled"
		}
	}
}

// move takes an entry that moves somebody, or says that one did not.
func (s *story) move(p *passage, e *entry.Entry, own bool) {
	where, moves := register.Moves(e)
	if !moves {
		return
	}
	undone := register.TakesBack(e)
	if undone && p.visit != nil {
		p.visit.moves = without(p.visit.moves, e.Ref)
	}
	m := move{e.Seq, e.At, e.Direction == "in", p.heads}
	if register.Afterwards(e) && p.own { // somebody said so later
		m.at = p.at
	}
	if !undone && p.visit != nil {
		p.visit.move(m, e, own)
	}
	if id := e.Personally("subject"); id != "" {
		q := s.people[id]
		if q == nil {
			q = &person{id: strings.Clone(id)}
			s.people[q.id] = q
		}
		q.household, q.class = cmp.Or(strings.Clone(e.Personally("household")), q.household), cmp.Or(strings.Clone(e.Class), q.class)
		q.name = cmp.Or(p.name, q.name)
		q.place, q.since = presence.Of(e, where, register.Passed(e)), m.at
		q.trip(m, e, undone)
		if undone {
			q.moves = without(q.moves, e.Ref)
		} else if own || !slices.Contains(noStaff, q.class) {
			q.moves = append(q.moves, m)
		}
	}
}

func without(moves []move, seq int64) []move {
	return slices.DeleteFunc(moves, func(m move) bool { return m.seq == seq })
}

// trip follows when somebody is to be back.
func (q *person) trip(m move, e *entry.Entry, undone bool) {
	counts := e.Direction == "out" && e.Class == "resident" && e.Detail[register.Uncounted] == "" && q.household != ""
	switch {
	case undone && q.went.seq == e.Ref:
		q.went, q.due = move{}, time.Time{}
	case !undone && counts:
		q.went, q.due = m, stamp(e.Detail[register.Due])
	}
}

// carried takes a trip of the epoch before, which goes on.
func (s *story) carried(e *entry.Entry) {
	if id := strings.Clone(e.Personally("subject")); id != "" {
		q := &person{id: id, household: strings.Clone(e.Personally("household")), class: "resident"}
		q.went, q.due = move{seq: e.Seq, at: stamp(e.Detail[register.Out])}, stamp(e.Detail[register.Due])
		s.people[id] = q
	}
}

// stamp is a time of a detail; zero: there is none.
func stamp(detail string) time.Time {
	t, _ := time.Parse(time.RFC3339, detail)
	return t
}

// overdueTrips are those who are out and were to be back by a time, the longest first. Who went before another level began to count
// where they live is never overdue by it.
func (s *story) overdueTrips(at time.Time, board levels.Board) (list []*person) {
	for _, q := range s.people {
		building, unit := place(q.household)
		if !q.due.IsZero() && !q.place.Inside && at.After(q.due) && q.went.seq > board.LastChange(building, unit) {
			list = append(list, q)
		}
	}
	slices.SortFunc(list, func(a, b *person) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.id, b.id)) })
	return list
}

// place is the building and the unit of a household such as 3-2-501; both empty for a body.
func place(household string) (building, unit string) {
	first, _, _ := strings.Cut(household, " ")
	parts := strings.Split(first, "-")
	if len(parts) < 3 || strings.Trim(parts[len(parts)-1], "0123456789") == parts[len(parts)-1] {
		return "", ""
	}
	return parts[0], parts[0] + "-" + parts[1]
}

// sorted are the keys of a map in their order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
