package barrier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gated/demo/lcussim"
	"gated/serialport"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"
)

// board is a Barrier of one lane and the relay board that it works.
type board struct {
	*Barrier
	*lcussim.Relay
	t      *testing.T
	states chan error
	log    *syncBuffer
}

// plugged starts both; channel 1 of the board is the barrier, if config does not say otherwise.
func plugged(t *testing.T, answers bool, config Config, tune ...func(*lcus)) *board {
	t.Helper()
	link := filepath.Join(t.TempDir(), "relay")
	sim, err := lcussim.New(link, 2, answers)
	if err != nil {
		t.Fatal(err)
	}
	config.Device = link
	b := driven(t, config, func(r *lcus) {
		if !answers {
			r.answerTime = answerTime
		}
		for _, f := range tune {
			f(r)
		}
	})
	b.Relay = sim
	t.Cleanup(sim.Close)
	t.Cleanup(func() { b.Barrier.Close() })
	b.expect("up")
	return b
}

// driven has no board yet, and is patient with the one that comes: board and driver share a busy machine.
func driven(t *testing.T, config Config, tune ...func(*lcus)) *board {
	t.Helper()
	config.Driver = LCUS
	var log syncBuffer
	o := Options{Config: config, Lane: "in", Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: NewMetrics(prometheus.NewRegistry(), "in")}
	o.tune = func(r *lcus) {
		r.sendTime, r.answerTime = time.Second, time.Second
		for _, f := range tune {
			f(r)
		}
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &board{Barrier: b, t: t, states: make(chan error, 10000), log: &log}
	b.Watch(func(_ string, err error) { r.states <- err })
	return r
}

// expect waits until the relay's state has the text in it; "up" for none wrong.
func (b *board) expect(want string) error {
	b.t.Helper()
	end := time.After(time.Minute)
	var last error
	for {
		select {
		case err := <-b.states:
			if last = err; err == nil && want == "up" || err != nil && strings.Contains(err.Error(), want) {
				return err
			}
		case <-end:
			b.t.Fatalf("waited in vain for the state %q; the last was %v", want, last)
		}
	}
}

// switched is the journal in words.
func (b *board) switched() (list []string) {
	for _, s := range b.Journal() {
		list = append(list, fmt.Sprintf("%d %s", s.Channel, map[bool]string{true: "on", false: "off"}[s.On]))
	}
	return list
}

// often lets the relay be looked at fifty times a second.
func often(r *lcus) { r.idle = 20 * time.Millisecond }

func TestRelayIsOnForThePulseAndNoLonger(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{true, false} {
		t.Run(fmt.Sprintf("answers %t", answers), func(t *testing.T) {
			b := plugged(t, answers, Config{Channel: 2})
			pulses := 0.0
			for _, d := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond} {
				// The times are the board's, which on a busy machine gets round to its bytes late: the best of a few counts.
				var took time.Duration
				for range 10 {
					before := len(b.Journal())
					if err := b.Pulse(t.Context(), d); err != nil {
						t.Fatal(err)
					}
					pulses++
					awaitTrue(t, "on and off", func() bool { return len(b.Journal()) >= before+2 }) // without an answer nobody knows when they arrived
					j := b.Journal()[before:]
					if len(j) != 2 || j[0].Channel != 2 || !j[0].On || j[1].On {
						t.Fatalf("got %v, want on and off", j)
					}
					if took = j[1].At.Sub(j[0].At); took > d-30*time.Millisecond && took < d+150*time.Millisecond {
						break
					}
				}
				if took < d-30*time.Millisecond || took > d+150*time.Millisecond {
					t.Errorf("it was on for %s, want %s", took, d)
				}
			}
			if n := testutil.ToFloat64(b.metrics.pulses.WithLabelValues("in")); n != pulses {
				t.Errorf("pulses: got %v, want %v", n, pulses)
			}
		})
	}
}

func TestFramesAreThoseOfTheBoards(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		channel int
		on      bool
		want    string
	}{{1, true, "a00101a2"}, {1, false, "a00100a1"}, {2, true, "a00201a3"}, {8, false, "a00800a8"}} {
		r := lcus{b: &Barrier{config: Config{Channel: tt.channel}}}
		if got := fmt.Sprintf("%x", r.frame(tt.on)); got != tt.want {
			t.Errorf("channel %d %t: got %s, want %s", tt.channel, tt.on, got, tt.want)
		}
	}
}

func TestStateIsReadFromEveryKindOfAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text    string
		channel int
		want    string
	}{
		{"CH1: ON \r\nCH2: OFF\r\n", 1, "on"},
		{"CH1: ON \r\nCH2: OFF\r\n", 2, "off"},
		{"CH1:OFFCH2:ON", 1, "off"},
		{"CH1:OFFCH2:ON", 2, "on"},
		{"ch1 : off", 1, "off"},
		{"CH1: O", 1, ""},
		{"CH1: OF", 1, ""},
		{"CH2: ON", 1, ""},
		{"CH1: OFF\r\nCH1: ON \r\n", 1, "on"}, // the answer to an earlier question came late
		{"\xa0\x01\x01\xa2", 1, "on"},
		{"\xa0\x01\x00\xa1", 1, "off"},
		{"\xa0\x01\x01\xa3", 1, ""}, // the sum is wrong
		{"\xa0\x01\x01\xa2CH1: OFF", 1, "off"},
		{"", 1, ""},
		{"\xff\xff", 1, ""},
	} {
		on, known := stateOf([]byte(tt.text), tt.channel)
		got := map[bool]string{true: "on", false: "off"}[on]
		if !known {
			got = ""
		}
		if got != tt.want {
			t.Errorf("%q, channel %d: got %q, want %q", tt.text, tt.channel, got, tt.want)
		}
	}
}

func FuzzStateOf(f *testing.F) {
	f.Add([]byte("CH1: ON \r\nCH2: OFF\r\n"), 1)
	f.Add([]byte("\xa0\x01\x01\xa2"), 8)
	f.Fuzz(func(t *testing.T, text []byte, channel int) {
		channel = 1 + max(0, channel)%8
		before, _ := stateOf(text, channel)
		frame := []byte{0xA0, byte(channel), 1, 0xA1 + byte(channel)}
		for _, s := range []string{string(frame), fmt.Sprintf("\nCH%d: ON \r\n", channel)} {
			if on, known := stateOf(append(bytes.Clone(text), s...), channel); !on || !known {
				t.Errorf("%q and then %q: got %t %t after %t", text, s, on, known, before)
			}
		}
	})
}

// Whatever stands under the path, the daemon starts, says what is wrong, and a pulse fails at once.
func TestWhatIsNoRelayIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	sim, err := lcussim.New(filepath.Join(dir, "taken"), 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	other := driven(t, Config{Device: filepath.Join(dir, "taken")})
	other.expect("up")
	defer other.Barrier.Close()
	for _, tt := range []struct{ name, device, want string }{
		{"missing", filepath.Join(dir, "gone"), "no such file or directory: plug the relay in"},
		{"directory", dir, "no serial port but a directory"},
		{"file", file, "no serial port but a regular file"},
		{"FIFO", fifo, "no serial port but a named pipe"},
		{"null", "/dev/null", "inappropriate ioctl for device: write the relay's own path"},
		{"terminal master", "/dev/ptmx", "the master side of a pseudo-terminal"},
		{"busy", filepath.Join(dir, "taken"), "another program or lane has it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := driven(t, Config{Device: tt.device})
			defer b.Barrier.Close()
			err := b.expect(tt.want)
			if !strings.Contains(err.Error(), tt.device) {
				t.Errorf("%q does not name %s", err, tt.device)
			}
			began := time.Now()
			if err := b.Pulse(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("pulse: got %v, want %q", err, tt.want)
			}
			if took := time.Since(began); took > soon {
				t.Errorf("the pulse failed after %s", took)
			}
			if testutil.ToFloat64(b.metrics.errors.WithLabelValues("in")) != 1 || testutil.ToFloat64(b.metrics.up.WithLabelValues("in")) != 0 {
				t.Error("it was not counted")
			}
		})
	}
}

func TestNoPermissionIsNamed(t *testing.T) {
	b := plugged(t, true, Config{})
	b.Barrier.Close()
	if err := os.Chmod(b.config.Device, 0); err != nil {
		t.Fatal(err)
	}
	ports := new(serialport.Opener)
	if os.Geteuid() == 0 { // root may open everything: one thread gives that up, and with it whoever runs on it
		ports.OpenPort = func(c serialport.Config) (*serialport.Port, error) {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, which only opens
			if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, 65534, 65534, 65534); e != 0 {
				return nil, e
			}
			return serialport.Open(c)
		}
	}
	if _, err := openPort(ports, b.config.Device); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want permission denied", err)
	} else if !strings.Contains(err.Error(), "group") && !strings.Contains(err.Error(), "dialout") {
		t.Errorf("%v does not say what to do", err)
	}
}

