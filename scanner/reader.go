// Package scanner reads the codes that people hold before the scanner of a lane.
package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Code is what a scanner read at once: the bytes before an end byte, in
// UTF-8, without what the scanner itself put before and behind them. Data
// belongs to who receives it.
type Code struct {
	Lane string
	Data []byte
	At   time.Time // when the end byte was read; wall and monotonic
}

// State is where a Reader stands with its port.
type State string

const (
	Absent   State = "absent"   // there is no such device
	Opening  State = "opening"  // the device is there and being opened
	Settling State = "settling" // what was sent while nobody listened is being dropped
	Online   State = "online"   // listening; every other state is down
	Muted    State = "muted"    // the line babbles: nothing that it sends is looked at
	Closing  State = "closing"  // the device is being given back
	Backoff  State = "backoff"  // the device was lost or cannot be opened; tried again soon
	Closed   State = "closed"   // Run has ended
)

var States = []State{Absent, Opening, Settling, Online, Muted, Closing, Backoff, Closed}

// Why a Reader is down, or what is wrong with it while it is up.
const (
	CauseAbsent       = "absent"        // no device under the path
	CauseNotADevice   = "not-a-device"  // a file, a directory, a pipe, or a device that is no serial port
	CauseNoPermission = "no-permission" // the daemon's user may not open it
	CauseBusy         = "busy"          // another process, or another lane, has it open
	CauseHangUp       = "hang-up"       // unplugged
	CauseLost         = "lost"          // bytes were announced and could not be read: someone else reads
	CauseRenumbered   = "renumbered"    // the path names another device now, which is opened instead
	CauseFlood        = "flood"         // it sends more than a scanner can, or what no scanner does
	CauseWedged       = "wedged"        // its driver does not give it back
	CauseFault        = "fault"         // anything else; the log says what
	CauseStopped      = "stopped"       // Run was told to end
	CauseSilent       = "silent"        // up, and nothing was heard of it for longer than Config.SilentAfter
	CauseNoHeartbeat  = "no-heartbeat"  // up, and its module does not answer
)

// DownCauses are all of them.
var DownCauses = []string{CauseAbsent, CauseNotADevice, CauseNoPermission, CauseBusy, CauseHangUp, CauseLost, CauseRenumbered, CauseFlood, CauseWedged,
	CauseFault, CauseStopped, CauseSilent, CauseNoHeartbeat}

const (
	retryMin  = 100 * time.Millisecond
	retryMax  = 250 * time.Millisecond
	lookEvery = 250 * time.Millisecond // a Reader that has nothing to do looks about so often
	recheck   = time.Second            // whether the path still names the device, in case no event told
	stallTime = time.Second            // what waited longer than this for a Reader is not looked at
	lasted    = time.Second            // a port that was there for longer did not only come and go

	floodFrames = 10       // more frames than this in floodTime that are no codes, and none between them that is,
	floodBytes  = 64 << 10 // or more bytes, and a line is muted
	floodTime   = time.Second
	muteTime    = 5 * time.Second

	heartbeatEvery = 10 * time.Second
	heartbeatLimit = time.Second
	heartbeatsLost = 3

	warnEvery = 10 * time.Second // for the same in the log

	openLimit    = 3 * time.Second // after which a port is left to its driver,
	closeLimit   = 3 * time.Second // at either end
	maxAbandoned = 3
)

// ErrWedged ends a Reader whose device's driver never gave back what was
// closed: only the end of the process helps.
var ErrWedged = errors.New("the driver of the serial port does not give it back; unplug the device and start again")

