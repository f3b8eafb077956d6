package report

import (
	"strconv"
	"strings"
	"testing"

	"gated/ledger"
	"gated/register"
	"gated/register/paper"
)

// typed appends what a line of page 7 says of somebody: when they came, and left unless that is empty.
func (g *gate) typed(when string, line int, in, out string) {
	g.t.Helper()
	g.n++
	id := "w" + strconv.Itoa(g.n)
	of := func(written string) map[string]string {
		return map[string]string{"visit": id, paper.Line: paper.Name(7, line), paper.Written: rfc(written), "until": rfc("2026-11-24 00:00:00"), "consent": "gate-called"}
	}
	g.at(when, ledger.Event{Kind: kindVisit, Reason: "walk-in", Class: "visitor", Detail: of(in), Personal: fields("host", "3-2-501", "name", "手写"+strconv.Itoa(line), "guard", "老陈")})
	for way, at := range map[string]string{"in": in, "out": out} {
		if at == "" {
			continue
		}
		g.at(when, ledger.Event{Kind: register.Check, Passage: id + way, Direction: way, Credential: "none", Reason: paper.Passed, Detail: of(at)})
		g.at(when, ledger.Event{Kind: register.Decided, Passage: id + way, Direction: way, Class: "visitor", Verdict: "admit", Reason: paper.Passed, Rule: paper.Passed, Detail: of(at)})
	}
	g.at(when, ledger.Event{Kind: register.Paper, Reason: paper.Entered, Detail: map[string]string{paper.Page: "7", paper.Lines: strconv.Itoa(line)}})
}

// What was written by hand counts on the day, and in the shift, in which it was written; until it is typed the report says so.
func TestPaperCountsWhenItWasWritten(t *testing.T) {
	g := newGate(t)
	g.at("2026-11-22 20:00:00", ledger.Event{Kind: register.Paper, Reason: paper.Printed, Detail: map[string]string{paper.First: "1", paper.Pages: "9", paper.Day: "2026-11-22"}})
	shift := g.at("2026-11-22 20:01:00", ledger.Event{Kind: register.SignOn})
	g.at("2026-11-22 23:00:00", ledger.Event{Kind: register.Paper, Reason: paper.Filled, Detail: map[string]string{paper.Page: "7", paper.Lines: "4"}})
	g.at("2026-11-23 08:00:00", ledger.Event{Kind: register.SignOn})
	g.typed("2026-11-23 09:00:00", 1, "2026-11-22 21:00:00", "2026-11-22 21:30:00")
	g.typed("2026-11-23 09:01:00", 2, "2026-11-22 22:00:00", "")
	g.typed("2026-11-23 09:02:00", 3, "2026-11-23 07:00:00", "")
	r := g.reader()
	yesterday, today := Request{Report: "day", Day: "2026-11-22"}, Request{Report: "day", Day: "2026-11-23"}
	of := strconv.FormatInt(shift.Seq, 10)
	for _, c := range []struct {
		Request
		want string
	}{
		{yesterday, "people 2 1 3"}, {today, "people 1 0 1"},
		{Request{Report: "shift", Of: of}, "people 3 1 4"}, {Request{Report: "shift"}, "people 0 0 0"},
		{yesterday, "page 7: 1 line is not typed yet"}, {Request{Report: "shift", Of: of}, "page 7: 1 line is not typed yet"},
		{Request{Report: "day", Day: "2026-11-22", Chat: true}, "page 7: 1 line is not typed yet."},
		{Request{Report: "day", Day: "2026-11-22", Language: "zh"}, "第 7 页：1 行尚未补录"},
		{Request{Report: "visits", Day: "2026-11-22"}, "手写2 22:00"},
		{Request{Report: "host", Of: "3-2-501", From: "2026-11-22", To: "2026-11-22"}, "2026-11-22 21:30 out 手写1"},
	} {
		must(t, r, noon, c.Request, c.want)
	}
	for name, x := range map[string]Request{"day": today, "rollcall": {Report: "rollcall"}, "overdue": {Report: "overdue"}} {
		if got, err := ask(t, r, noon, x); err != nil || lineOf(got, "not typed") != "" || name == "overdue" && strings.Contains(got, "手写") || name == "rollcall" && lineOf(got, "手写2", "presumed left") == "" {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
}

// The box was off all day, and everything of that day was typed when it was back, and the day after.
func TestADayOfNothingButPaper(t *testing.T) {
	g := newGate(t)
	g.at("2026-11-22 10:00:00", ledger.Event{Kind: ledger.Start})
	g.quiet = true
	g.typed("2026-11-24 09:00:00", 1, "2026-11-23 09:00:00", "")
	g.typed("2026-11-25 09:00:00", 2, "2026-11-23 09:30:00", "2026-11-23 10:00:00")
	r := g.reader()
	const now = "2026-11-25 12:00:00"
	must(t, r, now, Request{Report: "day", Day: "2026-11-23"}, "people 2 1 3")
	for _, day := range []string{"2026-11-22", "2026-11-24", "2026-11-25"} {
		must(t, r, now, Request{Report: "day", Day: day}, "people 0 0 0")
	}
}
