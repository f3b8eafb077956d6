// Package gate runs one passage: check, query, register, answer.
package gate

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gated/barrier"
	"gated/clock"
	"gated/credential"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/roster"

	"github.com/prometheus/client_golang/prometheus"
)

// Verdict of an attempt that could not be recorded: nothing opens.
const Fault = "fault"

// Lane is one direction of travel with its barrier.
type Lane struct {
	ID        string
	Direction string           // in or out
	Barrier   *barrier.Barrier // nil: worked by hand
	Pulse     time.Duration
	Sensor    *barrier.Sensor // nil: none
}

// Rules are what a reload of the settings swaps while the gate works.
type Rules struct {
	Policy   *policy.Policy
	Trust    *credential.Trust
	Level    string
	Hold     time.Duration // how long a hold waits for the guard
	Repeat   time.Duration // how long the same code counts as read already
	Language string
	Call     string // whom to call on a fault
	MinFree  uint64 // bytes; with less space left the page warns
}

// Options are what New needs.
type Options struct {
	Name     string
	Version  string
	Lanes    []Lane
	Ledger   *ledger.Ledger
	Register *register.Register
	Roster   *roster.Store
	Clock    *clock.Clock
	Spool    string        // file for what is owed to the ledger; "": memory only
	Free     func() uint64 // bytes left for the state directory; nil: not watched
	HashKey  []byte        // keys the hashes of codes, so that nobody can try all ID numbers against them
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	// OnOutcome is told every answer after it is durable, in order within a lane. It must not block.
	OnOutcome func(Outcome)
}

// Gate decides who passes.
type Gate struct {
	opt   Options
	log   *slog.Logger
	clock boxClock
	rules atomic.Pointer[Rules]
	lanes map[string]*Lane
	m     metrics
	work  sync.WaitGroup // barrier commands and late entries under way

	// passage is held from query to Append, so that two lanes cannot both take the last household trip.
	passage sync.Mutex
	desk    desk // guarded by passage
	read    repeats

	keys   sync.Mutex // makes presses of the emergency key follow each other; held for intentWait at most
	hand   sync.Mutex // makes barrier and page agree on which of two keys was pressed last; never held while anything waits
	owed   owed
	begun  atomic.Bool   // the start entry is written
	wake   chan struct{} // the ledger's state changed
	screen screen
}

// errNotBegun: the start entry comes first.
var errNotBegun = errors.New("the gate has not started yet")

// New returns a gate that answers once Run was started.
func New(opt Options, r Rules) *Gate {
	g := &Gate{opt: opt, log: opt.Log, clock: boxClock{opt.Clock}, lanes: map[string]*Lane{}, desk: newDesk(),
		read: repeats{}, wake: make(chan struct{}, 1)}
	g.rules.Store(&r)
	for _, l := range opt.Lanes {
		g.lanes[l.ID] = &l
	}
	g.screen.init(opt.Lanes)
	g.owed.load(opt.Spool, opt.Log)
	g.m = newMetrics(opt.Metrics, g)
	opt.Register.View(func(s *register.State) { g.clock.remember(s.Trusted) })
	for _, l := range opt.Lanes {
		if l.Barrier != nil {
			l.Barrier.Watch(g.screen.relay)
		}
		l.Sensor.Watch(func(event string, o barrier.Opening) { g.sensed(&l, event, o) })
		l.Sensor.WatchState(func(err error) {
			g.screen.lane(l.ID, func(v *LaneView) {
				if v.Sensor = "up"; err != nil {
					v.Sensor = "unreadable"
				}
			})
		})
	}
	return g
}

// Scan is one passage, from the code to the answer.
func (g *Gate) Scan(ctx context.Context, laneID string, code []byte, at time.Time) (Outcome, error) {
	return g.pass(laneID, "code", at, func(trust *credential.Trust, now time.Time) (credential.Claim, []byte) {
		return trust.Check(code, now), code
	})
}

// ScanCard is one passage, from the text of an ID card that a reader read to the answer; nil: of a card that it could
// not read. Text is not kept.
func (g *Gate) ScanCard(ctx context.Context, laneID string, text []byte, at time.Time) (Outcome, error) {
	return g.pass(laneID, "card", at, func(_ *credential.Trust, now time.Time) (credential.Claim, []byte) {
		claim := credential.ReadIDCard(text, now)
		if claim.Document != "" { // by which it is known again, also when it was renewed
			return claim, []byte(claim.Document)
		}
		return claim, text
	})
}

