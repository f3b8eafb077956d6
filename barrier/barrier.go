// Package barrier opens the barrier for a moment.
//
// The driver none is for a gate without one. The driver exec runs the operator's own program, which knows the relay:
//
//	PROGRAM ARGS… pulse LANE MILLISECONDS   open, wait so long, close
//	PROGRAM ARGS… open  LANE 0              open and leave open (emergency key)
//	PROGRAM ARGS… close LANE 0              close, whatever was before (also at start and exit of the daemon)
//
// No shell is between. The environment is PATH and LANG=C.UTF-8 and nothing else, the directory is /, standard input is
// empty. Exit status 0 means done; anything else is an error, and the last line of the output goes into its text. The
// program has Config.Limit (and for a pulse the pulse's own length on top), then its whole process group is killed;
// what it leaves running in its group when it ends is killed too, so it must not go to the background.
//
// Emergency and fire release do not hang on this package alone: fire release is hard-wired.
package barrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The drivers.
const (
	None = "none" // there is no barrier, or it is worked by hand
	Exec = "exec" // the operator's program works it
)

const (
	defaultLimit = 3 * time.Second
	maxLimit     = 4 * time.Second // Close waits so long, and the daemon has to end within 5 s of SIGTERM
	minLimit     = 100 * time.Millisecond
	maxPulse     = time.Minute
)

var (
	// ErrUnknownLane is for a lane that was not among Options.Lanes.
	ErrUnknownLane = errors.New("no such lane")
	// ErrClosed is for commands after Close.
	ErrClosed = errors.New("the gate is stopping")
	// ErrBusy is for a command whose turn did not come within the limit, because the lane's program hangs.
	ErrBusy = errors.New("the barrier program is still busy with an earlier command")

	errOvertaken = errors.New("overtaken by a later command")
)

// Config says how the barrier is driven.
type Config struct {
	Driver  string        // none (default) | exec
	Program string        // absolute path, for exec
	Args    []string      // come before the action
	Limit   time.Duration // 3 s if zero; how long the program may take, a pulse's own length not counted
}

// Validate reports every fault joined, each naming the field and its value.
func (c Config) Validate() error {
	var errs []error
	switch c.Driver {
	case Exec:
		if !filepath.IsAbs(c.Program) {
			errs = append(errs, fmt.Errorf("program %q: the driver exec needs the absolute path of a program, such as /usr/local/bin/relay", c.Program))
		}
	case None, "":
		if c.Program != "" {
			errs = append(errs, fmt.Errorf("program %q: only the driver exec runs a program; set driver: exec or remove it", c.Program))
		}
		if len(c.Args) > 0 {
			errs = append(errs, fmt.Errorf("args %q: only the driver exec has arguments; set driver: exec or remove them", c.Args))
		}
	default:
		errs = append(errs, fmt.Errorf("driver %q: want none or exec", c.Driver))
	}
	for _, s := range append([]string{c.Program}, c.Args...) {
		if strings.ContainsRune(s, 0) {
			errs = append(errs, fmt.Errorf("program or args %q: a NUL byte cannot be passed to a program", s))
		}
	}
	if c.Limit != 0 && (c.Limit < minLimit || c.Limit > maxLimit) {
		errs = append(errs, fmt.Errorf("limit %s: want %s to %s", c.Limit, minLimit, maxLimit))
	}
	return errors.Join(errs...)
}

// Options is what New needs.
type Options struct {
	Config
	Lanes   []string
	Log     *slog.Logger // required; programs' output at debug level
	Metrics *Metrics     // required
}

// Barrier works the barriers of all lanes. Commands of one lane run one at a time; lanes do not wait for each other.
type Barrier struct {
	config  Config
	log     *slog.Logger
	metrics *Metrics
	lanes   map[string]*lane
	kill    func(pgid int) error // replaced in tests by one that fails
}

// lane is the barrier of one lane.
type lane struct {
	name string
	turn chan struct{} // holds a value while a program of this lane runs

	mu      sync.Mutex
	held    bool                    // the guard wants it open until Release
	closed  bool                    // the daemon is stopping: never open it again
	running string                  // action of the program that runs now
	cancel  context.CancelCauseFunc // ends that program
	undead  int                     // programs that outlived being killed, waiting on a dead device
}

// New checks the settings and starts nothing; call ReleaseAll before the first passage.
func New(o Options) (*Barrier, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Limit == 0 {
		o.Limit = defaultLimit
	}
	b := &Barrier{config: o.Config, log: o.Log, metrics: o.Metrics, kill: killGroup, lanes: make(map[string]*lane)}
	for _, name := range o.Lanes {
		b.lanes[name] = &lane{name: name, turn: make(chan struct{}, 1)}
	}
	return b, nil
}

