package roster

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

func TestEncodingsOfCSVAreToldApart(t *testing.T) {
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(small + "3,2,501,㐀𠀀,,,,,,\n") // outside GBK
	if err != nil {
		t.Fatal(err)
	}
	utf8 := small + "3,2,501,㐀𠀀,,,,,,\n"
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
		"too many cells": {"room,name\n" + long + "\n", "row 2 has more than"},
		"too many rows":  {"room,name\n" + strings.Repeat("1,a\n", maxRows+1), "more than 200000 rows"},
		"too large":      {strings.Repeat("x", maxFile+1), "larger than 32 MiB"},
		"a zip":          {"PK\x03\x04 and noise", "open workbook"},
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

// workbook makes an XLSX as a spreadsheet program would.
func workbook(t testing.TB, edit func(f *excelize.File)) []byte {
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

func cells(t testing.TB, f *excelize.File, rows ...[]any) {
	t.Helper()
	for i, row := range rows {
		if err := f.SetSheetRow("Sheet1", "A"+string(rune('1'+i)), &row); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWorkbook(t *testing.T) {
	data := workbook(t, func(f *excelize.File) {
		cells(t, f,
			[]any{"阳光小区名册"},
			[]any{"楼栋", "单元", "房号", "姓名", "证件号码", "出生日期", "电话", "序号"},
			[]any{3, 2, 501, "张三", idNo(0), nil, 13800000001, nil},
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
		{Number: 3, Building: "3", Unit: "2", Room: "501", Name: "张三", Document: idNo(0), Phone: "13800000001"},
		{Number: 4, Building: "3栋", Unit: "2单元", Room: "0502", Name: "李四", BirthDate: "1985-10-05", Phone: "13800000002"},
		{Number: 5, Building: "3栋", Unit: "2单元", Room: "0503", Name: "王五", BirthDate: "19851005"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := newStore(t).Import(t.Context(), got, imports); err != nil {
		t.Error(err)
	}
}

func TestWorkbookFaults(t *testing.T) {
	data := workbook(t, func(f *excelize.File) {
		cells(t, f, []any{"楼栋", "单元", "房号", "姓名", "证件号码"},
			[]any{1, 1, 101, nil, nil},
			[]any{1, 1, 102, "乙", int64(110105195001010000)}, // typed as a number: the last three digits are gone
			[]any{1, 1, 103, "-丙", nil})
		f.SetCellFormula("Sheet1", "D2", `"甲"&"乙"`)
	})
	var faulty *FaultyRows
	if err := importErr(t, newStore(t), string(data), imports); !errors.As(err, &faulty) {
		t.Fatalf("got %v", err)
	}
	if d := cmp.Diff([]Fault{{2, "name", "formula", 0}, {3, "id_number", "number-spoilt", 0}, {4, "name", "formula", 0}}, faulty.Faults); d != "" {
		t.Error(d)
	}
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
	good := workbook(t, func(f *excelize.File) {
		cells(t, f, []any{"楼栋", "单元", "房号", "姓名"}, []any{1, 1, 101, "甲"}, []any{1, 1, 102, "乙"}, []any{1, 1, 103, "丙"})
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
		"bomb":              {rezip(t, good, sheet, func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), maxUnzipped)...) }), "open workbook"},
		"far column":        {rezip(t, good, sheet, in(`r="D3"`, `r="XFD3"`)), "more than 64 cells"},
		"rows out of order": {rezip(t, good, sheet, in(`<row r="3"`, `<row r="1"`)), "damaged"},
		"row out of place":  {rezip(t, good, sheet, in(`r="D3"`, `r="D9"`)), "damaged"},
		"row too far":       {rezip(t, good, sheet, in(`<row r="3"`, `<row r="99999999"`)), "more than"},
		"no sheet":          {rezip(t, good, "xl/_rels/workbook.xml.rels", in("worksheets/sheet1.xml", "worksheets/sheet7.xml")), "save it again"},
		"cut":               {good[:len(good)/2], "open workbook"},
	} {
		rows, err := Read(tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %d rows, %v, want %q", name, len(rows), err, tt.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("id,building,unit,room,name,document_type,id_number,birth_date,phone,class,plate,service\n,1,1,101,甲,,110105195001010018,,x,king,,\n\n,,,,乙,,,,,,,"))
	gb, _ := simplifiedchinese.GB18030.NewEncoder().String(small)
	f.Add([]byte(gb))
	f.Add([]byte("房号\t姓名\n3栋2单元501室\t＝甲\n"))
	f.Add([]byte("room;name;plate\n\"1-\n1-1\";甲;\n1-1-1;;京A12345"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := Read(data)
		if err != nil {
			return
		}
		w := checked(rows, checkID)
		if w.faults.Total > 0 {
			return
		}
		for i := range w.people {
			w.people[i].ID = personID(int64(i + 1))
		}
		for i := range w.vehicles {
			w.vehicles[i].ID = vehicleID(int64(i + 1))
		}
		s := &Snapshot{people: w.people, vehicles: w.vehicles}
		for _, h := range w.households {
			s.households = append(s.households, h)
		}
		s.index(nil)
		// Whatever was accepted is exported without a formula and comes back the same.
		var b bytes.Buffer
		if err := s.Export(&b); err != nil {
			t.Fatal(err)
		}
		again, err := Read(b.Bytes())
		if len(s.households)+len(s.people)+len(s.vehicles) == 0 {
			return
		}
		if err != nil {
			t.Fatalf("export cannot be read: %v\n%s", err, b.Bytes())
		}
		for _, r := range again {
			for _, name := range headings {
				if formula(*r.cell(name)) {
					t.Fatalf("a formula was exported: %q", *r.cell(name))
				}
			}
		}
		back := checked(again, checkID)
		if back.faults.Total > 0 {
			t.Fatalf("export has faults: %v\n%s", &back.faults, b.Bytes())
		}
		got := &Snapshot{people: back.people, vehicles: back.vehicles}
		for _, h := range back.households {
			got.households = append(got.households, h)
		}
		got.index(nil)
		if got.version != s.version {
			t.Fatalf("export came back changed: %s", cmp.Diff([]any{s.people, s.vehicles, s.households}, []any{got.people, got.vehicles, got.households}))
		}
	})
}

func FuzzSheet(f *testing.F) {
	good := workbook(f, func(b *excelize.File) {
		cells(f, b, []any{"楼栋", "单元", "房号", "姓名", "出生日期"}, []any{1, 1, 101, "甲", 31325})
	})
	const name = "xl/worksheets/sheet1.xml"
	rezip(f, good, name, func(part []byte) []byte { f.Add(part); return part })
	f.Add([]byte(`<worksheet><sheetData><row><c t="inlineStr"><is><t>房号</t></is></c><c t="inlineStr"><is><t>姓名</t></is></c></row><row r="9"><c><v>1</v></c></row></sheetData></worksheet>`))
	f.Fuzz(func(t *testing.T, sheet []byte) {
		start := time.Now()
		if rows, err := Read(rezip(t, good, name, func([]byte) []byte { return sheet })); err == nil {
			checked(rows, checkID)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("took %v", d)
		}
	})
}
