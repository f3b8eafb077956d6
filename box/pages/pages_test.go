package pages

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"gated/ledger"
	"gated/register"
	"gated/register/paper"
	"gated/roster"
	"gated/roster/sheet"
)

// keeper is a book in memory.
type keeper struct {
	book paper.Book
	now  time.Time
	made []ledger.Event
}

func (k *keeper) OfPaper(draft func(b paper.Book, now time.Time) ([]ledger.Event, error)) (entries []ledger.Entry, err error) {
	events, err := draft(k.book, k.now)
	for _, ev := range events {
		k.made = append(k.made, ev)
		e := ledger.Entry{Record: ledger.Record{Seq: int64(len(k.made)), Kind: ev.Kind, Reason: ev.Reason, Detail: ev.Detail}, At: k.now}
		if entries = append(entries, e); e.Kind == paper.Kind {
			k.book = k.book.After(&e)
		}
	}
	return entries, err
}

var zone, _ = time.LoadLocation("Asia/Shanghai")

// newKeeper has pages 1 to 9, printed for the 23rd, of which page 7 has three lines; it is the noon after.
func newKeeper() *keeper {
	k := &keeper{now: time.Date(2026, 11, 24, 12, 0, 0, 0, zone)}
	k.OfPaper(func(paper.Book, time.Time) ([]ledger.Event, error) {
		return []ledger.Event{{Kind: paper.Kind, Reason: paper.Printed, Detail: map[string]string{paper.First: "1", paper.Pages: "9", paper.Day: "2026-11-23"}},
			{Kind: paper.Kind, Reason: paper.Filled, Detail: map[string]string{paper.Page: "7", paper.Lines: "3"}}}, nil
	})
	k.made = nil
	return k
}

func compound(t testing.TB) *roster.Snapshot {
	people, err := roster.Open(filepath.Join(t.TempDir(), "roster.db"))
	if err == nil {
		t.Cleanup(func() { people.Close() })
		_, err = people.Import(context.Background(), []sheet.Row{{Number: 2, ID: "r-000001", Building: "3", Unit: "2", Room: "501", Name: "王小明", Class: "resident"}},
			roster.ImportOptions{CheckResidentID: func(string) (string, error) { return "", nil }})
	}
	if err != nil {
		t.Fatal(err)
	}
	return people.Snapshot()
}

const head = "页,行,进,出,类别,房号/被访,姓名,车牌,谁同意/方式,事由,值班员\n"

// enter enters a file that has the head of a page and these rows.
func enter(t testing.TB, k *keeper, f File, rows string) (Report, error) {
	t.Helper()
	lines, err := Read([]byte(head+rows), f.Language)
	if err != nil {
		t.Fatal(err)
	}
	f.Lines = lines
	return Enter(k, "clerk", f, compound(t))
}

// Each line is a visit with its passages, by the time that the paper says; who wrote it and who typed it are sealed.
func TestALineIsAVisitAndItsPassages(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	r, err := enter(t, k, File{}, "7,1,08:15,9:40,维修,3-2-501,周师傅,京A12345,门岗致电,修水管,老陈\n7,2,8：20,,,物业,,,,探亲访友,\n")
	if err != nil || r.Lines != 2 || r.Entries != 9 || r.First != 1 || len(r.Faults)+len(r.Remarks) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if want := []string{"page 7: 1 line is not typed yet"}; !cmp.Equal(r.Waiting, want) {
		t.Errorf("waiting: %q, want %q", r.Waiting, want)
	}
	var said []string
	for _, ev := range k.made {
		e := ledger.Entry{Personal: ev.Personal}
		said = append(said, strings.Join(strings.Fields(fmt.Sprintln(ev.Kind, ev.Reason, ev.Class, ev.Direction, ev.Verdict, ev.Detail[paper.Line], ev.Detail[paper.Written],
			ev.Detail["consent"], ev.Detail["purpose"], ev.Detail[paper.Page], ev.Detail[paper.Lines], "|", e.Personally("host"), e.Personally("name"), e.Personally("plate"),
			e.Personally("note"), e.Personally("guard"), e.Personally("by"))), " "))
	}
	want := []string{
		"visit walk-in contractor 7-1 2026-11-23T08:15:00+08:00 gate-called other | 3-2-501 周师傅 京A12345 修水管 老陈 clerk",
		"check paper in 7-1 2026-11-23T08:15:00+08:00 |",
		"register paper contractor in admit 7-1 2026-11-23T08:15:00+08:00 | 老陈 clerk",
		"check paper out 7-1 2026-11-23T09:40:00+08:00 |",
		"register paper contractor out admit 7-1 2026-11-23T09:40:00+08:00 | 老陈 clerk",
		"visit walk-in visitor 7-2 2026-11-23T08:20:00+08:00 none family | office clerk",
		"check paper in 7-2 2026-11-23T08:20:00+08:00 |",
		"register paper visitor in admit 7-2 2026-11-23T08:20:00+08:00 | clerk",
		"paper entered 7 1 2 | clerk",
	}
	if d := cmp.Diff(want, said); d != "" {
		t.Error(d)
	}
	for i, ev := range k.made[:8] {
		first := map[bool]ledger.Event{true: k.made[0], false: k.made[5]}[i < 5]
		if ev.Kind != register.Check && ev.Detail["visit"] != first.Detail["visit"] || ev.Detail["visit"] == "" {
			t.Errorf("event %d is of the visit %q, not of %q", i, ev.Detail["visit"], first.Detail["visit"])
		}
	}
}

func TestWhatIsWrongWithAFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows            string
		faults, remarks string // a part of what is said; empty: nothing is
		anyway          bool
	}{
		"nothing":                     {rows: "7,1,08:15,,,3-2-501\n"},
		"in the future":               {rows: "7,1,2026-11-24 12:01,,,3-2-501\n", faults: "row 2: 2026-11-24 12:01 is in the future"},
		"out in the future":           {rows: "7,1,2026-11-24 11:00,12:30,,3-2-501\n", faults: "12:30 is in the future"},
		"last year":                   {rows: "7,1,2025-11-23 08:15,,,3-2-501\n", faults: "62 days ago"},
		"not in order":                {rows: "7,1,08:15,,,3-2-501\n7,2,08:10,,,3-2-501\n", remarks: "row 3: 08:10 is before the line above"},
		"over midnight":               {rows: "7,1,23:50,00:20,,3-2-501\n", remarks: "out at 00:20 the next day"},
		"out before in":               {rows: "7,1,08:15,2026-11-23 08:00,,3-2-501\n", faults: "out at 2026-11-23 08:00, in at"},
		"out alone":                   {rows: "7,1,,08:15,,3-2-501\n"},
		"no time":                     {rows: "7,1,,,,3-2-501\n", faults: "no time"},
		"a time that is none":         {rows: "7,1,25:00,,,3-2-501\n", faults: `time in "25:00" is no time`},
		"a day that is none":          {rows: "7,1,2026-13-01 08:00,,,3-2-501\n", faults: "is no time"},
		"the same line twice":         {rows: "7,1,08:15,,,3-2-501\n7,1,08:15,,,3-2-501\n", faults: "row 3: page 7, line 1 stands in row 2 already"},
		"no line":                     {rows: "7,26,08:15,,,3-2-501\n", faults: "a page has 25 lines"},
		"no page":                     {rows: "x,1,08:15,,,3-2-501\n", faults: `page "x"`},
		"never printed":               {rows: "10,1,2026-11-23 08:15,,,3-2-501\n", faults: "page 10 was never printed; --anyway"},
		"never printed, anyway":       {rows: "10,1,2026-11-23 08:15,,,3-2-501\n", remarks: "page 10 was never printed", anyway: true},
		"never printed, of no day":    {rows: "10,1,08:15,,,3-2-501\n", faults: "nobody knows the day", remarks: "never printed", anyway: true},
		"never told of":               {rows: "8,1,08:15,,,3-2-501\n", faults: "never told that page 8 is filled; --anyway"},
		"never told of, anyway":       {rows: "8,1,08:15,,,3-2-501\n", remarks: "never told that page 8", anyway: true},
		"more than was told":          {rows: "7,1,08:15,,,3-2-501\n7,2,08:15,,,3-2-501\n7,3,08:15,,,3-2-501\n7,4,08:15,,,3-2-501\n", faults: "page 7: 4 lines, and the gate was told of 3; --anyway"},
		"no such room":                {rows: "7,1,08:15,,,9-9-999\n", faults: `no room "9-9-999"`},
		"nobody to see":               {rows: "7,1,08:15,,,\n", faults: "host: write for whom"},
		"a class that is none":        {rows: "7,1,08:15,,业主,3-2-501\n", faults: `class "业主" is not known: write one of contractor, courier`},
		"consent that is none":        {rows: "7,1,08:15,,,3-2-501,,,maybe\n", faults: `consent "maybe" is not known`},
		"a name with control":         {rows: "7,1,08:15,,,3-2-501,a\x07b\n", faults: "name has 3 characters"},
		"a name turned round":         {rows: "7,1,08:15,,,3-2-501,a\u202eb\n", faults: "name has 3 characters"},
		"markup is text":              {rows: "7,1,08:15,,,3-2-501,<b>x</b>\n"},
		"everything wrong is told of": {rows: "7,1,08:99,,,3-2-501\n7,2,08:15,,,9-9-999\n", faults: "no room"},
	} {
		k := newKeeper()
		r, err := enter(t, k, File{Anyway: c.anyway}, c.rows)
		faults, remarks := strings.Join(r.Faults, "\n"), strings.Join(r.Remarks, "\n")
		if err != nil || !strings.Contains(faults, c.faults) || (faults == "") != (c.faults == "") || !strings.Contains(remarks, c.remarks) || (remarks == "") != (c.remarks == "") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if written := len(k.made) > 0; written != (c.faults == "") {
			t.Errorf("%s: %d entries", name, len(k.made))
		}
	}
}

