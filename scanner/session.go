package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"gated/serialport"
)

// A session is what a Reader knows while it has a port.
type session struct {
	r   *Reader
	p   *serialport.Port
	f   *framer
	buf []byte

	turned time.Duration // boot time at which the loop went round last: it never sleeps longer than lookEvery
	looked time.Time     // when the path was looked at last

	bad   []time.Time // frames since the newest code that were none, the newest ones, oldest first
	bytes int         // since the newest code,
	since time.Time   // in this second
	muted time.Time   // until when the line is muted; zero: it is not

	heard      time.Time     // when bytes came last
	silent     bool          // and that is too long ago
	asked      time.Time     // when the module was asked last; zero: it has answered
	askAt      time.Time     // when it is asked next
	unanswered int           // questions in a row
	stalled    time.Time     // when it was found to have stood still; what came since has had no quiet gap
	stallTold  bool          // OnFraming was told of this one,
	stallSaid  time.Duration // when, since the boot
	replies
	glance glance
}

// session drops what was sent while nobody listened and then hands codes on.
func (r *Reader) session(ctx context.Context, p *serialport.Port) error {
	r.became(Settling, "", nil)
	line, err := p.Settle(ctx, r.pace.settle, r.boot)
	r.o.Metrics.discard.WithLabelValues(r.o.Lane, "settling").Add(float64(line.Dropped))
	if err != nil {
		return fmt.Errorf("wait for a quiet line on %s: %w", r.o.Config.Device, err)
	}
	now := time.Now()
	s := &session{r: r, p: p, f: newFramer(r.o.Config), buf: make([]byte, 4096), turned: line.Since, heard: now}
	if line.Quiet {
		r.became(Online, "", nil)
	} else {
		s.mute(now)
	}
	for {
		if err := s.turn(ctx); err != nil {
			return err
		}
	}
}

// turn waits for bytes, not for long, and does what is due.
func (s *session) turn(ctx context.Context) error {
	until := time.Now().Add(s.r.pace.look)
	if d := s.f.deadline(); !d.IsZero() && d.Before(until) {
		until = d
	}
	if d := s.heard.Add(heldTime); len(s.held) > 0 && d.Before(until) {
		until = d
	}
	if d := s.wholeAt(); !d.IsZero() && d.Before(until) {
		until = d
	}
	waited := s.p.Wait(ctx, until)
	now := time.Now()
	if waited != nil && !errors.Is(waited, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for bytes from %s: %w", s.r.o.Config.Device, waited)
	}
	booted := s.r.boot()
	if s.stood(booted) {
		s.stoodStill(now, waited == nil)
	}
	s.turned = booted
	if err := s.look(now, waited == nil); err != nil {
		return err
	}
	s.checkAlive(now)
	if waited != nil {
		if len(s.held) > 0 && now.Sub(s.heard) >= heldTime {
			if err := s.feed(ctx, s.release(), s.heard); err != nil {
				return err
			}
		}
		if d := s.f.deadline(); !d.IsZero() && !now.Before(d) {
			code, dropped := s.f.silence()
			s.drop(dropped, now)
			s.hand(ctx, code, now)
		}
		s.handCollected(ctx, now)
		return ctx.Err()
	}
	n, err := s.p.Read(s.buf)
	now = time.Now()
	if err != nil {
		return fmt.Errorf("read %s: %w", s.r.o.Config.Device, err)
	}
	s.heard, s.silent = now, false
	// It may have stood still between the wait and the read: what came meanwhile was read as well.
	if s.stood(s.r.boot()) {
		s.stoodStill(now, true)
	}
	return s.took(ctx, s.buf[:n], now)
}

// stood tells whether the loop has stood still since it went round: in a
// process that was stopped or given no time, or a box that was suspended.
func (s *session) stood(booted time.Duration) bool { return booted-s.turned > s.r.pace.stall }

