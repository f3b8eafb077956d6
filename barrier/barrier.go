// Package barrier opens the barrier for a moment.
//
// The driver none is for a gate without one. The driver lcus switches a relay board on a serial port, see lcus.go. The
// driver exec runs the operator's own program, which knows the relay:
//
//	PROGRAM ARGS… pulse LANE MILLISECONDS   open, wait so long, close
//	PROGRAM ARGS… open  LANE 0              open and leave open (emergency key)
//	PROGRAM ARGS… close LANE 0              close, whatever was before (also at start and exit of the daemon)
//
// No shell is between. The environment is PATH and LANG=C.UTF-8 and nothing else, the directory is /, standard input is
// empty. Exit status 0 means done; anything else is an error, and the last line of the output goes into its text. The
// program has Config.Timeout (and for a pulse the pulse's own length on top), then its whole process group is killed;
// what it leaves running in its group when it ends is killed too, so it must not go to the background.
//
// Emergency and fire release do not hang on this package alone: fire release is hard-wired.
package barrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// The drivers.
const (
	None = "none" // there is no barrier, or it is worked by hand
	LCUS = "lcus" // an LCUS-type USB relay board works it
	Exec = "exec" // the operator's program works it
)

const (
	maxPulse   = 5 * time.Second
	maxWaiting = 4 // pulses: more would be dropped for being late
)

var (
	// ErrClosed is for commands after Close.
	ErrClosed = errors.New("the gate is stopping")
	// ErrBusy is for a command whose turn did not come within the limit, because the lane's program or relay hangs.
	ErrBusy = errors.New("the barrier is still busy with an earlier command")
	// ErrDropped is for a pulse that did not begin in time, or not before a guard's command overtook it: nothing was
	// opened for it, and nothing is wrong with the barrier.
	ErrDropped = errors.New("the pulse was dropped")

	errOvertaken = errors.New("overtaken by a later command")
	errGaveWay   = fmt.Errorf("%w: a guard has opened or closed the barrier since", ErrDropped) // before it began
)

// Options is what New needs.
type Options struct {
	Config
	Lane    string
	Log     *slog.Logger // required; programs' output at debug level
	Metrics *Metrics     // required

	tune func(*lcus) // by tests
}

// Barrier works the barrier of one lane. Its commands run one at a time.
type Barrier struct {
	lane    string
	config  Config
	log     *slog.Logger
	metrics *Metrics
	driver  driver        // nil: there is none
	turn    chan struct{} // holds a value while a command runs
	pulses  atomic.Int32  // that wait or run
	ended   time.Time     // of the last pulse; belongs to who has the turn

	kill     func(pgid int, mark string) // replaced in tests by one that fails
	reapTime time.Duration               // tests have another

	mu         sync.Mutex              // guards the next five
	held       bool                    // the guard has opened it until a close
	closed     bool                    // the daemon is stopping: never open it again
	generation int                     // how many commands the guard has given
	running    string                  // action that runs now
	cancel     context.CancelCauseFunc // ends that

	watching sync.Mutex // guards the three below, and is held while watch is called: states come in order
	watch    func(lane string, err error)
	known    bool  // whether state is
	state    error // what is wrong with the relay
}

// command is one thing that a driver is to do.
type command struct {
	action   string        // pulse, open or close
	length   time.Duration // of a pulse
	startBy  time.Time     // a pulse that has not begun by then must not begin; zero: any time
	deadline time.Time     // all must be done by then
}

// driver works the barrier. Barrier gives it one command at a time.
type driver interface {
	// perform returns once the command is done or has failed, at its deadline at the latest. When ctx ends it stops
	// what it does at once and returns ctx's cause: the next command follows.
	perform(ctx context.Context, c command) error
	// stop ends what the driver does by itself, after the last command.
	stop()
}

