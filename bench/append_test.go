package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gated/ledger"
	"gated/register"
)

// event is what one turn hands to a store: the ledger takes it as events, the others as the bytes of its record.
type event struct {
	events []ledger.Event
	record []byte
}

// store is a ledger or one of its peers. append returns when the event would survive a power cut; calls may overlap.
type store interface {
	append(e event) error
	Close() error
}

// peer is a store to compare with. Each registers itself in a file of its own, which a build tag leaves out where its
// module cannot be had.
type peer struct {
	name string
	open func(dir string) (store, error)
}

var peers []peer

var passages atomic.Int64

// newEvents returns the check, query and register events of a new passage as the gate writes them, in the sizes of a day at a gate.
func newEvents() []ledger.Event {
	now := ledger.Stamp{Time: time.Now(), Boot: "d298ec32-5b6c-4681-a94f-77b1023f508e", Mono: time.Since(began), Trusted: true}
	id := fmt.Sprintf("p%015d", passages.Add(1))
	ev := ledger.Event{Stamp: now, Kind: register.Check, Passage: id, Lane: "in", Direction: "in", Class: "resident", Credential: "gated-pass", Proof: "signed",
		Reason: "ok", Policy: "ab5099044bfd73f570708624a4c60c51", Roster: "766b648b4e8ed4e1", By: "machine"}
	query, decided := ev, ev
	query.Kind, query.Verdict, query.Reason, query.Rule, query.Detail = register.Query, "admit", "resident", "residents", map[string]string{"known": "yes", "level": "guarded"}
	decided.Kind, decided.Verdict, decided.Reason, decided.Rule = register.Decided, "admit", "resident", "residents"
	return []ledger.Event{ev, query, decided}
}

var began = time.Now()

func one() event { return event{events: newEvents()[:1], record: record} }

func withPersonal() event {
	e := one()
	e.events[0].Personal = []ledger.Field{{Name: "subject", Value: "r-7f3k2m9q"}, {Name: "household", Value: "3-2-501"}, {Name: "name", Value: "王小明"},
		{Name: "id_number", Value: "11010519491231002X"}, {Name: "phone", Value: "13800138000"}, {Name: "code", Value: "9f86d081884c7d659a2feaa0c55ad015"}}
	return e
}

func passage() event { return event{events: newEvents()} }

// passageAtGate has the personal fields that the gate keeps of a resident's passage.
func passageAtGate() event {
	e := passage()
	who := []ledger.Field{{Name: "subject", Value: "r-7f3k2m9q"}, {Name: "household", Value: "3-2-501"}}
	e.events[0].Personal = []ledger.Field{{Name: "code", Value: "9f86d081884c7d659a2feaa0c55ad015"}, {Name: "serial", Value: "8f14e45fceea167a"}}
	e.events[1].Personal = append([]ledger.Field{{Name: "name", Value: "王小明"}}, who...)
	e.events[2].Personal = who
	return e
}

// line encodes an event as the ledger's record, numbered.
func line(seq int64, e *ledger.Event) []byte {
	raw, err := json.Marshal(&ledger.Record{V: 1, Seq: seq, Time: e.Time.Format("2006-01-02T15:04:05.000000Z07:00"), Boot: e.Boot, Mono: e.Mono.Microseconds(), Clock: "trusted",
		Kind: e.Kind, Passage: e.Passage, Lane: e.Lane, Direction: e.Direction, Class: e.Class, Credential: e.Credential, Proof: e.Proof,
		Verdict: e.Verdict, Reason: e.Reason, Rule: e.Rule, Policy: e.Policy, Roster: e.Roster, By: e.By, Detail: e.Detail})
	if err != nil {
		panic(err)
	}
	return append(raw, '\n')
}

// record is what the peers keep: the bytes of one record, encoded beforehand.
var record = line(1_000_000, &newEvents()[0])

// gated is the product, as the daemon uses it.
type gated struct{ l *ledger.Ledger }

func openGated(dir string) (store, error) {
	l, err := ledger.Open(ledger.Options{Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Log: slog.New(slog.DiscardHandler),
		Now: func() ledger.Stamp { return ledger.Stamp{Time: time.Now(), Mono: time.Since(began), Trusted: true} }})
	if err != nil {
		return nil, err
	}
	if f := l.Fault(); f != nil {
		l.Close()
		return nil, fmt.Errorf("the ledger is in fault: %s", f.Cause)
	}
	// As the daemon does: a process without a start entry signs with each commit.
	if _, err := l.Append(ledger.Event{Stamp: ledger.Stamp{Time: time.Now(), Mono: time.Since(began), Trusted: true}, Kind: ledger.Start}); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return gated{l}, nil
}

