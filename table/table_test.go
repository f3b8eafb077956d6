package table

import (
	"strings"
	"testing"
	"time"
)

func TestColumnsStandBelowTheirHeadings(t *testing.T) {
	var b strings.Builder
	list := New(&b, "ENTRY\tWHO\tRESTS ON\tUNTIL")
	list.Row(int64(7), "张伟", "17, 街道办", time.Date(2026, 11, 29, 6, 0, 59, 0, time.UTC))
	list.Row(4711, "", "-", time.Time{})
	if err := list.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "ENTRY  WHO  RESTS ON  UNTIL\n" +
		"7      张伟   17, 街道办   2026-11-29 06:00\n" +
		"4711        -         -\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAListMayHaveNoHeading(t *testing.T) {
	var b strings.Builder
	list := New(&b, "")
	list.Row("r-1", "resident")
	list.Row("r-22", "staff")
	list.Flush()
	if got, want := b.String(), "r-1   resident\nr-22  staff\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
