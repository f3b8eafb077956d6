package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/tlog"
)

// sample is how often a long test does what it does: all times in make faults, some in make test.
func sample(all, some int) int {
	if os.Getenv("FAULTS") == "all" {
		return all
	}
	return some
}

var shanghai, _ = time.LoadLocation("Asia/Shanghai")

// clock is a settable time that moves on by a millisecond at each look.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(time.Millisecond)
	return Stamp{Time: c.t, Boot: "b00t", Mono: time.Duration(c.t.UnixNano() % 1e15), Trusted: true}
}

func (c *clock) set(s string) {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, shanghai)
	if err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func options(dir string, ck *clock) Options {
	return Options{Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: ck.now,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Hangs: time.Minute}
}

func open(t testing.TB, dir string, ck *clock) *Ledger {
	t.Helper()
	l, err := Open(options(dir, ck))
	if err != nil {
		t.Fatal(err)
	}
	if f := l.Fault(); f != nil {
		t.Fatal(f.Cause)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// takenBack is what the register says of verdicts that were answered with a fault and are there all the same.
func takenBack(kept []Entry, now Stamp) (events []Event) {
	for i := range kept {
		if e := &kept[i]; e.Kind == Register && !slices.ContainsFunc(kept, func(c Entry) bool { return c.Kind == Correction && c.Ref == e.Seq }) {
			events = append(events, Event{Stamp: now, Kind: Correction, Passage: e.Passage, Verdict: "refuse", Reason: "answered-fault", Ref: e.Seq})
		}
	}
	return events
}

// healing returns a channel that gets a token whenever the ledger works again.
func healing(opt *Options) <-chan struct{} {
	healed := make(chan struct{}, 1)
	opt.OnChange = func(f *Fault) {
		if f == nil {
			healed <- struct{}{}
		}
	}
	return healed
}

// verify reads the whole ledger.
func verify(t testing.TB, l *Ledger) {
	t.Helper()
	r, err := file.OpenReader(l.opt.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rep, err := verifyReader(r, Given{})
	if err != nil {
		t.Fatal(err)
	}
	n := rep.Entries
	if n != l.Size() {
		t.Fatalf("%d entries hold, the ledger has %d", n, l.Size())
	}
	tr := &tlog.Tree{}
	if err := r.Scan(1, 1<<62, true, func(e *Entry) error { tr.Push(tlog.LeafHash(e.Raw)); return nil }); err != nil {
		t.Fatal(err)
	}
	if root, err := tlog.RootAt(r, n); err != nil || root != tr.Root() {
		t.Errorf("root by tiles %v, by entries %v (%v)", root, tr.Root(), err)
	}
}

func passage(ck *clock, id, direction, verdict string) []Event {
	s := ck.now()
	return []Event{
		{Stamp: s, Kind: Check, Passage: id, Lane: direction, Direction: direction, Credential: "gated-pass", Proof: "signed", Reason: "ok"},
		{Stamp: s, Kind: Query, Passage: id, Lane: direction, Direction: direction, Class: "resident", Verdict: verdict, Reason: "resident", Rule: "residents",
			Personal: []Field{{Name: "subject", Value: "r-" + id}, {Name: "household", Value: "3-2-501"}, {Name: "name", Value: "王小明"}}},
	}
}

func register(ck *clock, id, direction, verdict, reason string) Event {
	return Event{Stamp: ck.now(), Kind: Register, Passage: id, Lane: direction, Direction: direction, Class: "resident", Verdict: verdict, Reason: reason, By: "machine",
		Personal: []Field{{Name: "subject", Value: "r-" + id}, {Name: "household", Value: "3-2-501"}}}
}

func mustAppend(t testing.TB, l *Ledger, ev ...Event) []Entry {
	t.Helper()
	es, err := l.Append(ev...)
	if err != nil {
		t.Fatal(err)
	}
	return es
}

func TestWhatWasAppendedIsThereAfterReopening(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Start})
	var want []Entry
	for i := range 30 {
		id := fmt.Sprint("p", i)
		want = append(want, mustAppend(t, l, append(passage(ck, id, "in", "admit"), register(ck, id, "in", "admit", "resident"))...)...)
	}
	mustAppend(t, l, passage(ck, "held", "in", "hold")...)
	verify(t, l)
	l.Close()

	l = open(t, dir, ck)
	verify(t, l)
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	i := 0
	if err := r.Scan(2, 91, true, func(e *Entry) error {
		if string(e.Raw) != string(want[i].Raw) || !e.At.Equal(want[i].At) {
			t.Errorf("entry %d: got %s, want %s", e.Seq, e.Raw, want[i].Raw)
		}
		if e.Kind == Query && e.Personally("name") != "王小明" {
			t.Errorf("entry %d: personal fields %v", e.Seq, e.Personal)
		}
		if strings.Contains(string(e.Raw), "王小明") {
			t.Errorf("entry %d: the record names a person", e.Seq)
		}
		i++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(filepath.Join(dir, "ledger.db")); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", st.Mode())
	}
}

// Whether a commit that nobody heard of was, is known of each event by its moment.
func TestHasKnowsEventsByTheirMoment(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	l := open(t, t.TempDir(), ck)
	was := register(ck, "p1", "in", "admit", "resident")
	first := mustAppend(t, l, was)[0]
	also := register(ck, "p2", "in", "admit", "resident")
	mustAppend(t, l, also)
	later := was
	later.Mono += time.Microsecond
	elsewhere, boot, kind := was, was, was
	elsewhere.Lane, boot.Boot, kind.Kind = "out", "another", Opening
	for after, want := range map[int64][]bool{
		0:             {true, true, false, false, false, false},
		first.Seq:     {false, true, false, false, false, false},
		first.Seq + 9: {true, true, false, false, false, false}, // of a ledger that is longer than this: restored since
	} {
		if got, err := l.Has(after, was, also, later, elsewhere, boot, kind); err != nil || !slices.Equal(got, want) {
			t.Errorf("after entry %d: %v (%v), want %v", after, got, err, want)
		}
	}
}

func TestTheFileRefusesChanges(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, passage(ck, "a", "in", "admit")...)
	mustAppend(t, l, passage(ck, "b", "in", "admit")...)
	if _, err := l.EraseField(0, 2, "name", asked); err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, err := connect("file:" + filepath.Join(dir, "ledger.db") + "?_pragma=recursive_triggers(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.exec("BEGIN; INSERT INTO cosignature SELECT size, '— a line' FROM head"); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"UPDATE head SET note = note || 'a line' || char(10)", "DELETE FROM head", "UPDATE cosignature SET line = 'another'", "DELETE FROM cosignature",
		"UPDATE entry SET record = '{}' WHERE seq = 2", "DELETE FROM entry WHERE seq = 4", "DELETE FROM entry",
		"INSERT INTO entry VALUES(9, 1, '{}', NULL)", "INSERT INTO entry VALUES(4, 1, '{}', NULL)", "INSERT OR REPLACE INTO entry VALUES(2, 1, '{}', NULL)",
		"REPLACE INTO entry VALUES(4, 1, '{}', NULL)", "INSERT INTO entry VALUES(NULL, 1, '{}', NULL)", "INSERT INTO entry VALUES(-1, 1, '{}', NULL)",
		"INSERT INTO entry VALUES(7, 1, '{}', NULL), (9, 1, '{}', NULL)", "UPDATE entry SET sealed = NULL",
		"UPDATE segment SET day = '2020-01-01'", "DELETE FROM segment", "UPDATE meta SET value = 'x'", "DELETE FROM meta",
		"INSERT INTO entry VALUES(5, 'noon', '{}', NULL)", "INSERT INTO entry VALUES(5, 1, '{}', 'text')", "UPDATE carried SET at = 4", "DELETE FROM carried",
	} {
		if err := c.exec(q); err == nil {
			t.Errorf("%s was accepted", q)
		}
	}
	if err := c.exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	verify(t, open(t, dir, ck))
}

func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]string{
		"a record changed":        "UPDATE entry SET record = replace(record, 'resident', 'Resident') WHERE seq = 2",
		"a time changed":          "UPDATE entry SET ts = ts + 1 WHERE seq = 3",
		"an entry removed":        "DELETE FROM entry WHERE seq = 3",
		"a bit of what is sealed": "UPDATE entry SET sealed = CAST(substr(sealed, 1, 20) || x'0001' || substr(sealed, 23) AS BLOB) WHERE seq = 2",
		"what is sealed removed":  "UPDATE entry SET sealed = NULL WHERE seq = 2",
		"it all removed":          "UPDATE entry SET sealed = NULL",
		"something sealed more":   "UPDATE entry SET sealed = zeroblob(60) WHERE seq = 1",
		"that of another":         "UPDATE entry SET sealed = (SELECT sealed FROM entry WHERE seq = 4) WHERE seq = 2",
		"nothing in it":           "UPDATE entry SET sealed = x'' WHERE seq = 2",
		"a row that carries":      "INSERT INTO carried VALUES(1, 2, 4)",
		"a segment renamed":       "UPDATE segment SET day = '2026-11-22'",
		"an entry of other bytes": "UPDATE entry SET record = record || ' ' WHERE seq = 1",
	} {
		t.Run(name, func(t *testing.T) {
			ck := &clock{}
			ck.set("2026-11-23 08:00:00")
			dir := t.TempDir()
			l := open(t, dir, ck)
			for _, id := range []string{"a", "b", "c"} {
				mustAppend(t, l, passage(ck, id, "in", "admit")...)
			}
			l.Close()
			c, err := connect("file:" + filepath.Join(dir, "ledger.db"))
			if err != nil {
				t.Fatal(err)
			}
			for _, tr := range []string{"entry_no_update", "entry_no_delete", "segment_no_update"} {
				if err := c.exec("DROP TRIGGER " + tr); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.exec(q); err != nil {
				t.Fatal(err)
			}
			c.Close()
			if name == "an entry removed" || name == "a time changed" { // at the tail the daemon sees it, too
				l, err := Open(options(dir, ck))
				if err != nil {
					t.Fatal(err)
				}
				if f := l.Fault(); f == nil || !strings.Contains(f.Cause, "entry 3") {
					t.Errorf("opened with fault %+v", f)
				}
				l.Close()
			}
			r, err := file.OpenReader(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			_, err = verifyReader(r, Given{})
			if err == nil {
				t.Error("verify finds nothing")
			}
		})
	}
}

func TestManyProducersShareSyncsAndKeepTheirOrder(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	l := open(t, t.TempDir(), ck)
	var wg sync.WaitGroup
	for p := range 16 {
		wg.Go(func() {
			last := int64(0)
			for i := range 40 {
				id := fmt.Sprintf("p%d-%d", p, i)
				es, err := l.Append(append(passage(ck, id, "in", "admit"), register(ck, id, "in", "admit", "resident"))...)
				if err != nil {
					t.Error(err)
					return
				}
				for j, e := range es {
					if e.Passage != id || e.Seq != es[0].Seq+int64(j) || e.Seq <= last {
						t.Errorf("%s: entry %d of passage %s after %d", id, e.Seq, e.Passage, last)
					}
				}
				last = es[2].Seq
			}
		})
	}
	wg.Wait()
	verify(t, l)
}

func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	l := open(t, t.TempDir(), ck)
	ev := Event{Stamp: ck.now(), Kind: Check, Detail: map[string]string{"x": strings.Repeat("a", entry.MaxRecord-400)}}
	mustAppend(t, l, ev)
	for name, ev := range map[string]Event{
		"too large":   {Stamp: ck.now(), Kind: Check, Detail: map[string]string{"x": strings.Repeat("a", entry.MaxRecord)}},
		"no kind":     {Stamp: ck.now()},
		"kind":        {Stamp: ck.now(), Kind: "Party"},
		"no time":     {Kind: Check},
		"field twice": {Stamp: ck.now(), Kind: Check, Personal: []Field{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}}},
	} {
		if _, err := l.Append(ev); err == nil || errors.Is(err, ErrFault) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Check, Reason: "bad \xff\x00\u2028<&> bytes"})
	verify(t, l)
}