// Options of a Reader. Callbacks may be nil; those given are called one at a
// time from Run's goroutine and must return before the next byte is read.
type Options struct {
	Lane    string
	Config  Config
	Log     *slog.Logger // nil: silent. Never sees a byte of a code.
	Metrics *Metrics
	Zone    *time.Location // in which Config.SilentAfter knows day from night; nil: UTC

	// OnCode takes one code, in the order of reading, and tells whether it was
	// one: what is none of the kinds that people show counts as babble.
	OnCode func(context.Context, Code) bool

	// OnState is told of every change of state or cause. Codes scanned before
	// up are discarded, those scanned after are handed on. The cause is one of
	// the Cause words, empty when all is well or on its way.
	OnState func(up bool, state State, cause string)

	// OnFraming is told why a frame was dropped: TooShort and so on.
	OnFraming func(cause string)
}

// A Reader listens to the scanner of one lane.
type Reader struct {
	o      Options
	pace   pace
	open   func(Config) (*port, error)
	follow func(ctx context.Context, path string, changed func())
	boot   func() time.Duration // since the box was started, also while it was suspended

	port atomic.Pointer[port] // for Lines

	// Run's own.
	state     State
	cause     string
	tried     uint64               // device that could not be opened the last time
	warned    map[string]time.Time // cause: when the log was last told of it
	abandoned atomic.Int32         // ports that their driver has not given back

	changed chan struct{} // something happened where the path is named
}

// pace is how soon a Reader does what it does; tests are in a hurry, or have all the time in the world.
type pace struct {
	retryMin, retryMax, settle, look, stall, mute, heartbeat, openLimit, closeLimit time.Duration
}

// NewReader opens nothing; Run does.
func NewReader(o Options) *Reader {
	o.Config = o.Config.filled()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.OnCode == nil {
		o.OnCode = func(context.Context, Code) bool { return true }
	}
	if o.OnState == nil {
		o.OnState = func(bool, State, string) {}
	}
	if o.OnFraming == nil {
		o.OnFraming = func(string) {}
	}
	return &Reader{o: o, open: openPort, follow: follow, boot: bootTime, warned: map[string]time.Time{}, changed: make(chan struct{}, 1),
		pace: pace{retryMin, retryMax, settleTime, lookEvery, stallTime, muteTime, heartbeatEvery, openLimit, closeLimit}}
}

// Run listens until ctx ends and then returns nil, at once or when the
// callback under way returns. A port that is missing or lost is opened again
// by its path, for ever. Only settings that Validate refuses make an error,
// and a driver that swallows one port after the other: ErrWedged.
func (r *Reader) Run(ctx context.Context) error {
	if err := r.o.Config.Validate(); err != nil {
		return fmt.Errorf("scanner of lane %s: %w", r.o.Lane, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	following := make(chan struct{})
	go func() {
		defer close(following)
		r.follow(ctx, r.o.Config.Device, func() {
			select {
			case r.changed <- struct{}{}:
			default:
			}
			if p := r.port.Load(); p != nil {
				p.wake() // after the line above: who is woken looks there
			}
		})
	}()
	defer func() { cancel(); <-following }()
	defer r.became(Closed, CauseStopped, nil)
	for retry := r.pace.retryMin; ; retry = min(2*retry, r.pace.retryMax) {
		began := time.Now()
		err := r.listen(ctx)
		if r.abandoned.Load() >= maxAbandoned {
			return fmt.Errorf("scanner of lane %s: %w", r.o.Lane, ErrWedged)
		}
		if ctx.Err() != nil {
			return nil
		}
		state, cause := why(err)
		r.became(state, cause, err)
		if time.Since(began) > lasted {
			retry = r.pace.retryMin
		}
		if !r.pause(ctx, retry) {
			return nil
		}
	}
}

// pause waits before the port is opened again, or until its path names a device that was not tried yet. It tells whether
// to go on.
func (r *Reader) pause(ctx context.Context, d time.Duration) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-r.changed:
			if rdev, err := deviceNumber(r.o.Config.Device); err == nil && rdev != r.tried {
				return true
			}
		case <-over.C:
			return true
		}
	}
}