func TestUnpluggedIdleIsSeenAtOnceAndMendsItself(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{true, false} {
		b := plugged(t, answers, Config{})
		began := time.Now()
		b.Unplug()
		b.expect("unplugged")
		if took := time.Since(began); took > soon {
			t.Errorf("seen after %s", took)
		}
		if err := b.Pulse(t.Context(), time.Second); err == nil {
			t.Error("a pulse without a relay succeeded")
		}
		if err := b.Plug(); err != nil { // its number is another, its name the same
			t.Fatal(err)
		}
		b.expect("up")
		if err := b.Pulse(t.Context(), 100*time.Millisecond); err != nil {
			t.Error(err)
		}
		awaitTrue(t, "on and off", func() bool { return len(b.switched()) >= 2 })
		if d := cmp.Diff([]string{"1 on", "1 off"}, b.switched()); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestUnpluggedDuringAPulseIsOffAfterwards(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{})
	pulse := make(chan error, 1)
	go func() { pulse <- b.Pulse(t.Context(), 5*time.Second) }()
	awaitTrue(t, "on", func() bool { return b.On(1) })
	began := time.Now()
	b.Unplug()
	if err := <-pulse; err == nil || !strings.Contains(err.Error(), "unplugged") {
		t.Errorf("got %v, want that it is gone", err)
	}
	if took := time.Since(began); took > soon {
		t.Errorf("told after %s", took)
	}
	if err := b.Plug(); err != nil {
		t.Fatal(err)
	}
	b.expect("up")
	frames := b.Frames()
	if b.On(1) || frames < 2 {
		t.Errorf("on %t after %d commands, want that it was switched off", b.On(1), frames)
	}
}

// A board that keeps its state over a loss of the line, as one on a supply of its own does.
func TestLostLineDuringAPulseIsOffAfterwards(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "relay")
	sim, err := lcussim.New(link, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	b := driven(t, Config{Device: link}, often)
	b.Relay = sim
	defer b.Barrier.Close()
	b.expect("up")
	go b.Pulse(t.Context(), 3*time.Second)
	awaitTrue(t, "on", func() bool { return b.On(1) })
	// The name goes away and comes back while the board stays as it is.
	target, err := os.Readlink(link)
	if err != nil {
		t.Fatal(err)
	}
	sim.Set(lcussim.Faults{Silent: true})
	b.expect("does not answer")
	awaitTrue(t, "off after the error", func() bool { return !b.On(1) })
	sim.Set(lcussim.Faults{})
	b.expect("up")
	if now, _ := os.Readlink(link); now != target || b.On(1) {
		t.Errorf("on %t", b.On(1))
	}
}

func TestRenumberedBehindItsNameIsFollowed(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{}, func(r *lcus) { r.idle, r.answerTime = 20*time.Millisecond, 10*time.Second })
	other := filepath.Join(t.TempDir(), "other")
	second, err := lcussim.New(other, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	// udev gives the name to the second board while the first one is still there.
	if err := os.Rename(other, b.config.Device); err != nil {
		t.Fatal(err)
	}
	b.expect("another device")
	b.expect("up")
	if err := b.Pulse(t.Context(), 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if len(b.Journal()) != 0 || second.Pulses(1) != 1 {
		t.Errorf("the first was switched %v, the second %v", b.Journal(), second.Journal())
	}
}

// While udev makes its links anew a name is missing for a moment. The relay is there all the same, and obeys.
func TestRelayIsNotGivenUpWhileItsNameIsMissing(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{}, often)
	if err := b.HoldOpen(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.config.Device); err != nil {
		t.Fatal(err)
	}
	frames := b.Frames()
	awaitTrue(t, "some looks", func() bool { return b.Frames() >= frames+5 || len(b.states) > 0 })
	if err := b.Release(); err != nil || b.On(1) {
		t.Errorf("release: %v, on %t", err, b.On(1))
	}
	select {
	case err := <-b.states:
		t.Errorf("it became %v", err)
	default:
	}
}

func TestFaultyRelayFailsThePulseAndIsOff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		faults lcussim.Faults
		want   string
	}{
		{"silent", lcussim.Faults{Silent: true}, "does not answer"},
		{"answers the wrong state", lcussim.Faults{Lies: true}, "another state"},
		{"stuck contact", lcussim.Faults{Stuck: true}, "another state"},
		{"never reads", lcussim.Faults{Deaf: true}, "takes no bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := plugged(t, true, Config{Answers: true}, func(r *lcus) { r.idle = time.Minute }) // the pulse is to find it
			b.Set(tt.faults)
			if tt.faults.Deaf { // the terminal holds a lot
				times := 0 // the kernel moves what it holds about, and then there is room again
				awaitTrue(t, "a terminal that stays full", func() bool {
					if times++; !full(t, b.config.Device) {
						times = 0
					}
					return times > 20
				})
			} else if err := os.Remove(b.config.Device); err != nil { // so that no reconnect switches off: the error has to
				t.Fatal(err)
			}
			began := time.Now()
			err := b.Pulse(t.Context(), 5*time.Second)
			took := time.Since(began)
			named := err != nil && strings.Contains(err.Error(), tt.want)
			if tt.faults.Deaf && errors.Is(err, errSilent) { // the kernel had room for once
				named = true
			}
			if !named || took >= 5*time.Second {
				t.Errorf("got %v after %s, want %q at once", err, took, tt.want)
			}
			b.expect(tt.want)
			awaitTrue(t, "off after the error", func() bool { return !b.On(1) })
			b.Set(lcussim.Faults{})
			if !tt.faults.Deaf {
				if err := b.Plug(); err != nil {
					t.Fatal(err)
				}
			}
			b.expect("up")
			if err := b.Pulse(t.Context(), 100*time.Millisecond); err != nil {
				t.Error(err)
			}
			if b.On(1) {
				t.Error("it stayed on")
			}
		})
	}
}

