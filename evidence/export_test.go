package evidence

import (
	"archive/zip"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"gated/register/registertest"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"gated/evidence/workbook"
	"gated/ledger"
	"gated/register"
)

func TestCSVOpensInASpreadsheetWithoutRunningAnything(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	ck.Set("2026-11-23 00:00:00")
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.Start})
	ck.Set("2026-11-23 23:59:00")
	ev := registertest.Passage(ck, "p1", "in", "hold")
	ev[1].Rule = "=HYPERLINK(\"http://evil\")"
	ev[1].Reason = "@SUM(1,2)"
	registertest.MustAppend(t, l, ev...)
	ck.Set("2026-11-24 00:01:00")
	registertest.MustAppend(t, l, registertest.Decided(ck, "p1", "in", "refuse", "-1+cmd"))
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, events := range []bool{false, true} {
		var b bytes.Buffer
		if err := r.ExportCSV(&b, nil, Selection{From: "2026-11-23", To: "2026-11-23", Events: events, Now: registertest.At("2026-11-25 00:00:00")}); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(b.Bytes(), []byte(workbook.BOM)) {
			t.Error("no byte order mark")
		}
		cr := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), workbook.BOM)))
		cr.FieldsPerRecord = -1
		rows, err := cr.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
					t.Errorf("a spreadsheet would run %q", cell)
				}
			}
		}
		if rows[0][1] != "East gate" || rows[1][0] != "not watching" || rows[1][5] != "silent" {
			t.Errorf("the export begins with %q", rows[:2])
		}
		last := rows[len(rows)-1]
		if !events && (last[0] != "p1" || last[8] != "refuse" || last[9] != "'-1+cmd" || last[13] != "2 3 4" || last[14] != "4 register 2026-11-24T00:01:00+08:00") {
			t.Errorf("passage row %q", last)
		}
		if events && (len(last) != 18 || last[12] != "'=HYPERLINK(\"http://evil\")") {
			t.Errorf("event row %q", last)
		}
	}
	var b bytes.Buffer
	if _, err := r.ExportJSONL(&b, nil, Selection{From: "2026-11-23", To: "2026-11-23"}); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b.Bytes(), []byte("\n")); n != 3 {
		t.Errorf("%d lines, want 3", n)
	}
}

// twoDays is a gate with personal data: a visitor held before midnight and admitted after it, and a resident the day after.
func twoDays(t *testing.T) (r *Reader, dir string) {
	t.Helper()
	ck := &registertest.Clock{}
	dir = t.TempDir()
	l := registertest.Open(t, dir, ck)
	ck.Set("2026-11-23 00:00:00")
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.Start})
	ck.Set("2026-11-23 23:59:00")
	s := ck.Now()
	registertest.MustAppend(t, l,
		ledger.Event{Stamp: s, Kind: register.Check, Passage: "p1", Lane: "north", Direction: "in", Personal: []ledger.Field{{Name: "document", Value: "110101199003074514"}, {Name: "name", Value: "王小"}}},
		ledger.Event{Stamp: s, Kind: register.Query, Passage: "p1", Lane: "north", Direction: "in", Verdict: "hold", Reason: "visitor"})
	ck.Set("2026-11-24 00:01:00")
	s = ck.Now()
	registertest.MustAppend(t, l, ledger.Event{Stamp: s, Kind: register.Decided, Passage: "p1", Lane: "north", Direction: "in", Verdict: "admit", Reason: "appointed",
		Personal: []ledger.Field{{Name: "name", Value: "=王小明"}, {Name: "note", Value: "Kept <by hand> & \"quoted\""}}})
	registertest.MustAppend(t, l, registertest.Passage(ck, "p2", "in", "admit")...)
	l.Close()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, dir
}

func oneDay(day string) Selection {
	return Selection{From: day, To: day, Now: registertest.At("2026-11-26 00:00:00")}
}

// readCSV reads an export and returns what stands before the empty row, the head, and the rows.
func readCSV(t *testing.T, r *Reader, x Selection) (front [][]string, head []string, rows [][]string) {
	t.Helper()
	var b bytes.Buffer
	if err := r.ExportCSV(&b, io.Discard, x); err != nil {
		t.Fatal(err)
	}
	cr := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), workbook.BOM)))
	cr.FieldsPerRecord = -1
	all, err := cr.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(row []string) bool { return len(row) > 15 })
	return all[:i], all[i], all[i+1:]
}

