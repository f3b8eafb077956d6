package scanner

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gated/serialport"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"
)

// retarget makes link name another path, as udev does: in one step.
func retarget(t testing.TB, link, path string) {
	t.Helper()
	next := link + ".next"
	if err := errors.Join(os.Symlink(path, next), os.Rename(next, link)); err != nil {
		t.Fatal(err)
	}
}

func TestStatesOfALife(t *testing.T) {
	link := filepath.Join(t.TempDir(), "by-path", "scanner") // the directory goes with the last device in it
	l := start(t, Options{Config: Config{Device: link}}, hasty)
	l.expect(change{false, Absent, CauseAbsent})
	scanner, port := plug(t)
	if err := os.Mkdir(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	retarget(t, link, port)
	l.expect(change{false, Opening, ""}, change{false, Settling, ""}, online)
	os.Remove(link)
	scanner.Close()
	l.expect(change{false, Closing, CauseHangUp})
	l.stop()
	all := drain(l.changes)
	if last := all[len(all)-1]; last != (change{false, Closed, CauseStopped}) {
		t.Errorf("got %v at the end", last)
	}
}

func TestFaultUnpluggedInMidFrame(t *testing.T) {
	link := filepath.Join(t.TempDir(), "scanner")
	scanner, port := plug(t)
	retarget(t, link, port)
	l := start(t, Options{Config: Config{Device: link}}, hasty)
	defer l.stop() // before the scanner that is plugged in last goes
	l.expect(online)
	send(t, scanner, "HALF A ")
	os.Remove(link) // the terminal's number may be another's at once
	scanner.Close()
	l.expect(change{false, Backoff, CauseHangUp})
	scanner, port = plug(t)
	retarget(t, link, port)
	l.until(online)
	send(t, scanner, "CODE\rGOOD CODE\r")
	l.read("CODE", "GOOD CODE") // not "HALF A CODE", which nobody held up
}

// The kernel gave the number to another device while the old one is still open: the path decides.
func TestFaultRenumberedBehindItsLink(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "scanner")
	old, oldPort := plug(t)
	retarget(t, link, oldPort)
	l := start(t, Options{Config: Config{Device: link}}, hasty)
	defer l.stop() // before the new scanner goes
	l.expect(online)
	scanner, port := plug(t)
	retarget(t, link, port)
	l.expect(change{false, Backoff, CauseRenumbered}, online)
	send(t, old, "WRONG CODE\r")
	send(t, scanner, "GOOD CODE\r")
	l.read("GOOD CODE")

	// A link that is only made anew is no reason to let go.
	os.Remove(link)
	retarget(t, link, port)
	<-time.After(4 * lookEvery)
	send(t, scanner, "GOOD CODE\r")
	l.read("GOOD CODE")
	if got := drain(l.changes); got != nil {
		t.Errorf("got states %v for a link that names the same device", got)
	}
}

func TestFaultReconnectsInTime(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "scanner")
	l := start(t, Options{Config: Config{Device: link}}, shipped)
	l.expect(change{false, Absent, CauseAbsent})
	best := patience
	for range 3 {
		scanner, port := plug(t)
		began := time.Now()
		retarget(t, link, port)
		l.until(online)
		best = min(best, time.Since(began))
		os.Remove(link)
		scanner.Close()
		l.until(change{false, Absent, CauseAbsent})
	}
	if best > 500*time.Millisecond+settleTime { // one of them finds the machine at leisure
		t.Errorf("online after %v, want at most 500 ms and the settling time", best)
	}
}

func TestFaultMasterOfATerminalIsNoScanner(t *testing.T) {
	l := start(t, Options{Config: Config{Device: "/dev/ptmx"}}, hasty)
	l.expect(change{false, Backoff, CauseNotADevice})
}