// full tells whether a terminal takes no more bytes.
func full(t *testing.T, path string) bool {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EBUSY) {
		if os.Getenv("CI") != "" {
			t.Fatal("TIOCEXCL keeps the test out: it must run as root, as .ci/run does")
		}
		t.Skip("TIOCEXCL keeps the test out: run it as root")
	}
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var set unix.FdSet
	set.Set(fd)
	n, err := unix.Select(fd+1, nil, &set, nil, &unix.Timeval{})
	return err == nil && n == 0
}

func TestIdleRelayThatFallsSilentIsShownWithinASecond(t *testing.T) {
	t.Parallel()
	if worst := idleTime + settleTime + answerTime; worst > 900*time.Millisecond { // the rest is for port and page
		t.Errorf("it takes up to %s", worst)
	}
	b := plugged(t, true, Config{Answers: true}, func(r *lcus) { r.sendTime, r.answerTime = sendTime, answerTime })
	quickest(t, time.Second, func() time.Duration {
		began := time.Now()
		b.Set(lcussim.Faults{Silent: true})
		b.expect("does not answer")
		took := time.Since(began)
		b.Set(lcussim.Faults{})
		b.expect("up")
		return took
	})
}

func TestIdleRelayThatFallsSilentIsShownBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{}, often)
	b.Set(lcussim.Faults{Silent: true})
	b.expect("does not answer")
	b.Set(lcussim.Faults{})
	b.expect("up")
	if len(b.Journal()) != 0 {
		t.Errorf("switched: %v", b.switched())
	}
}

// When the box starts, it or the board may be too busy for the first question. A board that answers later is looked
// after like any other from then on.
func TestBoardThatAnswersLaterIsLookedAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		at           lcussim.Faults // as it is plugged in
		idle, answer time.Duration
	}{
		{"silent at first", lcussim.Faults{Silent: true}, 20 * time.Millisecond, 2 * time.Second},
		{"answers the first question late", lcussim.Faults{Slow: 2 * time.Second}, time.Hour, 100 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sim, err := lcussim.New(filepath.Join(t.TempDir(), "relay"), 1, true)
			if err != nil {
				t.Fatal(err)
			}
			defer sim.Close()
			sim.Set(tt.at)
			b := driven(t, Config{Device: sim.Path()}, func(r *lcus) { r.idle, r.answerTime = tt.idle, tt.answer })
			defer b.Barrier.Close()
			b.expect("up")
			sim.Set(lcussim.Faults{})
			awaitTrue(t, "an answer", func() bool { return b.log.has("after all") })
			sim.Set(lcussim.Faults{Stuck: true})
			if err := b.Pulse(t.Context(), 5*time.Second); !errors.Is(err, errWrong) && !errors.Is(err, errSilent) {
				t.Errorf("a pulse of a stuck relay: got %v", err)
			}
		})
	}
}

