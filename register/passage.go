package register

import (
	"cmp"
	"strconv"
	"time"

	"gated/ledger"
	"gated/register/byhand"
	"gated/register/index"
	"gated/register/paper"
	"gated/register/presence"
	"gated/register/visits"
)

// Passage is one attempt to pass, as its newest event left it.
type Passage = index.Passage

// Begins tells whether a passage can begin with the entry: with its check, or with its opening by the emergency key.
func Begins(e *ledger.Entry) bool { return e.Kind == Check || e.Kind == Opening && e.Verdict != "" }

// AddEvent adds one event to a passage.
func AddEvent(p *Passage, e *ledger.Entry) {
	if p.First == 0 {
		p.ID, p.First, p.At, p.Day = e.Passage, e.Seq, e.At, e.At.Format(time.DateOnly)
	}
	p.Last = e.Seq
	p.Lane, p.Direction = cmp.Or(e.Lane, p.Lane), cmp.Or(e.Direction, p.Direction)
	p.Class, p.Credential = cmp.Or(e.Class, p.Class), cmp.Or(e.Credential, p.Credential)
	if e.Verdict != "" && e.Kind != Check {
		p.Verdict, p.Reason, p.By, p.Decided = e.Verdict, e.Reason, e.By, e.At
	}
	if e.Kind == Opening && e.Verdict != "" {
		p.Emergency = true // the only opening that is itself a verdict
	}
}

// Reasons of what a guard says of a passage afterwards.
const (
	DidNotGoThrough = "did-not-go-through" // a correction
	WentThrough     = "went-through"       // and this and the next two: of somebody on whom nobody had decided
	TurnedAway      = "turned-away"
	Unseen          = "unseen"
	Corrected       = "corrected" // the register entry of the passage that is right instead
)

// Where is the detail of a correction that says where the person is then: of one that takes an admission back, without which nobody
// knows; and of one of somebody who went through, and has passed once more since.
const Where = "whereabouts"

// Came is the detail of a hold, and of an entry that says that somebody went through on one, by when they came, as far as the clock was
// trusted: it counts as of then.
const Came = "came"

// First and Began are details of a correction that may come long after its passage, which nobody remembers then: its first entry, and
// when that was.
const (
	First = "first"
	Began = "began"
)

// begun is the passage of an entry that says how that began.
func begun(e *ledger.Entry) (p Passage, is bool) {
	first, err1 := strconv.ParseInt(e.Detail[First], 10, 64)
	at, err2 := time.Parse(time.RFC3339Nano, e.Detail[Began])
	at = at.In(e.At.Location())
	return Passage{ID: e.Passage, First: first, At: at, Day: at.Format(time.DateOnly)}, err1 == nil && err2 == nil
}

// Moves tells whether the entry says that somebody moved, and where they are then: "inside" or "outside", or "" where nobody knows.
// It goes by what was permitted: whether they went through is told by a passage sensor, where there is one.
func Moves(e *ledger.Entry) (where string, ok bool) {
	switch {
	case e.Direction != "in" && e.Direction != "out":
		return "", false
	case TakesBack(e), Afterwards(e) && e.Detail[Where] != "":
		return e.Detail[Where], true
	case e.Kind == Decided && e.Verdict == "admit", Afterwards(e):
		return map[string]string{"in": "inside", "out": "outside"}[e.Direction], true
	}
	return "", false
}

// moves is Moves for the state.
func moves(e *ledger.Entry) (at presence.Place, ok bool) {
	where, ok := Moves(e)
	at = presence.Of(e, where, PassedBy(e))
	at.Back = TakesBack(e)
	return at, ok
}

// PassedBy is by when somebody had passed whom an entry moves; zero: no trusted clock has told.
func PassedBy(e *ledger.Entry) (at time.Time) {
	if at = Passed(e); at.IsZero() && e.Clock == "trusted" {
		at = e.At
	}
	return at
}

// Passed is when somebody passed whom an entry moves; zero: nobody knows, as the clock was not trusted, or since it is not of their newest
// passing.
func Passed(e *ledger.Entry) (at time.Time) {
	if TakesBack(e) || e.Detail[Where] != "" {
		return at
	} else if at = came(e); at.IsZero() && e.Clock == "trusted" {
		at = e.At
	}
	return at
}