func TestFaultBusyPortNamesItsHolder(t *testing.T) {
	_, port := plug(t)
	held, err := os.OpenFile(port, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{held}
	if err := child.Start(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("needs sleep:", err)
		}
		t.Skip("needs sleep: apt install coreutils:", err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil { // as serial tools do
		t.Fatal(err)
	}
	held.Close()
	var log syncLog
	l := start(t, Options{Config: Config{Device: port}, Log: slog.New(slog.NewTextHandler(&log, nil))}, hasty)
	l.expect(change{false, Backoff, CauseBusy})
	l.stop()
	if want := fmt.Sprintf("holder=\"sleep (process %d)\"", child.Process.Pid); !strings.Contains(log.String(), want) {
		t.Errorf("want %s in the log:\n%s", want, log.String())
	}
}

// Random bytes as fast as they go: nothing grows, nothing is read, and a second after it is quiet all is well.
func TestFaultRandomBytes(t *testing.T) {
	long := 3 * time.Second
	if os.Getenv("FAULTS") == "all" { // in make faults
		long = 10 * time.Second
	} else if testing.Short() {
		long = time.Second
	}
	scanner, port := plug(t)
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg, "in")
	var handed int
	l := start(t, Options{Config: Config{Device: port}, Metrics: m, OnCode: func(_ context.Context, c Code) bool {
		if string(c.Data) != "GOOD CODE" {
			handed++
		}
		return false
	}}, shipped, func(r *Reader) { r.pace.mute = long }) // longer than the noise stops on a busy machine
	l.expect(online)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1000)
	sent := 0
	for try := range 3 { // one of them finds the machine at leisure
		from := sent
		for began := time.Now(); time.Since(began) < long; {
			for i := range noise {
				noise[i] = byte(rnd.Uint32())
			}
			n, err := scanner.Write(noise)
			if err != nil {
				t.Fatal(err)
			}
			if sent += n; sent-from > int(time.Since(began).Seconds()*1e6) {
				<-time.After(time.Millisecond) // a megabyte a second
			}
		}
		quiet := time.Now()
		if try == 0 {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
		l.until(change{false, Muted, CauseFlood})
		l.until(online)
		took := time.Since(quiet)
		l.insist(scanner, "GOOD CODE")
		if took <= time.Second {
			break
		}
		if try == 2 {
			t.Errorf("online %v after the noise, want within a second", took)
		}
	}
	l.stop()
	mutes := testutil.ToFloat64(m.mutes.WithLabelValues("in"))
	if most := (int(mutes) + 1) * (floodFrames + 1); handed > most {
		t.Errorf("%d frames of the noise were handed on, want at most %d", handed, most)
	}
	if grew := int64(after.HeapAlloc) - int64(before.HeapAlloc); grew > 1<<20 {
		t.Errorf("%d bytes more are in use after %d bytes of noise", grew, sent)
	}
	if got := testutil.ToFloat64(m.discard.WithLabelValues("in", "muted")); got < float64(sent)*9/10 {
		t.Errorf("%v bytes discarded of %d sent", got, sent)
	}
	if mutes > 10 {
		t.Errorf("muted %v times, want about once for each noise", mutes)
	}
}

func TestFaultMegabyteWithoutAnEnd(t *testing.T) {
	t.Parallel()
	var codes, drops []string
	s, scanner := lineOf(t, Options{OnCode: func(_ context.Context, c Code) bool { codes = append(codes, string(c.Data)); return true },
		OnFraming: func(cause string) { drops = append(drops, cause) }})
	s.r.pace.mute, s.r.pace.settle = patience, time.Second
	written := make(chan error, 1)
	go func() {
		_, err := scanner.WriteString(strings.Repeat("x", 1<<20))
		written <- err
	}()
	s.turnUntil(t, "the end of it", func() bool { return len(written) > 0 })
	if err := <-written; err != nil || s.muted.IsZero() || s.r.state != Muted {
		t.Fatalf("got state %s (%v), want it muted", s.r.state, err)
	}
	s.muted = time.Now() // long enough by now, whatever the machine had to do
	s.turnUntil(t, "the end of the mute", func() bool { return s.muted.IsZero() })
	send(t, scanner, "GOOD CODE\r")
	s.turnUntil(t, "the good code", func() bool { return len(codes) > 0 })
	if !slices.Equal(codes, []string{"GOOD CODE"}) {
		t.Errorf("got codes %.100q, want only the good one", codes)
	}
	if len(drops) == 0 || slices.ContainsFunc(drops, func(c string) bool { return c != TooLong }) {
		t.Errorf("got dropped frames %q, want %q", drops, TooLong)
	}
}

func TestFaultNoiseAroundGoodFrames(t *testing.T) {
	scanner, port := plug(t)
	l := start(t, Options{Config: Config{Device: port}}, hasty)
	l.expect(online)
	for _, noise := range []string{"\x00\x00\x00\x00\r", "\xff\xff\xff\xff\xff\r", "\xe7\xb2\xff\xff\r", "x\r", "\r\n\r\n"} {
		send(t, scanner, noise+"GOOD CODE\r"+noise)
		l.read("GOOD CODE")
	}
	if got, want := drain(l.codes), []Code(nil); got != nil {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What is printable and no code of any kind is the gate's to tell.
func TestFaultCodesThatAreNone(t *testing.T) {
	scanner, port := plug(t)
	l := start(t, Options{Config: Config{Device: port}, OnCode: func(_ context.Context, c Code) bool { return string(c.Data) == "GOOD CODE" }}, hasty, func(r *Reader) { r.pace.mute = 20 * time.Millisecond })
	l.expect(online)
	send(t, scanner, strings.Repeat("NONE\r", floodFrames)+"GOOD CODE\r"+strings.Repeat("NONE\r", floodFrames)) // such as a tester with a stack of boxes
	l.read(append(append(slices.Repeat([]string{"NONE"}, floodFrames), "GOOD CODE"), slices.Repeat([]string{"NONE"}, floodFrames)...)...)
	if got := l.states(); got != nil {
		t.Fatalf("got states %v for %d codes in a row that are none", got, floodFrames)
	}
	send(t, scanner, "GOOD CODE\r"+strings.Repeat("NONE\r", floodFrames+1)) // at once, however busy the machine
	l.expect(change{false, Muted, CauseFlood}, online)
}

// The daemon stands still for longer than anybody waits at a gate: who sent what has piled up is gone.
func TestFaultStalledWhileACodeIsAnswered(t *testing.T) {
	t.Parallel()
	scanner, port := plug(t)
	var clock standstill
	l := start(t, Options{Config: Config{Device: port, Gap: 50 * time.Millisecond}, OnCode: func(_ context.Context, c Code) bool {
		if string(c.Data) == "SLOW" {
			send(t, scanner, "LATER\r")
			clock.pass(stallTime + 1)
		}
		return true
	}}, hasty, clock.of)
	l.expect(online)
	send(t, scanner, "SLOW\rGLUED\r")
	l.read("SLOW")
	if got := await(t, "the drop", l.drops); got != Stalled {
		t.Errorf("got %q, want %q", got, Stalled)
	}
	if got := l.insist(scanner, "GOOD CODE"); got != nil { // after the quiet gap
		t.Errorf("got %q, which came while it stood still", got)
	}
}

// What comes when nobody has been told yet that the scanner is listened to was sent to nobody, however long that takes.
func TestFaultCodeSentWhileComingOnline(t *testing.T) {
	t.Parallel()
	t.Run("just after the quiet", func(t *testing.T) {
		scanner, port := plug(t)
		looks := 0
		l := start(t, Options{Config: Config{Device: port}}, hasty, func(r *Reader) {
			var opened *serialport.Port
			r.ports.OpenPort = func(c serialport.Config) (p *serialport.Port, err error) {
				opened, err = serialport.Open(c)
				return opened, err
			}
			r.boot = func() time.Duration {
				if looks++; looks == 1 { // it was quiet, and is to be looked at once more
					scanner.WriteString("SENT TO NOBODY\r")
					for n := 0; n == 0; runtime.Gosched() {
						n, _ = opened.Queued()
					}
				}
				return 0
			}
		})
		l.expect(online)
		send(t, scanner, "GOOD CODE\r")
		l.read("GOOD CODE")
	})
	t.Run("in a process that is stopped then", func(t *testing.T) {
		scanner, port := plug(t)
		looks := 0
		l := start(t, Options{Config: Config{Device: port, Gap: 50 * time.Millisecond}}, hasty, func(r *Reader) {
			r.pace.stall = stallTime
			r.boot = func() time.Duration {
				if looks++; looks == 1 {
					return 0
				}
				return stallTime + 1 // passed since the line was looked at
			}
			told := r.o.OnState
			r.o.OnState = func(up bool, s State, cause string) {
				if up {
					scanner.WriteString("SENT TO NOBODY\r")
				}
				told(up, s, cause)
			}
		})
		if got := await(t, "the drop", l.drops); got != Stalled {
			t.Errorf("got %q, want %q", got, Stalled)
		}
		if got := l.insist(scanner, "GOOD CODE"); got != nil {
			t.Errorf("got %q, which was sent before the scanner was online", got)
		}
	})
}

// In a box that is suspended the clock by which all else goes stands still, too.
func TestFaultBoxSuspended(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string][2]string{
		"with a code queued": {"", "QUEUED ONE\rQUEUED TWO\r"},
		"within a code":      {"SENT BE", "FORE\r"},
	} {
		t.Run(name, func(t *testing.T) {
			var clock standstill
			var codes, drops []string
			s, scanner := lineOf(t, Options{OnCode: func(_ context.Context, c Code) bool { codes = append(codes, string(c.Data)); return true },
				OnFraming: func(cause string) { drops = append(drops, cause) }})
			clock.of(s.r)
			s.turned = clock.boot()
			if sent[0] != "" {
				send(t, scanner, sent[0])
				s.turnUntil(t, "the half code", func() bool { return len(s.f.half) == len(sent[0]) })
			}
			send(t, scanner, sent[1])
			clock.pass(8 * time.Hour)
			s.turnUntil(t, "the drop", func() bool { return len(drops)+len(codes) > 0 })
			s.turnUntil(t, "the quiet gap", func() bool { return !s.f.untilSilence })
			send(t, scanner, "GOOD CODE\r")
			s.turnUntil(t, "the good code", func() bool { return slices.Contains(codes, "GOOD CODE") })
			if !slices.Equal(codes, []string{"GOOD CODE"}) || !slices.Equal(drops, []string{Stalled}) {
				t.Errorf("got codes %q and drops %q, want only the good code and one %s", codes, drops, Stalled)
			}
		})
	}
}

func TestBootTimeGoesOn(t *testing.T) {
	up := func() time.Duration { // as the kernel tells it, suspensions included
		b, err := os.ReadFile("/proc/uptime")
		if err != nil {
			t.Fatal(err)
		}
		s, err := strconv.ParseFloat(strings.Fields(string(b))[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(s * float64(time.Second))
	}
	before, is, after := up(), bootTime(), up()
	if is < before-time.Second || is > after+time.Second {
		t.Errorf("got %v, want %v to %v", is, before, after)
	}
}

// lineOf is a session that is online on a new port, to be turned by hand.
func lineOf(t *testing.T, o Options) (*session, *os.File) {
	t.Helper()
	scanner, path := plug(t)
	o.Lane, o.Config.Device = "in", path
	r := NewReader(o)
	r.pace.stall = patience
	p, err := serialport.Open(r.o.Config.port())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	r.state = Online
	now := time.Now()
	return &session{r: r, p: p, f: newFramer(r.o.Config), buf: make([]byte, 4096), turned: r.boot(), heard: now}, scanner
}

// turnUntil turns until what is wanted has come about.
func (s *session) turnUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !is(); {
		if time.Now().After(late) {
			t.Fatalf("waited in vain for %s", what)
		}
		if err := s.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// An adapter hands over what it likes at once: one byte, 62 or 64 of a USB packet, or what several people held up.
func TestFaultByteByByteInSlicesOrGlued(t *testing.T) {
	want := []string{"CODE1", "CODE2", strings.Repeat("A", 63), strings.Repeat("B", 64), strings.Repeat("C", 700), "CODE3", "CODE4"}
	in := []byte("CODE1\r\nCODE2\r\n" + want[2] + "\r" + want[3] + "\n" + want[4] + "\r\n\r\nCODE3\rCODE4\n")
	for name, n := range map[string]int{"byte by byte": 1, "slices of 48 bytes": 48, "slices of 62 bytes": 62, "slices of 64 bytes": 64, "glued": len(in)} {
		t.Run(name, func(t *testing.T) {
			var codes, drops []string
			s, scanner := lineOf(t, Options{Config: Config{Gap: maxGap}, OnCode: func(_ context.Context, c Code) bool { codes = append(codes, string(c.Data)); return true },
				OnFraming: func(cause string) { drops = append(drops, cause) }})
			for slice := range slices.Chunk(in, n) {
				send(t, scanner, string(slice))
				for is := 0; is < len(slice); runtime.Gosched() { // so that they are read as they are sent
					is, _ = s.p.Queued()
				}
				if err := s.turn(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(codes, want) || drops != nil {
				t.Errorf("got codes %q and dropped frames %q, want %q", codes, drops, want)
			}
		})
	}
}

// What waits when a mute could end was sent while the page said that nobody listens.
func TestFaultCodeSentWhileMuted(t *testing.T) {
	var codes []string
	s, scanner := lineOf(t, Options{OnCode: func(_ context.Context, c Code) bool { codes = append(codes, string(c.Data)); return true }})
	s.mute(time.Now().Add(-time.Minute)) // over and quiet for long, and nobody has looked since
	send(t, scanner, "CODE SENT WHILE MUTED\r")
	for n := 0; n == 0; runtime.Gosched() { // a terminal hands on later what was written to it
		n, _ = s.p.Queued()
	}
	s.turnUntil(t, "the end of the mute", func() bool { return s.muted.IsZero() })
	send(t, scanner, "GOOD CODE\r")
	s.turnUntil(t, "the good code", func() bool { return len(codes) > 0 })
	if codes[0] != "GOOD CODE" {
		t.Errorf("got %q, want only what was sent after the mute", codes)
	}
}

// The process may stand still after it was told of bytes and before it has read them.
func TestFaultStalledBeforeReading(t *testing.T) {
	var codes, drops []string
	s, scanner := lineOf(t, Options{OnCode: func(_ context.Context, c Code) bool { codes = append(codes, string(c.Data)); return true },
		OnFraming: func(cause string) { drops = append(drops, cause) }})
	s.r.state = Opening
	var clock standstill
	clock.of(s.r)
	s.turned = clock.boot()
	s.r.o.OnState = func(bool, State, string) { // told between the two
		clock.pass(stallTime + 1)
		s.r.o.OnState = func(bool, State, string) {}
		scanner.WriteString("QUEUED MEANWHILE\r")
	}
	send(t, scanner, "QUEUED ONE\r")
	s.turnUntil(t, "the drop", func() bool { return len(drops)+len(codes) > 0 })
	s.turnUntil(t, "the quiet gap", func() bool { return !s.f.untilSilence })
	send(t, scanner, "GOOD CODE\r")
	s.turnUntil(t, "the good code", func() bool { return slices.Contains(codes, "GOOD CODE") })
	if !slices.Equal(codes, []string{"GOOD CODE"}) || !slices.Equal(drops, []string{Stalled}) {
		t.Errorf("got codes %q and drops %q, want only the good code and one %s", codes, drops, Stalled)
	}
}

// Whoever shows a code just after a stall waits for an answer, too, and so does who comes next before the line was quiet.
func TestFaultCodeJustAfterAStallIsSeenToBeDropped(t *testing.T) {
	var drops []string
	s, _ := lineOf(t, Options{OnFraming: func(cause string) { drops = append(drops, cause) }})
	now := time.Now()
	s.stoodStill(now, false)
	for _, sent := range []struct {
		bytes string
		after time.Duration
		drops int
	}{{"TOO SO", 10 * time.Millisecond, 1}, {"ON\r", 20 * time.Millisecond, 1}, {"SO IS ", 320 * time.Millisecond, 2}, {"THIS\r", 330 * time.Millisecond, 2}} {
		if err := s.took(t.Context(), []byte(sent.bytes), now.Add(sent.after)); err != nil {
			t.Fatal(err)
		}
		if len(drops) != sent.drops || slices.ContainsFunc(drops, func(is string) bool { return is != Stalled }) {
			t.Errorf("after %q: drops %q, want %d times %s", sent.bytes, drops, sent.drops, Stalled)
		}
	}
}

// A box that has hardly any time stands still again and again: whoever comes after the second time is told as well.
func TestFaultStalledAgainBeforeTheLineWasQuiet(t *testing.T) {
	var codes, drops []string
	s, scanner := lineOf(t, Options{OnCode: func(_ context.Context, c Code) bool { codes = append(codes, string(c.Data)); return true },
		OnFraming: func(cause string) { drops = append(drops, cause) }})
	var clock standstill
	clock.of(s.r)
	s.turned = clock.boot()
	for n := 1; n <= 3; n++ {
		clock.pass(2 * s.r.pace.stall)
		send(t, scanner, "TOO SOON\r")
		s.turnUntil(t, "the drop", func() bool { return len(drops) == n })
		if !s.f.untilSilence {
			t.Fatal("this machine is too busy: the line was quiet before the box stood still again")
		}
	}
	s.turnUntil(t, "the quiet gap", func() bool { return !s.f.untilSilence })
	if len(codes) > 0 || len(drops) != 3 {
		t.Errorf("got codes %q and drops %q, want three %s", codes, drops, Stalled)
	}
}

// What babbles on after a stall leaves no quiet gap in which the lane would be listened to again. It is seen to babble all
// the same; people in a queue are not.
func TestFaultBabbleAfterAStall(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration
		sends string
		muted bool
	}{
		{"as fast as it goes", time.Millisecond, strings.Repeat("\xa5", 512), true},
		{"noise on a slow line", 100 * time.Millisecond, "\x80", true},
		{"people one after the other", 700 * time.Millisecond, "A CODE\r", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := lineOf(t, Options{})
			now := time.Now()
			s.stoodStill(now, false)
			for passed := time.Duration(0); passed < 2*muteTime && s.muted.IsZero(); passed += tt.every {
				at := now.Add(passed)
				if d := s.f.deadline(); !d.IsZero() && !at.Before(d) {
					s.f.silence()
				}
				if err := s.took(t.Context(), []byte(tt.sends), at); err != nil {
					t.Fatal(err)
				}
			}
			if is := !s.muted.IsZero(); is != tt.muted {
				t.Errorf("muted: %v, want %v", is, tt.muted)
			}
		})
	}
}

func TestFaultSilentByDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC
		s := &session{r: NewReader(Options{Config: Config{Device: "/dev/x", SilentAfter: time.Hour}, Zone: time.FixedZone("", 3*3600)}), heard: time.Now()}
		var got []string
		s.r.o.OnState = func(up bool, _ State, cause string) {
			got = append(got, fmt.Sprint(time.Now().In(s.r.o.Zone).Format("15:04"), " ", up, " ", cause))
		}
		s.r.state = Online
		for range 24 * 60 {
			time.Sleep(time.Minute)
			if now := time.Now().UTC(); now.Hour() == 5 && now.Minute() == 30 || now.Hour() == 18 && now.Minute() == 45 {
				s.heard, s.silent = now, false
			}
			s.checkAlive(time.Now())
		}
		want := []string{"08:00 true silent", "08:30 true ", "09:30 true silent", "21:45 true "} // the night does not count
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestFaultGM65WithoutHeartbeat(t *testing.T) {
	t.Parallel()
	scanner, port := plug(t)
	l := start(t, Options{Config: Config{Device: port, Profile: GM65}}, hasty, func(r *Reader) { r.pace.heartbeat = 20 * time.Millisecond })
	l.expect(online)
	ask := make([]byte, len(gm65Heartbeat))
	scanner.SetReadDeadline(time.Now().Add(patience))
	heartbeat := func(answer string) {
		t.Helper()
		if n, err := scanner.Read(ask); err != nil || string(ask[:n]) != string(gm65Heartbeat) {
			t.Fatalf("got %x and %v, want a heartbeat", ask[:n], err)
		}
		send(t, scanner, answer)
	}
	heartbeat("CO\x03\x00\x00\x01\x00\x33\x31DE\r")
	l.read("CODE")
	for range heartbeatsLost {
		heartbeat("")
	}
	l.until(change{true, Online, CauseNoHeartbeat})
	send(t, scanner, "GOOD CODE\r") // a module that does not answer may still read
	l.read("GOOD CODE")
	heartbeat("\x03\x00\x00\x01\x00\x33\x31")
	l.until(online)
}

// ---- in a process of its own: stopped, and with a kernel that fails ----

const child = "GATED_SCANNER_CHILD"

func TestMain(m *testing.M) {
	if device := os.Getenv(child); device != "" {
		os.Exit(beChild(device))
	}
	flag.Set("test.parallel", "8") // they wait more than they work; the command line still has the last word
	os.Exit(m.Run())
}

// beChild reads codes, or cards, and says what it sees, a line each.
func beChild(device string) int {
	if os.Getenv(child+"_CARD") != "" {
		NewCardReader(CardOptions{Lane: "in", Config: CardConfig{Device: device},
			OnState: func(_ bool, s State, cause string) { fmt.Printf("%s %s\n", s, cause) }}).Run(context.Background())
		return 0
	}
	r := NewReader(Options{Lane: "in", Config: Config{Device: device},
		OnCode:    func(_ context.Context, c Code) bool { fmt.Printf("code %s\n", c.Data); return true },
		OnState:   func(_ bool, s State, cause string) { fmt.Printf("%s %s\n", s, cause) },
		OnFraming: func(cause string) { fmt.Printf("dropped %s\n", cause) }})
	if limit, err := time.ParseDuration(os.Getenv(child + "_CLOSE")); err == nil {
		r.ports.CloseLimit, r.ports.OpenLimit = limit, patience // strace slows down what it watches
	}
	if err := r.Run(context.Background()); err != nil {
		fmt.Println("end", err)
		return 3
	}
	return 0
}

type childProcess struct {
	*exec.Cmd
	t     testing.TB
	lines chan string
	end   func()
}

// spawn runs a child, under strace where it is told what to inject. Whoever plugs in a scanner for it later ends it before
// that goes: the terminal's number may be another's at once.
func spawn(t testing.TB, device string, env []string, strace ...string) *childProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{self}
	if len(strace) > 0 {
		if _, err := exec.LookPath("strace"); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal("needs strace, which .ci/run installs")
			}
			t.Skip("needs strace: apt install strace")
		}
		args = append(append([]string{"strace", "-f", "-qq", "-o", "/dev/null"}, strace...), self)
	}
	c := &childProcess{Cmd: exec.Command(args[0], args[1:]...), t: t, lines: make(chan string, 10000)}
	c.Env = append(append(os.Environ(), child+"="+device), env...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- strings.TrimSpace(s.Text())
		}
	}()
	c.end = sync.OnceFunc(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		c.Wait()
	})
	t.Cleanup(c.end)
	return c
}

