package demo

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"time"

	"gated/demo/judge"
	"gated/demo/lcussim"
	"gated/demo/samvsim"
	"gated/gate"
	"gated/scanner"
)

// fault is one kind of hardware fault.
type fault struct {
	name string
	lane string // the only lane on which it can happen; empty: any

	// breaks injects it and mend repairs it; shows and well tell whether the page shows the fault, and the repaired lane. Where that
	// is not enough, special does all of it.
	breaks, mend func(m *faults, l *lane) error
	shows, well  func(gate.LaneView) bool
	special      func(m *faults, ctx context.Context, l *lane) error

	ignored bool // the gate must ignore what is sent meanwhile
}

var faultKinds = []fault{
	// The scanner that is plugged in has sent a code before the gate could open its port.
	{name: "unplugged", ignored: true, breaks: unplug, shows: isDown, well: isUp,
		mend: func(_ *faults, l *lane) error { return l.scanner.PlugWith("CODE SENT TOO EARLY\r\nAND HALF OF ") }},
	{name: "babbling", special: (*faults).babbling},
	{name: "renumbered", ignored: true, special: (*faults).renumbered},
	{name: "card-reader-mute", lane: "in", shows: cardsDown, well: cardsUp,
		breaks: func(m *faults, _ *lane) error { m.d.cards.Break(samvsim.Faults{Mute: true}); return nil },
		mend:   func(m *faults, _ *lane) error { m.d.cards.Break(samvsim.Faults{}); return nil }},
	{name: "stalled", special: (*faults).stall},
	// Unplugged in the middle of a code. What the next scanner sends must not be taken for the other half.
	{name: "unplugged-in-mid-code", ignored: true, breaks: unplugInMidCode, shows: isDown, well: isUp,
		mend: func(_ *faults, l *lane) error { return l.scanner.PlugWith("DE\r\n") }},
	{name: "relay-unplugged", breaks: (*faults).unplugRelay, shows: byHand, mend: (*faults).plugRelay, well: obeys},
	{name: "card-reader-unplugged", lane: "in", shows: cardsDown, well: cardsUp,
		breaks: func(m *faults, _ *lane) error { m.d.unplugCards(); return nil },
		mend:   func(m *faults, _ *lane) error { return m.d.plugCards() }},
	{name: "relay-silent", shows: byHand, well: obeys, // the board carries out commands and answers none
		breaks: func(_ *faults, l *lane) error { l.relay.Set(lcussim.Faults{Silent: true}); return nil },
		mend:   func(_ *faults, l *lane) error { l.relay.Set(lcussim.Faults{}); return nil }},
	{name: stopsProcess, special: (*faults).stopped},
}

const stopsProcess = "process-stopped"

func isDown(v gate.LaneView) bool    { return !v.Up }
func isUp(v gate.LaneView) bool      { return v.Up }
func cardsDown(v gate.LaneView) bool { return v.CardReader != "up" }
func cardsUp(v gate.LaneView) bool   { return v.CardReader == "up" }
func byHand(v gate.LaneView) bool    { return v.Barrier == "open-by-hand" }
func obeys(v gate.LaneView) bool     { return v.Barrier == "ok" }

// happen injects the fault into a lane, and repairs it once the page has shown it.
func (x fault) happen(m *faults, ctx context.Context, l *lane) error {
	if x.ignored {
		defer m.expectIgnored(ctx, l, x.name)()
	}
	if x.special != nil {
		return x.special(m, ctx, l)
	}
	broken := false
	err := m.shown(ctx, x.name, l, x.shows, func() error { broken = true; return x.breaks(m, l) })
	if err == nil && !m.d.Fast { // long enough for a person to see it
		wait(ctx, 2*time.Second)
	}
	if broken {
		err = errors.Join(err, x.mend(m, l))
	}
	if err != nil {
		return err
	}
	return m.d.page.awaitLane(ctx, l.id, x.well)
}

func unplug(_ *faults, l *lane) error {
	l.scanner.Unplug()
	return nil
}

func unplugInMidCode(m *faults, l *lane) error {
	_, err := io.WriteString(l.scanner.Scanner, "HALF OF A CO")
	return errors.Join(err, unplug(m, l))
}

// unplugRelay unplugs the relay board: the lane cannot be opened. When it is plugged in again its relay is off.
func (m *faults) unplugRelay(l *lane) error {
	l.relay.Unplug()
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.relays[l.id]
	r.Unplugged = append(r.Unplugged, judge.Span{From: time.Now()})
	return nil
}

func (m *faults) plugRelay(l *lane) error {
	m.mu.Lock()
	r, now := m.relays[l.id], time.Now()
	r.Unplugged[len(r.Unplugged)-1].Until = now
	r.Plugged = append(r.Plugged, now)
	m.mu.Unlock()
	return l.relay.Plug()
}

// babbling sends noise as fast as the line takes it, until the scanner is muted.
func (m *faults) babbling(ctx context.Context, l *lane) error {
	quit, done := make(chan struct{}), make(chan error, 1)
	babble := func() {
		noise := make([]byte, 512)
		for {
			select {
			case <-quit:
				done <- nil
				return
			default:
			}
			for i := range noise {
				noise[i] = byte(rand.Uint32())
			}
			if _, err := l.scanner.Scanner.Write(noise); err != nil {
				done <- err
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	muted := func(v gate.LaneView) bool { return v.Scanner == string(scanner.Muted) }
	err := m.shown(ctx, "babbling", l, muted, func() error { go babble(); return nil })
	close(quit)
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	return m.d.page.awaitLane(ctx, l.id, isUp)
}

// renumbered gives the scanner another terminal number while the old terminal still exists.
func (m *faults) renumbered(ctx context.Context, l *lane) error {
	old := l.scanner.Scanner
	defer old.Close()
	// The lane is down for only a quarter of a second. A page that misses that still shows a newer time since when it is up.
	before := m.d.page.lane(l.id).Since
	fell := func(v gate.LaneView) bool { return !v.Up || !v.Since.Equal(before) }
	if err := m.shown(ctx, "renumbered", l, fell, func() error { l.scanner.Scanner = nil; return l.scanner.Plug() }); err != nil {
		return err
	}
	old.WriteString("CODE FROM THE OLD PORT\r\n")
	return m.d.page.awaitLane(ctx, l.id, isUp)
}

// stall stops sending in the middle of a code, which the gate must drop half a second later.
func (m *faults) stall(ctx context.Context, l *lane) error {
	// If the machine suspends the process just then, the cause is Stalled.
	dropped := func(v gate.LaneView) bool { return v.Dropped == scanner.Timeout || v.Dropped == scanner.Stalled }
	return m.shown(ctx, "stalled", l, dropped, func() error {
		_, err := io.WriteString(l.scanner.Scanner, "HALF OF A CO")
		return err
	})
}

// stopped suspends the whole daemon, as on a box that swaps, while a code waits to be read. The code may have been read just
// before; otherwise the gate drops it.
func (m *faults) stopped(ctx context.Context, l *lane) error {
	m.running.Lock()
	defer m.running.Unlock()
	if _, err := io.WriteString(l.scanner.Scanner, "CODE BEFORE THE STOP\r\n"); err != nil {
		return err
	}
	gated := m.d.gated.cmd.Process
	if err := gated.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(1600 * time.Millisecond)
	if err := gated.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	wait(ctx, quietGap)
	return nil
}
