// Package demo plays a day at the gate of an invented compound.
//
// The daemon is the one that production runs, as a process of its own, and the demo knows of it what anybody can: its page,
// its metrics, the lines that it prints for each verdict, and its ledger. Only the people who hold up their codes are
// simulated, and the boards and readers that they stand before.
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
	"gated/policy"

	"github.com/spf13/cobra"
)

// Main runs the command and returns its exit status.
func Main(args []string, stdout, stderr io.Writer) int {
	c := command()
	c.SetArgs(args)
	c.SetOut(stdout)
	c.SetErr(stderr)
	// The first SIGINT or SIGTERM ends it; a second one kills, as it does any program.
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
runs the ordinary gated with ordinary settings; only the people who hold up their codes are simulated.
gated must lie beside it, as make puts it, or on PATH.

Everything is under one directory, which can be deleted. The commands of gated look at it with
--state D, or with --config D/gated.yaml. Run again on the same directory, it goes on from there.`,
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
		"pull, renumber, stall and jam scanners, card reader and relays while it plays, and tell how the gate took it")
	f.DurationVar(&o.Within, "within", time.Second,
		"how soon the page has to show a fault, with --faults: half of each kind, nineteen of twenty in all, "+
			"and each one within five times that")
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
	Within         time.Duration
	LogVerdicts    bool
	Stdout, Stderr io.Writer
}

// Lanes are those of the demo's gate.
var Lanes = []string{"in", "out"}

// demo plays a day at the gate.
type demo struct {
	Options
	people people
	lanes  map[string]*lane
	cards  *samvsim.Reader // of the in lane
	gated  *daemon
	page   *watchedPage
	until  time.Time // when it ends; zero: when it is stopped
	mishap *mishaps  // nil: nothing goes wrong

	openings *judge.Openings // this and answers belong to the goroutine that reads the daemon's lines, until that has ended
	answers  *judge.Answers
	keys     sync.Mutex // the guard presses one key after the other; guards run
	run      judge.Run

	mu      sync.Mutex             // guards the rest
	waiting map[string]chan answer // by lane: the code that was shown and is not answered yet
	holds   map[string]bool        // passages that wait for the guard
	latest  map[string]int         // by verdict: passages of which it is the latest
	count   struct{ scans, answered, repeats, framing int }
}

// lane is a lane's hardware.
type lane struct {
	id      string
	scanner *Socket
	relay   *lcussim.Relay
	frames  map[string]float64 // that its scanner had dropped when it was last looked at, by cause
}

// answer is what became of a code.
type answer struct {
	out     judge.Answer
	dropped string    // by its scanner, and why; empty: it was not
	shown   time.Time // when it was held up
}

// errEnded: the daemon has ended, or is being ended.
var errEnded = errors.New("the demo is being ended")

// Run plays until the codes are used up, the time is over, or ctx ends.
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
	if err != nil {
		return err
	}
	defer held.Close()
	settings, err := d.writeSettings()
	if err != nil {
		return err
	}
	if d.people, err = loadPeople(d.Dir); err != nil {
		return err
	}
	defer d.unplug()
	if err := d.plug(); err != nil {
		return err
	}
	before, err := size(d.Dir)
	if err != nil {
		return err
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

// work plays with the daemon that runs, and ends it.
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
		d.mishap = newMishaps(d)
		go d.mishap.watch(context.WithoutCancel(ctx))
		defer d.mishap.end()
	}
	err = d.cause(d.play(ctx))
	if d.mishap != nil {
		d.mishap.measure()
	}
	d.run.Ending = time.Now()
	err = errors.Join(err, d.gated.stop())
	d.run.Until = time.Now()
	return err
}

// cause is err, or if that is only that the daemon has gone, why it has.
func (d *demo) cause(err error) error {
	if d.gated.running() {
		return err
	}
	return cmp.Or(d.gated.err, err)
}

// summary says how it went, by the ledger, which had so many entries before. A run with faults has its whole report, whatever
// ended it.
func (d *demo) summary(before int64, played error) error {
	if played != nil && d.mishap == nil {
		return played
	}
	r, err := ledger.OpenReader(d.Dir)
	if err != nil {
		return errors.Join(played, err)
	}
	after, err := r.Size()
	if err == nil && d.mishap != nil {
		err = r.Scan(before+1, after, false, func(e *ledger.Entry) error { d.openings.Entry(e); d.answers.Entry(e); return nil })
	}
	err = errors.Join(played, err, r.Close())
	if d.mishap != nil {
		err = errors.Join(err, d.mishap.report(d.Stdout))
	}
	if err != nil && d.mishap == nil {
		return err
	}
	fmt.Fprintf(d.Stdout, "scans=%d answered=%d repeats=%d framing=%d entries=%d admit=%d refuse=%d hold=%d\n",
		d.count.scans, d.count.answered, d.count.repeats, d.count.framing, after-before,
		d.latest[policy.Admit], d.latest[policy.Refuse], d.latest[policy.Hold])
	return err
}

// size is how many entries the ledger has.
func size(dir string) (int64, error) {
	r, err := ledger.OpenReader(dir)
	if errors.Is(err, fs.ErrNotExist) { // or none in the file yet
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := r.Size()
	return n, errors.Join(err, r.Close())
}

// plug plugs in what the lanes have.
func (d *demo) plug() (err error) {
	dev := filepath.Join(d.Dir, "dev")
	if err := os.MkdirAll(dev, 0o700); err != nil {
		return err
	}
	for _, id := range Lanes {
		l := &lane{id: id, scanner: &Socket{Link: filepath.Join(dev, "scanner-"+id)}}
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

// unplugCards pulls it out; nobody may be using it.
func (d *demo) unplugCards() {
	os.Remove(d.cardPort())
	d.cards.Close()
	d.cards = nil
}
