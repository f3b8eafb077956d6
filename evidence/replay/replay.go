// Package replay tells what another policy would have decided about the passages on record.
package replay

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/policy"
	"gated/register"
	"gated/register/blind"
	"gated/register/hosts"
	"gated/register/levels"
	"gated/register/marks"
	"gated/register/presence"
	"gated/register/trips"
	"gated/register/visits"
	"gated/table"
)

// Options say what is replayed.
type Options struct {
	Policy   *policy.Policy
	Level    string // in force all the time; "": what was in force then
	From     string // the first day; what came before only counts towards trips and whereabouts
	Progress func(done, of int64)
}

// Change is how passages of a kind would have been decided, and were.
type Change struct{ Class, Direction, Was, Is string }

// Report counts passages by what the machine decided at once, before any guard did.
type Report struct {
	Passages int // that were replayed
	Changed  map[Change]int
	Erased   int    // could not be: their personal data was erased, or cannot be opened here
	Others   int    // were not: no policy decided about them, but the guard or a fault of the box
	Began    string // the day on which this epoch of the ledger began, if it is one of those asked for
}

// notByPolicy are rules that the gate has beside the policy.
var notByPolicy = map[string]bool{policy.RosterFault: true, policy.PolicyFault: true, "register-rebuilding": true, "several-codes": true,
	"desk-full": true}

// player reads a ledger and folds it again under the new rules.
type player struct {
	Options
	report Report
	floor  time.Time // the newest trusted time, by which the gate judges where it does not trust the clock
	hash   blind.Hasher
	book   trips.Book
	marks  marks.List
	board  levels.Board
	base   string // the level of the settings
	people presence.Book
	visits visits.Book
	hosts  hosts.List
	// untimed: who of them passed when no clock was trusted, and none has told a time since
	untimed map[blind.Key]bool
	both    bool                // the gate has lanes in both directions
	stay    time.Duration       // who has been inside longer may have left unseen
	begun   map[string]*passage // by ID
	waits   map[string]bool     // passages in which somebody waits on: what they are asked has changed, and it stays a hold
}

// passage is one that is not decided yet, or waits for a guard.
type passage struct {
	facts     policy.Facts
	subject   string
	household string
	skipped   bool
	is        string // what the new policy says; "": not asked yet
}

// Run reads a ledger up to its newest entry.
func Run(in *file.Reader, o Options) (Report, error) {
	p := &player{Options: o, report: Report{Changed: map[Change]int{}}, hash: blind.New([]byte("replay")), book: trips.New(),
		people: presence.Book{}, visits: visits.Book{},
		untimed: map[blind.Key]bool{}, begun: map[string]*passage{}, waits: map[string]bool{}}
	size, err := in.Size()
	if err != nil {
		return p.report, err
	}
	const chunk = 2000 // no query is open for long
	for from := int64(1); from <= size && err == nil; from += chunk {
		err = in.ScanPersonal(from, min(from+chunk-1, size), func(e *entry.Entry, unseen bool) error {
			p.take(e)
			return nil
		})
		if o.Progress != nil {
			o.Progress(min(from+chunk-1, size), size)
		}
	}
	return p.report, err
}

// judged is the time by which the gate judges at an entry.
func (p *player) judged(e *entry.Entry) time.Time {
	if e.Clock == "trusted" && e.At.After(p.floor) {
		if p.floor.IsZero() {
			p.book.Correct(e.At.Format(time.DateOnly))
		}
		p.floor = e.At
	}
	return p.floor.In(e.At.Location())
}

