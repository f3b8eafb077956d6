package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gated/gate"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
	"gated/register"
	"gated/roster"
)

var shanghai, _ = time.LoadLocation("Asia/Shanghai")

// A level is put into force by a notice, by an oral order that a notice follows, or by starting what lay ready; what cannot be is said.
func TestLevelsByNotice(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	c := start(t, "run", "--config", settings, "--state", dir)
	page := c.address(t)
	run := func(args ...string) (code int, said string) {
		var out, errs bytes.Buffer
		code = execute(append(append([]string{"level"}, args...), "--state", dir), strings.NewReader(""), &out, &errs)
		return code, out.String() + errs.String()
	}
	entry := func(args ...string) string {
		t.Helper()
		code, said := run(args...)
		m := regexp.MustCompile(`^entry=(\d+)\n`).FindStringSubmatch(said)
		if code != 0 || m == nil {
			t.Fatalf("level %q: exit %d: %s", args, code, said)
		}
		return m[1]
	}
	order := entry("set", "sealed", "--place", "3-2", "--ordered-by", "SECRET-陈", "--taken-by", "SECRET-周")
	notice := entry("set", "controlled", "--number", "2026-17", "--issuer", "街道办", "--from", "2036-11-29 06:00", "--until", "2036-12-05", "--text", "关于封闭管理的通告\n第十七号　①")
	if _, said := run("show"); !strings.Contains(said, "2026-17, 街道办                         关于封闭管理的通告 第十七号 ①\n") {
		t.Errorf("what the notice says is not in\n%s", said)
	}
	if _, said := run("show", "--json"); !strings.Contains(said, `"text":"关于封闭管理的通告\n第十七号　①"`) {
		t.Errorf("what the notice says is not in\n%s", said)
	}
	ready := entry("prepare", "sealed", "--place", "5")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"set", "seeled", "--number", "1", "--issuer", "X"}, 2, `level "seeled" (did you mean sealed?): the policy in force has the levels guarded, `},
		{[]string{"set", "sealed", "--number", "1", "--issuer", "X", "--place", "9-9"}, 2, `--place "9-9": nobody lives there`},
		{[]string{"set", "sealed", "--number", "1", "--issuer", "X", "--place", "3-2"}, 1, "notice entry " + order + " (level sealed, 3-2, by an oral order, from "},
		{[]string{"set", "sealed"}, 2, "a notice has a --number and an --issuer"},
		{[]string{"set", "sealed", "--number", "1"}, 2, "a notice has a --number and an --issuer"},
		{[]string{"set", "sealed", "--ordered-by", "A"}, 2, "say who ordered it and who took the call"},
		{[]string{"set", "sealed", "--number", "1", "--issuer", "X", "--ordered-by", "A", "--taken-by", "B"}, 2, "it is one of them"},
		{[]string{"set", "sealed", "--number", "1", "--issuer", "X", "--from", "2030-01-03", "--until", "2030-01-01"}, 2, "it ends (2030-01-02 00:00:00) before it begins (2030-01-03 00:00:00)"},
		{[]string{"set", "sealed", "--number", "1", "--issuer", "X", "--from", "2030-01-02T00:00:00Z", "--until", "2030-01-01 24:00"}, 2, "it ends (2030-01-02 00:00:00) before it begins (2030-01-02 08:00:00)"},
		{[]string{"set", "sealed", "--number", "1", "--issuer", "X", "--from", "2030-01-02", "--until", "2030-01-01"}, 2, "it ends when it begins (2030-01-02 00:00:00), and"},
		{[]string{"set", "sealed", "--number", "1", "--issuer", "X", "--until", "2020-01-01"}, 2, "before it begins (" + time.Now().In(shanghai).Format("2006-01-02 15:")},
		{[]string{"set", "sealed", "--number", "1", "--issuer", "X", "--from", "tomorrow"}, 2, `--from "tomorrow": write now, a day such as`},
		{[]string{"set", "sealed", "--number", "1\n", "--issuer", "X"}, 2, "--number: at most 100 printable characters"},
		{[]string{"set", "sealed", "--number", "1", "--issuer", "X\u202e"}, 2, "--issuer: at most 100 printable characters"},
		{[]string{"set", "sealed", "--number", "1\u200b", "--issuer", "X"}, 2, "--number: at most 100 printable characters"},
		{[]string{"set", "sealed", "--number", "\u3164", "--issuer", "X"}, 2, "--number: at most 100 printable characters"},
		{[]string{"set", "sealed", "--ordered-by", "A\ufeff", "--taken-by", "B"}, 2, "--ordered-by: at most 100 printable characters"},
		{[]string{"start", order}, 2, "is started already"},
		{[]string{"start", ready}, 2, "a level rests on a notice or an order"},
		{[]string{"start", ready, "--ordered-by", "A"}, 2, "say who ordered it and who took the call"},
		{[]string{"start", ready, "--number", "1", "--issuer", "X", "--ordered-by", "A", "--taken-by", "B"}, 2, "it is one of them"},
		{[]string{"start", "x"}, 2, "write the number of the notice's entry"},
		{[]string{"end", "99999"}, 2, "no notice with the entry 99999 counts or will"},
		{[]string{"complete", notice, "--number", "2", "--issuer", "Y"}, 2, "has a number already"},
		{[]string{"complete", order, "--number", "2"}, 2, "--number and --issuer go together"},
		{[]string{"prepare", "sealed", "--number", "2"}, 2, "--number and --issuer go together"},
		{[]string{"complete", order}, 2, "say what is to be added"},
	} {
		if code, said := run(tt.args...); code != tt.code || !strings.Contains(said, tt.want) {
			t.Errorf("level %q: exit %d, want %d, …%s…:\n%s", tt.args, code, tt.code, tt.want, said)
		}
	}
	code, plan := run("plan", "sealed", "--place", "3-1")
	if code != 0 || !strings.Contains(plan, "  resident ") || !strings.Contains(plan, "verdicts overturned: ") || strings.Contains(plan, "overturned: 0\n") {
		t.Errorf("the plan: exit %d:\n%s", code, plan)
	}
	if code, said := run("plan", "seeled"); code != 2 || !strings.Contains(said, "did you mean sealed?") {
		t.Errorf("a plan of no level: exit %d: %s", code, said)
	}
	for at, late := range map[string]bool{"2036-11-29 22:00": true, "2036-11-29 08:00": false} {
		code, said := run("plan", "controlled", "--at", at)
		if code != 0 || !strings.Contains(said, "verdicts overturned: ") || strings.Contains(said, " outside-hours") != late {
			t.Errorf("the plan at %s: exit %d:\n%s", at, code, said)
		}
	}
	if code, said := run("plan", "sealed", "--at", "tomorrow"); code != 2 || !strings.Contains(said, `--at "tomorrow": write now, a day such as`) {
		t.Errorf("a plan at no time: exit %d: %s", code, said)
	}
	t.Log(plan)
	entry("complete", order, "--number", "2026-18", "--issuer", "指挥部", "--until", "2036-01-01")
	entry("start", ready, "--until", "2036-01-01", "--ordered-by", "SECRET-陈", "--taken-by", "SECRET-周")
	third := entry("set", "normal", "--place", "3-2", "--number", "2026-19", "--issuer", "指挥部", "--replace")
	entry("end", notice)
	_, said := run("show", "--json")
	var list []gate.LevelView
	if err := json.Unmarshal([]byte(said), &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range list {
		got = append(got, strings.Join([]string{l.State, l.Place, l.Level, l.Number}, ":"))
	}
	if got, want := strings.Join(got, " "), "in-force::guarded: in-force:5:sealed: in-force:3-2:normal:2026-19"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, said := run("show"); !strings.Contains(said, "gate.level of the settings") || !strings.Contains(said, third+"  ") {
		t.Errorf("shown is\n%s", said)
	}
	if said := get(t, page+"metrics") + c.stderr.String(); strings.Contains(said, "SECRET") {
		t.Errorf("who ordered it stands in metrics or log")
	}
	c.stop(t)
	if code, said := run("set", "sealed", "--ordered-by", "A", "--taken-by", "B"); code != 2 || !strings.Contains(said, "no daemon runs") {
		t.Errorf("without a daemon: exit %d: %s", code, said)
	}
	if out, _ := told(t, "", "ledger", "verify", "--state", dir); !strings.Contains(out, "are complete, in order") {
		t.Error(out)
	}
}