// pass is one passage, from what was read to the answer. Read tells what that proves, and by what bytes the same is
// known again; a code is never known for a card, nor a card for a code that says its number.
//
// Whatever kills the process in here: before Append nothing was said and nothing opened; after it the entry is there
// and at worst nobody was told. There is nothing in between.
func (g *Gate) pass(laneID, source string, at time.Time, read func(*credential.Trust, time.Time) (credential.Claim, []byte)) (Outcome, error) {
	l := g.lanes[laneID]
	if l == nil {
		return Outcome{}, fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	}
	rules := g.rules.Load()

	// Check: what does it prove? Needs no state of the gate, so it does not wait for the other lane.
	now := g.clock.Now()
	claim, code := read(rules.Trust, g.clock.judge(now))
	claim = g.doubt(claim, now)
	g.m.scans.WithLabelValues(l.ID, claim.Kind).Inc()

	g.passage.Lock()
	defer g.passage.Unlock()
	rules = g.rules.Load() // they may have changed while another passage had the lock
	key := sha256.Sum256(append([]byte(source+"\x00"+l.ID+"\x00"), code...))
	if a, ok := g.again(key); ok {
		g.m.repeats.WithLabelValues(l.ID).Inc()
		g.screen.show(a.shown)
		g.tell(a.Outcome)
		return a.Outcome, nil
	}

	// Query: who is that, and what does the gate's own state say about them?
	people := g.opt.Roster.Snapshot()
	who := find(people, claim)
	if claim.Valid && claim.Proof == credential.Signed && people.Revoked(claim.Serial, who.Household, claim.NotBefore) {
		claim.Valid, claim.Reason = false, "revoked"
	}
	facts := policy.Facts{Direction: l.Direction, Class: who.Class, Known: who.Known, Credential: claim.Kind, Valid: claim.Valid, Reason: claim.Reason,
		Proof: string(claim.Proof), Service: who.Service, PlateClass: claim.PlateClass, Level: rules.Level, ClockTrusted: now.Trusted, HouseholdTrips: g.trips(who.Household, now)}
	facts.Health, facts.TestHours = health(claim, g.clock.judge(now), now.Trusted)

	decision := rules.Policy.Decide(facts)

	// Register: durable, or it did not happen.
	p := passage{id: newID(), lane: l, at: now, who: who, facts: facts, decision: decision, rules: rules, roster: people.Version(), stated: cmp.Or(claim.Name, claim.Plate)}
	entries, err := g.append(p.events(g.checked(claim, who, code))...)
	if err != nil {
		return g.fault(&p, err), nil // never remembered: the next try must be a real one
	}
	g.clock.recorded(now)

	// Only now may anything be seen or opened.
	out, shown := p.outcome(entries), p.shown()
	switch decision.Verdict {
	case policy.Hold:
		g.park(&p, key, out)
	case policy.Admit:
		g.open(l, out)
		fallthrough
	default:
		g.read.remember(key, out, shown, rules.Repeat, time.Now())
	}
	g.m.decided(out, time.Since(at))
	g.screen.show(shown)
	g.tell(out)
	return out, nil
}

// doubt takes back what a claim says about its time where the clock is not to be trusted.
func (g *Gate) doubt(c credential.Claim, now ledger.Stamp) credential.Claim {
	at := g.clock.judge(now)
	if now.Trusted || c.NotAfter.IsZero() && c.Reason != credential.ReasonNotYetValid {
		return c
	}
	// The clock may be wrong by any amount. What had expired at the last trusted time has expired now, and a pass that
	// was good for a week more is taken to be good still; nobody knows about the others.
	if sure := c.Valid && c.NotAfter.Sub(at) >= stillGood; !sure && (c.Valid || c.Reason == "not-yet-valid") || at.IsZero() && c.Proof == credential.Signed {
		c.Valid, c.Reason = false, "clock-untrusted"
	}
	return c
}

// subject is who a claim is about, as the roster knows them.
type subject struct {
	ID, Household, Name, Plate string
	Class, Service             string
	Known                      bool
}

// services are those whose vehicles pass: epidemic control, life saving and emergency repair.
var services = map[string]bool{"epidemic-control": true, "ambulance": true, "fire": true, "police": true, "emergency-repair": true}

