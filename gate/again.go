package gate

import (
	"maps"
	"slices"
	"time"

	"gated/gate/presentation"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/roster"
)

// state is what whoever waits is judged by. Where it is the same, so is what is asked about them.
type state struct {
	rules              *Rules
	people             *roster.Snapshot
	trusted, ready, ok bool
	whole              bool      // visits are known
	minute             time.Time // codes begin and end to be good
	level              int64     // the newest entry of one
}

// review puts into force the levels that are due, and judges again whoever waits, where something has changed since the last time.
// Run calls it each second; the code shown again, and the guard's decision, wait for no second.
func (g *Gate) review() {
	g.nameVisitors()
	g.passage.Lock()
	defer g.passage.Unlock()
	g.changeLevels()
	at := g.clock.Now()
	now := state{g.rules.Load(), g.opt.Roster.Snapshot(), at.Trusted, g.opt.Register.Ready(), !g.RosterFault(), g.opt.Register.Whole(),
		g.clock.Judge(at).Truncate(time.Minute), g.board().Change}
	if now == g.desk.seen || g.desk.closed || g.Fault() {
		return
	}
	g.desk.seen = now
	if _, err := g.judgeAgain(slices.Collect(maps.Values(g.desk.holds))...); err != nil {
		g.desk.seen = state{}
	}
}

// nameVisitors looks for the visits of those who wait since they were not known when they came. To look may wait for the disk, for which no
// lane waits.
func (g *Gate) nameVisitors() {
	g.passage.Lock()
	waiting := map[*held]presentation.Presentation{}
	for _, h := range g.desk.holds {
		if h.in.Visitor == nil && h.decision.Reason == rebuilding {
			waiting[h] = h.in
		}
	}
	g.passage.Unlock()
	m := g.moment()
	for h, in := range waiting {
		visitor := g.ask.Visitor(g.opt.Roster.Snapshot(), in.Check(g.trust(m.rules), g.clock.Judge(m.at)))
		g.passage.Lock()
		h.in.Visitor = visitor
		g.passage.Unlock()
	}
}

// judgeAgain takes the place of each hold that is no longer what it was with another: the same person waits on, as a passage of its
// own, so that the ledger tells what the guard saw, and when. Unless a guard has begun to answer, whom the rules refuse now is refused,
// and whom they admit goes through, if they stand at the barrier still, and have passed nowhere since; then the others are judged after
// them, in a second. A fault changes nothing.
func (g *Gate) judgeAgain(holds ...*held) (changed bool, err error) {
	m := g.moment()
	var events []ledger.Event
	var again []judgedAgain
	for _, h := range holds {
		m.came = h.came
		p, check := g.judge(h.lane, h.in, h.in.Check(g.trust(m.rules), g.clock.Judge(m.at)), m)
		if h.unchanged(&p) {
			continue
		}
		stands := h.lane.Stands(h.id) && !g.movedSince(h.who.ID, h.first)
		if h.begun || p.decision.Verdict == policy.Admit && !stands {
			p.decision = p.decision.Held()
		}
		p.desk, p.again = !stands || p.decision.Verdict == policy.Hold, true
		old, ended := h.superseded(&p)
		first := len(events)
		events = append(append(events, ended), p.events(check)...)
		again = append(again, judgedAgain{h, old, p, first, len(events) - 1})
		if p.decision.Verdict == policy.Admit {
			break
		}
	}
	if len(events) == 0 {
		return false, nil
	}
	entries, err := g.writing.Append(events...)
	if err != nil {
		return false, err
	}
	for _, a := range again {
		h := a.held
		a.old.seq, a.now.seq = entries[a.first].Seq, entries[a.last].Seq
		delete(g.desk.holds, h.id)
		h.lane.Replace(a.old.id, a.now.shown())
		if a.now.decision.Verdict == policy.Hold {
			h.passage = a.now
			h.again = false // what it is answered from now on, somebody has asked
			g.desk.holds[h.id] = h
			g.read.Replace(h.key, h.passage)
		} else {
			h.timer.Stop()
			g.desk.seen = state{}
			g.remember(a.now, m.rules.Repeat)
		}
		g.answer(&a.old)
		g.answer(&a.now)
	}
	g.page.desk(&g.desk)
	return true, nil
}

// judgedAgain is a hold, how it ended, and what it is now, with their newest entries' places among what is recorded.
type judgedAgain struct {
	*held
	old, now    passage
	first, last int
}

// sameAs tells whether a passage is of the same code, or of the person whom the guard found by room, as one that waits. A code whose
// issuer is trusted no longer is known by its text only.
func (h *held) sameAs(p *passage, in presentation.Presentation) bool {
	switch {
	case h.lane != p.lane:
		return false
	case in.ByRoom():
		return h.who.ID == p.who.ID && h.who.Visit == p.who.Visit && (h.name != "" || h.who.Visit != "")
	}
	return h.key == p.key || h.in.Same(in)
}

// unchanged tells whether the guard would see and ask the same now, and may admit. The verdict does not count: one that waits is a hold.
func (h *held) unchanged(now *passage) bool {
	was, is := h.facts, now.facts
	return h.who == now.who && h.next == now.next && h.name == now.name && h.room == now.room && h.decision.Reason == now.decision.Reason &&
		h.decision.Rule == now.decision.Rule && h.refused == now.refused && h.decision.Ask.Same(now.decision.Held().Ask) &&
		was.Valid == is.Valid && was.Reason == is.Reason && was.Health == is.Health
}

// superseded is how a hold ends that is judged again, as the passage next, and its register event.
func (h *held) superseded(next *passage) (old passage, ev ledger.Event) {
	old = h.passage
	old.at, old.by, old.desk = next.at, byMachine, true
	old.decision = policy.Decision{Verdict: policy.Undecided, Reason: register.Superseded}
	ev = old.registered()
	ev.Detail = map[string]string{"next": next.id}
	maps.Copy(ev.Detail, old.visit()) // it is kept as long as what else there is of the visit
	return old, ev
}

// movedSince tells whether somebody has passed, or what they passed was put right, since an entry.
func (g *Gate) movedSince(id string, entry int64) (yes bool) {
	g.opt.Register.View(func(s *register.State) { yes = s.Place(id).Seq > entry })
	return yes
}
