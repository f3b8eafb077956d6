package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gated/gate"
	"gated/scanner"
)

// An answer to a code counts only if it is the answer to that code.
func TestAnswersAreComparedWithWhatWasShown(t *testing.T) {
	resident := visitor{what: "a resident", kind: "gated-pass", admit: true}
	plate := visitor{what: "a plate", kind: "plate", common: true}
	garbage := visitor{what: "garbage", dropped: scanner.TooShort}
	for _, tt := range []struct {
		name string
		v    visitor
		a    answer
		want string // "": nothing is wrong
	}{
		{"as it is", resident, answer{out: gate.Outcome{Verdict: "admit", Credential: "gated-pass"}}, ""},
		{"dropped", resident, answer{dropped: scanner.Timeout}, "was dropped as timeout"},
		{"garbled, and no code any more", resident, answer{out: gate.Outcome{Verdict: "refuse", Reason: "unknown-code", Credential: "unknown"}}, `was read as "unknown"`},
		{"garbled, and still a pass", resident, answer{out: gate.Outcome{Verdict: "hold", Reason: "bad-signature", Credential: "gated-pass"}}, "was answered hold: bad-signature"},
		{"not recorded", resident, answer{out: gate.Outcome{Verdict: gate.Fault, Reason: "ledger-fault", Credential: "gated-pass"}}, "was not recorded: ledger-fault"},
		{"somebody else's answer", resident, answer{out: gate.Outcome{Verdict: "admit", Credential: "gated-pass", Repeat: true}}, "read already"},
		{"a plate that was there before", plate, answer{out: gate.Outcome{Verdict: "refuse", Credential: "plate", Repeat: true}}, ""},
		{"opens to a plate", plate, answer{out: gate.Outcome{Verdict: "admit", Credential: "plate"}}, "was answered admit"},
		{"a plate that was not recorded", plate, answer{out: gate.Outcome{Verdict: gate.Fault, Reason: "ledger-busy", Credential: "plate"}}, "was not recorded: ledger-busy"},
		{"garbage", garbage, answer{dropped: scanner.TooShort}, ""},
		{"garbage dropped for another reason", garbage, answer{dropped: scanner.Timeout}, "was dropped as timeout"},
		{"garbage taken for a code", garbage, answer{out: gate.Outcome{Verdict: "refuse", Credential: "unknown"}}, "was taken for a code"},
	} {
		if got := tt.v.wrong(tt.a); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What a run has seen is judged as a whole: one fault that a busy machine shows late is none of the gate.
func TestTheReportJudges(t *testing.T) {
	quick := func(n int) []time.Duration { return slices.Repeat([]time.Duration{50 * time.Millisecond}, n) }
	for _, tt := range []struct {
		name string
		m    *mishaps
		want string // of the error; "": all is well
		out  string
	}{
		{"all is well", &mishaps{delays: map[string][]time.Duration{"stalled": quick(20)}}, "", "lost: nothing"},
		{"one was late", &mishaps{delays: map[string][]time.Duration{"stalled": append(quick(20), 3*time.Second)}}, "", "on the page within 3s, half of them within 50ms"},
		{"most of a kind are late", &mishaps{delays: map[string][]time.Duration{"stalled": {2 * time.Second, 3 * time.Second}, "babbling": quick(100)}}, "stalled: the page shows it after 2s, not within 1s", "lost: nothing"},
		{"many are late", &mishaps{delays: map[string][]time.Duration{"stalled": append(quick(20), 3*time.Second, 2*time.Second)}}, "2 of 22 faults were not on the page within 1s", "lost: nothing"},
		{"a code was lost", &mishaps{lost: 1, faults: []string{"lost: a resident"}}, "lost: a resident", "lost: 1 codes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.m.d, tt.m.openings, tt.m.count = &demo{within: time.Second}, newOpenings(demoLanes...), map[string]int{}
			for name, all := range tt.m.delays {
				tt.m.count[name] = len(all)
			}
			var out strings.Builder
			err := tt.m.report(&out)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if !strings.Contains(out.String(), tt.out) {
				t.Errorf("got\n%swant %q", &out, tt.out)
			}
		})
	}
}