func TestDiskFullIsAFaultThatHeals(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	opt := options(t.TempDir(), ck)
	healed := healing(&opt)
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mustAppend(t, l, passage(ck, "before", "in", "admit")...)
	// A page limit makes SQLite answer SQLITE_FULL as a full disk does; reopening lifts it.
	if err := l.c.Exec("PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	var answered int
	for i := 0; ; i++ {
		ev := register(ck, fmt.Sprint(i), "in", "admit", "resident")
		ev.Detail = map[string]string{"x": strings.Repeat("x", 3000)}
		if _, err = l.Append(ev); err != nil {
			break
		}
		answered++
	}
	if !errors.Is(err, ErrFault) || l.Fault() == nil {
		t.Fatalf("got %v, want a ledger-fault", err)
	}
	if _, err := l.Append(passage(ck, "meanwhile", "in", "admit")...); !errors.Is(err, ErrFault) {
		t.Errorf("in fault: got %v", err)
	}
	<-healed
	es := mustAppend(t, l, passage(ck, "after", "in", "admit")...)
	if want := int64(2 + answered + 1 + 1); es[0].Seq != want {
		t.Errorf("first entry after the outage is %d, want %d", es[0].Seq, want)
	}
	r, _ := file.OpenReader(opt.Dir)
	defer r.Close()
	r.Scan(es[0].Seq-1, es[0].Seq-1, false, func(e *Entry) error {
		if e.Kind != Outage || e.Detail["unknown"] != "1" || e.Detail["kept"] != "0" {
			t.Errorf("after the fault: %s", e.Raw)
		}
		return nil
	})
	verify(t, l)
}

// What was durable before a fault must be there after it, byte for byte, or the file is another's.
func TestAnEntryChangedDuringAFaultIsFound(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	opt := options(t.TempDir(), ck)
	var broken atomic.Bool
	causes := make(chan string, 100)
	opt.OnChange = func(f *Fault) {
		if f == nil {
			causes <- "works again"
			return
		}
		causes <- f.Cause
	}
	opt.Inject = func(string) error {
		if broken.Load() {
			return errors.New("EIO")
		}
		return nil
	}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mustAppend(t, l, register(ck, "a", "in", "refuse", "outsider"))
	broken.Store(true)
	if _, err := l.Append(register(ck, "b", "in", "admit", "resident")); !errors.Is(err, ErrFault) {
		t.Fatalf("got %v", err)
	}
	c, err := connect("file:" + filepath.Join(opt.Dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.exec("DROP TRIGGER entry_no_update"), c.exec("UPDATE entry SET record = replace(record, 'refuse', 'admit')"), c.Close()); err != nil {
		t.Fatal(err)
	}
	broken.Store(false)
	for {
		switch cause := <-causes; {
		case strings.Contains(cause, "entry 1 was recorded before the fault and is not there any more"):
			return
		case cause == "works again":
			t.Fatal("a changed entry was accepted")
		}
	}
}

func TestALedgerThatIsGoneIsNotReplaced(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, passage(ck, "a", "in", "admit")...)
	l.Close()
	path := filepath.Join(dir, "ledger.db")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	for _, make := range []func(){func() {}, func() { os.WriteFile(path, nil, 0o600) }} {
		make()
		opt := options(dir, ck)
		opt.Known = func(string) int64 { return 2 }
		l, err := Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		if f := l.Fault(); f == nil || !strings.Contains(f.Cause, "is gone, and it had 2 entries") {
			t.Errorf("fault %+v", f)
		}
		l.Close()
	}
	// Also where nobody remembers and the anchor is gone: its key has signed tree heads, and must not sign others of the same sizes.
	os.Remove(path)
	os.Remove(file.AnchorOf(path))
	l, err := Open(options(dir, ck))
	if err != nil {
		t.Fatal(err)
	}
	if f := l.Fault(); f == nil || !strings.Contains(f.Cause, "is gone, and it had a key of its own") {
		t.Errorf("fault %+v", f)
	}
	l.Close()
	os.Rename(path+".away", path)
	verify(t, open(t, dir, ck))
}

// Requests that come and go must not put off the recovery (they did).
func TestALongFaultHealsUnderTraffic(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	opt := options(t.TempDir(), ck)
	var broken atomic.Bool
	var tries atomic.Int32
	opt.Inject = func(op string) error {
		if op == "open" {
			tries.Add(1)
		}
		if broken.Load() {
			return errors.New("EIO")
		}
		return nil
	}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	broken.Store(true)
	for tries.Load() < 4 { // the waits have grown to two seconds by now, longer than between two looks at the index
		l.Append(Event{Stamp: ck.now(), Kind: Alive})
		d, _ := newDraft([]Event{{Stamp: ck.now(), Kind: Alive}}, shanghai)
		l.queue <- &request{draft: d, answer: make(chan error, 1)} // as if it had been queued right before the fault
		time.Sleep(5 * time.Millisecond)
	}
	broken.Store(false)
	for deadline := time.Now().Add(time.Minute); l.Fault() != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not heal")
		}
		d, _ := newDraft([]Event{{Stamp: ck.now(), Kind: Alive}}, shanghai)
		l.queue <- &request{draft: d, answer: make(chan error, 1)} // as if it had been queued right before the fault
	}
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Alive})
	verify(t, l)
}

