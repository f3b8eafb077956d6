package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gated/demo/judge"
	"gated/gate"
	"gated/policy"
	"gated/scanner"
)

// faults injects faults into the simulated hardware while the demo plays. Each fault happens on a real terminal, and is
// observed through the event stream of the page, as a guard sees it.
type faults struct {
	d *demo

	running sync.RWMutex // held for reading while a code is shown, for writing while the daemon is suspended

	watching chan struct{} // closed when watch has returned
	unwatch  chan struct{} // closed to make watch return

	mu       sync.Mutex // guards the rest
	count    map[string]int
	delays   map[string][]time.Duration // from the fault until the page showed it
	lost     int                        // codes that were not answered, or answered wrongly
	stalled  int                        // codes dropped because the machine gave the daemon no processor time
	failures []string                   // what the gate did wrong
	turn     map[string]int             // by lane: the number of faults so far
	due      map[string]time.Time
	ignored  map[string]string // by lane: the fault during which the gate must ignore what is sent
	resumed  time.Time         // when the daemon was last seen to be suspended, or starved, until then
	memory   string            // peak resident size
	files    struct{ first, most int }
	metrics  map[string]float64 // at the end
	relays   map[string]*judge.Relay
}

func newFaults(d *demo) *faults {
	m := &faults{d: d, watching: make(chan struct{}), unwatch: make(chan struct{}), relays: map[string]*judge.Relay{},
		count: map[string]int{}, delays: map[string][]time.Duration{},
		turn: map[string]int{}, due: map[string]time.Time{}, ignored: map[string]string{}}
	for _, id := range Lanes {
		m.relays[id] = &judge.Relay{}
	}
	return m
}

