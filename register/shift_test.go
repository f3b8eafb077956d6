package register

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gated/register/shift"
	"gated/register/slips"
)

// The shift is added up from the kinds of entries that are known here, and who is asked about with the page is asked about by one shift.
func TestAShiftIsAddedUpFromTheEntries(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	b := open(t, dir, ck)
	say := func(ev Event) int64 {
		ev.Stamp = ck.now()
		return mustAppend(t, b, ev)[0].Seq
	}
	say(Event{Kind: SignOn, By: "unauthenticated"})
	admitted := mustAppend(t, b, append(passage(ck, "a", "in", ""), decided(ck, "a", "in", "admit", "valid-pass"))...)[2].Seq
	mustAppend(t, b, append(passage(ck, "b", "in", "hold"), decided(ck, "b", "in", "undecided", "undecided"))...)
	say(Event{Kind: Correction, Passage: "a", Lane: "in", Direction: "in", Class: "resident", Verdict: "refuse", Reason: DidNotGoThrough, By: "unauthenticated", Ref: admitted,
		Detail: map[string]string{"was": "admit"}})
	say(Event{Kind: Opening, Passage: "c", Lane: "in", Direction: "in", Class: "unknown", Verdict: "admit", Reason: "emergency-key"})
	say(Event{Kind: ByHand, Lane: "out", Reason: "school-run"})
	say(Event{Kind: Alarm, Reason: "wrong-tries"})
	say(Event{Kind: Scanner, Reason: "down"})
	asked := func() (n int) {
		b.View(func(s *State) { n = len(s.Undecided) })
		return n
	}
	if asked() != 1 {
		t.Errorf("asked about %d, want 1", asked())
	}
	say(Event{Kind: SignOn, Detail: map[string]string{Shift: shift.Joins}})
	if asked() != 1 {
		t.Error("a second guard ends the asking")
	}
	var did shift.Shift
	b.View(func(s *State) { did = s.Shift.Now.Clone() })
	did.Guards = nil
	want := shift.Shift{Began: 1, Since: did.Since, Here: did.Here, Passages: map[string]map[string]int{"resident": {"undecided": 1, shift.Annulled: 1}, "unknown": {"admit": 1}},
		Corrections: map[string]int{DidNotGoThrough: 1}, ByHand: map[string]int{"school-run": 1}, Emergency: 1,
		Faults: map[string]int{"wrong-tries": 1, "scanner-down": 1}}
	if d := cmp.Diff(want, did); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	say(Event{Kind: HandOver})
	if asked() != 0 {
		t.Error("the next shift is asked what became of whom it has not seen")
	}
	verify(t, b)
}

// At whatever entry the box was stopped, a start knows the shift and the slips as if it had gone on.
func TestARestartKnowsTheShift(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	home := []Field{{Name: "household", Value: "3-2-501"}, {Name: "what", Value: "a piano"}}
	issued := func(id string) Event {
		return Event{Kind: Slip, Reason: slips.Issued, Personal: home, Detail: map[string]string{"slip": id, "until": "2026-11-24T08:00:00+08:00"}}
	}
	b := open(t, dir, ck)
	for _, ev := range []Event{{Kind: SignOn}, issued("a"), {Kind: Count, Reason: "goods-left", Detail: map[string]string{shift.Number: "3"}}, {Kind: Log, Reason: shift.Moment}, issued("b"),
		{Kind: Log, Reason: shift.Moment, Ref: 4}, {Kind: Slip, Reason: slips.Used, Ref: 2}, {Kind: SignOn, Detail: map[string]string{Shift: shift.Joins}}, {Kind: SignOff, Ref: 1},
		{Kind: HandOver}, {Kind: SignOn, Detail: map[string]string{Shift: shift.Joins}}} {
		ev.Stamp = ck.now()
		mustAppend(t, b, ev)
		verify(t, b)
		b.Close()
		b = open(t, dir, ck)
		verify(t, b)
	}
	b.View(func(s *State) {
		if g := s.Shift.Now.Guards; len(g) != 1 || g[0].Entry != 11 || s.Shift.Now.Began != 10 || s.Shift.Before.Counts["goods-left"] != 3 || s.Shift.Before.Words[4] != 6 {
			t.Errorf("on duty %+v since entry %d, before %+v", g, s.Shift.Now.Began, s.Shift.Before)
		}
		for home, want := range map[string]int{"3-2-501": 1, "1-1-101": 0} {
			if got := len(s.SlipsOf(at("2026-11-23 09:00:00"), home)); got != want {
				t.Errorf("%d slips of %s, want %d", got, home, want)
			}
		}
	})
	erase(t, b, []int64{5}, "what") // who it is of is known still
	b.View(func(s *State) {
		if len(s.Slips) != 1 {
			t.Errorf("%d slips, want 1", len(s.Slips))
		}
	})
	erase(t, b, []int64{5}, "")
	b.View(func(s *State) {
		if len(s.Slips) != 0 {
			t.Errorf("%d slips of nobody", len(s.Slips))
		}
	})
	verify(t, b)
}
