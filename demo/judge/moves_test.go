package judge

import (
	"testing"
	"time"

	"gated/policy"
)

func TestMovesForetellWhoIsHeld(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	type step struct {
		at               time.Duration
		direction        string
		verdict, expects string
	}
	for name, c := range map[string]struct {
		older bool
		steps []step
	}{
		"in and out":               {false, []step{{0, "in", "admit", "admit"}, {time.Second, "out", "admit", "admit"}, {2 * time.Second, "in", "admit", "admit"}}},
		"in twice":                 {false, []step{{0, "in", "admit", "admit"}, {time.Second, "in", "hold", "hold"}}},
		"in twice, later":          {false, []step{{0, "in", "admit", "admit"}, {121 * time.Second, "in", "admit", "admit"}}},
		"about two minutes":        {false, []step{{0, "in", "admit", "admit"}, {120 * time.Second, "in", "admit", ""}, {121 * time.Second, "in", "hold", "hold"}}},
		"the guard may let them":   {false, []step{{0, "in", "admit", "admit"}, {time.Second, "in", "hold", "hold"}, {200 * time.Second, "in", "hold", ""}, {201 * time.Second, "out", "admit", "admit"}}},
		"refused by some mistake":  {false, []step{{0, "in", "refuse", "admit"}, {time.Second, "in", "admit", "admit"}}},
		"others came before":       {true, []step{{0, "in", "hold", ""}, {time.Second, "out", "admit", ""}, {2 * time.Second, "out", "hold", "hold"}}},
		"dropped as no whole code": {false, []step{{0, "in", "admit", "admit"}, {time.Second, "out", "", "admit"}, {2 * time.Second, "in", "hold", "hold"}}},
	} {
		m := Moves{Older: c.older}
		for i, s := range c.steps {
			if !m.Begin("r-1") {
				t.Errorf("%s: at another lane", name)
			}
			if m.Begin("r-1") {
				t.Errorf("%s: at two lanes", name)
			}
			from := start.Add(s.at)
			if got := m.End("r-1", s.direction, Span{from, from.Add(500 * time.Millisecond)}, s.verdict); got != s.expects {
				t.Errorf("%s, step %d: got %q, want %q", name, i, got, s.expects)
			}
		}
	}
	m := Moves{}
	m.Begin("r-1")
	m.End("r-1", "in", Span{start, start}, policy.Admit)
	if m.Same("r-1", "out") || !m.Same("r-1", "in") {
		t.Error("they went in")
	}
	m.Lose("r-2")
	for _, want := range []string{"", policy.Admit} { // in, by whatever
		m.Begin("r-2")
		direction := map[string]string{"": "in", policy.Admit: "out"}[want]
		if got := m.End("r-2", direction, Span{start, start}, policy.Admit); got != want {
			t.Errorf("who may have passed: %q, want %q", got, want)
		}
	}
	m.Begin("r-1")
	m.Leave("r-1")
	if !m.Begin("r-1") {
		t.Error("who has left can come again")
	}
}
