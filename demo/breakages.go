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

func isDown(v gate.LaneView) bool { return !v.Up }
func isUp(v gate.LaneView) bool   { return v.Up }

// linger leaves a fault on the page for as long as somebody needs to see it.
func (m *mishaps) linger(ctx context.Context) {
	if m.d.Fast {
		return
	}
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
	}
}

// unplugged: the plug is pulled, and put in again with a code sent too early, which must decide nothing.
func (m *mishaps) unplugged(ctx context.Context, l *lane) error {
	defer m.expectNothing(ctx, l, "unplugged")()
	if err := m.shown(ctx, "unplugged", l, isDown, func() error { l.scanner.Unplug(); return nil }); err != nil {
		return err
	}
	m.linger(ctx)
	if err := l.scanner.PlugWith("CODE SENT TOO EARLY\r\nAND HALF OF "); err != nil {
		return err
	}
	return m.d.page.awaitLane(ctx, l.id, isUp)
}

// cut: the plug is pulled in the middle of a code; what the next scanner sends is not its other half.
func (m *mishaps) cut(ctx context.Context, l *lane) error {
	defer m.expectNothing(ctx, l, "unplugged-in-mid-code")()
	if _, err := io.WriteString(l.scanner.Scanner, "HALF OF A CO"); err != nil {
		return err
	}
	if err := m.shown(ctx, "unplugged-in-mid-code", l, isDown, func() error { l.scanner.Unplug(); return nil }); err != nil {
		return err
	}
	m.linger(ctx)
	if err := l.scanner.PlugWith("DE\r\n"); err != nil {
		return err
	}
	return m.d.page.awaitLane(ctx, l.id, isUp)
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
	defer m.expectNothing(ctx, l, "renumbered")()
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

func cardsDown(v gate.LaneView) bool { return v.CardReader != "up" }
func cardsUp(v gate.LaneView) bool   { return v.CardReader == "up" }

// cardsMute: the reader of ID cards is there and answers nothing any more.
func (m *mishaps) cardsMute(ctx context.Context, l *lane) error {
	err := m.shown(ctx, "card-reader-mute", l, cardsDown, func() error { m.d.cards.Break(samvsim.Faults{Mute: true}); return nil })
	if err == nil {
		m.linger(ctx)
	}
	m.d.cards.Break(samvsim.Faults{})
	if err != nil {
		return err
	}
	return m.d.page.awaitLane(ctx, l.id, cardsUp)
}

// cardsUnplugged: it is pulled out, and put in again.
func (m *mishaps) cardsUnplugged(ctx context.Context, l *lane) error {
	if err := m.shown(ctx, "card-reader-unplugged", l, cardsDown, func() error { m.d.unplugCards(); return nil }); err != nil {
		return err
	}
	m.linger(ctx)
	if err := m.d.plugCards(); err != nil {
		return err
	}
	return m.d.page.awaitLane(ctx, l.id, cardsUp)
}

func byHand(v gate.LaneView) bool { return v.Barrier == "open-by-hand" }
func obeys(v gate.LaneView) bool  { return v.Barrier == "ok" }

// relayUnplugged: nothing can be opened, and the page says so. Put in again it is off, and works.
func (m *mishaps) relayUnplugged(ctx context.Context, l *lane) error {
	out := judge.Span{}
	if err := m.shown(ctx, "relay-unplugged", l, byHand, func() error { l.relay.Unplug(); out.From = time.Now(); return nil }); err != nil {
		return err
	}
	m.linger(ctx)
	out.Until = time.Now()
	m.mu.Lock()
	r := m.relays[l.id]
	r.Unplugged, r.Plugged = append(r.Unplugged, out), append(r.Plugged, out.Until)
	m.mu.Unlock()
	if err := l.relay.Plug(); err != nil {
		return err
	}
	return m.d.page.awaitLane(ctx, l.id, obeys)
}

// relaySilent: the board takes commands and answers none.
func (m *mishaps) relaySilent(ctx context.Context, l *lane) error {
	err := m.shown(ctx, "relay-silent", l, byHand, func() error { l.relay.Set(lcussim.Faults{Silent: true}); return nil })
	if err == nil {
		m.linger(ctx)
	}
	l.relay.Set(lcussim.Faults{})
	if err != nil {
		return err
	}
	return m.d.page.awaitLane(ctx, l.id, obeys)
}

// stopped: the whole daemon stands still, as on a box that swaps, while a code waits. It may have been read just before;
// what was not is dropped.
func (m *mishaps) stopped(ctx context.Context, l *lane) error {
	m.world.Lock()
	defer m.world.Unlock()
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
	select {
	case <-time.After(quietGap):
	case <-ctx.Done():
	}
	return nil
}
