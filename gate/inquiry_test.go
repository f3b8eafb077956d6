package gate

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/erasure"
)

// asks puts a policy in force under which whoever is held at the lane in is asked.
func (s *site) asks(t *testing.T, changes ...string) {
	t.Helper()
	const source = `name: test
levels: [{name: guarded, basis: public-health-emergency}]
questions:
  - name: visitor
    by_sight: true
    questions:
      - {name: whom, kind: text, required: true, zh: 找谁, en: whom}
      - {name: people, kind: number, min: 1, max: 20, zh: 几个人, en: how many}
      - {name: heat, kind: temperature, zh: 体温, en: temperature}
rules:
  - {name: pass, when: {known: true, valid: true, proof: signed}, then: admit}
  - {name: no-pass, when: {direction: in}, then: hold, ask: visitor}
  - {name: out, then: hold}
`
	p, err := policy.Parse("test", []byte(strings.NewReplacer(changes...).Replace(source)))
	if err != nil {
		t.Fatal(err)
	}
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = p }))
}

type answers = map[string]string

// What is required is answered before anybody is admitted, and what is answered is in range. Otherwise nothing is recorded, and the
// guard is told what is missing.
func TestWhatIsRequiredIsAnsweredBeforeAdmitting(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asks(t)
	for _, c := range []struct {
		name string
		lane string
		r    Ruling
		want string // the answers on record, or the error
	}{
		{"all answered", "in", Ruling{Verdict: "admit", Reason: "known-by-sight", Answers: answers{"whom": "3-2-501 王奶奶", "people": "2", "heat": "36.4"}}, "answer_heat=36.4 answer_people=2 answer_whom=3-2-501 王奶奶"},
		{"only what is required", "in", Ruling{Verdict: "admit", Reason: "visitor-confirmed", Answers: answers{"whom": "王奶奶", "people": ""}}, "answer_whom=王奶奶"},
		{"a number out of range", "in", Ruling{Verdict: "admit", Reason: "known-by-sight", Answers: answers{"whom": "王奶奶", "people": "21"}}, "not accepted: answers: people: write a number from 1 to 20"},
		{"nobody has that temperature", "in", Ruling{Verdict: "admit", Reason: "known-by-sight", Answers: answers{"whom": "王奶奶", "heat": "51"}}, "not accepted: answers: heat: write a number from 34.0 to 42.0"},
		{"one missing", "in", Ruling{Verdict: "admit", Reason: "known-by-sight", Answers: answers{"people": "2"}}, "not accepted: answers: whom is missing"},
		{"none at all", "in", Ruling{Verdict: "admit", Reason: "document-sighted"}, "not accepted: answers: whom is missing"},
		{"what is not asked", "in", Ruling{Verdict: "admit", Reason: "known-by-sight", Answers: answers{"whom": "王奶奶", "card-number-7": "x"}}, "not accepted: answers: an answer to what is not asked: this hold asks whom, people, heat"},
		{"a refusal needs none", "in", Ruling{Verdict: "refuse", Reason: "no-business"}, ""},
		{"a refusal keeps what was answered", "in", Ruling{Verdict: "refuse", Reason: "no-business", Answers: answers{"people": "4"}}, "answer_people=4"},
		{"a refusal, out of range", "in", Ruling{Verdict: "refuse", Reason: "no-business", Answers: answers{"people": "0"}}, "not accepted: answers: people: write a number"},
		{"by sight", "in", Ruling{Verdict: "admit", Reason: "known-unnamed"}, ""},
		{"by sight, some answered", "in", Ruling{Verdict: "admit", Reason: "known-unnamed", Answers: answers{"people": "4"}}, "answer_people=4"},
		{"nothing is asked", "out", Ruling{Verdict: "admit", Reason: "dead-phone"}, ""},
		{"nothing is asked, and answered", "out", Ruling{Verdict: "admit", Reason: "dead-phone", Answers: answers{"whom": "王奶奶"}}, "not accepted: answers: an answer to what is not asked: this hold asks nothing"},
		{"by sight, where that opens nothing", "out", Ruling{Verdict: "admit", Reason: "known-unnamed"}, "not accepted: reason known-unnamed: this hold has no questions that may be left out for it"},
		{"nobody is refused by sight", "in", Ruling{Verdict: "refuse", Reason: "known-unnamed"}, "not accepted: reason"},
	} {
		held := s.scan(c.lane, "GP1:"+c.name)
		shown := s.g.View().Holds
		if len(shown) != 1 || (shown[0].Ask == nil) != (c.lane == "out") || c.lane == "in" && len(shown[0].Ask.Questions) != 3 {
			t.Fatalf("%s: the page shows %+v", c.name, shown)
		}
		before := s.l.Size()
		out, err := s.g.Decide(held.Passage, c.r)
		if strings.HasPrefix(c.want, "not accepted") {
			if !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "card-number") || strings.Contains(err.Error(), "51") {
				t.Errorf("%s: %v, want …%s…", c.name, err, c.want)
			}
			if s.l.Size() != before || len(s.g.View().Holds) != 1 {
				t.Errorf("%s: %d entries, %d wait", c.name, s.l.Size()-before, len(s.g.View().Holds))
			}
			must(s.g.Decide(held.Passage, Ruling{Verdict: "refuse", Reason: "not-known"}))
			continue
		}
		if err != nil || out.Verdict != c.r.Verdict || out.Reason != c.r.Reason {
			t.Errorf("%s: %+v, %v", c.name, out, err)
			continue
		}
		all := s.records()
		var got []string
		for _, e := range slices.Backward(all) {
			if e.Passage == held.Passage && e.Kind == register.Decided {
				for _, f := range e.Personal {
					if strings.HasPrefix(f.Name, "answer_") {
						got = append(got, f.Name+"="+f.Value)
					}
				}
				if strings.Contains(says(&e), "王奶奶") || strings.Contains(says(&e), "answer") {
					t.Errorf("%s: in the record: %s", c.name, e.Raw)
				}
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: kept %q, want %q", c.name, got, c.want)
		}
	}
}

