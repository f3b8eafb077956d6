package judge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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
		run  Run
		lane Relay
	}{
		{name: "all is well", gate: func(l *entries) []time.Time { return full(l, 200) }},
		{name: "a pulse that nobody asked for", gate: func(l *entries) []time.Time {
			on := full(l, 200)
			return append(on[:100:100], append([]time.Time{on[99].Add(50 * time.Millisecond)}, on[100:]...)...)
		}, want: []string{"lane in was opened at", "no entry says why"}},
		{name: "a pulse that nobody asked for, and one later that failed", gate: func(l *entries) []time.Time {
			on := full(l, 200)
			open(l, 120*200+5, "pulse-failed", admit(l, 120*199))
			return append([]time.Time{on[0]}, on...)
		}, want: []string{"lane in was opened at", "no entry says why"}},
		{name: "an entry of a pulse, and no pulse", gate: func(l *entries) []time.Time { return full(l, 200)[:199] }, want: []string{"entry 400: lane in was opened, and its relay was not switched on"}},
		{name: "an opening for no admit", gate: func(l *entries) []time.Time {
			open(l, 119, "pulse", add(l, 0, ledger.Record{Kind: register.Decided, Verdict: "refuse"}))
			return []time.Time{at(1)}
		}, want: []string{"entry 2: an opening of lane in for entry 1, which is not an admit there", "no entry says why"}},
		{name: "two openings for one admit", gate: func(l *entries) []time.Time {
			seq := admit(l, 0)
			open(l, 119, "pulse", seq)
			open(l, 239, "pulse", seq)
			return []time.Time{at(1), at(121)}
		}, want: []string{"entry 3: an opening of lane in for entry 1", "no entry says why"}},
		{name: "an opening for an admit on another lane", gate: func(l *entries) []time.Time {
			open(l, 119, "pulse", admit(l, 0))
			(*l)[0].Lane = "out"
			return []time.Time{at(1)}
		}, want: []string{"entry 2: an opening of lane in for entry 1", "no entry says why"}},
		{name: "an admit that nothing came of", gate: func(l *entries) []time.Time { admit(l, 0); return nil }, want: []string{"entry 1: an admit on lane in, and no entry says what became of its opening"}},
		{name: "a pulse that was dropped was none", gate: func(l *entries) []time.Time {
			open(l, 2000, "pulse-dropped", admit(l, 0))
			return []time.Time{at(1900)}
		}, want: []string{"no entry says why"}},
		{name: "a relay that fell silent may have been switched", gate: func(l *entries) []time.Time {
			open(l, 400, "pulse-failed", admit(l, 0))
			open(l, 500, "pulse-failed", admit(l, 450))
			return []time.Time{at(1)}
		}},
		{name: "the key holds the lane open, and who is admitted then needs no pulse", gate: func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.Opening, Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key"})
			open(l, 5030, "pulse", admit(l, 5000))
			add(l, 8000, ledger.Record{Kind: register.CloseByHand})
			add(l, 9000, ledger.Record{Kind: register.Decided, Verdict: "admit", Rule: "emergency-key", Ref: 1}) // who passed
			return []time.Time{at(1), at(7000)}
		}, lane: Relay{Plugged: []time.Time{at(6990)}}},
		{name: "the key holds the lane open, and opens it once", gate: func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.Opening, Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key"})
			add(l, 8000, ledger.Record{Kind: register.CloseByHand})
			return []time.Time{at(1), at(5000)}
		}, want: []string{"lane in was opened at 08:00:05", "no entry says why"}},
		{name: "a pulse after the guard has closed", gate: func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.Opening, Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key"})
			add(l, 8000, ledger.Record{Kind: register.CloseByHand})
			return []time.Time{at(1), at(9500)}
		}, want: []string{"no entry says why"}},
		{name: "the lane stands open by hand, and who is admitted then gets no pulse", gate: func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.ByHand, Reason: "school-run"})
			admit(l, 3000)
			open(l, 5030, "pulse", admit(l, 5000)) // nor is one amiss
			add(l, 6000, ledger.Record{Kind: register.ByHand, Reason: "goes-on", Ref: 1})
			add(l, 8000, ledger.Record{Kind: register.ByHand, Reason: "shut", Ref: 1})
			open(l, 20119, "pulse", admit(l, 20000))
			return []time.Time{at(1), at(7000), at(20001)}
		}, lane: Relay{Plugged: []time.Time{at(6990)}}},
		{name: "the lane stands open by hand, and was opened once", gate: func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.ByHand, Reason: "school-run"})
			add(l, 8000, ledger.Record{Kind: register.ByHand, Reason: "shut", Ref: 1})
			return []time.Time{at(1), at(5000)}
		}, want: []string{"lane in was opened at 08:00:05", "no entry says why"}},
		{name: "the lane was opened by hand before that could be on the disk", gate: func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.ByHand, Reason: "school-run"})
			return []time.Time{at(5)}
		}, run: Run{Commits: []Span{{at(2), at(10)}}}, want: []string{"no entry says why"}},
		{name: "an opening by hand that never was", gate: func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.ByHand, Reason: "school-run"})
			add(l, 9, ledger.Record{Kind: register.ByHand, Reason: "answered-fault", Ref: 1})
			admit(l, 3000)
			return []time.Time{at(1)}
		}, want: []string{"entry 3: an admit on lane in, and no entry says what became of its opening", "no entry says why"}},
		{name: "an admit after the lane was shut", gate: func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: register.ByHand, Reason: "school-run"})
			add(l, 8000, ledger.Record{Kind: register.ByHand, Reason: "shut", Ref: 1})
			admit(l, 10000)
			return []time.Time{at(1)}
		}, want: []string{"entry 3: an admit on lane in, and no entry says what became of its opening"}},
		{name: "a busy machine stamps late", gate: func(l *entries) []time.Time {
			open(l, 119, "pulse", admit(l, 0))
			return []time.Time{at(600)}
		}},
		{name: "a pulse before its admit could be on the disk", gate: func(l *entries) []time.Time {
			open(l, 119, "pulse", admit(l, 0))
			return []time.Time{at(5)}
		}, run: Run{Commits: []Span{{at(2), at(10)}}}, want: []string{"no entry says why"}},
		{name: "a pulse after that", gate: func(l *entries) []time.Time {
			open(l, 119, "pulse", admit(l, 0))
			return []time.Time{at(11)}
		}, run: Run{Commits: []Span{{at(2), at(10)}}}},
		{name: "a pulse so long after its verdict that nobody stands there any more", gate: func(l *entries) []time.Time {
			(*l)[admit(l, 0)-1].Passage = "p"
			open(l, 4000, "pulse", 1)
			return []time.Time{at(3900)}
		}, run: Run{Admitted: map[string]time.Time{"p": at(10)}}, want: []string{"no entry says why"}},
		{name: "an admit that was taken back, of which the lane was told", gate: func(l *entries) []time.Time {
			(*l)[admit(l, 0)-1].Passage = "p"
			add(l, 1, ledger.Record{Kind: register.Correction, Ref: 1})
			return nil
		}, run: Run{Admitted: map[string]time.Time{"p": at(10)}}, want: []string{"entry 1: an admit that lane in was told was taken back"}},
		{name: "an admit that was taken back", gate: func(l *entries) []time.Time {
			add(l, 1, ledger.Record{Kind: register.Correction, Ref: admit(l, 0)})
			return nil
		}, run: Run{Admitted: map[string]time.Time{}}},
		{name: "an opening for an admit that was taken back", gate: func(l *entries) []time.Time {
			open(l, 119, "pulse", admit(l, 0))
			add(l, 1, ledger.Record{Kind: register.Correction, Ref: 1})
			return []time.Time{at(1)}
		}, want: []string{"entry 2: an opening of lane in for entry 1, which was taken back", "no entry says why"}},
		{name: "killed after an admit, which may have opened", gate: func(l *entries) []time.Time {
			admit(l, 0)
			return []time.Time{at(1)}
		}, run: Run{Until: at(100), Killed: true}},
		{name: "killed, and opened twice", gate: func(l *entries) []time.Time {
			admit(l, 0)
			return []time.Time{at(1), at(90)}
		}, run: Run{Until: at(100), Killed: true}, want: []string{"no entry says why"}},
		{name: "an entry of a pulse, and a relay that lies", gate: func(l *entries) []time.Time {
			open(l, 119, "pulse", admit(l, 0))
			return nil
		}, lane: Relay{Faulty: []Span{{at(50), at(70)}}}},
		{name: "a relay that was unplugged all the time", gate: func(l *entries) []time.Time {
			open(l, 119, "pulse-failed", admit(l, 0))
			return []time.Time{at(60)}
		}, lane: Relay{Unplugged: []Span{{at(-5), at(200)}}}, want: []string{"no entry says why"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l entries
			on := tt.gate(&l)
			o := NewOpenings("in", "out")
			for _, e := range l {
				o.Answer(Answer{Lane: e.Lane, Passage: e.Passage, Rule: e.Rule}) // whoever pressed the key
				o.Entry(e)
			}
			tt.lane.Switched = on
			got := o.Judge([]*Run{&tt.run}, map[string]*Relay{"in": &tt.lane})
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
	pressed := func(s int, passage string) Press {
		return Press{Span: Span{at(s), at(s)}, Lane: "in", Answered: true, Passage: passage}
	}
	closed := func(s int) Press {
		return Press{Span: Span{at(s), at(s)}, Lane: "in", Answered: true, Closing: true}
	}
	twice := []Press{pressed(0, "p1"), pressed(1, "p1"), closed(2), pressed(10, "p2"), closed(12)}
	for _, tt := range []struct {
		name    string
		guard   []Press
		entries []entry
		on      []int // s
		want    []string
		lost    Losses
		told    []string // passages of presses by somebody else
		plugged []time.Time
	}{
		{"all is well", twice, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}}, []int{0, 11}, nil, Losses{}, nil, nil},
		{"plugged in again", twice, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}}, []int{0, 1, 11}, nil, Losses{}, nil, []time.Time{at(1)}},
		{"an entry that came late", twice, []entry{{2, closing}, {0, press("p1")}, {10, press("p2")}, {12, closing}}, []int{1, 11}, nil, Losses{}, nil, nil},
		{"the daemon ended before it was closed", []Press{pressed(0, "p1")}, []entry{{0, press("p1")}}, []int{1}, nil, Losses{}, nil, nil},
		{"somebody else pressed it, on the page", nil, []entry{{0, press("p")}, {2, closing}}, []int{1}, nil, Losses{}, []string{"p"}, nil},
		{"somebody else pressed it, and left it open", twice, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}, {20, press("p")}}, []int{1, 11, 21}, nil, Losses{}, []string{"p"}, nil},
		{"each entry is there twice", twice, []entry{{0, press("p1")}, {0, press("p1")}, {2, closing}, {10, press("p2")}, {10, press("p2")}, {12, closing}}, []int{1, 11},
			[]string{"entry 2: lane in was opened by the emergency key, which held it open already by entry 1", "entry 2: lane in was opened by the emergency key for passage p1, which has its entry"}, Losses{}, nil, nil},
		{"one entry is there twice, and excuses nothing", twice, []entry{{0, press("p1")}, {0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}}, []int{1, 11, 3600},
			[]string{"lane in was opened at 09:00:00.000000, and no entry says why"}, Losses{Entries: 1}, nil, nil},
		{"one entry is there twice, the second after it was closed", twice, []entry{{0, press("p1")}, {2, closing}, {3, press("p1")}, {10, press("p2")}, {12, closing}}, []int{1, 11},
			[]string{"entry 3: lane in was opened by the emergency key for passage p1, which has its entry"}, Losses{}, nil, nil},
		{"a press was lost, which switched nothing", twice, []entry{{2, closing}, {10, press("p2")}, {12, closing}}, []int{11},
			[]string{`lane in was opened by the emergency key as passage "p1", and no entry says so`}, Losses{Entries: 1}, nil, nil},
		{"a press was lost, which switched the relay", twice, []entry{{2, closing}, {10, press("p2")}, {12, closing}}, []int{1, 11},
			[]string{`lane in was opened by the emergency key as passage "p1", and no entry says so`, "no entry says why"}, Losses{Entries: 1}, nil, nil},
		{"each press was lost", twice, []entry{{2, closing}, {12, closing}}, nil, []string{`passage "p1"`, `passage "p2"`}, Losses{Entries: 2}, nil, nil},
		{"a press that was answered without its passage", []Press{pressed(0, "")}, nil, nil, []string{`passage ""`}, Losses{Entries: 1}, nil, nil},
		{"a press that was answered as a repeat of what was closed", append(slices.Clone(twice), pressed(13, "p2")), []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}}, []int{1, 11}, []string{"passage p2, which was closed before"}, Losses{Entries: 1}, nil, nil},
		{"an entry that nobody pressed for", twice, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}, {12, closing}, {20, press("p3")}, {21, closing}}, []int{1, 11},
			[]string{"entry 5: lane in was opened by the emergency key, which nobody pressed"}, Losses{}, nil, nil},
		{"a closing was lost", twice, []entry{{0, press("p1")}, {10, press("p2")}, {12, closing}}, []int{1, 11},
			[]string{"entry 2: lane in was opened by the emergency key, which held it open already by entry 1", "lane in was closed by hand 2 times, and 1 entries say so"}, Losses{Entries: 1}, nil, nil},
		{"the last closing was lost, and excuses nothing", twice, []entry{{0, press("p1")}, {2, closing}, {10, press("p2")}}, []int{1, 11, 3600},
			[]string{"entry 3: lane in was opened by the emergency key and closed at 08:00:12", "lane in was closed by hand 2 times, and 1 entries say so", "no entry says why"}, Losses{Entries: 1}, nil, nil},
		{"on another lane", twice, nil, nil, []string{`passage "p1"`, `passage "p2"`, "closed by hand 2 times, and 0"}, Losses{Entries: 4}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := NewOpenings("in", "out")
			for _, passage := range tt.told {
				o.Answer(Answer{Lane: "in", Passage: passage, Rule: "emergency-key"})
			}
			for i, e := range tt.entries {
				e.Seq, e.Lane = int64(i+1), "in"
				o.Entry(&ledger.Entry{Record: e.Record, At: at(e.s)})
			}
			var on []time.Time
			for _, s := range tt.on {
				on = append(on, at(s))
			}
			got := o.Judge([]*Run{{Presses: tt.guard}}, map[string]*Relay{"in": {Switched: on, Plugged: tt.plugged}})
			for _, want := range tt.want {
				if !strings.Contains(strings.Join(got, "\n"), want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if len(tt.want) == 0 && len(got) > 0 {
				t.Errorf("got %q, want nothing", got)
			}
			if o.Lost != tt.lost {
				t.Errorf("lost %+v, want %+v; told %q", o.Lost, tt.lost, got)
			}
		})
	}
}
