package gate

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gated/barrier"
	"gated/barrier/lcussim"
	"gated/credential"
	"gated/ledger"
	"gated/policy"
	"gated/roster"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("GATED_INTERLOCK_CHILD"); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// A pulse belongs to exactly one durable admit or opening by a guard. The emergency key alone may come before its entry,
// which then follows as a debt.
//
// The gate is a process of its own, which is killed and started again; it reads commands and answers them. The relays
// are boards in this process, whose journals outlast it: in the end each time that one was switched on must have its
// entry. The disk fails before and after commits, the relays are pulled out, fall silent and do not read.
func TestEverySwitchingHasItsEntry(t *testing.T) {
	schedules, steps := 3, 120
	if n, _ := strconv.Atoi(os.Getenv("GATED_SCHEDULES")); n > 0 {
		schedules = n
	}
	for i := range schedules {
		seed := uint64(time.Now().UnixNano())
		if s, err := strconv.ParseUint(os.Getenv("GATED_SEED"), 10, 64); err == nil {
			seed = s + uint64(i)
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Logf("GATED_SEED=%d plays this again, as far as the clock allows", seed)
			play(t, rand.New(rand.NewPCG(seed, 1)), steps)
		})
	}
}

var bothLanes = []string{"in", "out"}

// schedule is one run of the property.
type schedule struct {
	t      *testing.T
	s      *site
	rng    *rand.Rand
	relays map[string]*lcussim.Relay
	c      *process
	last   string   // code scanned last
	holds  []string // passages that wait
	keyed  []string // passages by the emergency key
	count  map[string]int
	faulty map[string]bool // lanes whose relay is
}

func play(t *testing.T, rng *rand.Rand, steps int) {
	s := newSite(t)
	s.end()
	s.people.Close()
	p := &schedule{t: t, s: s, rng: rng, relays: map[string]*lcussim.Relay{}, count: map[string]int{}, faulty: map[string]bool{}}
	for _, lane := range bothLanes {
		r, err := lcussim.New(filepath.Join(s.dir, "relay-"+lane), 1, true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		p.relays[lane] = r
	}
	p.c = spawn(t, s.dir)
	t.Cleanup(func() { p.c.kill() })
	for range steps {
		p.step()
		if rng.IntN(3) == 0 {
			time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond) // the schedule's own pace, nothing is waited for
		}
	}

	// All is well again; what is owed is paid.
	for _, lane := range bothLanes {
		p.relays[lane].Set(lcussim.Faults{})
		if err := p.relays[lane].Plug(); err != nil {
			t.Fatal(err)
		}
	}
	p.c.ask("settle")
	p.c.settled()
	p.c.ask("close in")
	p.c.ask("close out")
	p.c.settled()
	p.c.ask("settle")
	p.c.settled()
	p.c.stop()
	p.match()
	t.Logf("%v", p.count)
	if s.people, _ = roster.Open(filepath.Join(s.dir, "roster.db")); s.people == nil {
		t.Fatal("roster")
	}
	s.start() // as the site's end expects
}