func TestALineIsEnteredOnce(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	if r, err := enter(t, k, File{DryRun: true}, "7,1,08:15,,,3-2-501\n"); err != nil || r.Entries != 4 || len(k.made) > 0 {
		t.Fatalf("a dry run: %+v, %v, %d entries", r, err, len(k.made))
	}
	if _, err := enter(t, k, File{}, "7,1,08:15,,,3-2-501\n"); err != nil {
		t.Fatal(err)
	}
	had := len(k.made)
	r, err := enter(t, k, File{Anyway: true, Language: "zh"}, "7,2,08:15,,,3-2-501\n7,1,08:15,,,3-2-501\n")
	if want := []string{"第 3 行数据：第 7 页第 1 行已补录：记录 4"}; err != nil || !cmp.Equal(r.Faults, want) || len(k.made) != had {
		t.Errorf("%q, want %q; %v; %d entries more", r.Faults, want, err, len(k.made)-had)
	}
	rows := ""
	for page := 1; page <= 4; page++ {
		for line := 1; line <= paper.LinesOfPage; line++ {
			rows += fmt.Sprintf("%d,%d,08:15,,,3-2-501\n", page, line)
		}
	}
	if r, err := enter(t, newKeeper(), File{Anyway: true}, rows); err != nil || len(r.Faults) != 1 || !strings.Contains(r.Faults[0], "304 entries, and at most 256") {
		t.Errorf("four pages at once: %q, %v", r.Faults, err)
	}
}

// Offices write files in several ways.
func TestFilesOfOffices(t *testing.T) {
	t.Parallel()
	want := []Line{{2, map[string]string{"page": "7", "line": "1", "in": "08:15", "host": "3-2-501"}}}
	gbk, _ := simplifiedchinese.GB18030.NewEncoder().String("页,行,进,房号/被访\n7,1,08:15,3-2-501\n")
	book := excelize.NewFile()
	book.SetSheetRow("Sheet1", "A1", &[]any{"页 page", "行 line", "进 time in", "房号/被访 host, room"})
	book.SetSheetRow("Sheet1", "A2", &[]any{7, 1, 8.25 / 24, "3-2-501"})
	style, _ := book.NewStyle(&excelize.Style{NumFmt: 20}) // h:mm
	book.SetCellStyle("Sheet1", "C2", "C2", style)
	var xlsx bytes.Buffer
	if err := book.Write(&xlsx); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"English":    "page,line,time in,host\n7,1,08:15,3-2-501\n",
		"both":       "页 page,行 line,进 time in,房号\n7,1,08:15,3-2-501\n",
		"semicolons": "页;行;进;房号\n7;1;08:15;3-2-501\n",
		"mark":       "\ufeff页,行,进,房号\r\n7,1,08:15,3-2-501\r\n",
		"GB18030":    gbk, "XLSX": xlsx.String(),
	} {
		got, err := Read([]byte(data), "en")
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
	for name, c := range map[string][2]string{
		"no headings":      {"a,b\n1,2\n", "no row has the headings"},
		"a heading twice":  {"页,行,进,进,房号\n7,1,1,1,1\n", "heading appears twice"},
		"another heading":  {"页,行,进,房号,x\n7,1,1,1,1\n", "row 1, column E: heading is not known"},
		"a column missing": {"页,行,进\n7,1,1\n", "row 1, host, room: column is missing"},
		"a cell too many":  {"页,行,进,房号\n7,1,1,1,1\n", "stands under no heading"},
		"nothing":          {"页,行,进,房号\n", "no lines"},
		"a picture":        {"\x89PNG", "picture"},
		"half of a quote":  {"页,行,进,房号\n7,1,\"1,1\n", "quotation marks"},
	} {
		if _, err := Read([]byte(c[0]), "en"); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %q", name, err, c[1])
		}
	}
}

// Whatever a file has in it: it is entered whole or not at all, and each line once.
func FuzzFile(f *testing.F) {
	f.Add([]byte(head + "7,1,08:15,9:40,维修,3-2-501,周师傅,京A12345,门岗致电,修水管,老陈\n"))
	f.Add([]byte("page;line;time in;host\n7;1;2026-11-23 08:15;office\n"))
	people := compound(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, err := Read(data, "zh")
		if err != nil {
			return
		}
		k := newKeeper()
		for range 2 {
			had := len(k.made)
			r, err := Enter(k, "clerk", File{Lines: lines, Anyway: true, Language: "zh"}, people)
			written := len(k.made) - had
			if whole := err == nil && len(r.Faults) == 0; whole != (written > 0) || whole && written != r.Entries || had > 0 && written > 0 {
				t.Errorf("%+v, %v: %d entries, %d before", r, err, written, had)
			}
		}
		for _, ev := range k.made {
			at, err := time.Parse(time.RFC3339, ev.Detail[paper.Written])
			if ev.Kind != paper.Kind && (err != nil || at.After(k.now)) {
				t.Errorf("written %q: %v", ev.Detail[paper.Written], err)
			}
		}
	})
}
