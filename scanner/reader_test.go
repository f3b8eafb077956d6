package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gated/serialport"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"
)

// How soon a Reader tries again and takes a line for quiet.
const (
	shipped = 0
	hasty   = time.Millisecond
)

const patience = time.Minute // on a busy machine; nothing takes that long unless it is broken

// plug opens a pseudo-terminal: the scanner's end, and the path of the port.
func plug(t testing.TB) (scanner *os.File, port string) {
	t.Helper()
	far, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	port = tty.Name()
	tty.Close()
	// pty.Open's file blocks; one that does not has deadlines, and Close ends a Write.
	fd, err := unix.FcntlInt(far.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	far.Close()
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	scanner = os.NewFile(uintptr(fd), "scanner")
	t.Cleanup(func() { scanner.Close() })
	return scanner, port
}

func send(t testing.TB, scanner *os.File, s string) {
	t.Helper()
	if _, err := scanner.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

type change struct {
	up    bool
	state State
	cause string
}

var online = change{true, Online, ""}

// A lane is a Reader at work and what it said.
type lane struct {
	t       testing.TB
	codes   chan Code
	changes chan change
	drops   chan string
	done    chan error
	cancel  context.CancelFunc
}

// start runs the Reader at the pace given; o's own OnCode is called first. The test may change the Reader before. No
// machine is so busy that a code is dropped for it, or a port given up, unless the test wants that.
func start(t testing.TB, o Options, pace time.Duration, adapt ...func(*Reader)) *lane {
	ctx, cancel := context.WithCancel(context.Background())
	l := &lane{t, make(chan Code, 1000), make(chan change, 1000), make(chan string, 1000), make(chan error, 1), cancel}
	if o.Lane == "" {
		o.Lane = "in"
	}
	onCode := o.OnCode
	o.OnCode = func(ctx context.Context, c Code) bool {
		known := onCode == nil || onCode(ctx, c)
		l.codes <- c
		return known
	}
	o.OnState = func(up bool, s State, cause string) { l.changes <- change{up, s, cause} }
	o.OnFraming = func(cause string) { l.drops <- cause }
	r := NewReader(o)
	r.pace.stall, r.ports.OpenLimit, r.ports.CloseLimit = patience, patience, patience
	if pace > 0 {
		r.ports.Retry, r.pace.settle = pace, 2*pace
	}
	for _, f := range adapt {
		f(r)
	}
	go func() { l.done <- r.Run(ctx) }()
	t.Cleanup(func() { l.stop() })
	return l
}

func await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// passing tells whether a state is only on the way to another.
func (c change) passing() bool {
	return c.state == Opening || c.state == Settling || c.state == Closing
}

// expect awaits states in this order; those that are on the way to them only where they are named.
func (l *lane) expect(want ...change) {
	l.t.Helper()
	for _, w := range want {
		got := await(l.t, fmt.Sprint(w), l.changes)
		for got.passing() && !w.passing() {
			got = await(l.t, fmt.Sprint(w), l.changes)
		}
		if got != w {
			l.t.Fatalf("got state %v, want %v", got, w)
		}
	}
}

// until awaits a state, whatever comes before it.
func (l *lane) until(want change) {
	l.t.Helper()
	for got := (change{}); got != want; {
		got = await(l.t, fmt.Sprint(want), l.changes)
	}
}

// states are those since the last look but the ones on the way to them.
func (l *lane) states() []change {
	return slices.DeleteFunc(drain(l.changes), change.passing)
}

func (l *lane) read(want ...string) {
	l.t.Helper()
	for _, w := range want {
		if got := await(l.t, fmt.Sprintf("code %.40q", w), l.codes); string(got.Data) != w {
			l.t.Fatalf("got code %.80q, want %.80q", got.Data, w)
		}
	}
}

// A standstill is a boot clock that only moves when it is told to: as if the process were stopped, or the box suspended.
type standstill struct{ atomic.Int64 }

func (s *standstill) boot() time.Duration  { return time.Duration(s.Load()) }
func (s *standstill) pass(d time.Duration) { s.Add(int64(d)) }
func (s *standstill) of(r *Reader)         { r.boot, r.pace.stall = s.boot, stallTime }

// insist sends a code again and again until it is read, for where it may come too early. It returns what was read before.
func (l *lane) insist(scanner *os.File, code string) (before []string) {
	l.t.Helper()
	for late := time.Now().Add(patience); ; {
		send(l.t, scanner, code+"\r")
		for again := time.After(time.Second); again != nil; {
			select {
			case got := <-l.codes:
				if string(got.Data) == code {
					return before
				}
				before = append(before, string(got.Data))
			case <-again:
				again = nil
			}
		}
		if time.Now().After(late) {
			l.t.Fatalf("sent %q in vain", code)
		}
	}
}

// stop ends Run and returns how long that took.
func (l *lane) stop() time.Duration {
	l.t.Helper()
	l.cancel()
	began := time.Now()
	select {
	case err := <-l.done:
		if err != nil {
			l.t.Errorf("Run: %v", err)
		}
		l.done <- nil
	case <-time.After(patience):
		l.t.Error("Run does not end")
	}
	return time.Since(began)
}

func drain[T any](c <-chan T) (all []T) {
	for {
		select {
		case v := <-c:
			all = append(all, v)
		default:
			return all
		}
	}
}

// unprivileged lets the thread run into the checks that root passes.
func unprivileged() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return unix.Capset(&head, &make([]unix.CapUserData, 2)[0])
}

// stranger is a Reader of a user who is not root.
func stranger(r *Reader) {
	r.ports.OpenPort = func(c serialport.Config) (*serialport.Port, error) {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, which only opens
		if err := unprivileged(); err != nil {
			return nil, err
		}
		return serialport.Open(c)
	}
}

func TestWhatScannersSend(t *testing.T) {
	noise := strings.Repeat("\xff", 3000)
	for _, tt := range []struct {
		name  string
		in    string
		want  []string
		drops []string
	}{
		{name: "CR", in: "CODE1\r", want: []string{"CODE1"}},
		{name: "CRLF is one end", in: "CODE1\r\nCODE2\r\n", want: []string{"CODE1", "CODE2"}},
		{name: "empty frames", in: "\r\n\r\n\n\n\r\r", want: nil},
		{name: "short frames", in: "A\rAB\r\nABC\n", drops: []string{TooShort, TooShort, TooShort}},
		{name: "NUL bytes", in: "\x00\x00\x00\x00\x00\rCO\x00DE\r", drops: []string{NotText, NotText}},
		{name: "0xFF noise", in: noise + "\r", drops: []string{NotText}},
		{name: "what a terminal would act on", in: "\x03\x04\x11\x13\x1a\x1c\x7f\x15\r", want: []string{"\x03\x04\x11\x13\x1a\x1c\x7f\x15"}},
		{name: "the longest code", in: strings.Repeat("7", 4096) + "\r", want: []string{strings.Repeat("7", 4096)}},
		{name: "one byte more", in: strings.Repeat("7", 4097) + "\r", drops: []string{TooLong}},
		{name: "GB18030", in: "\xc1\xa3\xcd\xa8\xc2\xeb\r", want: []string{"粒通码"}},
		{name: "text in neither", in: "\xc1\xa3\xcd\xa8\xc2\xeb\xff\r", drops: []string{NotText}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scanner, port := plug(t)
			l := start(t, Options{Config: Config{Device: port, Gap: maxGap}}, hasty)
			l.expect(online)
			send(t, scanner, tt.in+"GOOD CODE\r")
			l.read(append(tt.want, "GOOD CODE")...)
			if got := drain(l.drops); !slices.Equal(got, tt.drops) {
				t.Errorf("got dropped frames %q, want %q", got, tt.drops)
			}
		})
	}
}

