package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gated/box"
	"gated/ledger"
	"gated/poster"
	"gated/register"
	"gated/register/registertest"
	"gated/roster/sheet"
)

// past is a state directory with a day of long ago that is over: a visit of 3-2-501 and a resident by sight, let in by a guard.
func past(t *testing.T) (dir string, gated func(want int, args ...string) (stdout, stderr string)) {
	t.Helper()
	dir = t.TempDir()
	ck := &registertest.Clock{}
	ck.Set("2026-11-22 08:00:00")
	b := registertest.Open(t, dir, ck)
	start := registertest.StartOf(b, ck)
	registertest.MustAppend(t, b, start)
	fields := func(f ...string) (list []ledger.Field) {
		for i := 0; i < len(f); i += 2 {
			list = append(list, ledger.Field{Name: f[i], Value: f[i+1]})
		}
		return list
	}
	add := func(when string, ev ledger.Event) {
		ck.Set(when)
		ev.Stamp = ck.Now()
		registertest.MustAppend(t, b, ev)
	}
	pass := func(when, id, visit, class, check, reason string, who ...string) {
		ev := ledger.Event{Passage: id, Lane: "in", Direction: "in", Detail: map[string]string{}}
		if visit != "" {
			ev.Detail["visit"] = visit
		}
		c, q, d := ev, ev, ev
		c.Kind, c.Reason = register.Check, check
		q.Kind, q.Class, q.Personal = register.Query, class, fields(who...)
		d.Kind, d.Class, d.Verdict, d.Reason, d.By, d.Personal = register.Decided, class, "admit", reason, "unauthenticated", fields("guard", "赵")
		if who != nil {
			d.Personal = append(d.Personal, fields(who[:4]...)...)
		}
		add(when, c)
		add(when, q)
		add(when, d)
	}
	add("2026-11-22 09:00:00", ledger.Event{Kind: register.Visit, Reason: "walk-in", Class: "visitor", Detail: map[string]string{"visit": "v1", "consent": "gate-called"},
		Personal: fields("host", "3-2-501", "name", "李水", "phone", "13900000001", "plate", "粤B12345", "consent_by", "王小明")})
	pass("2026-11-22 09:00:10", "pa", "v1", "visitor", "ok", "visitor-confirmed")
	pass("2026-11-22 10:29:00", "pb", "", "resident", "found-by-room", "dead-phone", "subject", "r-000001", "household", "3-2-501", "name", "王小明")
	pass("2026-11-22 15:00:00", "pc", "", "resident", "found-by-room", "dead-phone", "subject", "r-000002", "household", "3-2-502", "name", "陈静")
	add("2026-11-23 00:30:00", ledger.Event{Kind: register.Alive})
	b.Close()
	list, err := sheet.Read([]byte("id,room,name,class,phone\nr-000001,3-2-501,王小明,resident,13800000002\nr-000002,3-2-502,陈静,resident,13800000003\n" +
		"r-000003,3-2-501,王奶奶,resident,\n"))
	if err == nil {
		_, err = box.Perform(t.Context(), dir, box.ImportRoster, box.Import{Rows: list.Rows})
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, func(want int, args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		if got := execute(append(args, "--state", dir), strings.NewReader(""), &out, &errs); got != want {
			t.Errorf("%s: got %d, want %d\n%s%s", strings.Join(args, " "), got, want, out.String(), errs.String())
		}
		return out.String(), errs.String()
	}
}

// has fails unless a text has each of some others.
func has(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("without %q:\n%s", want, text)
		}
	}
}

