package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gated/ledger"
	"gated/policy"
)

// scannerEvery is how often at most a lane's scanner going up and down is recorded.
const scannerEvery = 10 * time.Second

// LedgerChanged is for ledger.Options.OnChange: it wakes Run, and must not wait for the ledger itself.
func (g *Gate) LedgerChanged(*ledger.Fault) {
	select {
	case g.wake <- struct{}{}:
	default:
	}
	g.screen.changed()
}

// Run writes the start entry, then what the box has to say of itself, until ctx ends; then it waits for what is under
// way and writes the stop entry. Scans must have ended by then.
func (g *Gate) Run(ctx context.Context) error {
	g.begin()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	now, doubt := g.clock.read()
	hour := now.Time.Truncate(time.Hour)
	for {
		select {
		case <-ctx.Done():
			g.passage.Lock()
			g.desk.closed = true
			g.passage.Unlock()
			g.work.Wait()
			g.pay()
			if !g.begun.Load() {
				return nil
			}
			_, err := g.opt.Ledger.Append(ledger.Event{Stamp: g.clock.Now(), Kind: ledger.Stop, By: "machine"})
			return err
		case <-g.wake:
			g.begin()
			g.pay()
		case <-tick.C:
			g.begin()
			var why string
			if now, why = g.clock.read(); why != doubt {
				if doubt = why; why == "" {
					why = "clock-trusted"
				}
				g.note(ledger.Event{Stamp: now, Kind: ledger.Clock, Reason: why})
				g.log.Warn("the clock's state changed", "state", why)
			}
			// The hour is the monotonic clock's business only in so far as the box must be seen to watch.
			if h := now.Time.Truncate(time.Hour); h != hour {
				hour = h
				g.note(ledger.Event{Stamp: now, Kind: ledger.Alive})
			}
			g.noteScanners(now)
			if low := g.opt.Free != nil && g.opt.Free() < g.rules.Load().MinFree; low != g.screen.low {
				if g.screen.low = low; low {
					g.log.Warn("little space is left for the state directory: when none is left nothing can be recorded, and nothing opens", "free_bytes", g.opt.Free())
				}
			}
			g.pay()
			g.screen.changed()
		}
	}
}

// note records what the box says of itself. In fault it is left out: the outage entry covers the time.
func (g *Gate) note(ev ledger.Event) bool {
	ev.By = "machine"
	if _, err := g.opt.Ledger.Append(ev); err != nil {
		if !errors.Is(err, ledger.ErrFault) {
			g.log.Error("not recorded", "kind", ev.Kind, "err", err)
		}
		return false
	}
	g.clock.passed(ev.Stamp)
	return true
}

