package xlsx

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

func TestXLSXOfMoreThanASheetHolds(t *testing.T) {
	b := New(t.TempDir())
	b.rows = 3
	defer b.Close()
	if err := b.Sheet("events", []string{"seq"}); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("🚑", cellChars)
	for _, cell := range []string{"1", "2", "3", long} {
		if err := b.Row(cell); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	if err := b.Write(&buf); err != nil {
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
