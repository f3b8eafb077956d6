package box

import (
	"io"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
)

// A restored box counts the trips that the box before counted, over as many days as its level does, also where its clock was corrected.
func TestTripsAreCarriedOverACorrectionOfTheClock(t *testing.T) {
	t.Parallel()
	for _, window := range []int{1, 2} {
		t.Run(strconv.Itoa(window), func(t *testing.T) { carryTrips(t, window) })
	}
}

func carryTrips(t *testing.T, window int) {
	dir := t.TempDir()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, zone)
	stamp := func(shift time.Duration) ledger.Stamp {
		return ledger.Stamp{Time: now.Add(shift), Boot: "b00t", Mono: time.Hour, Trusted: true}
	}
	l, err := ledger.Open(ledger.Options{Hangs: time.Minute, Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai",
		Now: func() ledger.Stamp { return stamp(0) }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	const far = 400 * 24 * time.Hour
	for _, ev := range []ledger.Event{
		{Stamp: stamp(-100 * 24 * time.Hour), Kind: ledger.Start, Detail: map[string]string{register.TripDays: strconv.Itoa(window)}},
		{Stamp: stamp(0), Kind: register.Decided, Passage: "a", Direction: "out", Class: "resident", Verdict: "admit", Personal: []ledger.Field{{Name: "subject", Value: "r-1"}, {Name: "household", Value: "3-2-501"}}},
		{Stamp: stamp(far), Kind: register.Decided, Passage: "b", Direction: "out", Class: "resident", Verdict: "admit", Personal: []ledger.Field{{Name: "subject", Value: "r-2"}, {Name: "household", Value: "3-2-502"}}},
		{Stamp: stamp(time.Minute), Kind: register.Clock, Reason: "clock-corrected"},
	} {
		if _, err := l.Append(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	both, second := []string{"3-2-501 2026-11-23", "3-2-502 2026-11-24"}, []string{"3-2-502 2026-11-24"}
	for _, c := range map[int][]struct {
		days int
		want []string
	}{1: {{0, both}, {1, second}, {2, nil}, {300, nil}}, 2: {{0, both}, {1, both}, {2, second}, {3, nil}}}[window] {
		trips, err := tripsThatCount(old, now.AddDate(0, 0, c.days))
		var got []string
		for _, ev := range trips {
			got = append(got, ev.Personal[0].Value+" "+ev.Detail["day"])
		}
		if err != nil || len(got) != len(c.want) {
			t.Errorf("%d days later: %q, %v, want %q", c.days, got, err, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%d days later: %q, want %q", c.days, got, c.want)
			}
		}
	}
}