// until returns the lines up to the one wanted.
func (c *childProcess) until(want string) (before []string) {
	c.t.Helper()
	for late := time.After(patience); ; {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the child ended after %q, want %q", before, want)
			}
			if line == want {
				return before
			}
			before = append(before, line)
		case <-late:
			c.t.Fatalf("waited in vain for %q; there were %q", want, before)
		}
	}
}

// insist sends a code again and again until it is read, for where it may come too early. It returns the lines before.
func (c *childProcess) insist(scanner *os.File, code string) (before []string) {
	c.t.Helper()
	for late := time.Now().Add(patience); ; {
		send(c.t, scanner, code+"\r")
		for again := time.After(time.Second); again != nil; {
			select {
			case line, ok := <-c.lines:
				if !ok {
					c.t.Fatalf("the child ended after %q, want code %q", before, code)
				}
				if line == "code "+code {
					return before
				}
				before = append(before, line)
			case <-again:
				again = nil
			}
		}
		if time.Now().After(late) {
			c.t.Fatalf("sent %q in vain; there were %q", code, before)
		}
	}
}

func TestFaultProcessStopped(t *testing.T) {
	t.Parallel()
	scanner, port := plug(t)
	c := spawn(t, port, nil)
	c.until("online")
	c.insist(scanner, "FIRST CODE")
	if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stat := func() string {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(c.Process.Pid) + "/stat")
		return string(b)
	}
	for !strings.Contains(stat(), ") T ") {
		runtime.Gosched()
	}
	send(t, scanner, "QUEUED ONE\rQUEUED TWO\r")
	<-time.After(3 * time.Second) // the case itself
	send(t, scanner, "QUEUED THREE\r")
	if err := c.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	got := c.until("dropped stalled")
	got = append(got, c.insist(scanner, "GOOD CODE")...) // after the quiet gap
	if slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "QUEUED") }) {
		t.Errorf("got %q in between: none of these may open", got)
	}
}

