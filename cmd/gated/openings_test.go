package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gated/gate"
	"gated/ledger"
	"gated/register"
)

// A soak is worth what its judge sees: each way in which barrier and ledger can disagree is told, and nothing else is.
func TestOpeningsAreToldThatHaveNoEntry(t *testing.T) {
	began := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	type entries []*ledger.Entry
	add := func(l *entries, ms int, r ledger.Record) int64 {
		r.Seq, r.Lane = int64(len(*l)+1), "in"
		*l = append(*l, &ledger.Entry{Record: r, At: at(ms)})
		return r.Seq
	}
	admit := func(l *entries, ms int) int64 {
		return add(l, ms, ledger.Record{Kind: register.Decided, Verdict: "admit"})
	}
	open := func(l *entries, ms int, reason string, ref int64) {
		add(l, ms, ledger.Record{Kind: register.Opening, Reason: reason, Ref: ref})
	}
	// full is a lane under load: pulses of 100 ms, each asked for half a second before, one directly after the other.
	full := func(l *entries, n int) (on []time.Time) {
		var asked []int64
		for i := range n {
			asked = append(asked, admit(l, 120*i-500))
		}
		for i := range n {
			on = append(on, at(120*i+1))
			open(l, 120*i+119, "pulse", asked[i])
		}
		return on
	}
	for _, tt := range []struct {
		name string
		gate func(l *entries) (on []time.Time)
		want []string // what is told, in part
	}{
		{"all is well", func(l *entries) []time.Time { return full(l, 200) }, nil},
		{"a pulse that nobody asked for", func(l *entries) []time.Time {
			on := full(l, 200)
			return append(on[:100:100], append([]time.Time{on[99].Add(50 * time.Millisecond)}, on[100:]...)...)
		}, []string{"lane in was opened at", "no entry says why"}},
		{"a pulse that nobody asked for, and one later that failed", func(l *entries) []time.Time {
			on := full(l, 200)
			open(l, 120*200+5, "pulse-failed", admit(l, 120*199))
			return append([]time.Time{on[0]}, on...)
		}, []string{"lane in was opened at", "no entry says why"}},
		{"an entry of a pulse, and no pulse", func(l *entries) []time.Time { return full(l, 200)[:199] }, []string{"entry 400: lane in was opened, and its relay was not switched on"}},
		{"an opening for no admit", func(l *entries) []time.Time {
			open(l, 119, "pulse", add(l, 0, ledger.Record{Kind: register.Decided, Verdict: "refuse"}))
			return []time.Time{at(1)}
		}, []string{"entry 2: an opening of lane in for entry 1, which is no admit there", "no entry says why"}},
		{"two openings for one admit", func(l *entries) []time.Time {
			seq := admit(l, 0)
			open(l, 119, "pulse", seq)
			open(l, 239, "pulse", seq)
			return []time.Time{at(1), at(121)}
		}, []string{"entry 3: an opening of lane in for entry 1", "no entry says why"}},
		{"an opening for an admit on another lane", func(l *entries) []time.Time {
			open(l, 119, "pulse", admit(l, 0))
			(*l)[0].Lane = "out"
			return []time.Time{at(1)}
		}, []string{"entry 2: an opening of lane in for entry 1", "no entry says why"}},
		{"an admit that nothing came of", func(l *entries) []time.Time { admit(l, 0); return nil }, []string{"entry 1: an admit on lane in, and no entry says what became of its opening"}},
		{"a pulse that was dropped was none", func(l *entries) []time.Time {
			open(l, 2000, "pulse-dropped", admit(l, 0))
			return []time.Time{at(1900)}
		}, []string{"no entry says why"}},
		{"a relay that fell silent may have been switched", func(l *entries) []time.Time {
			open(l, 400, "pulse-failed", admit(l, 0))
			open(l, 500, "pulse-failed", admit(l, 450))
			return []time.Time{at(1)}
		}, nil},
		{"the key holds the lane open, and who is admitted then needs no pulse", func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.Opening, Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key"})
			open(l, 5030, "pulse", admit(l, 5000))
			add(l, 8000, ledger.Record{Kind: register.CloseByHand})
			add(l, 9000, ledger.Record{Kind: register.Decided, Verdict: "admit", Rule: "emergency-key", Ref: 1}) // who passed
			return []time.Time{at(1), at(7000)}                                                                  // plugged in again
		}, nil},
		{"a pulse after the guard has closed", func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.Opening, Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key"})
			add(l, 8000, ledger.Record{Kind: register.CloseByHand})
			return []time.Time{at(1), at(9500)}
		}, []string{"no entry says why"}},
		{"a busy machine stamps late", func(l *entries) []time.Time {
			open(l, 119, "pulse", admit(l, 0))
			return []time.Time{at(600)}
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l entries
			on := tt.gate(&l)
			o := newOpenings("in", "out")
			for _, e := range l {
				o.say(gate.Outcome{Lane: e.Lane, Passage: e.Passage, Rule: e.Rule}) // whoever pressed the key
				o.entry(e)
			}
			got := o.pair(map[string][]time.Time{"in": on})
			for _, want := range tt.want {
				if !strings.Contains(strings.Join(got, "\n"), want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if len(tt.want) == 0 && len(got) > 0 {
				t.Errorf("got %s, want nothing", fmt.Sprint(got))
			}
		})
	}
}