func TestCodeTellsLaneAndTimeAndIsOurs(t *testing.T) {
	scanner, port := plug(t)
	l := start(t, Options{Lane: "out", Config: Config{Device: port}}, hasty)
	l.expect(online)
	before := time.Now()
	send(t, scanner, "FIRST CODE\r")
	first := await(t, "a code", l.codes)
	if after := time.Now(); first.At.Before(before) || first.At.After(after) {
		t.Errorf("read at %v, want between %v and %v", first.At, before, after)
	}
	if !strings.Contains(first.At.String(), "m=") {
		t.Error("the time has no monotonic reading")
	}
	if first.Lane != "out" {
		t.Errorf("got lane %q, want out", first.Lane)
	}
	for i := range 20 {
		send(t, scanner, fmt.Sprintf("OTHER CODE %d\r", i))
		await(t, "another code", l.codes)
	}
	if string(first.Data) != "FIRST CODE" {
		t.Errorf("a later code overwrote the first: %q", first.Data)
	}
}

func TestFaultHalfFrameThenSilence(t *testing.T) {
	scanner, port := plug(t)
	l := start(t, Options{Config: Config{Device: port, Gap: 60 * time.Millisecond}}, hasty)
	l.expect(online)
	began := time.Now()
	send(t, scanner, "HALF A CO")
	if got := await(t, "the half code's end", l.drops); got != Timeout {
		t.Errorf("got %q, want %q", got, Timeout)
	}
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("dropped after %v, want the gap", took)
	}
	send(t, scanner, "WHOLE\r")
	l.read("WHOLE")
}