func (p *schedule) step() {
	lane := bothLanes[p.rng.IntN(2)]
	relay := p.relays[lane]
	if p.faulty[lane] && p.rng.IntN(6) == 0 {
		relay.Set(lcussim.Faults{})
		relay.Plug()
		p.faulty[lane] = false
	}
	people := []string{"王小明", "李芳"}
	valid := func() string {
		return p.s.pass("resident", p.s.subject(people[p.rng.IntN(2)]), month+time.Duration(p.rng.IntN(1e6))*time.Second)
	}
	scan := func(code string) { p.c.ask("scan " + lane + " " + hex.EncodeToString([]byte(code))) }
	do := func(what string, f func()) { p.count[what]++; f() }
	switch n := p.rng.IntN(100); {
	case n < 34:
		do("valid", func() { p.last = valid(); scan(p.last) })
	case n < 40:
		do("two at once", func() { scan(valid()); scan(valid()) })
	case n < 46:
		do("expired", func() {
			scan(p.s.pass("resident", p.s.subject(people[p.rng.IntN(2)]), -time.Duration(1+p.rng.IntN(1e4))*time.Second))
		})
	case n < 50:
		do("unknown", func() { scan(fmt.Sprintf("69%011d", p.rng.Int64N(1e11))) })
	case n < 54 && p.last != "":
		do("again", func() { scan(p.last) })
	case n < 64:
		p.holds = append(p.holds, p.c.settled()...)
		if i := len(p.holds); i > 0 {
			verdict := "admit known-by-sight"
			if p.rng.IntN(3) == 0 {
				verdict = "refuse not-known"
			}
			do("decided", func() { p.c.ask("decide " + p.holds[i-1] + " " + verdict); p.holds = p.holds[:i-1] })
		}
	case n < 68:
		do("emergency", func() { p.c.ask("emergency " + lane) })
	case n < 74:
		do("closed", func() { p.c.ask("close " + lane) })
	case n < 77:
		do("disk", func() {
			p.c.ask(fmt.Sprintf("fault %s %d", []string{"commit", "committed"}[p.rng.IntN(2)], 1+p.rng.IntN(2)))
		})
	case n < 84:
		do("well", func() { p.c.ask("settle"); p.holds = append(p.holds, p.c.settled()...) })
	case n < 90: // nothing happens for a while
		time.Sleep(time.Duration(p.rng.IntN(300)) * time.Millisecond)
	case n < 96:
		p.faulty[lane] = true
		switch p.rng.IntN(4) {
		case 0:
			do("unplugged", relay.Unplug)
		case 1:
			do("replugged", func() { relay.Unplug(); relay.Plug() })
		case 2:
			do("silent", func() { relay.Set(lcussim.Faults{Silent: true}) })
		case 3:
			do("deaf", func() { relay.Set(lcussim.Faults{Deaf: true}) })
		}
	case n < 98:
		// At any moment but one: in the millisecond between the key and the disk's answer nothing on this box can know.
		do("killed", func() { p.c.keys.Wait(); p.c.kill(); p.again() })
	default:
		do("restarted", func() { p.c.stop(); p.again() })
	}
}

// again starts the gate after its end.
func (p *schedule) again() {
	p.keyed, p.holds = append(p.keyed, p.c.keyed...), nil
	p.c = spawn(p.t, p.s.dir)
}

