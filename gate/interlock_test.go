package gate

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
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
	"gated/clock"
	"gated/credential"
	"gated/demo/judge"
	"gated/demo/lcussim"
	"gated/policy"
	"gated/register"
	"gated/roster"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("GATED_INTERLOCK_CHILD"); dir != "" {
		child(dir)
		return
	}
	flag.Set("test.parallel", "4") // they wait more than they work; the command line still has the last word
	os.Exit(m.Run())
}

// slack is how far this busy machine may be behind: the board's stamp is of the moment at which it got to read. An entry
// answers for one switching only, so that is no excuse for a second one.
const slack = time.Second

// patience is for what must come, however busy the machine is.
const patience = 2 * time.Minute

// A pulse belongs to exactly one durable admit or opening by a guard. The emergency key alone may come before its entry,
// which is then pending.
//
// The gate is a process of its own, which is killed and started again; it reads commands and answers them. The relays
// are boards in this process, whose journals outlast it. In the end each time that one was switched on must have an entry
// of its own, and each pulse on record of a relay that was well its switching. The disk fails before and after commits and
// is slow, the relays are pulled out, fall silent, lie, stick and do not read.
func TestEverySwitchingHasItsEntry(t *testing.T) {
	t.Parallel()
	schedules := 2
	if os.Getenv("FAULTS") == "all" { // in make faults
		schedules = 10
	}
	if n, _ := strconv.Atoi(os.Getenv("GATED_SCHEDULES")); n > 0 {
		schedules = n
	}
	for i := range schedules {
		seed := uint64(i)
		if i >= 1 { // the first is always the same
			seed = uint64(time.Now().UnixNano())
		}
		if s, err := strconv.ParseUint(os.Getenv("GATED_SEED"), 10, 64); err == nil {
			seed = s + uint64(i)
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			t.Logf("GATED_SEED=%d plays this again, as far as the clock allows", seed)
			play(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

var bothLanes = []string{"in", "out"}

// over ends those that go on.
func over(spans []judge.Span) {
	for i := range spans {
		if spans[i].Until.IsZero() {
			spans[i].Until = time.Now()
		}
	}
}

// board is a lane's relay, and what was done to it.
type board struct {
	*lcussim.Relay
	facts  judge.Relay
	last   string // code scanned last
	held   bool   // by the emergency key
	stands bool   // open by hand
}

// schedule is one run of the property.
type schedule struct {
	t      *testing.T
	s      *site
	rng    *rand.Rand
	boards map[string]*board
	c      *process
	lives  []*process
	holds  []string // passages that wait
	count  map[string]int
}

// deck is what happens in each schedule, so many times, in an order of its own.
var deck = map[string]int{"valid": 34, "two at once": 6, "expired": 5, "unknown": 8, "crowd": 2, "again": 10, "guard admits": 6, "guard refuses": 10,
	"emergency": 4, "by hand": 6, "disk": 6, "slow disk": 4, "well": 5, "quiet": 6, "unplugged": 2, "replugged": 4, "silent": 2, "deaf": 2, "lies": 1, "stuck": 1,
	"late": 1, "calm": 2, "killed": 4, "killed in a fault": 1, "restarted": 2, "restarted in a fault": 1}

func play(t *testing.T, rng *rand.Rand) {
	s := newSite(t)
	s.end()
	s.people.Close()
	p := &schedule{t: t, s: s, rng: rng, boards: map[string]*board{}, count: map[string]int{}}
	for _, lane := range bothLanes {
		answers := rng.IntN(3) > 0
		r, err := lcussim.New(filepath.Join(s.dir, "relay-"+lane), 1, answers)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		p.boards[lane] = &board{Relay: r, facts: judge.Relay{Mute: !answers}}
	}
	p.start(usualSpacing)
	t.Cleanup(func() { p.c.kill() })
	var steps []string
	for _, what := range slices.Sorted(maps.Keys(deck)) {
		steps = append(steps, slices.Repeat([]string{what}, deck[what])...)
	}
	rng.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	for _, what := range steps {
		p.step(what)
		if rng.IntN(2) == 0 {
			time.Sleep(time.Duration(rng.IntN(150)) * time.Millisecond) // the schedule's own pace, nothing is waited for
		}
	}

	// All is well again; what is pending is written.
	p.c.settled()
	for _, lane := range bothLanes {
		p.heal(lane)
		p.c.ask("close " + lane)
	}
	p.c.ask("settle")
	p.c.settled()
	p.c.ask("idle")
	p.c.settled()
	p.c.stop()
	for _, lane := range bothLanes {
		p.await(lane, false)
	}
	p.match()
	if s.people, _ = roster.Open(filepath.Join(s.dir, "roster.db")); s.people == nil {
		t.Fatal("roster")
	}
	s.start() // as the site's end expects
}

// usualSpacing of pulses lets five at once begin in time, slowSpacing the first of them only. The second one would be later
// than any slack allows, and yet within the barrier's limit, lest it be that which keeps it from beginning.
const usualSpacing, slowSpacing, limit = 50 * time.Millisecond, 3500 * time.Millisecond, 4 * time.Second

func (p *schedule) step(what string) {
	lane := bothLanes[p.rng.IntN(2)]
	b := p.boards[lane]
	if len(b.facts.Faulty) > 0 && b.facts.Faulty[len(b.facts.Faulty)-1].Until.IsZero() && p.rng.IntN(3) == 0 {
		p.heal(lane)
	}
	if b.held && p.rng.IntN(3) == 0 {
		p.close(lane)
	}
	if b.stands && p.rng.IntN(3) == 0 {
		p.shut(lane)
	}
	p.count[what]++
	switch what {
	case "valid":
		b.last = p.valid()
		p.scan(lane, b.last)
	case "two at once":
		p.scan(lane, p.valid())
		p.scan(lane, p.valid())
	case "crowd": // more than may wait for their pulse
		for range 12 {
			p.scan(lane, p.valid())
		}
	case "expired":
		p.scan(lane, p.expired())
	case "unknown":
		p.scan(lane, fmt.Sprintf("69%011d", p.rng.Int64N(1e11)))
	case "again":
		if b.last == "" || p.rng.IntN(2) == 0 {
			b.last = p.valid()
			p.scan(lane, b.last)
		}
		p.scan(lane, b.last)
	case "guard admits":
		p.guard(lane, "admit known-by-sight")
	case "guard refuses":
		p.guard(lane, "refuse not-known")
	case "emergency":
		p.key(lane)
		if p.well(lane) && p.rng.IntN(2) == 0 {
			p.await(lane, true)
		}
	case "by hand":
		b.stands = true
		p.c.ask("open " + lane)
		if p.rng.IntN(2) == 0 {
			p.scan(lane, p.valid())
		}
	case "disk":
		p.c.ask(fmt.Sprintf("fault %s %d", []string{"commit", "committed"}[p.rng.IntN(2)], 1+p.rng.IntN(2)))
		p.scan(lane, p.valid())
		p.scan(lane, p.valid())
	case "slow disk":
		p.c.ask(fmt.Sprintf("slow %d %d", 1+p.rng.IntN(3), 20+p.rng.IntN(200)))
		p.scan(lane, p.valid())
	case "well":
		p.c.ask("settle")
		p.holds = append(p.holds, p.c.settled()...)
	case "quiet": // nothing happens for a while
		time.Sleep(time.Duration(p.rng.IntN(300)) * time.Millisecond)
	case "unplugged":
		b.facts.Faulty = append(b.facts.Faulty, judge.Span{From: time.Now()})
		b.Unplug()
		b.facts.Unplugged = append(b.facts.Unplugged, judge.Span{From: time.Now()})
	case "replugged":
		p.replug(lane)
	case "silent":
		p.faulty(lane, lcussim.Faults{Silent: true})
	case "deaf":
		p.faulty(lane, lcussim.Faults{Deaf: true})
	case "lies":
		p.faulty(lane, lcussim.Faults{Lies: true})
	case "stuck":
		p.faulty(lane, lcussim.Faults{Stuck: true})
	case "late":
		// Of five pulses at once the first begins in time, and the others never.
		p.c.stop()
		for _, lane := range bothLanes {
			p.heal(lane)
		}
		p.start(slowSpacing)
		for _, lane := range bothLanes {
			for range 5 {
				p.scan(lane, p.valid())
			}
		}
		p.c.settled()
		p.c.ask("idle")
		p.c.settled()
		p.c.stop()
		p.start(usualSpacing)
	case "calm":
		// Where all is well, and no older entry can answer for it, nothing but an admit opens.
		for _, lane := range bothLanes {
			p.heal(lane)
			if p.boards[lane].held {
				p.close(lane)
			}
			p.shut(lane)
		}
		for _, command := range []string{"settle", "idle", "up"} {
			p.c.ask(command)
			p.c.settled()
		}
		time.Sleep(slack)
		for _, lane := range bothLanes {
			code := p.valid()
			p.scan(lane, code)
			p.scan(lane, code)
			p.scan(lane, fmt.Sprintf("69%011d", p.rng.Int64N(1e11)))
			p.scan(lane, p.expired())
			p.guard(lane, "refuse not-known")
			p.guard(lane, "refuse not-known")
			p.c.settled()
			p.scan(lane, code)
			p.c.settled()
			p.c.ask("fault commit 1")
			p.scan(lane, p.valid())
			p.c.ask("settle")
			p.c.settled()
		}
	case "killed":
		if p.rng.IntN(2) == 0 {
			p.heal(lane)
		}
		if !b.held { // the entry comes late, and the kill before it
			p.c.ask("slow 1 250")
			p.key(lane)
			if p.well(lane) {
				p.await(lane, true)
			}
		}
		p.kill() // at any moment, as between the key and its entry
		p.start(usualSpacing)
	case "restarted":
		p.c.stop()
		p.start(usualSpacing)
	case "killed in a fault", "restarted in a fault":
		p.c.ask("fault commit 1000000")
		p.scan(lane, p.valid())
		if b.held {
			p.close(lane)
		}
		p.key(lane)
		if p.well(lane) {
			p.await(lane, true)
		}
		if strings.HasPrefix(what, "killed") {
			p.kill()
		} else {
			p.c.stop()
		}
		p.start(usualSpacing)
	default:
		p.t.Fatalf("step %q", what)
	}
}

func (p *schedule) someone() string {
	return p.s.subject([]string{"王小明", "李芳"}[p.rng.IntN(2)])
}

func (p *schedule) valid() string {
	return p.s.pass("resident", p.someone(), month+time.Duration(p.rng.IntN(1e6))*time.Second)
}

func (p *schedule) expired() string {
	return p.s.pass("resident", p.someone(), -time.Duration(1+p.rng.IntN(8e4))*time.Second)
}

func (p *schedule) scan(lane, code string) {
	p.c.ask("scan " + lane + " " + hex.EncodeToString([]byte(code))) // there are blanks in base45
}

// guard decides about one who waits.
func (p *schedule) guard(lane, ruling string) {
	p.holds = append(p.holds, p.c.settled()...)
	if len(p.holds) == 0 {
		p.c.ask("settle") // in a fault nobody is put on hold
		p.c.settled()
		p.scan(lane, p.expired())
		p.holds = p.c.settled()
	}
	if i := len(p.holds) - 1; i >= 0 {
		p.c.ask("decide " + p.holds[i] + " " + ruling)
		p.holds = p.holds[:i]
	}
}

func (p *schedule) key(lane string) {
	p.boards[lane].held = true
	p.c.ask("emergency " + lane)
}

func (p *schedule) close(lane string) {
	p.boards[lane].held = false
	p.c.ask("close " + lane)
}

func (p *schedule) shut(lane string) {
	p.boards[lane].stands = false
	p.c.ask("shut " + lane)
}

func (p *schedule) faulty(lane string, f lcussim.Faults) {
	b := p.boards[lane]
	b.facts.Faulty = append(b.facts.Faulty, judge.Span{From: time.Now()})
	b.Set(f)
}

func (p *schedule) well(lane string) bool {
	return !slices.ContainsFunc(p.boards[lane].facts.Faulty, func(s judge.Span) bool { return s.Until.IsZero() })
}

// heal makes the lane's relay well, whatever was wrong with it.
func (p *schedule) heal(lane string) {
	if p.well(lane) {
		return
	}
	b := p.boards[lane]
	b.Set(lcussim.Faults{})
	p.plug(lane)
	over(b.facts.Faulty)
}

func (p *schedule) plug(lane string) {
	b := p.boards[lane]
	over(b.facts.Unplugged)
	b.facts.Plugged = append(b.facts.Plugged, time.Now())
	if err := b.Plug(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *schedule) replug(lane string) {
	b, from := p.boards[lane], time.Now()
	b.Unplug()
	p.plug(lane)
	b.facts.Faulty = append(b.facts.Faulty, judge.Span{From: from, Until: time.Now()})
}

// kill ends the gate as a power cut would, but for the relays: they stay as they are.
func (p *schedule) kill() {
	p.c.kill()
	for _, lane := range bothLanes {
		// What a port of hardware forgets when it is closed, a pseudo-terminal that the board has open keeps: that it was
		// TIOCEXCL, so that nobody but root may open it again.
		unplugged := slices.ContainsFunc(p.boards[lane].facts.Unplugged, func(s judge.Span) bool { return s.Until.IsZero() })
		if os.Geteuid() != 0 && !unplugged {
			p.replug(lane)
		}
	}
}

// await waits until a relay is on or off.
func (p *schedule) await(lane string, on bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); p.boards[lane].On(1) != on; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("lane %s: on is %t, want %t", lane, !on, on)
		}
	}
}

// start starts the gate, for the first time or after its end.
func (p *schedule) start(spacing time.Duration) {
	p.holds = nil
	for _, b := range p.boards {
		b.held, b.stands = false, false
	}
	p.c = spawn(p.t, p.s.dir, spacing)
	p.lives = append(p.lives, p.c)
}

// match has the judge find for each switching on the one entry that it belongs to, and for each pulse its switching.
func (p *schedule) match() {
	all := p.s.records()
	o := judge.NewOpenings(bothLanes...)
	o.Slacks = []time.Duration{slack}
	for _, e := range all {
		o.Entry(&e)
		switch {
		case e.Verdict != "":
			p.count[e.Lane+" "+string(e.Kind)+" "+e.Verdict+" "+e.Reason]++
		case e.Kind == register.Opening:
			p.count[e.Lane+" "+e.Reason]++
		}
	}
	var runs []*judge.Run
	for _, c := range p.lives {
		runs = append(runs, &c.run)
	}
	relays := map[string]*judge.Relay{}
	for lane, b := range p.boards {
		relays[lane] = &b.facts
		for _, sw := range b.Journal() {
			if sw.On {
				b.facts.Switched = append(b.facts.Switched, sw.At)
			}
		}
	}
	for _, wrong := range o.Judge(runs, relays) {
		p.t.Error(wrong)
	}
	pulses := 0
	for _, lane := range bothLanes {
		c, b := o.Count(lane), p.boards[lane]
		pulses += c.Demanded
		p.t.Logf("lane %s, whose relay answers: %t; switched on %d times; %d entries allow it, %d of them demand it",
			lane, !b.facts.Mute, len(b.facts.Switched), c.Allowed, c.Demanded)
	}
	if pulses == 0 {
		p.t.Error("no pulse of a relay that was well: this proves nothing")
	}
	p.t.Logf("%d starts, %v", len(p.lives), p.count)
	if p.t.Failed() {
		for _, e := range all {
			p.t.Logf("%s", e.Raw)
		}
		for _, lane := range bothLanes {
			b := p.boards[lane]
			for _, sw := range b.Journal() {
				p.t.Logf("%s %+v", lane, sw)
			}
			p.t.Logf("%s faulty %v, unplugged %v, plugged in %v", lane, b.facts.Faulty, b.facts.Unplugged, b.facts.Plugged)
		}
		for _, r := range runs {
			p.t.Logf("from %s to %s, killed: %t, keys %+v", r.From, r.Until, r.Killed, r.Presses)
		}
	}
}

// process is the gate under test. Its own times are by its own clock, which is that of this process.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	ready chan struct{}
	ended chan struct{}
	run   judge.Run // its times are the test's; presses, commits and what was told are guarded by mu until it has ended

	mu    sync.Mutex
	quiet *sync.Cond
	open  map[int]asked
	next  int
	held  []string // passages that wait for the guard
	gone  bool
}

type asked struct {
	command string
	at      time.Time
}

func spawn(t *testing.T, dir string, spacing time.Duration) *process {
	t.Helper()
	c := &process{t: t, cmd: exec.Command(os.Args[0]), run: judge.Run{From: time.Now(), Admitted: map[string]time.Time{}}, open: map[int]asked{}, ready: make(chan struct{}), ended: make(chan struct{})}
	c.quiet = sync.NewCond(&c.mu)
	c.cmd.Env = append(os.Environ(), "GATED_INTERLOCK_CHILD="+dir, "GATED_INTERLOCK_SPACING="+spacing.String(), "GORACE=atexit_sleep_ms=0")
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
	go c.listen(out)
	select {
	case <-c.ready:
	case <-c.ended:
		t.Fatal("the gate did not start")
	case <-time.After(patience):
		c.explain()
		t.Fatalf("the gate did not start within %s", patience)
	}
	return c
}

// listen takes what the gate says: "ready", "commit BEGAN DURABLE", and the answer to a command: its number, verdict,
// passage and time.
func (c *process) listen(out io.Reader) {
	defer close(c.ended)
	moment := func(s string) time.Time {
		n, _ := strconv.ParseInt(s, 10, 64)
		return time.Unix(0, n)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) == 1 {
			close(c.ready)
			continue
		}
		c.mu.Lock()
		if f[0] == "commit" {
			c.run.Commits = append(c.run.Commits, judge.Span{From: moment(f[1]), Until: moment(f[2])})
			c.mu.Unlock()
			continue
		}
		id, _ := strconv.Atoi(f[0])
		verdict, passage, at := f[1], f[2], moment(f[3])
		key := c.done(id, at)
		switch before, is := c.run.Admitted[passage]; {
		case key != nil:
			key.Answered, key.Passage = true, passage
		case verdict == policy.Admit && (!is || at.Before(before)):
			c.run.Admitted[passage] = at
		case verdict == policy.Hold:
			c.held = append(c.held, passage)
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	for id := range c.open {
		c.done(id, time.Now())
	}
	c.gone = true
	c.mu.Unlock()
}

// done takes a command for answered. It returns the press of the key, if it was one.
func (c *process) done(id int, at time.Time) (key *judge.Press) {
	a := c.open[id]
	if f := strings.Fields(a.command); f[0] == "emergency" || f[0] == "close" {
		c.run.Presses = append(c.run.Presses, judge.Press{Span: judge.Span{From: a.at, Until: at}, Lane: f[1], Closing: f[0] == "close"})
		key = &c.run.Presses[len(c.run.Presses)-1]
	}
	delete(c.open, id)
	c.quiet.Broadcast()
	return key
}

// ask sends a command and does not wait for its answer.
func (c *process) ask(command string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	if c.gone {
		c.t.Fatal("the gate has ended by itself")
	}
	c.open[c.next] = asked{command, time.Now()}
	fmt.Fprintf(c.in, "%d %s\n", c.next, command)
}

// settled waits until all is answered and returns the passages put on hold since the last time.
func (c *process) settled() []string {
	c.answered("")
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.held
	c.held = nil
	return held
}

// answered waits until no command that begins so is open.
func (c *process) answered(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := time.Now().Add(patience)
	wake := time.AfterFunc(patience, c.quiet.Broadcast)
	defer wake.Stop()
	for {
		var open []string
		for _, a := range c.open {
			if strings.HasPrefix(a.command, prefix) {
				open = append(open, fmt.Sprintf("%.60s", a.command))
			}
		}
		if len(open) == 0 {
			return
		}
		if !time.Now().Before(end) {
			c.explain()
			c.t.Fatalf("not answered within %s: %q", patience, open)
		}
		c.quiet.Wait()
	}
}

// explain has a gate that hangs say where, on standard error.
func (c *process) explain() {
	c.cmd.Process.Signal(syscall.SIGQUIT)
	time.Sleep(time.Second)
}

func (c *process) kill() {
	if c.run.Until.IsZero() {
		c.run.Ending, c.run.Killed = time.Now(), true
		c.cmd.Process.Kill()
		<-c.ended
		c.cmd.Wait()
		c.run.Until = time.Now()
	}
}

func (c *process) stop() {
	c.run.Ending = time.Now()
	c.in.Close()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.explain()
		c.t.Fatalf("the gate does not end within %s", patience)
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the gate ended with %v", err)
	}
	c.run.Until = time.Now()
}

// childTB is as much of a test as the site of the child needs.
type childTB struct{ testing.TB }

func (childTB) Helper()           {}
func (childTB) Fatal(args ...any) { fmt.Fprintln(os.Stderr, args...); os.Exit(3) }

// child is the gate as a process: a command a line, its number first, and a line of answer for each.
func child(dir string) {
	t := childTB{}
	s := &site{t: t, dir: dir, synced: true, policy: policy.Shipped(), src: clock.System(), relays: map[string]*barrier.Barrier{}}
	s.src.Synced = func() bool { return true }
	s.trust = must(credential.LoadTrust(filepath.Join(dir, "trust")))
	s.people = must(roster.Open(filepath.Join(dir, "roster.db")))
	var answers sync.Mutex
	say := func(words ...any) {
		answers.Lock()
		defer answers.Unlock()
		fmt.Println(words...)
	}
	var mu sync.Mutex
	faults, slow, each, began := map[string]int{}, 0, time.Duration(0), time.Time{}
	s.inject = func(op string) error { // one commit at a time
		mu.Lock()
		wait := time.Duration(0)
		if op == "commit" {
			if began = time.Now(); slow > 0 {
				slow, wait = slow-1, each
			}
		}
		faulty := faults[op] > 0
		if faulty {
			faults[op]--
		}
		mu.Unlock()
		time.Sleep(wait)
		if op == "committed" {
			say("commit", began.UnixNano(), time.Now().UnixNano())
		}
		if faulty {
			return syscall.EIO
		}
		return nil
	}
	reg := prometheus.NewRegistry()
	metrics := barrier.NewMetrics(reg, bothLanes...)
	spacing := must(time.ParseDuration(os.Getenv("GATED_INTERLOCK_SPACING")))
	for _, lane := range bothLanes {
		s.relays[lane] = must(barrier.New(barrier.Options{Config: barrier.Config{Driver: barrier.LCUS, Device: filepath.Join(dir, "relay-"+lane), Spacing: spacing, Timeout: limit},
			Lane: lane, Log: slog.New(slog.DiscardHandler), Metrics: metrics}))
		s.relays[lane].Begin(false)()
	}
	s.start()
	say("ready")
	var work sync.WaitGroup
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		f := strings.Fields(in.Text())
		run := func() {
			var out Outcome
			var err error
			switch f[1] {
			case "scan":
				code, _ := hex.DecodeString(f[3])
				out, err = s.g.Scan(f[2], code, time.Now())
			case "decide":
				out, err = s.g.Decide(f[2], Ruling{Verdict: f[3], Reason: f[4]})
				if errors.Is(err, ErrNoHold) || errors.Is(err, ErrChanged) {
					err = nil
				}
			case "emergency":
				out, err = s.g.Emergency(f[2])
			case "close":
				err = s.g.Close(f[2])
			case "open":
				if err = s.g.OpenByHand(f[2], "rush-hour"); errors.Is(err, ErrIsOpen) || errors.Is(err, ErrLedger) {
					err = nil
				}
			case "shut":
				if err = s.g.ShutByHand(f[2], "5"); errors.Is(err, ErrNotByHand) {
					err = nil
				}
			case "fault":
				mu.Lock()
				faults[f[2]], _ = strconv.Atoi(f[3])
				mu.Unlock()
			case "slow":
				mu.Lock()
				slow, _ = strconv.Atoi(f[2])
				each = must(time.ParseDuration(f[3] + "ms"))
				mu.Unlock()
			case "settle":
				changed, cancel := s.g.Subscribe()
				for s.g.Fault() || !s.g.writing.WritePending() || len(s.pendingOpenings()) > 0 {
					<-changed
				}
				cancel()
			case "up": // both relays are
				for relaysUp(t, reg) < len(bothLanes) {
					time.Sleep(10 * time.Millisecond)
				}
			case "idle": // no pulse waits or runs
				s.g.work.Wait()
			}
			if err != nil {
				t.Fatal(f, err)
			}
			say(f[0], cmp.Or(out.Verdict, "-"), cmp.Or(out.Passage, "-"), time.Now().UnixNano())
		}
		switch f[1] {
		case "scan", "decide", "settle", "idle", "up":
			work.Go(run)
		default: // keys are pressed one after the other
			run()
		}
	}
	work.Wait()
	for _, lane := range bothLanes {
		s.relays[lane].Close()
	}
	s.end()
	s.people.Close()
}

// relaysUp is how many relays are there and obey, as the barriers themselves count them.
func relaysUp(t testing.TB, reg *prometheus.Registry) (n int) {
	t.Helper()
	for _, f := range must(reg.Gather()) {
		if f.GetName() == "gated_barrier_up" {
			for _, m := range f.GetMetric() {
				n += int(m.GetGauge().GetValue())
			}
		}
	}
	return n
}