// find looks for whom a claim is about. A health certificate names its holder, but namesakes are many and whoever shows it
// may be another: nobody is known by it.
func find(people *roster.Snapshot, c credential.Claim) subject {
	switch {
	case c.Kind == "gated-pass" && c.SubjectKind == "vehicle":
		if v, ok := people.Vehicle(c.Subject); ok {
			return vehicle(v)
		}
		return subject{ID: c.Subject, Class: "vehicle"}
	case c.Kind == "gated-pass" && c.SubjectKind == "household":
		s := subject{ID: c.Subject, Class: "unknown"}
		if h, ok := people.Household(c.Subject); ok {
			s.Known, s.Class, s.Household = true, "resident", h.ID
		}
		return s
	case c.Kind == "gated-pass":
		if p, ok := people.Person(c.Subject); ok {
			return person(p)
		}
		return subject{ID: c.Subject, Class: "unknown"}
	case c.Kind == "plate":
		if v, ok := people.VehicleByPlate(c.Plate); ok {
			return vehicle(v)
		}
		return subject{Class: "vehicle"}
	case c.Document != "":
		if p, ok := people.PersonByDocument(c.Document); ok {
			return person(p)
		}
	}
	return subject{Class: "unknown"}
}

func vehicle(v roster.Vehicle) subject {
	s := subject{ID: v.ID, Class: "vehicle", Known: true, Plate: v.Plate, Household: v.Household, Service: v.Service}
	if services[v.Service] {
		s.Class = "emergency-vehicle"
	}
	return s
}

// health says in one word what a valid certificate states about COVID-19, and of a negative test how many whole hours ago
// its sample was taken. Of several statements the newest test counts, then a vaccination, then a recovery within its
// interval. Where it is unclear which test is the newest, a positive one is; and how old a negative one is, nobody knows
// whose clock is not trusted.
func health(c credential.Claim, at time.Time, trusted bool) (word string, hours int) {
	if !c.Valid {
		return "", 0
	}
	var newest credential.Health
	rank := 0
	for _, h := range c.Health {
		switch positive := h.Result == "positive"; {
		case h.Disease != credential.COVID19:
		case h.Kind == credential.Test:
			if h.Sampled.IsZero() || h.Sampled.After(at) {
				if positive {
					return "positive-test", 0
				}
				continue
			}
			if d := h.Sampled.Compare(newest.Sampled); d > 0 || d == 0 && (positive || newest.Result == "negative") {
				newest, rank = h, 4
			}
		case h.Kind == credential.Vaccination && h.Dose >= h.Doses && rank < 3:
			word, rank = "vaccination", 3
		case h.Kind == credential.Vaccination && rank < 2:
			word, rank = "partial-vaccination", 2
		case h.Kind == credential.Recovery && rank < 1 && within(h, at):
			word, rank = "recovery", 1
		}
	}
	switch {
	case rank < 4:
		return word, 0
	case newest.Result == "positive":
		return "positive-test", 0
	case newest.Result == "negative" && trusted:
		return "negative-test", int(at.Sub(newest.Sampled) / time.Hour)
	}
	return "", 0
}

// within tells whether a recovery counts on the day of at. The days of its interval are the issuer's, of no zone.
func within(h credential.Health, at time.Time) bool {
	day := at.UTC().Format(time.DateOnly)
	return len(h.From) == len(day) && len(h.Until) == len(day) && h.From <= day && day <= h.Until
}

func person(p roster.Person) subject {
	return subject{ID: p.ID, Household: p.Household, Name: p.Name, Class: p.Class, Known: true}
}

func (g *Gate) trips(household string, now ledger.Stamp) (n int) {
	if household != "" {
		day := g.clock.judge(now).In(g.opt.Ledger.Zone())
		g.opt.Register.View(func(s *register.State) { n = s.TripsToday(household, day) })
	}
	return n
}

// passage is one attempt to pass while it is decided.
type passage struct {
	id       string
	lane     *Lane
	at       ledger.Stamp
	who      subject
	facts    policy.Facts
	decision policy.Decision
	rules    *Rules
	roster   string
	stated   string // name or plate that a code or card of nobody known gives, for the guard to ask about
}