// take takes the next entry.
func (p *player) take(e *entry.Entry) {
	defer func() { p.visits.After(e, p.hash, p.book.Day) }()
	now := p.judged(e)
	switch {
	case e.Kind == register.Clock && e.Reason == "clock-corrected":
		p.floor = e.At
		p.book.Correct(e.At.AddDate(0, 0, 1).Format(time.DateOnly))
	case e.Kind == entry.Epoch: // the one before had got so far
		if day := e.At.Format(time.DateOnly); day >= p.From {
			p.report.Began = day
		}
		if at, err := time.Parse(time.RFC3339Nano, e.Detail["trusted"]); err == nil && at.After(p.floor) {
			p.floor = at
		}
	case e.Kind == entry.Start, e.Kind == register.Settings:
		p.settings(e)
	case e.Kind == register.Notice:
		p.board = p.board.Noticed(e)
	case e.Kind == register.Level:
		p.board = p.board.Changed(e)
	case e.Kind == register.Mark:
		p.marks = p.marks.Marked(e, p.hash)
	case e.Kind == register.Host:
		p.hosts = p.hosts.After(e, p.hash)
	case e.Kind == register.Trip:
		p.book.Begin(e.Detail["day"])
		t := trips.Trip{Household: p.home(e.Personally("household")), Day: e.Detail["day"], Unsure: e.Detail[register.Unsure] != ""}
		if subject := e.Personally("subject"); subject != "" {
			t.Who, t.Due = p.person(subject), seconds(e.Detail[register.Due])
		}
		p.book.Add(e.Seq, t)
	case e.Kind == register.Check:
		p.begun[e.Passage] = &passage{skipped: e.Reason == "found-by-room", facts: policy.Facts{Direction: e.Direction,
			Credential: e.Credential, Proof: e.Proof, Reason: e.Reason, Valid: e.Reason == "ok", ClockTrusted: e.Clock == "trusted",
			Minute: policy.MinuteOfWeek(now)}}
	}
	if e.Clock == "trusted" && e.Kind != register.Trip {
		p.book.Told(e.At)
	}
	if e.Clock == "trusted" {
		for who := range p.untimed {
			p.people[who] = p.people[who].Told(e.At)
		}
		clear(p.untimed)
	}
	a := p.begun[e.Passage]
	if e.Kind == register.Correction && e.Passage != "" { // of a passage that was decided long ago, perhaps
		p.correct(a, e)
		return
	}
	if a == nil || e.Passage == "" {
		return
	}
	switch {
	case e.Kind == register.Query:
		p.query(a, e, now)
		if e.Verdict == policy.Hold {
			p.decide(a, e, now)
		}
	case e.Kind == register.Decided:
		if a.is == "" {
			p.decide(a, e, now)
		}
		if next := e.Detail["next"]; next != "" {
			p.waits[next] = true
		}
		p.move(a, e)
		if a.is == policy.Hold && e.Verdict == policy.Undecided { // a guard may yet say that they went through
			return
		}
		delete(p.begun, e.Passage)
	}
}

// correct takes what is right instead of an entry: that counts no longer.
func (p *player) correct(a *passage, e *entry.Entry) {
	p.book.Remove(e.Ref)
	p.move(a, e)
	delete(p.begun, e.Passage)
}

// settings takes what the gate was set up with that rules depend on.
func (p *player) settings(e *entry.Entry) {
	if e.Kind == entry.Start {
		p.both = e.Detail[register.BothDirections] == "yes"
		p.board = p.board.Based(e.Seq, p.base, e.Detail["level"])
		p.base = e.Detail["level"]
	}
	if d, err := time.ParseDuration(e.Detail[register.InsideFor]); err == nil {
		p.stay = d
	}
}

func (p *player) person(id string) blind.Key { return p.hash.Key(blind.OfSubject, id) }

func (p *player) home(household string) blind.Key { return p.hash.Key(blind.OfHousehold, household) }