// A plug that bounces, or a hub that comes up late.
func TestBoardThatIsLostWhileItIsAskedNeedNotAnswerLater(t *testing.T) {
	t.Parallel()
	sim, err := lcussim.New(filepath.Join(t.TempDir(), "relay"), 1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	b := driven(t, Config{Device: sim.Path()}, func(r *lcus) { r.answerTime = 5 * time.Second })
	defer b.Barrier.Close()
	awaitTrue(t, "the question", func() bool { return sim.Frames() >= 2 })
	sim.Unplug()
	b.expect("unplugged")
	if err := sim.Plug(); err != nil {
		t.Fatal(err)
	}
	b.expect("up")
	if err := b.Pulse(t.Context(), 100*time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestBoardThatNeverAnswersIsAskedLessAndLessOften(t *testing.T) {
	t.Parallel()
	began := time.Now()
	b := plugged(t, false, Config{}, func(r *lcus) { r.idle = 10 * time.Millisecond })
	awaitTrue(t, "6 more questions", func() bool { return b.Frames() >= 2+6 })
	if took := time.Since(began); took < (1<<6-1)*10*time.Millisecond {
		t.Errorf("asked 6 times more within %s", took)
	}
	if err := b.Pulse(t.Context(), 100*time.Millisecond); err != nil {
		t.Error(err)
	}
}

// Whether a board answers is not known beyond the board that did.
func TestSpareThatDoesNotAnswerIsWell(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{})
	b.Unplug()
	b.expect("unplugged")
	b.Set(lcussim.Faults{Silent: true})
	if err := b.Plug(); err != nil {
		t.Fatal(err)
	}
	b.expect("up")
	if err := b.Pulse(t.Context(), 100*time.Millisecond); err != nil {
		t.Error(err)
	}
}

// That it has answered is not forgotten over attempts to reach it: else each would find it well.
func TestBoardThatHasFallenSilentStaysAFault(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{}, often)
	b.Set(lcussim.Faults{Silent: true})
	b.expect("does not answer")
	frames := b.Frames()
	awaitTrue(t, "three attempts more", func() bool { return b.Frames() >= frames+3*2 })
	select {
	case err := <-b.states:
		t.Errorf("it became %v", err)
	default:
	}
}

func TestBoardThatHasToAnswerAndDoesNotIsAFault(t *testing.T) {
	t.Parallel()
	sim, err := lcussim.New(filepath.Join(t.TempDir(), "relay"), 1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	b := driven(t, Config{Device: sim.Path(), Answers: true})
	defer b.Barrier.Close()
	b.expect("does not answer")
}

func TestRelayIsSwitchedOffAtTheStart(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "relay")
	sim, err := lcussim.New(link, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	// An earlier run was killed during a pulse.
	p, err := openPort(new(serialport.Opener), link)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.send([]byte{0xA0, 1, 1, 0xA2}, time.Second); err != nil {
		t.Fatal(err)
	}
	awaitTrue(t, "on", func() bool { return sim.On(1) })
	p.close()
	b := driven(t, Config{Device: link})
	defer b.Barrier.Close()
	b.expect("up")
	if sim.On(1) {
		t.Error("it stayed on")
	}
}

func TestHeldOpenUntilReleaseWhateverComesBetween(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{}, often)
	pulse := make(chan error, 1)
	go func() { pulse <- b.Pulse(t.Context(), 5*time.Second) }()
	awaitTrue(t, "on", func() bool { return b.On(1) })
	began := time.Now()
	if err := b.HoldOpen(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > soon {
		t.Errorf("held open after %s", took)
	}
	if err := <-pulse; err != nil {
		t.Errorf("the pulse that gave way: %v", err)
	}
	if err := b.Pulse(t.Context(), 100*time.Millisecond); err != nil || !b.On(1) {
		t.Errorf("a pulse meanwhile: %v, on %t", err, b.On(1))
	}
	if d := cmp.Diff([]string{"1 on"}, b.switched()); d != "" {
		t.Errorf("it went off between (-want +got):\n%s", d)
	}
	b.Unplug()
	b.expect("")
	if err := b.Plug(); err != nil {
		t.Fatal(err)
	}
	b.expect("up")
	if !b.On(1) {
		t.Error("the guard wants it open still, and it is closed")
	}
	if err := b.Release(); err != nil || b.On(1) {
		t.Errorf("release: %v, on %t", err, b.On(1))
	}
}

func TestEmergencyKeySwitchesARelayWithinHalfASecond(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{Answers: true})
	quickest(t, 500*time.Millisecond, func() time.Duration {
		pulse := make(chan error, 1)
		go func() { pulse <- b.Pulse(t.Context(), 5*time.Second) }()
		awaitTrue(t, "on", func() bool { return b.On(1) })
		began := time.Now()
		err := b.HoldOpen()
		took := time.Since(began)
		if err = errors.Join(err, <-pulse, b.Release()); err != nil {
			t.Error(err)
		}
		return took
	})
}

// What a guard asks of a relay that is lost is tried at once: it may obey although it does not answer, or be back.
func TestEmergencyKeyIsTriedAtOnceOnASilentRelay(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{}, often)
	b.Set(lcussim.Faults{Silent: true})
	b.expect("does not answer")
	for _, tt := range []struct {
		name      string
		first, do func() error
		on        bool
	}{{"opened", b.Release, b.HoldOpen, true}, {"closed", b.HoldOpen, b.Release, false}} {
		quickest(t, 500*time.Millisecond, func() time.Duration {
			tt.first()
			awaitTrue(t, "the other state", func() bool { return b.On(1) != tt.on })
			time.Sleep(rand.N(700 * time.Millisecond)) // anywhere between two attempts of its own
			before := len(b.Journal())
			began := time.Now()
			if err := tt.do(); !errors.Is(err, errSilent) {
				t.Errorf("%s: got %v, want that it does not answer", tt.name, err)
			}
			awaitTrue(t, tt.name, func() bool { return len(b.Journal()) > before })
			j := b.Journal()[before:]
			if len(j) != 1 || j[0].On != tt.on {
				t.Fatalf("%s: it was switched %v", tt.name, j)
			}
			return j[0].At.Sub(began)
		})
	}
}

