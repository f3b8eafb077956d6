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
	maxWaiting = 4 // pulses of a lane: more would be dropped for being late
)

var (
	// ErrUnknownLane is for a lane that was not among Options.Lanes.
	ErrUnknownLane = errors.New("no such lane")
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
	Lanes   []string
	Log     *slog.Logger // required; programs' output at debug level
	Metrics *Metrics     // required

	tune func(*lcus) // by tests
}

// Barrier works the barriers of all lanes. Commands of one lane run one at a time; lanes do not wait for each other.
type Barrier struct {
	config  Config
	log     *slog.Logger
	metrics *Metrics
	lanes   map[string]*lane

	kill     func(pgid int) error // replaced in tests by one that fails
	reapTime time.Duration        // tests have another

	mu     sync.Mutex // guards the two below, and is held while watch is called: states come in order
	watch  func(lane string, err error)
	states map[string]error // what is wrong with a lane's relay; absent where nobody knows
}

// command is one thing that a driver is to do.
type command struct {
	action   string        // pulse, open or close
	length   time.Duration // of a pulse
	startBy  time.Time     // a pulse that has not begun by then must not begin; zero: any time
	deadline time.Time     // all must be done by then
}

// driver works the barrier of one lane. Barrier gives it one command at a time.
type driver interface {
	// perform returns once the command is done or has failed, at its deadline at the latest. When ctx ends it stops
	// what it does at once and returns ctx's cause: the next command follows.
	perform(ctx context.Context, c command) error
	// stop ends what the driver does by itself, after the last command.
	stop()
}

// lane is the barrier of one lane.
type lane struct {
	name   string
	driver driver        // nil: there is none
	turn   chan struct{} // holds a value while a command of this lane runs
	pulses atomic.Int32  // that wait or run
	ended  time.Time     // of the last pulse; belongs to who has the turn

	mu         sync.Mutex
	held       bool                    // the guard wants it open until Release
	closed     bool                    // the daemon is stopping: never open it again
	generation int                     // how often the guard has said what they want
	running    string                  // action that runs now
	cancel     context.CancelCauseFunc // ends that
}

// New checks the settings. Call ReleaseAll before the first passage, and Close at the end: a relay is looked after by a
// goroutine of its own until then.
func New(o Options) (*Barrier, error) {
	o.Config = o.filled()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	b := &Barrier{
		config: o.Config, log: o.Log, metrics: o.Metrics, kill: killGroup, reapTime: reapTime,
		lanes: make(map[string]*lane), states: map[string]error{},
	}
	for _, name := range o.Lanes {
		l := &lane{name: name, turn: make(chan struct{}, 1)}
		b.lanes[name] = l
		switch o.Driver {
		case Exec:
			l.driver = &program{b: b, lane: name}
		case LCUS:
			l.driver = startLCUS(b, l, o.tune)
		}
	}
	return b, nil
}