// A level that takes the place of another says what counts then. One that is announced for later is not lost by it; one that was cut
// short goes on once the other is withdrawn, also after a restart.
func TestALevelInThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	c := start(t, "run", "--config", settings, "--state", dir)
	c.address(t)
	does := func(want string, code int, args ...string) (entry string) {
		t.Helper()
		var out, errs bytes.Buffer
		got := execute(append(append([]string{"level"}, args...), "--state", dir), strings.NewReader(""), &out, &errs)
		entry, _ = strings.CutPrefix(strings.TrimSpace(out.String()), "entry=")
		if want = strings.ReplaceAll(want, "ENTRY", entry); got != code || !strings.Contains(errs.String(), want) {
			t.Errorf("level %q: exit %d, want %d, …%s…:\n%s", args, got, code, want, &errs)
		}
		return entry
	}
	oral := does("compound: now controlled (entry ENTRY)\n", 0, "set", "controlled", "--ordered-by", "A", "--taken-by", "B")
	later := does("compound: now controlled (entry "+oral+"); from 2036-12-05 06:00 sealed (entry ENTRY)\n", 0,
		"set", "sealed", "--number", "N8", "--issuer", "X", "--from", "2036-12-05 06:00", "--replace")
	does(`begins meanwhile: give --until "2036-12-05 06:00", or withdraw it first by "gated level end `+later+`"`, 1,
		"set", "normal", "--number", "N9", "--issuer", "X", "--from", "2036-12-05", "--replace")
	does("have this one take its place by --replace", 1, "set", "normal", "--number", "N9", "--issuer", "X", "--until", "2036-12-04")
	c.stop(t)
	c = start(t, "run", "--config", settings, "--state", dir)
	c.address(t)
	does("compound: now controlled (entry "+oral+")\n", 0, "end", later)
	before := time.Now().Truncate(time.Second)
	past := does("compound: now normal (entry ENTRY)\n", 0, "set", "normal", "--number", "N10", "--issuer", "X", "--from", "2020-01-01", "--replace")
	ready := does("", 0, "prepare", "sealed")
	does("", 0, "complete", ready, "--until", "2036-12-31")
	does("compound: now sealed (entry "+ready+"); from 2037-01-01 00:00 guarded", 0, "start", ready, "--number", "N11", "--issuer", "X", "--replace")
	c.stop(t)
	in, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	told := map[string]int{}
	if err := in.OfKind(1, math.MaxInt64, func(e *ledger.Entry) error {
		for _, name := range []string{"from", "until"} {
			at, err := time.Parse(time.RFC3339, e.Detail[name])
			is := fmt.Sprint(e.Seq) == past && name == "from" || fmt.Sprint(e.Ref) == oral && name == "until"
			if err == nil && is && at.Before(before) && e.Reason != "goes-on" {
				t.Errorf("what was in force is said not to have been: %s", e.Raw)
			} else if is && err == nil {
				told[name]++
			}
		}
		return nil
	}, register.Notice); err != nil || told["from"] != 1 || told["until"] == 0 {
		t.Errorf("told %v, %v", told, err)
	}
}

