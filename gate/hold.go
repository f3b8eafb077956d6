package gate

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"gated/gate/duty"
	"gated/gate/left"
	"gated/gate/presentation"
	"gated/gate/ruling"
	"gated/ledger"
	"gated/policy"
)

// desk keeps the passages that wait for a guard. A hold neither blocks the lane nor is covered by the next scan.
type desk struct {
	holds map[string]*held
	// closed: the daemon ends. What still waits stays open in the ledger and is undecided-restart at the next start.
	closed bool
	seen   state // by which whoever waits was judged
}

// held is a passage that waits for a guard.
type held struct {
	passage
	in    presentation.Presentation // to judge it again by; nothing of it is kept any longer than it waits
	first int64                     // its entry when it began to wait
	until time.Time
	timer *time.Timer
	begun bool // a guard has begun to answer, and decides
}

const (
	maxHolds = 50 // more nobody can look through; then the oldest is left undecided
	// maxStated is how many may wait at a lane of whom nothing is known but what they state themselves: they could be many
	// with one picture, and push away those who are known.
	maxStated = 5
)

// waiting returns a hold of which something is so, if there is one.
func (d *desk) waiting(is func(*held) bool) *held {
	for _, h := range d.holds {
		if is(h) {
			return h
		}
	}
	return nil
}

// crowded tells whether there is room for another one like this only in the place of somebody else, and of whom: at a lane, those who
// merely state something give way to each other first.
func (d *desk) crowded(p *passage) (is bool, by func(h *held) bool) {
	stated := 0
	alike := func(h *held) bool { return h.lane == p.lane && p.states() && h.states() }
	for _, h := range d.holds {
		if alike(h) {
			stated++
		}
	}
	if stated >= maxStated || len(d.holds) >= maxHolds && stated > 0 {
		return true, alike
	}
	return len(d.holds) >= maxHolds, func(*held) bool { return true }
}

// oldest returns who has waited longest of some: of those whom no guard has begun to answer, and of those nobody knows, if there are any.
func (d *desk) oldest(of func(h *held) bool) (old *held) {
	rank := func(h *held) int { return map[bool]int{true: 2}[h.begun] + map[bool]int{true: 1}[h.who.Known] }
	for _, h := range d.holds {
		if of(h) && (old == nil || cmp.Or(rank(h)-rank(old), h.until.Compare(old.until)) < 0) {
			old = h
		}
	}
	return old
}

// park keeps a passage for the guard. Its check and query are on record; register follows when the guard decides,
// at its time limit as undecided, or at the next start as undecided-restart.
func (g *Gate) park(p *passage, in presentation.Presentation, limit time.Duration) {
	if crowded, by := g.desk.crowded(p); crowded {
		g.leaveUndecided(g.desk.oldest(by))
	}
	h := &held{passage: *p, in: in.Kept(), first: p.seq, until: p.at.Time.Add(limit)}
	h.timer = time.AfterFunc(limit, func() { g.expire(h) })
	g.desk.holds[p.id] = h
	g.page.desk(&g.desk)
}

