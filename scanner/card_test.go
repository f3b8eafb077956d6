package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gated/demo/samvsim"
	"gated/serialport"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"
)

// words is a card's text: 256 bytes that begin with s.
func words(s string) []byte { return append([]byte(s), bytes.Repeat([]byte{' '}, 256-len(s))...) }

// A counter is a CardReader at work, its simulated device, and what it said.
type counter struct {
	t       testing.TB
	sim     *samvsim.Reader
	r       *CardReader
	cards   chan string // the beginning of the text; "unreadable"
	raw     chan []byte // Text itself, which must be cleared
	changes chan change
	done    chan error
	cancel  context.CancelFunc
	reg     *prometheus.Registry
	log     *bytes.Buffer
}

// muteLimit is for tests in which no answer comes. One that does is not as late as that twice, however busy the machine.
const muteLimit = 3 * time.Second

// lay starts a CardReader on a simulated device, which begins with these faults and this card.
func lay(t testing.TB, f samvsim.Faults, card []byte) *counter {
	t.Helper()
	c := &counter{t: t, sim: device(t)}
	c.sim.Break(f)
	if card != nil {
		c.sim.Present(card)
	}
	c.begin(c.sim.Path, patience)
	return c
}

func device(t testing.TB) *samvsim.Reader {
	t.Helper()
	sim, err := samvsim.Plug()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim
}

// begin runs a CardReader on the port, at a faster pace than the shipped one but with this limit for an answer. The test
// may change it before.
func (c *counter) begin(port string, limit time.Duration, adapt ...func(*CardReader)) {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.reg, c.log = cancel, prometheus.NewRegistry(), &bytes.Buffer{}
	c.cards, c.raw, c.changes, c.done = make(chan string, 1000), make(chan []byte, 1000), make(chan change, 1000), make(chan error, 1)
	c.r = NewCardReader(CardOptions{Lane: "in", Config: CardConfig{Device: port}, Metrics: NewCardMetrics(c.reg, "in"),
		Log: slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnCard: func(_ context.Context, card Card) {
			if card.Text == nil {
				c.cards <- "unreadable"
				return
			}
			if card.Lane != "in" || len(card.Text) != 256 || card.At.IsZero() {
				c.cards <- fmt.Sprintf("odd card: %d bytes, lane %s, at %s", len(card.Text), card.Lane, card.At)
				return
			}
			c.raw <- card.Text
			c.cards <- strings.TrimRight(string(card.Text), " ")
		},
		OnState: func(up bool, s State, cause string) { c.changes <- change{up, s, cause} },
	})
	c.r.ports.Retry, c.r.poll, c.r.settle, c.r.pause = 5*time.Millisecond, 10*time.Millisecond, 5*time.Millisecond, 5*time.Millisecond
	c.r.findMax, c.r.slowMax, c.r.transfer, c.r.ports.OpenLimit, c.r.ports.CloseLimit = limit, max(limit, c.r.slowMax), 2*limit, patience, patience
	for _, f := range adapt {
		f(c.r)
	}
	go func() { c.done <- c.r.Run(ctx) }()
	c.t.Cleanup(func() { c.stop() })
}

func (c *counter) stop() time.Duration {
	c.t.Helper()
	c.cancel()
	began := time.Now()
	select {
	case err := <-c.done:
		if err != nil {
			c.t.Errorf("Run: %v", err)
		}
		c.done <- nil
	case <-time.After(patience):
		c.t.Error("Run does not end")
	}
	return time.Since(began)
}

func (c *counter) expect(want ...change) {
	c.t.Helper()
	for _, w := range want {
		if got := await(c.t, fmt.Sprint(w), c.changes); got != w {
			c.t.Fatalf("got state %v, want %v", got, w)
		}
	}
}

func (c *counter) reads(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := await(c.t, "card "+w, c.cards); got != w {
			c.t.Fatalf("got card %q, want %q", got, w)
		}
	}
}

// asked waits until the device was asked n times more.
func (c *counter) asked(n int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.sim.Asked(ctx, n); err != nil {
		c.t.Fatalf("the device is not asked: %v", err)
	}
}

// free waits until the reader knows that no card lies there.
func (c *counter) free() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.sim.Free(ctx); err != nil {
		c.t.Fatalf("the device is not asked: %v", err)
	}
}

func (c *counter) none() {
	c.t.Helper()
	if got := drain(c.cards); len(got) > 0 {
		c.t.Fatalf("got cards %q, want none", got)
	}
}

func (c *counter) counts(result string) int {
	return int(testutil.ToFloat64(c.r.o.Metrics.reads.WithLabelValues("in", result)))
}

