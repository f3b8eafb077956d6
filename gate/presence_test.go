package gate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/gate/ruling"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// later moves the clock on.
func (s *site) later(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shift += d
}

// Who goes the same way once more, without the way back, is held within two minutes, whatever the level: their pass may have been
// handed back over the fence. Later they are admitted and marked, or at the strict levels held. Services pass.
func TestTheSameWayOnceMore(t *testing.T) {
	t.Parallel()
	for _, level := range policy.Shipped().Levels() {
		for _, lane := range []string{"in", "out"} {
			t.Run(level+" "+lane, func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level, r.Repeat = level, 0 }))
				strict := level == "controlled" || level == "sealed"
				code := s.pass("staff", s.subject("赵六"), month)
				if out := s.scan(lane, code); out.Verdict != policy.Admit || out.Reason != "valid-pass" {
					t.Fatalf("first: %+v", out)
				}
				s.later(time.Minute)
				held := s.scan(lane, code)
				if held.Verdict != policy.Hold || held.Reason != "passed-back" {
					t.Errorf("a minute later: %+v", held)
				}
				s.later(3 * time.Minute)
				s.g.review() // it waits for what it was, however long
				if h := s.g.View().Holds; len(h) != 1 || h[0].Passage != held.Passage || h[0].Reason != "passed-back" {
					t.Errorf("on hold are %+v", h)
				}
				want := "admit same-way-noted"
				if strict {
					want = "hold same-way-again"
				}
				if out := s.scan(lane, code); out.Verdict+" "+out.Reason != want {
					t.Errorf("four minutes later: %+v, want %s", out, want)
				}
				s.later(time.Second)
				back := map[string]string{"in": "out", "out": "in"}[lane]
				if out := s.scan(back, code); out.Verdict != policy.Admit || out.Reason != "valid-pass" {
					t.Errorf("the way back: %+v", out)
				}
				ambulance := s.pass("vehicle", s.subject("粤B12345"), month)
				for range 3 {
					if out := s.scan(lane, ambulance); out.Verdict != policy.Admit || out.Reason != "emergency-service" || out.Repeat {
						t.Errorf("an ambulance: %+v", out)
					}
				}
			})
		}
	}
}

// When somebody passed by a clock that nobody trusted nobody knows, but that it was before the next trusted entry: so they are not asked
// about for ever, and are not inside for ever. So it is of whom an annulment takes back.
func TestWhoPassedAtATimeThatNobodyKnows(t *testing.T) {
	t.Parallel()
	for name, passes := range map[string]func(s *site){
		"a clock that nobody trusted": func(s *site) {
			s.wall(false, 48*time.Hour)
			s.scan("in", s.pass("resident", s.subject("王小明"), 3*month))
			s.wall(true, 0)
		},
		"an annulled way out": func(s *site) {
			s.scan("in", s.pass("resident", s.subject("王小明"), month))
			if err := s.g.Annul(s.scan("out", s.pass("resident", s.subject("王小明"), month)).Passage, ""); err != nil {
				t.Fatal(err)
			}
		},
		"said afterwards of a hold before": func(s *site) {
			held := s.nobodyDecides("out", s.pass("resident", s.subject("王小明"), -time.Minute))
			s.scan("in", s.pass("resident", s.subject("王小明"), month))
			if err := s.g.Afterwards(held.Passage, "went-through"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			rules := func() {
				s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Hold, r.Repeat, r.InsideFor = time.Minute, 0, 24*time.Hour }))
			}
			rules()
			passes(s)
			rules()
			if out := s.scan("in", s.pass("resident", s.subject("王小明"), 3*month)); out.Reason != "passed-back" {
				t.Errorf("it may have been just now: %+v", out)
			}
			s.later(3 * time.Minute)
			if out := s.scan("in", s.pass("resident", s.subject("王小明"), 3*month)); out.Reason != "same-way-noted" {
				t.Errorf("it was not: %+v", out)
			}
			for range 2 { // a clock that jumps by a day is not trusted
				s.later(13 * time.Hour)
				s.scan("in", s.pass("staff", s.subject("赵六"), month))
			}
			if out := s.scan("in", s.pass("resident", s.subject("王小明"), 3*month)); out.Reason != "valid-pass" {
				t.Errorf("after a day they may have left unseen: %+v", out)
			}
			if _, equal, err := s.register.Rebuild(); err != nil || !equal {
				t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
			}
		})
	}
}

