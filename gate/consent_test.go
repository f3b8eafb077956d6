package gate

import (
	"errors"
	"strings"
	"testing"

	"gated/gate/visit"
	"gated/register"
	"gated/register/visits"
)

// The guard calls the host while the visitor waits.
func TestAHostAnswersWhileSomebodyWaits(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]struct{ reason, consent string }{
		"gate-called":   {"visit", "gate-called"},
		"intercom":      {"visit", "intercom"},
		"in-person":     {"visit", "in-person"},
		"own-phone":     {"consent-missing", "own-phone"}, // stated only
		visits.NoAnswer: {"consent-missing", "none"},
		visits.Declined: {"visit-over", "none"},
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if err := s.g.SignOn("孙门岗"); err != nil {
				t.Fatal(err)
			}
			id, p := s.made(visit.Form{How: visits.Announced, Host: "3-2-501", Name: "周访"})
			hold := s.scan("in", p.Digits)
			if hold.said() != "hold consent-missing" {
				t.Fatalf("%+v", hold)
			}
			if err := s.g.Consent(id, answer, "  王太太 "); err != nil {
				t.Fatal(err)
			}
			e := s.newest("visit")
			if e.Detail[visits.ID] != id || e.Personally("consent_by") != "王太太" || e.Personally("guard") != "孙门岗" || strings.Contains(says(e), "王太太") {
				t.Errorf("the entry is %+v", e)
			}
			if got := s.visit(id).Consent; got != want.consent {
				t.Errorf("consent is %s", got)
			}
			v := s.g.View()
			if answer == visits.Declined {
				if len(v.Holds) != 0 || v.Lanes[0].Last.Reason != want.reason {
					t.Errorf("%+v, %+v", v.Holds, v.Lanes[0].Last)
				}
				return
			}
			if len(v.Holds) != 1 || v.Holds[0].Reason != want.reason {
				t.Fatalf("%+v", v.Holds)
			}
			s.end() // it is the same to whoever reads the entries anew
			s.start()
			if got := s.visit(id).Consent; got != want.consent {
				t.Errorf("after a restart consent is %s", got)
			}
		})
	}
}

func TestAnAnswerThatIsNone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, _ := s.made(visit.Form{How: visits.Announced, Host: "3-2-501", Name: "周访"})
	size := s.l.Size()
	for _, c := range []struct {
		id, answer, by string
		want           error
	}{{"nobodys", "intercom", "", ErrNoVisit}, {id, "none", "", ErrInvalid}, {id, "yes", "", ErrInvalid}, {id, "intercom", "a\u202eb", ErrInvalid}, {id, "intercom", strings.Repeat("王", 61), ErrInvalid}} {
		if err := s.g.Consent(c.id, c.answer, c.by); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if s.l.Size() != size {
		t.Error("it was recorded")
	}
}

// The host is taken out of the list while whoever visits them is inside: they are counted, found, and leave.
func TestAHostWhoIsRemovedWhileTheirVisitRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, p := s.made(announced)
	if out, err := s.g.PassVisit("in", id, 1); err != nil || out.Verdict != "admit" {
		t.Fatal(out, err)
	}
	for _, who := range []string{"王小明", "李芳", "粤B54321"} {
		if err := s.people.Remove(t.Context(), s.subject(who)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.g.Counter().Visits(nil)
	if err != nil || len(list) != 1 || list[0].Host != "3-2-501" || list[0].Inside != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if card, err := s.g.Counter().Card("3-2-501"); err == nil && len(card.People) != 0 {
		t.Errorf("%+v", card)
	}
	s.takeAway()
	if out := s.scan("out", p.Pass); out.said() != "admit valid-visit" {
		t.Errorf("out: %+v", out)
	}
	if v := s.g.View(); v.Inside != 0 {
		t.Errorf("%d inside", v.Inside)
	}
	var open int
	s.register.View(func(st *register.State) { open = len(st.Visits) })
	if open != 1 {
		t.Errorf("%d visits", open)
	}
}