func (g gated) append(e event) error { _, err := g.l.Append(e.events...); return err }
func (g gated) Close() error         { return g.l.Close() }

// floor appends 512 bytes and syncs: no store that answers durably can do less.
type floor struct{ f *os.File }

func create(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

func openFloor(dir string) (store, error) { f, err := create(dir); return floor{f}, err }

var block = []byte(strings.Repeat("x", 512))

func (f floor) append(event) error {
	if _, err := f.f.Write(block); err != nil {
		return err
	}
	return unix.Fdatasync(int(f.f.Fd()))
}
func (f floor) Close() error { return f.f.Close() }

// group gives a store without a group commit of its own the ledger's: one writer that takes what is queued, up to 256,
// commits it at once and then answers all.
type group struct {
	queue  chan waiting
	done   chan error
	finish func() error
}

type waiting struct {
	event
	answer chan error
}

func newGroup(commit func([]event) error, finish func() error) *group {
	g := &group{queue: make(chan waiting, 256), done: make(chan error, 1), finish: finish}
	go func() {
		var events []event
		var answers []chan error
		for w := range g.queue {
			events, answers = append(events[:0], w.event), append(answers[:0], w.answer)
			for more := true; more && len(events) < 256; {
				select {
				case w, ok := <-g.queue:
					if more = ok; ok {
						events, answers = append(events, w.event), append(answers, w.answer)
					}
				default:
					more = false
				}
			}
			err := commit(events)
			for _, a := range answers {
				a <- err
			}
		}
		g.done <- nil
	}()
	return g
}

func (g *group) append(e event) error {
	w := waiting{e, make(chan error, 1)}
	g.queue <- w
	return <-w.answer
}

func (g *group) Close() error { close(g.queue); <-g.done; return g.finish() }

// openLines is a log as one would write it without a database: the writer numbers and encodes the events as JSON Lines
// and syncs once for all that wait.
func openLines(dir string) (store, error) {
	f, err := create(dir)
	if err != nil {
		return nil, err
	}
	var seq int64
	var buf []byte
	return newGroup(func(batch []event) error {
		buf = buf[:0]
		for _, e := range batch {
			for i := range e.events {
				seq++
				buf = append(buf, line(seq, &e.events[i])...)
			}
		}
		if _, err := f.Write(buf); err != nil {
			return err
		}
		return unix.Fdatasync(int(f.Fd()))
	}, f.Close), nil
}

// openBytes is the ceiling: lines encoded beforehand, neither numbered nor timed.
func openBytes(dir string) (store, error) {
	f, err := create(dir)
	if err != nil {
		return nil, err
	}
	var buf []byte
	return newGroup(func(batch []event) error {
		buf = buf[:0]
		for _, e := range batch {
			buf = append(buf, e.record...)
		}
		if _, err := f.Write(buf); err != nil {
			return err
		}
		return unix.Fdatasync(int(f.Fd()))
	}, f.Close), nil
}

// scratch makes a directory on a real disk: the usual place for temporary files is memory on many machines, where a sync costs nothing.
func scratch(b *testing.B) string {
	base := os.Getenv("BENCH_DIR")
	if base == "" {
		base = "/var/tmp"
	}
	var st unix.Statfs_t
	if err := unix.Statfs(base, &st); err != nil {
		b.Fatalf("%s: %v: name a directory on the disk to measure with BENCH_DIR", base, err)
	}
	if st.Type == unix.TMPFS_MAGIC {
		b.Fatalf("%s is in memory: name a directory on the disk to measure with BENCH_DIR", base)
	}
	dir, err := os.MkdirTemp(base, "gated-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func quantile(x []float64, q float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(x))
	at := q * float64(len(s)-1)
	return (s[int(math.Floor(at))] + s[int(math.Ceil(at))]) / 2
}

// variant is one side of a comparison.
type variant struct {
	name  string
	open  func(dir string) (store, error)
	event func() event
	store string // variants of one store share it
}

// BenchmarkOne compares one producer's wait for a durable event. The variants take turns, in random order, so
// that all of them see the same disk; each ratio is the median over the turns.
func BenchmarkOne(b *testing.B) {
	variants := []variant{{"floor", openFloor, one, "floor"}, {"event", openGated, one, "gated"}, {"personal", openGated, withPersonal, "gated"},
		{"passage", openGated, passage, "gated"}, {"passage-personal", openGated, passageAtGate, "gated"}}
	for _, p := range peers {
		variants = append(variants, variant{p.name, p.open, one, p.name})
	}
	const turn = 25 * time.Millisecond
	turns := 160
	if testing.Short() {
		turns = 8
	}
	stores := openAll(b, variants)
	all := make([][]float64, len(variants))     // µs
	medians := make([][]float64, len(variants)) // µs, a turn each
	for t := range turns + 1 {
		for _, i := range rand.Perm(len(variants)) {
			var lat []float64
			for start := time.Now(); time.Since(start) < turn; {
				e := variants[i].event()
				at := time.Now()
				must(b, stores[i].append(e))
				lat = append(lat, float64(time.Since(at).Nanoseconds())/1e3)
			}
			if t > 0 { // the first turn warms up
				all[i] = append(all[i], lat...)
				medians[i] = append(medians[i], quantile(lat, .5))
			}
		}
	}
	for i, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(quantile(all[i], .5), "p50-us")
			b.ReportMetric(quantile(all[i], .99), "p99-us")
			b.ReportMetric(quantile(all[i], .999), "p99.9-us")
			b.ReportMetric(over(medians[i], medians[0]), "p50/floor")
			b.ReportMetric(quantile(all[i], .99)/quantile(all[0], .99), "p99/floor")
			b.ReportMetric(over(medians[i], medians[1]), "p50/event")
			b.ReportMetric(over(medians[1], medians[i]), "event/p50")
			b.ReportMetric(float64(len(all[i])), "samples")
		})
	}
}