func TestACardIsReadOnce(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]samvsim.Faults{
		"found as long as it lies there":      {},
		"not found again before it is lifted": {Once: true},
		"found every other time":              {Flickers: true},
		"byte by byte":                        {Slice: 1},
		"in slices of a USB adapter":          {Slice: 62},
		"noise before answers":                {Noise: "\xaa\x00\xaa\xaa\x96noise"},
	} {
		t.Run(name, func(t *testing.T) {
			c := lay(t, f, nil)
			c.expect(online)
			for _, card := range []string{"A", "B", "B"} {
				c.free()
				c.sim.Present(words(card))
				c.reads(card)
				c.asked(10)
				c.none()
				c.sim.Remove()
			}
			if ok := c.counts(readOK); ok != 3 {
				t.Errorf("got %d reads counted, want 3", ok)
			}
		})
	}
}

func TestACardThatLayThereBeforeMustBeLifted(t *testing.T) {
	t.Parallel()
	c := &counter{t: t, sim: device(t)}
	c.sim.Present(words("forgotten"))
	c.begin(c.sim.Path, muteLimit)
	c.expect(online)
	c.asked(10)
	c.none()
	c.sim.Remove()
	c.free()
	c.sim.Present(words("A"))
	c.reads("A")

	// Nor does it become another one when the cable had a bad moment.
	c.sim.Break(samvsim.Faults{Mute: true})
	c.expect(change{false, Backoff, CauseNoAnswer})
	c.sim.Break(samvsim.Faults{})
	c.expect(online)
	c.asked(10)
	c.none()
}

func TestWhatIsReadIsNotKept(t *testing.T) {
	c := lay(t, samvsim.Faults{}, nil)
	c.expect(online)
	c.free()
	c.sim.Present(words("NAME OF A PERSON"))
	c.reads("NAME OF A PERSON")
	c.sim.Remove()
	c.free()
	if text := <-c.raw; !bytes.Equal(text, make([]byte, 256)) {
		t.Errorf("after OnCard the text still says %q", text)
	}
	c.stop()
	if log := c.log.String(); strings.Contains(log, "PERSON") || strings.Contains(log, "photo") {
		t.Errorf("the log says what stands on the card:\n%s", log)
	}
}

func TestNoByteOfAPhotoIsLeftInMemory(t *testing.T) {
	sim := device(t)
	sim.Present(words("A"))
	p, err := serialport.Open(CardConfig{Device: sim.Path}.port())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	l := &link{p: p, boot: bootTime}
	for _, command := range [][2]byte{findCard, selectCard, readCard} {
		if _, err := l.ask(context.Background(), command, patience); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(l.buf[:], make([]byte, len(l.buf))) {
			t.Errorf("the buffer of % X still holds % .20X…", command, l.buf)
		}
	}
	if bytes.Contains(l.a.keep[:], samvsim.Photo[:8]) || l.a.text() == nil {
		t.Errorf("the answer holds %q", l.a.keep)
	}
	if _, err := l.ask(context.Background(), findCard, patience); err != nil {
		t.Fatal(err)
	}
	r := NewCardReader(CardOptions{})
	if err := r.read(context.Background(), l); err != nil || l.a != (answer{}) {
		t.Errorf("read: %v, and then the answer holds % .20X…", err, l.a.keep)
	}
}

// What a module said before the box was suspended is not of a card that lies there now.
func TestFaultSuspendedBeforeTheAnswerIsRead(t *testing.T) {
	sim := device(t)
	sim.Present(words("A"))
	p, err := serialport.Open(CardConfig{Device: sim.Path}.port())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var clock standstill
	l := &link{p: p, boot: func() time.Duration { defer clock.pass(8 * time.Hour); return clock.boot() }}
	if _, err := l.ask(context.Background(), findCard, patience); !errors.Is(err, errLate) {
		t.Errorf("got %v, want %v", err, errLate)
	}
}

func TestCardsThatCannotBeRead(t *testing.T) {
	c := lay(t, samvsim.Faults{Unread: 0x33}, nil)
	c.expect(online)
	c.free()
	c.sim.Present(words("forged"))
	c.reads("unreadable")
	c.asked(10)
	c.none()
	if failed := c.counts(readFailed); failed != maxTries {
		t.Errorf("got %d failures counted, want %d", failed, maxTries)
	}
	// Its holder is sent away, and the next one's is a card like any other.
	c.sim.Remove()
	c.sim.Break(samvsim.Faults{})
	c.free()
	c.sim.Present(words("B"))
	c.reads("B")
	if got := drain(c.changes); len(got) > 0 {
		t.Errorf("a bad card changed the reader's state: %v", got)
	}
}

