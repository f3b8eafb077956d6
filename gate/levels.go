package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/gate/subject"
	"gated/ledger"
	"gated/register"
	"gated/register/levels"
)

// board has the notices of levels.
func (g *Gate) board() (b levels.Board) {
	g.opt.Register.View(func(s *register.State) { b = s.Levels })
	return b
}

// level is the level at which somebody is judged, and the entry of the notice that it rests on; 0: the settings.
func (g *Gate) level(who subject.Subject, r *Rules) (level string, notice int64) {
	building, _, _ := strings.Cut(who.Building, " ") // of several flats the first
	unit, _, _ := strings.Cut(who.Unit, " ")
	f, _ := g.board().At(building, unit)
	return cmp.Or(f.Level, r.Level), f.Notice
}

// changeLevels puts into force what notices say, in its time; each change is an entry first. The caller holds passage.
func (g *Gate) changeLevels() {
	if g.Fault() || !g.remembers() {
		return
	}
	at := g.clock.Now()
	now := g.clock.judge(at)
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
	events, err := draft(g.board(), g.clock.judge(at))
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

// Mark records that somebody is exempt, or watched, or no longer. Who waits is judged again.
func (g *Gate) Mark(events ...ledger.Event) (seq int64, err error) {
	g.passage.Lock()
	defer g.passage.Unlock()
	if !g.remembers() {
		return 0, ErrNotReady
	}
	for i := range events {
		events[i].Stamp, events[i].Kind = g.clock.Now(), register.Mark
	}
	entries, err := g.writing.Append(events...)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	g.desk.seen = state{}
	return entries[0].Seq, nil
}

// levelViews are the levels as the page shows them.
func (g *Gate) levelViews(zone *time.Location) []LevelView {
	b := g.board()
	inForce := []LevelView{{Notice: levels.Notice{Level: g.rules.Load().Level}, State: "in-force"}}
	var others, later []LevelView
	for _, n := range b.Notices {
		v := LevelView{n, "announced"}
		v.From, v.Until = in(n.From, zone), in(n.Until, zone)
		f, is := b.At(n.Place, n.Place)
		switch {
		case is && f.Notice == n.Entry && n.Place == "":
			v.State = "in-force"
			inForce[0] = v
		case is && f.Notice == n.Entry:
			v.State = "in-force"
			others = append(others, v)
		case n.From.IsZero():
			v.State = "prepared"
			later = append(later, v)
		default:
			later = append(later, v)
		}
	}
	return slices.Concat(inForce, others, later)
}

// missing are the levels in force that the policy has not.
func (g *Gate) missing() (faults []SetupFault) {
	p := g.rules.Load().Policy
	for _, f := range g.board().InForce {
		if !slices.Contains(p.Levels(), f.Level) {
			why := fmt.Sprintf("the policy %s has no level %q, which the notice entry %d puts into force: everybody there is on hold",
				p.Name(), f.Level, f.Notice)
			faults = append(faults, SetupFault{What: "level", Why: why})
		}
	}
	return faults
}

func in(t time.Time, zone *time.Location) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(zone)
}
