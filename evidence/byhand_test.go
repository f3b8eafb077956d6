package evidence

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"gated/ledger"
	"gated/register"
	"gated/register/byhand"
	"gated/register/registertest"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// openedByHand is a gate with a lane that was opened by hand for 25 minutes, and once more from before midnight over a whole day; and one
// that a restart ended.
func openedByHand(t *testing.T) *Reader {
	t.Helper()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	say, opening := registertest.Diary(t, l, ck)
	say("2026-11-21 07:00:00", ledger.Event{Kind: ledger.Start})
	school := opening("2026-11-21 07:40:00", "in", "school-run")
	school("2026-11-21 08:05:12", byhand.Shut, "20")
	failed := opening("2026-11-21 08:10:00", "in", "rush-hour")
	failed("2026-11-21 08:10:01", byhand.NeverWas, byhand.Uncounted)
	van := opening("2026-11-21 10:00:00", "out", "moving-van")
	say("2026-11-21 10:20:00", ledger.Event{Kind: ledger.Start})
	van("2026-11-21 10:20:00", byhand.Restart, byhand.Uncounted)
	night := opening("2026-11-21 23:50:00", "in", "relay-dead")
	for hour := range 24 {
		night(fmt.Sprintf("2026-11-22 %02d:00:00", hour), byhand.GoesOn, "")
	}
	night("2026-11-23 00:00:00", byhand.GoesOn, "")
	night("2026-11-23 00:30:00", byhand.Shut, "50")
	opening("2026-11-23 09:00:00", "out", "other-need")
	say("2026-11-23 09:10:00", ledger.Event{Kind: register.Alive})
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// Every export says when lanes were open by hand, of the days that are touched by it, as one place tells it.
func TestExportsSayOpenNotRegistered(t *testing.T) {
	t.Parallel()
	r := openedByHand(t)
	row := func(cells string) []string {
		return append([]string{"open, not registered", "lane"}, strings.Fields(cells)...)
	}
	days := map[string][][]string{
		"2026-11-20": nil,
		"2026-11-21": {row("in in from 2026-11-21T07:40:00+08:00 to 2026-11-21T08:05:12+08:00 lasted 25m12s school-run heads 20 entry 2"),
			row("out out from 2026-11-21T10:00:00+08:00 to 2026-11-21T10:20:00+08:00 lasted 20m0s moving-van heads uncounted entry 6"),
			row("in in from 2026-11-21T23:50:00+08:00 to 2026-11-22T00:00:00+08:00 lasted 10m0s relay-dead heads went_on entry 9")},
		"2026-11-22": {row("in in from 2026-11-22T00:00:00+08:00 to 2026-11-23T00:00:00+08:00 lasted 24h0m0s relay-dead heads went_on entry 9")},
		"2026-11-23": {row("in in from 2026-11-23T00:00:00+08:00 to 2026-11-23T00:30:00+08:00 lasted 30m0s relay-dead heads 50 entry 9"),
			row("out out from 2026-11-23T09:00:00+08:00 to 2026-11-23T09:30:00+08:00 lasted 30m0s other-need heads went_on entry 36")},
	}
	told := func(front [][]string) (rows [][]string) {
		for _, row := range front {
			if row[0] == OpenByHand {
				for i := range row {
					row[i] = strings.Replace(row[i], "went on", "went_on", 1)
				}
				rows = append(rows, row)
			}
		}
		return rows
	}
	now := registertest.At("2026-11-23 09:30:00")
	var all [][]string
	for _, day := range []string{"2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"} {
		front, _, _ := readCSV(t, r, Selection{From: day, To: day, Now: now})
		if d := cmp.Diff(days[day], told(front)); d != "" {
			t.Errorf("%s (-want +got):\n%s", day, d)
		}
		all = append(all, days[day]...)
	}
	x := Selection{From: "2026-11-20", To: "2026-11-23", Now: now}
	front, _, _ := readCSV(t, r, x)
	if d := cmp.Diff(all, told(front)); d != "" {
		t.Errorf("all days (-want +got):\n%s", d)
	}
	var b bytes.Buffer
	if err := r.ExportXLSX(&b, x); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	about, err := f.GetRows("about")
	if err != nil {
		t.Fatal(err)
	}
	var filled [][]string
	for _, row := range about {
		if len(row) > 0 {
			filled = append(filled, row)
		}
	}
	if d := cmp.Diff(all, told(filled)); d != "" {
		t.Errorf("workbook (-want +got):\n%s", d)
	}
	stats, err := r.ExportJSONL(io.Discard, io.Discard, x)
	if err != nil {
		t.Fatal(err)
	}
	b.Reset()
	for _, s := range stats {
		if err := r.WriteGaps(&b, s); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"# open, not registered: lane in (in), 07:40:00 to 2026-11-21 08:05:12 (school-run), 20 counted.\n",
		"# open, not registered: lane out (out), 10:00:00 to 2026-11-21 10:20:00 (moving-van), uncounted.\n",
		"# open, not registered: lane in (in), 00:00:00 to 2026-11-23 00:00:00 (relay-dead), went on.\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("beside the records stands no %q:\n%s", want, b.String())
		}
	}
}
