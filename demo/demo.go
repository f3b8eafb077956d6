// Package demo plays a day at the gate of an invented compound.
//
// It starts the same daemon that production runs, as a process of its own, and observes it from outside only: through its page,
// its metrics, the line that it prints for each verdict, and its ledger. The people are simulated, and so are scanners, relay
// boards and card readers.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"gated/demo/judge"
	"gated/demo/lcussim"
	"gated/demo/samvsim"
	"gated/demo/terminal"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"

	"github.com/spf13/cobra"
)

// Main runs the command and returns its exit status.
func Main(args []string, stdout, stderr io.Writer) int {
	c := command()
	c.SetArgs(args)
	c.SetOut(stdout)
	c.SetErr(stderr)
	// The first SIGINT or SIGTERM ends the demo in order; a second one kills it, as it would any program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := c.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "gated-demo:", err)
		return 2
	}
	return 0
}

func command() *cobra.Command {
	o := Options{}
	c := &cobra.Command{
		Use:   "gated-demo",
		Short: "see a gate at work: an invented compound, its scanners pseudo-terminals",
		Long: `gated-demo invents a compound of 8 buildings, 712 households and 2,132 residents, issues passes, and
runs the ordinary gated with ordinary settings; only people and hardware are simulated.
gated must be in the same directory, where make puts it, or on PATH.

Everything is in one directory, which can be deleted. To look at it with the commands of gated, use
--state D, or --config D/gated.yaml. Run again on the same directory, the demo continues from there.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Stdout, o.Stderr = c.OutOrStdout(), c.ErrOrStderr()
			return Run(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "demo-state", "directory of the demo")
	f.IntVar(&o.Scans, "scans", 0, "end after so many codes (0: play until Ctrl-C)")
	f.BoolVar(&o.Fast, "fast", false, "play codes as fast as they are answered")
	f.DurationVar(&o.For, "for", 0, "end after so long (0: play until Ctrl-C, or --scans)")
	f.BoolVar(&o.Faults, "faults", false,
		"inject faults into scanners, card reader and relays while it plays, and report how the gate handled them")
	f.DurationVar(&o.Within, "within", time.Second,
		"how soon the page must show a fault, with --faults: half of each kind, 19 of 20 of all, "+
			"and every single one within five times that")
	f.BoolVar(&o.Scenes, "scenes", false,
		"play scenes first: an order by telephone, a second trip, a pass handed back over the fence, questions, what is put right")
	f.BoolVar(&o.LogVerdicts, "log-verdicts", false, "print the daemon's JSON line on standard output for each verdict")
	return c
}

// Options are the command's flags.
type Options struct {
	Dir            string
	Scans          int
	For            time.Duration
	Fast           bool
	Faults         bool
	Scenes         bool
	Within         time.Duration
	LogVerdicts    bool
	Stdout, Stderr io.Writer
}

// Lanes are those of the demo's gate.
var Lanes = []string{"in", "out"}

// demo is one run of the command.
type demo struct {
	Options
	people   people
	nobody   error // why nobody can come, such as a damaged roster: the gate is there to be looked at all the same
	lanes    map[string]*lane
	cards    *samvsim.Reader // of the in lane
	gated    *daemon
	page     *watchedPage
	until    time.Time // when to stop; zero: only when told to
	injected *faults   // nil: without --faults

	openings *judge.Openings // this and answers are used by the goroutine that reads the lines of the daemon, until it has ended
	answers  *judge.Answers
	keys     sync.Mutex // held while the guard presses a key; guards run
	run      judge.Run

	mu      sync.Mutex             // guards the rest
	waiting map[string]chan answer // by lane: who waits for the answer to the code that was shown last
	holds   map[string]bool        // passages that are on hold
	latest  map[string]int         // passages, by their latest verdict
	count   struct{ scans, answered, repeats, framing int }
}

// lane is a lane's hardware.
type lane struct {
	id      string
	scanner *terminal.Socket
	relay   *lcussim.Relay
	frames  map[string]float64 // dropped frames of its scanner when last read, by cause
}

// answer is what became of a code.
type answer struct {
	out     judge.Answer
	dropped string    // why its scanner dropped it; empty: it did not
	shown   time.Time // when it was shown
}

// errEnded: the daemon has ended, or the demo is being stopped.
var errEnded = errors.New("the demo is being stopped")

// Run plays until all codes are played, the time is over, or ctx ends.
func Run(ctx context.Context, o Options) (err error) {
	d := &demo{Options: o, lanes: map[string]*lane{}, openings: judge.NewOpenings(Lanes...), answers: judge.NewAnswers(),
		waiting: map[string]chan answer{}, holds: map[string]bool{}, latest: map[string]int{}}
	if d.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	path, err := binary()
	if err != nil {
		return err
	}
	held, err := prepare(ctx, d.Dir)
	if err != nil && (errors.Is(err, errRuns) || !known(d.Dir)) {
		return err
	}
	defer held.Close()
	defer d.unplug()
	settings := filepath.Join(d.Dir, "gated.yaml")
	before, damaged := d.ready(settings)
	if d.nobody = errors.Join(err, damaged); d.nobody != nil && d.ends() {
		return d.nobody
	}
	held.Close() // the daemon takes the lock
	d.run.From = time.Now()
	gated := exec.Command(path, "run", "--config", settings, "--state", d.Dir, "--log-verdicts")
	gated.Stderr = d.Stderr
	if d.gated, err = startDaemon(ctx, gated, d.line); err == nil {
		err = d.work(ctx)
	}
	if errors.Is(err, context.Canceled) { // ended before it began
		return nil
	}
	if d.gated == nil {
		return err
	}
	return d.summary(before, err)
}

// ready writes the settings, calls the people together and plugs the hardware in; before is how many entries the ledger has. What is
// damaged keeps nothing else from being done: the gate starts whatever is broken, and is to be looked at then.
func (d *demo) ready(settings string) (before int64, err error) {
	var err1, err2 error
	d.people, err1 = loadPeople(d.Dir)
	before, err2 = size(d.Dir)
	d.people.moves = &judge.Moves{Older: before > 0}
	return before, errors.Join(d.writeSettings(settings), err1, d.plug(), err2)
}

// ends tells whether the demo is to end by itself: whoever waits for that does not look at a gate at which nobody comes.
func (d *demo) ends() bool { return d.Scans > 0 || d.For > 0 }

// work plays while the daemon runs, and stops it at the end.
func (d *demo) work(ctx context.Context) (err error) {
	defer d.gated.stop()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		<-d.gated.done
		stop()
	}()
	if d.page, err = watchPage(ctx, d.gated.page); err != nil {
		return d.cause(err)
	}
	if !d.Fast {
		fmt.Fprintf(d.Stderr, "\n  The gate's page:  %s\n  Its metrics:      %smetrics\n  Its ledger:       %s\n"+
			"  Its directory:    %s\n  Ctrl-C ends it.\n\n", d.gated.page, d.gated.page, d.gated.tree, d.Dir)
	}
	if d.Faults {
		d.injected = newFaults(d)
		go d.injected.watch(context.WithoutCancel(ctx))
		defer d.injected.end()
	}
	if d.nobody == nil {
		err = d.cause(d.play(ctx))
	}
	if err != nil && d.gated.running() && !d.ends() {
		d.nobody = err
	}
	if d.nobody != nil { // the gate is there to be looked at
		fmt.Fprintf(d.Stderr, "gated-demo: nobody comes to this gate: %v: to begin anew, stop it and delete %s\n", d.nobody, d.Dir)
		<-ctx.Done()
		return d.cause(d.gated.stop())
	}
	if d.injected != nil {
		d.injected.measure()
	}
	d.run.Ending = time.Now()
	err = errors.Join(err, d.gated.stop())
	d.run.Until = time.Now()
	return err
}

// cause is err, or the reason why the daemon ended if it has.
func (d *demo) cause(err error) error {
	if d.gated.running() {
		return err
	}
	return cmp.Or(d.gated.err, err)
}

// summary prints the result. before is how many entries the ledger had at the start. A run with faults is reported in full,
// whatever ended it.
func (d *demo) summary(before int64, played error) error {
	if d.nobody != nil || played != nil && d.injected == nil {
		return played
	}
	r, err := file.OpenReader(d.Dir)
	if err != nil {
		return errors.Join(played, err)
	}
	after, err := r.Size()
	if err == nil && d.injected != nil {
		err = r.Scan(before+1, after, false, func(e *ledger.Entry) error { d.openings.Entry(e); d.answers.Entry(e); return nil })
	}
	err = errors.Join(played, err, r.Close())
	if d.injected != nil {
		err = errors.Join(err, d.injected.report(d.Stdout))
	}
	if err != nil && d.injected == nil {
		return err
	}
	fmt.Fprintf(d.Stdout, "scans=%d answered=%d repeats=%d framing=%d entries=%d admit=%d refuse=%d hold=%d\n",
		d.count.scans, d.count.answered, d.count.repeats, d.count.framing, after-before,
		d.latest[policy.Admit], d.latest[policy.Refuse], d.latest[policy.Hold])
	return err
}

// size returns how many entries the ledger has.
func size(dir string) (int64, error) {
	r, err := file.OpenReader(dir)
	if errors.Is(err, fs.ErrNotExist) { // no file, or no ledger in it yet
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := r.Size()
	return n, errors.Join(err, r.Close())
}

// plug plugs in the hardware of the lanes.
func (d *demo) plug() (err error) {
	dev := filepath.Join(d.Dir, "dev")
	if err := os.MkdirAll(dev, 0o700); err != nil {
		return err
	}
	for _, id := range Lanes {
		l := &lane{id: id, scanner: &terminal.Socket{Link: filepath.Join(dev, "scanner-"+id)}}
		d.lanes[id] = l
		if err := l.scanner.Plug(); err != nil {
			return err
		}
		if l.relay, err = lcussim.New(filepath.Join(dev, "relay-"+id), 1, true); err != nil {
			return err
		}
	}
	return d.plugCards()
}

func (d *demo) unplug() {
	for _, l := range d.lanes {
		l.scanner.Unplug()
		if l.relay != nil {
			l.relay.Close()
		}
	}
	if d.cards != nil {
		d.unplugCards()
	}
}

func (d *demo) cardPort() string { return filepath.Join(d.Dir, "dev", "card-in") }

// plugCards plugs a card reader in.
func (d *demo) plugCards() error {
	r, err := samvsim.Plug()
	if err != nil {
		return err
	}
	if err := terminal.Link(d.cardPort(), r.Path); err != nil {
		r.Close()
		return err
	}
	d.cards = r
	return nil
}

// unplugCards unplugs it; nobody may be using it.
func (d *demo) unplugCards() {
	os.Remove(d.cardPort())
	d.cards.Close()
	d.cards = nil
}