// came is when somebody came whom an entry tells of afterwards; zero: it does not say.
func came(e *ledger.Entry) time.Time {
	if at, err := time.Parse(time.RFC3339, e.Detail[Came]); err == nil && Afterwards(e) {
		return at.In(e.At.Location())
	}
	return time.Time{}
}

// Afterwards tells whether the entry says that somebody went through whom nobody had admitted until then.
func Afterwards(e *ledger.Entry) bool {
	was := e.Detail["was"]
	return e.Kind == Correction && e.Verdict == "admit" && (was == "undecided" || was == "refuse")
}

// TakesBack tells whether the entry says that an admission, which it names, did not happen.
func TakesBack(e *ledger.Entry) bool { return e.Kind == Correction && e.Detail["was"] == "admit" }

// elsewhere tells whether an erasure was one in an older epoch: first and last are entries of that.
func elsewhere(e *ledger.Entry) bool { return e.Detail["epoch"] != "" }

// Recovered is for ledger.Options: its events take back the verdicts of a commit that failed and is there all the same. The lane was
// answered fault and nothing opened: what the entries say did not happen. A hold that a guard tried to decide waits again, and a lane
// that a guard tried to open for a time was not opened. An opening by the emergency key did happen: that does not wait for its entry.
func (r *Register) Recovered(kept []ledger.Entry, now ledger.Stamp) []ledger.Event {
	events := takenBack(kept, now)
	var refs []int64
	for i := range events {
		refs = append(refs, events[i].Ref)
	}
	for i := range events {
		if ev := &events[i]; ev.Detail["was"] == "admit" {
			where, err := r.Without(ev.Personally("subject"), refs...)
			if err != nil {
				r.opt.Log.Warn("where somebody was before a commit that failed is not known", "cause", err)
			} else if where != "" {
				ev.Detail[Where] = where
			}
		}
	}
	return events
}

// takenBack are the events of Recovered, but for where somebody is then.
func takenBack(kept []ledger.Entry, now ledger.Stamp) (events []ledger.Event) {
	begun := map[string]bool{} // passages whose first event is among them
	taken := map[int64]bool{}  // those that were taken back, by a commit that failed and is there as well
	said := map[string]bool{}  // those of which a guard said afterwards who went through
	for i := range kept {
		e := &kept[i]
		if (e.Kind == Correction || e.Kind == ByHand) && e.Reason == byhand.NeverWas {
			taken[e.Seq], taken[e.Ref] = true, true
		}
		said[e.Passage] = said[e.Passage] || e.Kind == Decided && e.Ref != 0
	}
	for i := range kept {
		e := &kept[i]
		begun[e.Passage] = begun[e.Passage] || e.Kind == Check
		if e.Kind == ByHand && e.Ref == 0 && !taken[e.Seq] {
			events = append(events, byhand.Of(e).Told(now, byhand.NeverWas, byhand.Uncounted))
		}
		if e.Passage == "" || e.Verdict == "" || e.Kind == Check || e.Kind == Opening || taken[e.Seq] {
			continue
		}
		if said[e.Passage] || paper.ByHand(e) || TakesBack(e) ||
			e.Kind == Correction && (e.Detail["was"] == "undecided" || e.Reason == WentThrough || e.Reason == Unseen) {
			// What a guard said afterwards, or did by hand, and what stood on paper: that opens nothing, and is so.
			continue
		}
		c := ledger.Event{Stamp: now, Kind: Correction, Passage: e.Passage, Lane: e.Lane, Direction: e.Direction, Class: e.Class,
			Verdict: "refuse", Reason: "answered-fault", By: "machine", Ref: e.Seq,
			Detail: visits.Of(e, map[string]string{"was": e.Verdict})}
		if e.Kind == Decided && !begun[e.Passage] {
			c.Verdict = "hold"
		}
		for _, f := range e.Personal {
			if f.Name == "subject" || f.Name == "household" {
				c.Personal = append(c.Personal, f)
			}
		}
		events = append(events, c)
	}
	return events
}
