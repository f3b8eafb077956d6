package gate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gated/gate/query"
	"gated/ledger"
	"gated/register"
	"gated/register/hosts"
	"gated/register/levels"
	"gated/register/marks"
)

// board has the notices of levels.
func (g *Gate) board() (b levels.Board) {
	g.opt.Register.View(func(s *register.State) { b = s.Levels })
	return b
}

// changeLevels puts into force what notices say, in its time; each change is an entry first. The caller holds passage.
func (g *Gate) changeLevels() {
	if g.Fault() || !g.remembers() {
		return
	}
	at := g.clock.Now()
	now := g.clock.Judge(at)
	due := g.board().Due(now, g.rules.Load().Level)
	if len(due) == 0 || now.IsZero() { // no time was ever trusted
		return
	}
	for i := range due {
		due[i].Stamp, due[i].Kind, due[i].By = at, register.Level, byMachine
	}
	if _, err := g.writing.Append(due...); err != nil {
		return // in a second again
	}
	for _, ev := range due {
		g.log.Info("another level is in force", "level", ev.Reason, "was", ev.Detail["was"], "place", ev.Detail["place"], "notice", ev.Ref)
	}
	g.page.changed()
}

// Announce records what draft makes of the notices that there are, and puts into force what counts at once.
func (g *Gate) Announce(draft func(b levels.Board, now time.Time) ([]ledger.Event, error)) (seq int64, err error) {
	g.passage.Lock()
	defer g.passage.Unlock()
	if !g.remembers() {
		return 0, ErrNotReady
	}
	at := g.clock.Now()
	now := g.clock.Judge(at)
	if now.IsZero() {
		return 0, invalid("the clock was never trusted, so nobody knows when it begins: set it, then \"gated clock confirm\"")
	}
	events, err := draft(g.board(), now)
	if err != nil {
		return 0, err
	}
	for i := range events {
		events[i].Stamp, events[i].Kind = at, register.Notice
	}
	entries, err := g.writing.Append(events...)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	g.changeLevels()
	g.page.changed()
	return entries[len(entries)-1].Seq, nil
}

// NoticeText is what the notice of a level says, by its entry; it may wait for the disk.
func (g *Gate) NoticeText(entry int64) (text string, err error) {
	if _, found := g.board().Notice(entry); !found {
		return "", invalid("no notice with the entry %d counts or will", entry)
	}
	if text, err = g.ask.NoticeText(entry); err != nil {
		err = fmt.Errorf("%w: %w", ErrLedger, err)
	}
	return text, err
}

// Mark records that somebody is exempt, or watched, or no longer; or, of the kind register.Host, what a host says. Who waits is judged
// again.
func (g *Gate) Mark(events ...ledger.Event) (seq int64, err error) {
	g.passage.Lock()
	defer g.passage.Unlock()
	if !g.remembers() {
		return 0, ErrNotReady
	}
	var list marks.List
	var said hosts.List
	g.opt.Register.View(func(s *register.State) { list, said = s.Marks, s.Hosts })
	for i := range events {
		ev := &events[i]
		ev.Stamp, ev.Kind = g.clock.Now(), cmp.Or(ev.Kind, register.Mark)
		known := ev.Ref == 0 || ev.Kind == register.Mark && slices.ContainsFunc(list, func(m marks.Mark) bool { return m.Entry == ev.Ref })
		if !known && !(ev.Kind == register.Host && slices.ContainsFunc(said, func(i hosts.Instruction) bool { return i.Entry == ev.Ref })) {
			return 0, invalid("entry %d marks nobody: it has ended already, was erased, or never did", ev.Ref)
		}
	}
	entries, err := g.writing.Append(events...)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	g.desk.seen = state{}
	return entries[0].Seq, nil
}

// Instruct records what a host says of whoever comes, once for all, or that it says so no more.
func (g *Gate) Instruct(says Hosting) (seq int64, err error) {
	ev, known, err := says.Event(g.opt.Roster.Snapshot())
	if err != nil {
		return 0, invalid("%v", err)
	} else if !known {
		return 0, ErrNoHost
	}
	ev.By = g.by.By()
	if name := g.actor(); name != "" {
		ev.Personal = append(ev.Personal, ledger.Field{Name: "by", Value: name})
	}
	return g.Mark(ev)
}

// away are those who are out on a trip that has a time to be back, without their names.
func (g *Gate) away() []query.Away { return g.ask.Away(g.opt.Roster.Snapshot(), g.query(g.moment())) }

// Plan tells what a level would overturn in a place (empty: the compound) at a time (zero: now). That somebody looks is recorded first.
func (g *Gate) Plan(level, place, by string, at time.Time) ([]query.Overturned, error) {
	if err := g.looks("level-plan", by, map[string]string{"level": level}); err != nil {
		return nil, err
	}
	return g.ask.Plan(g.opt.Roster.Snapshot(), level, place, at, g.query(g.moment()))
}

// looks records that somebody is shown who people are; by says to whom, where that is not the guard at the page.
func (g *Gate) looks(at, by string, detail map[string]string) error {
	if !g.remembers() {
		return ErrNotReady
	}
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Export, Reason: at, By: g.by.By(), Detail: detail}
	if by = cmp.Or(by, g.by.Name, g.View().Duty); by != "" {
		ev.Personal = []ledger.Field{{Name: "by", Value: by}}
	}
	return g.demand(ev)
}

// Trips are those who are out on a trip that has a time to be back, or those who are overdue. That somebody looks is recorded first;
// by says who, where that is not the guard at the page.
func (g *Gate) Trips(overdue bool, by string) ([]query.Away, error) {
	if err := g.looks("trips", by, nil); err != nil {
		return nil, err
	}
	list := g.away()
	if overdue {
		list = query.Overdue(list)
	}
	return list, g.ask.Name(g.opt.Roster.Snapshot(), list)
}