func TestADayTellsWhatWasSaidOfItLater(t *testing.T) {
	t.Parallel()
	r, _ := twoDays(t)
	front, _, rows := readCSV(t, r, oneDay("2026-11-23"))
	want := []string{"later entry", "4", "register", "appointed", "2026-11-24T00:01:00+08:00", "about 2026-11-23"}
	if d := cmp.Diff(want, front[len(front)-1]); d != "" {
		t.Errorf("front (-want +got):\n%s", d)
	}
	if len(rows) != 1 || rows[0][8] != "admit" || rows[0][13] != "2 3 4" || rows[0][14] != "4 register 2026-11-24T00:01:00+08:00" {
		t.Errorf("passages %q", rows)
	}
}

func TestARangeIsItsDaysOneAfterTheOther(t *testing.T) {
	t.Parallel()
	r, _ := twoDays(t)
	for _, events := range []bool{false, true} {
		var want [][]string
		for _, day := range []string{"2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25"} {
			x := oneDay(day)
			x.Events = events
			_, _, rows := readCSV(t, r, x)
			want = append(want, rows...)
		}
		x := Selection{From: "2026-11-22", To: "2026-11-25", Events: events, Now: registertest.At("2026-11-26 00:00:00")}
		front, _, rows := readCSV(t, r, x)
		if d := cmp.Diff(want, rows); d != "" {
			t.Errorf("events %t (-days +range):\n%s", events, d)
		}
		if front[0][2] != "days" || front[0][3] != "2026-11-22 to 2026-11-25" || front[1][5] != "not-installed" {
			t.Errorf("front %q", front)
		}
	}
	var b bytes.Buffer
	if _, err := r.ExportJSONL(&b, nil, Selection{From: "2026-11-22", To: "2026-11-25"}); err != nil || strings.Count(b.String(), "\n") != 6 {
		t.Errorf("%v: %s", err, b.String())
	}
	for _, x := range []Selection{{}, {From: "2026-11-22"}, {From: "2026-11-23", To: "2026-11-22"}, {From: "2026-11-23", To: "2026-11-31"}, {From: "2000-01-01", To: "2026-11-22"}} {
		_, lines := r.ExportJSONL(io.Discard, nil, x)
		for name, err := range map[string]error{"csv": r.ExportCSV(io.Discard, nil, x), "jsonl": lines, "xlsx": r.ExportXLSX(io.Discard, x)} {
			if err == nil || !strings.Contains(err.Error(), x.From) {
				t.Errorf("%s of %+v: %v", name, x, err)
			}
		}
	}
}

