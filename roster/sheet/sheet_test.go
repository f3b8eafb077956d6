package sheet

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
)

const small = "楼栋,单元,房号,姓名,证件号码,电话\n3栋,2单元,0501室,张三,,13800000001\n"

func TestEncodingsOfCSVAreToldApart(t *testing.T) {
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(small + "3,2,501,㐀𠀀,,\n") // outside GBK
	if err != nil {
		t.Fatal(err)
	}
	utf8 := small + "3,2,501,㐀𠀀,,\n"
	want, err := Read([]byte(utf8))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"byte order mark": "\ufeff" + utf8, "GB18030": gb, "CRLF": strings.ReplaceAll(utf8, "\n", "\r\n"), "tabs": strings.ReplaceAll(utf8, ",", "\t"),
	} {
		got, err := Read([]byte(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("甲,", 70)
	for name, tt := range map[string]struct{ data, want string }{
		"nothing":        {"", "empty"},
		"blank":          {"\n\n , \n", "empty"},
		"only headings":  {"building,unit,room,name\n", "no rows"},
		"UTF-16":         {"\xff\xfeb\x00u\x00", "CSV UTF-8"},
		"NUL bytes":      {"building,unit,room,name\n1,1,101,a\x00b\n", "CSV UTF-8"},
		"noise":          {"room,name\n\xff\xff\xff\xff", "neither UTF-8 nor GB18030"},
		"old Excel":      {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"},
		"quotes":         {"room,name\n1,\"a\n", "line 2"},
		"too many cells": {"room,name\n" + long + "\n", "row 2: more than 64 cells"},
		"too many rows":  {"room,name\n" + strings.Repeat("1,a\n", MaxRows+1), "more than 200000 rows"},
		"long line":      {"room,name\n" + strings.Repeat(",", 2*maxLine), "row is longer"},
		"long quotes":    {"room,name\n\"" + strings.Repeat("\n", 2*maxLine), "row is longer"},
		"too large":      {strings.Repeat("x", maxFile+1), "larger than 32 MiB"},
		"a zip":          {"PK\x03\x04 and noise", "workbook is damaged"},
	} {
		if _, err := Read([]byte(tt.data)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	if _, err := ReadFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a directory: got %v", err)
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	if _, err := ReadFile("/dev/zero"); err == nil {
		t.Error("a device was read")
	}
}

// xlsx makes an XLSX as a spreadsheet program would.
func xlsx(t testing.TB, edit func(f *excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	edit(f)
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fillIn(t testing.TB, f *excelize.File, rows ...[]any) {
	t.Helper()
	for i, row := range rows {
		if err := f.SetSheetRow("Sheet1", "A"+string(rune('1'+i)), &row); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWorkbook(t *testing.T) {
	data := xlsx(t, func(f *excelize.File) {
		fillIn(t, f,
			[]any{"阳光小区名册"},
			[]any{"楼栋", "单元", "房号", "姓名", "证件号码", "出生日期", "电话", "序号"},
			[]any{3, 2, 501, "张三", "110105195001010018", nil, 13800000001, nil},
			[]any{"3栋", "2单元", "0502", "李四", nil, 31325, "13800000002", nil}, // 1985-10-05 as a sheet keeps it
			[]any{"3栋", "2单元", "0503", "王五", nil, 19851005, nil, nil})
		f.SetCellFormula("Sheet1", "H3", "ROW()-2") // a column that is not kept
		f.NewSheet("other")
		f.SetCellValue("other", "A1", "not read")
	})
	path := filepath.Join(t.TempDir(), "roster.xlsx")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{
		{Sheet: "Sheet1", Number: 3, Building: "3", Unit: "2", Room: "501", Name: "张三", Document: "110105195001010018", Phone: "13800000001"},
		{Sheet: "Sheet1", Number: 4, Building: "3栋", Unit: "2单元", Room: "0502", Name: "李四", BirthDate: "1985-10-05", Phone: "13800000002"},
		{Sheet: "Sheet1", Number: 5, Building: "3栋", Unit: "2单元", Room: "0503", Name: "王五", BirthDate: "19851005"},
	}
	if d := cmp.Diff(want, got.Rows); d != "" {
		t.Error(d)
	}
}

func TestWorkbookFaults(t *testing.T) {
	data := xlsx(t, func(f *excelize.File) {
		fillIn(t, f, []any{"楼栋", "单元", "房号", "姓名", "证件号码"},
			[]any{1, 1, 101, nil, nil},
			[]any{1, 1, 102, "乙", int64(110105195001010000)}, // typed as a number: the last three digits are gone
			[]any{1, 1, 103, "丙", nil})
		f.SetCellFormula("Sheet1", "D2", `"甲"&"乙"`)
	})
	want := []Fault{{Row: 2, Column: "name", Reason: "formula"}, {Row: 3, Column: "id_number", Reason: "number-spoilt"}}
	if d := cmp.Diff(want, rowFaults(t, data)); d != "" {
		t.Error(d)
	}
}

// rowFaults are the faults that come with the rows of a file.
func rowFaults(t testing.TB, data []byte) (faults []Fault) {
	t.Helper()
	list, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list.Rows {
		faults = append(faults, r.Faults...)
	}
	return faults
}

// rezip makes a workbook anew with one of its parts changed.
func rezip(t testing.TB, data []byte, name string, edit func([]byte) []byte) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var part bytes.Buffer
		if _, err := part.ReadFrom(in); err != nil {
			t.Fatal(err)
		}
		out, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		content := part.Bytes()
		if f.Name == name {
			content = edit(content)
		}
		if _, err := out.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDamagedAndHostileWorkbooks(t *testing.T) {
	t.Parallel()
	good := xlsx(t, func(f *excelize.File) {
		fillIn(t, f, []any{"楼栋", "单元", "房号", "姓名"}, []any{1, 1, 101, "甲"}, []any{1, 1, 102, "乙"}, []any{1, 1, 103, "丙"})
	})
	const sheet = "xl/worksheets/sheet1.xml"
	in := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("no %q in %s", old, b)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"breaks off":        {rezip(t, good, sheet, func(b []byte) []byte { return b[:bytes.Index(b, []byte(`<row r="3"`))] }), "damaged"},
		"bomb":              {rezip(t, good, sheet, func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), maxToken*2)...) }), "workbook unpacks"},
		"far column":        {rezip(t, good, sheet, in(`r="D3"`, `r="XFD3"`)), "more than 64 cells"},
		"rows out of order": {rezip(t, good, sheet, in(`<row r="3"`, `<row r="1"`)), "damaged"},
		"row out of place":  {rezip(t, good, sheet, in(`r="D3"`, `r="D9"`)), "damaged"},
		"row too far":       {rezip(t, good, sheet, in(`<row r="3"`, `<row r="99999999"`)), "more than"},
		"no sheet":          {rezip(t, good, "xl/_rels/workbook.xml.rels", in("worksheets/sheet1.xml", "worksheets/sheet7.xml")), "save it again"},
		"cut":               {good[:len(good)/2], "workbook is damaged"},
	} {
		list, err := Read(tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v, want %q", name, list, err, tt.want)
		}
	}
}

// fuzzed are the parts of a workbook that others write.
var fuzzed = []string{"xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"}

func FuzzWorkbook(f *testing.F) {
	good := xlsx(f, func(b *excelize.File) {
		fillIn(f, b, []any{"楼栋", "单元", "房号", "姓名", "出生日期"}, []any{1, 1, 101, "甲", 31325}, []any{nil, nil, 102, "乙"})
		b.MergeCell("Sheet1", "A2", "A3")
	})
	for i, name := range fuzzed {
		rezip(f, good, name, func(part []byte) []byte { f.Add(byte(i), part); return part })
	}
	f.Add(byte(0), []byte(`<worksheet><sheetData><row><c t="inlineStr"><is><t>房号</t></is></c><c t="inlineStr"><is><t>姓名</t></is></c></row><row r="9"><c><v>1</v></c></row></sheetData></worksheet>`))
	f.Fuzz(func(t *testing.T, i byte, content []byte) {
		start := time.Now()
		list, err := Read(rezip(t, good, fuzzed[int(i)%len(fuzzed)], func([]byte) []byte { return content }))
		if err != nil && !errors.As(err, new(*FaultyRows)) {
			t.Errorf("not in words: %v", err)
		}
		if err == nil && len(list.Rows) == 0 {
			t.Error("no rows and no fault")
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestEveryFaultHasItsTexts(t *testing.T) {
	for reason, texts := range faultTexts {
		for i, s := range texts {
			if s == "" || strings.HasSuffix(s, ".") {
				t.Errorf("%s: text %d is %q", reason, i, s)
			}
		}
	}
	f := Fault{Row: 7, Column: "id_number", Reason: "duplicate-document", Other: 3}
	if got, want := f.Line("en"), "row 7, id_number: row 3 has the same document number: delete one of the two rows or correct the number"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := f.Line("zh"), "第 7 行 证件号码：证件号码与第 3 行相同，请删除其中一行或更正号码"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