// Where a second person has to agree nobody is admitted by one alone, but for an urgent need.
func TestASecondPersonAgrees(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asks(t, "    by_sight: true\n", "", "kind: text, required: true, zh: 找谁, en: whom", "kind: second-person, zh: 谁同意, en: who agrees")
	admit := func(name, reason string) (Outcome, error) {
		return s.g.Decide(s.scan("in", "GP1:"+name+reason).Passage, Ruling{Verdict: "admit", Reason: reason, Answers: answers{"whom": name}})
	}
	for _, c := range []struct {
		duty, name, reason string
		admits             bool
	}{{"", "陈站长", "known-by-sight", false}, {"", "", "sudden-illness", true}, {"周建国", "周建国 ", "known-by-sight", false},
		{"周建国", "", "known-by-sight", false}, {"周建国", "陈站长", "known-by-sight", true}} {
		if c.duty != "" {
			if err := s.g.SignOn(c.duty); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := admit(c.name, c.reason); (err == nil && out.Verdict == "admit") != c.admits || !c.admits && !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %+v, %v", c, out, err)
		}
	}
	for _, e := range s.records() {
		if name := e.Personally("answer_whom"); name != "" && (name != "陈站长" || e.Personally("guard") != "周建国" || strings.Contains(says(&e), name)) {
			t.Errorf("%s %v", e.Raw, e.Personal)
		}
	}
}

// Whoever is known by sight is admitted without answers only where the set says so.
func TestQuestionsAreLeftOutOnlyWhereTheSetSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asks(t, "    by_sight: true\n", "")
	held := s.scan("in", "GP1:STRANGER")
	before := s.l.Size()
	if _, err := s.g.Decide(held.Passage, Ruling{Verdict: "admit", Reason: policy.KnownUnnamed, Answers: answers{"whom": "王奶奶"}}); !errors.Is(err, ErrInvalid) || s.l.Size() != before {
		t.Errorf("got %v", err)
	}
}