// A guard's word for which there was no time while the relay was being opened again counts once it is.
func TestWhatAGuardSaysWhileTheRelayIsOpenedCounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		first, do func(*board) error
		on        bool
	}{
		{"opened", (*board).Release, (*board).HoldOpen, true},
		{"closed", (*board).HoldOpen, (*board).Release, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := plugged(t, false, Config{Timeout: 100 * time.Millisecond}, often) // which is shorter than the board is waited for
			tt.first(b)
			awaitTrue(t, "the other state", func() bool { return b.On(1) != tt.on })
			b.Unplug()
			b.expect("unplugged")
			n := b.Frames()
			if err := b.Plug(); err != nil {
				t.Fatal(err)
			}
			awaitTrue(t, "the first command", func() bool { return b.Frames() > n })
			tt.do(b)
			awaitTrue(t, tt.name, func() bool { return b.On(1) == tt.on })
		})
	}
}

func TestBoardThatFallsSilentInALongPulseIsShownWithinASecond(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{Answers: true}, func(r *lcus) { r.sendTime, r.answerTime = sendTime, answerTime })
	quickest(t, time.Second, func() time.Duration {
		awaitTrue(t, "off", func() bool { return !b.On(1) })
		n := b.Frames()
		pulse := make(chan error, 1)
		go func() { pulse <- b.Pulse(t.Context(), maxPulse) }()
		awaitTrue(t, "on, and asked", func() bool { return b.On(1) && b.Frames() >= n+2 })
		began := time.Now()
		b.Set(lcussim.Faults{Silent: true})
		b.expect("does not answer")
		took := time.Since(began)
		if err := <-pulse; !errors.Is(err, errSilent) {
			t.Errorf("got %v, want that it does not answer", err)
		}
		b.Set(lcussim.Faults{})
		b.expect("up")
		return took
	})
}

