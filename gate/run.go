package gate

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"gated/clock"
	"gated/gate/writing"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// LedgerChanged is for ledger.Options.OnChange: it wakes Run, and must not wait for the ledger itself.
func (g *Gate) LedgerChanged(*ledger.Fault) {
	select {
	case g.wake <- struct{}{}:
	default:
	}
	g.page.changed()
}

// Run writes the start entry, then what the box has to say of itself, until ctx ends; then it waits for what is under
// way and writes the stop entry. Scans must have ended by then.
func (g *Gate) Run(ctx context.Context) error {
	hour := g.clock.Now().Time.Truncate(time.Hour)
	g.Begin()
	g.recordLost()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	now, doubt := g.clock.Read()
	if doubt != "" {
		g.log.Warn("the clock is not trusted: set it, then confirm it on the page or with gated clock confirm", "state", doubt)
	}
	low, lost := false, false
	for {
		select {
		case <-ctx.Done():
			return g.end()
		case <-g.wake:
			g.Begin()
			g.writing.WritePending()
			g.recordLost()
		case <-tick.C:
			g.Begin()
			var why string
			if now, why = g.clock.Read(); why != doubt {
				if doubt = why; why == "" {
					why = "clock-trusted"
				}
				g.writing.Record(ledger.Event{Stamp: now, Kind: register.Clock, Reason: why, By: byMachine})
				g.log.Warn("the clock's state changed", "state", why)
			}
			if h := now.Time.Truncate(time.Hour); h != hour {
				hour = h // of the wall clock, whatever it is worth: an auditor sees that the box was watching
				g.writing.Note(ledger.Event{Stamp: now, Kind: register.Alive, By: byMachine})
				g.lanes.GoOnByHand(now)
			}
			g.lanes.RecordDevices(now)
			if is := g.opt.Free != nil && g.opt.Free() < g.rules.Load().MinFree; is != low {
				if low = is; low {
					g.log.Warn("little space is left for the state directory: when none is left nothing can be recorded, and nothing opens",
						"free_bytes", g.opt.Free())
				}
			}
			was := lost
			if lost = g.RosterFault(); lost && !was {
				g.log.Error("roster-fault: the ledger knows another roster than the one that is here, so everybody is on hold: " +
					"put roster.db back from the backup, or say with \"gated roster accept\" that this one counts")
			}
			g.writing.WritePending()
			g.recordLost()
			g.review()
			g.shift.Look() // tried again each second
			g.page.changed()
		}
	}
}

// end waits for what is under way and writes the stop entry.
func (g *Gate) end() error {
	g.passage.Lock()
	g.desk.closed = true
	g.passage.Unlock()
	g.work.Wait()
	err := g.writing.End(ledger.Event{Kind: ledger.Stop, By: byMachine})
	switch {
	case errors.Is(err, writing.ErrNotBegun):
		return nil
	case errors.Is(err, ledger.ErrFault): // said already; the next start tells from the gap
		g.log.Error("stopped in a fault: no stop entry")
		return nil
	}
	return err
}