func TestPersonalFieldsCanBeCheckedAgainstTheirRecords(t *testing.T) {
	t.Parallel()
	r, dir := twoDays(t)
	x := oneDay("2026-11-23")
	x.Personal = true
	_, head, rows := readCSV(t, r, x)
	if got, want := strings.Join(head[18:], " ")+": "+strings.Join(rows[0][18:], " "), `personal document personal name personal note: 110101199003074514 '=王小明 Kept <by hand> & "quoted"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	records := map[int64]string{}
	if err := r.Scan(1, 6, false, func(e *ledger.Entry) error { records[e.Seq] = e.Record.Personal; return nil }); err != nil {
		t.Fatal(err)
	}
	// check does what formats.md tells an auditor to do, and returns seq, field and value of each line.
	check := func(x Selection) (said []string) {
		t.Helper()
		var b bytes.Buffer
		if err := r.ExportCSV(io.Discard, &b, x); err != nil {
			t.Fatal(err)
		}
		hashes := map[int64][]string{}
		for line := range strings.Lines(b.String()) {
			var d struct {
				Seq                      int64
				Field, Salt, Value, Hash string
			}
			if err := json.Unmarshal([]byte(line), &d); err != nil {
				t.Fatal(err)
			}
			said = append(said, fmt.Sprintf("%d %s %s", d.Seq, d.Field, d.Value))
			hash, _ := hex.DecodeString(d.Hash)
			hashes[d.Seq] = append(hashes[d.Seq], string(hash))
			if d.Salt == "" {
				continue // erased
			}
			salt, _ := hex.DecodeString(d.Salt)
			m := hmac.New(sha256.New, salt)
			m.Write([]byte(d.Field + "\x00" + d.Value))
			if !bytes.Equal(m.Sum(nil), hash) {
				t.Errorf("hash of %s", line)
			}
		}
		for seq, h := range hashes {
			slices.Sort(h)
			if sum := sha256.Sum256([]byte(strings.Join(h, ""))); hex.EncodeToString(sum[:]) != records[seq] {
				t.Errorf("entry %d did not commit to %d fields", seq, len(h))
			}
		}
		return said
	}
	want := []string{"2 document 110101199003074514", "2 name 王小", "4 name =王小明", `4 note Kept <by hand> & "quoted"`}
	if d := cmp.Diff(want, check(x)); d != "" {
		t.Errorf("passages (-want +got):\n%s", d)
	}
	x.Events = true // the day's own entries only
	if d := cmp.Diff(want[:2], check(x)); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if err := erase(t, dir, func(l *ledger.Ledger) (ledger.Erased, error) {
		return l.EraseField(0, 2, "document", ledger.Event{Kind: ledger.Erase})
	}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"2 document ", want[1]}, check(x)); d != "" {
		t.Errorf("one erased (-want +got):\n%s", d)
	}
	if err := erase(t, dir, func(l *ledger.Ledger) (ledger.Erased, error) {
		return l.Erase(0, []int64{2}, ledger.Event{Kind: ledger.Erase})
	}); err != nil {
		t.Fatal(err)
	}
	if got := check(x); len(got) != 0 {
		t.Errorf("all erased: %v", got)
	}
	for _, statement := range []string{"UPDATE entry SET sealed = zeroblob(100) WHERE seq = 4", "UPDATE entry SET sealed = NULL WHERE seq = 4"} {
		for _, q := range []string{"DROP TRIGGER IF EXISTS entry_no_update", statement} {
			if err := change(dir, q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		x.Events = false
		if err := r.ExportCSV(io.Discard, nil, x); err == nil || !strings.Contains(err.Error(), "entry 4") || strings.Contains(err.Error(), "王") {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestXLSXIsTextOnly(t *testing.T) {
	t.Parallel()
	r, _ := twoDays(t)
	for _, events := range []bool{false, true} {
		x := oneDay("2026-11-23")
		x.Personal, x.Events = true, events
		_, head, rows := readCSV(t, r, x)
		var b bytes.Buffer
		dir := t.TempDir()
		x.Temp = dir
		if err := r.ExportXLSX(&b, x); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
		f, err := excelize.OpenReader(&b)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		name := map[bool]string{false: "passages", true: "events"}[events]
		if d := cmp.Diff([]string{"about", name, "personal"}, f.GetSheetList()); d != "" {
			t.Fatalf("sheets (-want +got):\n%s", d)
		}
		got, err := f.GetRows(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range append([][]string{head}, rows...) {
			for j := range want {
				if want[j] = strings.TrimPrefix(want[j], "'"); j < len(got[i]) && got[i][j] != want[j] || j >= len(got[i]) && want[j] != "" {
					t.Errorf("row %d column %d is not %q", i, j, want[j])
				}
				cell, _ := excelize.CoordinatesToCellName(j+1, i+1)
				if kind, err := f.GetCellType(name, cell); err != nil || want[j] != "" && kind != excelize.CellTypeInlineString && kind != excelize.CellTypeSharedString {
					t.Errorf("%s is of type %v, %v", cell, kind, err)
				}
				if formula, _ := f.GetCellFormula(name, cell); formula != "" {
					t.Errorf("%s is a formula", cell)
				}
			}
		}
		if p, err := f.GetPanes(name); err != nil || !p.Freeze || p.YSplit != 1 {
			t.Errorf("panes %+v, %v", p, err)
		}
		about, err := f.GetRows("about")
		if err != nil {
			t.Fatal(err)
		}
		said := fmt.Sprint(about)
		h, err := r.Head()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"East gate", "not watching", "2026-11-23 3 1 0 0", h.Root.String(), h.ShortRoot(), string(h.Note)} {
			if !strings.Contains(said, want) {
				t.Errorf("about has no %q: %s", want, said)
			}
		}
		personal, err := f.GetRows("personal")
		if want := map[bool]int{false: 5, true: 3}[events]; err != nil || len(personal) != want || personal[1][3] != "110101199003074514" {
			t.Errorf("personal %q, %v", personal, err)
		}
	}
}

// An admission that was taken back, since they did not go through, is no refusal, whenever that was said; one that failed is.
func TestAnAnnulledAdmissionIsCountedApart(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	ck.Set("2026-11-22 10:00:00")
	l := registertest.Open(t, dir, ck)
	goes := func(id string) int64 {
		done := registertest.Decided(ck, id, "out", "admit", "resident")
		done.Rule = "own"
		return registertest.MustAppend(t, l, append(registertest.Passage(ck, id, "out", "admit"), done)...)[2].Seq
	}
	takesBack := func(id string, seq int64, reason string) {
		ev := registertest.Decided(ck, id, "out", "refuse", reason)
		ev.Kind, ev.Ref, ev.Detail = register.Correction, seq, map[string]string{"was": "admit"}
		registertest.MustAppend(t, l, ev)
	}
	goes("a")
	takesBack("b", goes("b"), register.DidNotGoThrough)
	takesBack("c", goes("c"), "answered-fault")
	late := goes("d")
	ck.Set("2026-11-23 08:00:00")
	takesBack("d", late, register.DidNotGoThrough)
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Stats("2026-11-22", registertest.At("2026-11-26 00:00:00"))
	if want := map[string]int{"admit": 1, "refuse": 1, "hold": 0, "annulled": 2}; err != nil || !maps.Equal(got.Passages, want) {
		t.Errorf("counted are %v, %v, want %v", got.Passages, err, want)
	}
	var b bytes.Buffer
	if err := r.ExportCSV(&b, nil, Selection{From: "2026-11-22", To: "2026-11-22", Now: registertest.At("2026-11-25 00:00:00")}); err != nil {
		t.Fatal(err)
	}
	var told []string
	for row := range strings.Lines(b.String()) {
		if id, _, _ := strings.Cut(row, ","); len(id) == 1 || id == "passage" { // the row tells both
			_, was, _ := strings.Cut(strings.TrimRight(row, "\"\r\n"), `,"admit `)
			told = append(told, id+","+strings.Repeat("was", strings.Count(row, ",was"))+was)
		}
	}
	if want := "passage,was a, b,resident, rule own c,resident, rule own d,resident, rule own"; strings.Join(told, " ") != want {
		t.Errorf("the rows tell %q", told)
	}
}

