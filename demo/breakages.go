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

// mishap is a kind of what goes wrong.
type mishap struct {
	name string
	lane string // the only one where it can happen; empty: any

	// How it is made to happen to a lane, what the page then shows, how it is undone, and what the page shows once all is well; or
	// special does all of that.
	breaks, mend func(m *mishaps, l *lane) error
	shows, well  func(gate.LaneView) bool
	special      func(m *mishaps, ctx context.Context, l *lane) error

	unheard bool // what is sent meanwhile must decide nothing
}

var allMishaps = []mishap{
	// A code is sent before anybody can listen to the scanner that is plugged in.
	{name: "unplugged", unheard: true, breaks: unplug, shows: isDown, well: isUp,
		mend: func(_ *mishaps, l *lane) error { return l.scanner.PlugWith("CODE SENT TOO EARLY\r\nAND HALF OF ") }},
	{name: "babbling", special: (*mishaps).babbling},
	{name: "renumbered", unheard: true, special: (*mishaps).renumbered},
	{name: "card-reader-mute", lane: "in", shows: cardsDown, well: cardsUp,
		breaks: func(m *mishaps, _ *lane) error { m.d.cards.Break(samvsim.Faults{Mute: true}); return nil },
		mend:   func(m *mishaps, _ *lane) error { m.d.cards.Break(samvsim.Faults{}); return nil }},
	{name: "stalled", special: (*mishaps).stalls},
	// The plug is pulled in the middle of a code; what the next scanner sends is not its other half.
	{name: "unplugged-in-mid-code", unheard: true, breaks: unplugInMidCode, shows: isDown, well: isUp,
		mend: func(_ *mishaps, l *lane) error { return l.scanner.PlugWith("DE\r\n") }},
	{name: "relay-unplugged", breaks: (*mishaps).unplugRelay, shows: byHand, mend: (*mishaps).plugRelay, well: obeys},
	{name: "card-reader-unplugged", lane: "in", shows: cardsDown, well: cardsUp,
		breaks: func(m *mishaps, _ *lane) error { m.d.unplugCards(); return nil },
		mend:   func(m *mishaps, _ *lane) error { return m.d.plugCards() }},
	{name: "relay-silent", shows: byHand, well: obeys, // the board takes commands and answers none
		breaks: func(_ *mishaps, l *lane) error { l.relay.Set(lcussim.Faults{Silent: true}); return nil },
		mend:   func(_ *mishaps, l *lane) error { l.relay.Set(lcussim.Faults{}); return nil }},
	{name: stopsProcess, special: (*mishaps).stopped},
}

const stopsProcess = "process-stopped"

func isDown(v gate.LaneView) bool    { return !v.Up }
func isUp(v gate.LaneView) bool      { return v.Up }
func cardsDown(v gate.LaneView) bool { return v.CardReader != "up" }
func cardsUp(v gate.LaneView) bool   { return v.CardReader == "up" }
func byHand(v gate.LaneView) bool    { return v.Barrier == "open-by-hand" }
func obeys(v gate.LaneView) bool     { return v.Barrier == "ok" }

// happen makes it happen to a lane, and undoes it once the page has shown it.
func (x mishap) happen(m *mishaps, ctx context.Context, l *lane) error {
	if x.unheard {
		defer m.expectNothing(ctx, l, x.name)()
	}
	if x.special != nil {
		return x.special(m, ctx, l)
	}
	broken := false
	err := m.shown(ctx, x.name, l, x.shows, func() error { broken = true; return x.breaks(m, l) })
	if err == nil && !m.d.Fast { // long enough for somebody to see it
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

func unplug(_ *mishaps, l *lane) error {
	l.scanner.Unplug()
	return nil
}

func unplugInMidCode(m *mishaps, l *lane) error {
	_, err := io.WriteString(l.scanner.Scanner, "HALF OF A CO")
	return errors.Join(err, unplug(m, l))
}

// unplugRelay: nothing can be opened. Plugged in again the relay is off, and works.
func (m *mishaps) unplugRelay(l *lane) error {
	l.relay.Unplug()
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.relays[l.id]
	r.Unplugged = append(r.Unplugged, judge.Span{From: time.Now()})
	return nil
}

func (m *mishaps) plugRelay(l *lane) error {
	m.mu.Lock()
	r, now := m.relays[l.id], time.Now()
	r.Unplugged[len(r.Unplugged)-1].Until = now
	r.Plugged = append(r.Plugged, now)
	m.mu.Unlock()
	return l.relay.Plug()
}

// babbling: noise as fast as it goes.
func (m *mishaps) babbling(ctx context.Context, l *lane) error {
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

// renumbered: the kernel gives the scanner another number while the old terminal is still there.
func (m *mishaps) renumbered(ctx context.Context, l *lane) error {
	old := l.scanner.Scanner
	defer old.Close()
	// The lane is down for a quarter of a second only: a page that is told of the end first shows since when it is up.
	before := m.d.page.lane(l.id).Since
	fell := func(v gate.LaneView) bool { return !v.Up || !v.Since.Equal(before) }
	if err := m.shown(ctx, "renumbered", l, fell, func() error { l.scanner.Scanner = nil; return l.scanner.Plug() }); err != nil {
		return err
	}
	old.WriteString("CODE FROM THE OLD PORT\r\n")
	return m.d.page.awaitLane(ctx, l.id, isUp)
}

// stalls: the scanner stops in the middle of a code, which is dropped half a second later.
func (m *mishaps) stalls(ctx context.Context, l *lane) error {
	// On a machine that lets the process stand still just then, that is why.
	dropped := func(v gate.LaneView) bool { return v.Dropped == scanner.Timeout || v.Dropped == scanner.Stalled }
	return m.shown(ctx, "stalled", l, dropped, func() error {
		_, err := io.WriteString(l.scanner.Scanner, "HALF OF A CO")
		return err
	})
}

// stopped: the whole daemon stands still, as on a box that swaps, while a code waits. It may have been read just before;
// what was not is dropped.
func (m *mishaps) stopped(ctx context.Context, l *lane) error {
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
