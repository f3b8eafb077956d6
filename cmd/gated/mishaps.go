package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gated/barrier/lcussim"
	"gated/gate"
	"gated/ledger"
	"gated/scanner"
)

// mishaps are what goes wrong with the hardware of a demo while it plays. Each is made to happen on a real terminal, and
// seen on the page, by its own stream of events, as a guard sees it.
type mishaps struct {
	d    *demo
	page *watchedPage

	world sync.RWMutex // held to read while a code is shown, to write while the process stands still

	mu       sync.Mutex // guards the rest
	count    map[string]int
	slowest  map[string]time.Duration // until the page showed it
	faults   []string                 // what did not go as it must
	turn     map[string]int           // by lane: mishaps so far
	due      map[string]time.Time
	deaf     map[string]string // by lane: the mishap during which nothing that is sent may be answered
	peak     struct{ memory, descriptors string }
	metrics  map[string]float64 // at the end, over all lanes
	openings map[string]int     // by lane and reason: what the ledger says
}

func newMishaps(ctx context.Context, d *demo) (*mishaps, error) {
	page, err := watchPage(ctx, d.page)
	if err != nil {
		return nil, err
	}
	return &mishaps{d: d, page: page, count: map[string]int{}, slowest: map[string]time.Duration{}, turn: map[string]int{}, due: map[string]time.Time{}, deaf: map[string]string{}, metrics: map[string]float64{}, openings: map[string]int{}}, nil
}

// mishap is one of them.
type mishap struct {
	name string
	do   func(m *mishaps, ctx context.Context, lane string, s *socket) error
}

var allMishaps = []mishap{
	{"unplugged", (*mishaps).unplugged},
	{"babbling", (*mishaps).babbling},
	{"renumbered", (*mishaps).renumbered},
	{"stalled", (*mishaps).stalled},
	{"unplugged-in-mid-code", (*mishaps).cut},
	{"relay-unplugged", (*mishaps).relayUnplugged},
	{"relay-silent", (*mishaps).relaySilent},
	{stopsProcess, (*mishaps).stopped},
}

const stopsProcess = "process-stopped"

// maybe makes the next mishap happen on a lane if it is due: all in turn while somebody watches, else at random.
func (m *mishaps) maybe(ctx context.Context, lane string, s *socket, rng *rand.Rand) error {
	m.mu.Lock()
	every := 12 * time.Second
	if m.d.fast {
		every = time.Second
	}
	if m.due[lane].IsZero() { // the lanes not at the same time, nor with the same
		m.turn[lane] = slices.Index(demoLanes, lane) * len(allMishaps) / 2
		m.due[lane] = time.Now().Add(every/4 + time.Duration(rng.Int64N(int64(every))))
	}
	due := !time.Now().Before(m.due[lane])
	i := m.turn[lane]
	if due {
		m.turn[lane]++
	}
	m.mu.Unlock()
	if !due {
		return nil
	}
	if m.d.fast {
		i = rng.IntN(len(allMishaps))
	}
	x := allMishaps[i%len(allMishaps)]
	if x.name == stopsProcess && syscall.Getpgrp() == os.Getpid() {
		x = allMishaps[0] // the shell that watches us would take us for suspended by hand
	}
	if !m.d.fast && !m.d.verdicts {
		fmt.Fprintf(m.d.stdout, "%s  %-3s  fault: %s\n", time.Now().Format(time.TimeOnly), lane, x.name)
	}
	if x.name != stopsProcess {
		m.world.RLock()
		defer m.world.RUnlock()
	}
	if err := x.do(m, ctx, lane, s); err != nil {
		if ctx.Err() != nil {
			return errEnded
		}
		return fmt.Errorf("%s: %w", x.name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count[x.name]++
	m.due[lane] = time.Now().Add(every/2 + time.Duration(rng.Int64N(int64(every))))
	return nil
}

// fault notes what did not go as it must.
func (m *mishaps) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.faults) < 20 {
		m.faults = append(m.faults, fmt.Sprintf(format, args...))
	}
}

// shown waits until the page shows what has happened to the lane, and notes how long that took.
func (m *mishaps) shown(ctx context.Context, name, lane string, is func(gate.LaneView) bool) error {
	took, err := m.page.await(ctx, lane, is)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.slowest[name] = max(m.slowest[name], took)
	m.mu.Unlock()
	if took > time.Second {
		m.fault("%s: the page showed it after %v", name, took.Round(time.Millisecond))
	}
	return nil
}

// expectNothing: until the function returned is called, whatever the lane answers is a code that was sent while nobody
// listened.
func (m *mishaps) expectNothing(lane, name string) (done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf[lane] = name
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.deaf, lane)
	}
}

// heard is told of answers to what nobody held up.
func (m *mishaps) heard(lane string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	name, wrong := m.deaf[lane]
	m.mu.Unlock()
	if wrong {
		m.fault("%s: what was sent while nobody listened was answered", name)
	}
}

func isDown(v gate.LaneView) bool { return !v.Up }
func isUp(v gate.LaneView) bool   { return v.Up }

