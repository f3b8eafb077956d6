package main

import (
	"bufio"
	"cmp"
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

	"gated/demo/lcussim"
	"gated/demo/samvsim"
	"gated/gate"
	"gated/policy"
	"gated/scanner"
)

// mishaps are what goes wrong with the hardware of a demo while it plays. Each is made to happen on a real terminal, and
// seen on the page, by its own stream of events, as a guard sees it.
type mishaps struct {
	d    *demo
	page *watchedPage

	world sync.RWMutex // held to read while a code is shown, to write while the process stands still

	watching chan struct{} // closed when watch has ended
	unwatch  context.CancelFunc

	mu       sync.Mutex // guards the rest
	count    map[string]int
	delays   map[string][]time.Duration // until the page showed it
	lost     int                        // codes that were not answered as what they are
	stalled  int                        // codes dropped because the machine did not let the process run
	faults   []string                   // what did not go as it must
	turn     map[string]int             // by lane: mishaps so far
	due      map[string]time.Time
	deaf     map[string]string // by lane: the mishap during which nothing that is sent may be answered
	stood    time.Time         // when the process went on last after it had stood still
	memory   string            // at its peak
	files    struct{ first, most int }
	metrics  map[string]float64     // at the end, over all lanes
	switched map[string][]time.Time // by lane: its relay was switched on
}

func newMishaps(ctx context.Context, d *demo) (*mishaps, error) {
	page, err := watchPage(ctx, d.page)
	if err != nil {
		return nil, err
	}
	m := &mishaps{d: d, page: page, watching: make(chan struct{}), count: map[string]int{}, delays: map[string][]time.Duration{}, turn: map[string]int{}, due: map[string]time.Time{},
		deaf: map[string]string{}, metrics: map[string]float64{}, switched: map[string][]time.Time{}}
	ctx, m.unwatch = context.WithCancel(context.WithoutCancel(ctx))
	go m.watch(ctx)
	return m, nil
}

// mishap is one of them.
type mishap struct {
	name string
	do   func(m *mishaps, ctx context.Context, lane string, s *socket) error
	lane string // the only one where it can happen; empty: any
}