// New checks the settings. Call Close at the end: a relay is looked after by a goroutine of its own until then.
func New(o Options) (*Barrier, error) {
	o.Config = o.filled()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	b := &Barrier{
		lane: o.Lane, config: o.Config, log: o.Log, metrics: o.Metrics, turn: make(chan struct{}, 1),
		kill: kill, reapTime: reapTime,
	}
	switch o.Driver {
	case Exec:
		b.driver = &program{b: b}
	case LCUS:
		b.driver = startLCUS(b, o.tune)
	}
	return b, nil
}

// Watch has f told the state of the lane's relay, now and at each change: nil while it obeys, or what is wrong with it.
// Of a program that is what became of its last command. f must not block, nor call the Barrier.
func (b *Barrier) Watch(f func(lane string, err error)) {
	b.watching.Lock()
	defer b.watching.Unlock()
	if b.watch = f; b.known {
		f(b.lane, b.state)
	}
}

func (b *Barrier) became(err error) {
	b.watching.Lock()
	defer b.watching.Unlock()
	if b.known, b.state = true, err; b.watch != nil {
		b.watch(b.lane, err)
	}
}

// BeginPulse opens the barrier for d, in two steps: what a guard says after it has returned wins, however late the function
// that it returns, which must be called, gets to run. That one returns when the pulse is over, at the latest after d plus
// the limit. When ctx ends, a pulse that waits for its turn is dropped: nobody stands there any more. One that has begun
// goes on, since cut short it would leave the barrier open. A pulse that failed is followed by a close. While the guard
// holds the barrier open it says open again: a pulse would end by closing it upon the ambulance.
func (b *Barrier) BeginPulse(ctx context.Context, d time.Duration) (finish func() error) {
	if d < time.Millisecond || d > maxPulse {
		return func() error { return fmt.Errorf("pulse of %s on lane %q: want 1ms to %s", d, b.lane, maxPulse) }
	}
	generation := b.want("pulse")
	return func() error { return b.command(ctx, "pulse", d, generation) }
}

// Begin opens the barrier until the next Begin, or closes it, held open or not. It ends what else runs rather than wait for
// it, and has no context: an emergency is not over when the page that reported it is gone. When it returns, the
// later command has won whatever the goroutines that carry out the two do; the function that it returns carries it out
// and must be called.
func (b *Barrier) Begin(open bool) (finish func() error) {
	action := "close"
	if open {
		action = "open"
	}
	generation := b.want(action)
	return func() error { return b.command(context.Background(), action, 0, generation) }
}

// Close closes the barrier, within the limit, and refuses to open it ever after.
func (b *Barrier) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	err := b.Begin(false)()
	if b.driver != nil {
		b.driver.stop()
	}
	return err
}

// command does something when it is its turn.
func (b *Barrier) command(ctx context.Context, action string, d time.Duration, generation int) error {
	if b.driver == nil {
		return nil
	}
	err := b.inTurn(ctx, action, d, generation)
	switch {
	case errors.Is(err, errOvertaken):
		return nil // what became of it is told to the guard who gave the later command
	case errors.Is(err, ErrDropped), errors.Is(err, ErrClosed): // nothing is wrong with the barrier
		b.metrics.dropped.WithLabelValues(b.lane).Inc()
	case err != nil:
		b.metrics.errors.WithLabelValues(b.lane).Inc()
	case action == "pulse":
		b.metrics.pulses.WithLabelValues(b.lane).Inc()
	}
	if err != nil {
		return fmt.Errorf("barrier: %s: lane %q: %w", action, b.lane, err)
	}
	return nil
}