// linger leaves a fault on the page for as long as somebody needs to see it.
func (m *mishaps) linger(ctx context.Context) {
	if m.d.fast {
		return
	}
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
	}
}

// back waits until the lane is listened to again.
func (m *mishaps) back(ctx context.Context, lane string) error {
	_, err := m.page.await(ctx, lane, isUp)
	return err
}

// unplugged: the plug is pulled, and put in again with a code sent too early, which must decide nothing.
func (m *mishaps) unplugged(ctx context.Context, lane string, s *socket) error {
	defer m.expectNothing(lane, "unplugged")()
	s.unplug()
	if err := m.shown(ctx, "unplugged", lane, isDown); err != nil {
		return err
	}
	m.linger(ctx)
	if err := s.plugWith("CODE SENT TOO EARLY\r\nAND HALF OF "); err != nil {
		return err
	}
	return m.back(ctx, lane)
}

// cut: the plug is pulled in the middle of a code; what the next scanner sends is not its other half.
func (m *mishaps) cut(ctx context.Context, lane string, s *socket) error {
	defer m.expectNothing(lane, "unplugged-in-mid-code")()
	if _, err := io.WriteString(s.scanner, "HALF OF A CO"); err != nil {
		return err
	}
	s.unplug()
	if err := m.shown(ctx, "unplugged-in-mid-code", lane, isDown); err != nil {
		return err
	}
	m.linger(ctx)
	if err := s.plugWith("DE\r\n"); err != nil {
		return err
	}
	return m.back(ctx, lane)
}

// babbling: noise as fast as it goes.
func (m *mishaps) babbling(ctx context.Context, lane string, s *socket) error {
	quit, done := make(chan struct{}), make(chan error, 1)
	go func() {
		noise := make([]byte, 512)
		for {
			select {
			case <-quit:
				done <- nil
				return
			default:
			}
			for i := range noise {
				noise[i] = byte(rand.Uint32())
			}
			if _, err := s.scanner.Write(noise); err != nil {
				done <- err
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	err := m.shown(ctx, "babbling", lane, func(v gate.LaneView) bool { return v.Scanner == string(scanner.Muted) })
	close(quit)
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	return m.back(ctx, lane)
}

// renumbered: the kernel gives the scanner another number while the old terminal is still there.
func (m *mishaps) renumbered(ctx context.Context, lane string, s *socket) error {
	defer m.expectNothing(lane, "renumbered")()
	old := s.scanner
	defer old.Close()
	s.scanner = nil
	if err := s.plug(); err != nil {
		return err
	}
	if err := m.shown(ctx, "renumbered", lane, isDown); err != nil {
		return err
	}
	old.WriteString("CODE FROM THE OLD PORT\r\n")
	return m.back(ctx, lane)
}

// stalled: the scanner stops in the middle of a code.
func (m *mishaps) stalled(ctx context.Context, lane string, s *socket) error {
	if _, err := io.WriteString(s.scanner, "HALF OF A CO"); err != nil {
		return err
	}
	return m.shown(ctx, "stalled", lane, func(v gate.LaneView) bool { return v.Dropped != "" })
}

// relayUnplugged: nothing can be opened, and the page says so. Put in again it is off, and works.
func (m *mishaps) relayUnplugged(ctx context.Context, lane string, _ *socket) error {
	m.d.relays[lane].Unplug()
	if err := m.shown(ctx, "relay-unplugged", lane, func(v gate.LaneView) bool { return v.Barrier == "open-by-hand" }); err != nil {
		return err
	}
	m.linger(ctx)
	if err := m.d.relays[lane].Plug(); err != nil {
		return err
	}
	_, err := m.page.await(ctx, lane, func(v gate.LaneView) bool { return v.Barrier == "ok" })
	return err
}

// relaySilent: the board takes commands and answers none. That is seen when it is told or asked something, every few
// seconds at least.
func (m *mishaps) relaySilent(ctx context.Context, lane string, _ *socket) error {
	m.d.relays[lane].Set(lcussim.Faults{Silent: true})
	_, err := m.page.await(ctx, lane, func(v gate.LaneView) bool { return v.Barrier == "open-by-hand" })
	m.linger(ctx)
	m.d.relays[lane].Set(lcussim.Faults{})
	if err != nil {
		return err
	}
	_, err = m.page.await(ctx, lane, func(v gate.LaneView) bool { return v.Barrier == "ok" })
	return err
}

// stopped: the whole process stands still, as on a box that swaps, while a code waits. It may have been read just before;
// what was not is dropped.
func (m *mishaps) stopped(ctx context.Context, lane string, s *socket) error {
	m.world.Lock()
	defer m.world.Unlock()
	if _, err := io.WriteString(s.scanner, "CODE BEFORE THE STOP\r\n"); err != nil {
		return err
	}
	wake := exec.Command("/bin/sh", "-c", "sleep 1.6; kill -CONT $PPID")
	wake.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := wake.Start(); err != nil {
		return err
	}
	began := time.Now()
	syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	err := wake.Wait()
	if time.Since(began) < 1500*time.Millisecond {
		err = errors.Join(err, errors.New("the process was not stopped"))
	}
	if err != nil {
		return err
	}
	select {
	case <-time.After(1200 * time.Millisecond): // the quiet gap
	case <-ctx.Done():
	}
	return nil
}

// measure takes down what the daemon says of itself at the end.
func (m *mishaps) measure(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if value, is := strings.CutPrefix(line, "VmHWM:"); is {
			m.peak.memory = strings.TrimSpace(value)
		}
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		m.peak.descriptors = fmt.Sprint(len(fds))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(m.d.page, "/")+"/metrics", nil)
	if err != nil {
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), " ")
		name, _, _ = strings.Cut(name, "{")
		var v float64
		if _, err := fmt.Sscan(value, &v); err == nil && !strings.HasPrefix(name, "#") {
			m.metrics[name] += v
		}
	}
}

