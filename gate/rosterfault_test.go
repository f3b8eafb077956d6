package gate

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/roster"

	"github.com/prometheus/client_golang/prometheus"
)

// A roster that the ledger has known, and that is missing, empty or an older one, is a fault: without it nobody knows who was
// revoked, nor who belongs here. Everybody is on hold, the guard decides, the emergency key works, and page and metric say so.
func TestARosterThatIsNotTheOneTheLedgerKnowsHoldsEverybody(t *testing.T) {
	t.Parallel()
	path := func(s *site) string { return filepath.Join(s.dir, "roster.db") }
	for name, spoil := range map[string]func(s *site, older []byte){
		"missing": func(s *site, _ []byte) { must(0, os.Remove(path(s))) },
		"empty":   func(s *site, _ []byte) { must(0, os.Truncate(path(s), 0)) },
		"older":   func(s *site, older []byte) { must(0, os.WriteFile(path(s), older, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			code := s.pass("resident", s.subject("王小明"), month)
			older := must(os.ReadFile(path(s)))
			if err := s.people.Revoke(context.Background(), s.trust.Check([]byte(code), s.now()).Serial, "lost", true); err != nil {
				t.Fatal(err)
			}
			s.g.RosterChanged(ledger.Event{Kind: register.Roster, Reason: "pass-revoked", By: unauthenticated, Detail: map[string]string{register.RosterChange: "2"}})
			if out := s.scan("in", code); out.Reason != "revoked" || s.g.RosterFault() || s.g.View().RosterFault {
				t.Fatalf("before: %+v, fault %t", out, s.g.RosterFault())
			}
			reopen := func(change func()) {
				t.Helper()
				s.end()
				if err := s.people.Close(); err != nil {
					t.Fatal(err)
				}
				change()
				s.people = must(roster.Open(path(s)))
				s.start()
			}
			kept := []byte(nil)
			reopen(func() { kept = must(os.ReadFile(path(s))); spoil(s, older) })
			for what, shown := range map[string]string{"the revoked pass": code, "another resident": s.pass("resident", "r-000002", month),
				"a shop's bar code": "6901234567892", "an ambulance": "粤B12345"} {
				if out := s.scan("in", shown); out.Verdict != policy.Hold || out.Reason != policy.RosterFault {
					t.Errorf("%s: %s %s", what, out.Verdict, out.Reason)
				}
			}
			if held := s.g.View().Holds; len(held) == 0 {
				t.Error("nobody waits")
			} else if out := must(s.g.Decide(held[0].Passage, Ruling{Verdict: "admit", Reason: "known-by-sight"})); out.Verdict != policy.Admit {
				t.Errorf("the guard decides: %+v", out)
			}
			if out := must(s.g.Emergency("in")); out.Verdict != policy.Admit {
				t.Errorf("the emergency key: %+v", out)
			}
			if !s.g.View().RosterFault || gauge(t, s.g, "gated_roster_fault") != 1 {
				t.Error("page and metric do not say so")
			}
			reopen(func() {}) // its start entry tells of the wrong one
			if out := s.scan("out", "6901234567892"); out.Reason != policy.RosterFault {
				t.Errorf("after a restart: %+v", out)
			}
			reopen(func() { must(0, os.WriteFile(path(s), kept, 0o600)) })
			if out := s.scan("in", code); out.Reason != "revoked" || s.g.View().RosterFault || gauge(t, s.g, "gated_roster_fault") != 0 {
				t.Errorf("the right one was put back: %+v", out)
			}
			var told []string
			for _, e := range s.records() {
				if n, ok := e.Detail[register.RosterChange]; ok {
					told = append(told, string(e.Kind)+" "+n)
				}
			}
			if len(told) < 4 || told[0] != "start 1" || told[1] != "roster 2" || told[len(told)-1] != "start 2" {
				t.Errorf("entries about changes: %v", told)
			}
		})
	}
}

// gauge is what the gate's own metrics say.
func gauge(t *testing.T, g *Gate, name string) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	g.m.Register(reg, g.numbers)
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.GetName() == name {
			return m.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