// At the end the barrier is closed, also where nobody can tell whether the relay obeys.
func TestRelayThatIsLostIsSwitchedOffAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		lose, back func(b *board)
		want       string
	}{
		{"silent", func(b *board) { b.Set(lcussim.Faults{Silent: true}) }, func(*board) {}, "does not answer"},
		{"back since", func(b *board) {
			b.Set(lcussim.Faults{Silent: true})
			if err := os.Rename(b.config.Device, b.config.Device+".away"); err != nil {
				b.t.Fatal(err)
			}
		}, func(b *board) {
			if err := os.Rename(b.config.Device+".away", b.config.Device); err != nil {
				b.t.Fatal(err)
			}
		}, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := plugged(t, true, Config{}, often)
			if err := b.HoldOpen(); err != nil {
				t.Fatal(err)
			}
			tt.lose(b)
			b.expect(tt.want)
			if !b.On(1) {
				t.Fatal("it is not held open")
			}
			tt.back(b)
			b.Barrier.Close()
			awaitTrue(t, "off", func() bool { return !b.On(1) })
			if d := cmp.Diff([]string{"1 on", "1 off"}, b.switched()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestReleaseEndsAPulseAndDropsThoseThatWait(t *testing.T) {
	b := plugged(t, true, Config{})
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- b.Pulse(t.Context(), 5*time.Second) }()
	awaitTrue(t, "on", func() bool { return b.On(1) })
	go func() { second <- b.Pulse(t.Context(), 5*time.Second) }()
	awaitTrue(t, "the second to wait", func() bool { return strings.Contains(stacks(), "inTurn") })
	if err := b.Release(); err != nil || b.On(1) {
		t.Errorf("release: %v, on %t", err, b.On(1))
	}
	if err := <-first; err != nil {
		t.Errorf("the pulse that gave way: %v", err)
	}
	if err := <-second; !errors.Is(err, ErrDropped) {
		t.Errorf("the pulse that waited: %v, want dropped", err)
	}
	if b.isHeld() || b.Pulses(1) != 1 {
		t.Errorf("%v", b.switched())
	}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	text := string(buf[:runtime.Stack(buf, true)])
	waiting := ""
	for _, g := range strings.Split(text, "\n\n") {
		if strings.Contains(g, "[select") && strings.Contains(g, ".inTurn(") && !strings.Contains(g, ".perform(") {
			waiting += g
		}
	}
	return waiting
}

// instant is a driver without a relay that takes exactly as long as it should.
type instant struct{ pulses *[]time.Time }

func (d instant) perform(ctx context.Context, c command) error {
	*d.pulses = append(*d.pulses, time.Now())
	time.Sleep(c.length)
	return nil
}

func (d instant) stop() {}

func TestPulsesKeepTheirDistanceAndLateOnesAreDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, err := New(Options{Config: Config{Spacing: 200 * time.Millisecond}, Lane: "in", Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry(), "in")})
		if err != nil {
			t.Fatal(err)
		}
		var pulses []time.Time
		b.driver = instant{&pulses}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		errs := make(chan error, 4)
		for range cap(errs) {
			go func() { errs <- b.Pulse(ctx, 200*time.Millisecond) }()
		}
		dropped := 0
		for range cap(errs) {
			if err := <-errs; errors.Is(err, ErrDropped) {
				dropped++
			} else if err != nil {
				t.Error(err)
			}
		}
		if dropped != 2 || len(pulses) != 2 || pulses[0] != began || pulses[1].Sub(began) != 400*time.Millisecond { // the third at 800 ms is too late
			t.Errorf("%d dropped, pulses %v after %v; want 2 dropped, and 2 done 400 ms apart", dropped, pulses, began)
		}
		if n := testutil.ToFloat64(b.metrics.dropped.WithLabelValues("in")); n != 2 {
			t.Errorf("%v counted as dropped, want 2", n)
		}
		if n := testutil.ToFloat64(b.metrics.errors.WithLabelValues("in")); n != 0 {
			t.Errorf("%v counted as errors: nothing is wrong with the barrier", n)
		}
	})
}

// What never began is not told as done: the register would say that the barrier was opened for somebody.
func TestPulseThatIsOvertakenBeforeItBeginsIsDropped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		open bool
	}{{"by a close", false}, {"by the emergency key", true}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, err := New(Options{Config: Config{Spacing: time.Second}, Lane: "in", Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry(), "in")})
				if err != nil {
					t.Fatal(err)
				}
				var pulses []time.Time
				b.driver = instant{&pulses}
				errs := make(chan error, 2)
				for range cap(errs) {
					go func() { errs <- b.Pulse(t.Context(), 100*time.Millisecond) }()
				}
				if err := <-errs; err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // the second waits for its distance
				if err := b.Begin(tt.open)(); err != nil {
					t.Error(err)
				}
				if err := <-errs; !errors.Is(err, ErrDropped) {
					t.Errorf("the second: got %v, want dropped", err)
				}
				if n := testutil.ToFloat64(b.metrics.pulses.WithLabelValues("in")); n != 1 {
					t.Errorf("%v pulses counted, want 1", n)
				}
			})
		})
	}
	b := plugged(t, true, Config{})
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errOvertaken)
	for range 20 { // the driver's goroutine takes it or does not
		err := b.driver.perform(over, command{action: "pulse", length: time.Second, deadline: time.Now().Add(time.Minute)})
		if !errors.Is(err, ErrDropped) {
			t.Errorf("by the driver: got %v, want dropped", err)
		}
	}
	if len(b.Journal()) != 0 {
		t.Errorf("it was switched: %v", b.switched())
	}
}

