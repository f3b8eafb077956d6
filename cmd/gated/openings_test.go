package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gated/ledger"
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
		return add(l, ms, ledger.Record{Kind: ledger.Register, Verdict: "admit"})
	}
	open := func(l *entries, ms int, reason string, ref int64) {
		add(l, ms, ledger.Record{Kind: ledger.Opening, Reason: reason, Ref: ref})
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
			open(l, 119, "pulse", add(l, 0, ledger.Record{Kind: ledger.Register, Verdict: "refuse"}))
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
			add(l, 0, ledger.Record{Kind: ledger.Opening, Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key"})
			open(l, 5030, "pulse", admit(l, 5000))
			add(l, 8000, ledger.Record{Kind: ledger.CloseByHand})
			add(l, 9000, ledger.Record{Kind: ledger.Register, Verdict: "admit", Rule: "emergency-key", Ref: 1}) // who passed
			return []time.Time{at(1), at(7000)}                                                                 // plugged in again
		}, nil},
		{"a pulse after the guard has closed", func(l *entries) []time.Time {
			add(l, 0, ledger.Record{Kind: ledger.Opening, Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key"})
			add(l, 8000, ledger.Record{Kind: ledger.CloseByHand})
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