// Begin writes the start entry and settles what the last run, or a fault, has left open. It does nothing while the ledger
// is in fault, and once it is done. Run calls it each second; called before anybody can ask, nobody is turned away.
func (g *Gate) Begin() {
	if g.opt.Ledger.Fault() != nil {
		return
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	now := g.clock.Now()
	var events []ledger.Event
	if !g.writing.Begun() {
		rules := g.rules.Load()
		after := "first"
		g.opt.Register.View(func(s *register.State) {
			switch {
			case s.Running:
				after = "crash" // power lost or killed: no stop entry
			case s.Size > 0:
				after = "stop"
			}
			g.clock.Remember(s.Trusted)
		})
		var doubt string
		now, doubt = g.clock.Read()
		people := g.opt.Roster.Snapshot()
		m := g.opt.Ledger.Meta() // its gate and zone stand in no hash but that of an entry which names them
		events = append(events, ledger.Event{Stamp: now, Kind: ledger.Start, By: byMachine,
			Policy: rules.Policy.Hash(), Roster: people.Version(), Detail: map[string]string{
				"version": g.opt.Version, "after": after, "level": rules.Level, "gate": m.Gate, "time_zone": m.TimeZone, "master": m.Master,
				register.TripDays: strconv.Itoa(rules.Policy.LongestTripDays()), register.BothDirections: yesNo[g.ask.Both],
				register.InsideFor:    rules.InsideFor.String(),
				register.RosterChange: strconv.FormatInt(max(people.Change(), 0), 10), "clock": cmp.Or(doubt, "clock-trusted")}})
	}
	g.opt.Register.View(func(s *register.State) {
		for _, id := range slices.Sorted(maps.Keys(s.Open)) {
			if _, waits := g.desk.holds[id]; waits || len(events) >= 200 {
				continue
			}
			p, reason := s.Open[id], "undecided-fault"
			if p.First <= g.start || !g.writing.Begun() {
				reason = "undecided-restart"
			}
			events = append(events, ledger.Event{Stamp: now, Kind: register.Decided, Passage: id, Lane: p.Lane, Direction: p.Direction,
				Class: p.Class, Verdict: policy.Undecided, Reason: reason, By: byMachine})
		}
	})
	if len(events) == 0 {
		return
	}
	first := !g.writing.Begun()
	entries, err := g.writing.Append(events...)
	if err != nil {
		g.log.Error("start not recorded", "err", err)
		return
	}
	if first {
		g.start = entries[0].Seq
	}
	g.page.changed()
}

// SetRules takes new rules into force from the next passage on and records which.
func (g *Gate) SetRules(r Rules) {
	g.passage.Lock()
	defer g.passage.Unlock()
	old := g.rules.Swap(&r)
	now, days := g.clock.Now(), strconv.Itoa(r.Policy.LongestTripDays())
	if was := old.Policy.Hash(); was != r.Policy.Hash() {
		g.writing.Record(ledger.Event{Stamp: now, Kind: register.Policy, By: byMachine, Policy: r.Policy.Hash(),
			Detail: map[string]string{"was": was, register.TripDays: days}})
	}
	if was := old.Level; was != r.Level {
		g.writing.Record(ledger.Event{Stamp: now, Kind: register.Level, By: byMachine, Reason: r.Level,
			Detail: map[string]string{"was": was, register.TripDays: days}})
	}
	g.changeLevels()
	g.writing.Record(ledger.Event{Stamp: now, Kind: register.Settings, Reason: "reloaded", By: byMachine,
		Detail: map[string]string{register.InsideFor: r.InsideFor.String()}})
	g.page.changed()
}

// Rules are those in force.
func (g *Gate) Rules() Rules { return *g.rules.Load() }

// RosterChanged stamps and records a change of the roster. It is in force already: in a fault its entry follows.
func (g *Gate) RosterChanged(ev ledger.Event) {
	ev.Stamp = g.clock.Now()
	g.writing.Record(ev)
	g.page.changed()
}

// RosterFault tells whether the ledger knows of a newer roster than the one that is here: it was lost, it cannot be read, or an
// older copy was put in its place, or may have been while it is open. Who was revoked is not known then. A change is in the roster
// before it is in the ledger, and read behind it.
func (g *Gate) RosterFault() (is bool) {
	known := int64(0)
	g.opt.Register.View(func(s *register.State) { known = s.Roster })
	return g.opt.Roster.Lost() || g.opt.Roster.Snapshot().Change() < known
}

// Clock is what the box's clock says, and why that is not trusted; "": it is.
func (g *Gate) Clock() (now time.Time, why string) {
	s, why := g.clock.Read()
	return s.Time, why
}

// Append stamps and appends an event of the box that must be durable before what it tells of is done.
func (g *Gate) Append(ev ledger.Event) error {
	ev.Stamp = g.clock.Now()
	_, err := g.writing.Append(ev)
	return err
}

// demand appends what a person asked for, who is told where that failed.
func (g *Gate) demand(events ...ledger.Event) error {
	_, err := g.writing.Demand(events...)
	return err
}

// ConfirmClock records that somebody compared the clock with a watch, and trusts it from then on.
func (g *Gate) ConfirmClock(by string) error {
	s, back := g.clock.Confirm()
	if s.Time.Before(clock.Released) {
		return invalid("the clock says %s, before this software was made: set it first", s.Time.Format(time.DateOnly))
	}
	ev := ledger.Event{Stamp: s, Kind: register.Clock, Reason: "clock-confirmed", By: g.by.By()}
	if back {
		ev.Reason = "clock-corrected"
	}
	g.opt.Register.View(func(st *register.State) {
		if was := st.Trusted.Time; !was.IsZero() {
			ev.Detail = map[string]string{"was": was.Format(time.RFC3339)}
		}
	})
	if by != "" {
		ev.Personal = []ledger.Field{{Name: "by", Value: by}}
	}
	if err := g.demand(ev); err != nil {
		return err
	}
	g.clock.Confirmed(s)
	g.page.changed()
	return nil
}

// Ready tells whether the gate answers: the start entry is written and no fault is on. The watchdog asks Alive instead.
func (g *Gate) Ready() bool { return g.writing.Begun() && g.opt.Ledger.Fault() == nil }

// Fault tells whether the ledger cannot be used.
func (g *Gate) Fault() bool { return g.opt.Ledger.Fault() != nil }

// Alive returns once the gate has gone through its lock, or with ctx's error: a gate that is stuck fails the watchdog.
// One that waits for a disk is not stuck: to kill it would take the emergency key away.
func (g *Gate) Alive(ctx context.Context) error {
	for !g.passage.TryLock() {
		select {
		case <-ctx.Done():
			if g.Fault() {
				return nil
			}
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	g.passage.Unlock()
	return nil
}