// match finds for each switching on the one entry that it belongs to.
func (p *schedule) match() {
	type opening struct{ from, until time.Time }
	var at struct{ start []time.Time }
	type entry struct {
		ledger.Entry
		used bool
	}
	admits, pulses := map[string][]*entry{}, map[int64]int64{}
	emergencies := map[string][]opening{}
	wrong, byKey := map[int64]bool{}, map[string]int{}
	all := p.s.records()
	for _, e := range all {
		if e.Verdict != "" {
			p.count[e.Lane+" "+string(e.Kind)+" "+e.Verdict+" "+e.Reason]++
		}
		if e.Kind == ledger.Correction {
			wrong[e.Ref] = true
		}
	}
	admitted := map[int64]bool{}
	for _, e := range all {
		lane := e.Lane
		end := func(lane string) {
			if l := emergencies[lane]; len(l) > 0 && l[len(l)-1].until.IsZero() {
				l[len(l)-1].until = e.At
			}
		}
		switch {
		case e.Kind == ledger.Start:
			at.start = append(at.start, e.At)
			end("in")
			end("out")
		case e.Kind == ledger.Register && e.Verdict == policy.Admit && e.Rule != "emergency-key" && !wrong[e.Seq]:
			admits[lane] = append(admits[lane], &entry{Entry: e})
			admitted[e.Seq] = true
		case e.Kind == ledger.Opening && e.Verdict == policy.Admit:
			emergencies[lane] = append(emergencies[lane], opening{from: e.At})
			if !wrong[e.Seq] { // taken back where its commit failed, and written again
				byKey[e.Passage]++
			}
		case e.Kind == ledger.CloseByHand:
			end(lane)
		case e.Kind == ledger.Opening:
			if before := pulses[e.Ref]; before != 0 && (e.Detail["again"] == "" || all[before-1].Mono != e.Mono) {
				p.t.Errorf("entries %d and %d: two openings for the admit %d", before, e.Seq, e.Ref)
			}
			if !admitted[e.Ref] {
				p.t.Errorf("entry %d: an opening for %d, which is no admit", e.Seq, e.Ref)
			}
			pulses[e.Ref] = e.Seq
		}
	}
	for _, id := range append(p.keyed, p.c.keyed...) {
		if n := byKey[id]; n != 1 {
			p.t.Errorf("%d entries of the emergency opening %s, want 1", n, id)
		}
	}
	const slack = 50 * time.Millisecond // between the clocks' readings
	total, keyed := 0, 0
	for _, lane := range bothLanes {
		for _, sw := range p.relays[lane].Journal() {
			if !sw.On {
				continue
			}
			total++
			held := slices.ContainsFunc(emergencies[lane], func(o opening) bool {
				return !sw.At.Before(o.from.Add(-slack)) && (o.until.IsZero() || !sw.At.After(o.until.Add(slack)))
			})
			i := slices.IndexFunc(admits[lane], func(e *entry) bool {
				late := sw.At.Sub(e.At)
				return !e.used && late >= -time.Millisecond && late <= pulseWithin+slack
			})
			switch {
			case i >= 0 && !held:
				admits[lane][i].used = true
			case held:
				keyed++
			default:
				p.t.Errorf("lane %s was opened at %s and no entry says why", lane, sw.At.Format(time.StampMicro))
			}
		}
		if p.relays[lane].On(1) {
			p.t.Errorf("lane %s stands open in the end", lane)
		}
		p.t.Logf("lane %s: %d admits, %d emergencies", lane, len(admits[lane]), len(emergencies[lane]))
	}
	p.t.Logf("switched on %d times, %d of them by the emergency key; %d openings on record, %d starts", total, keyed, len(pulses), len(at.start))
	if p.t.Failed() {
		for _, e := range all {
			p.t.Logf("%s", e.Raw)
		}
		for _, lane := range bothLanes {
			for _, sw := range p.relays[lane].Journal() {
				p.t.Logf("%s %+v", lane, sw)
			}
		}
	}
}

// process is the gate under test.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	keys  sync.WaitGroup // presses of the emergency key without an answer
	ended chan struct{}

	mu    sync.Mutex
	open  map[int]string
	held  []string // passages that wait for the guard
	keyed []string // passages that the emergency key was told
	next  int
	quiet *sync.Cond
	gone  bool
}

func spawn(t *testing.T, dir string) *process {
	t.Helper()
	c := &process{t: t, cmd: exec.Command(os.Args[0]), open: map[int]string{}, ended: make(chan struct{})}
	c.quiet = sync.NewCond(&c.mu)
	c.cmd.Env = append(os.Environ(), "GATED_INTERLOCK_CHILD="+dir)
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the gate did not start: %q", lines.Text())
	}
	go func() {
		defer close(c.ended)
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			id, _ := strconv.Atoi(f[0])
			c.mu.Lock()
			if strings.HasPrefix(c.open[id], "emergency") && len(f) == 3 {
				c.keyed = append(c.keyed, f[2])
			}
			c.answered(id)
			if len(f) == 3 && f[1] == "hold" {
				c.held = append(c.held, f[2])
			}
			c.mu.Unlock()
		}
		c.mu.Lock()
		for id := range c.open {
			c.answered(id)
		}
		c.gone = true
		c.mu.Unlock()
	}()
	return c
}

func (c *process) answered(id int) {
	if strings.HasPrefix(c.open[id], "emergency") {
		c.keys.Done()
	}
	delete(c.open, id)
	c.quiet.Broadcast()
}

