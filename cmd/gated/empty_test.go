package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/box"
	"gated/register/blind"
	"gated/register/erasure"
)

// TestAnEmptyValueSelectsNobody: an unset variable of a script is enough for one, and everybody would be the answer.
func TestAnEmptyValueSelectsNobody(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	for _, line := range []string{
		"ledger subject @ --reason x", "roster show @", "roster list @", "roster remove @", "pass revoke @", "pass revoke --household=@",
		"ledger search --name=@", "ledger search --household=@ --why x", "ledger search --subject=@", "ledger search --name-part=@",
		"ledger search --verdict=@", "ledger search --class=@", "ledger search --day=@", "ledger stats --day=@",
		"ledger erase --subject=@ --reason x", "ledger erase --subject=@ --before 2020-01-01 --reason x",
		"ledger erase --before 2020-01-01 --class=@ --reason x", "ledger erase --seq 1 --field=@ --reason x",
		"ledger export --format csv --day=@", "ledger keep --from=@ --to=@ --lift 1 --reason x",
	} {
		for _, empty := range []string{"", " ", "\u3000"} {
			args := strings.Fields(line)
			for i, a := range args {
				args[i] = strings.ReplaceAll(a, "@", empty)
			}
			var out, say bytes.Buffer
			status := execute(append(args, "--state", dir), strings.NewReader(""), &out, &say)
			if status != 2 || out.Len() > 0 || !strings.Contains(say.String(), "is empty") {
				t.Errorf("%q: status %d, %q, %q", args, status, out.String(), say.String())
			}
		}
	}
	if err := box.TellSubject(t.Context(), dir, box.Subject{Why: "x"}, false, nil); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("the subject \"\": %v", err)
	}
	if _, err := box.Perform(t.Context(), dir, box.Erase, box.Erasure{Selection: erasure.Selection{Subject: " "}, Why: "x"}); err == nil ||
		!strings.Contains(err.Error(), "empty") {
		t.Errorf("to erase the subject \" \": %v", err)
	}
	for _, x := range []box.Finding{{Kind: blind.OfSubject}, {Kind: blind.OfPlate, Value: "-"},
		{Kind: blind.OfName, Value: " ", From: "2026-11-23", To: "2026-11-23"}} {
		x.Why = "x"
		if found, err := box.Search(t.Context(), dir, x); err == nil || !strings.Contains(err.Error(), "empty") {
			t.Errorf("%+v: %v, %v", x, found, err)
		}
	}
}

func TestCompletionHasEmptyWords(t *testing.T) {
	t.Parallel()
	var out, say bytes.Buffer
	if status := execute([]string{"__complete", "ledger", ""}, nil, &out, &say); status != 0 || !strings.Contains(out.String(), "subject") {
		t.Errorf("status %d, %s%s", status, out.String(), say.String())
	}
}

// TestNothingIsNoAnswerWithoutTheSlots: status 1 would say that the ledger was looked through.
func TestNothingIsNoAnswerWithoutTheSlots(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	if _, err := box.Perform(t.Context(), dir, box.RecordPasses, nil); err != nil { // the ledger begins
		t.Fatal(err)
	}
	for _, lost := range []bool{false, true} {
		if lost {
			if err := os.Remove(filepath.Join(dir, "personal.keys")); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{{"subject", "nobody"}, {"erase", "--subject", "nobody"}} {
			var out, say bytes.Buffer
			status := execute(append([]string{"ledger", "--state", dir, "--reason", "x"}, args...), nil, &out, &say)
			want := map[bool]int{false: 1, true: 2}[lost]
			if status != want || strings.Contains(say.String(), "could not be looked at: ") != lost {
				t.Errorf("%q, slots lost %t: status %d, want %d, %s%s", args, lost, status, want, out.String(), say.String())
			}
		}
	}
}
