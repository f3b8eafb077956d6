package demo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gated/demo/judge"
	"gated/ledger"
	"gated/register"
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
		{"as it is", resident, answer{out: judge.Answer{Verdict: "admit", Credential: "gated-pass"}}, ""},
		{"dropped", resident, answer{dropped: scanner.Timeout}, "was dropped as timeout"},
		{"garbled, and no code any more", resident, answer{out: judge.Answer{Verdict: "refuse", Reason: "unknown-code", Credential: "unknown"}}, `was read as "unknown"`},
		{"garbled, and still a pass", resident, answer{out: judge.Answer{Verdict: "hold", Reason: "bad-signature", Credential: "gated-pass"}}, "was answered hold: bad-signature"},
		{"not recorded", resident, answer{out: judge.Answer{Verdict: judge.Fault, Reason: "ledger-fault", Credential: "gated-pass"}}, "was not recorded: ledger-fault"},
		{"somebody else's answer", resident, answer{out: judge.Answer{Verdict: "admit", Credential: "gated-pass", Repeat: true}}, "read already"},
		{"a plate that was there before", plate, answer{out: judge.Answer{Verdict: "refuse", Credential: "plate", Repeat: true}}, ""},
		{"opens to a plate", plate, answer{out: judge.Answer{Verdict: "admit", Credential: "plate"}}, "was answered admit"},
		{"a plate that was not recorded", plate, answer{out: judge.Answer{Verdict: judge.Fault, Reason: "ledger-busy", Credential: "plate"}}, "was not recorded: ledger-busy"},
		{"garbage", garbage, answer{dropped: scanner.TooShort}, ""},
		{"garbage dropped for another reason", garbage, answer{dropped: scanner.Timeout}, "was dropped as timeout"},
		{"garbage taken for a code", garbage, answer{out: judge.Answer{Verdict: "refuse", Credential: "unknown"}}, "was taken for a code"},
	} {
		if got := tt.v.wrong(tt.a); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What a run has seen is judged as a whole: one fault of many that a busy machine shows late is none of the gate, unless
// it comes so late that no machine is that busy.
func TestTheReportJudges(t *testing.T) {
	quick := func(n int) []time.Duration { return slices.Repeat([]time.Duration{50 * time.Millisecond}, n) }
	for _, tt := range []struct {
		name string
		m    *faults
		want string // of the error; "": all is well
		out  string

		ledger []ledger.Record
		play   func(*demo)
	}{
		{name: "all is well", m: &faults{delays: map[string][]time.Duration{"stalled": quick(20)}}, out: "lost: nothing"},
		{name: "one was late", m: &faults{delays: map[string][]time.Duration{"stalled": append(quick(20), 3*time.Second)}}, out: "on the page within 3s, half of them within 50ms"},
		{name: "one was far too late", m: &faults{delays: map[string][]time.Duration{"stalled": append(quick(200), 6*time.Second)}}, want: "stalled: the page showed one after 6s", out: "lost: nothing"},
		{name: "the only one of its kind was late", m: &faults{delays: map[string][]time.Duration{"stalled": {2 * time.Second}, "babbling": quick(100)}}, want: "stalled: the page shows it after 2s, not within 1s", out: "lost: nothing"},
		{name: "most of a kind are late", m: &faults{delays: map[string][]time.Duration{"stalled": {2 * time.Second, 3 * time.Second}, "babbling": quick(100)}}, want: "stalled: the page shows it after 2s, not within 1s", out: "lost: nothing"},
		{name: "many are late", m: &faults{delays: map[string][]time.Duration{"stalled": append(quick(20), 3*time.Second, 2*time.Second)}}, want: "2 of 22 faults were not on the page within 1s", out: "lost: nothing"},
		{name: "a code was lost", m: &faults{lost: 1, failures: []string{"lost: a resident"}}, want: "lost: a resident", out: "lost: 1 codes\n"},
		{name: "an entry was lost", m: &faults{}, ledger: []ledger.Record{{Seq: 1, Lane: "in", Kind: register.Decided, Verdict: "admit", Passage: "p"}},
			play: func(d *demo) { d.answers.Answer(judge.Answer{Lane: "in", Passage: "p", Verdict: "admit"}) },
			want: "no entry says what became of its opening", out: "lost: 3 entries\n"}, // and check and query
		{name: "an opening was lost", m: &faults{}, ledger: []ledger.Record{
			{Seq: 1, Lane: "in", Kind: register.Check, Passage: "p"}, {Seq: 2, Lane: "in", Kind: register.Query, Passage: "p"},
			{Seq: 3, Lane: "in", Kind: register.Decided, Verdict: "admit", Passage: "p"}, {Seq: 4, Lane: "in", Kind: register.Opening, Reason: "pulse", Ref: 3}},
			play: func(d *demo) { d.answers.Answer(judge.Answer{Lane: "in", Passage: "p", Verdict: "admit"}) },
			want: "its relay was not switched on", out: "lost: 1 openings\n"},
		{name: "a refuse was answered and not recorded", m: &faults{}, play: func(d *demo) { d.answers.Answer(judge.Answer{Lane: "in", Passage: "p", Verdict: "refuse"}) },
			want: "1 of 1 answers have no entry (register of refuse)", out: "lost: 3 entries\n"},
		{name: "a press of the emergency key was lost, and a code", m: &faults{lost: 2, failures: []string{"lost: a resident"}},
			play: func(d *demo) { d.run.Presses = []judge.Press{{Lane: "in", Answered: true, Passage: "p"}} }, want: "lane in was opened by the emergency key", out: "lost: 2 codes, 1 entries\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &demo{Options: Options{Within: time.Second}, openings: judge.NewOpenings(Lanes...), answers: judge.NewAnswers()}
			tt.m.d, tt.m.count, tt.m.relays = d, map[string]int{}, newFaults(d).relays
			if tt.play != nil {
				tt.play(d)
			}
			for _, r := range tt.ledger {
				d.openings.Entry(&ledger.Entry{Record: r})
				d.answers.Entry(&ledger.Entry{Record: r})
			}
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
