package told

import (
	"strings"
	"testing"
	"time"

	"gated/ledger"
	"gated/register"
)

func say(list []ledger.Event) (said string) {
	for _, e := range list {
		said += string(e.Kind) + " " + e.Reason
		for _, f := range e.Personal {
			said += " " + f.Name + "=" + f.Value
		}
		said += "; "
	}
	return said
}

// TestAnAnswerOfNoDisputesThePassage, and the dispute stands first: an answer that is there is all of it.
func TestAnAnswerOfNoDisputesThePassage(t *testing.T) {
	for says, want := range map[string]string{
		Yes:    "callback yes household=3-2-501 by=clerk note=her plumber; ",
		Nobody: "callback nobody-reached household=3-2-501 by=clerk note=her plumber; ",
		No: "disputed  household=3-2-501 by=clerk note=called back: her plumber; " +
			"callback no household=3-2-501 by=clerk note=her plumber; ",
	} {
		events, err := Answer{"p1", 7, says, "3-2-501", "her plumber"}.Events("clerk")
		if got := say(events); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", says, got, err, want)
		}
		for _, e := range events {
			if e.Passage != "p1" || e.Ref != 7 {
				t.Errorf("%s: entry about %q, %d", says, e.Passage, e.Ref)
			}
		}
	}
	if _, err := (Answer{Says: "perhaps"}).Events("clerk"); err == nil {
		t.Error("an answer of perhaps was taken")
	}
}

// TestAWindowSaysWhoGetsItAndIsNeverTooWide.
func TestAWindowSaysWhoGetsItAndIsNeverTooWide(t *testing.T) {
	ten := time.Date(2026, 11, 23, 10, 0, 0, 0, time.FixedZone("", 8*3600))
	good := func() HandOver {
		return HandOver{From: ten, To: ten.Add(time.Hour), Officers: []string{"李警官 012345"}, Paper: "调证通知书 17", Approver: "陈静", Why: "theft"}
	}
	ev, err := good().Event("clerk")
	if err != nil || ev.Kind != register.Export || ev.Reason != "police" || ev.Detail["from"] != "2026-11-23T10:00:00+08:00" {
		t.Errorf("got %+v, %v", ev, err)
	}
	if got := say([]ledger.Event{ev}); got != "export police recipient=李警官 012345 paper=调证通知书 17 approved_by=陈静 by=clerk note=theft; " {
		t.Error(got)
	}
	for want, change := range map[string]func(*HandOver){
		"ends before":          func(h *HandOver) { h.To = h.From },
		"at most 31 days":      func(h *HandOver) { h.To = h.From.AddDate(0, 2, 0) },
		"are shown":            func(h *HandOver) { h.Look, h.To = true, h.From.Add(2*time.Hour+time.Second) },
		"--officer: name":      func(h *HandOver) { h.Officers = nil },
		"has no number":        func(h *HandOver) { h.Officers[0] = "李警官" },
		"--paper and":          func(h *HandOver) { h.Paper = " " },
		"--paper is one line":  func(h *HandOver) { h.Paper = "a\nb" },
		"--approver has 201":   func(h *HandOver) { h.Approver = strings.Repeat("x", 201) },
		"--officer is one lin": func(h *HandOver) { h.Officers = append(h.Officers, "1\x07") },
	} {
		h := good()
		change(&h)
		if _, err := h.Event("clerk"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	look := HandOver{From: ten, To: ten.Add(Usual), Officers: []string{"李警官 012345"}, Look: true}
	if ev, err := look.Event("leader"); err != nil || ev.Reason != "police-look" {
		t.Errorf("a look of two hours: %+v, %v", ev, err)
	}
}
