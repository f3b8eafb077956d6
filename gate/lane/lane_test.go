package lane

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gated/barrier"
	"gated/clock"
	"gated/demo/lcussim"
	"gated/evidence"
	"gated/gate/device"
	"gated/gate/metrics"
	"gated/gate/spool"
	"gated/gate/view"
	"gated/gate/writing"
	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/byhand"

	"github.com/prometheus/client_golang/prometheus"
)

// site is the lanes in and out, with a real ledger, which has begun.
type site struct {
	*Lanes
	t      *testing.T
	dir    string
	ledger *ledger.Ledger
	start  int64
	inject func(op string) error // nil: nothing happens to the disk; set while nothing is written
	work   sync.WaitGroup
}

func newSite(t *testing.T, in *barrier.Barrier) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	box, log := clock.New(clock.System()), slog.New(slog.DiscardHandler)
	now := func() ledger.Stamp { return ledger.Stamp(box.Now()) }
	r := must(register.New(register.Options{Dir: s.dir, Key: []byte("k"), Now: now, Log: log}))
	s.ledger = must(ledger.Open(ledger.Options{Hangs: time.Minute, Dir: s.dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai",
		Now: now, Log: log, Known: r.Known, Follow: r.Follow, Recovered: r.Recovered, Inject: func(op string) error {
			if s.inject != nil {
				return s.inject(op)
			}
			return nil
		}}))
	r.Start(s.ledger)
	path := writing.New(writing.Options{Ledger: s.ledger, Spool: filepath.Join(s.dir, "pending.spool"), Log: log, Now: now,
		Recorded: func(ledger.Stamp) {}, Changed: func() {}, Work: &s.work})
	s.Lanes = New(Options{Lanes: []Setup{{ID: "in", Direction: "in", Barrier: in, Pulse: 100 * time.Millisecond}, {ID: "out", Direction: "out"}},
		Register: r, Writing: path, Now: now, Work: &s.work, Changed: func() {}, Metrics: metrics.New([]string{"in", "out"}, byhand.Reasons), Log: log})
	s.start = must(path.Append(ledger.Event{Stamp: now(), Kind: ledger.Start, By: byMachine}))[0].Seq
	t.Cleanup(func() {
		s.work.Wait()
		path.End(ledger.Event{Kind: ledger.Stop, By: byMachine})
		s.records()
		s.ledger.Close()
		r.Close()
	})
	return s
}