// listen opens the port and hands its codes on until the port is lost or ctx
// ends.
func (r *Reader) listen(ctx context.Context) (err error) {
	p, err := r.opened()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, p.wake)()
	defer func() {
		_, cause := why(err)
		if ctx.Err() != nil {
			cause = CauseStopped
		}
		r.became(Closing, cause, err)
		if !within(&r.abandoned, r.pace.closeLimit, p.close) {
			err = fmt.Errorf("close serial port %s: not done within %v: %w", r.o.Config.Device, r.pace.closeLimit, errors.Join(errWedged, err))
		}
	}()
	r.port.Store(p)
	defer r.port.Store(nil)
	return r.session(ctx, p)
}

var errWedged = errors.New("wedged")

// opened opens the port, and says so where that is news.
func (r *Reader) opened() (*port, error) {
	// The tenth attempt to open what cannot be opened is no news.
	rdev, err := deviceNumber(r.o.Config.Device)
	if err == nil && (r.state == "" || r.state == Absent || rdev != r.tried) {
		r.became(Opening, "", nil)
	}
	r.tried = rdev
	p, err := openWithin(&r.abandoned, r.pace.openLimit, r.open, r.o.Config)
	if err == nil {
		r.tried = 0
	}
	return p, err
}

// openWithin opens a port. A driver that hangs is left alone with it.
func openWithin(abandoned *atomic.Int32, limit time.Duration, open func(Config) (*port, error), c Config) (*port, error) {
	type result struct {
		p   *port
		err error
	}
	done := make(chan result, 1) // the last to come finds who waits no longer
	if !within(abandoned, limit, func() {
		p, err := open(c)
		done <- result{p, err}
	}) {
		go func() {
			if late := <-done; late.p != nil {
				late.p.close()
			}
		}()
		return nil, fmt.Errorf("open serial port %s: not done within %v: %w", c.Device, limit, errWedged)
	}
	got := <-done
	return got.p, got.err
}

// within runs f and tells whether it ended within the limit. One that did not
// is counted for as long as it goes on: it waits in the kernel, and a process
// can only have so many of those.
func within(abandoned *atomic.Int32, limit time.Duration, f func()) bool {
	done := make(chan struct{})
	abandoned.Add(1)
	go func() {
		defer close(done)
		f()
		abandoned.Add(-1)
	}()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-done:
		return true
	case <-late.C:
		return false
	}
}

// A session is what a Reader knows while it has a port.
type session struct {
	r   *Reader
	p   *port
	f   *framer
	buf []byte

	turned time.Duration // boot time at which the loop went round last: it never sleeps longer than lookEvery
	looked time.Time     // when the path was looked at last

	bad   []time.Time // frames since the newest code that were none, the newest ones, oldest first
	bytes int         // since the newest code,
	since time.Time   // in this second
	muted time.Time   // until when the line is muted; zero: it is not

	heard    time.Time // when the scanner was last known to live
	silent   bool      // and that is too long ago
	asked    time.Time // when the module was asked last; zero: it has answered
	beat     time.Time // when it is asked next
	told     bool      // that codes were dropped in this stall
	deafened time.Time // when it was found to have stood still; what came since has had no quiet gap
	lost     int       // questions in a row that it did not answer
	replies
}

// session drops what was sent while nobody listened and then hands codes on.
func (r *Reader) session(ctx context.Context, p *port) error {
	r.became(Settling, "", nil)
	quiet, at, dropped, err := p.settle(ctx, r.pace.settle, r.boot)
	r.o.Metrics.discarded(r.o.Lane, "settling", dropped)
	if err != nil {
		return fmt.Errorf("wait for a quiet line on %s: %w", r.o.Config.Device, err)
	}
	if p.moved(r.o.Config.Device) {
		return errRenumbered
	}
	now := time.Now()
	s := &session{r: r, p: p, f: newFramer(r.o.Config), buf: make([]byte, 4096), turned: at, looked: now, heard: now}
	if quiet {
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
	if !s.muted.IsZero() {
		if d := later(s.muted, s.f.last.Add(s.r.pace.settle)); d.Before(until) {
			until = d
		}
	}
	waited := s.p.wait(ctx, until)
	now := time.Now()
	if waited != nil && !errors.Is(waited, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for bytes from %s: %w", s.r.o.Config.Device, waited)
	}
	booted := s.r.boot()
	if s.stood(booted) {
		s.stalled(now, waited == nil)
	}
	s.turned = booted
	if err := s.look(now, waited == nil); err != nil {
		return err
	}
	s.listenFor(now)
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
		return ctx.Err()
	}
	n, err := s.p.Read(s.buf)
	now = time.Now()
	if n == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			// Hung up since, or robbed by another reader.
			if _, err = s.p.queued(); err == nil {
				err = errNoBytes
			}
		}
		return fmt.Errorf("read %s: %w", s.r.o.Config.Device, bare(err))
	}
	s.heard, s.silent = now, false
	// It may have stood still between the wait and the read: what came meanwhile was read as well.
	if s.stood(s.r.boot()) {
		s.stalled(now, true)
	}
	return s.took(ctx, s.buf[:n], now)
}

