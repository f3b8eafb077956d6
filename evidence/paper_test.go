package evidence

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gated/ledger"
	"gated/register"
	"gated/register/paper"
	"gated/register/registertest"
)

// Until all lines of a page are typed each export of its day says so; then it names the entries that tell of them.
func TestAnExportSaysWhatStandsOnPaperAlone(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	event := func(when string, ev ledger.Event) {
		ck.Set(when)
		ev.Stamp = ck.Now()
		registertest.MustAppend(t, l, ev)
	}
	event("2026-11-23 08:00:00", ledger.Event{Kind: register.Paper, Reason: paper.Printed, Detail: map[string]string{paper.First: "1", paper.Pages: "9", paper.Day: "2026-11-23"}})
	event("2026-11-23 20:00:00", ledger.Event{Kind: register.Paper, Reason: paper.Filled, Detail: map[string]string{paper.Page: "7", paper.Lines: "23"}})
	says := func() (front [][]string, lines string) {
		t.Helper()
		r, err := OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		front, _, _ = readCSV(t, r, oneDay("2026-11-23"))
		s, err := r.Stats("2026-11-23", registertest.At("2026-11-26 00:00:00"))
		var b bytes.Buffer
		if err == nil {
			err = r.WriteGaps(&b, s)
		}
		if err != nil {
			t.Fatal(err)
		}
		return front, b.String()
	}
	front, lines := says()
	if d := cmp.Diff([]string{"on paper", "page 7: 23 lines are not typed yet"}, front[len(front)-1]); d != "" || !strings.Contains(lines, "# on paper: page 7: 23 lines are not typed yet.\n") {
		t.Errorf("%s%s", d, lines)
	}
	of := map[string]string{paper.Line: "7-1", paper.Written: "2026-11-23T19:00:00+08:00"}
	event("2026-11-24 09:00:00", ledger.Event{Kind: register.Check, Passage: "p1", Direction: "in", Detail: of})
	event("2026-11-24 09:00:01", ledger.Event{Kind: register.Paper, Reason: paper.Entered, Detail: map[string]string{paper.Page: "7",
		paper.Lines: "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23"}})
	front, lines = says()
	if d := cmp.Diff([]string{"later entry", "3", "check", "", "2026-11-24T09:00:00+08:00", "about 2026-11-23"}, front[len(front)-1]); d != "" || strings.Contains(lines, "paper") {
		t.Errorf("%s%s", d, lines)
	}
}