// A close that the driver keeps waiting costs the port, not the lane.
func TestFaultWedgedClose(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "scanner")
	old, oldPort := plug(t)
	retarget(t, link, oldPort)
	c := spawn(t, link, []string{child + "_CLOSE=200ms"}, "-P", oldPort, "-e", "trace=close", "-e", "inject=close:delay_enter=20000000")
	defer c.end()
	c.until("online")
	scanner, port := plug(t)
	retarget(t, link, port)
	c.until("closing renumbered")
	c.until("backoff wedged")
	c.until("online")
	send(t, old, "WRONG CODE\r")
	if got := c.insist(scanner, "GOOD CODE"); slices.Contains(got, "code WRONG CODE") {
		t.Errorf("got %q, want nothing of the port that was given up", got)
	}
}

// A card reader is down before its driver gives it back.
func TestFaultCardReaderWithAWedgedClose(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "card-in")
	first, second := device(t), device(t)
	retarget(t, link, first.Path)
	c := spawn(t, link, []string{child + "_CARD=1"}, "-P", first.Path, "-e", "trace=close", "-e", "inject=close:delay_enter=20000000")
	c.until("online")
	retarget(t, link, second.Path)
	if got := c.until("backoff wedged"); len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "backoff ") {
		t.Errorf("got %q before the driver was given up, want a reader that is down", got)
	}
	c.until("online")
}