// Somebody is exempt or watched until a day, by somebody's word; who it is stands sealed.
func TestExemptionsAndTheWatchList(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	rules := strings.Replace(string(policy.Shipped().Source()), "\nrules:\n", "\nrules:\n"+
		"  - {name: own-exempt, when: {exemption: dialysis, watched: false, direction: out, valid: true, proof: signed}, then: admit}\n", 1)
	rules, _, _ = strings.Cut(rules, "\nexamples:")
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := roster.OpenReadOnly(filepath.Join(dir, "roster.db"))
	if err != nil {
		t.Fatal(err)
	}
	who, pupil := store.Snapshot().People()[0].ID, store.Snapshot().People()[1].ID
	store.Close()
	c := start(t, "run", "--config", settings, "--state", dir)
	c.address(t)
	run := func(args ...string) (code int, said string) {
		var out, errs bytes.Buffer
		code = execute(append(args, "--state", dir), strings.NewReader(""), &out, &errs)
		return code, out.String() + errs.String()
	}
	atSchool := func(more ...string) []string {
		return append([]string{"exempt", "add", pupil, "dialysis", "--until", "2036-01-01", "--approved-by", "A"}, more...)
	}
	at := func(when string) []string {
		return []string{"policy", "explain", "--person", pupil, "--direction", "out", "--at", when}
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{atSchool("--times", "08:00-08:00"), 2, `--times: "08:00-08:00": it ends when it begins`},
		{atSchool("--times", "8-10"), 2, `--times: "8-10": write a slot such as 06:00-09:30`},
		{atSchool("--days", "monday"), 2, `--days: "monday": the days are mon, tue`},
		{atSchool("--times", strings.Repeat("06:00-09:30,", 30)+"16:00-18:00"), 2, "--times: at most 100 printable characters"},
		{atSchool("--times", "06:00-09:30,22:00-02:00", "--days", "mon,fri"), 0, "entry="},
		{[]string{"exempt", "list", "--reason", "asked for it"}, 0, "mon,fri  06:00-09:30,22:00-02:00"},
		{at("2035-12-03 08:00"), 0, "admit, reason own-exempt"}, // a Monday
		{at("2035-12-03 10:00"), 0, "admit, reason valid-pass"},
		{at("2035-12-04 01:59"), 0, "admit, reason own-exempt"},
		{at("2035-12-04 08:00"), 0, "admit, reason valid-pass"},
		{[]string{"watch", "add", who, "complaint", "--until", "2036-01-01", "--approved-by", "A", "--times", "06:00-09:30"}, 2, "unknown flag: --times"},
		{[]string{"exempt", "add", "r-nobody", "dialysis", "--until", "2036-01-01", "--approved-by", "A"}, 2, "neither the roster ID of a person nor a household"},
		{[]string{"exempt", "add", who, "dialysys", "--until", "2036-01-01", "--approved-by", "A"}, 2, "no rule of the policy in force asks for the exemption dialysys (did you mean dialysis?)"},
		{[]string{"exempt", "add", who, "Dialysis!", "--until", "2036-01-01", "--approved-by", "A"}, 2, "write a word of lower-case letters"},
		{[]string{"exempt", "add", who, "dialysis", "--approved-by", "A"}, 2, "--until: say when it ends"},
		{[]string{"exempt", "add", who, "dialysis", "--until", "2036-01-01"}, 2, "--approved-by: say who"},
		{[]string{"exempt", "add", who, "dialysis", "--until", "2020-01-01", "--approved-by", "A"}, 2, "its end (2020-01-02 00:00:00) is past, or not after it begins (" + time.Now().In(shanghai).Format("2006-01-02 15:")},
		{[]string{"exempt", "end", "1"}, 1, "entry 1 marks nobody"},
		{[]string{"exempt", "end", "x"}, 2, "write the number of the entry"},
		{[]string{"watch", "add", who, "complaint", "--until", "2036-01-01", "--approved-by", "A\n"}, 2, "--approved-by: at most 100 printable characters"},
		{[]string{"watch", "add", who, "complaint", "--until", "2036-01-01", "--approved-by", "A", "--note", "B\n"}, 2, "--note: at most 100 printable"},
		{[]string{"exempt", "add", who, "dialysis", "--until", "2036-01-01", "--approved-by", "SECRET-A", "--note", "SECRET-B"}, 0, "entry="},
		{[]string{"watch", "add", "3-2-101", "complaint", "--until", "2036-01-01", "--approved-by", "A"}, 0, "entry="},
		{[]string{"exempt", "list", "--reason", "asked for it"}, 0, who + "  dialysis"},
		{[]string{"watch", "list", "--reason", "asked for it"}, 0, "3-2-101  complaint"},
		{[]string{"watch", "add", who, "complaint", "--from", "2036-01-02T00:00:00Z", "--until", "2036-01-01 24:00", "--approved-by", "A"}, 2, "its end (2036-01-02 00:00:00) is past, or not after it begins (2036-01-02 08:00:00)"},
		{[]string{"policy", "explain", "--person", who, "--direction", "out"}, 0, "admit, reason own-exempt"},
	} {
		if code, said := run(tt.args...); code != tt.code || !strings.Contains(said, tt.want) {
			t.Errorf("%q: exit %d, want %d, …%s…:\n%s", tt.args, code, tt.code, tt.want, said)
		}
	}
	_, said := run("watch", "list", "--reason", "asked for it")
	entry, _, _ := strings.Cut(strings.Split(said, "\n")[1], " ")
	if code, said := run("watch", "end", entry); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	if _, said := run("watch", "list", "--reason", "asked for it"); strings.Contains(said, "3-2-101") {
		t.Errorf("after the end:\n%s", said)
	}
	c.stop(t)
	out, _ := told(t, "", "ledger", "export", "--state", dir, "--day", "today", "--format", "jsonl")
	if strings.Contains(out, "SECRET") || strings.Contains(out, who) || !strings.Contains(out, `"word":"dialysis"`) {
		t.Error("the records name somebody, or tell of no mark")
	}
}