// read counts the openings in the ledger.
func (m *mishaps) read(r *ledger.Reader, from, to int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return r.Scan(from, to, false, func(e *ledger.Entry) error {
		if e.Kind == ledger.Opening {
			m.openings[e.Lane+" "+e.Reason]++
		}
		return nil
	})
}

// report says what happened, and is an error if anything did that must not.
func (m *mishaps) report(w io.Writer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range allMishaps {
		if m.count[x.name] == 0 {
			continue
		}
		line := fmt.Sprintf("fault %-22s %4d times", x.name, m.count[x.name])
		if d, seen := m.slowest[x.name]; seen {
			line += fmt.Sprintf(", on the page within %v", d.Round(time.Millisecond))
		}
		fmt.Fprintln(w, line)
	}
	for _, lane := range demoLanes {
		on := m.d.relays[lane].Pulses(1)
		fmt.Fprintf(w, "barrier %-3s opened %d times: %d passages, %d by the emergency key; %d not, as its relay did not obey or nobody stood there any more\n",
			lane, on, m.openings[lane+" pulse"], m.openings[lane+" emergency-key"], m.openings[lane+" pulse-failed"]+m.openings[lane+" pulse-dropped"])
		// One that failed may have been switched all the same before it fell silent; one on a lane that is held open is not.
		if most := m.openings[lane+" pulse"] + m.openings[lane+" pulse-failed"] + m.openings[lane+" emergency-key"]; on > most {
			m.faults = append(m.faults, fmt.Sprintf("the barrier of lane %s opened %d times, and the ledger knows of %d", lane, on, most))
		}
	}
	fmt.Fprintf(w, "scanners opened %.0f times, muted %.0f times, %.0f bytes discarded; peak memory %s, %s descriptors\n",
		m.metrics["gated_scanner_connects_total"], m.metrics["gated_scanner_mutes_total"], m.metrics["gated_scanner_discarded_bytes_total"], m.peak.memory, m.peak.descriptors)
	lost := m.d.count.scans - m.d.count.answered - m.d.count.repeats - m.d.count.framing
	switch {
	case lost != 0:
		m.faults = append(m.faults, fmt.Sprintf("%d codes that were sent while a lane was listened to were not answered", lost))
	case len(m.faults) == 0:
		fmt.Fprintln(w, "lost: nothing")
	}
	if len(m.faults) > 0 {
		return errors.New(strings.Join(m.faults, "\n"))
	}
	return nil
}

// watchedPage is what the gate's page is told, by its stream of events.
type watchedPage struct {
	mu      sync.Mutex
	lanes   []gate.LaneView
	changed chan struct{} // closed at each change
	err     error         // why the stream ended
}

func watchPage(ctx context.Context, url string) (*watchedPage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/events", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", req.URL, resp.Status)
	}
	p := &watchedPage{changed: make(chan struct{})}
	go func() {
		defer resp.Body.Close()
		s := bufio.NewScanner(resp.Body)
		s.Buffer(nil, 1<<20)
		view := false
		for s.Scan() {
			switch line := s.Text(); {
			case line == "event: view":
				view = true
			case view && strings.HasPrefix(line, "data: "):
				var v gate.View
				err := json.Unmarshal([]byte(line[len("data: "):]), &v)
				p.set(v.Lanes, err)
				view = false
			}
		}
		p.set(nil, errors.Join(io.ErrUnexpectedEOF, s.Err()))
	}()
	return p, nil
}

func (p *watchedPage) set(lanes []gate.LaneView, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if lanes != nil {
		p.lanes = lanes
	}
	p.err = err
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits for what the page shows of a lane, not for ever, and returns how long that took.
func (p *watchedPage) await(ctx context.Context, lane string, is func(gate.LaneView) bool) (time.Duration, error) {
	began := time.Now()
	late := time.After(30 * time.Second)
	for {
		p.mu.Lock()
		i := slices.IndexFunc(p.lanes, func(v gate.LaneView) bool { return v.ID == lane })
		var v gate.LaneView
		if i >= 0 {
			v = p.lanes[i]
		}
		changed, err := p.changed, p.err
		p.mu.Unlock()
		if i >= 0 && is(v) {
			return time.Since(began), nil
		}
		if err != nil {
			return 0, fmt.Errorf("the page's events: %w", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-late:
			return 0, fmt.Errorf("lane %s: the page shows %s %q after 30 s", lane, v.Scanner, v.Cause)
		}
	}
}