func TestFaultThreeWedgedPortsEndTheProcess(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "scanner")
	var ports, strace []string
	for range 3 { // as many as serialport gives up
		_, port := plug(t)
		ports, strace = append(ports, port), append(strace, "-P", port)
	}
	retarget(t, link, ports[0])
	c := spawn(t, link, []string{child + "_CLOSE=100ms"}, append(strace, "-e", "trace=close", "-e", "inject=close:delay_enter=20000000")...)
	defer c.end()
	for i := range ports {
		c.until("online")
		_, to := plug(t)
		if i+1 < len(ports) {
			to = ports[i+1]
		}
		retarget(t, link, to)
	}
	got := c.until("closed stopped")
	line := <-c.lines
	if !strings.HasPrefix(line, "end ") || !strings.Contains(line, "unplug the device") {
		t.Errorf("got %q after %q, want an end that says what to do", line, got)
	}
}

// Each read fails: the lane goes down and comes back, does not spin, and reads from the next device.
func TestFaultReadErrors(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "scanner")
	old, oldPort := plug(t)
	retarget(t, link, oldPort)
	c := spawn(t, link, nil, "-P", oldPort, "-e", "trace=read", "-e", "inject=read:error=EIO")
	defer c.end()
	began := time.Now()
	const storm = 4
	for range storm {
		c.until("online")
		send(t, old, "LOST CODE\r")
		c.until("closing hang-up")
		c.until("backoff hang-up")
	}
	if took := time.Since(began); took < (storm-1)*(200*time.Millisecond+settleTime) {
		t.Errorf("%d times up and down within %v: want a backoff in between", storm, took)
	}
	scanner, port := plug(t)
	retarget(t, link, port)
	c.insist(scanner, "GOOD CODE") // the old one may have come back once more
}

type syncLog struct{ lines chan string }

func (s *syncLog) Write(p []byte) (int, error) {
	if s.lines == nil {
		s.lines = make(chan string, 1000)
	}
	s.lines <- string(p)
	return len(p), nil
}

func (s *syncLog) String() string { return strings.Join(drain(s.lines), "") }