func TestADamagedLedgerIsInFaultAndSaysWhy(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	for i := range 200 {
		mustAppend(t, l, passage(ck, fmt.Sprint(i), "in", "admit")...)
	}
	l.Close()
	path := filepath.Join(dir, "ledger.db")
	b, _ := os.ReadFile(path)
	for i := range b[4096:] {
		b[4096+i] ^= 0x5a
	}
	os.WriteFile(path, b, 0o600)
	l, err := Open(options(dir, ck))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if f := l.Fault(); f == nil {
		t.Fatal("no fault")
	} else if !strings.Contains(f.Cause, path) {
		t.Errorf("the cause does not name the file: %s", f.Cause)
	}
	if _, err := l.Append(Event{Stamp: ck.now(), Kind: Start}); !errors.Is(err, ErrFault) {
		t.Errorf("got %v", err)
	}
}

// A daemon goes by the name that the ledger has; a command is told.
func TestAnotherGatesLedgerIsRefused(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	open(t, dir, ck).Close()
	opt := options(dir, ck)
	opt.Origin, opt.Command = "west-gate", true
	if _, err := Open(opt); err == nil || !strings.Contains(err.Error(), `"east-gate"`) {
		t.Errorf("got %v", err)
	}
}

func TestClosedAndBusyLedgersSaySo(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	l := open(t, t.TempDir(), ck)
	l.Close()
	if _, err := l.Append(Event{Stamp: ck.now(), Kind: Stop}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
	busy := &Ledger{queue: make(chan *request), quit: make(chan struct{})}
	busy.zone.Store(shanghai)
	if _, err := busy.Append(Event{Stamp: ck.now(), Kind: Alive}); !errors.Is(err, ErrBusy) {
		t.Errorf("busy: got %v", err)
	}
}

// TestCloseLosesNoAnswer: what is answered as not recorded is not there, and the other way round, also of those who append
// while the ledger is closed.
func TestCloseLosesNoAnswer(t *testing.T) {
	t.Parallel()
	for range sample(40, 10) {
		ck := &clock{}
		ck.set("2026-11-25 08:00:00")
		dir := t.TempDir()
		l := open(t, dir, ck)
		var kept atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 8 {
			wg.Go(func() {
				<-start
				for {
					switch _, err := l.Append(Event{Stamp: ck.now(), Kind: Alive}); {
					case err == nil:
						kept.Add(1)
					case errors.Is(err, ErrClosed):
						return
					default:
						t.Error(err)
						return
					}
				}
			})
		}
		close(start)
		for kept.Load() < 20 && !t.Failed() {
			runtime.Gosched()
		}
		l.Close()
		wg.Wait()
		r, err := file.OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		n, err := r.Size()
		if err := errors.Join(err, r.Close()); err != nil || n != kept.Load() {
			t.Fatalf("%d entries, %d answered as kept, %v", n, kept.Load(), err)
		}
	}
}

func hash(record string) string {
	sum := sha256.Sum256([]byte(record))
	return hex.EncodeToString(sum[:])
}

// The write-ahead log does not grow under traffic, and a clean end leaves none.
func TestTheLogHasItsLengthFromTheStart(t *testing.T) {
	t.Parallel()
	ck, dir := &clock{}, t.TempDir()
	ck.set("2026-11-20 08:00:00")
	l := open(t, dir, ck)
	size := file.Length(l.path + "-wal")
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Start})
	for i := range 2 * checkpointEvery {
		mustAppend(t, l, passage(ck, fmt.Sprint("p", i), "in", "admit")...)
		if n := file.Length(l.path + "-wal"); n != size {
			t.Fatalf("after %d passages it has %d bytes, and had %d", i+1, n, size)
		}
	}
	l.Close()
	if n := file.Length(l.path + "-wal"); n != 0 {
		t.Errorf("a log of %d bytes is left", n)
	}
}