// newID names a passage: 80 random bits, in letters that can be read out over the telephone.
func newID() string {
	var b [10]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// event is an event of the passage with what all of them share.
func (p *passage) event(k ledger.Kind, at ledger.Stamp) ledger.Event {
	return ledger.Event{Stamp: at, Kind: k, Passage: p.id, Lane: p.lane.ID, Direction: p.lane.Direction}
}

// checked is what the ledger keeps of a code or card: its kind and state, and a keyed hash by which the same is known again.
func (g *Gate) checked(c credential.Claim, who subject, code []byte) ledger.Event {
	ev := ledger.Event{Credential: c.Kind, Proof: string(c.Proof), Reason: c.Reason}
	if len(code) > 0 { // of a card that could not be read there is nothing to hash
		m := hmac.New(sha256.New, g.opt.HashKey)
		m.Write(code)
		ev.Personal = []ledger.Field{{Name: "code", Value: hex.EncodeToString(m.Sum(nil)[:16])}}
	}
	fields := []ledger.Field{{Name: "stated_subject", Value: c.Subject}, {Name: "document", Value: c.Document}, {Name: "stated_name", Value: c.Name}}
	if c.Proof == credential.Sighted { // read by a machine, and signed by the issuer: not stated
		fields = []ledger.Field{{Name: "sighted_document", Value: c.Document}}
		if c.Name != who.Name {
			fields = append(fields, ledger.Field{Name: "sighted_name", Value: c.Name})
		}
	}
	if c.Kind == "gated-pass" { // the identifier of a health certificate is of no use at the gate
		fields = append(fields, ledger.Field{Name: "pass", Value: c.Serial})
	}
	if c.Plate != who.Plate {
		fields = append(fields, ledger.Field{Name: "stated_plate", Value: c.Plate})
	}
	for _, f := range fields {
		if f.Value != "" && f.Value != who.ID { // whom the roster knows stands in the query event
			ev.Personal = append(ev.Personal, f)
		}
	}
	return ev
}

// events are the check, the query and, unless it waits for a guard, the register event.
func (p *passage) events(check ledger.Event) []ledger.Event {
	c, q := p.event(register.Check, p.at), p.event(register.Query, p.at)
	c.Credential, c.Proof, c.Reason, c.Personal = check.Credential, check.Proof, check.Reason, check.Personal
	q.Class, q.Policy, q.Roster, q.Personal = p.who.Class, p.rules.Policy.Hash(), p.roster, p.who.personal()
	q.Detail = map[string]string{"known": yesNo(p.who.Known), "level": p.rules.Level}
	if p.facts.PlateClass != "" {
		q.Detail["plate_class"] = p.facts.PlateClass
	}
	if p.facts.Health != "" { // about somebody's body: beside the record, to be erased with the rest
		q.Personal = append(q.Personal, ledger.Field{Name: "health", Value: p.health()})
	}
	if p.decision.Verdict == policy.Hold {
		q.Verdict, q.Reason, q.Rule, q.By = p.decision.Verdict, p.decision.Reason, p.decision.Rule, "machine"
		return []ledger.Event{c, q}
	}
	r := p.registered(p.at, p.decision, "machine")
	return []ledger.Event{c, q, r}
}

func (p *passage) registered(at ledger.Stamp, d policy.Decision, by string) ledger.Event {
	r := p.event(register.Decided, at)
	r.Class, r.Policy, r.Roster = p.who.Class, p.rules.Policy.Hash(), p.roster
	r.Verdict, r.Reason, r.Rule, r.By = d.Verdict, d.Reason, d.Rule, by
	for _, f := range p.who.personal() {
		if f.Name == "subject" || f.Name == "household" { // who is inside is counted from register events
			r.Personal = append(r.Personal, f)
		}
	}
	return r
}

func (s subject) personal() (fields []ledger.Field) {
	for _, f := range []ledger.Field{{Name: "subject", Value: s.ID}, {Name: "household", Value: s.Household}, {Name: "name", Value: s.Name}, {Name: "plate", Value: s.Plate}} {
		if f.Value != "" && s.Known {
			fields = append(fields, f)
		}
	}
	return fields
}

// health is what the certificate states, with the age of a test.
func (p *passage) health() string {
	if p.facts.Health == "negative-test" {
		return fmt.Sprintf("negative-test %d h", p.facts.TestHours)
	}
	return p.facts.Health
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (p *passage) outcome(entries []ledger.Entry) Outcome {
	return Outcome{Passage: p.id, Verdict: p.decision.Verdict, Reason: p.decision.Reason, Rule: p.decision.Rule, Lane: p.lane.ID, Direction: p.lane.Direction,
		Class: p.who.Class, Credential: p.facts.Credential, Seq: entries[len(entries)-1].Seq, At: p.at.Time}
}

func (p *passage) shown() Shown {
	name := cmp.Or(p.who.Name, p.who.Plate, p.stated)
	return Shown{Passage: p.id, Lane: p.lane.ID, Direction: p.lane.Direction, Verdict: p.decision.Verdict, Reason: p.decision.Reason, Class: p.who.Class,
		Credential: p.facts.Credential, Health: p.facts.Health, TestHours: p.facts.TestHours, Name: name, Room: p.who.Household, By: "machine", At: p.at.Time}
}

// again returns the answer that this code got a moment ago, or has as long as it waits for the guard. In a fault it
// returns none: a green from memory would be a lie.
func (g *Gate) again(key [32]byte) (a answered, ok bool) {
	if g.opt.Ledger.Fault() != nil {
		return a, false
	}
	if h := g.desk.showing(key); h != nil {
		a = answered{Outcome: h.answer, shown: h.shown()}
	} else if a, ok = g.read.again(key, time.Now()); !ok {
		return a, false
	}
	a.Repeat, a.shown.Repeat = true, true
	a.shown.At = g.clock.Now().Time
	return a, true
}

// append is the ledger's, but nobody passes before the start entry is written.
func (g *Gate) append(events ...ledger.Event) ([]ledger.Entry, error) {
	if !g.begun.Load() {
		return nil, errNotBegun
	}
	return g.opt.Ledger.Append(events...)
}

// fault answers an attempt that could not be recorded. The guard sees what the check found, and that nothing opens.
func (g *Gate) fault(p *passage, err error) Outcome {
	out := Outcome{Verdict: Fault, Reason: "ledger-fault", Lane: p.lane.ID, Direction: p.lane.Direction, Class: p.who.Class, Credential: p.facts.Credential, At: g.clock.Now().Time}
	if errors.Is(err, ledger.ErrBusy) {
		out.Reason = "ledger-busy"
	}
	g.log.Error("passage not recorded: nothing opened", "lane", out.Lane, "reason", out.Reason, "err", err)
	g.m.decisions.WithLabelValues(out.Lane, out.Direction, out.Verdict, out.Reason).Inc()
	shown := p.shown()
	shown.Passage, shown.Verdict, shown.Reason, shown.Found, shown.At = "", Fault, out.Reason, p.decision.Reason, out.At
	g.screen.show(shown)
	g.tell(out)
	return out
}

func (g *Gate) tell(out Outcome) {
	if g.opt.OnOutcome != nil {
		g.opt.OnOutcome(out)
	}
}

// pulseWithin is how long after its verdict a pulse may begin. Later nobody stands there any more.
const pulseWithin = 2 * time.Second

// open pulses the barrier of a passage that is on record, and records that in turn. It never holds up the answer.
func (g *Gate) open(l *Lane, out Outcome) {
	l.Sensor.Asked(barrier.Opening{Passage: out.Passage, Ref: out.Seq}) // by hand, where there is no barrier
	if l.Barrier == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), pulseWithin)
	pulse := l.Barrier.BeginPulse(ctx, l.ID, l.Pulse) // before a guard can close again
	g.work.Go(func() {
		defer cancel()
		err := pulse()
		ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Opening, Passage: out.Passage, Lane: l.ID, Direction: l.Direction, Reason: "pulse", By: "machine", Ref: out.Seq}
		switch {
		case errors.Is(err, barrier.ErrDropped), errors.Is(err, barrier.ErrClosed): // nothing is wrong with the barrier
			ev.Reason = "pulse-dropped"
			l.Sensor.Forget(out.Passage)
			g.log.Info("a pulse came too late and was dropped", "lane", l.ID, "err", err)
		case err != nil:
			ev.Reason = "pulse-failed"
			fallthrough
		default:
			g.barrierSaid(l, err)
		}
		g.record(ev)
	})
}

// sensed records what the lane's sensor tells. Permitted and passed are two facts.
func (g *Gate) sensed(l *Lane, event string, o barrier.Opening) {
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Sensor, Passage: o.Passage, Lane: l.ID, Direction: l.Direction, Reason: event, By: "machine", Ref: o.Ref}
	if event == barrier.OpenedUnasked {
		g.log.Error("the barrier was opened, and not by this gate: look at it", "lane", l.ID)
		g.screen.openedUnasked(l.ID)
	}
	g.work.Go(func() { g.record(ev) })
}

func (g *Gate) barrierSaid(l *Lane, err error) {
	if err != nil {
		g.log.Error("barrier does not obey: open it by hand", "lane", l.ID, "err", err)
	}
	g.screen.obeyed(l.ID, err == nil)
}