// Who is out on a trip is listed while a daemon runs; that somebody looked is on record.
func TestTripsAreListed(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	c := start(t, "run", "--config", settings, "--state", dir)
	c.address(t)
	for _, tt := range []struct{ flag, want string }{{"", "ENTRY  HOUSEHOLD  NAME  OUT  DUE  OVERDUE\nout=0 overdue=0\n"}, {"--overdue", "out=0 overdue=0\n"}, {"--json", "[]\n"}} {
		if said, _ := told(t, "", strings.Fields("trips --state "+dir+" "+tt.flag)...); !strings.HasSuffix(said, tt.want) {
			t.Errorf("trips %s: %q, want %q", tt.flag, said, tt.want)
		}
	}
	c.stop(t)
	in, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	looks := 0
	if err := in.OfKind(1, math.MaxInt64, func(e *ledger.Entry) error {
		if e.Reason == "trips" {
			looks++
		}
		return nil
	}, register.Export); err != nil || looks != 3 {
		t.Errorf("that somebody looked is on record %d times, want 3; %v", looks, err)
	}
	var out, errs bytes.Buffer
	if code := execute([]string{"trips", "--state", dir}, strings.NewReader(""), &out, &errs); code != 2 || !strings.Contains(errs.String(), "no daemon runs") {
		t.Errorf("without a daemon: exit %d: %s%s", code, &out, &errs)
	}
}