// Pulse opens the lane's barrier for d and returns when the program has ended, at the latest after d plus the limit.
// When ctx ends, a pulse that waits for its turn gives up; one that has begun goes on, since cut short it would leave
// the barrier open. A pulse that failed is followed by a close.
// On a lane that is held open it says open again: a pulse would end by closing it upon the ambulance.
func (b *Barrier) Pulse(ctx context.Context, lane string, d time.Duration) error {
	if d < time.Millisecond || d > maxPulse {
		return fmt.Errorf("pulse of %s on lane %q: want 1ms to %s", d, lane, maxPulse)
	}
	return b.command(ctx, lane, "pulse", d)
}

// HoldOpen opens the lane's barrier until Release. It ends a pulse or close that runs on the lane rather than wait for
// it, and goes on when ctx ends: an emergency is not over when the page that reported it is gone.
func (b *Barrier) HoldOpen(ctx context.Context, lane string) error {
	return b.command(context.WithoutCancel(ctx), lane, "open", 0)
}

// Release closes the lane's barrier, held open or not, and ends a pulse that runs on the lane. It goes on when ctx ends.
func (b *Barrier) Release(ctx context.Context, lane string) error {
	return b.command(context.WithoutCancel(ctx), lane, "close", 0)
}

// ReleaseAll closes the barriers of all lanes at once, within the limit. The daemon calls it at its start, when a barrier
// may stand open from before a power cut. Errors are joined; a barrier that does not answer is no reason not to start.
func (b *Barrier) ReleaseAll(ctx context.Context) error {
	errs := make(chan error, len(b.lanes))
	for name := range b.lanes {
		go func() { errs <- b.Release(ctx, name) }()
	}
	var all []error
	for range b.lanes {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// Close closes the barriers of all lanes, within the limit, and refuses to open one ever after.
func (b *Barrier) Close() error {
	for _, l := range b.lanes {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
	}
	return b.ReleaseAll(context.Background())
}

// command runs the program on one lane when it is that lane's turn.
func (b *Barrier) command(ctx context.Context, name, action string, d time.Duration) error {
	l := b.lanes[name]
	if l == nil {
		return fmt.Errorf("barrier: %s: lane %q: %w", action, name, ErrUnknownLane)
	}
	if b.config.Driver != Exec {
		return nil
	}
	err := b.inTurn(ctx, l, action, d)
	if errors.Is(err, errOvertaken) {
		return nil // what became of it is told to the guard who gave the later command
	}
	if err != nil {
		b.metrics.errors.WithLabelValues(name).Inc()
		return fmt.Errorf("barrier: %s: lane %q: %w", action, name, err)
	}
	if action == "pulse" {
		b.metrics.pulses.WithLabelValues(name).Inc()
	}
	return nil
}

func (b *Barrier) inTurn(ctx context.Context, l *lane, action string, d time.Duration) error {
	l.want(action)
	limit, cancel := context.WithTimeoutCause(ctx, b.config.Limit, ErrBusy)
	defer cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	deadline := time.Now().Add(b.config.Limit + d)
	select {
	case l.turn <- struct{}{}:
	case <-limit.Done():
		return context.Cause(limit)
	}
	err := b.perform(l, action, d, deadline)
	if action != "pulse" || err == nil || errors.Is(err, errOvertaken) || !errors.Is(err, errFailed) {
		<-l.turn
		return err
	}
	// The relay may have stayed on. Closing it takes its time, and the guard has to know now: the turn passes on only
	// when it is done, so Close waits for this.
	go func() {
		defer func() { <-l.turn }()
		if err := b.perform(l, "close", 0, time.Now().Add(b.config.Limit)); err != nil && !errors.Is(err, errOvertaken) {
			b.metrics.errors.WithLabelValues(l.name).Inc()
			b.log.Warn("barrier may stand open after a failed pulse", "lane", l.name, "err", err)
		}
	}()
	return err
}

// want notes what the guard wants from now on, and ends the program that does something else.
func (l *lane) want(action string) {
	if action == "pulse" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = action == "open" && !l.closed
	if l.cancel != nil && l.running != action {
		l.cancel(errOvertaken)
	}
}

// perform runs the program once, unless what the guard wants has changed meanwhile. The caller has the lane's turn.
func (b *Barrier) perform(l *lane, action string, d time.Duration, deadline time.Time) error {
	l.mu.Lock()
	switch {
	case l.closed && action != "close":
		l.mu.Unlock()
		return ErrClosed
	case l.held && action == "pulse":
		action, d = "open", 0
	case l.held != (action == "open"):
		l.mu.Unlock()
		return errOvertaken
	case l.undead > 0 && action == "pulse":
		l.mu.Unlock()
		return errUndead
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	l.running, l.cancel = action, cancel
	l.mu.Unlock()

	err := b.run(ctx, l, action, d, deadline)

	l.mu.Lock()
	l.running, l.cancel = "", nil
	l.mu.Unlock()
	cancel(nil)
	return err
}
