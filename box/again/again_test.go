package again

import (
	"log/slog"
	"maps"
	"testing"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/visits"
)

// In a new epoch those visits go on that last, as often used as they were, wherever they were told of last; the others do not.
func TestWhichVisitsGoOnInANewEpoch(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 8*3600)
	at := func(s string) time.Time {
		moment, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	var stamp ledger.Stamp
	dir := t.TempDir()
	l, err := ledger.Open(ledger.Options{Hangs: time.Minute, Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai",
		Now: func() ledger.Stamp { return stamp }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	add := func(ev ledger.Event) {
		ev.Stamp = stamp
		if _, err := l.Append(ev); err != nil {
			t.Fatal(err)
		}
	}
	made := func(id, reason, until string, more map[string]string) {
		d := map[string]string{visits.ID: id, visits.Until: at(until).Format(time.RFC3339), visits.Entries: "9"}
		maps.Copy(d, more)
		add(ledger.Event{Kind: register.Visit, Reason: reason, Class: "visitor", Detail: d, Personal: []ledger.Field{{Name: "host", Value: "3-2-501"}, {Name: "digits", Value: "123456"}}})
	}
	comes := func(id string) {
		add(ledger.Event{Kind: register.Decided, Passage: id, Direction: "in", Class: "visitor", Verdict: "admit", Detail: map[string]string{visits.ID: id}})
	}
	on := func(day string) { stamp = ledger.Stamp{Time: at(day + " 08:00"), Trusted: true} }
	on("2026-09-01")
	made("long ago", visits.Announced, "2026-12-01 00:00", nil)
	made("again", visits.Standing, "2027-06-01 00:00", nil)
	made("over", visits.Announced, "2026-10-01 00:00", nil)
	comes("long ago")
	comes("again")
	comes("over")
	on("2026-11-01")
	made("again", visits.Standing, "2027-06-01 00:00", map[string]string{visits.Again: "2", visits.Used: "1", visits.UsedOn: "2026-09-01", visits.Inside: "1"})
	on("2026-11-23")
	comes("again")
	comes("long ago")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	in, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	type counts struct{ used, usedOn, inside string }
	inside, again := counts{"2", "", "2"}, counts{"1", "2026-11-23", "2"}
	for when, want := range map[string]map[string]counts{
		"2026-11-23 09:00": {"long ago": inside, "again": again},
		"2026-12-01 11:59": {"long ago": inside, "again": again}, // who was due out at midnight
		"2026-12-01 12:00": {"again": again},
		"2027-06-01 12:00": {},
		"2030-01-01 00:00": {},
	} {
		events, err := Lasting(in, at(when))
		got := map[string]counts{}
		for _, ev := range events {
			got[ev.Detail[visits.ID]] = counts{ev.Detail[visits.Used], ev.Detail[visits.UsedOn], ev.Detail[visits.Inside]}
			if ev.Personally("host") == "" || ev.Personally("digits") == "" || ev.By != "machine" {
				t.Errorf("at %s: %+v", when, ev)
			}
		}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("at %s: %v, %v, want %v", when, got, err, want)
		}
	}
}