var allMishaps = []mishap{
	{name: "unplugged", do: (*mishaps).unplugged},
	{name: "babbling", do: (*mishaps).babbling},
	{name: "renumbered", do: (*mishaps).renumbered},
	{name: "card-reader-mute", do: (*mishaps).cardsMute, lane: "in"},
	{name: "stalled", do: (*mishaps).stalls},
	{name: "unplugged-in-mid-code", do: (*mishaps).cut},
	{name: "relay-unplugged", do: (*mishaps).relayUnplugged},
	{name: "card-reader-unplugged", do: (*mishaps).cardsUnplugged, lane: "in"},
	{name: "relay-silent", do: (*mishaps).relaySilent},
	{name: stopsProcess, do: (*mishaps).stopped},
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
	if time.Now().Before(m.due[lane]) {
		m.mu.Unlock()
		return nil
	}
	var x mishap
	for x.do == nil || x.lane != "" && x.lane != lane {
		i := m.turn[lane]
		if m.turn[lane]++; m.d.fast {
			i = rng.IntN(len(allMishaps))
		}
		x = allMishaps[i%len(allMishaps)]
	}
	m.mu.Unlock()
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
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

// shown makes something happen to the lane, waits until the page shows it, and notes how long that took. What the page
// shows already must be over first.
func (m *mishaps) shown(ctx context.Context, name, lane string, is func(gate.LaneView) bool, happen func() error) error {
	if err := m.page.await(ctx, lane, func(v gate.LaneView) bool { return !is(v) }); err != nil {
		return err
	}
	began := time.Now()
	if err := happen(); err != nil {
		return err
	}
	if err := m.page.await(ctx, lane, is); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delays[name] = append(m.delays[name], time.Since(began))
	return nil
}

// judge compares an answer with what was shown.
func (m *mishaps) judge(ctx context.Context, v visitor, a answer) {
	wrong := v.wrong(a)
	if wrong == "" {
		return
	}
	if a.dropped == scanner.Stalled {
		// Who shows a code while the gate stands still holds it up again, and does not do so before the quiet gap. Watch may
		// wake up later than the scanner.
		select {
		case <-time.After(1200 * time.Millisecond):
		case <-ctx.Done():
		}
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

// standing is how long the process must have stood still for its scanners to have: those look about four times a second
// and drop what has waited for a second.
const standing = 300 * time.Millisecond

// watch looks at the process from the inside until ctx ends.
func (m *mishaps) watch(ctx context.Context) {
	defer close(m.watching)
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		files, _ := os.ReadDir("/proc/self/fd")
		m.mu.Lock()
		now := time.Now()
		if now.Sub(last) > standing {
			m.stood = now
		}
		if m.files.first == 0 {
			m.files.first = len(files)
		}
		m.files.most = max(m.files.most, len(files))
		m.hearRelays()
		m.mu.Unlock()
		last = now
	}
}

// hearRelays takes over what the boards have noted: of a day they would have to keep a million switchings. The caller
// holds mu.
func (m *mishaps) hearRelays() {
	for lane, r := range m.d.relays {
		for _, s := range r.Forget() {
			if s.On {
				m.switched[lane] = append(m.switched[lane], s.At)
			}
		}
	}
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
func (m *mishaps) heard(lane string, a answer) {
	if m == nil {
		return
	}
	m.mu.Lock()
	name, wrong := m.deaf[lane]
	m.mu.Unlock()
	if wrong {
		m.fault("%s: what was sent while nobody listened was answered", name)
	}
	if a.out.Verdict == policy.Admit {
		m.fault("lane %s admitted what nobody held up", lane)
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
	return m.page.await(ctx, lane, isUp)
}

// unplugged: the plug is pulled, and put in again with a code sent too early, which must decide nothing.
func (m *mishaps) unplugged(ctx context.Context, lane string, s *socket) error {
	defer m.expectNothing(lane, "unplugged")()
	if err := m.shown(ctx, "unplugged", lane, isDown, func() error { s.unplug(); return nil }); err != nil {
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
	if err := m.shown(ctx, "unplugged-in-mid-code", lane, isDown, func() error { s.unplug(); return nil }); err != nil {
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
	babble := func() {
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
	}
	err := m.shown(ctx, "babbling", lane, func(v gate.LaneView) bool { return v.Scanner == string(scanner.Muted) }, func() error { go babble(); return nil })
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
	// The lane is down for a quarter of a second only: a page that is told of the end first shows since when it is up.
	before := m.page.lane(lane).Since
	fell := func(v gate.LaneView) bool { return !v.Up || !v.Since.Equal(before) }
	if err := m.shown(ctx, "renumbered", lane, fell, func() error { s.scanner = nil; return s.plug() }); err != nil {
		return err
	}
	old.WriteString("CODE FROM THE OLD PORT\r\n")
	return m.back(ctx, lane)
}

// stalls: the scanner stops in the middle of a code, which is dropped half a second later.
func (m *mishaps) stalls(ctx context.Context, lane string, s *socket) error {
	// On a machine that lets the process stand still just then, that is why.
	dropped := func(v gate.LaneView) bool { return v.Dropped == scanner.Timeout || v.Dropped == scanner.Stalled }
	return m.shown(ctx, "stalled", lane, dropped, func() error {
		_, err := io.WriteString(s.scanner, "HALF OF A CO")
		return err
	})
}

func cardsDown(v gate.LaneView) bool { return v.CardReader != "up" }
func cardsUp(v gate.LaneView) bool   { return v.CardReader == "up" }

// cardsMute: the reader of ID cards is there and answers nothing any more.
func (m *mishaps) cardsMute(ctx context.Context, lane string, _ *socket) error {
	err := m.shown(ctx, "card-reader-mute", lane, cardsDown, func() error { m.d.cards.Break(samvsim.Faults{Mute: true}); return nil })
	if err == nil {
		m.linger(ctx)
	}
	m.d.cards.Break(samvsim.Faults{})
	if err != nil {
		return err
	}
	return m.page.await(ctx, lane, cardsUp)
}

// cardsUnplugged: it is pulled out, and put in again.
func (m *mishaps) cardsUnplugged(ctx context.Context, lane string, _ *socket) error {
	if err := m.shown(ctx, "card-reader-unplugged", lane, cardsDown, func() error { m.d.unplugCards(); return nil }); err != nil {
		return err
	}
	m.linger(ctx)
	if err := m.d.plugCards(); err != nil {
		return err
	}
	return m.page.await(ctx, lane, cardsUp)
}

func byHand(v gate.LaneView) bool { return v.Barrier == "open-by-hand" }
func obeys(v gate.LaneView) bool  { return v.Barrier == "ok" }

// relayUnplugged: nothing can be opened, and the page says so. Put in again it is off, and works.
func (m *mishaps) relayUnplugged(ctx context.Context, lane string, _ *socket) error {
	if err := m.shown(ctx, "relay-unplugged", lane, byHand, func() error { m.d.relays[lane].Unplug(); return nil }); err != nil {
		return err
	}
	m.linger(ctx)
	if err := m.d.relays[lane].Plug(); err != nil {
		return err
	}
	return m.page.await(ctx, lane, obeys)
}

// relaySilent: the board takes commands and answers none.
func (m *mishaps) relaySilent(ctx context.Context, lane string, _ *socket) error {
	err := m.shown(ctx, "relay-silent", lane, byHand, func() error { m.d.relays[lane].Set(lcussim.Faults{Silent: true}); return nil })
	if err == nil {
		m.linger(ctx)
	}
	m.d.relays[lane].Set(lcussim.Faults{})
	if err != nil {
		return err
	}
	return m.page.await(ctx, lane, obeys)
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
	status, _ := os.ReadFile("/proc/self/status")
	m.mu.Lock()
	defer m.mu.Unlock()
	for line := range strings.Lines(string(status)) {
		if value, is := strings.CutPrefix(line, "VmHWM:"); is {
			m.memory = strings.TrimSpace(value)
		}
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

// end is called when the daemon has ended. What it told the boards last they may have to read yet.
func (m *mishaps) end() {
	m.unwatch()
	<-m.watching
	for _, lane := range demoLanes {
		for late := time.Now().Add(10 * time.Second); m.d.relays[lane].On(1); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(late) {
				m.fault("the barrier of lane %s stands open in the end", lane)
				break
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hearRelays()
}

// tooLate times the time within which the page has to show a fault is too late for each single one: no machine on which a
// guard could work is that busy.
const tooLate = 5

// report says what happened, and is an error if anything did that must not.
func (m *mishaps) report(w io.Writer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen, late := 0, 0
	for _, x := range allMishaps {
		if m.count[x.name] == 0 {
			continue
		}
		line := fmt.Sprintf("fault %-22s %4d times", x.name, m.count[x.name])
		if all := slices.Sorted(slices.Values(m.delays[x.name])); len(all) > 0 {
			half, last := all[(len(all)-1)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond)
			line += fmt.Sprintf(", on the page within %v, half of them within %v", last, half)
			for _, d := range all {
				if seen++; d > m.d.within {
					late++
				}
			}
			switch {
			case half > m.d.within:
				m.faults = append(m.faults, fmt.Sprintf("%s: the page shows it after %v, not within %v", x.name, half, m.d.within))
			case last > tooLate*m.d.within:
				m.faults = append(m.faults, fmt.Sprintf("%s: the page showed one after %v, far from within %v", x.name, last, m.d.within))
			}
		}
		fmt.Fprintln(w, line)
	}
	// A single one, in all, may meet the moment in which a busy machine had something else to do, unless it is the only one
	// of its kind.
	if late > max(1, seen/20) {
		m.faults = append(m.faults, fmt.Sprintf("%d of %d faults were not on the page within %v", late, seen, m.d.within))
	}
	unsaid, unrecorded := m.d.answers.compare()
	m.faults = append(append(m.faults, unsaid...), m.d.openings.pair(m.switched)...)
	for _, lane := range demoLanes {
		l := m.d.openings.lanes[lane]
		fmt.Fprintf(w, "barrier %-3s opened %d times: %d passages, %d times held by the emergency key, which was pressed %d times; %d times its relay did not obey, %d times nobody stood there any more\n",
			lane, len(m.switched[lane]), len(l.pulses), len(l.held), l.pressed, len(l.failed), l.dropped)
	}
	fmt.Fprintf(w, "scanners opened %.0f times, muted %.0f times, %.0f bytes discarded; peak memory %s; %d descriptors at first, %d at most\n",
		m.metrics["gated_scanner_connects_total"], m.metrics["gated_scanner_mutes_total"], m.metrics["gated_scanner_discarded_bytes_total"], m.memory, m.files.first, m.files.most)
	if m.stalled > 0 {
		fmt.Fprintf(w, "%d codes dropped while this machine let the whole process stand still\n", m.stalled)
	}
	if unanswered := m.d.count.scans - m.d.count.answered - m.d.count.repeats - m.d.count.framing; unanswered != 0 {
		m.lost += max(unanswered, 0)
		m.faults = append(m.faults, fmt.Sprintf("%d codes that were sent while a lane was listened to were not answered", unanswered))
	}
	var lost []string
	for _, l := range []struct {
		n    int
		what string
	}{{m.lost, "codes"}, {unrecorded + m.d.openings.lost.entries, "entries"}, {m.d.openings.lost.openings, "openings"}} {
		if l.n > 0 {
			lost = append(lost, fmt.Sprint(l.n, " ", l.what))
		}
	}
	fmt.Fprintln(w, "lost:", cmp.Or(strings.Join(lost, ", "), "nothing"))
	if n := len(m.faults); n > 20 {
		m.faults = append(m.faults[:20], fmt.Sprintf("and %d more", n-20))
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

// lane is what the page shows of a lane now.
func (p *watchedPage) lane(lane string) gate.LaneView {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.find(lane)
}

func (p *watchedPage) find(lane string) (v gate.LaneView) {
	if i := slices.IndexFunc(p.lanes, func(v gate.LaneView) bool { return v.ID == lane }); i >= 0 {
		v = p.lanes[i]
	}
	return v
}

// await waits for what the page shows of a lane, not for ever.
func (p *watchedPage) await(ctx context.Context, lane string, is func(gate.LaneView) bool) error {
	late := time.After(time.Minute)
	for {
		p.mu.Lock()
		v, changed, err := p.find(lane), p.changed, p.err
		p.mu.Unlock()
		if v.ID == lane && is(v) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the page's events: %w", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("lane %s: after a minute the page shows scanner %s %q, dropped %q, barrier %s, card reader %s", lane, v.Scanner, v.Cause, v.Dropped, v.Barrier, v.CardReader)
		}
	}
}