// query takes who it was.
func (p *player) query(a *passage, e *entry.Entry, now time.Time) {
	f := &a.facts
	f.Class, f.Known, f.PlateClass, f.Service = e.Class, e.Detail["known"] == "yes", e.Detail["plate_class"], e.Detail["service"]
	f.Level = cmp.Or(p.Level, e.Detail["level"])
	a.household = e.Personally("household")
	subject := e.Personally("subject")
	a.subject = subject
	if f.Known && (subject == "" || f.Class == "resident" && a.household == "") || f.Class == "emergency-vehicle" && f.Service == "" {
		a.skipped = true
		p.count(e, &p.report.Erased)
		return
	}
	who := []blind.Key{p.person(subject)}
	for home := range strings.FieldsSeq(cmp.Or(e.Personally("homes"), a.household)) { // as the gate knows them: of several flats all
		who = append(who, p.home(home))
		if parts := strings.Split(home, "-"); len(parts) > 1 {
			f.Building = strings.TrimLeft(f.Building+" "+parts[0], " ")
			f.Unit = strings.TrimLeft(f.Unit+" "+parts[0]+"-"+parts[1], " ")
		}
	}
	if p.Policy.AsksHealth(f.Level) {
		fmt.Sscanf(e.Personally("health"), "%s %d", &f.Health, &f.TestHours) // hours only of a test
	}
	if f.Known {
		f.Holder = policy.HolderOf(*f, subject, a.household)
		f.Exemption, f.Watched = p.marks.Of(now, who)
		place := p.people[p.person(subject)]
		f.Whereabouts = place.Where(now, p.stay)
		f.Again = p.both && presence.Again(f.Direction, f.Whereabouts)
		if since, known := place.Since(now); known && f.ClockTrusted {
			f.MinutesSince = int(since / time.Minute)
		}
		f.Passed = place.Seq != 0
		f.Trip = p.trip(a, now)
	}
	if v, is := p.visits[e.Detail[visits.ID]]; is {
		p.visit(f, v, e, now)
	}
}

// visit adds to facts what a visit said of somebody who came by it.
func (p *player) visit(f *policy.Facts, v visits.Visit, e *entry.Entry, now time.Time) {
	name := blind.Key(0)
	if n := e.Personally("name"); n != "" {
		name = p.hash.Key(blind.OfName, n)
	}
	f.Host, f.Visit, f.Consent, f.Whereabouts = p.hosts.Of(v.Hosts, name), v.State(now, p.book.Day, 1), v.Consent, v.Where(now)
	f.Again = p.both && v.How != visits.Group && presence.Again(f.Direction, f.Whereabouts)
	if v.In != 0 && f.Direction == "in" {
		f.Passed, f.MinutesSince = true, max(0, int(now.Sub(time.Unix(v.In, 0))/time.Minute))
	}
	for host := range strings.FieldsSeq(e.Personally("host")) {
		if parts := strings.Split(host, "-"); len(parts) > 1 {
			f.Building = strings.TrimLeft(f.Building+" "+parts[0], " ")
			f.Unit = strings.TrimLeft(f.Unit+" "+parts[0]+"-"+parts[1], " ")
		}
	}
}

// trip is what is known of the trip of whoever passes, as the gate has it.
func (p *player) trip(a *passage, now time.Time) string {
	seq, t := p.book.Newest(p.person(a.subject))
	began := int64(0)
	if p.Level == "" { // else it is in force all the time
		began = p.board.LastChange(a.facts.Building, a.facts.Unit)
	}
	switch {
	case seq == 0 || p.people[p.person(a.subject)].Inside:
		return ""
	case t.Due != 0 && now.After(time.Unix(t.Due, 0)) && p.Policy.TripTime(a.facts.Level) > 0 && seq > began:
		return policy.TripOverdue
	}
	return policy.TripOpen
}

// due is when somebody is to be back who goes by an entry, under the new rules; 0: whenever it is, as for an urgent need.
func (p *player) due(a *passage, e *entry.Entry) int64 {
	limit, at := time.Duration(0), register.Passed(e)
	if a != nil && !at.IsZero() && !p.Policy.Exempts(a.facts) && e.Reason != "urgent-need" {
		limit = p.Policy.TripTime(a.facts.Level)
	}
	if limit == 0 {
		return 0
	}
	return at.Add(limit).Unix()
}

// seconds is a time of a detail; 0: there is none.
func seconds(detail string) int64 {
	if t, err := time.Parse(time.RFC3339, detail); err == nil {
		return t.Unix()
	}
	return 0
}

