package export

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gated/evidence"
)

func TestARequestSaysWhatDoesNotGoTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "x")
	for _, tt := range []struct {
		Request
		want string // "": it is right
	}{
		{Request{Format: "csv"}, ""},
		{Request{Format: "tiles", Out: dir}, ""},
		{Request{Format: "bundle", Out: file, Dated: true, Selection: evidence.Selection{Personal: true}}, ""},
		{Request{Format: "pdf"}, "want one of bundle, csv, jsonl, tiles, xlsx"},
		{Request{Format: "csv", Selection: evidence.Selection{From: "2026-11-01"}}, "name one day with --day"},
		{Request{Format: "csv", Dated: true, Selection: evidence.Selection{From: "2026-11-01", To: "2026-11-02"}}, "name one day with --day"},
		{Request{Format: "bundle", Out: file, Selection: evidence.Selection{From: "2026-11-01", To: "2026-11-02"}}, "is of one day"},
		{Request{Format: "tiles", Out: dir, Dated: true}, "the whole ledger"},
		{Request{Format: "jsonl", Selection: evidence.Selection{Events: true}}, "--events is not for"},
		{Request{Format: "tiles", Out: dir, Selection: evidence.Selection{Personal: true}}, "--with-personal is not for"},
		{Request{Format: "csv", Selection: evidence.Selection{Personal: true}}, "to a terminal or a pipe"},
		{Request{Format: "xlsx"}, "name the file with --out"},
		{Request{Format: "tiles"}, "name the folder with --out"},
		{Request{Format: "csv", Out: dir}, "is a directory"},
		{Request{Format: "csv", Out: "a\nb"}, "line breaks"},
	} {
		if err := tt.Check(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.Request, err, tt.want)
		}
	}
}

func TestDaysAreThoseOfTheGatesZone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 0, 30, 0, 0, time.FixedZone("", 8*3600)) // still the day before in UTC
	for _, tt := range []struct{ day, from, to, want string }{
		{"today", "", "", "2026-11-23 to 2026-11-23"},
		{"yesterday", "", "", "2026-11-22 to 2026-11-22"},
		{"today", "2026-11-01", "yesterday", "2026-11-01 to 2026-11-22"},
		{"soon", "", "", `--day "soon": write a date`},
		{"today", "soon", "today", `--from "soon": write a date`},
		{"today", "yesterday", "soon", `--to "soon": write a date`},
		{"today", "today", "yesterday", "--from 2026-11-23 to 2026-11-22: the last day is before the first"},
	} {
		x := Request{Day: tt.day, Out: "/some/where", Selection: evidence.Selection{From: tt.from, To: tt.to}}
		err := x.Resolve(now)
		got := x.From + " to " + x.To
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tt.want) || x.Temp != "/some" || !x.Now.Equal(now) {
			t.Errorf("%+v: got %q beside %s", tt, got, x.Temp)
		}
	}
}
