package credential

import (
	"testing"
	"time"
)

func TestTheNewestTestCounts(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ago := func(hours int, result string) Health {
		return Health{Kind: Test, Disease: COVID19, Result: result, Sampled: at.Add(-time.Duration(hours) * time.Hour)}
	}
	jab := Health{Kind: Vaccination, Disease: COVID19, Dose: 2, Doses: 2}
	first, flu := jab, ago(3, "negative")
	first.Dose, flu.Disease = 1, "6142004"
	well := Health{Kind: Recovery, Disease: COVID19, From: "2026-11-25", Until: "2026-11-25"}
	for _, c := range []struct {
		list  []Health
		want  string
		hours int
	}{
		{nil, "", 0},
		{[]Health{jab, well}, "vaccination", 0},
		{[]Health{well}, "recovery", 0},
		{[]Health{jab, ago(50, "negative"), ago(3, "positive")}, "positive-test", 0},
		{[]Health{ago(3, "positive"), ago(50, "negative")}, "positive-test", 0},
		{[]Health{ago(3, "negative"), ago(50, "positive"), jab}, "negative-test", 3},
		{[]Health{ago(3, "unknown"), ago(50, "negative")}, "", 0},
		{[]Health{ago(-1, "negative")}, "", 0}, // sampled in the future
		{[]Health{ago(-1, "positive"), ago(2, "negative")}, "positive-test", 0},
		{[]Health{ago(2, "negative"), {Kind: Test, Disease: COVID19, Result: "positive"}}, "positive-test", 0},
		{[]Health{ago(3, "negative"), ago(3, "positive")}, "positive-test", 0},
		{[]Health{ago(3, "positive"), ago(3, "negative"), ago(3, "unknown")}, "positive-test", 0},
		{[]Health{ago(3, "negative"), ago(3, "unknown")}, "", 0},
		{[]Health{flu}, "", 0},
		{[]Health{flu, first}, "partial-vaccination", 0},
		{[]Health{first, jab}, "vaccination", 0},
		{[]Health{{Kind: Test, Disease: COVID19, Result: "negative"}}, "", 0},
		{[]Health{{Kind: Recovery, Disease: COVID19, From: "2026", Until: "2027"}}, "", 0},
	} {
		if word, hours := (Claim{Valid: true, Health: c.list}).Standing(at, true); word != c.want || hours != c.hours {
			t.Errorf("%+v: got %q %d, want %q %d", c.list, word, hours, c.want, c.hours)
		}
		if word, _ := (Claim{Valid: true, Health: c.list}).Standing(at, false); word == "negative-test" {
			t.Errorf("%+v: got %q of a clock that is not trusted", c.list, word)
		}
		if word, _ := (Claim{Health: c.list}).Standing(at, true); word != "" {
			t.Errorf("%+v: got %q of a certificate that is not valid", c.list, word)
		}
	}
}
