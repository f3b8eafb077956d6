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

// A Code is what a scanner read at once: the bytes before an end byte, exactly
// as they came. Data belongs to who receives it.
type Code struct {
	Lane string
	Data []byte
	At   time.Time // when the end byte was read; wall and monotonic
}

// State is where a Reader stands with its port.
type State string

const (
	Online  State = "online"  // listening; every other state is down
	Absent  State = "absent"  // there is no such device
	Backoff State = "backoff" // the device was lost or cannot be opened; tried again soon
	Closed  State = "closed"  // Run has ended
)

// Why a Reader is down.
const (
	CauseAbsent       = "absent"        // no device under the path
	CauseNotADevice   = "not-a-device"  // a file, a directory, a pipe, or a device that is no serial port
	CauseNoPermission = "no-permission" // the daemon's user may not open it
	CauseBusy         = "busy"          // another process, or another lane, has it open
	CauseHangUp       = "hang-up"       // unplugged
	CauseLost         = "lost"          // bytes were announced and could not be read: someone else reads
	CauseFault        = "fault"         // anything else; the log says what
	CauseStopped      = "stopped"       // Run was told to end
)

const (
	retryMin = 100 * time.Millisecond
	retryMax = 2 * time.Second
)

// Options of a Reader. Callbacks may be nil; those given are called one at a
// time from Run's goroutine and must return before the next byte is read.
type Options struct {
	Lane    string
	Config  Config
	Log     *slog.Logger // nil: silent. Never sees a byte of a code.
	Metrics *Metrics

	// OnCode takes one code, in the order of reading.
	OnCode func(context.Context, Code)

	// OnState is told of every change of state or cause. Codes scanned before
	// up are discarded, those scanned after are handed on. The cause is one of
	// the Cause words, empty when up.
	OnState func(up bool, state State, cause string)

	// OnFraming is told why a frame was dropped: TooShort, TooLong, Timeout.
	OnFraming func(cause string)
}

// A Reader listens to the scanner of one lane.
type Reader struct {
	o                          Options
	retryMin, retryMax, settle time.Duration

	open atomic.Pointer[port] // for Lines

	state State // these two are Run's
	cause string
}

// NewReader opens nothing; Run does.
func NewReader(o Options) *Reader {
	o.Config = o.Config.filled()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OnCode == nil {
		o.OnCode = func(context.Context, Code) {}
	}
	if o.OnState == nil {
		o.OnState = func(bool, State, string) {}
	}
	if o.OnFraming == nil {
		o.OnFraming = func(string) {}
	}
	return &Reader{o: o, retryMin: retryMin, retryMax: retryMax, settle: settleTime}
}

// Run listens until ctx ends and then returns nil, at once or when the
// callback under way returns. A port that is missing or lost is opened again
// by its path, for ever. Only settings that Validate refuses make an error.
func (r *Reader) Run(ctx context.Context) error {
	if err := r.o.Config.Validate(); err != nil {
		return fmt.Errorf("scanner of lane %s: %w", r.o.Lane, err)
	}
	defer r.became(Closed, CauseStopped, nil)
	for retry := r.retryMin; ; retry = min(2*retry, r.retryMax) {
		online, err := r.listen(ctx)
		if ctx.Err() != nil {
			return nil
		}
		state, cause := why(err)
		r.became(state, cause, err)
		// A port that comes and goes at once is a fault like any other.
		if online >= r.retryMax {
			retry = r.retryMin
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
	}
}

// listen opens the port and hands its codes on until the port is lost or ctx
// ends. It returns how long it was online.
func (r *Reader) listen(ctx context.Context) (online time.Duration, err error) {
	p, err := openPort(r.o.Config)
	if err != nil {
		return 0, err
	}
	defer p.close()
	r.open.Store(p)
	defer r.open.Store(nil)
	defer context.AfterFunc(ctx, p.wake)()

	quiet, err := p.settle(ctx, r.settle)
	if err != nil {
		return 0, fmt.Errorf("wait for a quiet line on %s: %w", r.o.Config.Device, err)
	}
	f := newFramer(r.o.Config)
	f.skip, f.last = !quiet, time.Now()

	r.became(Online, "", nil)
	began := time.Now()
	defer func() { online = time.Since(began) }()

	buf := make([]byte, 4096)
	for {
		switch err := p.wait(ctx, f.deadline()); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.dropped(f.silence())
			continue
		case err != nil:
			return 0, fmt.Errorf("wait for bytes from %s: %w", r.o.Config.Device, err)
		}
		n, err := p.Read(buf)
		at := time.Now()
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				// Hung up since, or robbed by another reader.
				if _, err = p.queued(); err == nil {
					err = errNoBytes
				}
			}
			return 0, fmt.Errorf("read %s: %w", r.o.Config.Device, bare(err))
		}
		r.dropped(f.arrived(at))
		for rest := buf[:n]; len(rest) > 0; {
			var code []byte
			var dropped string
			code, dropped, rest = f.next(rest)
			r.dropped(dropped)
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if code != nil {
				r.o.OnCode(ctx, Code{Lane: r.o.Lane, Data: bytes.Clone(code), At: at})
			}
		}
	}
}

func (r *Reader) dropped(cause string) {
	if cause != "" {
		r.o.Metrics.dropped(r.o.Lane, cause)
		r.o.OnFraming(cause)
	}
}

// became makes a change of state known, and nothing else: the tenth attempt to
// open a missing port is no news.
func (r *Reader) became(state State, cause string, err error) {
	if state == r.state && cause == r.cause {
		return
	}
	r.state, r.cause = state, cause
	up := state == Online
	r.o.Metrics.setUp(r.o.Lane, up)
	log := r.o.Log.With("lane", r.o.Lane, "device", r.o.Config.Device, "state", string(state))
	switch {
	case err != nil:
		log.Warn("scanner down", "cause", cause, "err", err)
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
	case is(fs.ErrNotExist, unix.ENOTDIR, unix.ENXIO, unix.ENODEV):
		return Absent, CauseAbsent
	case is(errNotDevice, unix.ENOTTY):
		return Backoff, CauseNotADevice
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