// A view that counts for ever, or hides a tree head, is none of ours; a cosignature stands with its head.
func TestAForeignSchemaIsRefused(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"DROP VIEW cosigned; CREATE VIEW cosigned AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n AS size, 'x' AS note, NULL AS leaves FROM r WHERE n < 0": `"cosigned" in its schema`,
		"DROP VIEW cosigned": `"cosigned" is missing`,
		"CREATE TRIGGER more AFTER INSERT ON entry BEGIN SELECT 1; END": `"more" in its schema`,
		"CREATE TABLE more(x)": `"more" in its schema`,
		"DROP TRIGGER meta_no_update; UPDATE meta SET value = -1 WHERE key = 'epoch'": `epoch "-1"`,
	} {
		ck, dir := &clock{}, t.TempDir()
		ck.set("2026-11-23 08:00:00")
		l := open(t, dir, ck)
		mustAppend(t, l, passage(ck, "a", "in", "admit")...)
		l.Close()
		c, err := connect("file:" + filepath.Join(dir, "ledger.db"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.exec(sql), c.Close()); err != nil {
			t.Fatal(sql, err)
		}
		if _, err := file.OpenReader(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: read with %v", sql, err)
		}
		l, err = Open(options(dir, ck))
		if err != nil {
			t.Fatal(err)
		}
		if f := l.Fault(); f == nil || !strings.Contains(f.Cause, want) {
			t.Errorf("%s: opened with %+v", sql, f)
		}
		l.Close()
	}
}
