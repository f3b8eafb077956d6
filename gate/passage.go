package gate

import (
	"crypto/rand"
	"maps"
	"strconv"
	"strings"
	"time"

	"gated/credential"
	"gated/gate/lane"
	"gated/gate/query"
	"gated/gate/ruling"
	"gated/gate/subject"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/visits"
)

// Who decided. Who that was by name, as far as anyone said, is a personal field.
const (
	byMachine       = "machine"
	unauthenticated = "unauthenticated" // a person whose name nothing proves
)

// passage is one attempt to pass. Its events in the ledger, its answer and what the page shows of it are made from it.
type passage struct {
	id        string
	key       [32]byte // by which the same code or card is known again on its lane; zero: by nothing
	lane      *lane.Lane
	at        ledger.Stamp
	came      time.Time // when they came: their code was read first, and without a pause since; zero: by a clock that is not trusted
	who       subject.Subject
	facts     policy.Facts
	decision  policy.Decision
	by        string // byMachine, or how it is known who decided
	policy    string // the hash of the policy that judged it
	roster    string // the version of the roster that was asked
	notice    int64  // the entry of the notice that the level rests on; 0: the settings
	name      string // for the page,
	room      string // likewise
	next      string // where only the household's trips are in the way: the day from which they are not
	trip      query.TripTime
	heads     int    // of a visit: how many pass at once; 0: one
	slips     string // the open ones of whoever goes out
	found     string // in a fault: the reason that the verdict would have had
	seq       int64  // of its newest entry
	repeat    bool   // answered before
	emergency bool   // the emergency key opened
	desk      bool   // answered to the guard, not to somebody at the lane
	refused   bool   // by a rule that lets no guard override it, also where they wait, as a guard had begun to answer
	again     bool   // somebody who waited, judged again: nobody has shown anything
}

// newID names a passage: 80 random bits, in letters that can be read out over the telephone.
func newID() string {
	return strings.ToLower(rand.Text()[:16])
}

// states tells whether whoever it is merely states something.
func (p *passage) states() bool { return p.facts.Proof == string(credential.Stated) }

// repeated is the passage as it is answered again.
func (p *passage) repeated() passage {
	again := *p
	again.repeat = true
	return again
}

// event is an event of the passage with what all of them share.
func (p *passage) event(k ledger.Kind) ledger.Event {
	return ledger.Event{Stamp: p.at, Kind: k, Passage: p.id, Lane: p.lane.ID, Direction: p.lane.Direction}
}

// events are the check, the query and, unless it waits for a guard, the register event.
func (p *passage) events(check ledger.Event) []ledger.Event {
	c, q := p.event(register.Check), p.event(register.Query)
	c.Credential, c.Proof, c.Reason, c.Personal = check.Credential, check.Proof, check.Reason, check.Personal
	q.Class, q.Policy, q.Roster, q.Personal = p.who.Class, p.policy, p.roster, p.who.Personal()
	q.Detail = map[string]string{"known": yesNo[p.who.Known], "level": p.facts.Level}
	if p.notice != 0 {
		q.Detail["notice"] = strconv.FormatInt(p.notice, 10)
	}
	maps.Copy(q.Detail, p.visit())
	for name, value := range map[string]string{"next_allowed": p.next, "plate_class": p.facts.PlateClass, "service": p.facts.Service} {
		if value != "" {
			q.Detail[name] = value
		}
	}
	if p.facts.Health != "" { // about somebody's body: a personal field, to be erased with the others
		q.Personal = append(q.Personal, ledger.Field{Name: "health", Value: p.facts.Stated()})
	}
	if p.decision.Verdict == policy.Hold {
		q.Verdict, q.Reason, q.Rule, q.By = p.decision.Verdict, p.decision.Reason, p.decision.Rule, p.by
		maps.Copy(q.Detail, p.trip.Detail(p.came, !p.came.IsZero(), "")) // as it counts if nobody decides, and they went through
		if !p.came.IsZero() {
			q.Detail[register.Came] = p.came.Format(time.RFC3339)
		}
		return []ledger.Event{c, q}
	}
	return []ledger.Event{c, q, p.registered()}
}

// registered is the register event: the verdict, and who decided.
func (p *passage) registered() ledger.Event {
	r := p.verdict(register.Decided)
	r.Policy, r.Roster = p.policy, p.roster
	if r.Verdict == policy.Admit {
		need := map[bool]string{true: ruling.UrgentNeed}[r.Reason == ruling.UrgentNeed]
		r.Detail = p.trip.Detail(p.at.Time, p.at.Trusted, need)
	}
	if of := p.visit(); of != nil {
		r.Detail = of
	}
	for _, f := range p.who.Personal() {
		if f.Name == "subject" || f.Name == "household" { // who is inside is counted from register events
			r.Personal = append(r.Personal, f)
		}
	}
	return r
}

// visit are the details of entries by which a passage is one of a visit; nil: it is none. Whom a guard admits for an urgent need by a
// visit that is used up is no entry of it.
func (p *passage) visit() map[string]string {
	if p.who.Visit == "" || p.decision.Verdict == policy.Admit && p.facts.Visit == visits.UsedUp && p.lane.Direction == "in" {
		return nil
	}
	of := map[string]string{visits.ID: p.who.Visit}
	if p.heads > 1 {
		of[visits.Heads] = strconv.Itoa(p.heads)
	}
	return of
}

// verdict is an event that says what was decided.
func (p *passage) verdict(k ledger.Kind) ledger.Event {
	ev := p.event(k)
	ev.Class, ev.Verdict, ev.Reason, ev.Rule, ev.By = p.who.Class, p.decision.Verdict, p.decision.Reason, p.decision.Rule, p.by
	return ev
}

var yesNo = map[bool]string{true: "yes", false: "no"}

// outcome is the answer to whoever asked.
func (p *passage) outcome() Outcome {
	return Outcome{Passage: p.id, Verdict: p.decision.Verdict, Reason: p.decision.Reason, Rule: p.decision.Rule, Repeat: p.repeat,
		Again: p.again, Lane: p.lane.ID, Direction: p.lane.Direction, Class: p.who.Class, Credential: p.facts.Credential,
		Check: p.facts.Reason, Seq: p.seq, At: p.at.Time}
}

// shown is what the page shows.
func (p *passage) shown() Shown {
	return Shown{Passage: p.id, Lane: p.lane.ID, Direction: p.lane.Direction, Verdict: p.decision.Verdict, Reason: p.decision.Reason,
		Found: p.found, Class: p.who.Class, Credential: p.facts.Credential, Health: p.facts.Health, TestHours: p.facts.TestHours,
		Name: p.name, Room: p.room, Next: p.next, Slips: p.slips, By: p.by, At: p.at.Time,
		Repeat: p.repeat, Emergency: p.emergency, Visit: p.who.Visit, Group: p.who.Group}
}