// While a code is answered the next byte is not read, and nothing is made of
// bytes of which nobody knows when they came.
func TestFaultHalfFrameDuringALongAnswer(t *testing.T) {
	scanner, port := plug(t)
	tty, err := os.OpenFile(port, os.O_RDWR|unix.O_NOCTTY, 0) // before it is locked
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	answering, answered := make(chan bool, 1), make(chan bool)
	l := start(t, Options{
		Config: Config{Device: port, Gap: 60 * time.Millisecond},
		OnCode: func(_ context.Context, c Code) bool {
			if string(c.Data) == "SLOW" {
				answering <- true
				<-answered
			}
			return true
		},
	}, hasty)
	l.expect(online)
	send(t, scanner, "SLOW\rHALF")
	await(t, "the slow code", answering)
	<-time.After(80 * time.Millisecond) // longer than the gap: the case itself
	send(t, scanner, "HALF\rGOOD CODE\r")
	for queued := 0; queued < len("HALF\rGOOD CODE\r"); runtime.Gosched() {
		if queued, err = unix.IoctlGetInt(int(tty.Fd()), unix.TIOCINQ); err != nil {
			t.Fatal(err)
		}
	}
	close(answered)
	l.read("SLOW", "GOOD CODE")
	if got, want := drain(l.drops), []string{Timeout}; !slices.Equal(got, want) {
		t.Errorf("got dropped frames %q, want %q", got, want)
	}
}

func TestFaultCodeSentBeforeOpening(t *testing.T) {
	scanner, path := plug(t)
	send(t, scanner, "SCANNED WHILE AWAY\rAND HA")
	l := start(t, Options{Config: Config{Device: path}}, shipped, func(r *Reader) {
		r.ports.OpenPort = func(c serialport.Config) (*serialport.Port, error) {
			p, err := serialport.Open(c)
			scanner.WriteString("LF A CODE\r") // before it settles
			return p, err
		}
	})
	l.expect(online)
	send(t, scanner, "GOOD CODE\r")
	l.read("GOOD CODE")
	if got := drain(l.drops); got != nil {
		t.Errorf("got framing errors %q for bytes nobody listened to", got)
	}
}

func TestFaultBabbleBeforeOnline(t *testing.T) {
	t.Parallel()
	scanner, port := plug(t)
	quit, quiet := make(chan bool), make(chan bool)
	go func() {
		defer close(quiet)
		for {
			select {
			case <-quit:
				scanner.WriteString("THE TAIL OF IT\r")
				return
			default: // more than the terminal's buffer holds, so that what is dropped is followed by more at once
				scanner.WriteString(strings.Repeat("babble", 100))
			}
		}
	}()
	l := start(t, Options{Config: Config{Device: port, Gap: maxGap}}, 75*time.Millisecond, func(r *Reader) { r.pace.mute = 2 * time.Second }) // longer than a busy machine makes the babble pause
	l.expect(change{false, Muted, CauseFlood})
	close(quit)
	await(t, "the end of the babble", quiet)
	l.expect(online)
	send(t, scanner, "GOOD CODE\r")
	l.read("GOOD CODE")
}

