package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gated/demo/judge"
	"gated/gate"
	"gated/policy"
	"gated/scanner"
)

// mishaps are what goes wrong with the hardware of a demo while it plays. Each is made to happen on a real terminal, and
// seen on the page, by its own stream of events, as a guard sees it.
type mishaps struct {
	d *demo

	running sync.RWMutex // held to read while a code is shown, to write while the daemon stands still

	watching chan struct{} // closed when watch has ended
	unwatch  chan struct{} // closed when it is to end

	mu      sync.Mutex // guards the rest
	count   map[string]int
	delays  map[string][]time.Duration // until the page showed it
	lost    int                        // codes that were not answered as what they are
	stalled int                        // codes dropped because the machine did not let the daemon run
	faults  []string                   // what did not go as it must
	turn    map[string]int             // by lane: mishaps so far
	due     map[string]time.Time
	unheard map[string]string // by lane: the mishap during which nothing that is sent may be answered
	stood   time.Time         // when the daemon answered last after it had stood still
	memory  string            // at its peak
	files   struct{ first, most int }
	metrics map[string]float64 // at the end
	relays  map[string]*judge.Relay
}

func newMishaps(d *demo) *mishaps {
	m := &mishaps{d: d, watching: make(chan struct{}), unwatch: make(chan struct{}), relays: map[string]*judge.Relay{},
		count: map[string]int{}, delays: map[string][]time.Duration{},
		turn: map[string]int{}, due: map[string]time.Time{}, unheard: map[string]string{}}
	for _, id := range Lanes {
		m.relays[id] = &judge.Relay{}
	}
	return m
}

// maybe makes the next mishap happen on a lane if it is due: all in turn while somebody watches, else at random.
func (m *mishaps) maybe(ctx context.Context, l *lane, rng *rand.Rand) error {
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
		l.frames, err = m.d.gated.frames(ctx, l.id) // what was dropped during it is the answer to no code
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

// next is the mishap that is due on a lane, if one is.
func (m *mishaps) next(lane string, every time.Duration, rng *rand.Rand) (x mishap, is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.due[lane].IsZero() { // the lanes not at the same time, nor with the same
		m.turn[lane] = slices.Index(Lanes, lane) * len(allMishaps) / 2
		m.due[lane] = time.Now().Add(every/4 + time.Duration(rng.Int64N(int64(every))))
	}
	if time.Now().Before(m.due[lane]) {
		return x, false
	}
	for x.name == "" || x.lane != "" && x.lane != lane {
		i := m.turn[lane]
		if m.turn[lane]++; m.d.Fast {
			i = rng.IntN(len(allMishaps))
		}
		x = allMishaps[i%len(allMishaps)]
	}
	return x, true
}

// fault notes what did not go as it must.
func (m *mishaps) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

// shown makes something happen to the lane, waits until the page shows it, and notes how long that took. What the page
// shows already must be over first.
func (m *mishaps) shown(ctx context.Context, name string, l *lane, is func(gate.LaneView) bool, happen func() error) error {
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

// quietGap is how long a scanner that stood still must hear nothing before it takes a code again, and a little more.
const quietGap = 1200 * time.Millisecond

// judge compares an answer with what was shown.
func (m *mishaps) judge(ctx context.Context, v visitor, a answer) {
	wrong := v.wrong(a)
	if wrong == "" {
		return
	}
	if a.dropped == scanner.Stalled {
		// Who shows a code while the gate stands still holds it up again, and does not do so before the quiet gap. Watch may
		// notice later than the scanner.
		wait(ctx, quietGap)
		m.mu.Lock()
		stood := m.stood.After(a.shown.Add(-time.Second)) // its scanner may have found out only when this code came
		if stood {
			m.stalled++
		}
		m.mu.Unlock()
		if stood {
			return
		}
	}
	m.mu.Lock()
	m.lost++
	m.mu.Unlock()
	m.fault("lost: %s on lane %s %s", v.what, v.lane, wrong)
}

// standing is how long the daemon must have stood still for its scanners to have: those look about four times a second
// and drop what has waited for a second.
const standing = 300 * time.Millisecond

// watch looks at the daemon from outside until it is to end: how soon it answers, and how many files it has open.
func (m *mishaps) watch(ctx context.Context) {
	defer close(m.watching)
	fds := fmt.Sprintf("/proc/%d/fd", m.d.gated.cmd.Process.Pid)
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
		m.mu.Lock()
		now := time.Now()
		if now.Sub(last) > standing {
			m.stood = now
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

// readRelays takes what the boards have noted: in a day that would be a million switchings each. The caller holds mu.
func (m *mishaps) readRelays() {
	for id, l := range m.d.lanes {
		for _, s := range l.relay.Forget() {
			if s.On {
				m.relays[id].Switched = append(m.relays[id].Switched, s.At)
			}
		}
	}
}

// expectNothing: until the function returned is called, each answer of the lane is to a code that was sent while nobody listened,
// and is a fault; so is half a code that its scanner drops.
func (m *mishaps) expectNothing(ctx context.Context, l *lane, name string) (done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unheard[l.id] = name
	return func() {
		if cause := m.d.dropped(ctx, l); cause != "" {
			m.fault("%s: what was sent while nobody listened was dropped as %s", name, cause)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.unheard, l.id)
	}
}

// unexpected takes an answer to what nobody showed.
func (m *mishaps) unexpected(a judge.Answer) {
	m.mu.Lock()
	name, wrong := m.unheard[a.Lane]
	m.mu.Unlock()
	if wrong {
		m.fault("%s: what was sent while nobody listened was answered", name)
	}
	if a.Verdict == policy.Admit {
		m.fault("lane %s admitted what nobody held up", a.Lane)
	}
}

// measure notes memory and metrics of the daemon at the end.
func (m *mishaps) measure() {
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

// end is called when the daemon has ended. The boards may still have to read its last commands.
func (m *mishaps) end() {
	close(m.unwatch)
	<-m.watching
	for _, id := range Lanes {
		for late := time.Now().Add(10 * time.Second); m.d.lanes[id].relay.On(1); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(late) {
				m.fault("the barrier of lane %s stands open in the end", id)
				break
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readRelays()
}