// took makes codes of bytes that were read at one time.
func (s *session) took(ctx context.Context, p []byte, at time.Time) error {
	r := s.r
	if !s.muted.IsZero() || s.f.untilSilence {
		another := at.Sub(s.f.last) >= codeApart
		s.f.last = at
		cause := "stalled"
		if !s.muted.IsZero() {
			cause = "muted"
		} else if another || !s.toldOfStall() {
			s.tellStalled() // whoever shows a code just after it waits for an answer, too
		}
		r.o.Metrics.discard.WithLabelValues(r.o.Lane, cause).Add(float64(len(p)))
		// Nothing is read from a line that babbles on after a stall: it must not be called online.
		if s.muted.IsZero() && (s.flooded(len(p), at) || at.Sub(s.stalled) > muteTime) {
			s.mute(at)
		}
		return nil
	}
	if s.flooded(len(p), at) {
		s.mute(at)
		return nil
	}
	return s.feed(ctx, s.answered(p), at)
}

// flooded counts bytes, and tells whether more came in a second than a scanner sends.
func (s *session) flooded(n int, at time.Time) bool {
	if at.Sub(s.since) >= floodTime {
		s.bytes, s.since = 0, at
	}
	s.bytes += n
	return s.bytes > floodBytes
}

// feed hands bytes that were read at a time to the framer, and on what comes out.
func (s *session) feed(ctx context.Context, p []byte, at time.Time) error {
	if len(p) == 0 { // an answer in a pause must not prolong it
		return nil
	}
	s.glanced(at)
	s.drop(s.f.arrived(at), at)
	for len(p) > 0 && s.muted.IsZero() && !s.f.untilSilence {
		var code []byte
		var dropped string
		code, dropped, p = s.f.next(p)
		s.drop(dropped, at)
		s.hand(ctx, code, at)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	s.handCollected(ctx, at)
	return nil
}

// hand passes a frame on, if it is a code.
func (s *session) hand(ctx context.Context, frame []byte, at time.Time) {
	if frame == nil || ctx.Err() != nil {
		return
	}
	code, dropped := s.r.o.Config.text(frame)
	if dropped != "" {
		s.drop(dropped, at)
		return
	}
	if s.r.o.Config.CodesApart > 0 {
		s.collect(code, at)
	} else {
		s.give(ctx, bytes.Clone(code), at)
	}
}

// give hands on a code, which is the receiver's to keep.
func (s *session) give(ctx context.Context, code []byte, at time.Time) {
	// The process may have been stopped since the bytes were read, or the code before took its time.
	if s.stood(s.r.boot()) {
		s.stoodStill(time.Now(), true)
		return
	}
	if s.r.o.OnCode(ctx, Code{Lane: s.r.o.Lane, Data: code, At: at}) {
		s.bytes, s.bad = 0, s.bad[:0]
	} else {
		s.babbled(at)
	}
}

// drop makes known that a frame was dropped.
func (s *session) drop(cause string, at time.Time) {
	if cause == "" {
		return
	}
	s.r.o.Metrics.framing.WithLabelValues(s.r.o.Lane, cause).Inc()
	s.r.o.OnFraming(cause)
	s.babbled(at)
}

// babbled counts a frame that was no code, and mutes a line that sends many.
func (s *session) babbled(at time.Time) {
	if s.bad = append(s.bad, at); len(s.bad) <= floodFrames {
		return
	}
	flood := at.Sub(s.bad[0]) < floodTime
	s.bad = append(s.bad[:0], s.bad[1:]...)
	if flood && s.muted.IsZero() {
		s.mute(at)
	}
}

func (s *session) mute(now time.Time) {
	s.release()
	s.f.dropUntilSilence(now)
	s.muted, s.bad, s.bytes, s.glance = now.Add(s.r.pace.mute), s.bad[:0], 0, glance{}
	s.r.o.Metrics.mutes.WithLabelValues(s.r.o.Lane).Inc()
	s.r.became(Muted, CauseFlood, nil)
}

// stoodStill drops what has piled up while the daemon stood still, up to the next
// silence: those who sent it have gone, or hold their code up again.
func (s *session) stoodStill(now time.Time, queued bool) {
	if !s.f.untilSilence {
		s.stallTold = false
	}
	s.stalled = now
	if s.muted.IsZero() && !s.toldOfStall() && (queued || s.f.pending() || len(s.glance.codes) > 0) {
		s.tellStalled()
	}
	s.glance.codes = nil
	s.release()
	s.f.dropUntilSilence(now)
}

// codeApart is longer than any pause within a code: what comes after it is the code of somebody else.
const codeApart = 100 * time.Millisecond

// toldOfStall tells whether it is known that what comes now is dropped. On a box that stands still again before the line was quiet,
// whoever comes then waits for an answer, too.
func (s *session) toldOfStall() bool {
	return s.stallTold && s.r.boot()-s.stallSaid <= s.r.pace.stall
}

func (s *session) tellStalled() {
	s.stallTold, s.stallSaid = true, s.r.boot()
	s.r.o.Metrics.framing.WithLabelValues(s.r.o.Lane, Stalled).Inc()
	s.r.o.OnFraming(Stalled)
	s.r.o.Log.Warn("codes dropped that were sent while the gate stood still", "lane", s.r.o.Lane)
}

// look checks what does not come from the scanner: the path, and the end of a mute. Bytes that wait already were sent
// before.
func (s *session) look(now time.Time, queued bool) error {
	if now.Sub(s.looked) >= s.r.pace.look { // with each code it would cost a tenth of its time
		if s.looked = now; s.p.Renumbered() {
			return serialport.ErrRenumbered
		}
	}
	if !s.muted.IsZero() && !queued && !now.Before(s.muted) && now.Sub(s.f.last) >= s.r.pace.settle {
		s.muted = time.Time{}
		s.f.silence()
		s.r.became(Online, "", nil)
	}
	return nil
}

// checkAlive asks a module that can answer, and watches how long nothing has come
// from one that cannot.
func (s *session) checkAlive(now time.Time) {
	if !s.muted.IsZero() {
		return
	}
	c := s.r.o.Config
	cause := ""
	switch {
	case c.Profile == GM65:
		if !s.asked.IsZero() && now.Sub(s.asked) >= heartbeatLimit {
			s.asked = time.Time{}
			s.unanswered++
			s.r.o.Metrics.heartbeats.WithLabelValues(s.r.o.Lane, "no").Inc()
		}
		if s.asked.IsZero() && !now.Before(s.askAt) {
			s.asked, s.askAt = now, now.Add(s.r.pace.heartbeat)
			s.p.TryWrite(gm65Heartbeat) // what cannot be written is not answered either
		}
		if s.unanswered >= heartbeatsLost {
			cause = CauseNoHeartbeat
		}
	case s.silent: // at night, too, until something comes
		cause = CauseSilent
	case c.SilentAfter > 0 && now.Sub(s.heard) >= c.SilentAfter && dayFor(now.In(s.r.o.Zone)) >= c.SilentAfter:
		s.silent, cause = true, CauseSilent
	}
	if cause == "" && s.r.misread >= mostMisread {
		cause = s.r.misreadBy
	}
	s.r.became(Online, cause, nil)
}

// dayFor is how long it has been day: from 7 to 22 h people come and go at every gate.
func dayFor(t time.Time) time.Duration {
	if t.Hour() >= 22 {
		return 0
	}
	return t.Sub(time.Date(t.Year(), t.Month(), t.Day(), 7, 0, 0, 0, t.Location()))
}

// answered takes the module's answers out of p.
func (s *session) answered(p []byte) []byte {
	if s.r.o.Config.Profile != GM65 {
		return p
	}
	rest, n := s.take(p)
	if n > 0 {
		s.asked, s.unanswered = time.Time{}, 0
		s.r.o.Metrics.heartbeats.WithLabelValues(s.r.o.Lane, "yes").Inc()
	}
	return rest
}
