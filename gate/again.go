package gate

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"gated/ledger"
	"gated/policy"
	"gated/roster"
)

// state is what whoever waits is judged by. Where it is the same, so is what is asked about them.
type state struct {
	rules              *Rules
	people             *roster.Snapshot
	trusted, ready, ok bool
	minute             time.Time // codes begin and end to be good
	level              int64     // the newest entry of one
}

// review puts into force the levels that are due, and judges again whoever waits, where something has changed since the last time.
// Run calls it each second; the code shown again, and the guard's decision, wait for no second.
func (g *Gate) review() {
	g.passage.Lock()
	defer g.passage.Unlock()
	g.changeLevels()
	at := g.clock.Now()
	now := state{g.rules.Load(), g.opt.Roster.Snapshot(), at.Trusted, g.opt.Register.Ready(), !g.RosterFault(),
		g.clock.Judge(at).Truncate(time.Minute), g.board().Change}
	if now == g.desk.seen || g.desk.closed || g.Fault() {
		return
	}
	g.desk.seen = now
	if _, err := g.judgeAgain(slices.Collect(maps.Values(g.desk.holds))...); err != nil {
		g.desk.seen = state{}
	}
}

// judgeAgain takes the place of each hold that is no longer what it was with another: the same person waits on, as a passage of its
// own, so that the ledger tells what the guard saw, and when. Whom the rules admit now goes through if nobody has come to their lane
// since and no guard has begun to answer; then the others are judged after them, in a second. Else it stays a hold whatever the rules
// say now: nobody need stand at the barrier. A fault changes nothing.
func (g *Gate) judgeAgain(holds ...*held) (changed bool, err error) {
	m := g.moment()
	var events []ledger.Event
	var olds, news []passage
	var which []*held
	var through bool
	for _, h := range holds {
		m.came = h.in.came
		p, check := g.judge(h.lane, h.in, h.in.check(m.rules.Trust, g.clock.Judge(m.at)), m)
		if h.unchanged(&p) {
			continue
		}
		if through = p.decision.Verdict == policy.Admit && !h.begun && h.lane.shows(h.id); !through {
			p.decision.Verdict, p.desk = policy.Hold, true
		}
		p.again = true
		old, ended := h.superseded(&p)
		events = append(append(events, ended), p.events(check)...) // three of each, four of the last where it goes through
		which, olds, news = append(which, h), append(olds, old), append(news, p)
		if through {
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
	for i, h := range which {
		olds[i].seq, news[i].seq = entries[3*i].Seq, entries[3*i+2].Seq
		delete(g.desk.holds, h.id)
		if through && i == len(which)-1 {
			h.timer.Stop()
			news[i].seq, g.desk.seen = entries[3*i+3].Seq, state{}
			g.read.Remember(news[i].key, news[i], m.rules.Repeat, time.Now())
			g.answer(&olds[i])
			g.answer(&news[i])
			continue
		}
		h.passage = news[i]
		h.again = false // what it is answered from now on, somebody has asked
		g.desk.holds[h.id] = h
		h.lane.replace(olds[i].id, h.shown())
		g.answer(&olds[i])
		g.answer(&news[i])
	}
	g.page.desk(&g.desk)
	return true, nil
}

// sameAs tells whether a passage is of the same code, or of the person whom the guard found by room, as one that waits. A code whose
// issuer is trusted no longer is known by its text only.
func (h *held) sameAs(p *passage, in presented) bool {
	switch {
	case h.lane != p.lane:
		return false
	case in.source == byRoom:
		return h.who.ID == p.who.ID && h.name != ""
	}
	return h.key == p.key || h.in.source == in.source && bytes.Equal(h.in.text, in.text)
}

// unchanged tells whether the guard would see and ask the same now. The verdict does not count: one that waits is a hold.
func (h *held) unchanged(now *passage) bool {
	was, is := h.facts, now.facts
	return h.who == now.who && h.next == now.next && h.name == now.name && h.room == now.room && h.decision.Reason == now.decision.Reason &&
		h.decision.Rule == now.decision.Rule && h.decision.Ask.Same(now.decision.Ask) && was.Valid == is.Valid &&
		was.Reason == is.Reason && was.Health == is.Health
}

// superseded is how a hold ends that is judged again, as the passage next, and its register event.
func (h *held) superseded(next *passage) (old passage, ev ledger.Event) {
	old = h.passage
	old.at, old.by, old.desk = next.at, byMachine, true
	old.decision = policy.Decision{Verdict: policy.Undecided, Reason: "undecided-changed"}
	ev = old.registered()
	ev.Detail = map[string]string{"next": next.id}
	return old, ev
}