// Answers stand nowhere in the clear, and are erased with the rest of their entry, or one of them alone.
func TestAnswersAreSealedAndErased(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asks(t)
	secret := []byte("SECRET-ANSWER-TO-WHOM")
	var seqs []int64
	for i := range 2 {
		held := s.scan("in", s.pass("resident", s.subject([]string{"王小明", "李芳"}[i]), -time.Minute))
		seqs = append(seqs, must(s.g.Decide(held.Passage, Ruling{Verdict: "admit", Reason: "dead-phone", Answers: answers{"whom": string(secret), "people": "2"}})).Seq)
	}
	clear := func() (names []string) {
		if err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && bytes.Contains(must(os.ReadFile(path)), secret) {
				names = append(names, path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return names
	}
	kept := func(seq int64) map[string]string {
		left := map[string]string{}
		for _, f := range s.records()[seq-1].Personal {
			if strings.HasPrefix(f.Name, "answer_") {
				left[f.Name] = f.Value
			}
		}
		return left
	}
	both := map[string]string{"answer_whom": string(secret), "answer_people": "2"}
	if !maps.Equal(kept(seqs[0]), both) || !maps.Equal(kept(seqs[1]), both) || len(clear()) > 0 {
		t.Fatalf("kept %v and %v, in the clear in %v", kept(seqs[0]), kept(seqs[1]), clear())
	}
	eraser := erasure.New(erasure.Options{Dir: s.dir, Ledger: s.l, Register: s.register, Now: func() ledger.Stamp { return s.g.clock.Now() }})
	for _, what := range []erasure.Selection{{Subject: s.subject("王小明")}, {Seq: seqs[1], Field: "answer_whom"}} {
		if done, err := eraser.Erase(what, "", "asked for"); err != nil || done.Entries == 0 {
			t.Fatalf("%+v: %+v, %v", what, done, err)
		}
	}
	if left := kept(seqs[0]); len(left) > 0 {
		t.Errorf("erased with the person: %v are left", left)
	}
	if left := kept(seqs[1]); !maps.Equal(left, map[string]string{"answer_people": "2"}) {
		t.Errorf("one of them erased alone: %v are left", left)
	}
}

// A ledger that fails while a guard decides keeps the hold and what it asks, and takes the same answers once it works again.
func TestAFaultKeepsTheHoldAndItsQuestions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asks(t)
	held := s.scan("in", "GP1:STRANGER")
	r := Ruling{Verdict: "admit", Reason: "visitor-confirmed", Answers: answers{"whom": "王奶奶"}}
	release := s.block()
	if out, err := s.g.Decide(held.Passage, r); err != nil || out.Verdict != Fault {
		t.Fatalf("got %+v, %v, want a fault", out, err)
	}
	if v := s.g.View(); len(v.Holds) != 1 || v.Holds[0].Passage != held.Passage || v.Holds[0].Ask == nil {
		t.Errorf("the page shows %+v", v.Holds)
	}
	release()
	until(t, "the ledger to work again", func() bool { return !s.g.Fault() })
	holds := s.g.View().Holds
	if len(holds) != 1 || holds[0].Ask == nil {
		t.Fatalf("afterwards the page shows %+v", holds)
	}
	if out, err := s.g.Decide(holds[0].Passage, r); err != nil || out.Verdict != "admit" || s.records()[out.Seq-1].Personally("answer_whom") != "王奶奶" {
		t.Errorf("afterwards: %+v, %v", out, err)
	}
}

// Who waits is asked anew when other questions come into force: answers to the old ones decide nothing. Where a new file asks the
// same, the guard who has begun ends, and the entry names the policy that was in force when they began.
func TestOtherQuestionsAreAskedAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asks(t)
	began := s.g.Rules().Policy.Hash()
	r := Ruling{Verdict: "admit", Reason: "visitor-confirmed", Answers: answers{"whom": "王奶奶"}}
	held := s.scan("in", "GP1:STRANGER")
	s.asks(t, "name: test", "name: another")
	if out, err := s.g.Decide(held.Passage, r); err != nil || s.records()[out.Seq-1].Policy != began || began == s.g.Rules().Policy.Hash() {
		t.Errorf("the same questions in another file: %+v, %v", out, err)
	}
	held = s.scan("in", "GP1:ANOTHER")
	s.asks(t, "max: 20", "max: 30")
	if out, err := s.g.Decide(held.Passage, r); !errors.Is(err, ErrChanged) && !errors.Is(err, ErrNoHold) {
		t.Fatalf("another range: %+v, %v", out, err)
	}
	holds := s.g.View().Holds
	if len(holds) != 1 || holds[0].Passage == held.Passage || holds[0].Ask.Questions[1].Max != 30 {
		t.Fatalf("the page shows %+v", holds)
	}
	s.asks(t, "  - {name: no-pass", "  - {name: stranger, when: {direction: in, class: unknown}, then: hold}\n  - {name: no-pass")
	s.g.review()
	if holds = s.g.View().Holds; len(holds) != 1 || holds[0].Ask != nil {
		t.Fatalf("nothing is asked any more: the page shows %+v", holds)
	}
	if out, err := s.g.Decide(holds[0].Passage, Ruling{Verdict: "admit", Reason: "document-sighted"}); err != nil || out.Verdict != "admit" {
		t.Errorf("nothing is asked: %+v, %v", out, err)
	}
}
