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
