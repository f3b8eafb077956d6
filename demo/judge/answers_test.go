package judge

import (
	"strings"
	"testing"

	"gated/ledger"
	"gated/register"
)

// An answer that the ledger knows nothing of is the one thing that must never be: a refuse or a hold opens nothing, so
// only the entries themselves tell.
func TestAnswersAreToldThatHaveNoEntry(t *testing.T) {
	all := func() (said []Answer, entries []ledger.Record) {
		say := func(passage, verdict, reason, rule string) {
			said = append(said, Answer{Lane: "in", Passage: passage, Verdict: verdict, Reason: reason, Rule: rule})
		}
		add := func(kind ledger.Kind, passage, verdict, reason, rule string) {
			entries = append(entries, ledger.Record{Lane: "in", Kind: kind, Passage: passage, Verdict: verdict, Reason: reason, Rule: rule})
		}
		add(register.Decided, "of yesterday", "undecided", "undecided-restart", "")
		say("p1", "admit", "ok", "residents")
		add(register.Check, "p1", "", "ok", "")
		add(register.Query, "p1", "", "", "")
		add(register.Decided, "p1", "admit", "ok", "residents")
		say("p2", "refuse", "forged", "forged")
		add(register.Check, "p2", "", "bad-signature", "")
		add(register.Query, "p2", "", "", "")
		add(register.Decided, "p2", "refuse", "forged", "forged")
		say("p3", "hold", "expired", "ask")
		add(register.Check, "p3", "", "expired", "")
		add(register.Query, "p3", "hold", "expired", "ask")
		say("p3", "admit", "document-sighted", "guard")
		add(register.Decided, "p3", "admit", "document-sighted", "guard")
		say("p4", "hold", "expired", "ask")
		add(register.Check, "p4", "", "expired", "")
		add(register.Query, "p4", "hold", "expired", "ask")
		say("p4", "undecided", "undecided", "")
		add(register.Decided, "p4", "undecided", "undecided", "")
		said = append(said, Answer{Lane: "in", Passage: "p1", Verdict: "admit", Reason: "ok", Rule: "residents", Repeat: true}, Answer{Lane: "in", Verdict: Fault, Reason: "ledger-busy"})
		say("p5", "admit", "emergency-key", "emergency-key")
		add(register.Opening, "p5", "admit", "emergency-key", "emergency-key")
		add(register.Decided, "p5", "admit", "emergency-key", "emergency-key") // who passed
		add(register.Opening, "p1", "", "pulse", "")
		return said, entries
	}
	without := func(kind ledger.Kind, passage string) func([]ledger.Record) []ledger.Record {
		return func(l []ledger.Record) (left []ledger.Record) {
			for _, e := range l {
				if e.Kind != kind || e.Passage != passage {
					left = append(left, e)
				}
			}
			return left
		}
	}
	for _, tt := range []struct {
		name   string
		ledger func([]ledger.Record) []ledger.Record
		lost   int
		want   string // "": nothing is wrong
	}{
		{"all is well", func(l []ledger.Record) []ledger.Record { return l }, 0, ""},
		{"a check was lost", without(register.Check, "p2"), 1, "lane in: 1 of 4 answers have no entry (check)"},
		{"a refuse was lost", without(register.Decided, "p2"), 1, "lane in: 1 of 1 answers have no entry (register of refuse)"},
		{"a hold was lost", without(register.Query, "p3"), 1, "lane in: 1 of 2 answers have no entry (query of hold)"},
		{"what a guard decided was lost", without(register.Decided, "p3"), 1, "lane in: 1 of 2 answers have no entry (register of admit)"},
		{"a refuse was recorded as an admit", func(l []ledger.Record) []ledger.Record {
			l = without(register.Decided, "p2")(l)
			return append(l, ledger.Record{Lane: "in", Kind: register.Decided, Passage: "p2", Verdict: "admit", Reason: "forged"})
		}, 1, "lane in: 1 entries (register of admit) without an answer"},
		{"another one's check was recorded", func(l []ledger.Record) []ledger.Record {
			return append(without(register.Check, "p2")(l), ledger.Record{Lane: "in", Kind: register.Check, Passage: "p1"})
		}, 1, "lane in: the 4 entries (check) are not those of the answers"},
		{"an entry that nobody was told", func(l []ledger.Record) []ledger.Record {
			return append(l, ledger.Record{Lane: "out", Kind: register.Check, Passage: "p6"})
		}, 0, "lane out: 1 entries (check) without an answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := NewAnswers()
			said, entries := all()
			for _, o := range said {
				a.Answer(o)
			}
			for _, r := range tt.ledger(entries) {
				a.Entry(&ledger.Entry{Record: r})
			}
			wrong, lost := a.Compare()
			if got := strings.Join(wrong, "\n"); lost != tt.lost || tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("lost %d, %q, want %d, %q", lost, got, tt.lost, tt.want)
			}
		})
	}
}
