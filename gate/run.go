package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"gated/clock"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// watched is what was recorded last about a lane's scanner.
type watched struct {
	up bool
	at time.Time
}

// scannerEvery is how often at most a lane's scanner, or its card reader, going up and down is recorded.
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
	if doubt != "" {
		g.log.Warn("the clock is not trusted: set it, then confirm it on the page or with gated clock confirm", "state", doubt)
	}
	low, said := false, map[device]watched{}
	hour := now.Time.Truncate(time.Hour)
	for {
		select {
		case <-ctx.Done():
			g.passage.Lock()
			g.desk.closed = true
			g.passage.Unlock()
			g.work.Wait()
			if !g.pay() {
				g.owed.spool.save(g.owed.all)
			}
			g.owed.spool.close()
			if !g.begun.Load() {
				return nil
			}
			_, err := g.opt.Ledger.Append(ledger.Event{Stamp: g.clock.Now(), Kind: ledger.Stop, By: "machine"})
			if errors.Is(err, ledger.ErrFault) { // said already; the next start tells from the gap
				g.log.Error("stopped in a fault: no stop entry")
				return nil
			}
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
				g.record(ledger.Event{Stamp: now, Kind: register.Clock, Reason: why, By: "machine"})
				g.log.Warn("the clock's state changed", "state", why)
			}
			// The hour is the monotonic clock's business only in so far as the box must be seen to watch.
			if h := now.Time.Truncate(time.Hour); h != hour {
				hour = h
				g.note(ledger.Event{Stamp: now, Kind: register.Alive})
			}
			g.noteDevices(now, said)
			if is := g.opt.Free != nil && g.opt.Free() < g.rules.Load().MinFree; is != low {
				if low = is; low {
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
	g.clock.recorded(ev.Stamp)
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
		after := "first"
		g.opt.Register.View(func(s *register.State) {
			switch {
			case s.Running:
				after = "crash" // power lost or killed: no stop entry
			case s.Size > 0:
				after = "stop"
			}
			g.clock.remember(s.Trusted)
		})
		now = g.clock.Now()
		m := g.opt.Ledger.Meta() // its gate and zone stand in no hash but that of an entry which names them
		events = append(events, ledger.Event{Stamp: now, Kind: ledger.Start, By: "machine", Policy: rules.Policy.Hash(), Roster: g.opt.Roster.Snapshot().Version(),
			Detail: map[string]string{"version": g.opt.Version, "after": after, "level": rules.Level, "gate": m.Gate, "time_zone": m.TimeZone}})
	}
	g.opt.Register.View(func(s *register.State) {
		for _, id := range slices.Sorted(maps.Keys(s.Open)) {
			if _, waits := g.desk.holds[id]; waits || len(events) >= 200 {
				continue
			}
			p := s.Open[id]
			events = append(events, ledger.Event{Stamp: now, Kind: register.Decided, Passage: id, Lane: p.Lane, Direction: p.Direction, Class: p.Class,
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
	g.clock.recorded(now)
	g.begun.Store(true)
	g.screen.changed()
}

// noteDevices records the scanners and card readers that went up or down since the last time, not more often than each may.
func (g *Gate) noteDevices(now ledger.Stamp, said map[device]watched) {
	g.screen.mu.Lock()
	lanes, falls := slices.Clone(g.screen.lanes), maps.Clone(g.screen.falls)
	g.screen.mu.Unlock()
	for _, l := range lanes {
		if l.Scanner != "" {
			g.noteDevice(now, l, device{l.ID, ""}, l.Up, l.Cause, falls, said)
		}
		if l.CardReader != "" {
			cause := l.CardReader
			if cause == "up" {
				cause = ""
			}
			g.noteDevice(now, l, device{l.ID, "card-reader"}, cause == "", cause, falls, said)
		}
	}
}

func (g *Gate) noteDevice(now ledger.Stamp, l LaneView, d device, up bool, cause string, falls map[device]fall, said map[device]watched) {
	w, known := said[d]
	f := falls[d] // one that was up again before anybody looked is told of as well
	if known && (w.up == up && f.times == 0 || time.Since(w.at) < scannerEvery) {
		return
	}
	ev := ledger.Event{Stamp: now, Kind: register.Scanner, Lane: d.lane, Direction: l.Direction, Reason: "up", Detail: map[string]string{}}
	if !up {
		ev.Reason = "down"
	}
	if d.kind != "" {
		ev.Detail["device"] = d.kind
	}
	if cause := cmp.Or(cause, f.cause); cause != "" {
		ev.Detail["cause"] = cause
	}
	if f.times > 1 || f.times == 1 && up && w.up {
		ev.Detail["downs"] = strconv.Itoa(f.times)
	}
	if g.note(ev) {
		said[d] = watched{up: up, at: time.Now()}
		g.screen.mu.Lock()
		g.screen.falls[d] = fall{times: g.screen.falls[d].times - f.times}
		g.screen.mu.Unlock()
	}
}

// SetRules takes new rules into force from the next passage on and records which.
func (g *Gate) SetRules(r Rules) {
	g.passage.Lock()
	defer g.passage.Unlock()
	old := g.rules.Swap(&r)
	now := g.clock.Now()
	if old.Policy.Hash() != r.Policy.Hash() {
		g.record(ledger.Event{Stamp: now, Kind: register.Policy, By: "machine", Policy: r.Policy.Hash(), Detail: map[string]string{"was": old.Policy.Hash()}})
	}
	if old.Level != r.Level {
		g.record(ledger.Event{Stamp: now, Kind: register.Level, By: "machine", Reason: r.Level, Detail: map[string]string{"was": old.Level}})
	}
	g.record(ledger.Event{Stamp: now, Kind: register.Settings, Reason: "reloaded", By: "machine"})
	g.screen.changed()
}

// Rules are those in force.
func (g *Gate) Rules() Rules { return *g.rules.Load() }

// RosterChanged records that the roster was changed, by whom and how, in numbers. The change is in force already: in a
// fault its entry follows.
func (g *Gate) RosterChanged(by, reason string, detail map[string]string) {
	g.record(RosterEvent(g.clock.Now(), g.opt.Roster.Snapshot().Version(), by, reason, detail))
	g.screen.changed()
}

// RosterEvent is the entry of a change of the roster.
func RosterEvent(at ledger.Stamp, version, by, reason string, detail map[string]string) ledger.Event {
	return ledger.Event{Stamp: at, Kind: register.Roster, Reason: reason, By: "unsigned", Roster: version, Detail: detail, Personal: []ledger.Field{{Name: "by", Value: by}}}
}

// Append stamps and appends an event of the box that must be durable before what it tells of is done.
func (g *Gate) Append(ev ledger.Event) error {
	ev.Stamp = g.clock.Now()
	_, err := g.opt.Ledger.Append(ev)
	return err
}

// Now is the time by which the gate judges: with an untrusted clock the last trusted one.
func (g *Gate) Now() time.Time { return g.clock.judge(g.clock.Now()) }

// ConfirmClock records that somebody compared the clock with a watch, and trusts it from then on.
func (g *Gate) ConfirmClock(ctx context.Context, by string) error {
	s, back := g.clock.confirm()
	if s.Time.Before(clock.Released) {
		return invalid("the clock says %s, before this software was made: set it first", s.Time.Format(time.DateOnly))
	}
	ev := ledger.Event{Stamp: s, Kind: register.Clock, Reason: "clock-confirmed", By: "unsigned"}
	if back {
		ev.Reason = "clock-corrected"
		g.opt.Register.View(func(st *register.State) { ev.Detail = map[string]string{"was": st.Trusted.Time.Format(time.RFC3339)} })
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
