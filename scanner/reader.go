package scanner

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"gated/serialport"

	"github.com/prometheus/client_golang/prometheus"
)

// settleTime is the silence after which a port just opened counts as quiet.
// FTDI adapters hold bytes back for up to 16 ms; at 1200 baud a byte takes 9 ms;
// a hub that is being enumerated hands over what it kept after some 100 ms.
const settleTime = 200 * time.Millisecond

const (
	lookEvery = 250 * time.Millisecond // a Reader that has nothing to do looks about so often
	stallTime = time.Second            // what waited longer than this for a Reader is not looked at

	floodFrames = 10       // more frames than this in floodTime that are no codes, and none between them that is,
	floodBytes  = 64 << 10 // or more bytes, and a line is muted
	floodTime   = time.Second
	muteTime    = 5 * time.Second

	heartbeatEvery = 10 * time.Second
	heartbeatLimit = time.Second
	heartbeatsLost = 3
	mostMisread    = 3 // codes that the scanner itself changed, without a good one between

	warnEvery = 10 * time.Second // for the same in the log
)

// Options of a Reader. Callbacks may be nil; those given are called one at a
// time from Run's goroutine and must return before the next byte is read.
type Options struct {
	Lane    string
	Config  Config
	Log     *slog.Logger   // nil: silent. Never sees a byte of a code.
	Metrics *Metrics       // nil: not registered anywhere
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
	o     Options
	pace  pace
	ports serialport.Opener
	boot  func() time.Duration // since the box was started, also while it was suspended

	// Run's own.
	state  State
	cause  string
	warned map[string]time.Time // cause: when the log was last told of it

	misread   int    // codes since the newest good one that the scanner itself changed,
	misreadBy string // and how
}

// pace is how soon a Reader does what it does; tests are in a hurry, or have all the time in the world.
type pace struct {
	settle, look, stall, mute, heartbeat time.Duration
}

// NewReader opens nothing; Run does.
func NewReader(o Options) *Reader {
	o.Config = o.Config.filled()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(prometheus.NewRegistry())
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
		o: o, boot: bootTime, warned: map[string]time.Time{},
		pace: pace{settleTime, lookEvery, stallTime, muteTime, heartbeatEvery},
	}
}

// Run listens until ctx ends and then returns nil, at once or when the
// callback under way returns. A port that is missing or lost is opened again
// by its path, for ever. Only settings that Validate refuses make an error,
// and drivers that hang with several ports: serialport.ErrWedged.
func (r *Reader) Run(ctx context.Context) error {
	if err := r.o.Config.Validate(); err != nil {
		return fmt.Errorf("scanner of lane %s: %w", r.o.Lane, err)
	}
	defer r.became(Closed, CauseStopped, nil)
	err := r.ports.Run(ctx, r.o.Config.port(), serialport.Use{
		Opening: func() { r.became(Opening, "", nil) },
		Open:    r.listen,
		Lost: func(err error) {
			state, cause := stateAfter(err)
			r.became(state, cause, err)
		}})
	if err != nil {
		return fmt.Errorf("scanner of lane %s: %w", r.o.Lane, err)
	}
	return nil
}

// listen hands the codes of a port on until the port is lost or ctx ends.
func (r *Reader) listen(ctx context.Context, p *serialport.Port) error {
	err := r.session(ctx, p)
	cause := serialport.Cause(err)
	if ctx.Err() != nil {
		cause = CauseStopped
	}
	r.became(Closing, cause, err)
	return err
}

// Checked tells from within OnCode what the check said of the code: CauseAdded, CauseLayout or another word, such as ok.
// A scanner that changes one code after the other was swapped, or lost its settings: the lane says so.
func (r *Reader) Checked(reason string) {
	switch reason {
	case CauseAdded, CauseLayout:
		r.misread, r.misreadBy = r.misread+1, reason
	case "ok":
		r.misread = 0
	}
}

// Lines returns the modem-status lines of the port (TIOCMGET bits), for a contact that is wired to them. It may be called
// at any time, from any goroutine.
func (r *Reader) Lines() (lines int, err error) { return r.ports.Lines() }

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
	// A loose connector goes down several times a second.
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
	case up && (cause == CauseAdded || cause == CauseLayout):
		log.Warn("scanner up, and it changes what it reads: find out how it is set with `gated scanner probe`", "cause", cause)
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
