package scanner

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"gated/serialport"
)

// settleTime is the silence after which a port just opened counts as quiet.
// FTDI adapters hold bytes back for up to 16 ms; at 1200 baud a byte takes 9 ms;
// a hub that is being enumerated hands over what it kept after some 100 ms.
const settleTime = 200 * time.Millisecond

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

	openLimit  = 3 * time.Second // after which a port is left to its driver,
	closeLimit = 3 * time.Second // at either end
)

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
	ports  serialport.Opener
	follow func(ctx context.Context, path string, changed func())
	boot   func() time.Duration // since the box was started, also while it was suspended

	port atomic.Pointer[serialport.Port] // for Lines

	// Run's own.
	state  State
	cause  string
	tried  uint64               // device that could not be opened the last time
	warned map[string]time.Time // cause: when the log was last told of it

	changed chan struct{} // something happened where the path is named
}

// pace is how soon a Reader does what it does; tests are in a hurry, or have all the time in the world.
type pace struct {
	retryMin, retryMax, settle, look, stall, mute, heartbeat time.Duration
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
	return &Reader{
		o: o, follow: serialport.Follow, boot: bootTime, warned: map[string]time.Time{}, changed: make(chan struct{}, 1),
		ports: serialport.Opener{OpenLimit: openLimit, CloseLimit: closeLimit},
		pace:  pace{retryMin, retryMax, settleTime, lookEvery, stallTime, muteTime, heartbeatEvery},
	}
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
				p.Wake() // after the line above: who is woken looks there
			}
		})
	}()
	defer func() { cancel(); <-following }()
	defer r.became(Closed, CauseStopped, nil)
	for retry := r.pace.retryMin; ; retry = min(2*retry, r.pace.retryMax) {
		began := time.Now()
		err := r.listen(ctx)
		if r.ports.Wedged() {
			return fmt.Errorf("scanner of lane %s: %w", r.o.Lane, ErrWedged)
		}
		if ctx.Err() != nil {
			return nil
		}
		state, cause := stateAfter(err)
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
			if rdev, err := serialport.DeviceNumber(r.o.Config.Device); err == nil && rdev != r.tried {
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
	defer context.AfterFunc(ctx, p.Wake)()
	defer func() {
		cause := serialport.Cause(err)
		if ctx.Err() != nil {
			cause = CauseStopped
		}
		r.became(Closing, cause, err)
		err = r.ports.Close(p, err)
	}()
	r.port.Store(p)
	defer r.port.Store(nil)
	return r.session(ctx, p)
}

// opened opens the port, and says so where that is news.
func (r *Reader) opened() (*serialport.Port, error) {
	// The tenth attempt to open what cannot be opened is no news.
	rdev, err := serialport.DeviceNumber(r.o.Config.Device)
	if err == nil && (r.state == "" || r.state == Absent || rdev != r.tried) {
		r.became(Opening, "", nil)
	}
	r.tried = rdev
	p, err := r.ports.Open(r.o.Config.port())
	if err == nil {
		r.tried = 0
	}
	return p, err
}

// Lines returns the modem-status lines of the port (TIOCMGET bits), for a contact that is wired to them. It may be called
// at any time, from any goroutine.
func (r *Reader) Lines() (lines int, err error) {
	if p := r.port.Load(); p != nil {
		return p.Lines()
	}
	return 0, serialport.ErrClosed
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
		log.Warn("scanner down", "cause", cause, "holder", heldBy(r.o.Config.Device), "err", err)
	case err != nil:
		log.Warn("scanner down", "cause", cause, "err", err)
	case up && cause != "":
		log.Warn("scanner up, and nothing comes from it: have a code scanned", "cause", cause)
	case up:
		log.Info("scanner up")
	default:
		log.Info("scanner closed")
	}
	r.o.OnState(up, state, cause)
}

// heldBy names the processes that have the device open.
func heldBy(device string) string {
	var by []string
	for _, h := range serialport.Holders(device) {
		name := h.String()
		if h.PID == os.Getpid() {
			name = "gated itself, for another lane"
		}
		by = append(by, name)
	}
	return strings.Join(by, ", ")
}