// A module that finds a card once only gives it one attempt each time that it is laid down.
func TestACardThatCannotBeReadHoweverOftenItIsLaidDown(t *testing.T) {
	c := lay(t, samvsim.Faults{Once: true, Unread: 0x33}, nil)
	c.expect(online)
	for range maxTries {
		c.none()
		c.free()
		n := c.counts(readFailed)
		c.sim.Present(words("forged"))
		for c.counts(readFailed) == n {
			c.asked(1)
		}
		c.sim.Remove()
	}
	c.reads("unreadable")
	c.free()
	c.sim.Break(samvsim.Faults{Once: true})
	c.sim.Present(words("B"))
	c.reads("B")
}

func TestACardMovedTooSoonIsTriedAgain(t *testing.T) {
	c := lay(t, samvsim.Faults{}, nil)
	c.expect(online)
	c.free()
	c.sim.Break(samvsim.Faults{Unread: 0x41})
	c.sim.Present(words("A"))
	for c.counts(readFailed) == 0 {
		c.asked(1)
	}
	c.sim.Break(samvsim.Faults{})
	c.reads("A")
}

func TestFaultsOfTheDevice(t *testing.T) {
	for name, tt := range map[string]struct {
		f     samvsim.Faults
		cause string
	}{
		"mute":                    {samvsim.Faults{Mute: true}, CauseNoAnswer},
		"wrong checksum":          {samvsim.Faults{Damaged: true}, CauseNoAnswer},
		"answers cut off":         {samvsim.Faults{Short: true}, CauseNoAnswer},
		"does not understand":     {samvsim.Faults{Status: 0x10}, CauseNoAnswer},
		"answers something else":  {samvsim.Faults{Status: 0x90}, CauseNoAnswer},
		"self-test failed":        {samvsim.Faults{Status: 0x60}, CauseFault},
		"module not authorised":   {samvsim.Faults{Status: 0x66}, CauseFault},
		"length without bound":    {samvsim.Faults{Noise: "\xaa\xaa\xaa\x96\x69\xff\xff"}, CauseNoAnswer},
		"frame that never ends":   {samvsim.Faults{Noise: "\xaa\xaa\xaa\x96\x69\x08\x00"}, CauseNoAnswer},
		"glued to an older frame": {samvsim.Faults{Noise: string(framed(0, 0, 0x21))}, CauseNoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &counter{t: t, sim: device(t)}
			c.begin(c.sim.Path, muteLimit)
			c.expect(online)
			c.free()
			c.sim.Break(tt.f)
			c.expect(change{false, Backoff, tt.cause})
			// While it is so nothing is news, and then all is well again.
			c.sim.Present(words("A"))
			c.none()
			c.sim.Break(samvsim.Faults{})
			c.expect(online)
			c.sim.Remove()
			c.free()
			c.sim.Present(words("B"))
			c.reads("B")
			if up := testutil.ToFloat64(c.r.o.Metrics.up.WithLabelValues("in")); up != 1 {
				t.Errorf("gated_card_reader_up is %v", up)
			}
		})
	}
}

// A reader that falls mute is down within a second: by its constants, as a busy machine takes longer, and with no other
// waits between.
func TestFaultCardReaderFallsMute(t *testing.T) {
	t.Parallel()
	if d := pollEvery + maxMisses*findLimit + (maxMisses-1)*pauseTime; d > 950*time.Millisecond {
		t.Errorf("seen after %v, which leaves too little of a second to tell it", d)
	}
	c := &counter{t: t, sim: device(t)}
	c.begin(c.sim.Path, muteLimit, func(r *CardReader) {
		told := r.o.OnState
		r.o.OnState = func(up bool, s State, cause string) {
			r.settle = time.Hour // once it is open
			told(up, s, cause)
		}
	})
	c.expect(online)
	c.asked(1)
	c.sim.Break(samvsim.Faults{Mute: true})
	c.expect(change{false, Backoff, CauseNoAnswer})
}

// A module that takes longer to find a card than most is given its time.
func TestASlowModuleIsGivenItsTime(t *testing.T) {
	t.Parallel()
	c := &counter{t: t, sim: device(t)}
	c.sim.Break(samvsim.Faults{Searches: 300 * time.Millisecond})
	c.begin(c.sim.Path, 100*time.Millisecond, func(r *CardReader) { r.slowMax, r.transfer = patience, patience })
	c.expect(online)
	c.free()
	c.sim.Present(words("A"))
	c.reads("A")
	if len(c.changes) > 0 {
		t.Errorf("got state %v of one that was well all the time", <-c.changes)
	}
}