func TestScannerHearsNothing(t *testing.T) {
	scanner, port := plug(t)
	l := start(t, Options{Config: Config{Device: port}}, shipped)
	l.expect(online)
	send(t, scanner, "GOOD CODE\r\n")
	l.read("GOOD CODE")
	scanner.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := scanner.Read(make([]byte, 64)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the scanner got %d bytes back (%v), want none", n, err)
	}
}

func TestFaultPathsThatAreNoScanner(t *testing.T) {
	dir := t.TempDir()
	file, fifo, gone := filepath.Join(dir, "file"), filepath.Join(dir, "fifo"), filepath.Join(dir, "gone")
	if err := os.WriteFile(file, []byte("CODE1\rCODE2\r"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	_, shut := plug(t)
	if err := os.Chmod(shut, 0); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		want       change
		says       string
	}{
		{"missing", gone, change{false, Absent, CauseAbsent}, "no such file"},
		{"under a file", filepath.Join(file, "x"), change{false, Absent, CauseAbsent}, "not a directory"},
		{"regular file", file, change{false, Backoff, CauseNotADevice}, "no serial port but a regular file"},
		{"directory", dir, change{false, Backoff, CauseNotADevice}, "no serial port but a directory"},
		{"named pipe", fifo, change{false, Backoff, CauseNotADevice}, "no serial port but a named pipe"},
		{"no serial port", "/dev/null", change{false, Backoff, CauseNotADevice}, "inappropriate ioctl for device"},
		{"forbidden", shut, change{false, Backoff, CauseNoPermission}, "permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			l := start(t, Options{Config: Config{Device: tt.path}, Log: slog.New(slog.NewTextHandler(&log, nil))}, hasty, stranger)
			l.expect(tt.want)
			<-time.After(20 * time.Millisecond) // some ten more attempts
			l.stop()
			if got, want := l.states(), []change{{false, Closed, CauseStopped}}; !slices.Equal(got, want) {
				t.Errorf("then got %v, want %v: the same again is no news", got, want)
			}
			if got := log.String(); !strings.Contains(got, tt.says) || strings.Count(got, tt.path) != 3 {
				t.Errorf("want each path once as device and once in the error, and %q, in the log:\n%s", tt.says, got)
			}
		})
	}
}

func TestFaultBusyPortHasOneListener(t *testing.T) {
	scanner, port := plug(t)
	first := start(t, Options{Config: Config{Device: port}}, hasty)
	first.expect(online)

	second := start(t, Options{Config: Config{Device: port}}, hasty)
	second.expect(change{false, Backoff, CauseBusy})
	third := start(t, Options{Config: Config{Device: port}}, hasty, stranger)
	third.expect(change{false, Backoff, CauseBusy})
	third.stop()
	other := make(chan error)
	go func() { // one that knows nothing of locks
		runtime.LockOSThread()
		if err := unprivileged(); err != nil {
			other <- err
			return
		}
		fd, err := unix.Open(port, unix.O_RDWR|unix.O_NOCTTY, 0)
		if err == nil {
			unix.Close(fd)
		}
		other <- err
	}()
	if err := await(t, "a second opener", other); err != unix.EBUSY {
		t.Errorf("a second opener got %v, want %v", err, unix.EBUSY)
	}
	for i := range 20 {
		code := fmt.Sprintf("CODE %d", i)
		send(t, scanner, code+"\r")
		first.read(code)
	}

	first.stop()
	second.expect(online)
	send(t, scanner, "GOOD CODE\r")
	second.read("GOOD CODE")
	second.stop()
	third = start(t, Options{Config: Config{Device: port}}, hasty, stranger)
	third.expect(online) // nothing is left behind
}

