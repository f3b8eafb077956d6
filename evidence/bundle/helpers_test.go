package bundle

import (
	"database/sql"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gated/ledger"
	"gated/register"

	_ "modernc.org/sqlite"
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

// many appends n entries.
func many(t testing.TB, l *box, ck *clock, n int) {
	t.Helper()
	for n > 0 {
		events := make([]ledger.Event, min(n, 256))
		for i := range events {
			events[i] = ledger.Event{Stamp: ck.now(), Kind: register.Alive}
		}
		mustAppend(t, l, events...)
		n -= len(events)
	}
}

// startOf is the start entry as the gate writes it.
func startOf(l *box, ck *clock) ledger.Event {
	m := l.Meta()
	return ledger.Event{Stamp: ck.now(), Kind: ledger.Start, By: "machine", Detail: map[string]string{"gate": m.Gate, "time_zone": m.TimeZone}}
}

// database is the file of a ledger in the hands of somebody who means to change it.
type database struct{ *sql.DB }

// unlocked opens the ledger of a state directory with all that keeps it from being changed taken away.
func unlocked(t testing.TB, dir string) database {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	c := database{db}
	for _, name := range []string{"meta_no_update", "personal_only_erased"} {
		if err := c.exec("DROP TRIGGER IF EXISTS " + name); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c database) exec(q string, args ...any) error {
	_, err := c.Exec(q, args...)
	return err
}

// sample is how often a long test does what it does: all times in make faults, some in make test.
func sample(all, some int) int {
	if os.Getenv("FAULTS") == "all" {
		return all
	}
	return some
}
