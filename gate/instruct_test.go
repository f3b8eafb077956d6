package gate

import (
	"errors"
	"testing"
	"time"

	"gated/gate/visit"
	"gated/ledger"
	"gated/register"
	"gated/register/hosts"
	"gated/register/visits"
)

// says records what a host says, and returns the entry.
func (s *site) instructs(host, what, name string) int64 {
	s.t.Helper()
	ev, err := hosts.Event(host, what, name)
	if err != nil {
		s.t.Fatal(err)
	}
	seq, err := s.g.Mark(ev)
	if err != nil {
		s.t.Fatal(err)
	}
	return seq
}

func TestWhatAHostSaysOnceForAll(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		what, of string
		form     visit.Form
		want     string
	}{
		"nothing":                    {"", "", visit.Form{Host: "3-2-501", Name: "周访", Consent: "gate-called"}, "hold visit"},
		"no visitors":                {hosts.NoVisitors, "", visit.Form{Host: "3-2-501", Name: "周访", Consent: "gate-called"}, "hold host-refuses"},
		"no visitors, of two hosts":  {hosts.NoVisitors, "", visit.Form{Host: "office 3-2-501", Name: "周访", Consent: "gate-called"}, "hold host-refuses"},
		"of another host":            {hosts.NoVisitors, "", visit.Form{Host: "office", Name: "周访", Consent: "gate-called"}, "hold visit"},
		"call first, and was called": {hosts.CallFirst, "", visit.Form{Host: "3-2-501", Name: "周访", Consent: "gate-called"}, "hold visit"},
		"call first, and was not":    {hosts.CallFirst, "", visit.Form{Host: "3-2-501", Name: "周访"}, "hold call-first"},
		"always admit":               {hosts.AlwaysAdmit, "周访", visit.Form{Host: "3-2-501", Name: " 周访 "}, "hold visit"},
		"always admit somebody else": {hosts.AlwaysAdmit, "周访客", visit.Form{Host: "3-2-501", Name: "周访"}, "hold consent-missing"},
		"always admit, no name":      {hosts.AlwaysAdmit, "周访", visit.Form{Host: "3-2-501"}, "hold consent-missing"},
		"an open body":               {"", "", visit.Form{Host: "shop", Name: "周访"}, "hold visit"},
		"an open body, and a flat":   {"", "", visit.Form{Host: "shop 3-2-501", Name: "周访"}, "hold consent-missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Bodies = []Body{{Body: "shop", Open: true}} }))
			if c.what != "" {
				s.instructs("3-2-501", c.what, c.of)
			}
			c.form.How = visits.Announced
			_, p := s.made(c.form)
			if out := s.scan("in", p.Digits); out.said() != c.want {
				t.Errorf("%+v", out)
			}
			s.end()
			s.start()
			s.atLevel("normal")
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Bodies = []Body{{Body: "shop", Open: true}} }))
			if out := s.scan("in", p.Digits); out.said() != c.want {
				t.Errorf("after a restart: %+v", out)
			}
		})
	}
}

// It is said while somebody waits, and taken back: the guard sees it each time, on the host's card too.
func TestAnInstructionWhileSomebodyWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, p := s.made(announced)
	if out := s.scan("in", p.Digits); out.said() != "hold visit" {
		t.Fatalf("%+v", out)
	}
	seq := s.instructs("3-2-501", hosts.NoVisitors, "")
	s.judged()
	if v := s.g.View(); len(v.Holds) != 1 || v.Holds[0].Reason != "host-refuses" {
		t.Errorf("%+v", v.Holds)
	}
	if card, err := s.g.Counter().Card("3-2-501"); err != nil || len(card.Says) != 1 || card.Says[0].What != hosts.NoVisitors || card.Says[0].Entry != seq {
		t.Errorf("%+v, %v", card, err)
	}
	if card, err := s.g.Counter().Card("office"); err != nil || len(card.Says) != 0 {
		t.Errorf("%+v, %v", card, err)
	}
	end := ledger.Event{Kind: register.Host, Reason: hosts.Ended, Ref: seq}
	if _, err := s.g.Mark(end); err != nil {
		t.Fatal(err)
	}
	if _, err := s.g.Mark(end); !errors.Is(err, ErrInvalid) {
		t.Errorf("ended twice: %v", err)
	}
	if _, err := s.g.Mark(ledger.Event{Reason: hosts.Ended, Ref: seq}); !errors.Is(err, ErrInvalid) {
		t.Errorf("ended as a mark: %v", err)
	}
	s.judged()
	if v := s.g.View(); len(v.Holds) != 1 || v.Holds[0].Reason != "visit" {
		t.Errorf("%+v", v.Holds)
	}
}

// Somebody of the list is watched, and comes as a visitor to another flat under their name: they wait for the guard.
func TestWhomAHostAlwaysAdmitsAndWhoIsWatched(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := s.now()
	if _, err := s.g.Mark(ledger.Event{Reason: "watch", Detail: map[string]string{"word": "complaint", "from": now.Add(-time.Hour).Format(time.RFC3339), "until": now.Add(time.Hour).Format(time.RFC3339)},
		Personal: []ledger.Field{{Name: "subject", Value: s.subject("赵六")}}}); err != nil {
		t.Fatal(err)
	}
	s.instructs("3-2-501", hosts.AlwaysAdmit, "赵六")
	_, p := s.made(visit.Form{How: visits.Standing, Class: "helper", Host: "3-2-501", Name: "赵六", Until: now.AddDate(0, 1, 0).Format(time.DateOnly)})
	if out := s.scan("in", p.Pass); out.said() != "hold watch-list" {
		t.Errorf("%+v", out)
	}
}