// TestHostsAreCalledBack: the list is recorded first, an answer of no disputes, and the day's report counts the answers.
func TestHostsAreCalledBack(t *testing.T) {
	_, gated := past(t)
	day := []string{"--day", "2026-11-22"}
	out, _ := gated(0, append([]string{"callback", "list"}, day...)...)
	has(t, out, "3 of 3", "3-2-501", "王小明 13800000002", "visit gate-called", "by-sight dead-phone")
	var drawn struct{ Drawn []struct{ Passage string } }
	out, _ = gated(0, append([]string{"callback", "list", "--json"}, day...)...)
	if err := json.Unmarshal([]byte(out), &drawn); err != nil || len(drawn.Drawn) != 3 {
		t.Errorf("%v\n%s", err, out)
	}
	gated(0, append([]string{"callback", "answer", "pa", "nobody-reached"}, day...)...)
	gated(0, append([]string{"callback", "answer", "pa", "yes", "--host", "3-2-501"}, day...)...)
	gated(0, append([]string{"callback", "answer", "pb", "no", "--host", "3-2-501", "--note", "on holiday"}, day...)...)
	_, errs := gated(1, append([]string{"callback", "answer", "pb", "yes"}, day...)...)
	has(t, errs, "answered already: no")
	_, errs = gated(1, append([]string{"callback", "answer", "px", "yes"}, day...)...)
	has(t, errs, "was not drawn")
	_, errs = gated(2, append([]string{"callback", "answer", "pc", "perhaps"}, day...)...)
	has(t, errs, "write one of yes, no, nobody-reached")
	_, errs = gated(1, "callback", "list", "--day", "2026-01-01")
	has(t, errs, "nothing was recorded")
	_, errs = gated(2, "callback", "list", "--day", "soon")
	has(t, errs, "--day")
	out, _ = gated(0, "report", "day", "--format", "csv", "--language", "en")
	has(t, out, "call-backs,yes,,,1", "call-backs,no,,,1", "call-backs,nobody reached,,,1")
	out, _ = gated(0, "ledger", "search", "--kind", "disputed")
	if strings.Count(out, "\n") != 2 {
		t.Errorf("disputed: %s", out)
	}
	out, _ = gated(0, "ledger", "search", "--kind", "export")
	has(t, out, "report=callback")
	gated(0, "ledger", "verify")
}

// TestACopyIsForThePersonAlone: nothing of it is of the host, the family or the guard, and it is recorded.
func TestACopyIsForThePersonAlone(t *testing.T) {
	dir, gated := past(t)
	out, _ := gated(0, "person", "r-000001", "--copy", "--language", "en")
	has(t, out, "王小明", "13800000002", "2026-11-22 10:29", "household: 3-2-501")
	for _, other := range []string{"赵", "王奶奶", "陈静", "李水"} {
		if strings.Contains(out, other) {
			t.Errorf("%s is in the copy:\n%s", other, out)
		}
	}
	file := filepath.Join(t.TempDir(), "copy.json")
	gated(0, "person", "v1", "--copy", "--out", file)
	text, err := os.ReadFile(file)
	if st, _ := os.Stat(file); err != nil || st.Mode() != 0o600 {
		t.Fatal(err, st)
	}
	has(t, string(text), "李水", "13900000001", `"passage": "pa"`)
	if strings.Contains(string(text), "王小明") || strings.Contains(string(text), "3-2-501") {
		t.Errorf("the host is in the visitor's copy:\n%s", text)
	}
	gated(0, "ledger", "erase", "--subject", "r-000001", "--reason", "she asked for it")
	out, _ = gated(0, "person", "r-000001", "--copy", "--language", "en")
	if strings.Contains(out, "2026-11-22 10:29") {
		t.Errorf("what was erased is in the copy:\n%s", out)
	}
	gated(0, "person", "r-000003", "--copy") // the ledger keeps nothing of her, the roster does
	for id, want := range map[string]string{"r-999999": "keeps nothing", "3-2-501": "is a household"} {
		_, errs := gated(1, "person", id, "--copy")
		has(t, errs, want)
	}
	_, errs := gated(2, "person", "r-000001")
	has(t, errs, "copy")
	_, errs = gated(2, "person", "r-000001", "--copy", "--out", filepath.Join(dir, "ledger.db"))
	has(t, errs, "is in the state directory")
	out, _ = gated(0, "ledger", "search", "--kind", "export")
	if strings.Count(out, "subject") != 4 {
		t.Errorf("recorded:\n%s", out)
	}
}

// TestThePosterIsOfTheSettings, and replaces nothing of the state.
func TestThePosterIsOfTheSettings(t *testing.T) {
	dir, gated := past(t)
	path, out := filepath.Join(t.TempDir(), "gated.yaml"), filepath.Join(t.TempDir(), "poster.html")
	text := "gate: {name: East Gate}\nlanes: [{id: in, direction: in, scanner: {device: /dev/null}}]\n"
	for _, more := range []string{"privacy: {who: 春江物业, contact: 0755-1}\n", ""} {
		if err := os.WriteFile(path, []byte(text+more), 0o600); err != nil {
			t.Fatal(err)
		}
		if more == "" {
			_, errs := gated(2, "poster", "--config", path)
			has(t, errs, "privacy.who and privacy.contact")
			continue
		}
		said, _ := gated(0, "poster", "--config", path, "--out", out)
		html, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		has(t, string(html), "春江物业", "0755-1", "个人信息处理告知", "Notice on personal information")
		has(t, said, "sha256="+poster.Hash(html))
		printed, _ := gated(0, "poster", "--config", path)
		if printed != string(html) {
			t.Error("printed it is another one")
		}
		_, errs := gated(2, "poster", "--config", path, "--out", filepath.Join(dir, "ledger.db"))
		has(t, errs, "is in the state directory")
	}
}

