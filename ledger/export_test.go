package ledger

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, shanghai)
	if err != nil {
		panic(err)
	}
	return t
}

func TestGapsOfWatching(t *testing.T) {
	ck := &clock{}
	dir := t.TempDir()
	l := open(t, dir, ck)
	say := func(when string, k Kind, detail ...string) {
		ck.set(when)
		ev := Event{Stamp: ck.now(), Kind: k}
		if k == Outage {
			ev.Reason = "ledger-fault"
			ev.Detail = map[string]string{"from": at(detail[0]).Format(timeFormat), "to": at(detail[1]).Format(timeFormat)}
		}
		mustAppend(t, l, ev)
	}
	say("2026-11-20 09:00:00", Start)
	say("2026-11-20 10:00:00", Alive)
	say("2026-11-20 11:00:00", Stop)
	say("2026-11-20 12:00:00", Start) // stopped in between
	say("2026-11-20 13:00:00", Alive)
	say("2026-11-20 13:30:00", Start) // power lost some time after 13:00
	say("2026-11-20 14:00:00", Outage, "2026-11-20 13:40:00", "2026-11-20 14:00:00")
	say("2026-11-20 17:00:00", Alive) // three hours without a word
	say("2026-11-20 18:00:00", Stop)
	say("2026-11-20 18:30:00", Roster) // changed while stopped
	say("2026-11-22 08:00:00", Start)  // off for a night, a day and a night
	say("2026-11-22 09:00:00", Alive)
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	gap := func(from, to, cause string) string { return from + " " + to + " " + cause }
	for _, c := range []struct {
		day, now string
		want     []string
	}{
		{"2026-11-19", "2026-11-30 00:00:00", []string{gap("19 00:00", "20 00:00", "not-installed")}},
		{"2026-11-20", "2026-11-30 00:00:00", []string{gap("20 00:00", "20 09:00", "not-installed"), gap("20 11:00", "20 12:00", "stopped"),
			gap("20 13:00", "20 13:30", "not-stopped"), gap("20 13:40", "20 14:00", "ledger-fault"), gap("20 14:00", "20 17:00", "silent"), gap("20 18:00", "21 00:00", "stopped")}},
		{"2026-11-21", "2026-11-30 00:00:00", []string{gap("21 00:00", "22 00:00", "stopped")}},
		{"2026-11-22", "2026-11-30 00:00:00", []string{gap("22 00:00", "22 08:00", "stopped"), gap("22 09:00", "23 00:00", "no-later-entry")}},
		{"2026-11-22", "2026-11-22 09:30:00", []string{gap("22 00:00", "22 08:00", "stopped")}},
		{"2026-12-25", "2026-11-30 00:00:00", []string{gap("25 00:00", "26 00:00", "not-yet")}},
		{"2026-11-25", "2026-11-30 00:00:00", []string{gap("25 00:00", "26 00:00", "no-later-entry")}},
	} {
		gaps, err := r.Gaps(c.day, at(c.now))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range gaps {
			got = append(got, gap(g.From.Format("02 15:04"), g.To.Format("02 15:04"), g.Cause))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s seen at %s (-want +got):\n%s", c.day, c.now, d)
		}
	}
	if _, err := r.Gaps("yesterday", at("2026-11-22 09:30:00")); err == nil {
		t.Error("a day that is no date was accepted")
	}
}

func TestCSVOpensInASpreadsheetWithoutRunningAnything(t *testing.T) {
	ck := &clock{}
	dir := t.TempDir()
	l := open(t, dir, ck)
	ck.set("2026-11-23 00:00:00")
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Start})
	ck.set("2026-11-23 23:59:00")
	ev := passage(ck, "p1", "in", "hold")
	ev[1].Rule = "=HYPERLINK(\"http://evil\")"
	ev[1].Reason = "@SUM(1,2)"
	mustAppend(t, l, ev...)
	ck.set("2026-11-24 00:01:00")
	mustAppend(t, l, register(ck, "p1", "in", "refuse", "-1+cmd"))
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, events := range []bool{false, true} {
		var b bytes.Buffer
		if err := r.ExportCSV(&b, Selection{From: "2026-11-23", To: "2026-11-23", Events: events, Now: at("2026-11-25 00:00:00")}); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(b.Bytes(), []byte(bom)) {
			t.Error("no byte order mark")
		}
		cr := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), bom)))
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
	if err := r.ExportJSONL(&b, Selection{From: "2026-11-23", To: "2026-11-23"}); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b.Bytes(), []byte("\n")); n != 3 {
		t.Errorf("%d lines, want 3", n)
	}
}