// records reads the whole ledger, after checking it.
func (s *site) records() (all []ledger.Entry) {
	s.t.Helper()
	r := must(file.OpenReader(s.dir))
	defer r.Close()
	if _, err := evidence.Verify(r, evidence.Given{}); err != nil {
		s.t.Fatal(err)
	}
	if err := r.Scan(1, 1<<62, true, func(e *ledger.Entry) error { all = append(all, *e); return nil }); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// devices are the entries about a lane's scanner, or its card reader.
func (s *site) devices(lane, device string) (told []string) {
	for _, e := range s.records() {
		if e.Kind == register.Scanner && e.Lane == lane && e.Detail["device"] == device {
			told = append(told, strings.TrimSpace(e.Reason+" "+e.Detail["cause"]+" "+e.Detail["downs"]))
		}
	}
	return told
}

// note records what the devices have to tell; long lets time pass for one of them, so that it is not too soon after the last.
func (s *site) note()                             { s.RecordDevices(s.opt.Now()) }
func long(d *device.Device)                       { d.RecordedAt = d.RecordedAt.Add(-device.Every) }
func (l *Lane) ago(t *time.Time, d time.Duration) { l.update(func() { *t = t.Add(-d) }) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// What the ledger says of a scanner does not depend on whether a page shows it, nor on a state that comes and goes within
// one look: the entry names the cause of the fall that it tells of.
func TestTheLedgerTellsOfADeviceAsItIs(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	l := s.Of("out")
	l.ScannerState(true, "online", "")
	s.note()
	l.ScannerState(false, "backoff", "hang-up")
	long(&l.scanner)
	// It falls again while the entry of the first fall is written.
	s.inject = func(op string) error {
		s.inject = nil
		l.ScannerState(true, "online", "")
		l.ScannerState(false, "absent", "absent")
		return nil
	}
	s.note()
	long(&l.scanner)
	s.note()
	if got, want := s.devices("out", ""), []string{"up", "down hang-up", "down absent"}; !slices.Equal(got, want) {
		t.Errorf("got entries %q, want %q", got, want)
	}
}

func TestCardReadersComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	l := s.Of("in")
	l.CardReaderState(false, "no-answer")
	if v := s.Views(); v[0].CardReader != "no-answer" || v[1].CardReader != "" || v[0].Scanner != "" {
		t.Errorf("the page shows %+v", v)
	}
	s.note()
	l.CardReaderState(true, "")
	s.note() // too soon after the last: a cable that flaps would fill the ledger
	long(&l.cards)
	s.note()
	s.note()
	for range 2 { // fell and came back before anybody looked
		l.CardReaderState(false, "hang-up")
		l.CardReaderState(true, "")
	}
	long(&l.cards)
	s.note()
	long(&l.cards)
	s.note() // nothing has happened since
	if got, want := s.devices("in", "card-reader"), []string{"down no-answer", "up", "up hang-up 2"}; !slices.Equal(got, want) {
		t.Errorf("got entries %q, want %q", got, want)
	}
	if v := s.Views(); v[0].CardReader != "up" {
		t.Errorf("the page shows %+v", v[0])
	}
}

// A scanner that went down and came back before anybody looked is told of, too, and one that flaps fills no ledger.
func TestScannersThatFlapAreRecordedAndCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	l := s.Of("in")
	flap := func(n int) {
		for range n {
			l.ScannerState(false, "backoff", "hang-up")
			l.ScannerState(true, "online", "")
		}
	}
	l.ScannerState(true, "online", "")
	s.note()
	flap(1)
	s.note() // too soon
	flap(2)
	long(&l.scanner)
	s.note()
	long(&l.scanner)
	s.note() // nothing has happened since
	l.ScannerState(false, "absent", "absent")
	s.note()
	long(&l.scanner)
	l.ScannerState(true, "online", "")
	s.note()
	if got, want := s.devices("in", ""), []string{"up", "up hang-up 3", "down absent", "up"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The page says that a relay is lost before anybody needs it, and takes that back by itself.
func TestAnUnpluggedRelayIsOnThePage(t *testing.T) {
	t.Parallel()
	sim := must(lcussim.New(filepath.Join(t.TempDir(), "relay"), 1, true))
	defer sim.Close()
	b := must(barrier.New(barrier.Options{Config: barrier.Config{Driver: barrier.LCUS, Device: sim.Path()}, Lane: "in",
		Log: slog.New(slog.DiscardHandler), Metrics: barrier.NewMetrics(prometheus.NewRegistry(), "in")}))
	defer b.Close()
	s := newSite(t, b)
	l := s.Of("in")
	await := func(want string) {
		t.Helper()
		until(t, "the page to show "+want, func() bool { return s.Views()[0].Barrier == want })
	}
	await("ok")
	sim.Unplug()
	await("open-by-hand")
	l.Open("aaaaaaaaaaaaaaaa", s.start)
	until(t, "the entry of the pulse that failed", func() bool { // the page was told before
		return slices.ContainsFunc(s.records(), func(e ledger.Entry) bool { return e.Reason == "pulse-failed" })
	})
	l.ago(&l.relay.failed, -time.Hour) // however long that takes here
	if err := sim.Plug(); err != nil {
		t.Fatal(err)
	}
	until(t, "the relay to be back", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return !l.relay.down })
	await("open-by-hand") // whom it failed still stands there
	l.ago(&l.relay.failed, time.Hour+failedFor)
	await("ok")
}

// pressed is a press of the emergency key at the lane in, as its entry and its answer.
func (s *site) pressed(passage string) (ledger.Event, view.Shown) {
	return ledger.Event{Stamp: s.opt.Now(), Kind: register.Opening, Passage: passage, Lane: "in", Direction: "in", Class: "unknown",
		Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key", By: "unauthenticated"}, view.Shown{Passage: passage, Lane: "in"}
}

// alarms are how many lost openings are on record.
func (s *site) alarms() (n int) {
	for _, e := range s.records() {
		if e.Kind == register.Alarm && e.Reason == register.LatchLost {
			n++
		}
	}
	return n
}

// That the emergency key is about to open stands in the spool before the barrier is told, so that no kill in between
// leaves an opening without its entry.
func TestAnEmergencyOpeningIsOnFileBeforeItOpens(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	l := s.Of("in")
	l.commanding.Lock() // nobody gets to the barrier without it
	ev, x := s.pressed("aaaaaaaaaaaaaaaa")
	done := make(chan struct{})
	go func() { l.Press(ev, x); close(done) }()
	until(t, "the opening in the file", func() bool {
		b := must(os.ReadFile(filepath.Join(s.dir, "pending.spool")))
		list, _, _, _ := spool.Parse(b)
		return len(list) == 1 && list[0].Reason == "emergency-key"
	})
	if l.Latched() {
		t.Error("it opened before")
	}
	l.commanding.Unlock()
	if <-done; !l.Latched() {
		t.Error("it did not open")
	}
}

// A key that is being pressed when the gate looks for lost openings is on record and not latched yet: it is of this run.
func TestAKeyThatIsBeingPressedIsNotLost(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	l := s.Of("in")
	ev, x := s.pressed("aaaaaaaaaaaaaaaa")
	s.pressing.Lock() // as Press has it between Announce and hold
	must(s.ledger.Append(ev))
	done := make(chan bool)
	go func() { done <- s.RecordLost(s.start) }()
	select {
	case looked := <-done:
		t.Fatalf("looked, %t, while a key was being pressed", looked)
	case <-time.After(50 * time.Millisecond):
	}
	l.hold(x)
	s.pressing.Unlock()
	if looked := <-done; !looked || s.alarms() != 0 {
		t.Errorf("looked: %t; lost: %d", looked, s.alarms())
	}
}

// That an opening was lost is told for ten minutes, a refusal can be overridden for one, and then the page has them no more.
func TestWhatThePageShowsForATime(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	l := s.Of("in")
	ev, _ := s.pressed("aaaaaaaaaaaaaaaa")
	must(s.ledger.Append(ev)) // of a run before
	if !s.RecordLost(s.start) || s.alarms() != 1 || !s.Views()[0].LatchLost {
		t.Fatalf("%d on record, the page shows %+v", s.alarms(), s.Views()[0])
	}
	l.ago(&l.lost, lostFor)
	l.Refuse(&view.Refused{Passage: "b", Reason: "not-on-roster"})
	if v := s.Views()[0]; v.LatchLost || v.Refused == nil || v.Refused.Passage != "b" || l.Refused() != "b" {
		t.Errorf("the page shows %+v", v)
	}
	l.ago(&l.refusedAt, overrideWithin)
	if v := s.Views()[0]; v.Refused != nil || l.Refused() != "" {
		t.Errorf("after a minute the page shows %+v, and %q may be overridden", v.Refused, l.Refused())
	}
}

// A guard who shuts an opening by hand shuts that one, and nothing that was opened since.
func TestWhatWasOpenedSinceStaysOpen(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	l := s.Of("out")
	l.HoldByHand(byhand.Opening{Entry: 7, Lane: "out"})
	if _, done := l.Release(6); done || l.ByHand().Entry != 7 {
		t.Errorf("another one was shut: %t, open is %+v", done, l.ByHand())
	}
	if over, done := l.Release(7); !done || over.Entry != 7 || l.ByHand().Entry != 0 {
		t.Errorf("it was not shut: %t, %+v, open is %+v", done, over, l.ByHand())
	}
}

// A guard's answer takes the place of the question, as long as that is on the lane's stage with a name.
func TestAnAnswerToAQuestionThatHasFaded(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	l := s.Of("out")
	l.Show(view.Shown{Passage: "a", Verdict: "hold", By: byMachine, Name: "王小明"}, false)
	if last := s.Views()[1].Last; last.Name == "" {
		t.Errorf("asked, the page shows %+v", last)
	}
	l.ago(&l.lastAt, personalFor)
	l.Show(view.Shown{Passage: "a", Verdict: "admit", By: "unauthenticated"}, true)
	if last := s.Views()[1].Last; last.Verdict != "hold" || last.Name != "" {
		t.Errorf("the question had faded, and the page shows %+v", last)
	}
	l.Show(view.Shown{Passage: "b", Verdict: "hold", By: byMachine}, false)
	l.Show(view.Shown{Passage: "b", Verdict: "admit", By: "unauthenticated"}, true)
	if last := s.Views()[1].Last; last.Passage != "b" || last.Verdict != "admit" {
		t.Errorf("the question stood there, and the page shows %+v", last)
	}
}

// What cannot be recorded now is tried again.
func TestLostOpeningsThatCannotBeRecordedYet(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	ev, _ := s.pressed("aaaaaaaaaaaaaaaa")
	must(s.ledger.Append(ev))
	s.inject = func(string) error { s.inject = nil; return errors.New("the disk is full") }
	if s.RecordLost(s.start) {
		t.Error("looked in a fault")
	}
	until(t, "it is on record", func() bool { return s.RecordLost(s.start) && s.alarms() == 1 })
}