// ask sends a command and does not wait for its answer.
func (c *process) ask(command string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	if c.gone {
		c.t.Error("the gate has ended by itself")
		return
	}
	c.open[c.next] = command
	if strings.HasPrefix(command, "emergency") {
		c.keys.Add(1)
	}
	fmt.Fprintf(c.in, "%d %s\n", c.next, command)
}

// settled waits until all is answered and returns the passages put on hold since the last time.
func (c *process) settled() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.open) > 0 {
		c.quiet.Wait()
	}
	held := c.held
	c.held = nil
	return held
}

func (c *process) kill() {
	c.cmd.Process.Kill()
	<-c.ended
	c.cmd.Wait()
}

func (c *process) stop() {
	c.in.Close()
	<-c.ended
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the gate ended with %v", err)
	}
}

// childTB is as much of a test as the site of the child needs.
type childTB struct{ testing.TB }

func (childTB) Helper()           {}
func (childTB) Fatal(args ...any) { fmt.Fprintln(os.Stderr, args...); os.Exit(3) }

// child is the gate as a process: a command a line, its number first, and a line of answer for each.
func child(dir string) {
	t := childTB{}
	s := &site{t: t, dir: dir, synced: true, policy: policy.Shipped(), src: System(), relays: map[string]*barrier.Barrier{}}
	s.src.Synced = func() bool { return true }
	s.trust = must(credential.LoadTrust(filepath.Join(dir, "trust")))
	s.people = must(roster.Open(filepath.Join(dir, "roster.db")))
	var mu sync.Mutex
	faults := map[string]int{}
	s.inject = func(op string) error {
		mu.Lock()
		defer mu.Unlock()
		if faults[op] > 0 {
			faults[op]--
			return syscall.EIO
		}
		return nil
	}
	metrics := barrier.NewMetrics(prometheus.NewRegistry(), bothLanes...)
	for _, lane := range bothLanes {
		s.relays[lane] = must(barrier.New(barrier.Options{Config: barrier.Config{Driver: barrier.LCUS, Device: filepath.Join(dir, "relay-"+lane), Spacing: 50 * time.Millisecond},
			Lanes: []string{lane}, Log: slog.New(slog.DiscardHandler), Metrics: metrics}))
		s.relays[lane].ReleaseAll(context.Background())
	}
	s.start()
	fmt.Println("ready")
	var answers sync.Mutex
	var work sync.WaitGroup
	ctx := context.Background()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		f := strings.Fields(in.Text())
		run := func() {
			var out Outcome
			var err error
			switch f[1] {
			case "scan":
				code, _ := hex.DecodeString(f[3]) // there are blanks in base45
				out, err = s.g.Scan(ctx, f[2], code, time.Now())
			case "decide":
				out, err = s.g.Decide(ctx, f[2], Ruling{Verdict: f[3], Reason: f[4]})
				if errors.Is(err, ErrNoHold) {
					err = nil
				}
			case "emergency":
				out, err = s.g.Emergency(ctx, f[2])
			case "close":
				err = s.g.Close(ctx, f[2])
			case "settle":
				changed, cancel := s.g.Subscribe()
				for s.g.Fault() || !s.g.pay() || len(s.g.owed.openings()) > 0 {
					<-changed
				}
				cancel()
			}
			if err != nil {
				t.Fatal(f, err)
			}
			answers.Lock()
			fmt.Println(f[0], out.Verdict, out.Passage)
			answers.Unlock()
		}
		if f[1] == "fault" {
			mu.Lock()
			faults[f[2]], _ = strconv.Atoi(f[3])
			mu.Unlock()
			run()
			continue
		}
		if f[1] == "emergency" || f[1] == "close" { // keys are pressed one after the other
			run()
			continue
		}
		work.Go(run)
	}
	work.Wait()
	for _, lane := range bothLanes {
		s.relays[lane].Close()
	}
	s.end()
	s.people.Close()
}