func TestDaysAreThoseOfTheGate(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	ck.Set("2026-11-22 23:59:59")
	l := registertest.Open(t, dir, ck)
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.Start})
	registertest.MustAppend(t, l, registertest.Passage(ck, "night", "in", "hold")...)
	ck.Set("2026-11-23 00:00:01")
	registertest.MustAppend(t, l, registertest.Decided(ck, "night", "in", "undecided", "undecided"))
	registertest.MustAppend(t, l, append(registertest.Passage(ck, "day", "out", "admit"), registertest.Decided(ck, "day", "out", "admit", "resident"))...)
	ck.Set("2026-11-22 23:59:58") // the clock is set back: sequence and days hold
	registertest.MustAppend(t, l, registertest.Passage(ck, "again", "in", "hold")...)
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for day, want := range map[string]Stats{
		"2026-11-22": {Day: "2026-11-22", Entries: 5, Passages: map[string]int{"admit": 0, "refuse": 0, "hold": 1, "undecided": 1}},
		"2026-11-23": {Day: "2026-11-23", Entries: 4, Passages: map[string]int{"admit": 1, "refuse": 0, "hold": 0}},
		"2026-11-24": {Day: "2026-11-24", Entries: 0, Passages: map[string]int{"admit": 0, "refuse": 0, "hold": 0}},
	} {
		got, err := r.Stats(day, registertest.At("2026-11-26 00:00:00"))
		if err != nil {
			t.Fatal(err)
		}
		got.Gaps = nil
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", day, d)
		}
	}
}

// change changes the ledger behind its back.
// erase has the ledger of a state directory erase something.
func erase(t *testing.T, dir string, f func(l *ledger.Ledger) (ledger.Erased, error)) error {
	ck := &registertest.Clock{}
	ck.Set("2026-11-26 08:00:00")
	l := registertest.Open(t, dir, ck)
	defer l.Close()
	done, err := f(l.Ledger)
	if err == nil && done.Entries == 0 {
		err = ledger.ErrNothingErased
	}
	return err
}

func change(dir, query string) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db"))
	if err != nil {
		return err
	}
	_, err = db.Exec(query)
	return errors.Join(err, db.Close())
}

// TestLinesAreTheEntries: a line each, in order, and whatever is not so is named.
func TestLinesAreTheEntries(t *testing.T) {
	const double = "UPDATE entry SET record = record || char(10) || (SELECT record FROM entry WHERE seq = 6) WHERE seq = 5"
	for name, x := range map[string]struct{ sql, want string }{
		"an entry removed":               {"DELETE FROM entry WHERE seq = 5", "entry 5 is missing"},
		"two in the row of one":          {double + "; DELETE FROM entry WHERE seq = 6", "entry 5"},
		"two in one row, and one is two": {double, "entry 5"},
		"a line behind the last":         {"UPDATE entry SET record = record || char(10) WHERE seq = 258", "entry 258 is not a record of one line"},
		"two swapped":                    {"UPDATE entry SET record = replace(record, '\"seq\":5,', '\"seq\":6,') WHERE seq = 5", "entry 5"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := small(t)
			r, err := OpenReader(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			want := ""
			lines := func() (string, error) {
				var b strings.Builder
				_, err := r.ExportJSONL(&b, nil, Selection{From: "2026-11-22", To: "2026-11-23"})
				return b.String(), err
			}
			if err := r.Scan(1, 258, false, func(e *ledger.Entry) error { want += string(e.Raw) + "\n"; return nil }); err != nil {
				t.Fatal(err)
			}
			if got, err := lines(); err != nil || got != want {
				t.Errorf("as it is: %v, %d bytes, want %d", err, len(got), len(want))
			}
			if _, err := registertest.Unlocked(t, dir).Exec(x.sql); err != nil {
				t.Fatal(err)
			}
			if _, err := lines(); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v, want %s", err, x.want)
			}
		})
	}
}