// TestThePoliceGetOneWindow: of one household, with evidence that has nobody else's data, kept from being erased, and on record.
func TestThePoliceGetOneWindow(t *testing.T) {
	dir, gated := past(t)
	stem := filepath.Join(t.TempDir(), "police-17")
	ask := []string{"police", "handover", "--from", "2026-11-22 08:30", "--to", "2026-11-22 10:30", "--room", "3栋2单元501室", "--officer", "李警官 012345", "--officer", "王警官 6",
		"--paper", "调证通知书 17", "--approver", "陈经理", "--reason", "theft", "--language", "en", "--out"}
	_, errs := gated(2, append(ask, filepath.Join(dir, "ledger.db"))...)
	has(t, errs, "is in the state directory")
	said, _ := gated(0, append(ask, stem)...)
	has(t, said, "passages=2 ", "form="+stem+".html")
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(name)
		if st, _ := os.Stat(name); err != nil || st.Mode() != 0o600 {
			t.Fatal(err, st)
		}
		return string(b)
	}
	form, list := read(stem+".html"), read(stem+".csv")
	has(t, form, "李警官 012345; 王警官 6", "调证通知书 17", "陈经理", "3-2-501", "police-17.csv", "police-17.2026-11-22.zip", "2026-11-22 08:30 – 2026-11-22 10:30")
	has(t, list, "王小明", "李水", "粤B12345", "赵")
	if strings.Contains(list, "陈静") {
		t.Errorf("somebody else is in the list:\n%s", list)
	}
	has(t, read(stem+".sha256"), "police-17.html", "police-17.csv", "police-17.2026-11-22.zip")
	z, err := zip.OpenReader(stem + ".2026-11-22.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open("personal.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	personal, _ := io.ReadAll(f)
	has(t, string(personal), "王小明", "李水", "13900000001")
	if strings.Contains(string(personal), "陈静") || strings.Contains(string(personal), "3-2-502") {
		t.Errorf("somebody else is in the evidence:\n%s", personal)
	}
	var out, say bytes.Buffer
	key, _ := gated(0, "key", "show", "--ledger")
	if status := execute([]string{"ledger", "verify", stem + ".2026-11-22.zip", "--key", strings.TrimSpace(key)}, nil, &out, &say); status != 0 {
		t.Errorf("%s%s", &out, &say)
	}
	kept, _ := gated(0, "ledger", "keep", "--list")
	_, entry, _ := strings.Cut(said, "keep=")
	entry, _, _ = strings.Cut(entry, " ")
	has(t, kept, "\n"+entry+" ", "2026-11-22")
	has(t, form, "<td dir=\"auto\">"+entry+"</td>")
	_, errs = gated(1, "ledger", "erase", "--before", "2026-11-23", "--reason", "old")
	has(t, errs, "says to keep")
	found, _ := gated(0, "ledger", "search", "--kind", "export")
	if said := regexp.MustCompile(`police +(\d+) +from=2026-11-22T08:30:00\+08:00`).FindStringSubmatch(found); len(said) != 2 || said[1] != entry {
		t.Errorf("the entry does not name entry %s:\n%s", entry, found)
	}
	_, errs = gated(2, append(append([]string{}, ask[:2]...), append([]string{"--from", "2026-11-22"}, append(ask[4:], stem)...)...)...)
	has(t, errs, "say --long-window")

	look, _ := gated(0, "police", "look", "--from", "2026-11-22 15:00", "--to", "2026-11-22 15:30", "--officer", "李警官 012345", "--language", "en")
	has(t, look, "陈静", "Excerpt of the register")
	found, _ = gated(0, "ledger", "search", "--kind", "export")
	has(t, found, "police-look")
	if again, _ := gated(0, "ledger", "keep", "--list"); again != kept {
		t.Errorf("a look keeps days: %s", again)
	}
	_, errs = gated(2, "police", "look", "--from", "2026-11-22 10:00", "--to", "2026-11-22 10:30")
	has(t, errs, "--officer")
	gated(0, "ledger", "verify")
}