// Where the gate reads one direction only, it does not know of the way back. Who has been inside for long may have left unseen.
func TestWhereNobodyKnowsOfTheWayBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level, r.Repeat, r.InsideFor = "sealed", 0, 24*time.Hour }))
	code := s.pass("resident", s.subject("王小明"), month)
	s.scan("in", code)
	s.later(23 * time.Hour)
	if out := s.scan("in", code); out.Reason != "same-way-again" {
		t.Errorf("within a day: %+v", out)
	}
	if v := s.g.View(); v.Inside != 1 || v.Vehicles != 0 {
		t.Errorf("inside are %d and %d", v.Inside, v.Vehicles)
	}
	s.later(2 * time.Hour)
	if v := s.g.View(); v.Inside != 0 {
		t.Errorf("after a day %d are inside", v.Inside)
	}
	if out := s.scan("in", code); out.Verdict != policy.Admit || out.Reason != "valid-pass" {
		t.Errorf("after a day: %+v", out)
	}
	s.g.ask.Both = false // as New finds it where there is no lane out
	if out := s.scan("in", code); out.Verdict != policy.Admit || out.Reason != "valid-pass" {
		t.Errorf("at a gate that reads one direction: %+v", out)
	}
	s.scan("in", s.pass("vehicle", s.subject("粤B12345"), month))
	if v := s.g.View(); v.Inside != 1 || v.Vehicles != 1 {
		t.Errorf("inside are %d and %d", v.Inside, v.Vehicles)
	}
	for _, e := range s.records() {
		if e.Kind == ledger.Start && (e.Detail[register.BothDirections] != "yes" || e.Detail[register.InsideFor] != "0s") ||
			e.Kind == register.Settings && e.Detail[register.InsideFor] != "24h0m0s" {
			t.Errorf("%s", e.Raw)
		}
	}
}

// Whatever passages there were on two lanes, whatever guards decided, through restarts and by whatever clock: nobody of the roster who
// comes home with a valid pass is refused, and whoever has not just come in without going out is admitted, where the clock is trusted.
func TestNobodyIsKeptFromComingHome(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 20))
			s := newSite(t)
			s.hours()
			s.policy = s.g.Rules().Policy
			names := []string{"王小明", "李芳"}
			home, admitted := 0, 0
			for i := range 150 {
				switch r.IntN(12) {
				case 0:
					s.end()
					s.start()
				case 1, 2:
					s.later(time.Duration(r.IntN(300)) * time.Second)
				case 3:
					s.later(time.Duration(r.IntN(40)-10) * time.Hour)
					s.g.ConfirmClock("")
				case 4:
					s.later(-time.Duration(r.IntN(300)) * time.Second)
				case 5:
					for _, h := range s.g.View().Holds {
						verdict := []string{"admit", "refuse"}[r.IntN(2)]
						s.g.Decide(h.Passage, Ruling{Verdict: verdict, Reason: ruling.Reasons[verdict][0]})
						break
					}
				case 6:
					levels := s.policy.Levels()
					s.g.SetRules(ruled(s.g.Rules(), func(rules *Rules) {
						rules.Level, rules.Repeat = levels[r.IntN(len(levels))], time.Duration(r.IntN(2))*time.Second
						rules.InsideFor = []time.Duration{0, time.Hour, 24 * time.Hour}[r.IntN(3)]
					}))
				}
				id := s.subject(names[r.IntN(2)])
				lane := []string{"in", "in", "out"}[r.IntN(3)]
				was := s.whereabouts(id)
				out := s.scan(lane, s.pass("resident", id, 400*24*time.Hour))
				if lane != "in" || out.Repeat {
					continue
				}
				home++
				_, doubt := s.g.Clock()
				switch {
				case out.Verdict == policy.Refuse:
					t.Fatalf("step %d: %+v", i, out)
				case out.Verdict == policy.Admit:
					admitted++
				case was == "inside" && slices.Contains([]string{"passed-back", "same-way-again"}, out.Reason):
				case doubt != "" && out.Reason == "clock-untrusted" || strings.HasPrefix(out.Reason, "register-"):
				case slices.Contains([]string{"expired", "not-yet-valid"}, out.Reason): // by a clock that was wrong
				default:
					t.Fatalf("step %d: who was %q is held: %+v, the clock %q", i, was, out, doubt)
				}
			}
			if home < 40 || admitted < 20 {
				t.Errorf("%d came home, %d were admitted at once: the test tests too little", home, admitted)
			}
		})
	}
}