// TestEachEntryIsReadOnce: also where a clock was set back, and of a range of days each entry for each day that it tells of.
func TestEachEntryIsReadOnce(t *testing.T) {
	ck := &registertest.Clock{}
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	ck.Set("2026-11-22 23:00:00")
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.Start})
	registertest.MustAppend(t, l, registertest.Passage(ck, "night", "in", "hold")...)
	ck.Set("2026-11-23 00:10:00")
	registertest.Many(t, l, ck, 5)
	ck.Set("2026-11-22 23:30:00") // set back
	registertest.Many(t, l, ck, 3)
	ck.Set("2026-11-23 00:20:00")
	registertest.MustAppend(t, l, registertest.Decided(ck, "night", "in", "undecided", "undecided"))
	registertest.Many(t, l, ck, 4)
	ck.Set("2026-11-24 08:00:00")
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.Correction, Passage: "night", Verdict: "admit", Reason: "answered-fault", Ref: 12})
	registertest.Many(t, l, ck, 2)
	l.Close()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Calendar(size)
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]string{"2026-11-21": "[1]", "2026-11-22": "[1+ 2+ 3+ 4 5 6 7 8 9+ 10+ 11+ 12? 17?]", "2026-11-23": "[3 4+ 5+ 6+ 7+ 8+ 9 10 11 12+ 13+ 14+ 15+ 16+ 17]",
		"2026-11-24": "[16 17+ 18+ 19+]", "2026-11-25": "[19]"} {
		for _, personal := range []bool{false, true} {
			var got []string
			if _, err := r.read(c.Day(day), size, personal, func(s seen) error {
				got = append(got, fmt.Sprint(s.Seq)+map[bool]string{true: "+"}[s.own]+map[bool]string{true: "?"}[s.later])
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != want {
				t.Errorf("%s: read %v, want %s", day, got, want)
			}
		}
	}
}

// Why somebody had to pass at once is in no export, also with personal fields; what is left can be checked all the same.
func TestWhySomebodyHadToPassIsInNoExport(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	ck.Set("2026-11-23 08:00:00")
	s := ck.Now()
	registertest.MustAppend(t, l, ledger.Event{Stamp: s, Kind: register.Check, Passage: "p1", Lane: "north", Direction: "out"},
		ledger.Event{Stamp: s, Kind: register.Decided, Passage: "p1", Lane: "north", Direction: "out", Verdict: "admit", Reason: "urgent-need",
			Personal: []ledger.Field{{Name: "need", Value: "personal-safety"}, {Name: "guard", Value: "周建国"}}})
	l.Close()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, events := range []bool{false, true} {
		x := Selection{From: "2026-11-23", To: "2026-11-23", Events: events, Personal: true, Temp: t.TempDir(), Now: s.Time}
		var csv, besideCSV, besideJSONL, xlsx bytes.Buffer
		_, err := r.ExportJSONL(io.Discard, &besideJSONL, x)
		if err := errors.Join(err, r.ExportCSV(&csv, &besideCSV, x), r.ExportXLSX(&xlsx, x)); err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(xlsx.Bytes()), int64(xlsx.Len()))
		if err != nil {
			t.Fatal(err)
		}
		book := ""
		for _, f := range z.File {
			in, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(in)
			if err != nil {
				t.Fatal(err)
			}
			book += string(b)
		}
		for name, text := range map[string]string{"CSV": csv.String(), "beside CSV": besideCSV.String(), "beside JSONL": besideJSONL.String(), "XLSX": book} {
			if strings.Contains(text, "personal-safety") || !strings.Contains(text, "周建国") {
				t.Errorf("%s, events %t: it tells why, or not who was on duty:\n%.2000s", name, events, text)
			}
		}
	}
}
