package box

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gated/clock"
	"gated/gate"
	"gated/ledger"
	"gated/register"
	"gated/register/erasure"
	"gated/register/hosts"
)

// What a host says stays so when all older days are erased, and ends when what is erased is theirs.
func TestWhatAHostSaysOutlastsTheErasureOfItsDay(t *testing.T) {
	t.Parallel()
	dir := site(t)
	var shift atomic.Int64
	from := clock.System()
	wall := from.Wall
	from.Wall = func() time.Time { return wall().Add(time.Duration(shift.Load())) }
	from.Synced = func() bool { return true }
	b, stop := daemonAt(t, dir, from)
	defer stop()
	seq, err := InstructHost.do(t.Context(), b, "clerk", gate.Hosting{Room: "1栋1单元101", What: hosts.AlwaysAdmit, Name: "周访"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := InstructHost.do(t.Context(), b, "clerk", gate.Hosting{Room: "9-9-999", What: hosts.NoVisitors}); !errors.As(err, new(No)) {
		t.Errorf("a room that is not there: %v", err)
	}
	if _, err := HostInstructions.do(t.Context(), b, "clerk", ""); err == nil {
		t.Error("nobody said why they look")
	}
	shift.Store(int64(23 * time.Hour))
	for b.Gate.View().Now.Format(time.DateOnly) == time.Now().In(b.Ledger.Zone()).Format(time.DateOnly) {
		shift.Add(int64(time.Hour))
	}
	if _, err := Erase.do(t.Context(), b, "clerk", Erasure{erasure.Selection{Before: "today"}, "end of the measure"}); err != nil {
		t.Fatal(err)
	}
	list, err := HostInstructions.do(t.Context(), b, "clerk", "a complaint")
	if err != nil || len(list) != 1 || list[0].Entry <= seq || list[0].Host != "1-1-101" || list[0].Name != "周访" || list[0].What != hosts.AlwaysAdmit {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := Erase.do(t.Context(), b, "clerk", Erasure{erasure.Selection{Seq: list[0].Entry}, "as they asked"}); err != nil {
		t.Fatal(err)
	}
	b.Register.View(func(s *register.State) {
		if len(s.Hosts) != 0 {
			t.Errorf("%+v", s.Hosts)
		}
	})
}

func TestWhatHostsSayIsToldInANewEpoch(t *testing.T) {
	t.Parallel()
	var said []ledger.Event
	for _, ev := range []ledger.Event{
		{Reason: hosts.NoVisitors, Personal: []ledger.Field{{Name: "host", Value: "3-2-501"}}},
		{Reason: hosts.CallFirst, Personal: []ledger.Field{{Name: "host", Value: "office"}}},
		{Reason: hosts.Ended, Ref: 2},
		{Reason: hosts.NoVisitors}, // nobody's
	} {
		ev.Stamp, ev.Kind = ledger.Stamp{Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}, register.Host
		said = append(said, ev)
	}
	_, events, err := carry(ledgerOf(t, said), time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC))
	if err != nil || len(events) != 1 || events[0].Kind != register.Host || events[0].Reason != hosts.NoVisitors || events[0].Detail["entry"] != "1" || events[0].Personally("host") != "3-2-501" {
		t.Errorf("%+v, %v", events, err)
	}
}
