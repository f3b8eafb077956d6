package evidence

import (
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"gated/ledger"
	"gated/register"
)

type (
	Event = ledger.Event
	Entry = ledger.Entry
	Field = ledger.Field
	Stamp = ledger.Stamp
)

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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = at(s)
}

func at(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, shanghai)
	if err != nil {
		panic(err)
	}
	return t
}

// box is a ledger with the register that follows it.
type box struct {
	*ledger.Ledger
	reg *register.Register
}

// Close ends both, as a daemon does.
func (b *box) Close() {
	b.Ledger.Close()
	b.reg.Close()
}

func open(t testing.TB, dir string, ck *clock) *box {
	t.Helper()
	return openWith(t, dir, ck, func(*ledger.Options) {})
}

func openWith(t testing.TB, dir string, ck *clock, set func(*ledger.Options)) *box {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	reg, err := register.New(register.Options{Dir: dir, Key: []byte("k"), Now: ck.now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	opt := ledger.Options{Hangs: time.Minute, Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: ck.now, Log: log,
		Known: reg.Known, Follow: reg.Follow, Recovered: reg.Recovered}
	set(&opt)
	l, err := ledger.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	if f := l.Fault(); f != nil {
		t.Fatal(f.Cause)
	}
	b := &box{l, reg}
	reg.Start(l)
	t.Cleanup(b.Close)
	return b
}

func passage(ck *clock, id, direction, verdict string) []Event {
	s := ck.now()
	return []Event{
		{Stamp: s, Kind: register.Check, Passage: id, Lane: direction, Direction: direction, Credential: "gated-pass", Proof: "signed", Reason: "ok"},
		{Stamp: s, Kind: register.Query, Passage: id, Lane: direction, Direction: direction, Class: "resident", Verdict: verdict, Reason: "resident", Rule: "residents",
			Personal: []Field{{Name: "subject", Value: "r-" + id}, {Name: "household", Value: "3-2-501"}, {Name: "name", Value: "王小明"}}},
	}
}

func decided(ck *clock, id, direction, verdict, reason string) Event {
	return Event{Stamp: ck.now(), Kind: register.Decided, Passage: id, Lane: direction, Direction: direction, Class: "resident", Verdict: verdict, Reason: reason, By: "machine",
		Personal: []Field{{Name: "subject", Value: "r-" + id}, {Name: "household", Value: "3-2-501"}}}
}

func mustAppend(t testing.TB, b *box, ev ...Event) []Entry {
	t.Helper()
	es, err := b.Append(ev...)
	if err != nil {
		t.Fatal(err)
	}
	return es
}