func (b *Barrier) inTurn(ctx context.Context, action string, d time.Duration, generation int) error {
	c := command{action: action, length: d, deadline: time.Now().Add(b.config.Timeout)}
	limit := ctx
	if action == "pulse" {
		c.startBy, _ = ctx.Deadline()
	}
	if c.startBy.IsZero() { // else the pulses before it, and their distance, may take until then
		var cancel context.CancelFunc
		limit, cancel = context.WithTimeoutCause(ctx, b.config.Timeout, ErrBusy)
		defer cancel()
	}
	if ctx.Err() != nil {
		return late(ctx)
	}
	if action == "pulse" {
		defer b.pulses.Add(-1)
		if b.pulses.Add(1) > maxWaiting+1 {
			return fmt.Errorf("%w: too many wait before it", ErrDropped)
		}
	}
	select {
	case b.turn <- struct{}{}:
	case <-limit.Done():
		if ctx.Err() != nil {
			return late(ctx)
		}
		return ErrBusy
	}
	err := b.perform(ctx, c, generation)
	if _, is := b.driver.(*program); is && !errors.Is(err, errOvertaken) && !errors.Is(err, ErrDropped) && !errors.Is(err, ErrClosed) {
		b.became(err) // nobody may have been there to be told, as at the start
	}
	if action != "pulse" || err == nil || errors.Is(err, errOvertaken) || !errors.Is(err, errFailed) {
		<-b.turn
		return err
	}
	// The relay may have stayed on. Closing it takes its time, and the guard has to know now: the turn passes on only
	// when it is done, so Close waits for this.
	go func() {
		defer func() { <-b.turn }()
		c := command{action: "close", deadline: time.Now().Add(b.config.Timeout)}
		if err := b.perform(context.Background(), c, generation); err != nil && !errors.Is(err, errOvertaken) {
			b.metrics.errors.WithLabelValues(b.lane).Inc()
			b.log.Warn("barrier may stand open after a failed pulse", "lane", b.lane, "err", err)
		}
	}()
	return err
}

// late is the error of a pulse whose ctx ended before it began.
func late(ctx context.Context) error {
	return fmt.Errorf("%w: it could not begin in time: %w", ErrDropped, context.Cause(ctx))
}

// want notes the guard's command, ends a running one that is against it, and returns how many commands the guard has given.
func (b *Barrier) want(action string) (generation int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if action == "pulse" {
		return b.generation
	}
	b.generation++
	b.held = action == "open" && !b.closed
	if b.cancel != nil && b.running != action {
		b.cancel(errOvertaken)
	}
	return b.generation
}

func (b *Barrier) isHeld() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// perform has the driver do it, unless the guard has given another command meanwhile. The caller has the turn.
func (b *Barrier) perform(given context.Context, c command, generation int) error {
	b.mu.Lock()
	switch {
	case b.closed && c.action != "close":
		b.mu.Unlock()
		return ErrClosed
	case b.held && c.action == "pulse":
		c.action, c.length, c.startBy, c.deadline = "open", 0, time.Time{}, time.Now().Add(b.config.Timeout)
	case c.action == "pulse" && b.generation != generation:
		b.mu.Unlock()
		return fmt.Errorf("%w: the guard has closed the barrier since", ErrDropped)
	case b.held != (c.action == "open"):
		b.mu.Unlock()
		return errOvertaken
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	b.running, b.cancel = c.action, cancel
	b.mu.Unlock()

	var err error
	if c.action == "pulse" {
		err = b.space(given, ctx)
		c.deadline = time.Now().Add(b.config.Timeout + c.length) // the waiting was not the relay's doing
	}
	if err == nil {
		err = b.driver.perform(ctx, c)
		if c.action == "pulse" {
			b.ended = time.Now()
		}
	}

	b.mu.Lock()
	b.running, b.cancel = "", nil
	b.mu.Unlock()
	cancel(nil)
	return err
}

// space waits until the next pulse may begin: a barrier's own control takes two pulses with nothing between for one.
func (b *Barrier) space(given, ctx context.Context) error {
	if given.Err() != nil {
		return late(given)
	}
	if ctx.Err() != nil {
		return errGaveWay
	}
	rest := b.config.Spacing - time.Since(b.ended)
	if b.ended.IsZero() || rest <= 0 {
		return nil
	}
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-given.Done():
		return late(given)
	case <-ctx.Done():
		return errGaveWay
	}
}