// maybe injects the next fault into a lane if one is due: each kind in turn when a person watches, at random with --fast.
func (m *faults) maybe(ctx context.Context, l *lane, rng *rand.Rand) error {
	every := 12 * time.Second
	if m.d.Fast {
		every = time.Second
	}
	x, is := m.next(l.id, every, rng)
	if !is {
		return nil
	}
	if !m.d.Fast && !m.d.LogVerdicts {
		fmt.Fprintf(m.d.Stdout, "%s  %-3s  fault: %s\n", time.Now().Format(time.TimeOnly), l.id, x.name)
	}
	if x.name != stopsProcess {
		m.running.RLock()
		defer m.running.RUnlock()
	}
	err := x.happen(m, ctx, l)
	if err == nil {
		l.frames, err = m.d.gated.frames(ctx, l.id) // frames dropped during the fault answer no code
	}
	if err != nil {
		if ctx.Err() != nil {
			return errEnded
		}
		return fmt.Errorf("%s: %w", x.name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count[x.name]++
	m.due[l.id] = time.Now().Add(every/2 + time.Duration(rng.Int64N(int64(every))))
	return nil
}

// next returns the fault that is due on a lane, if there is one.
func (m *faults) next(lane string, every time.Duration, rng *rand.Rand) (x fault, is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.due[lane].IsZero() { // the two lanes start at different times, with different faults
		m.turn[lane] = slices.Index(Lanes, lane) * len(faultKinds) / 2
		m.due[lane] = time.Now().Add(every/4 + time.Duration(rng.Int64N(int64(every))))
	}
	if time.Now().Before(m.due[lane]) {
		return x, false
	}
	for x.name == "" || x.lane != "" && x.lane != lane {
		i := m.turn[lane]
		if m.turn[lane]++; m.d.Fast {
			i = rng.IntN(len(faultKinds))
		}
		x = faultKinds[i%len(faultKinds)]
	}
	return x, true
}

// fail records something that the gate did wrong.
func (m *faults) fail(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failures = append(m.failures, fmt.Sprintf(format, args...))
}

// shown injects a fault, waits until the page shows it, and records how long that took. It first waits until the page no longer
// shows an earlier fault of this kind.
func (m *faults) shown(ctx context.Context, name string, l *lane, is func(gate.LaneView) bool, happen func() error) error {
	if err := m.d.page.awaitLane(ctx, l.id, func(v gate.LaneView) bool { return !is(v) }); err != nil {
		return err
	}
	began := time.Now()
	if err := happen(); err != nil {
		return err
	}
	if err := m.d.page.awaitLane(ctx, l.id, is); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delays[name] = append(m.delays[name], time.Since(began))
	return nil
}

// quietGap is a little longer than the silence that the gate needs after a stall before it accepts a code again.
const quietGap = 1200 * time.Millisecond

// judge compares an answer with the code that was shown.
func (m *faults) judge(ctx context.Context, v visitor, a answer) {
	wrong := v.wrong(a)
	if wrong == "" {
		return
	}
	if a.dropped == scanner.Stalled {
		// People show a code again when the gate did not react, but not before the quiet gap has passed. watch may notice the
		// suspension later than the scanner does.
		wait(ctx, quietGap)
		m.mu.Lock()
		expected := m.resumed.After(a.shown.Add(-time.Second)) // the scanner may have noticed only when this code arrived
		if expected {
			m.stalled++
		}
		m.mu.Unlock()
		if expected {
			return
		}
	}
	m.mu.Lock()
	m.lost++
	m.mu.Unlock()
	m.fail("lost: %s on lane %s %s", v.what, v.lane, wrong)
}

// suspended is how long the daemon must have been silent for its scanners to have noticed: they check about four times a
// second, and drop input that is older than a second.
const suspended = 300 * time.Millisecond

// watch observes the daemon from outside until unwatch is closed: how quickly it answers, and how many files it has open.
func (m *faults) watch(ctx context.Context) {
	defer close(m.watching)
	pid := m.d.gated.cmd.Process.Pid
	fds := fmt.Sprintf("/proc/%d/fd", pid)
	tasks := fmt.Sprintf("/proc/%d/task", pid)
	waits, waitsAt := waitsIn(tasks), time.Now()
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for last := time.Now(); ; {
		select {
		case <-m.unwatch:
			return
		case <-t.C:
		}
		m.d.gated.get(ctx, "healthz")
		files, _ := os.ReadDir(fds)
		now, longestWait := time.Now(), time.Duration(0)
		if now.Sub(waitsAt) >= time.Second {
			before := waits
			waits, waitsAt = waitsIn(tasks), now
			for thread, wait := range waits {
				longestWait = max(longestWait, wait-before[thread])
			}
		}
		m.mu.Lock()
		if now.Sub(last) > suspended || longestWait > time.Second/2 {
			m.resumed = now
		}
		if m.files.first == 0 {
			m.files.first = len(files)
		}
		m.files.most = max(m.files.most, len(files))
		m.readRelays()
		m.mu.Unlock()
		last = now
	}
}

// waitsIn is how long each thread of a process, by its directory in /proc, has been ready to run while no processor was free: see the
// kernel's sched-stats.rst. A daemon on a machine that is too busy for it may answer one request in time, and read its scanner late.
func waitsIn(tasks string) map[string]time.Duration {
	waits := map[string]time.Duration{}
	files, _ := filepath.Glob(filepath.Join(tasks, "*", "schedstat")) // the pattern is a good one
	for _, file := range files {
		text, _ := os.ReadFile(file) // a thread that has ended waits for nothing
		if f := strings.Fields(string(text)); len(f) > 1 {
			wait, _ := strconv.ParseInt(f[1], 10, 64)
			waits[file] = time.Duration(wait)
		}
	}
	return waits
}

// readRelays takes over what the relay boards have recorded, which would grow to a million switchings a day. The caller
// holds mu.
func (m *faults) readRelays() {
	for id, l := range m.d.lanes {
		for _, s := range l.relay.Forget() {
			if s.On {
				m.relays[id].Switched = append(m.relays[id].Switched, s.At)
			}
		}
	}
}

// expectIgnored makes every answer on the lane a failure until done is called, because all that is sent until then is sent while
// the gate cannot be listening. A partial code that the scanner reports as dropped is a failure too.
func (m *faults) expectIgnored(ctx context.Context, l *lane, name string) (done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ignored[l.id] = name
	return func() {
		if cause := m.d.dropped(ctx, l); cause != "" {
			m.fail("%s: what was sent while the port was not open was dropped as %s", name, cause)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.ignored, l.id)
	}
}

// unexpected takes an answer that belongs to no code that was shown.
func (m *faults) unexpected(a judge.Answer) {
	m.mu.Lock()
	name, wrong := m.ignored[a.Lane]
	m.mu.Unlock()
	if wrong {
		m.fail("%s: what was sent while the port was not open was answered", name)
	}
	if a.Verdict == policy.Admit {
		m.fail("lane %s admitted a code that nobody showed", a.Lane)
	}
}

// measure records memory and metrics of the daemon before it ends.
func (m *faults) measure() {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.d.gated.cmd.Process.Pid))
	metrics, _ := m.d.gated.metrics(context.Background())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metrics = metrics
	for line := range strings.Lines(string(status)) {
		if value, is := strings.CutPrefix(line, "VmHWM:"); is {
			m.memory = strings.TrimSpace(value)
		}
	}
}

// end is called after the daemon has ended. The relay boards may still have to read its last commands.
func (m *faults) end() {
	close(m.unwatch)
	<-m.watching
	for _, id := range Lanes {
		for late := time.Now().Add(10 * time.Second); m.d.lanes[id].relay.On(1); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(late) {
				m.fail("the barrier of lane %s is open at the end", id)
				break
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readRelays()
}
