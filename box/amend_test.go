package box

import (
	"errors"
	"strings"
	"testing"

	"gated/gate"
	"gated/ledger"
	"gated/register"
)

// Who puts an admission right by a command is on record with why, sealed. The daemon looks the right person up.
func TestAnAdmissionIsCorrectedByACommand(t *testing.T) {
	dir := site(t)
	had := size(t, dir)
	brother := Amendment{Passage: "went", Why: "his brother, seen on camera 2", Right: gate.Right{Lane: "out", Person: "r-000001"}}
	if _, err := Perform(t.Context(), dir, CorrectPassage, brother); err == nil || !strings.Contains(err.Error(), "no daemon runs") {
		t.Errorf("without a daemon: %v", err)
	}
	stop := listening(t, dir)
	for name, a := range map[string]Amendment{
		"nobody":   {Passage: "went", Why: "his brother", Right: gate.Right{Lane: "out", Person: "r-999999"}},
		"no lane":  {Passage: "went", Why: "his brother", Right: gate.Right{Lane: "back"}},
		"the same": {Passage: "went", Why: "his brother", Right: gate.Right{Lane: "in"}},
		"unknown":  {Passage: "gone", Why: "his brother", Right: gate.Right{Lane: "out"}},
	} {
		if _, err := Perform(t.Context(), dir, CorrectPassage, a); !errors.As(err, new(No)) {
			t.Errorf("%s: %v, want a no", name, err)
		}
	}
	right, err := Perform(t.Context(), dir, CorrectPassage, brother)
	stop()
	if err != nil || right == "" {
		t.Fatal(err)
	}
	list := recorded(t, dir, had)
	if len(list) != 4 || list[0].Kind != register.Correction || list[3].Reason != register.Corrected {
		t.Fatalf("%+v", list)
	}
	for i, who := range map[int]string{0: "r-000002", 3: "r-000001"} {
		said := ledger.Event{Personal: list[i].Personal}
		if said.Personally("subject") != who || said.Personally("by") == "" || said.Personally("note") != brother.Why {
			t.Errorf("%+v", list[i])
		}
	}
}

// What became of somebody on whom nobody had decided is put right by a command, too; an admission is annulled instead.
func TestWhatBecameOfSomebodyIsPutRightByACommand(t *testing.T) {
	dir := site(t)
	b, end := daemon(t, dir)
	left := ledger.Event{Stamp: b.stamp(), Kind: register.Check, Passage: "left", Lane: "in", Direction: "in", Reason: "ok"}
	query, undecided := left, left
	query.Kind, query.Class, query.Verdict, query.Reason = register.Query, "resident", "hold", "no-valid-pass"
	query.Personal = []ledger.Field{{Name: "subject", Value: "r-000002"}, {Name: "household", Value: "1-1-102"}}
	undecided.Kind, undecided.Class, undecided.Verdict, undecided.Reason = register.Decided, "resident", "undecided", "undecided"
	if _, err := b.Ledger.Append(left, query, undecided); err != nil {
		t.Fatal(err)
	}
	end()
	had := size(t, dir)
	became := Amendment{Passage: "left", What: "went-through", Why: "seen on camera 2"}
	if _, err := Perform(t.Context(), dir, BecamePassage, became); err == nil || !strings.Contains(err.Error(), "no daemon runs") {
		t.Errorf("without a daemon: %v", err)
	}
	stop := listening(t, dir)
	for name, a := range map[string]Amendment{
		"an admission": {Passage: "went", What: "turned-away", Why: "camera 2"},
		"no passage":   {Passage: "gone", What: "turned-away", Why: "camera 2"},
		"no such end":  {Passage: "left", What: "flew", Why: "camera 2"},
	} {
		if _, err := Perform(t.Context(), dir, BecamePassage, a); !errors.As(err, new(No)) {
			t.Errorf("%s: %v, want a no", name, err)
		}
	}
	if _, err := Perform(t.Context(), dir, BecamePassage, Amendment{Passage: "left", What: "unseen"}); err == nil {
		t.Error("nobody says why")
	}
	for _, what := range []string{"went-through", "turned-away"} {
		became.What = what
		if _, err := Perform(t.Context(), dir, BecamePassage, became); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	list := recorded(t, dir, had)
	if len(list) != 2 || list[0].Reason != "went-through" || list[1].Reason != "turned-away" || list[1].Detail["was"] != "admit" {
		t.Fatalf("%+v", list)
	}
	if said := (ledger.Event{Personal: list[1].Personal}); said.Personally("by") == "" || said.Personally("note") != became.Why || said.Personally("subject") != "r-000002" {
		t.Errorf("%+v", list[1])
	}
}