// Decide registers what the guard decided about a hold, and opens if that was admit. The code that is still held up is no new one.
// What was decided by facts that are no longer so counts for nothing: the guard looks again. Under rules that ask the same it ends
// under those that it began with, which its entries name.
func (g *Gate) Decide(id string, r Ruling) (Outcome, error) {
	if err := r.Check(); err != nil {
		return Outcome{}, invalid("%v", err)
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	h := g.desk.holds[id]
	if h == nil {
		return Outcome{}, ErrNoHold
	}
	h.begun = true
	if changed, err := g.judgeAgain(h); err != nil {
		return g.fault(h.passage, err), nil
	} else if changed {
		return Outcome{}, ErrChanged
	}
	if h.refused && r.Verdict == policy.Admit && !ruling.IsUrgent(r.Reason) {
		return Outcome{}, invalid("the rules refuse them by now, %s: for an urgent need alone they are admitted, %s", h.decision.Reason,
			strings.Join(ruling.Urgent, " or "))
	}
	if err := g.counts(h, r); err != nil {
		return Outcome{}, err
	}
	answers, err := r.Answered(h.decision.Ask, g.actor())
	if err != nil {
		return Outcome{}, invalid("%v", err)
	}
	h.heads = r.Heads
	d, said := g.decision(r.Verdict, r.Reason, "guard", r.Note)
	for _, a := range answers {
		said = append(said, ledger.Field{Name: "answer_" + a.Question, Value: a.Value})
	}
	return g.settle(h, d, g.by.By(), said...)
}

// Answering says that a guard has begun to answer a hold, which the machine settles no more.
func (g *Gate) Answering(id string) error {
	g.passage.Lock()
	defer g.passage.Unlock()
	h := g.desk.holds[id]
	if h == nil {
		return ErrNoHold
	}
	h.begun = true
	return nil
}

// decision is what a guard decides, and who decided and why, as far as that stands sealed.
func (g *Gate) decision(verdict, reason, rule, note string) (d policy.Decision, sealed []ledger.Field) {
	d, sealed = policy.Decision{Verdict: verdict, Reason: reason, Rule: rule}, g.guard(note)
	if ruling.IsUrgent(reason) {
		d.Reason, sealed = ruling.UrgentNeed, append(sealed, ledger.Field{Name: "need", Value: reason})
	}
	return d, sealed
}

// settle writes the register event of a hold and takes it off the desk. A fault leaves it there.
func (g *Gate) settle(h *held, d policy.Decision, by string, personal ...ledger.Field) (Outcome, error) {
	h.desk = true
	p := h.passage
	p.at, p.decision, p.by = g.clock.Now(), d, by
	ev := p.registered()
	ev.Personal = append(ev.Personal, personal...)
	entries, err := g.writing.Append(ev)
	if err != nil {
		return g.fault(h.passage, err), nil
	}
	p.seq = entries[0].Seq
	if by != byMachine && !h.in.ByRoom() {
		g.remember(p, g.rules.Load().Repeat)
	} else if !h.in.ByRoom() { // whoever nobody decided about waits anew when they hold it up again, but not while they hold it up still
		g.read.Replace(p.key, p)
	}
	return g.leave(h, &p), nil
}

// leave takes a hold off the desk, and answers with what became of it.
func (g *Gate) leave(h *held, end *passage) Outcome {
	h.timer.Stop()
	delete(g.desk.holds, end.id)
	g.page.desk(&g.desk)
	return g.answer(end)
}

// expire registers a hold that nobody decided in time. While the ledger is in fault it stays on the desk and is tried again.
func (g *Gate) expire(h *held) {
	g.passage.Lock()
	defer g.passage.Unlock()
	if g.desk.holds[h.id] != h || g.desk.closed {
		return
	}
	if g.Fault() {
		h.timer.Reset(5 * time.Second)
		return
	}
	g.leaveUndecided(h)
}

// leaveUndecided registers a hold as undecided; in a fault it stays and its timer tries again.
func (g *Gate) leaveUndecided(h *held) {
	out, _ := g.settle(h, policy.Decision{Verdict: policy.Undecided, Reason: "undecided"}, byMachine)
	if out.Verdict == Fault {
		h.timer.Reset(5 * time.Second)
		return
	}
	g.page.left.Add(left.Somebody{Passage: h.id, Name: h.name, Room: h.room, Entry: out.Seq})
}

// actor is the name of who acts, as far as anyone said: of nobody in particular whoever signed on. The caller holds passage.
func (g *Gate) actor() string { return cmp.Or(g.by.Name, g.shift.Name()) }

// guard is who decided, as far as anyone said, and what they noted.
func (g *Gate) guard(note string) (fields []ledger.Field) {
	if name := g.actor(); name != "" {
		fields = append(fields, ledger.Field{Name: "guard", Value: name})
	}
	if note != "" {
		fields = append(fields, ledger.Field{Name: "note", Value: note})
	}
	return fields
}

// Find lists the people of a room, for a guard who looks for one without a code.
func (g *Gate) Find(room string) []Found {
	found := []Found{}
	for _, p := range g.opt.Roster.Snapshot().Find(room) {
		found = append(found, Found{ID: p.ID, Name: p.Name, Room: p.Household, Class: p.Class})
	}
	return found
}

// SignOn notes who is on duty from now on; see duty.Book.
func (g *Gate) SignOn(name string) error { return g.Shift().SignOn(duty.SignOn{Name: name}) }

// list is the holds, the longest waiting first.
func (d *desk) list() []Hold {
	holds := []Hold{}
	for _, h := range slices.SortedFunc(maps.Values(d.holds), func(a, b *held) int { return a.until.Compare(b.until) }) {
		holds = append(holds, Hold{Shown: h.shown(), Until: h.until, Ask: h.decision.Ask, Refused: h.refused})
	}
	return holds
}
