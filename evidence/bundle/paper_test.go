package bundle

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gated/ledger"
	"gated/ledger/tlog"
	"gated/register"
	"gated/register/paper"
	"gated/register/registertest"
)

// What was written on paper is among the later entries of its day, and counts as a passage on the day on which it was typed. Both checks
// say so.
func TestABundleWithPaper(t *testing.T) {
	t.Parallel()
	python := pythonHere(t)
	ck := &registertest.Clock{}
	dir := t.TempDir()
	ck.Set("2026-11-23 08:00:00")
	l := registertest.Open(t, dir, ck)
	registertest.MustAppend(t, l, registertest.StartOf(l, ck))
	ck.Set("2026-11-24 09:00:00")
	of := func() map[string]string {
		return map[string]string{"visit": "v1", paper.Line: "7-1", paper.Written: "2026-11-23T19:00:00+08:00"}
	}
	s := ck.Now()
	registertest.MustAppend(t, l,
		ledger.Event{Stamp: s, Kind: register.Visit, Reason: "walk-in", Detail: of(), Personal: []ledger.Field{{Name: "host", Value: "3-2-501"}}},
		ledger.Event{Stamp: s, Kind: register.Check, Passage: "p1", Direction: "in", Credential: "none", Reason: paper.Passed, Detail: of()},
		ledger.Event{Stamp: s, Kind: register.Decided, Passage: "p1", Direction: "in", Verdict: "admit", Reason: paper.Passed, Rule: paper.Passed, Detail: of()})
	l.Close()
	keys, err := tlog.PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "day.zip")
	for day, admitted := range map[string]string{"2026-11-23": "0", "2026-11-24": "1"} {
		b := bundleOf(t, dir, day, true)
		said, err := checkBundle(t, b, keys...)
		if err != nil {
			t.Errorf("%s: %v\n%s", day, err, said)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), python, "-B", "../../docs/check_bundle.py", path, keys[0]).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", day, err, out)
		}
		m := membersOf(t, b)
		if later := strings.Count(m["later.jsonl"], "\n"); later != map[string]int{"2026-11-23": 3, "2026-11-24": 0}[day] || !strings.Contains(m["summary.json"], `"admit": `+admitted) {
			t.Errorf("%s: %d later entries\n%s", day, later, m["summary.json"])
		}
	}
}