// One slow answer may be this machine's doing, and does not make a mute module go unseen for months.
func TestASlowAnswerIsForgotten(t *testing.T) {
	r := NewCardReader(CardOptions{})
	limit := r.slowMax
	for _, took := range append([]time.Duration{500 * time.Millisecond}, slices.Repeat([]time.Duration{5 * time.Millisecond}, 12)...) {
		limit = r.allow(limit, took)
	}
	if limit != findLimit {
		t.Errorf("after a dozen quick answers it may take %s, want %s", limit, findLimit)
	}
	for range 20 { // one that takes its time every third time
		for _, took := range []time.Duration{300 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond} {
			if limit = r.allow(limit, took); limit < 400*time.Millisecond || limit > r.slowMax {
				t.Fatalf("it may take %s after one of %s", limit, took)
			}
		}
	}
}

func TestAFaultWhileACardIsRead(t *testing.T) {
	for name, tt := range map[string]struct {
		f      samvsim.Faults
		result string
	}{
		"every answer twice": {samvsim.Faults{Twice: true}, readOK}, // the second one is found to be no answer to the next question, or dropped
		"module moved on":    {samvsim.Faults{Unread: 0x9f}, readDamaged},
		"not understood":     {samvsim.Faults{Unread: 0x21}, readDamaged},
		"text missing":       {samvsim.Faults{Unread: 0x90}, readDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := lay(t, samvsim.Faults{}, nil)
			c.expect(online)
			c.free()
			c.sim.Break(tt.f)
			c.sim.Present(words("A"))
			want := "A"
			if tt.result != readOK {
				want = "unreadable"
			}
			c.reads(want)
			c.asked(3)
			c.none()
			if c.counts(tt.result) == 0 {
				t.Errorf("%s was not counted", tt.result)
			}
		})
	}
}

func TestAModuleThatBreaksWhileReadingIsDown(t *testing.T) {
	c := lay(t, samvsim.Faults{Unread: 0x60}, nil)
	c.expect(online)
	c.free()
	c.sim.Present(words("A"))
	c.expect(change{false, Backoff, CauseFault})
}

// An answer that comes too late must not be taken for that of the next card.
func TestAnAnswerThatComesTooLateIsNobodysCard(t *testing.T) {
	t.Parallel()
	c := &counter{t: t, sim: device(t)}
	c.begin(c.sim.Path, patience, func(r *CardReader) {
		limits := []time.Duration{200 * time.Millisecond, patience}
		r.ports.OpenPort = func(config serialport.Config) (*serialport.Port, error) {
			r.transfer, limits = limits[0], limits[min(1, len(limits)-1):] // what comes after the late one has time
			return serialport.Open(config)
		}
	})
	c.expect(online)
	c.free()
	c.sim.Break(samvsim.Faults{Slow: 600 * time.Millisecond})
	c.sim.Present(words("A"))
	c.expect(change{false, Backoff, CauseNoAnswer})
	c.sim.Break(samvsim.Faults{})
	c.sim.Present(words("B"))
	c.expect(online)
	c.asked(10)
	c.none()
	if got := c.counts(readNoAnswer); got != 1 {
		t.Errorf("%s was counted %d times, want once", readNoAnswer, got)
	}
	c.sim.Remove()
	c.free()
	c.sim.Present(words("B"))
	c.reads("B")
}

func TestCardReaderUnpluggedAndPluggedInAgain(t *testing.T) {
	link := filepath.Join(t.TempDir(), "card-in")
	c := &counter{t: t}
	c.begin(link, patience)
	c.expect(change{false, Absent, CauseAbsent})
	for _, card := range []string{"A", "B", "C"} {
		sim := device(t)
		if err := os.Symlink(sim.Path, link); err != nil {
			t.Fatal(err)
		}
		c.sim = sim
		c.expect(online)
		c.free()
		sim.Present(words(card))
		c.reads(card)
		os.Remove(link) // the terminal's number may be another's at once
		sim.Close()     // with the card on it
		if got := await(t, "the hang-up", c.changes); got.up || got.cause != CauseHangUp && got.cause != CauseLost {
			t.Fatalf("got state %v, want down by a hang-up", got)
		}
		for got := (change{}); got.state != Absent; {
			got = await(t, "absent", c.changes)
		}
	}
}

