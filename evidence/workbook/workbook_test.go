package workbook

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

func TestXLSXOfMoreThanASheetHolds(t *testing.T) {
	var buf bytes.Buffer
	b := New(&buf)
	b.most = 3
	if err := b.Sheet("events", []string{"seq"}); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("🚑", cellChars)
	for _, cell := range []string{"1", "2", "3", long} {
		if err := b.Row(cell); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sheet, want := range map[string][][]string{"events": {{"seq"}, {"1"}, {"2"}}, "events 2": {{"seq"}, {"3"}, {fitting(long)}}} {
		if got, err := f.GetRows(sheet); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %v", sheet, err)
		}
	}
	if cut := fitting(long); !strings.Contains(cut, "bytes more") || len(utf16.Encode([]rune(cut))) > cellChars {
		t.Errorf("cut to %d characters", len(utf16.Encode([]rune(cut))))
	}
}

// TestAWorkbookHoldsAnyText as another library reads it.
func TestAWorkbookHoldsAnyText(t *testing.T) {
	cells := []string{"plain", " <b> & \"x\" 'y' ", "two\nlines", "a\ttab", "王小明 🚑", "=1+1", "007", "_x0041_", "_x0041_x0042_", "__x0041__", "a\x01b", "a\xffb"}
	var buf bytes.Buffer
	b := New(&buf)
	if err := b.Sheet("about", nil); err != nil {
		t.Fatal(err)
	}
	for n := range 60 { // columns beyond Z
		row := make([]string, n+1)
		row[n] = cells[n%len(cells)]
		if err := b.Row(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := range 60 {
		cell, _ := excelize.CoordinatesToCellName(n+1, n+1)
		want := strings.ToValidUTF8(strings.ReplaceAll(cells[n%len(cells)], "\x01", "\ufffd"), "\ufffd")
		if got, err := f.GetCellValue("about", cell); err != nil || got != want {
			t.Errorf("%s: got %q, want %q (%v)", cell, got, want, err)
		}
	}
}

func FuzzWorkbook(f *testing.F) {
	f.Add("a_x0041_x0042_b")
	f.Fuzz(func(t *testing.T, s string) {
		var buf bytes.Buffer
		b := New(&buf)
		if err := b.Sheet("about", nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Row(s); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		book, err := excelize.OpenReader(&buf)
		if err != nil {
			t.Fatal(err)
		}
		defer book.Close()
		if _, err := book.GetCellValue("about", "A1"); err != nil {
			t.Error(err)
		}
	})
}