// Watch has f told the state of every lane's relay, now and at each change: nil while it obeys, or what is wrong with
// it. Drivers that cannot know say nothing. f must not block, nor call the Barrier.
func (b *Barrier) Watch(f func(lane string, err error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watch = f
	for name, err := range b.states {
		f(name, err)
	}
}

func (b *Barrier) became(name string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.states[name] = err
	if b.watch != nil {
		b.watch(name, err)
	}
}

// Pulse opens the lane's barrier for d and returns when that is over, at the latest after d plus the limit.
// When ctx ends, a pulse that waits for its turn is dropped: nobody stands there any more. One that has begun goes on,
// since cut short it would leave the barrier open. A pulse that failed is followed by a close.
// On a lane that is held open it says open again: a pulse would end by closing it upon the ambulance.
func (b *Barrier) Pulse(ctx context.Context, lane string, d time.Duration) error {
	return b.BeginPulse(ctx, lane, d)()
}

// BeginPulse is Pulse in two steps, as Begin is those of a guard: what a guard says after it has returned wins, however
// late the function that it returns, which must be called, gets to run.
func (b *Barrier) BeginPulse(ctx context.Context, lane string, d time.Duration) (finish func() error) {
	if d < time.Millisecond || d > maxPulse {
		return func() error { return fmt.Errorf("pulse of %s on lane %q: want 1ms to %s", d, lane, maxPulse) }
	}
	generation := 0
	if l := b.lanes[lane]; l != nil {
		generation = l.want("pulse")
	}
	return func() error { return b.command(ctx, lane, "pulse", d, generation) }
}

// HoldOpen opens the lane's barrier until Release. It ends a pulse or close that runs on the lane rather than wait for
// it, and goes on when ctx ends: an emergency is not over when the page that reported it is gone.
func (b *Barrier) HoldOpen(ctx context.Context, lane string) error { return b.Begin(lane, true)() }

// Release closes the lane's barrier, held open or not, and ends a pulse that runs on the lane. It goes on when ctx ends.
func (b *Barrier) Release(ctx context.Context, lane string) error { return b.Begin(lane, false)() }

// Begin is HoldOpen or Release in two steps: when it returns, the later command has won whatever the goroutines that
// carry out the two do; the function that it returns carries it out and must be called.
func (b *Barrier) Begin(lane string, open bool) (finish func() error) {
	action := "close"
	if open {
		action = "open"
	}
	generation := 0
	if l := b.lanes[lane]; l != nil {
		generation = l.want(action)
	}
	return func() error { return b.command(context.Background(), lane, action, 0, generation) }
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
	err := b.ReleaseAll(context.Background())
	var stopping sync.WaitGroup
	for _, l := range b.lanes {
		if l.driver != nil {
			stopping.Go(l.driver.stop)
		}
	}
	stopping.Wait()
	return err
}

// command does something on one lane when it is that lane's turn.
func (b *Barrier) command(ctx context.Context, name, action string, d time.Duration, generation int) error {
	l := b.lanes[name]
	if l == nil {
		return fmt.Errorf("barrier: %s: lane %q: %w", action, name, ErrUnknownLane)
	}
	if l.driver == nil {
		return nil
	}
	err := b.inTurn(ctx, l, action, d, generation)
	switch {
	case errors.Is(err, errOvertaken):
		return nil // what became of it is told to the guard who gave the later command
	case errors.Is(err, ErrDropped), errors.Is(err, ErrClosed): // nothing is wrong with the barrier
		b.metrics.dropped.WithLabelValues(name).Inc()
	case err != nil:
		b.metrics.errors.WithLabelValues(name).Inc()
	case action == "pulse":
		b.metrics.pulses.WithLabelValues(name).Inc()
	}
	if err != nil {
		return fmt.Errorf("barrier: %s: lane %q: %w", action, name, err)
	}
	return nil
}

func (b *Barrier) inTurn(ctx context.Context, l *lane, action string, d time.Duration, generation int) error {
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
		defer l.pulses.Add(-1)
		if l.pulses.Add(1) > maxWaiting+1 {
			return fmt.Errorf("%w: too many wait before it", ErrDropped)
		}
	}
	select {
	case l.turn <- struct{}{}:
	case <-limit.Done():
		if ctx.Err() != nil {
			return late(ctx)
		}
		return ErrBusy
	}
	err := b.perform(ctx, l, c, generation)
	if action != "pulse" || err == nil || errors.Is(err, errOvertaken) || !errors.Is(err, errFailed) {
		<-l.turn
		return err
	}
	// The relay may have stayed on. Closing it takes its time, and the guard has to know now: the turn passes on only
	// when it is done, so Close waits for this.
	go func() {
		defer func() { <-l.turn }()
		c := command{action: "close", deadline: time.Now().Add(b.config.Timeout)}
		if err := b.perform(context.Background(), l, c, generation); err != nil && !errors.Is(err, errOvertaken) {
			b.metrics.errors.WithLabelValues(l.name).Inc()
			b.log.Warn("barrier may stand open after a failed pulse", "lane", l.name, "err", err)
		}
	}()
	return err
}

// late is the error of a pulse whose ctx ended before it began.
func late(ctx context.Context) error {
	return fmt.Errorf("%w: it could not begin in time: %w", ErrDropped, context.Cause(ctx))
}

// want notes what the guard wants from now on, ends what does something else, and returns the guard's count of wishes.
func (l *lane) want(action string) (generation int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if action == "pulse" {
		return l.generation
	}
	l.generation++
	l.held = action == "open" && !l.closed
	if l.cancel != nil && l.running != action {
		l.cancel(errOvertaken)
	}
	return l.generation
}

func (l *lane) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// perform has the driver do it, unless what the guard wants has changed meanwhile. The caller has the lane's turn.
func (b *Barrier) perform(given context.Context, l *lane, c command, generation int) error {
	l.mu.Lock()
	switch {
	case l.closed && c.action != "close":
		l.mu.Unlock()
		return ErrClosed
	case l.held && c.action == "pulse":
		c.action, c.length, c.startBy, c.deadline = "open", 0, time.Time{}, time.Now().Add(b.config.Timeout)
	case c.action == "pulse" && l.generation != generation:
		l.mu.Unlock()
		return fmt.Errorf("%w: the guard has closed the barrier since", ErrDropped)
	case l.held != (c.action == "open"):
		l.mu.Unlock()
		return errOvertaken
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	l.running, l.cancel = c.action, cancel
	l.mu.Unlock()

	var err error
	if c.action == "pulse" {
		err = b.space(given, ctx, l)
		c.deadline = time.Now().Add(b.config.Timeout + c.length) // the waiting was not the relay's doing
	}
	if err == nil {
		err = l.driver.perform(ctx, c)
		if c.action == "pulse" {
			l.ended = time.Now()
		}
	}

	l.mu.Lock()
	l.running, l.cancel = "", nil
	l.mu.Unlock()
	cancel(nil)
	return err
}

// space waits until the next pulse may begin: a barrier's own control takes two pulses with nothing between for one.
func (b *Barrier) space(given, ctx context.Context, l *lane) error {
	if given.Err() != nil {
		return late(given)
	}
	if ctx.Err() != nil {
		return errGaveWay
	}
	rest := b.config.Spacing - time.Since(l.ended)
	if l.ended.IsZero() || rest <= 0 {
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
