package report

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gated/evidence"
	"gated/ledger"
	"gated/ledger/seal"
	"gated/register"
	"gated/register/registertest"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

const noon = "2026-11-23 12:45:00"

// lineOf is the first line of a text that has all of some words.
func lineOf(text string, all ...string) string {
	for l := range strings.Lines(text) {
		has := true
		for _, w := range all {
			has = has && strings.Contains(l, w)
		}
		if has {
			return strings.Join(strings.Fields(l), " ")
		}
	}
	return ""
}

// must makes a report, and has the line with some words.
func must(t *testing.T, r *evidence.Reader, now string, x Request, want string) {
	t.Helper()
	got, err := ask(t, r, now, x)
	if err != nil {
		t.Fatal(err)
	}
	if lineOf(got, strings.Fields(want)...) == "" {
		t.Errorf("%s: no line with %q in\n%s", x.Report, want, got)
	}
}

// TestADayThatIsPartlyErasedSaysSo with the number of entries, an entry that lost one field among them, and as often as it is asked.
func TestADayThatIsPartlyErasedSaysSo(t *testing.T) {
	g := played(t)
	var query, field int64
	r, err := evidence.OpenReader(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	r.Scan(1, 1<<40, true, func(e *ledger.Entry) error {
		switch {
		case e.Kind == register.Query && e.Passage == "p04":
			query = e.Seq
		case e.Kind == kindVisit && e.Detail["visit"] == "vw":
			field = e.Seq
		}
		return nil
	})
	r.Close()
	g.at("2026-11-24 09:00:00", ledger.Event{Kind: register.Alive})
	if _, err := g.box.Erase(0, []int64{query}, ledger.Event{Stamp: g.ck.Now(), Kind: ledger.Erase}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.box.EraseField(0, field, "consent_by", ledger.Event{Stamp: g.ck.Now(), Kind: ledger.Erase}); err != nil {
		t.Fatal(err)
	}
	r = g.reader()
	for _, x := range []Request{{Report: "day", Day: "2026-11-23"}, {Report: "visits", Day: "2026-11-23"}, {Report: "attendance", Month: "2026-11"},
		{Report: "host", Of: "3-2-501"}, {Report: "day", Day: "2026-11-23", Chat: true}} {
		must(t, r, "2026-11-24 10:00:00", x, "Incomplete: the personal data of 2 entries")
		x.Language = "zh"
		must(t, r, "2026-11-24 10:00:00", x, "2 条记录的个人信息")
	}
	if got, _ := ask(t, r, "2026-11-24 10:00:00", Request{Report: "day", Day: "2026-11-22"}); strings.Contains(got, "erased") {
		t.Errorf("nothing of that day is erased:\n%s", got)
	}
	must(t, r, "2026-11-24 10:00:00", Request{Report: "visits", Day: "2026-11-23"}, "vw 水管工")
	if got, _ := ask(t, r, "2026-11-24 10:00:00", Request{Report: "visits", Day: "2026-11-23"}); strings.Contains(got, "五幢业主") {
		t.Errorf("who agreed was erased:\n%s", got)
	}
}

// TestAnErasedVisitIsStillInside: that somebody is there is not personal, who it is was.
func TestAnErasedVisitIsStillInside(t *testing.T) {
	g := newGate(t)
	e := g.at("2026-11-23 09:00:00", made("v1", "walk-in", "visitor", map[string]string{"consent": "intercom"}, "host", "3-2-501", "name", "王来访"))
	g.pass("2026-11-23 09:01:00", visitor("v1", "visitor", "in"))
	if _, err := g.box.Erase(0, []int64{e.Seq}, ledger.Event{Stamp: g.ck.Now(), Kind: ledger.Erase}); err != nil {
		t.Fatal(err)
	}
	r := g.reader()
	must(t, r, noon, Request{Report: "rollcall"}, "elsewhere (erased) visitor inside 1")
	must(t, r, noon, Request{Report: "visits", Day: "2026-11-23"}, "v1 (erased)")
}

// TestAVisitThatIsToldOfAgain is none of that day, and is known by what was told last; of one of an epoch before whoever was inside is.
func TestAVisitThatIsToldOfAgain(t *testing.T) {
	g := newGate(t)
	e := g.at("2026-11-22 09:00:00", made("v1", "standing", "helper", nil, "host", "3-2-501", "name", "王来访"))
	g.pass("2026-11-22 09:01:00", visitor("v1", "helper", "in"))
	g.at("2026-11-23 03:30:00", made("v1", "standing", "helper", map[string]string{"again": "1", "inside": "1"}, "host", "3-2-501", "name", "王来访"))
	if _, err := g.box.Erase(0, []int64{e.Seq}, ledger.Event{Stamp: g.ck.Now(), Kind: ledger.Erase}); err != nil {
		t.Fatal(err)
	}
	g.at("2026-11-23 03:31:00", made("v2", "group", "visitor", map[string]string{"again": "7", "inside": "4", "came_in": rfc("2026-11-22 20:00:00")}, "host", "3-2-501", "name", "团体"))
	r := g.reader()
	must(t, r, noon, Request{Report: "rollcall"}, "王来访 helper inside 1")
	must(t, r, noon, Request{Report: "rollcall"}, "团体 visitor inside 4")
	got, err := ask(t, r, noon, Request{Report: "visits", Day: "2026-11-23"})
	if l := lineOf(got, "v1"); err != nil || l != "" {
		t.Errorf("that day is told of %q, %v", l, err)
	}
}

func TestWithoutTheMasterKeyAReportSaysThatItIsIncomplete(t *testing.T) {
	g := played(t)
	g.box.Close()
	if err := os.Remove(seal.MasterFile(g.dir)); err != nil {
		t.Fatal(err)
	}
	r, err := evidence.OpenReader(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	must(t, r, noon, Request{Report: "day", Day: "2026-11-23"}, "Incomplete: entries cannot be read here")
	must(t, r, noon, Request{Report: "rollcall"}, "王小明 unknown, not seen")
}

// TestPresumedLeft: a delivery an hour after it came, anybody else twelve hours after they were due.
func TestPresumedLeft(t *testing.T) {
	g := newGate(t)
	g.at("2026-11-23 09:00:00", made("v1", "delivery", "courier", nil, "to", "3"))
	g.pass("2026-11-23 09:00:01", visitor("v1", "courier", "in"))
	g.at("2026-11-23 09:00:02", made("v2", "walk-in", "visitor", map[string]string{"due": rfc("2026-11-23 10:00:00")}, "host", "3-2-501"))
	g.pass("2026-11-23 09:00:03", visitor("v2", "visitor", "in"))
	g.at("2026-11-23 09:00:04", made("v3", "walk-in", "visitor", nil, "host", "3-2-501"))
	g.pass("2026-11-23 09:00:05", visitor("v3", "visitor", "in"))
	g.at("2026-11-23 09:00:06", made("v4", "announced", "visitor", map[string]string{"until": rfc("2026-11-23 12:00:00")}, "host", "3-2-501"))
	r := g.reader()
	for now, want := range map[string][]string{
		"2026-11-23 10:00:00": {"inside", "inside", "inside", "expected"},
		"2026-11-23 10:00:02": {"presumed left", "overdue", "inside", "expected"},
		"2026-11-23 21:59:59": {"presumed left", "overdue", "inside", "ended"},
		"2026-11-23 22:00:00": {"presumed left", "presumed left", "inside", "ended"},
	} {
		got, err := ask(t, r, now, Request{Report: "visits", Day: "2026-11-23"})
		if err != nil {
			t.Fatal(err)
		}
		for i, state := range want {
			if l := lineOf(got, "v"+strconv.Itoa(i+1)+" "); !strings.HasSuffix(l, state) {
				t.Errorf("%s: got %q, want %s", now, l, state)
			}
		}
	}
	// A roll call has them all, and marks them.
	must(t, r, "2026-11-23 22:00:00", Request{Report: "rollcall"}, "Building 3: inside 1, presumed left 2")
}

// TestAnAdmissionThatIsAnnulledLetsNobodyIn, whoever it was.
func TestAnAdmissionThatIsAnnulledLetsNobodyIn(t *testing.T) {
	g := newGate(t)
	g.at("2026-11-23 09:00:00", made("v1", "walk-in", "visitor", nil, "host", "3-2-501", "name", "王来访"))
	for _, s := range []somebody{visitor("v1", "visitor", "in"), resident("r-000001", "3-2-501", "王小明", "in"),
		{class: "staff", direction: "in", who: fields("subject", "r-000009")}} {
		_, e := g.pass("2026-11-23 09:01:00", s)
		g.at("2026-11-23 09:02:00", ledger.Event{Kind: register.Correction, Passage: e.Passage, Lane: "in", Direction: "in", Class: s.class, Verdict: "refuse",
			Reason: register.DidNotGoThrough, Ref: e.Seq, Detail: map[string]string{"was": "admit", "whereabouts": "outside"}, Personal: e.Personal})
	}
	r := g.reader()
	got, err := ask(t, r, noon, Request{Report: "rollcall"})
	if err != nil || strings.Contains(got, "王来访") || strings.Contains(got, "王小明") || lineOf(got, "inside 0") == "" {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err = ask(t, r, noon, Request{Report: "attendance", Month: "2026-11"}); err != nil || strings.Contains(got, "保洁张") {
		t.Errorf("%v\n%s", err, got)
	}
	must(t, r, noon, Request{Report: "day", Day: "2026-11-23"}, "visitor · annulled 1 0 1")
	must(t, r, noon, Request{Report: "day", Day: "2026-11-23"}, "admitted people 0 0 0")
}

// TestMidnight: what is decided after it counts on the day on which it began, what is put right later on none, and a visit of two days
// that was made long before is whole on both.
func TestMidnight(t *testing.T) {
	g := newGate(t)
	g.quiet = true
	g.at("2026-11-02 09:00:00", made("v1", "announced", "visitor", map[string]string{"consent": "gate-called"}, "host", "3-2-501", "name", "王来访"))
	_, long := g.pass("2026-11-03 09:00:00", resident("r-000001", "3-2-501", "王小明", "in"))
	g.pass("2026-11-22 23:00:00", visitor("v1", "visitor", "in"))
	id, _ := g.pass("2026-11-22 23:59:00", somebody{class: "unknown", direction: "in", credential: "gated-pass", verdict: "hold", reason: "unknown-person"})
	g.at("2026-11-23 00:01:00", ledger.Event{Kind: register.Decided, Passage: id, Lane: "in", Direction: "in", Class: "unknown", Verdict: "admit", Reason: "known-by-sight", By: "unauthenticated"})
	g.at("2026-11-23 00:02:00", ledger.Event{Kind: register.Correction, Passage: long.Passage, Lane: "in", Direction: "in", Class: "resident", Verdict: "refuse",
		Reason: register.DidNotGoThrough, Ref: long.Seq, Detail: map[string]string{"was": "admit"}, Personal: fields("subject", "r-000001")})
	g.pass("2026-11-23 01:00:00", visitor("v1", "visitor", "out"))
	r := g.reader()
	for _, x := range []struct{ day, want string }{{"2026-11-22", "unknown · admitted 1 0 1"}, {"2026-11-22", "people 2 0 2"}, {"2026-11-23", "people 0 1 1"}} {
		must(t, r, noon, Request{Report: "day", Day: x.day}, x.want)
	}
	for _, day := range []string{"2026-11-22", "2026-11-23"} {
		must(t, r, noon, Request{Report: "visits", Day: day}, "v1 王来访 3-2-501 gate called 23:00 01:00 left")
	}
	got, err := ask(t, r, noon, Request{Report: "visits", Day: "2026-11-24"})
	if err != nil || strings.Contains(got, "v1") {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err = ask(t, r, noon, Request{Report: "day", Day: "2026-11-23"}); err != nil || strings.Contains(got, "resident") {
		t.Errorf("%v\n%s", err, got)
	}
}

// TestAShiftEndsWithTheNextSignOn, not with one of the guard who goes on.
func TestAShiftEndsWithTheNextSignOn(t *testing.T) {
	g := newGate(t)
	first := g.at("2026-11-22 20:00:00", ledger.Event{Kind: register.SignOn})
	g.pass("2026-11-22 23:00:00", resident("r-000001", "3-2-501", "王小明", "in"))
	g.at("2026-11-22 23:30:00", ledger.Event{Kind: register.SignOn, Detail: map[string]string{register.Shift: register.GoesOn}})
	g.pass("2026-11-23 01:00:00", resident("r-000001", "3-2-501", "王小明", "out"))
	g.at("2026-11-23 08:00:00", ledger.Event{Kind: register.SignOn})
	g.pass("2026-11-23 09:00:00", resident("r-000001", "3-2-501", "王小明", "in"))
	r := g.reader()
	of := strconv.FormatInt(first.Seq, 10)
	must(t, r, noon, Request{Report: "shift", Of: of}, "2026-11-22 20:00 to 2026-11-23 08:00")
	must(t, r, noon, Request{Report: "shift", Of: of}, "people 1 1 2")
	must(t, r, noon, Request{Report: "shift"}, "people 1 0 1")
	must(t, r, noon, Request{Report: "shift", Of: of, Chat: true}, "people passed 2 (in 1, out 1)")
}

// TestATripIsNotOverdueOnceAnotherLevelCounts, nor once they are back.
func TestATripIsNotOverdueOnceAnotherLevelCounts(t *testing.T) {
	out := resident("r-000002", "3-2-502", "陈静", "out")
	out.register = map[string]string{"due": rfc("2026-11-23 10:00:00")}
	for name, x := range map[string]struct {
		then func(g *gate, went ledger.Entry)
		want bool
	}{
		"out": {func(*gate, ledger.Entry) {}, true},
		"back": {func(g *gate, went ledger.Entry) {
			g.pass("2026-11-23 10:30:00", resident("r-000002", "3-2-502", "陈静", "in"))
		}, false},
		"not back after all": {func(g *gate, went ledger.Entry) {
			_, e := g.pass("2026-11-23 10:30:00", resident("r-000002", "3-2-502", "陈静", "in"))
			g.at("2026-11-23 10:31:00", ledger.Event{Kind: register.Correction, Passage: e.Passage, Lane: "in", Direction: "in", Class: "resident", Verdict: "refuse",
				Reason: register.DidNotGoThrough, Ref: e.Seq, Detail: map[string]string{"was": "admit", "whereabouts": "outside"}, Personal: e.Personal})
		}, true},
		"never went": {func(g *gate, went ledger.Entry) {
			g.at("2026-11-23 09:01:00", ledger.Event{Kind: register.Correction, Passage: went.Passage, Lane: "out", Direction: "out", Class: "resident", Verdict: "refuse",
				Reason: register.DidNotGoThrough, Ref: went.Seq, Detail: map[string]string{"was": "admit"}, Personal: out.who[:2]})
		}, false},
		"level": {func(g *gate, went ledger.Entry) {
			n := g.at("2026-11-23 10:30:00", ledger.Event{Kind: register.Notice, Reason: "announced", Detail: map[string]string{"level": "normal", "number": "1", "issuer": "x", "from": rfc("2026-11-23 10:30:00")}})
			g.at("2026-11-23 10:31:00", ledger.Event{Kind: register.Level, Reason: "normal", Ref: n.Seq, Detail: map[string]string{"was": "controlled"}})
		}, false},
	} {
		g := newGate(t)
		g.at("2026-11-23 08:00:00", ledger.Event{Kind: ledger.Start, Detail: map[string]string{"level": "controlled"}})
		_, went := g.pass("2026-11-23 09:00:00", out)
		x.then(g, went)
		for again := range 2 {
			got, err := ask(t, g.reader(), noon, Request{Report: "overdue"})
			if err != nil || strings.Contains(got, "陈静") != x.want {
				t.Errorf("%s: %v\n%s", name, err, got)
			}
			if err := os.Remove(filepath.Join(g.dir, "index.db")); err != nil && again == 0 { // the same again without an index
				t.Fatal(err)
			}
		}
	}
}

// evil are names that people have given, and worse.
var evil = []string{"=HYPERLINK(\"http://evil\")", "<script>alert(1)</script>", "\u202eآدم\u2066", "a\x1b[2Jb\r\n\x00", "-1+cmd|'/c calc'!A0",
	strings.Repeat("長", 60), "\"quoted\", 'and' & more", "bad\xff"}

// TestNoNameDoesAnything in any format, and whoever reads it finds the text.
func TestNoNameDoesAnything(t *testing.T) {
	g := newGate(t)
	for i, name := range evil {
		v := "v" + strconv.Itoa(i)
		g.at("2026-11-23 09:00:00", made(v, "walk-in", "visitor", nil, "host", "3-2-501", "name", strings.ToValidUTF8(name, "?")))
		g.pass("2026-11-23 09:01:00", visitor(v, "visitor", "in"))
	}
	r := g.reader()
	files := map[string]string{}
	for _, format := range strings.Split(Formats, ", ") {
		out := filepath.Join(t.TempDir(), "x."+format)
		if _, err := ask(t, r, noon, Request{Report: "visits", Day: "2026-11-23", Format: format, Out: out, For: "<b>|=1"}); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(out); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", format, st.Mode(), err)
		}
		b, _ := os.ReadFile(out)
		files[format] = string(b)
		for _, bad := range []string{"\u202e", "\u2066", "\x1b", "\x00", "a\r"} {
			if format != "xlsx" && strings.Contains(files[format], bad) {
				t.Errorf("%s has %q", format, bad)
			}
		}
	}
	if h := files["html"]; strings.Contains(h, "<script") || !strings.Contains(h, "&lt;script&gt;alert(1)&lt;/script&gt;") || strings.Contains(h, "<b>") ||
		strings.Contains(h, "src=") || strings.Contains(h, "href=") || !strings.Contains(h, `<td dir="auto">آدم</td>`) || !strings.Contains(h, "size: A4") {
		t.Errorf("the page:\n%s", h)
	}
	if !strings.Contains(files["text"], "\u2068آدم\u2069") {
		t.Errorf("a name from the right is not kept apart:\n%s", files["text"])
	}
	cr := csv.NewReader(strings.NewReader(strings.TrimPrefix(files["csv"], "\ufeff")))
	cr.FieldsPerRecord = -1
	rows, err := cr.ReadAll()
	if err != nil || !strings.HasPrefix(files["csv"], "\ufeff") || !strings.Contains(files["csv"], "\r\n") {
		t.Fatal(err, files["csv"])
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@|", rune(cell[0])) {
				t.Errorf("a spreadsheet would run %q", cell)
			}
		}
	}
	book, err := excelize.OpenReader(strings.NewReader(files["xlsx"]))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	cells, err := book.GetRows("visits")
	if err != nil || len(cells) != len(evil)+1 {
		t.Fatalf("%d rows: %v", len(cells), err)
	}
	var names []string
	for _, row := range cells[1:] {
		names = append(names, row[4])
	}
	want := []string{evil[0], evil[1], "آدم", "a�[2Jb  �", evil[4], evil[5], evil[6], "bad?"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	z, err := zip.NewReader(bytes.NewReader([]byte(files["xlsx"])), int64(len(files["xlsx"])))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		w, _ := f.Open()
		b, _ := io.ReadAll(w)
		if bytes.Contains(b, []byte("<f>")) {
			t.Errorf("%s has a formula", f.Name)
		}
	}
}

// TestADisputeIsOfAPassageOnTheReport, once.
func TestADisputeIsOfAPassageOnTheReport(t *testing.T) {
	g := played(t)
	x := Request{Report: "host", Of: "3-2-501", Why: "they asked", Language: "en"}
	dispute := func(r *evidence.Reader, id string) (int64, error) {
		x := x
		x.Dispute, x.People = id, nil
		x.People = ofNobody
		at := registertest.At(noon)
		if err := x.Check(at); err != nil {
			t.Fatal(err)
		}
		return x.Disputed(r, at)
	}
	r, err := evidence.OpenReader(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	first, err := dispute(r, "p07")
	if err != nil || first == 0 {
		t.Fatal(first, err)
	}
	for _, other := range []string{"p09", "nothing"} { // the delivery, and none at all
		if _, err := dispute(r, other); err == nil || !strings.Contains(err.Error(), "has no passage") {
			t.Errorf("%s: got %v", other, err)
		}
	}
	r.Close()
	g.at("2026-11-23 12:40:00", ledger.Event{Kind: register.Disputed, Passage: "p07", Ref: first, Personal: fields("household", "3-2-501", "note", "nobody came")})
	r = g.reader()
	must(t, r, noon, x, "p07 王来访 admitted 2026-11-23 12:40")
	if _, err := dispute(r, "p07"); err == nil || !strings.Contains(err.Error(), "is disputed since 2026-11-23 12:40") {
		t.Errorf("got %v", err)
	}
	must(t, r, noon, Request{Report: "day", Day: "2026-11-23"}, "visitor · admitted 4 2 6")
}

// TestWhoHasBeenInsideLongerThanTheyCountIsUnknown, and stands apart in a roll call.
func TestWhoHasBeenInsideLongerThanTheyCountIsUnknown(t *testing.T) {
	g := newGate(t)
	g.quiet = true
	g.at("2026-11-01 00:00:00", ledger.Event{Kind: ledger.Start, Detail: map[string]string{"inside_for": "240h"}})
	g.pass("2026-11-13 12:00:00", resident("r-000001", "3-2-501", "王小明", "in"))
	g.pass("2026-11-13 13:00:00", resident("r-000002", "3-2-502", "陈静", "in"))
	g.pass("2026-11-14 13:00:00", resident("r-000006", "3-2-502", "已搬走", "in")) // the roster has them no longer
	r := g.reader()
	must(t, r, noon, Request{Report: "rollcall"}, "王小明 resident unknown 11-13")
	must(t, r, noon, Request{Report: "rollcall"}, "陈静 resident inside 11-13")
	must(t, r, noon, Request{Report: "rollcall"}, "已搬走 resident inside 11-14")
	must(t, r, noon, Request{Report: "rollcall"}, "Building 3: inside 2, presumed left 0, unknown 2")
	must(t, r, noon, Request{Report: "rollcall"}, "recorded since 2026-11-12")
}

// TestADayOfWhichNothingIsKnown has a report that says so.
func TestADayOfWhichNothingIsKnown(t *testing.T) {
	r := played(t).reader()
	for day, why := range map[string]string{"2026-11-01": "(not installed)", "2026-12-24": "(the day has not begun)"} {
		must(t, r, noon, Request{Report: "day", Day: day}, "Not watching: "+day+" 00:00 "+why)
		must(t, r, noon, Request{Report: "day", Day: day}, "admitted people 0 0 0")
		must(t, r, noon, Request{Report: "visits", Day: day}, "Visits in all: 0")
	}
}
