// Package registertest gives tests a ledger with the register that follows it, and a day at the gate to write into it.
package registertest

import (
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gated/ledger"
	"gated/register"
	"gated/register/byhand"
)

var Shanghai, _ = time.LoadLocation("Asia/Shanghai")

// Clock is a settable time that moves on by a millisecond at each look.
type Clock struct {
	mu   sync.Mutex
	Time time.Time // under mu, once it is in use
}

func (c *Clock) Now() ledger.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Time = c.Time.Add(time.Millisecond)
	return ledger.Stamp{Time: c.Time, Boot: "b00t", Mono: time.Duration(c.Time.UnixNano() % 1e15), Trusted: true}
}

func (c *Clock) Set(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Time = At(s)
}

// At is a time of the gate's zone.
func At(s string) time.Time {
	t, err := time.ParseInLocation(time.DateTime, s, Shanghai)
	if err != nil {
		panic(err)
	}
	return t
}

// Box is a ledger with the register that follows it.
type Box struct {
	*ledger.Ledger
	Register *register.Register
	Dir      string
}

// Close ends both, as a daemon does.
func (b *Box) Close() {
	b.Ledger.Close()
	b.Register.Close()
}

// Open opens both in a state directory, with what set changes of the ledger's options, and closes them at the end of the test.
func Open(t testing.TB, dir string, ck *Clock, set ...func(*ledger.Options)) *Box {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	reg, err := register.New(register.Options{Dir: dir, Key: []byte("k"), Now: ck.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	opt := ledger.Options{Hangs: time.Minute, Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: ck.Now, Log: log,
		Known: reg.Known, Follow: reg.Follow, Recovered: reg.Recovered}
	for _, set := range set {
		set(&opt)
	}
	l, err := ledger.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	if f := l.Fault(); f != nil {
		t.Fatal(f.Cause)
	}
	b := &Box{l, reg, dir}
	reg.Start(l)
	t.Cleanup(b.Close)
	return b
}

// Passage is the check and the query of one.
func Passage(ck *Clock, id, direction, verdict string) []ledger.Event {
	s := ck.Now()
	return []ledger.Event{
		{Stamp: s, Kind: register.Check, Passage: id, Lane: direction, Direction: direction, Credential: "gated-pass", Proof: "signed", Reason: "ok"},
		{Stamp: s, Kind: register.Query, Passage: id, Lane: direction, Direction: direction, Class: "resident", Verdict: verdict, Reason: "resident", Rule: "residents",
			Personal: []ledger.Field{{Name: "subject", Value: "r-" + id}, {Name: "household", Value: "3-2-501"}, {Name: "name", Value: "王小明"}}},
	}
}

// Decided is what was decided about it.
func Decided(ck *Clock, id, direction, verdict, reason string) ledger.Event {
	return ledger.Event{Stamp: ck.Now(), Kind: register.Decided, Passage: id, Lane: direction, Direction: direction, Class: "resident", Verdict: verdict, Reason: reason, By: "machine",
		Personal: []ledger.Field{{Name: "subject", Value: "r-" + id}, {Name: "household", Value: "3-2-501"}}}
}

type appender interface {
	Append(events ...ledger.Event) ([]ledger.Entry, error)
}

func MustAppend(t testing.TB, l appender, events ...ledger.Event) []ledger.Entry {
	t.Helper()
	entries, err := l.Append(events...)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// Many appends n entries of no passage.
func Many(t testing.TB, l appender, ck *Clock, n int) {
	t.Helper()
	for n > 0 {
		events := make([]ledger.Event, min(n, 256))
		for i := range events {
			events[i] = ledger.Event{Stamp: ck.Now(), Kind: register.Alive}
		}
		MustAppend(t, l, events...)
		n -= len(events)
	}
}

// StartOf is the start entry as the gate writes it.
func StartOf(b *Box, ck *Clock) ledger.Event {
	m := b.Meta()
	return ledger.Event{Stamp: ck.Now(), Kind: ledger.Start, By: "machine", Detail: map[string]string{"gate": m.Gate, "time_zone": m.TimeZone, "master": m.Master}}
}

// Diary appends: say an event of a time, and opening that a guard opens a lane for a time, of which tell tells the rest.
func Diary(t testing.TB, l appender, ck *Clock) (say func(when string, ev ledger.Event) ledger.Entry,
	opening func(when, lane, reason string) (tell func(when, reason, heads string))) {
	say = func(when string, ev ledger.Event) ledger.Entry {
		t.Helper()
		ck.Set(when)
		ev.Stamp = ck.Now()
		return MustAppend(t, l, ev)[0]
	}
	return say, func(when, lane, reason string) (tell func(when, reason, heads string)) {
		e := say(when, ledger.Event{Kind: register.ByHand, Lane: lane, Direction: lane, Reason: reason})
		o := byhand.Of(&e)
		return func(when, reason, heads string) { say(when, o.Told(ledger.Stamp{}, reason, heads)) }
	}
}

// Unlocked opens the file of a ledger for somebody who means to change it, with all that keeps it from being changed taken away.
func Unlocked(t testing.TB, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var drop string
	err = db.QueryRow("SELECT coalesce(group_concat('DROP TRIGGER ' || name, ';'), '') FROM sqlite_schema WHERE type = 'trigger'").Scan(&drop)
	if err == nil {
		_, err = db.Exec(drop)
	}
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Sample is how often a long test does what it does: all times in make faults, some in make test.
func Sample(all, some int) int {
	if os.Getenv("FAULTS") == "all" {
		return all
	}
	return some
}
