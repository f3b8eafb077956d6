package evidence

import (
	"gated/register/registertest"
	"testing"

	"gated/ledger"
	"gated/register"

	"github.com/google/go-cmp/cmp"
)

func TestGapsOfWatching(t *testing.T) {
	ck := &registertest.Clock{}
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	say := func(when string, k ledger.Kind, detail ...string) {
		ck.Set(when)
		ev := ledger.Event{Stamp: ck.Now(), Kind: k}
		if k == ledger.Outage {
			ev.Reason = "ledger-fault"
			ev.Detail = map[string]string{"from": registertest.At(detail[0]).Format("2006-01-02T15:04:05.000000Z07:00"), "to": registertest.At(detail[1]).Format("2006-01-02T15:04:05.000000Z07:00")}
		}
		registertest.MustAppend(t, l, ev)
	}
	say("2026-11-20 09:00:00", ledger.Start)
	say("2026-11-20 10:00:00", register.Alive)
	say("2026-11-20 11:00:00", ledger.Stop)
	say("2026-11-20 12:00:00", ledger.Start) // stopped in between
	say("2026-11-20 13:00:00", register.Alive)
	say("2026-11-20 13:30:00", ledger.Start) // power lost some time after 13:00
	say("2026-11-20 14:00:00", ledger.Outage, "2026-11-20 13:40:00", "2026-11-20 14:00:00")
	say("2026-11-20 17:00:00", register.Alive)                                              // three hours without a word
	say("2026-11-20 20:00:00", ledger.Outage, "2026-11-20 19:00:00", "2026-11-20 20:00:00") // and two more before it
	say("2026-11-20 22:00:00", ledger.Stop)                                                 // and two before the end
	say("2026-11-20 22:30:00", register.Roster)                                             // changed while stopped
	say("2026-11-22 08:00:00", ledger.Start)                                                // off for a night, a day and a night
	say("2026-11-22 09:00:00", register.Alive)
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	gap := func(from, to, cause string) string { return from + " " + to + " " + cause }
	for _, c := range []struct {
		day, now string
		want     []string
	}{
		{"2026-11-19", "2026-11-30 00:00:00", []string{gap("19 00:00", "20 00:00", "not-installed")}},
		{"2026-11-20", "2026-11-30 00:00:00", []string{gap("20 00:00", "20 09:00", "not-installed"), gap("20 11:00", "20 12:00", "stopped"),
			gap("20 13:00", "20 13:30", "not-stopped"), gap("20 13:40", "20 14:00", "ledger-fault"), gap("20 14:00", "20 17:00", "silent"),
			gap("20 17:00", "20 19:00", "silent"), gap("20 19:00", "20 20:00", "ledger-fault"), gap("20 20:00", "20 22:00", "silent"), gap("20 22:00", "21 00:00", "stopped")}},
		{"2026-11-21", "2026-11-30 00:00:00", []string{gap("21 00:00", "22 00:00", "stopped")}},
		{"2026-11-22", "2026-11-30 00:00:00", []string{gap("22 00:00", "22 08:00", "stopped"), gap("22 09:00", "23 00:00", "no-later-entry")}},
		{"2026-11-22", "2026-11-22 09:30:00", []string{gap("22 00:00", "22 08:00", "stopped")}},
		{"2026-12-25", "2026-11-30 00:00:00", []string{gap("25 00:00", "26 00:00", "not-yet")}},
		{"2026-11-25", "2026-11-30 00:00:00", []string{gap("25 00:00", "26 00:00", "no-later-entry")}},
	} {
		s, err := r.Stats(c.day, registertest.At(c.now))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range s.Gaps {
			got = append(got, gap(g.From.Format("02 15:04"), g.To.Format("02 15:04"), g.Cause))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s seen at %s (-want +got):\n%s", c.day, c.now, d)
		}
	}
	if _, err := r.Stats("yesterday", registertest.At("2026-11-22 09:30:00")); err == nil {
		t.Error("a day that is no date was accepted")
	}
}