func TestFaultUnpluggedWhileIdle(t *testing.T) {
	t.Parallel()
	for name, unplug := range map[string]func(t *testing.T, scanner *os.File, port string){
		"the far end goes": func(t *testing.T, scanner *os.File, link string) {
			os.Remove(link) // the terminal's number may be another's at once
			scanner.Close()
		},
		"the kernel hangs up": func(t *testing.T, _ *os.File, port string) {
			tty, err := os.OpenFile(port, os.O_RDWR|unix.O_NOCTTY, 0)
			if err != nil {
				needsRoot(t, err)
			}
			defer tty.Close()
			if err := unix.IoctlSetInt(int(tty.Fd()), unix.TIOCVHANGUP, 0); err != nil {
				needsRoot(t, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			best := patience
			for range 3 {
				scanner, port := plug(t)
				link := filepath.Join(t.TempDir(), "scanner")
				retarget(t, link, port)
				m := NewMetrics(prometheus.NewRegistry(), "in")
				l := start(t, Options{Config: Config{Device: link}, Metrics: m}, shipped, func(r *Reader) {
					r.ports.Retry = patience // it stays down
				})
				l.expect(online)
				if got := testutil.ToFloat64(m.up); got != 1 {
					t.Errorf("got gated_scanner_up %v while online", got)
				}
				began := time.Now()
				unplug(t, scanner, link)
				l.expect(change{false, Backoff, CauseHangUp})
				best = min(best, time.Since(began))
				if got := testutil.ToFloat64(m.up); got != 0 {
					t.Errorf("got gated_scanner_up %v after the hang-up", got)
				}
				l.stop()
			}
			if best > time.Second { // one of them finds the machine at leisure
				t.Errorf("noticed after %v, want within a second", best)
			}
		})
	}
}

// needsRoot skips what only root may do; .ci/run does it.
func needsRoot(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("it must run as root:", err)
	}
	t.Skip("run it as root:", err)
}

func TestWhyDown(t *testing.T) {
	for _, tt := range []struct {
		err   error
		state State
		cause string
	}{
		{unix.ENOENT, Absent, CauseAbsent},
		{unix.ENXIO, Absent, CauseAbsent}, // the node is there, nothing behind it
		{unix.ENODEV, Absent, CauseAbsent},
		{unix.EPERM, Backoff, CauseNoPermission},
		{unix.EBUSY, Backoff, CauseBusy},
		{unix.ENOTTY, Backoff, CauseNotADevice},
		{unix.EIO, Backoff, CauseHangUp},
		{serialport.ErrNoBytes, Backoff, CauseLost},
		{unix.EMFILE, Backoff, CauseFault},
		{io.ErrClosedPipe, Backoff, CauseFault},
	} {
		if state, cause := stateAfter(fmt.Errorf("open: %w", tt.err)); state != tt.state || cause != tt.cause {
			t.Errorf("%v: got %s %s, want %s %s", tt.err, state, cause, tt.state, tt.cause)
		}
	}
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestFault200FlapsLeaveNothingBehind(t *testing.T) {
	link := filepath.Join(t.TempDir(), "scanner")
	aim := func(port string) {
		next := link + ".next"
		if err := errors.Join(os.Symlink(port, next), os.Rename(next, link)); err != nil {
			t.Fatal(err)
		}
	}
	fds, goroutines := 0, 0
	l := start(t, Options{Config: Config{Device: link}}, hasty)
	l.expect(change{false, Absent, CauseAbsent})
	for i := range 201 {
		scanner, port := plug(t)
		aim(port)
		l.expect(online)
		code := fmt.Sprintf("CODE %d", i)
		send(t, scanner, code+"\rHALF A CODE")
		l.read(code)
		if i == 0 {
			fds, goroutines = descriptors(t), runtime.NumGoroutine()
		}
		if i == 200 {
			if got := descriptors(t); got > fds { // fewer when a file of another test has been collected
				t.Errorf("got %d descriptors after 200 reconnects, %d before", got, fds)
			}
			if got := runtime.NumGoroutine(); got > goroutines {
				t.Errorf("got %d goroutines after 200 reconnects, %d before", got, goroutines)
			}
		}
		os.Remove(link) // the terminal's number may be another's at once
		scanner.Close()
		// Nothing is left at the path, unless it was caught half-way.
		for down := false; !down; {
			switch got := await(t, "the hang-up", l.changes); {
			case got == change{false, Absent, CauseAbsent}:
				down = true
			case got.up:
				t.Fatalf("got state %v after the hang-up", got)
			}
		}
	}
	if got := drain(l.codes); got != nil {
		t.Errorf("half codes were handed on: %q", got)
	}
}

func TestBackoffDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "scanner")
		began := time.Now()
		var got []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		// Each attempt finds the other of two faults, so that each is told.
		r := NewReader(Options{Config: Config{Device: path}, OnState: func(_ bool, s State, _ string) {
			switch s {
			case Absent:
				os.WriteFile(path, nil, 0o600)
			case Backoff:
				os.Remove(path)
			case Closed:
				return
			}
			if got = append(got, time.Since(began).Round(time.Millisecond)); len(got) == 9 {
				cancel()
			}
		}})
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		const ms = time.Millisecond
		want := []time.Duration{0, 200 * ms, 400 * ms, 600 * ms, 800 * ms, 1000 * ms, 1200 * ms, 1400 * ms, 1600 * ms}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
	})
}