// The emergency key opens for hours if nobody looks: each press has one entry, which its closing ends.
func TestPressesOfTheEmergencyKeyAreToldThatHaveNoEntry(t *testing.T) {
	began := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	press := func(passage string) ledger.Record {
		return ledger.Record{Kind: register.Opening, Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key", Passage: passage}
	}
	closing := ledger.Record{Kind: register.CloseByHand}
	type entry struct {
		s int
		ledger.Record
	}
	// Two openings, the first with a second press in fright, at 0 to 2 and at 10 to 12 s.
	twice := func(o *openings) {
		o.press("in", gate.Outcome{Passage: "p1"})
		o.press("in", gate.Outcome{Passage: "p1", Repeat: true})
		o.close("in", at(2))
		o.press("in", gate.Outcome{Passage: "p2"})
		o.close("in", at(12))
	}
	for _, tt := range []struct {
		name    string
		guard   func(*openings)
		entries []entry
		on      []int // s
		want    []string
		lost    losses
	}{
		{"all is well", twice, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}}, []int{0, 1, 11}, nil, losses{}},
		{"an entry that came late", twice, []entry{{2, closing}, {0, press("p1")}, {10, press("p2")}, {12, closing}}, []int{1, 11}, nil, losses{}},
		{"the daemon ended before it was closed", func(o *openings) { o.press("in", gate.Outcome{Passage: "p1"}) }, []entry{{0, press("p1")}}, []int{1}, nil, losses{}},
		{"somebody else pressed it, on the page", func(o *openings) { o.say(gate.Outcome{Lane: "in", Passage: "p", Rule: "emergency-key"}) }, []entry{{0, press("p")}, {2, closing}}, []int{1}, nil, losses{}},
		{"somebody else pressed it, and left it open", func(o *openings) {
			twice(o)
			o.say(gate.Outcome{Lane: "in", Passage: "p", Rule: "emergency-key"})
		}, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}, {20, press("p")}}, []int{1, 21}, nil, losses{}},
		{"each entry is there twice", twice, []entry{{0, press("p1")}, {0, press("p1")}, {2, closing}, {10, press("p2")}, {10, press("p2")}, {12, closing}}, []int{1, 11},
			[]string{"entry 2: lane in was opened by the emergency key, which held it open already since entry 1", "entry 2: lane in was opened by the emergency key for passage p1, which has its entry"}, losses{}},
		{"one entry is there twice, and excuses nothing", twice, []entry{{0, press("p1")}, {0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}}, []int{1, 11, 3600},
			[]string{"lane in was opened at 09:00:00.000000, and no entry says why"}, losses{entries: 1}},
		{"one entry is there twice, the second after it was closed", twice, []entry{{0, press("p1")}, {2, closing}, {3, press("p1")}, {10, press("p2")}, {12, closing}}, []int{1, 11},
			[]string{"entry 3: lane in was opened by the emergency key for passage p1, which has its entry"}, losses{}},
		{"a press was lost, which switched nothing", twice, []entry{{2, closing}, {10, press("p2")}, {12, closing}}, []int{11},
			[]string{`lane in was opened by the emergency key as passage "p1", and no entry says so`}, losses{entries: 1}},
		{"a press was lost, which switched the relay", twice, []entry{{2, closing}, {10, press("p2")}, {12, closing}}, []int{1, 11},
			[]string{`lane in was opened by the emergency key as passage "p1", and no entry says so`, "no entry says why"}, losses{entries: 1}},
		{"each press was lost", twice, []entry{{2, closing}, {12, closing}}, nil, []string{`passage "p1"`, `passage "p2"`}, losses{entries: 2}},
		{"a press that was answered without its passage", func(o *openings) { o.press("in", gate.Outcome{}) }, nil, nil, []string{`passage ""`}, losses{entries: 1}},
		{"a press that was answered as a repeat of what was closed", func(o *openings) {
			twice(o)
			o.press("in", gate.Outcome{Passage: "p2", Repeat: true})
		}, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}}, []int{1, 11}, []string{"passage p2, which was closed before"}, losses{entries: 1}},
		{"an entry that nobody pressed for", twice, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}, {20, press("p3")}, {21, closing}}, []int{1, 11},
			[]string{"entry 5: lane in was opened by the emergency key, which nobody pressed"}, losses{}},
		{"a closing was lost", twice, []entry{{0, press("p1")}, {10, press("p2")}, {12, closing}}, []int{1, 11},
			[]string{"entry 2: lane in was opened by the emergency key, which held it open already since entry 1", "lane in was closed by hand 2 times, and 1 entries say so"}, losses{entries: 1}},
		{"the last closing was lost, and excuses nothing", twice, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}}, []int{1, 11, 3600},
			[]string{"entry 3: lane in was opened by the emergency key and closed at 08:00:12", "lane in was closed by hand 2 times, and 1 entries say so", "no entry says why"}, losses{entries: 1}},
		{"on another lane", twice, nil, nil, []string{`passage "p1"`, `passage "p2"`, "closed by hand 2 times, and 0"}, losses{entries: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOpenings("in", "out")
			tt.guard(o)
			for i, e := range tt.entries {
				e.Seq, e.Lane = int64(i+1), "in"
				o.entry(&ledger.Entry{Record: e.Record, At: at(e.s)})
			}
			var on []time.Time
			for _, s := range tt.on {
				on = append(on, at(s))
			}
			got := o.pair(map[string][]time.Time{"in": on})
			for _, want := range tt.want {
				if !strings.Contains(strings.Join(got, "\n"), want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if len(tt.want) == 0 && len(got) > 0 {
				t.Errorf("got %q, want nothing", got)
			}
			if o.lost != tt.lost {
				t.Errorf("lost %+v, want %+v; told %q", o.lost, tt.lost, got)
			}
		})
	}
}