// begin writes the start entry and settles what the last run, or a fault, has left open. It does nothing while the
// ledger is in fault and once it is done.
func (g *Gate) begin() {
	if g.opt.Ledger.Fault() != nil {
		return
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	now := g.clock.Now()
	var events []ledger.Event
	reason := "abandoned-fault"
	if !g.begun.Load() {
		reason = "abandoned-restart"
		rules := g.rules.Load()
		after := ""
		g.opt.Ledger.View(func(s *ledger.State) { after = string(s.Kind); g.clock.Remember(s.Trusted) })
		now = g.clock.Now()
		events = append(events, ledger.Event{Stamp: now, Kind: ledger.Start, By: "machine", Policy: rules.Policy.Hash(), Roster: g.opt.Roster.Snapshot().Version(),
			Detail: map[string]string{"version": g.opt.Version, "after": after, "level": rules.Level}})
	}
	g.opt.Ledger.View(func(s *ledger.State) {
		for _, id := range slices.Sorted(maps.Keys(s.Open)) {
			if _, waits := g.desk.holds[id]; waits || len(events) >= 200 {
				continue
			}
			p := s.Open[id]
			events = append(events, ledger.Event{Stamp: now, Kind: ledger.Register, Passage: id, Lane: p.Lane, Direction: p.Direction, Class: p.Class,
				Verdict: policy.Refuse, Reason: reason, By: "machine"})
		}
	})
	if len(events) == 0 {
		return
	}
	if _, err := g.opt.Ledger.Append(events...); err != nil {
		g.log.Error("start not recorded", "err", err)
		return
	}
	g.clock.passed(now)
	g.begun.Store(true)
}

// noteScanners records the scanners that went up or down since the last time, not more often than a lane may.
func (g *Gate) noteScanners(now ledger.Stamp) {
	g.screen.mu.Lock()
	lanes := slices.Clone(g.screen.lanes)
	g.screen.mu.Unlock()
	for _, l := range lanes {
		w := g.screen.watched[l.ID]
		if l.Scanner == "" || w.known && (w.up == l.Up || time.Since(w.at) < scannerEvery) {
			continue
		}
		reason := "up"
		if !l.Up {
			reason = "down"
		}
		if g.note(ledger.Event{Stamp: now, Kind: ledger.Scanner, Lane: l.ID, Direction: l.Direction, Reason: reason, Detail: map[string]string{"cause": l.Cause}}) {
			g.screen.watched[l.ID] = watched{up: l.Up, at: time.Now(), known: true}
		}
	}
}

// SetRules takes new rules into force from the next passage on and records which.
func (g *Gate) SetRules(r Rules) {
	g.passage.Lock()
	defer g.passage.Unlock()
	old := g.rules.Swap(&r)
	now := g.clock.Now()
	if old.Policy.Hash() != r.Policy.Hash() {
		g.note(ledger.Event{Stamp: now, Kind: ledger.Policy, Policy: r.Policy.Hash(), Detail: map[string]string{"was": old.Policy.Hash()}})
	}
	if old.Level != r.Level {
		g.note(ledger.Event{Stamp: now, Kind: ledger.Level, Reason: r.Level, Detail: map[string]string{"was": old.Level}})
	}
	g.note(ledger.Event{Stamp: now, Kind: ledger.Settings, Reason: "reloaded"})
	g.screen.changed()
}

// Rules are those in force.
func (g *Gate) Rules() Rules { return *g.rules.Load() }

// RosterChanged records that the roster was changed, by whom and how, in numbers.
func (g *Gate) RosterChanged(by, reason string, detail map[string]string) error {
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: ledger.Roster, Reason: reason, By: "unsigned", Roster: g.opt.Roster.Snapshot().Version(), Detail: detail,
		Personal: []ledger.Field{{Name: "by", Value: by}}}
	if _, err := g.opt.Ledger.Append(ev); err != nil {
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	g.screen.changed()
	return nil
}

// ConfirmClock records that somebody compared the clock with a watch, and trusts it from then on.
func (g *Gate) ConfirmClock(ctx context.Context, by string) error {
	s, back := g.clock.confirm()
	ev := ledger.Event{Stamp: s, Kind: ledger.Clock, Reason: "clock-confirmed", By: "unsigned"}
	if back {
		ev.Reason = "clock-corrected"
		g.opt.Ledger.View(func(st *ledger.State) { ev.Detail = map[string]string{"was": st.Trusted.Time.Format(time.RFC3339)} })
	}
	if by != "" {
		ev.Personal = []ledger.Field{{Name: "by", Value: by}}
	}
	if _, err := g.opt.Ledger.Append(ev); err != nil {
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	g.clock.confirmed(s)
	g.screen.changed()
	return nil
}

// Ready tells whether the gate answers: the start entry is written and no fault is on. The watchdog asks Alive instead.
func (g *Gate) Ready() bool { return g.begun.Load() && g.opt.Ledger.Fault() == nil }

// Fault tells whether the ledger cannot be used.
func (g *Gate) Fault() bool { return g.opt.Ledger.Fault() != nil }

// Alive returns once the gate has gone through its lock, or with ctx's error: a gate that is stuck fails the watchdog.
func (g *Gate) Alive(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		g.passage.Lock()
		g.passage.Unlock() //lint:ignore SA2001 to have got it is the point
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