func TestIdleCostsNothing(t *testing.T) {
	_, port := plug(t)
	gone, file := filepath.Join(t.TempDir(), "gone"), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, second := plug(t)
	lost, lostPort := plug(t)
	link := filepath.Join(t.TempDir(), "lost")
	retarget(t, link, lostPort)
	for dev, want := range map[string]change{port: online, second: online, gone: {false, Absent, CauseAbsent}, file: {false, Backoff, CauseNotADevice}, link: online} {
		start(t, Options{Config: Config{Device: dev}}, shipped).expect(want)
	}
	os.Remove(link) // the terminal's number may be another's at once
	lost.Close()
	busy := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const most = 25 * time.Millisecond // a hundredth of one core for two
	best := time.Hour
	for range 5 { // what other tests have left to do ends in one of them
		before := busy()
		<-time.After(time.Second)
		if best = min(best, busy()-before); best <= most {
			break
		}
	}
	t.Logf("%v of a second", best)
	if best > most {
		t.Errorf("five idle readers used %v of processor time in a second, want at most %v", best, most)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	const soon = 10 * time.Second
	ask := func(r *Reader) { // by itself it does nothing in time
		r.pace.look, r.ports.Retry = time.Hour, time.Hour
	}
	check := func(t *testing.T, l *lane) {
		t.Helper()
		if took := l.stop(); took > soon {
			t.Errorf("Run ended after %v, want within %v", took, soon)
		}
		all := l.states()
		if len(all) == 0 || all[len(all)-1] != (change{false, Closed, CauseStopped}) {
			t.Errorf("got states %v, want closed at the end", all)
		}
	}
	t.Run("idle", func(t *testing.T) {
		_, port := plug(t)
		l := start(t, Options{Config: Config{Device: port}}, shipped, ask)
		l.expect(online)
		check(t, l)
	})
	t.Run("within a code", func(t *testing.T) {
		scanner, port := plug(t)
		l := start(t, Options{Config: Config{Device: port, Gap: maxGap}}, shipped)
		l.expect(online)
		send(t, scanner, "WHOLE\rHALF")
		l.read("WHOLE")
		check(t, l)
		if got := drain(l.codes); got != nil {
			t.Errorf("got %q at the end", got)
		}
	})
	t.Run("between attempts", func(t *testing.T) {
		l := start(t, Options{Config: Config{Device: filepath.Join(t.TempDir(), "gone")}}, shipped, ask)
		l.expect(change{false, Absent, CauseAbsent})
		check(t, l)
	})
	t.Run("before it began", func(t *testing.T) {
		_, port := plug(t)
		l := start(t, Options{Config: Config{Device: port}}, shipped)
		check(t, l)
	})
	t.Run("while a code is answered", func(t *testing.T) {
		scanner, port := plug(t)
		answering := make(chan bool, 1)
		l := start(t, Options{Config: Config{Device: port}, OnCode: func(ctx context.Context, _ Code) bool {
			answering <- true
			<-ctx.Done()
			return true
		}}, shipped)
		l.expect(online)
		send(t, scanner, "CODE1\rCODE2\rCODE3\r")
		await(t, "the first code", answering)
		check(t, l)
		if got := drain(l.codes); len(got) != 1 {
			t.Errorf("got %d codes, want only the one that was being answered", len(got))
		}
	})
	t.Run("in a flood", func(t *testing.T) {
		scanner, port := plug(t)
		l := start(t, Options{Config: Config{Device: port}, OnCode: func(context.Context, Code) bool { return true }}, shipped)
		l.expect(online)
		go func() {
			for {
				if _, err := scanner.WriteString("flood without an end "); err != nil {
					return
				}
			}
		}()
		if got := await(t, "the flood", l.drops); got != TooLong {
			t.Errorf("got %q, want %q", got, TooLong)
		}
		check(t, l)
	})
	t.Run("cancelled at every moment", func(t *testing.T) {
		_, port := plug(t)
		for i := range 100 {
			l := start(t, Options{Config: Config{Device: port}}, hasty, ask)
			<-time.After(time.Duration(i) * 50 * time.Microsecond)
			if took := l.stop(); took > soon {
				t.Fatalf("Run ended after %v, want within %v", took, soon)
			}
		}
	})
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg, "in", "out")
	m.became("in", Settling, "")
	m.became("in", Online, CauseSilent)
	m.framing.WithLabelValues("in", TooLong).Inc()
	m.discard.WithLabelValues("in", "settling").Add(17)
	m.mutes.WithLabelValues("out").Inc()
	for name, want := range map[string]float64{"up": testutil.ToFloat64(m.up.WithLabelValues("in")), "online": testutil.ToFloat64(m.state.WithLabelValues("in", "online")),
		"silent": testutil.ToFloat64(m.silent.WithLabelValues("in")), "connects": testutil.ToFloat64(m.connects.WithLabelValues("in")),
		"mutes": testutil.ToFloat64(m.mutes.WithLabelValues("out")), "dropped": testutil.ToFloat64(m.framing.WithLabelValues("in", TooLong))} {
		if want != 1 {
			t.Errorf("%s: got %v, want 1", name, want)
		}
	}
	if got := testutil.ToFloat64(m.state.WithLabelValues("in", "settling")); got != 0 {
		t.Errorf("got %v for a state that is over, want 0", got)
	}
	if got := testutil.ToFloat64(m.discard.WithLabelValues("in", "settling")); got != 17 {
		t.Errorf("got %v bytes, want 17", got)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	// Each lane has its zeros before anything happens.
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 2*(3+len(States)+len(FrameCauses)+3+2+2) {
		t.Errorf("got %d series and %v", n, err)
	}
}

// BenchmarkHandOn measures from the last byte of a code to OnCode, without the wait of CodesApart, and beside
// it the floor: the same bytes to a reader blocked in read(2) on a port of the
// same kind. Both take turns, after a pause that lets everything fall asleep.
func BenchmarkHandOn(b *testing.B) {
	code := bytes.Repeat([]byte("A"), 199)
	scanner, port := plug(b)
	got := make(chan time.Time)
	l := start(b, Options{Config: Config{Device: port, Gap: maxGap}, OnCode: func(context.Context, Code) bool { got <- time.Now(); return true }}, hasty)
	l.expect(online)

	bare, barePort := plug(b)
	fd, err := unix.Open(barePort, unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		b.Fatal(err)
	}
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		b.Fatal(err)
	}
	mode.Iflag, mode.Oflag, mode.Lflag = 0, 0, 0
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, mode); err != nil {
		b.Fatal(err)
	}
	ended := make(chan bool)
	go func() {
		defer close(ended)
		buf := make([]byte, 4096)
		for {
			n, err := unix.Read(fd, buf)
			if err == syscall.EINTR {
				continue
			}
			if n <= 0 || err != nil {
				return
			}
			if bytes.IndexByte(buf[:n], '\r') >= 0 {
				got <- time.Now()
			}
		}
	}()

	measure := func(to *os.File) time.Duration {
		if _, err := to.Write(code); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Millisecond)
		began := time.Now()
		if _, err := to.Write([]byte{'\r'}); err != nil {
			b.Fatal(err)
		}
		return (<-got).Sub(began)
	}
	var handOn, floor []time.Duration
	for b.Loop() {
		handOn = append(handOn, measure(scanner))
		<-l.codes
		floor = append(floor, measure(bare))
	}
	bare.Close()
	<-ended
	unix.Close(fd)
	p50 := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2]) / 1e3
	}
	b.ReportMetric(p50(handOn), "p50-µs")
	b.ReportMetric(p50(floor), "floor-p50-µs")
	b.ReportMetric(p50(handOn)/p50(floor), "ratio")
	b.ReportMetric(0, "ns/op") // mostly pauses
}