func TestCardReaderFollowsItsName(t *testing.T) {
	link := filepath.Join(t.TempDir(), "card-in")
	first, second := device(t), device(t)
	retarget(t, link, first.Path)
	c := &counter{t: t, sim: first}
	c.begin(link, patience)
	c.expect(online)
	c.sim = second
	retarget(t, link, second.Path)
	c.expect(change{false, Backoff, CauseRenumbered}, online)
	c.free()
	second.Present(words("A"))
	c.reads("A")
}

func TestACardReaderWhoseDriverHangsIsGivenUpAtTheThirdPort(t *testing.T) {
	sim := device(t)
	block := make(chan struct{})
	hangs := func(serialport.Config) (*serialport.Port, error) { <-block; return nil, unix.EIO }
	r := NewCardReader(CardOptions{Lane: "in", Config: CardConfig{Device: sim.Path}})
	r.ports.OpenPort, r.ports.OpenLimit, r.ports.Retry = hangs, 20*time.Millisecond, time.Millisecond
	done := make(chan error, 1)
	go func() { done <- r.Run(context.Background()) }()
	if err := await(t, "the end", done); !errors.Is(err, serialport.ErrWedged) || !strings.Contains(err.Error(), "lane in") {
		t.Errorf("got %v", err)
	}
	if r.cause != CauseStopped || !r.ports.Wedged() {
		t.Errorf("got %s, and wedged %t", r.cause, r.ports.Wedged())
	}
	close(block)
}

func TestCardReaderEndsAtOnce(t *testing.T) {
	for name, f := range map[string]samvsim.Faults{"idle": {}, "waiting for an answer": {Mute: true}} {
		t.Run(name, func(t *testing.T) {
			c := &counter{t: t, sim: device(t)}
			c.sim.Break(f)
			c.begin(c.sim.Path, patience)
			c.asked(1)
			if took := c.stop(); took > patience/2 {
				t.Errorf("Run ended after %v, as if nothing had told it to", took)
			}
			if got := drain(c.changes); len(got) == 0 || got[len(got)-1] != (change{false, Closed, CauseStopped}) {
				t.Errorf("got states %v, want the last one closed", got)
			}
		})
	}
}

func TestCardReaderOnALineThatTakesNothing(t *testing.T) {
	_, port := plug(t)
	tty, err := os.OpenFile(port, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	if err := unix.IoctlSetInt(int(tty.Fd()), unix.TCXONC, unix.TCOOFF); err != nil {
		t.Fatal(err)
	}
	c := &counter{t: t}
	c.begin(port, 10*time.Millisecond)
	c.expect(change{false, Backoff, CauseNoAnswer})
	c.stop()
	if log := c.log.String(); !strings.Contains(log, "takes no command") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

func TestCardReaderOnABabblingLine(t *testing.T) {
	far, port := plug(t)
	stop := make(chan struct{})
	var device sync.WaitGroup
	device.Go(func() {
		noise := bytes.Repeat([]byte("\xaa\xaa\xaa\x96\x69\x05\x00babble"), 20)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := far.Write(noise); err != nil {
					return
				}
			}
		}
	})
	t.Cleanup(func() { close(stop); far.Close(); device.Wait() })
	c := &counter{t: t}
	c.begin(port, patience)
	c.expect(change{false, Backoff, CauseNoAnswer})
	c.none()
}

func TestCardReadersLeakNothing(t *testing.T) {
	sim := device(t)
	before := runtime.NumGoroutine()
	for range 20 {
		c := &counter{t: t, sim: sim}
		c.begin(sim.Path, patience)
		c.expect(online)
		c.stop()
	}
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines more than before", runtime.NumGoroutine()-before)
		}
	}
}

func TestCardSettingsAreChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		c    CardConfig
		want string
	}{
		"no device":   {CardConfig{}, "device"},
		"wrong speed": {CardConfig{Device: "/dev/null", Baud: 14400}, "baud: 14400"},
	} {
		err := NewCardReader(CardOptions{Lane: "in", Config: tt.c}).Run(context.Background())
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "lane in") {
			t.Errorf("%s: got %v, want an error about %s", name, err, tt.want)
		}
	}
	if c := (CardConfig{Device: "/dev/x"}).port(); c != (serialport.Config{Device: "/dev/x", Baud: 115200, DataBits: 8, Parity: "none", StopBits: 1}) {
		t.Errorf("got %+v, want 115200 and 8N1", c)
	}
}

func TestCardMetricsBeginWithZeros(t *testing.T) {
	reg := prometheus.NewRegistry()
	NewCardMetrics(reg, "in")
	got, err := reg.Gather()
	if err != nil || len(got) != 2 || len(got[0].Metric) != 1 || len(got[1].Metric) != 4 {
		t.Errorf("got %v, %v", got, err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(err, slices.Clip(problems))
	}
}