// count counts a passage that begins on a day that is asked for.
func (p *player) count(e *entry.Entry, n *int) {
	if e.At.Format(time.DateOnly) >= p.From {
		*n++
	}
}

// decide asks the new policy what the machine was asked then.
func (p *player) decide(a *passage, e *entry.Entry, now time.Time) {
	a.is = e.Verdict
	waits := p.waits[e.Passage] && e.Verdict == policy.Hold
	delete(p.waits, e.Passage)
	if a.skipped || waits || e.By != "machine" || notByPolicy[e.Rule] {
		if !a.skipped || a.facts.Reason == "found-by-room" {
			p.count(e, &p.report.Others)
		}
		return
	}
	if a.household != "" {
		a.facts.HouseholdTrips = p.book.Count(p.home(a.household), now.Format(time.DateOnly),
			p.Policy.TripDays(a.facts.Level))
	}
	a.is = p.Policy.Decide(a.facts).Verdict
	p.count(e, &p.report.Passages)
	if a.is != e.Verdict && e.At.Format(time.DateOnly) >= p.From {
		p.report.Changed[Change{a.facts.Class, a.facts.Direction, e.Verdict, a.is}]++
	}
}

// move counts who is inside and how often a household went out, under the new rules: who would have been refused stays where they
// are, and about a hold the guard decides as they did.
func (p *player) move(a *passage, e *entry.Entry) {
	where, moved := register.Moves(e)
	is := ""
	if a != nil {
		is = a.is
	}
	went := e.Kind == register.Decided || register.Afterwards(e)
	if is == policy.Admit && e.Kind == register.Decided {
		where, moved = map[string]string{"in": "inside", "out": "outside"}[e.Direction], true
	}
	if !moved || is == policy.Refuse {
		return
	}
	if day := p.floor.In(e.At.Location()); went && !p.floor.IsZero() {
		p.book.Begin(day.Format(time.DateOnly))
	} else if went && p.book.Day == "" {
		p.book.Begin(e.At.Format(time.DateOnly))
	}
	subject, household := e.Personally("subject"), e.Personally("household")
	if subject == "" {
		return
	}
	p.people[p.person(subject)] = presence.Of(e, where, register.PassedBy(e))
	p.untimed[p.person(subject)] = true
	exempt := a != nil && p.Policy.Exempts(a.facts) || e.Reason == "urgent-need"
	if went && !exempt && e.Direction == "out" && e.Class == "resident" && household != "" {
		t := trips.Trip{Household: p.home(household), Day: p.book.Day, Who: p.person(subject), Due: p.due(a, e)}
		p.book.Add(e.Seq, register.Went(e, t))
	}
}

// Print writes the report as a table.
func (r Report) Print(w io.Writer) error {
	changed, heading := 0, ""
	if len(r.Changed) > 0 {
		heading = "CLASS\tDIRECTION\tWAS\tWOULD BE\tPASSAGES"
	}
	t := table.New(w, heading)
	order := func(a, b Change) int {
		return cmp.Or(cmp.Compare(r.Changed[b], r.Changed[a]), cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	}
	for _, c := range slices.SortedFunc(maps.Keys(r.Changed), order) {
		t.Row(c.Class, c.Direction, c.Was, c.Is, r.Changed[c])
		changed += r.Changed[c]
	}
	t.Flush()
	_, err := fmt.Fprintf(w, "passages=%d changed=%d not-replayable=%d not-by-policy=%d\n", r.Passages, changed, r.Erased, r.Others)
	return err
}

// Tell writes what was not replayed, and why; hidden is why some personal data cannot be read, or nil.
func (r Report) Tell(w io.Writer, hidden error) {
	if r.Began != "" {
		fmt.Fprintf(w, "this epoch of the ledger began on %s: passages of the one before are not replayed\n", r.Began)
	}
	if hidden != nil && r.Erased > 0 {
		fmt.Fprintf(w, "not all personal data can be read: %v\n", hidden)
	}
}