// A relay has its whole time for each pulse, however long that had to wait for those before it.
func TestWaitingForTheDistanceIsNotTheRelaysFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, err := New(Options{Config: Config{Spacing: 1500 * time.Millisecond, Timeout: 500 * time.Millisecond}, Lane: "in", Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry(), "in")})
		if err != nil {
			t.Fatal(err)
		}
		var left []time.Duration
		b.driver = timed{&left}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		errs := make(chan error, 4)
		for range cap(errs) {
			go func() { errs <- b.Pulse(ctx, 100*time.Millisecond) }()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if want := slices.Repeat([]time.Duration{600 * time.Millisecond}, 4); !slices.Equal(left, want) {
			t.Errorf("the relay had %v, want %v", left, want)
		}
	})
}

// timed is a driver that notes how long it may take.
type timed struct{ left *[]time.Duration }

func (d timed) perform(_ context.Context, c command) error {
	*d.left = append(*d.left, time.Until(c.deadline))
	time.Sleep(c.length)
	return nil
}

func (timed) stop() {}

func TestBoardIsLeftOffBetweenTwoPulses(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{Spacing: time.Second})
	for range 2 {
		if err := b.Pulse(t.Context(), 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	j := b.Journal()
	if len(j) != 4 {
		t.Fatalf("got %v, want two pulses", j)
	}
	if gap := j[2].At.Sub(j[1].At); gap < 500*time.Millisecond { // the board's times: a busy one notes the first late
		t.Errorf("%s between two pulses, want 1 s", gap)
	}
}

func TestNothingOpensAfterClose(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{})
	if err := b.HoldOpen(); err != nil {
		t.Fatal(err)
	}
	if err := b.Barrier.Close(); err != nil {
		t.Error(err)
	}
	for _, err := range []error{b.Pulse(t.Context(), time.Second), b.HoldOpen()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
	if d := cmp.Diff([]string{"1 on", "1 off"}, b.switched()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n := testutil.ToFloat64(b.metrics.errors.WithLabelValues("in")); n != 0 {
		t.Errorf("%v errors counted: an ordinary end must not raise an alarm", n)
	}
}

func TestFewPulsesWaitAndTheOthersAreDroppedAtOnce(t *testing.T) {
	t.Parallel()
	b := plugged(t, false, Config{Timeout: 4 * time.Second})
	b.turn <- struct{}{} // none begins before all are there
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() { errs <- b.Pulse(t.Context(), 100*time.Millisecond) }()
	}
	for range cap(errs) - maxWaiting - 1 {
		if err := <-errs; !errors.Is(err, ErrDropped) {
			t.Errorf("got %v, want dropped", err)
		}
	}
	<-b.turn
	for range maxWaiting + 1 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	awaitTrue(t, "the pulses", func() bool { return b.Pulses(1) == maxWaiting+1 })
}

// A kernel driver that hangs when the port is closed takes neither the daemon nor its end with it.
func TestWedgedCloseIsLeftToItself(t *testing.T) {
	t.Parallel()
	let := make(chan struct{})
	b := plugged(t, true, Config{}, func(r *lcus) {
		r.shut = func(p *port) { p.close(); <-let }
	})
	b.Unplug()
	b.expect("unplugged")
	began := time.Now()
	if err := b.Pulse(t.Context(), time.Second); err == nil || time.Since(began) > soon {
		t.Errorf("got %v after %s, want an error at once", err, time.Since(began))
	}
	if err := b.Plug(); err != nil {
		t.Fatal(err)
	}
	b.expect("up") // after the 3 s that it is waited for
	if n := testutil.ToFloat64(b.metrics.abandoned.WithLabelValues("in")); n != 1 {
		t.Errorf("%v abandoned, want 1", n)
	}
	closed := make(chan struct{})
	go func() { defer close(closed); b.Barrier.Close() }()
	awaitTrue(t, "the end", func() bool {
		select {
		case <-closed:
			return true
		default:
			return false
		}
	})
	close(let)
}

func Test200FlapsLeaveNothingBehind(t *testing.T) {
	b := plugged(t, false, Config{})
	count := func() (files, routines int) {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list), runtime.NumGoroutine()
	}
	b.Unplug()
	b.expect("unplugged")
	if err := b.Plug(); err != nil {
		t.Fatal(err)
	}
	b.expect("up")
	files, routines := count()
	for range 200 {
		b.Unplug()
		if err := b.Plug(); err != nil {
			t.Fatal(err)
		}
	}
	b.expect("unplugged")
	b.expect("up")
	awaitTrue(t, "steady descriptors and goroutines", func() bool {
		f, r := count()
		return f <= files && r <= routines
	})
	// That it was up may have been between two flaps.
	awaitTrue(t, "a pulse", func() bool { return b.Pulse(t.Context(), 100*time.Millisecond) == nil })
}