// stood tells whether the loop has stood still since it went round: in a
// process that was stopped or given no time, or a box that was suspended.
func (s *session) stood(booted time.Duration) bool { return booted-s.turned > s.r.pace.stall }

// bootTime goes on while the box is suspended, when the monotonic clock of a
// time.Time stands still.
func bootTime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // no Linux is so old as not to have it
	return time.Duration(t.Nano())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// took makes codes of bytes that were read at a time.
func (s *session) took(ctx context.Context, p []byte, at time.Time) error {
	r := s.r
	if !s.muted.IsZero() || s.f.deaf {
		s.f.last = at
		cause := "stalled"
		if !s.muted.IsZero() {
			cause = "muted"
		} else if !s.told {
			s.tellStalled() // whoever shows a code just after it waits for an answer, too
		}
		r.o.Metrics.discarded(r.o.Lane, cause, len(p))
		// Nothing is heard of a line that babbles on after a stall: it must not be called online.
		if s.muted.IsZero() && (s.flooded(len(p), at) || at.Sub(s.deafened) > muteTime) {
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
	s.drop(s.f.arrived(at), at)
	for len(p) > 0 && s.muted.IsZero() && !s.f.deaf {
		var code []byte
		var dropped string
		code, dropped, p = s.f.next(p)
		s.drop(dropped, at)
		s.hand(ctx, code, at)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
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
	// The process may have been stopped since the bytes were read, or the code before took its time.
	if s.stood(s.r.boot()) {
		s.stalled(time.Now(), true)
		return
	}
	if s.r.o.OnCode(ctx, Code{Lane: s.r.o.Lane, Data: bytes.Clone(code), At: at}) {
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
	s.r.o.Metrics.dropped(s.r.o.Lane, cause)
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
	s.f.deafen(now)
	s.muted, s.bad, s.bytes = now.Add(s.r.pace.mute), s.bad[:0], 0
	s.r.o.Metrics.mutedOnce(s.r.o.Lane)
	s.r.became(Muted, CauseFlood, nil)
}

// stalled drops what has piled up while the daemon stood still, up to the next
// silence: those who sent it have gone, or hold their code up again.
func (s *session) stalled(now time.Time, queued bool) {
	if !s.f.deaf {
		s.told = false
	}
	s.deafened = now
	if s.muted.IsZero() && !s.told && (queued || s.f.pending()) {
		s.tellStalled()
	}
	s.release()
	s.f.deafen(now)
}

func (s *session) tellStalled() {
	s.told = true
	s.r.o.Metrics.dropped(s.r.o.Lane, Stalled)
	s.r.o.OnFraming(Stalled)
	s.r.o.Log.Warn("codes dropped that were sent while the gate stood still", "lane", s.r.o.Lane)
}

// look sees to what does not come from the scanner. Bytes that wait already were sent before it.
func (s *session) look(now time.Time, queued bool) error {
	select {
	case <-s.r.changed:
		s.looked = time.Time{}
	default:
	}
	if now.Sub(s.looked) >= recheck {
		s.looked = now
		if s.p.moved(s.r.o.Config.Device) {
			return errRenumbered
		}
	}
	if !s.muted.IsZero() && !queued && !now.Before(s.muted) && now.Sub(s.f.last) >= s.r.pace.settle {
		s.muted = time.Time{}
		s.f.silence()
		s.r.became(Online, "", nil)
	}
	return nil
}

// listenFor asks a module that can answer whether it lives, and minds how long
// nothing was heard of one that cannot.
func (s *session) listenFor(now time.Time) {
	if !s.muted.IsZero() {
		return
	}
	c := s.r.o.Config
	cause := ""
	switch {
	case c.Profile == GM65:
		if !s.asked.IsZero() && now.Sub(s.asked) >= heartbeatLimit {
			s.asked = time.Time{}
			s.lost++
			s.r.o.Metrics.heartbeat(s.r.o.Lane, false)
		}
		if s.asked.IsZero() && !now.Before(s.beat) {
			s.asked, s.beat = now, now.Add(s.r.pace.heartbeat)
			s.p.try(gm65Heartbeat) // what cannot be written is not answered either
		}
		if s.lost >= heartbeatsLost {
			cause = CauseNoHeartbeat
		}
	case s.silent: // at night, too, until something is heard
		cause = CauseSilent
	case c.SilentAfter > 0 && now.Sub(s.heard) >= c.SilentAfter && dayFor(now.In(s.r.o.Zone)) >= c.SilentAfter:
		s.silent, cause = true, CauseSilent
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
		s.asked, s.lost = time.Time{}, 0
		s.r.o.Metrics.heartbeat(s.r.o.Lane, true)
	}
	return rest
}

// became makes a change of state known, and nothing else: the tenth attempt to
// open a missing port is no news.
func (r *Reader) became(state State, cause string, err error) {
	if state == r.state && cause == r.cause {
		return
	}
	r.state, r.cause = state, cause
	up := state == Online
	r.o.Metrics.became(r.o.Lane, state, cause)
	log := r.o.Log.With("lane", r.o.Lane, "device", r.o.Config.Device, "state", string(state))
	// A loose plug goes down ten times a second.
	now := time.Now()
	again := (err != nil || state == Muted || up) && now.Sub(r.warned[string(state)+cause]) < warnEvery
	if again {
		log.Debug("scanner again", "cause", cause)
	} else if state != Closing {
		r.warned[string(state)+cause] = now
	}
	switch {
	case again:
	case state == Opening || state == Settling || state == Closing:
		log.Debug("scanner")
	case state == Muted:
		log.Warn("scanner muted: it sends what is no code", "cause", cause)
	case err != nil && cause == CauseBusy:
		rdev, _ := deviceNumber(r.o.Config.Device)
		log.Warn("scanner down", "cause", cause, "holder", holder(rdev), "err", err)
	case err != nil:
		log.Warn("scanner down", "cause", cause, "err", err)
	case up && cause != "":
		log.Warn("scanner up, and nothing is heard of it: have a code scanned", "cause", cause)
	case up:
		log.Info("scanner up")
	default:
		log.Info("scanner closed")
	}
	r.o.OnState(up, state, cause)
}

// why tells what an error of the port means for the lane.
func why(err error) (State, string) {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(errWedged):
		return Backoff, CauseWedged
	case is(fs.ErrNotExist, unix.ENOTDIR, unix.ENXIO, unix.ENODEV):
		return Absent, CauseAbsent
	case is(errNotDevice, unix.ENOTTY):
		return Backoff, CauseNotADevice
	case is(errRenumbered):
		return Backoff, CauseRenumbered
	case is(fs.ErrPermission):
		return Backoff, CauseNoPermission
	case is(unix.EBUSY, unix.EWOULDBLOCK):
		return Backoff, CauseBusy
	case is(unix.EIO):
		return Backoff, CauseHangUp
	case is(errNoBytes):
		return Backoff, CauseLost
	}
	return Backoff, CauseFault
}