// over is the median of the turns' ratios.
func over(x, y []float64) float64 {
	r := make([]float64, min(len(x), len(y)))
	for i := range r {
		r[i] = x[i] / y[i]
	}
	return quantile(r, .5)
}

func openAll(b *testing.B, variants []variant) []store {
	dir, opened := scratch(b), map[string]store{}
	stores := make([]store, len(variants))
	for i, v := range variants {
		if opened[v.store] == nil {
			d := filepath.Join(dir, v.store)
			must(b, os.Mkdir(d, 0o700))
			s, err := v.open(d)
			if err != nil {
				b.Fatalf("open %s: %v", v.store, err)
			}
			b.Cleanup(func() { must(b, s.Close()) })
			opened[v.store] = s
		}
		stores[i] = opened[v.store]
	}
	return stores
}

// BenchmarkProducers compares 64 producers that each wait for their own event.
func BenchmarkProducers(b *testing.B) {
	variants := []variant{{"lines", openLines, one, "lines"}, {"gated", openGated, one, "gated"}, {"bytes", openBytes, one, "bytes"}}
	for _, p := range peers {
		variants = append(variants, variant{p.name, p.open, one, p.name})
	}
	const producers, turn = 64, 400 * time.Millisecond
	turns := 12
	if testing.Short() {
		turns = 2
	}
	stores := openAll(b, variants)
	rates := make([][]float64, len(variants)) // events/s, a turn each
	lats := make([][]float64, len(variants))  // µs
	for t := range turns + 1 {
		for _, i := range rand.Perm(len(variants)) {
			runtime.GC() // nobody pays for another's garbage
			var wg sync.WaitGroup
			own := make([][]float64, producers)
			start := time.Now()
			for p := range producers {
				wg.Go(func() {
					for time.Since(start) < turn {
						at := time.Now()
						if err := stores[i].append(variants[i].event()); err != nil {
							b.Error(err)
							return
						}
						own[p] = append(own[p], float64(time.Since(at).Nanoseconds())/1e3)
					}
				})
			}
			wg.Wait()
			if lat := slices.Concat(own...); t > 0 {
				rates[i] = append(rates[i], float64(len(lat))/time.Since(start).Seconds())
				lats[i] = append(lats[i], lat...)
			}
		}
	}
	for i, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(quantile(rates[i], .5), "events/s")
			b.ReportMetric(over(rates[i], rates[0]), "rate/lines")
			b.ReportMetric(over(rates[1], rates[i]), "gated/rate")
			b.ReportMetric(quantile(lats[i], .99), "p99-us")
		})
	}
}
