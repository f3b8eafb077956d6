package gate

import (
	"errors"
	"fmt"
	"time"

	"gated/credential"
	"gated/gate/host"
	"gated/gate/lane"
	"gated/gate/presentation"
	"gated/gate/query"
	"gated/gate/subject"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// Scan is one passage, from the code to the answer.
func (g *Gate) Scan(laneID string, code []byte, at time.Time) (Outcome, error) {
	return g.pass(laneID, presentation.Code(code, at))
}

// ScanCard is one passage, from the text of an ID card that a reader read to the answer; nil: of a card that it could
// not read.
func (g *Gate) ScanCard(laneID string, text []byte, at time.Time) (Outcome, error) {
	return g.pass(laneID, presentation.Card(text, at))
}

// Present is one passage of a person whom the guard found by room number, for lack of a code: a dead phone, a child, an
// elder. It is a hold at most: the guard decides.
func (g *Gate) Present(laneID, personID string) (Outcome, error) {
	if _, ok := g.opt.Roster.Snapshot().Person(personID); !ok {
		return Outcome{}, ErrUnknownPerson
	}
	return g.pass(laneID, presentation.ByRoom(personID))
}

// pass is one passage, from what was presented to the answer.
//
// Whatever kills the process in here: before append nothing was said and nothing opened; after it the entries are there
// and at worst nobody was told. There is nothing in between.
func (g *Gate) pass(laneID string, in presentation.Presentation) (Outcome, error) {
	l := g.lanes.Of(laneID)
	if l == nil {
		return Outcome{}, fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	}
	m := g.moment()

	// Check: what does it prove? Needs no state of the gate, so it does not wait for the other lane.
	claim := in.Check(g.trust(m.rules), g.clock.Judge(m.at))
	in.Visitor = g.ask.Visitor(g.opt.Roster.Snapshot(), claim)
	if !in.ByRoom() {
		g.m.Scans.WithLabelValues(l.ID, claim.Kind).Inc()
	}

	g.passage.Lock()
	defer g.passage.Unlock()
	g.changeLevels()
	if r := g.rules.Load(); r != m.rules { // changed while another passage had the lock: perhaps its issuer is trusted no longer
		m.rules = r
		claim = in.Check(g.trust(m.rules), g.clock.Judge(m.at))
	}

	before := g.read.Again(in.Key(l.ID, claim), time.Now())
	if before != nil { // it lies there still, and so waits for no time to pass
		m.came = before.came
	}

	// Query: who is that, and what does the gate's own state say about them?
	p, check := g.judge(l, in, claim, m)
	h := g.desk.waiting(func(h *held) bool { return h.sameAs(&p, in) })
	switch {
	case h != nil && in.ByRoom():
		h.begun = true
		g.judgeAgain(h) // in a fault it stays as it was
		return new(h.repeated()).outcome(), nil
	case g.Fault(): // a green from memory would be a lie
	case h != nil && (h.begun || h.unchanged(&p) && h.decision.Verdict == p.decision.Verdict):
		if before == nil { // they came back, and wait on
			h.came = p.came
			g.read.Remember(p.key, h.passage, m.rules.Repeat, time.Now())
		}
		return g.repeat(h.passage), nil // the guard who has begun looks at what is so now
	case h == nil && before != nil && before.judged(&p) && p.decision.Rule != policy.RosterFault:
		return g.repeat(*before), nil
	}
	stranger := h == nil && p.states() && !p.who.Known && p.who.Visit == "" && !p.facts.Serves()
	if full, _ := g.desk.crowded(&p); full && stranger && p.decision.Verdict == policy.Hold {
		p.decision = policy.Decision{Verdict: policy.Refuse, Reason: "desk-full", Rule: "desk-full"}
	}

	// Register: durable, or it did not happen.
	events := p.events(check)
	var old passage
	if h != nil { // whose code was shown again, and is judged otherwise now
		var ended ledger.Event
		old, ended = h.superseded(&p)
		events = append([]ledger.Event{ended}, events...)
	}
	row, alarm := g.tried(&p)
	entries, err := g.writing.Append(append(events, alarm...)...)
	if err != nil {
		return g.fault(p, err), nil // never remembered: the next try must be a real one
	}
	p.seq, g.tries[l.ID] = entries[len(events)-1].Seq, row

	// Only now may anything be seen or opened.
	if alarm != nil {
		g.alarm(l)
	}
	if h != nil {
		old.seq = entries[0].Seq
		g.leave(h, &old)
	}
	waits := p.decision.Verdict == policy.Hold
	if waits {
		g.park(&p, in, m.rules.Hold)
	}
	if p.decision.Reason != "desk-full" && !(waits && in.ByRoom()) { // else they are asked for again, and that is no repeat
		g.remember(p, m.rules.Repeat)
	}
	out := g.answer(&p)
	if p.desk { // somebody else is there
		l.NobodyKnown()
	}
	if !in.At.IsZero() {
		g.m.Seconds.Observe(time.Since(in.At).Seconds())
	}
	return out, nil
}

// rebuilding is why somebody is on hold of whom nobody knows yet what the entries say.
const rebuilding = "register-rebuilding"

// remember has the same code be read already for a while; but for that of a group, which the next of them shows as well.
func (g *Gate) remember(p passage, repeat time.Duration) {
	if !p.who.Group {
		g.read.Remember(p.key, p, repeat, time.Now())
	}
}

// moment is by what a passage is judged, beside roster and register.
type moment struct {
	at        ledger.Stamp
	rules     *Rules
	remembers bool      // the register has read enough to decide by
	came      time.Time // when they came, also who is judged again; zero: by a clock that is not trusted
}

func (g *Gate) moment() moment {
	remembers := g.remembers() // first: the clock is judged by what the register tells
	m := moment{at: g.clock.Now(), rules: g.rules.Load(), remembers: remembers}
	if m.at.Trusted {
		m.came = g.clock.Judge(m.at).In(g.opt.Ledger.Zone())
	}
	return m
}

// query is the moment for who asks the register.
func (g *Gate) query(m moment) query.Moment {
	return query.Moment{At: g.clock.Judge(m.at), Trusted: m.at.Trusted, Policy: m.rules.Policy, Level: m.rules.Level, Ready: m.remembers,
		Came: m.came, InsideFor: m.rules.InsideFor, Open: host.Open(m.rules.Bodies)}
}

// Foretell tells what would be decided about somebody of the roster.
func (g *Gate) Foretell(x query.Case) (query.Foretold, error) {
	return g.ask.Foretell(g.opt.Roster.Snapshot(), x, g.query(g.moment()))
}

// judge says who that is, and what is to be decided about them at this moment; nothing is written yet. The caller holds passage.
func (g *Gate) judge(l *lane.Lane, in presentation.Presentation, claim credential.Claim, m moment) (p passage, check ledger.Event) {
	q := g.query(m)
	claim = query.Doubt(claim, q)
	lost := g.RosterFault()
	people := g.opt.Roster.Snapshot()
	who := subject.Find(people, claim)
	unread := false // the visit that they come by, if there is one
	if in.OfVisit(claim) {
		who, claim, unread = g.ask.Coming(in.Visitor, claim)
	} else if claim.Proof == credential.Signed && people.Revoked(claim.Serial, who.ID, claim.NotBefore) {
		claim.Valid, claim.Reason = false, "revoked"
	} else if claim.Proof == credential.Signed && people.Suspended(who.ID, claim.NotBefore) {
		claim.Valid, claim.Reason = false, credential.ReasonSuspended
	}
	level, notice := g.ask.Level(who, q)
	facts := g.ask.Facts(who, claim, l.Direction, level, q)
	facts.Watched = facts.Watched || who.Visit != "" && g.ask.Watched(people, who, q)
	decision := m.rules.Policy.Decide(facts)
	if unread || !m.remembers && decision.Verdict == policy.Admit { // nobody knows yet who is out, nor how often
		decision = policy.Decision{Verdict: policy.Hold, Reason: rebuilding, Rule: rebuilding}
	}
	if lost {
		decision = policy.Decision{Verdict: policy.Hold, Reason: policy.RosterFault, Rule: policy.RosterFault}
	}
	if in.ByRoom() && (decision.Verdict != policy.Refuse || decision.Override != "") {
		decision = decision.Held() // the guard asked for them: it is the guard who decides, as far as the rules let a guard
	}
	if claim.Reason == credential.ReasonSeveralCodes { // there is nobody to ask about: they are shown again, one at a time
		decision = policy.Decision{Verdict: policy.Refuse, Reason: claim.Reason, Rule: claim.Reason}
	}
	p = passage{id: newID(), key: in.Key(l.ID, claim), lane: l, at: m.at, came: m.came, who: who, facts: facts, decision: decision,
		by: byMachine, policy: m.rules.Policy.Hash(), roster: people.Version(), notice: notice, desk: in.ByRoom()}
	p.refused = decision.Verdict == policy.Refuse && decision.Override == ""
	p.name, p.room = who.Named(claim)
	p.next, p.trip = g.ask.NextAllowed(facts, who.Household, q), g.ask.TripTime(facts, who.Household, q)
	if who.Known && l.Direction == "out" {
		p.slips = g.shift.Slips(who.ID, who.Homes, q.At)
	}
	return p, in.Checked(claim, who, g.opt.Ledger.Derive("the codes"))
}

// remembers tells whether the register has read enough to decide by.
func (g *Gate) remembers() bool {
	if !g.opt.Register.Ready() {
		return false
	}
	if !g.known.Swap(true) {
		g.opt.Register.View(func(s *register.State) { g.clock.Remember(s.Trusted) })
	}
	return true
}

// judged tells whether a passage was judged by the facts as they are now: who was removed or revoked since is no repeat. Neither trips
// nor whereabouts count, as the passage itself changes them, nor does the time.
func (p *passage) judged(now *passage) bool {
	if p.decision.Verdict == policy.Hold || p.decision.Verdict == policy.Undecided && now.decision.Verdict != policy.Hold {
		return false // who waits is asked about; and who may pass by now does
	}
	facts := now.facts
	facts.HouseholdTrips, facts.Whereabouts, facts.Minute = p.facts.HouseholdTrips, p.facts.Whereabouts, p.facts.Minute
	facts.Again, facts.Passed, facts.MinutesSince, facts.Trip = p.facts.Again, p.facts.Passed, p.facts.MinutesSince, p.facts.Trip
	facts.Visit = p.facts.Visit
	if p.decision.Verdict == policy.Admit { // they are through: what the box learns meanwhile does not bring them here again
		facts.Exemption, facts.ClockTrusted, facts.TestHours = p.facts.Exemption, p.facts.ClockTrusted, p.facts.TestHours
		if facts.Reason == "clock-untrusted" {
			facts.Valid, facts.Reason = p.facts.Valid, p.facts.Reason
		}
	}
	return p.facts == facts && p.who.ID == now.who.ID && p.who.Visit == now.who.Visit &&
		p.who.Household == now.who.Household && p.policy == now.policy
}

// repeat answers with a passage that is on record already.
func (g *Gate) repeat(p passage) Outcome {
	p = p.repeated()
	g.m.Repeats.WithLabelValues(p.lane.ID).Inc()
	if p.decision.Verdict == policy.Refuse { // they stand there still
		g.refuse(&p)
	}
	shown, out := p.shown(), p.outcome()
	shown.At = g.clock.Now().Time
	p.lane.Show(shown, false)
	g.tell(out)
	return out
}

// answer opens if the passage is admitted, and lets everybody see it. Its events are durable, unless it is a fault.
func (g *Gate) answer(p *passage) Outcome {
	if p.decision.Verdict == policy.Admit {
		p.lane.Open(p.id, p.seq)
	}
	switch p.decision.Verdict {
	case policy.Refuse:
		g.refuse(p)
	case policy.Admit: // also by a guard
		delete(g.tries, p.lane.ID)
	}
	out := p.outcome()
	g.m.Decisions.WithLabelValues(out.Lane, out.Direction, out.Verdict, out.Reason).Inc()
	p.lane.Show(p.shown(), p.desk)
	g.tell(out)
	return out
}

// fault answers an attempt that could not be recorded. The guard sees what the check found, and that nothing opens.
func (g *Gate) fault(p passage, err error) Outcome {
	p.id, p.at, p.by, p.found = "", g.clock.Now(), byMachine, p.decision.Reason
	p.decision = policy.Decision{Verdict: Fault, Reason: "ledger-fault"}
	if errors.Is(err, ledger.ErrBusy) {
		p.decision.Reason = "ledger-busy"
	}
	g.log.Error("passage not recorded: nothing opened", "lane", p.lane.ID, "reason", p.decision.Reason, "err", err)
	return g.answer(&p)
}

func (g *Gate) tell(out Outcome) {
	if g.opt.OnOutcome != nil {
		g.opt.OnOutcome(out)
	}
}
