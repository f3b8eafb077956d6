package sheet

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// What the field found: lists as offices write them. Each test bears the name of its line in docs/conformance.md.

func mustRead(t testing.TB, data []byte) *List {
	t.Helper()
	list, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// homes are building, unit, room and name or plate of each row.
func homes(list *List) (lines []string) {
	for _, r := range list.Rows {
		lines = append(lines, strings.Join([]string{r.Building, r.Unit, r.Room, r.Name + r.Plate}, " "))
	}
	return lines
}

func mergeCells(t testing.TB, f *excelize.File, ranges ...string) {
	t.Helper()
	for _, r := range ranges {
		from, to, _ := strings.Cut(r, ":")
		if err := f.MergeCell("Sheet1", from, to); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMergedHomesAreFilledDown(t *testing.T) {
	list := mustRead(t, xlsx(t, func(f *excelize.File) {
		fillIn(t, f, []any{"阳光小区"}, []any{"楼栋", "单元", "房号", "姓名", "类别", "车牌", "备注"},
			[]any{3, 2, 501, "甲", nil, nil, "x"},
			[]any{nil, nil, nil, nil, nil, "粤B1A2C3"},
			[]any{nil, nil, nil, "乙", "工作人员"},
			[]any{nil, nil, 502, "丙"},
			[]any{4, 1, 101, "丁"})
		mergeCells(t, f, "A1:G1", "A3:A6", "B3:B6", "C3:C5", "G3:G6", "A8:A9") // the title, and remarks, are not kept; below it is empty
	}))
	want := []string{"3 2 501 甲", "3 2 501 粤B1A2C3", "3 2 501 乙", "3 2 502 丙", "4 1 101 丁"}
	if d := cmp.Diff(want, homes(list)); d != "" {
		t.Error(d)
	}
	if got := list.Sheets[0].Filled; got != 8 {
		t.Errorf("got %d cells filled, want 8", got)
	}
	if got := list.Summary("en"); !strings.Contains(got, "8 merged cells filled") {
		t.Errorf("got %q", got)
	}
	if got := list.Summary("zh-CN"); !strings.Contains(got, "填充合并单元格 8 个") {
		t.Errorf("got %q", got)
	}
}

func TestMergesElsewhereAreFaults(t *testing.T) {
	head, row := []any{"楼栋", "单元", "房号", "姓名", "电话"}, func(n int) []any { return []any{3, 2, 500 + n, "甲", "13800000000"} }
	for _, tt := range []struct {
		merge string
		want  []Fault
	}{
		{"E2:E3", []Fault{{Row: 2, Column: "phone", Reason: "merged-cell"}}},
		{"D2:D4", []Fault{{Row: 2, Column: "name", Reason: "merged-cell"}}},
		{"A3:B3", []Fault{{Row: 3, Column: "building", Reason: "merged-cell"}}},
		{"A1:A3", []Fault{{Row: 2, Column: "building", Reason: "merged-cell"}}},
		{"F2:G9", nil},
		{"A5:E9", nil},
	} {
		data := xlsx(t, func(f *excelize.File) {
			fillIn(t, f, head, row(1), row(2), row(3))
			mergeCells(t, f, tt.merge)
		})
		if d := cmp.Diff(tt.want, rowFaults(t, data)); d != "" {
			t.Errorf("%s: %s", tt.merge, d)
		}
	}
	// What a program has left under a merge is there, though no spreadsheet shows it.
	hidden := xlsx(t, func(f *excelize.File) {
		fillIn(t, f, head, row(1), row(2))
		mergeCells(t, f, "C2:C3")
	})
	if !bytes.Contains(hidden, []byte("PK")) {
		t.Fatal("no workbook")
	}
	hidden = rezip(t, hidden, "xl/worksheets/sheet1.xml", func(b []byte) []byte {
		return bytes.Replace(b, []byte(`<c r="C3"></c>`), []byte(`<c r="C3"><v>502</v></c>`), 1)
	})
	if got := rowFaults(t, hidden); len(got) > 0 && (len(got) != 1 || got[0].Reason != "merged-cell") {
		t.Errorf("got %v", got)
	}
	// Ranges that overlap, or reach beyond the sheet.
	odd := rezip(t, hidden, "xl/worksheets/sheet1.xml", func(b []byte) []byte {
		return bytes.Replace(b, []byte(`<mergeCell ref="C2:C3"`), []byte(`<mergeCell ref="C3:C1048576"></mergeCell><mergeCell ref="C2:C3"`), 1)
	})
	if got := rowFaults(t, odd); len(got) != 1 || got[0].Reason != "merged-cell" {
		t.Errorf("overlapping: got %v", got)
	}
}

// sheets makes a workbook of sheets with these names and rows.
func sheets(t testing.TB, hidden string, named map[string][][]any, order ...string) []byte {
	t.Helper()
	return xlsx(t, func(f *excelize.File) {
		for i, name := range order {
			if i == 0 {
				f.SetSheetName("Sheet1", name)
			} else if _, err := f.NewSheet(name); err != nil {
				t.Fatal(err)
			}
			for n, row := range named[name] {
				if err := f.SetSheetRow(name, fmt.Sprintf("A%d", n+1), &row); err != nil {
					t.Fatal(err)
				}
			}
		}
		if hidden != "" {
			f.SetActiveSheet(len(order) - 1)
			if err := f.SetSheetVisible(hidden, false); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestSheets(t *testing.T) {
	head := []any{"楼栋", "单元", "房号", "姓名"}
	one, two := [][]any{head, {1, 1, 101, "甲"}}, [][]any{{"二号楼"}, {"姓名", "房号", "单元", "楼栋", "备注"}, {"乙", 201, 1, 2, "x"}}
	list := mustRead(t, sheets(t, "1号楼", map[string][][]any{"说明": {{"请逐行填写"}, {"居民"}}, "字典": {{"类别", "证件类型", "用途"}, {"居民", "护照", "消防"}}, "1号楼": one, "2号楼": two, "空": nil},
		"说明", "1号楼", "空", "字典", "2号楼"))
	if d := cmp.Diff([]string{"1 1 101 甲", "2 1 201 乙"}, homes(list)); d != "" {
		t.Error(d)
	}
	wide := rezip(t, sheets(t, "", map[string][][]any{"统计": {{"人数", 1}}, "a": one}, "统计", "a"), "xl/worksheets/sheet1.xml", func(b []byte) []byte {
		return bytes.Replace(b, []byte(`r="B1"`), []byte(`r="XFD1"`), 1)
	})
	if got := len(mustRead(t, wide).Rows); got != 1 { // as wide as it is, it is no part of the list
		t.Errorf("got %d rows, want 1", got)
	}
	for language, want := range map[string]string{
		"en": "not read: sheet 说明, which has no headings of a roster\nread: 1 row of sheet 1号楼 (hidden)\nnot read: sheet 字典, which has no headings of a roster\nread: 1 row of sheet 2号楼\n",
		"zh": "未读取工作表“说明”：没有名册表头\n已读取工作表“1号楼”（隐藏） 1 行\n未读取工作表“字典”：没有名册表头\n已读取工作表“2号楼” 1 行\n",
	} {
		if got := list.Summary(language); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}

	for _, tt := range []struct {
		name, hidden string
		rows         map[string][][]any
		order        []string
		en, zh       string
	}{
		{"they do not agree", "", map[string][][]any{"a": one, "汇总": {{"楼栋", "单元", "户数", "房号", "姓名", "电话"}, {1, 1, 9, 9, "甲", "13800000000"}}},
			[]string{"a", "汇总"}, "sheet 汇总, row 1, column C: heading is not known", "工作表“汇总”第 1 行 C 列：表头无法识别"},
		{"others", "汇总", map[string][][]any{"汇总": {{"楼栋", "房号", "姓名"}, {1, 9, "甲"}}, "a": one},
			[]string{"汇总", "a"}, "sheet a, row 1: its headings are not those of sheet 汇总", "工作表“a”第 1 行：表头与工作表“汇总”不一致"},
		{"nothing visible has headings", "字典", map[string][][]any{"字典": {{"居民"}}, "表": {{"甲", "乙"}}},
			[]string{"字典", "表"}, "sheet 表, row 1, column A", "工作表“表”第 1 行 A 列"},
		{"a fault of a sheet that nobody sees", "旧", map[string][][]any{"旧": {{"楼栋", "单元", "房号", "姓名", "x"}}, "表": one},
			[]string{"旧", "表"}, "sheet 旧 (hidden), row 1, column E", "工作表“旧”（隐藏）第 1 行 E 列"},
	} {
		_, err := Read(sheets(t, tt.hidden, tt.rows, tt.order...))
		var faulty *FaultyRows
		if !errors.As(err, &faulty) || !strings.Contains(faulty.Text("en"), tt.en) || !strings.Contains(faulty.Text("zh"), tt.zh) {
			t.Errorf("%s: got %v, %s", tt.name, err, faulty.Text("zh"))
		}
	}
}

func TestHeadingsInTwoRows(t *testing.T) {
	list := mustRead(t, xlsx(t, func(f *excelize.File) {
		fillIn(t, f, []any{"楼栋", "单元", "房号", "住户", nil, "备注"}, []any{nil, nil, nil, "姓名", "电话"}, []any{1, 1, 101, "甲", "13800000000", "x"},
			[]any{1, 1, 102, "姓名", "电话"})
		mergeCells(t, f, "A1:A2", "B1:B2", "C1:C2", "D1:E1", "F1:F2")
	}))
	if d := cmp.Diff([]string{"1 1 101 甲", "1 1 102 姓名"}, homes(list)); d != "" { // an import refuses the last
		t.Error(d)
	}
	if _, err := Read([]byte("房号,姓名\n房号,姓名\n")); err == nil || !strings.Contains(err.Error(), "no rows") {
		t.Errorf("headings twice: got %v", err)
	}
}

func TestHiddenRowsAreReadAndCounted(t *testing.T) {
	list := mustRead(t, xlsx(t, func(f *excelize.File) {
		fillIn(t, f, []any{"房号", "姓名"}, []any{"3-2-501", "甲"}, []any{"3-2-502", "乙"})
		f.SetRowVisible("Sheet1", 3, false)
	}))
	if got := list.Summary("en"); len(list.Rows) != 2 || got != "read: 2 rows of sheet Sheet1; 1 of them hidden\n" {
		t.Errorf("got %d rows, %q", len(list.Rows), got)
	}
}

func TestCellsThatAreNoText(t *testing.T) {
	data := xlsx(t, func(f *excelize.File) {
		fillIn(t, f, []any{"楼栋", "单元", "房号", "姓名", "出生日期"},
			[]any{3, 2, true, "甲"}, []any{3, 2, 502, "乙"}, []any{3, 2, 503, "丙"}, []any{3, 2, 504, "丁"}, []any{3, 2, 505, "戊", 31325}, []any{3, 2, 506, "己"})
		day, exponent, custom := 14, 11, "m\"月\"d\"日\""
		for cell, style := range map[string]excelize.Style{"C3": {NumFmt: day}, "C4": {NumFmt: exponent}, "C5": {CustomNumFmt: &custom}, "E6": {NumFmt: day}} {
			id, err := f.NewStyle(&style)
			if err != nil {
				t.Fatal(err)
			}
			f.SetCellStyle("Sheet1", cell, cell, id)
		}
		f.SetCellFormula("Sheet1", "D7", "VLOOKUP(1,A:B,2,0)")
	})
	data = rezip(t, data, "xl/worksheets/sheet1.xml", func(b []byte) []byte {
		return bytes.Replace(b, []byte(`<c r="D2"`), []byte(`<c r="D2" t="e"><v>#N/A</v></c><c r="E2"`), 1)
	})
	data = rezip(t, data, "xl/worksheets/sheet1.xml", func(b []byte) []byte {
		return bytes.Replace(b, []byte(`<c r="D7" t="str"><f>`), []byte(`<c r="D7" t="e"><f>`), 1)
	})
	got := map[int]string{}
	for _, f := range rowFaults(t, data) {
		got[f.Row] += f.Column + " " + f.Reason + " "
	}
	want := map[int]string{2: "room boolean-cell name error-cell ", 3: "room looks-like-date ", 4: "room number-spoilt ", 5: "room looks-like-date ",
		7: "name error-cell "}
	got[2] = strings.Split(got[2], "column")[0] // what stood there has moved to a column without heading
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := mustRead(t, data).Rows[4].BirthDate; got != "1985-10-05" {
		t.Errorf("got %s", got)
	}
}

func TestWordsThatStandForNothing(t *testing.T) {
	for _, tt := range []struct{ column, content, want string }{
		{"name", "#N/A", "error-cell"}, {"name", "#REF!", "error-cell"}, {"name", "#NAME?", "error-cell"}, {"name", "#VALUE!", "error-cell"},
		{"phone", "#DIV/0!", "error-cell"}, {"name", "＃N/A", "error-cell"}, {"birth_date", "########", "error-cell"}, {"room", "Err:502", "error-cell"},
		{"name", "NULL", "placeholder"}, {"name", "nan", "placeholder"}, {"name", "(null)", "placeholder"}, {"name", "空置", "placeholder"},
		{"name", "（空置）", "placeholder"}, {"name", "同上", "placeholder"}, {"building", "同上", "placeholder"}, {"phone", "无", "placeholder"},
		{"name", "姓名", "placeholder"}, {"building", "楼栋", "placeholder"}, {"building", "合计", "placeholder"}, {"id_number", "/", "placeholder"},
		{"name", "-", "placeholder"}, {"name", "None", "placeholder"}, {"room", "TRUE", "boolean-cell"}, {"room", "false", "boolean-cell"},
		{"document_type", "无", ""}, {"document_type", "none", ""}, {"document_type", "身份证", ""}, {"name", "王同上", ""}, {"name", "Nan Li", ""},
		{"name", "空海", ""}, {"building", "3#", ""}, {"building", "#A", ""}, {"name", "Mary", ""}, {"name", "April May", ""}, {"name", "Augustin", ""},
		{"room", "2003/2/5", "looks-like-date"}, {"room", "2003-2-5", "looks-like-date"}, {"room", "3月2日", "looks-like-date"},
		{"room", "2-Mar", "looks-like-date"}, {"room", "Mar-02", "looks-like-date"}, {"room", "2003年2月5日", "looks-like-date"},
		{"room", "2003/2/5 0:00", "looks-like-date"}, {"room", "5/2/2003", "looks-like-date"}, {"unit", "2-Jan-03", "looks-like-date"},
		{"room", "2003-02-05T00:00:00", "looks-like-date"}, {"name", "3月2日", "looks-like-date"},
		{"room", "3-2-501", ""}, {"room", "12-10-3", ""}, {"room", "3/2/501", ""}, {"room", "20-3-2003", "looks-like-date"}, {"birth_date", "2003/2/5", ""},
		{"room", "1E01", ""}, {"room", "2E10", ""}, {"unit", "1e1", ""}, {"room", "2E+10", "number-spoilt"}, {"room", "2.00E+10", "number-spoilt"},
		{"id_number", "1.10105E+17", "number-spoilt"}, {"phone", "1.38E10", "number-spoilt"},
		{"phone", "+8613800138000", ""}, {"name", "=1+1", "formula"}, {"name", "＠x", "formula"},
		{"name", "#VALUE", "error-cell"}, {"name", "#¡REF!", "error-cell"}, {"room", "#¿NOMBRE?", "error-cell"}, {"name", "#WERT!", "error-cell"},
		{"phone", "#NV", "error-cell"}, {"building", "#ÜBERLAUF!", "error-cell"}, {"name", "#ЗНАЧ!", "error-cell"}, {"name", "#5", "error-cell"},
		{"room", "#NOM ?", "error-cell"}, {"room", "#GETTING_DATA", "error-cell"}, {"room", "#501", ""},
		{"name", "上同", "placeholder"}, {"name", "如上", "placeholder"}, {"room", "如上", "placeholder"}, {"name", "略", "placeholder"},
		{"name", `\N`, "placeholder"}, {"phone", `\n`, "placeholder"}, {"name", "业主", "placeholder"}, {"name", "租户", "placeholder"},
		{"name", "房东", "placeholder"}, {"name", "户主", "placeholder"}, {"name", "出售", "placeholder"}, {"name", "闲置", "placeholder"},
		{"name", "毛坯", "placeholder"}, {"name", "（装修中）", "placeholder"}, {"name", "未交房", "placeholder"}, {"name", "商铺", "placeholder"},
		{"name", "无名氏", "placeholder"}, {"name", "owner", "placeholder"}, {"name", "For sale", "placeholder"}, {"name", "same as above", "placeholder"},
		{"room", "业主", "placeholder"}, {"building", "业主", "placeholder"},
		{"name", "NaT", "placeholder"}, {"name", "Nat", ""}, {"name", "N.A.", "placeholder"}, {"name", "VALUE!", "placeholder"}, {"name", "#N/A N/A", "error-cell"},
		{"name", "同上。", "placeholder"}, {"name", "″同上", "placeholder"}, {"name", "同上栏", "placeholder"}, {"name", "空置（未装修）", "placeholder"},
		{"name", "无业主", "placeholder"}, {"name", "null null", "placeholder"}, {"name", "错误", "placeholder"}, {"name", "do.", "placeholder"},
		{"name", "Na Na", ""}, {"name", "王明（租户）", ""}, {"name", "同同", ""}, {"name", "真真", ""}, {"name", "Nil Sum", ""}, {"room", "1(底商)", ""},
		{"class", "业主", ""}, {"class", "租户", ""}, {"class", "resident", ""}, {"building", "商铺", ""}, {"room", "车库", ""},
		{"name", "以下空白", "placeholder"}, {"name", "同上室", "placeholder"}, {"name", "是", "placeholder"}, {"name", "inf", "placeholder"},
		{"name", "xxx", "placeholder"}, {"name", "待取名", "placeholder"}, {"name", "是小明", ""}, {"name", "Infante", ""}, {"phone", "无数据", "placeholder"},
		{"name", "略明", ""}, {"name", "业小主", ""}, {"name", "毛培", ""}, {"name", "房东明", ""}, {"name", "尚同", ""}, {"name", "Owen", ""},
		{"name", "Shopova", ""}, {"name", "王〇", ""},
	} {
		if got := Odd(tt.column, tt.content); got != tt.want {
			t.Errorf("%s %q: got %q, want %q", tt.column, tt.content, got, tt.want)
		}
	}
}

func TestBirthDatesAsNumbers(t *testing.T) {
	for _, tt := range []struct{ content, want, reason string }{
		{"2018", "", "birth-date-incomplete"}, {"1985", "", "birth-date-incomplete"}, {"201803", "", "birth-date-incomplete"},
		{"1985.1", "", "birth-date-incomplete"}, {"0.5", "", "birth-date-incomplete"}, {"1", "", "birth-date-incomplete"}, {"-3", "", "birth-date-incomplete"},
		{"31325", "1985-10-05", ""}, {"31325.25", "1985-10-05", ""}, {"19851005", "19851005", ""}, {"394873", "2981-02-13", ""},
		{"1e300", "", "bad-date"}, {"NaN", "NaN", ""}, {"x", "x", ""},
	} {
		if got, reason := birthDate(tt.content, 0); got != tt.want || reason != tt.reason {
			t.Errorf("%s: got %q %q, want %q %q", tt.content, got, reason, tt.want, tt.reason)
		}
	}
	list := mustRead(t, xlsx(t, func(f *excelize.File) {
		fillIn(t, f, []any{"房号", "姓名", "出生日期"}, []any{"3-2-501", "甲", 31325 - 1462})
		yes := true
		f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &yes})
	}))
	if got := list.Rows[0].BirthDate; got != "1985-10-05" {
		t.Errorf("counted from 1904: got %s", got)
	}
}

func TestSeparators(t *testing.T) {
	for name, data := range map[string]string{
		"a title with commas, semicolons": "名册,2026年;;;\n楼栋;单元;房号;姓名\n3;2;501;甲\n",
		"a title with commas, tabs":       "名册,一期,二期\t\t\t\n\n楼栋\t单元\t房号\t姓名\n3\t2\t501\t甲\n",
		"bars":                            "楼栋|单元|房号|姓名\n3|2|501|甲\n",
		"full width":                      "楼栋，单元，房号，姓名\n3，2，501，甲\n",
		"sep=;":                           "\ufeffsep=;\r\n楼栋;单元;房号;姓名\r\n3;2;501;甲\r\n",
		"sep= and commas in cells":        "\"sep=;\"\n楼栋;单元;房号;姓名;备注(楼栋,单元,房号,姓名)\n3;2;501;甲;\n",
		"CR":                              "楼栋,单元,房号,姓名\r3,2,501,甲\r",
		"trailing commas":                 "楼栋,单元,房号,姓名" + strings.Repeat(",", 70) + "\n3,2,501,甲" + strings.Repeat(", ", 300) + "\n" + strings.Repeat(",", 90) + "\n",
		"marks of text":                   "楼栋,单元,房号,姓名\n'3,＇2,’501,'甲'\n",
		"typographic marks of text":       "楼栋,单元,房号,姓名\n‘3,’2,’501,’甲\n",
		"text as a formula":               "楼栋,单元,房号,姓名\n=\"3\",2,=\"501\",=\"甲\"\n",
	} {
		list, err := Read([]byte(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff([]string{"3 2 501 甲"}, homes(list)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if got := mustRead(t, []byte("sep=;\n房号;姓名\n\n3-2-501;甲\n")).Rows[0].Number; got != 4 {
		t.Errorf("row after sep=: got %d, want 4", got)
	}
}

// zipped is an archive with these files.
func zipped(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err == nil {
			_, err = f.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOtherFilesAreNamed(t *testing.T) {
	for _, tt := range []struct{ data, want string }{
		{"<html><body><table><tr><td>楼栋</td></tr></table></body></html>", "file-web-page"},
		{"\ufeff\r\n<!DOCTYPE html>", "file-web-page"}, {"<table border=1>", "file-web-page"}, {"MIME-Version: 1.0\r\n", "file-web-page"},
		{"<?xml version=\"1.0\"?><html xmlns:x=\"urn:schemas-microsoft-com:office:excel\">", "file-web-page"},
		{"<?xml version=\"1.0\"?>\n<?mso-application progid=\"Excel.Sheet\"?><Workbook>", "file-xml"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "file-old-excel"}, {"\xff\xfe\x3c\x00", "file-utf16"}, {"%PDF-1.7", "file-pdf"},
		{"\x89PNG\r\n\x1a\n", "file-picture"}, {"\xff\xd8\xff\xe0", "file-picture"}, {"Rar!\x1a\x07", "file-archive"}, {"\x1f\x8b\x08", "file-archive"},
		{"{\\rtf1", "file-word"}, {"ID;PWXL;N;E", "file-sylk"}, {"room\x00", "file-unknown"},
		{string(zipped(t, "mimetype", "application/vnd.oasis.opendocument.spreadsheet", "content.xml", "<x/>")), "file-ods"},
		{string(zipped(t, "[Content_Types].xml", "", "word/document.xml", "<x/>")), "file-word"},
		{string(zipped(t, "xl/styles.bin", "x", "xl/workbook.bin", "x")), "file-xlsb"}, {string(zipped(t, "名册.xlsx", "PK")), "file-archive"},
		{string(zipped(t, "Index/Document.iwa", "x")), "file-numbers"}, {string(zipped(t)), "file-archive"},
	} {
		_, err := Read([]byte(tt.data))
		var faulty *FaultyRows
		if !errors.As(err, &faulty) || faulty.Faults[0].Reason != tt.want {
			t.Errorf("%.30q: got %v, want %s", tt.data, err, tt.want)
			continue
		}
		if en, zh := faulty.Text("en"), faulty.Text("zh_CN.UTF-8"); !strings.HasPrefix(en, "the roster file cannot be used, nothing was done\n") || !strings.HasPrefix(zh, "名册文件无法使用，未作任何处理\n") {
			t.Errorf("got %s, %s", en, zh)
		}
	}
	for _, data := range []string{"BM,房号,姓名\n", "room,name\n1-1-1,x\n"} { // text after all
		if _, err := Read([]byte(data)); err != nil && strings.Contains(err.Error(), "picture") {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func TestLongTextsAndEscapesOfAWorkbook(t *testing.T) {
	data := xlsx(t, func(f *excelize.File) {
		fillIn(t, f, []any{"房号", "姓名"}, []any{"3-2-501", strings.Repeat("甲", 300)}, []any{"3-2-502", "_x0042_ob"})
		f.SetCellRichText("Sheet1", "B4", []excelize.RichTextRun{{Text: "王"}, {Text: "五"}})
		f.SetCellValue("Sheet1", "A4", "3-2-503")
	})
	data = rezip(t, data, "xl/sharedStrings.xml", func(b []byte) []byte { // spoken so
		return bytes.ReplaceAll(b, []byte("五</t></r>"), []byte("五</t></r><rPh><t>wang wu</t></rPh>"))
	})
	data = rezip(t, data, "xl/sharedStrings.xml", func(b []byte) []byte { // excelize escapes the escape
		return bytes.ReplaceAll(b, []byte("_x005F_x0042_"), []byte("_x0042_"))
	})
	if d := cmp.Diff([]Fault{{Row: 2, Column: "name", Reason: "cell-too-long"}}, rowFaults(t, data)); d != "" {
		t.Error(d)
	}
	if rows := mustRead(t, data).Rows; rows[1].Name != "Bob" || rows[2].Name != "王五" {
		t.Errorf("got %q, %q", rows[1].Name, rows[2].Name)
	}
}

// Programs put prefixes before the names of elements, and rows and cells of other kinds below those of the sheet.
func TestSheetsOfOtherPrograms(t *testing.T) {
	data := xlsx(t, func(f *excelize.File) {
		fillIn(t, f, []any{"房号", "姓名"}, []any{"3-2-501", "甲"}, []any{"3-2-502", 7})
	})
	data = rezip(t, data, "xl/worksheets/sheet1.xml", func(b []byte) []byte {
		s := strings.NewReplacer("<worksheet", "<x:worksheet", "</worksheet", "</x:worksheet", "<row", "<x:row", "</row", "</x:row", "<c ", "<x:c ", "</c>", "</x:c>",
			"<v>", "<x:v>", "</v>", "</x:v>", "</sheetData>", `</sheetData><controls><from><xdr:col>1</xdr:col><xdr:row>1048576</xdr:row></from></controls>`).Replace(string(b))
		return []byte(s)
	})
	if d := cmp.Diff([]string{"   甲", "   7"}, homes(&List{Rows: named(mustRead(t, data).Rows)})); d != "" {
		t.Error(d)
	}
}

// named are rows with nothing but their names.
func named(rows []Row) (only []Row) {
	for _, r := range rows {
		only = append(only, Row{Name: r.Name})
	}
	return only
}

// A million rows that somebody coloured are no million rows of a roster, and a workbook that unpacks without end is none at all.
// Neither takes more memory than its file.
func TestColouredRowsAndBombs(t *testing.T) {
	good := xlsx(t, func(f *excelize.File) { fillIn(t, f, []any{"房号", "姓名"}, []any{"3-2-501", "甲"}) })
	rows := func(n int, row string) func([]byte) []byte {
		return func(b []byte) []byte {
			var more bytes.Buffer
			for i := range n {
				fmt.Fprintf(&more, row, i+3)
			}
			return bytes.Replace(b, []byte("</sheetData>"), append(more.Bytes(), "</sheetData>"...), 1)
		}
	}
	const part = "xl/worksheets/sheet1.xml"
	start := time.Now()
	many, most := 1_000_000, int64(128<<20)
	if os.Getenv("FAULTS") != "all" { // a part of them: under the race detector they take more than a minute
		many, most = 150_000, 48<<20
	}
	coloured := rezip(t, good, part, rows(many, `<row r="%d" s="1" customFormat="1"><c r="A%[1]d" s="1"/></row>`))
	bomb := rezip(t, good, part, rows(1, `<row r="%d">`+strings.Repeat(`<c s="1"/>`, 1<<20)+"</row>"))
	text := rezip(t, good, part, rows(1, `<row r="%d"><c t="inlineStr"><is><t>`+strings.Repeat("x", 3*maxToken)+"</t></is></c></row>"))
	made := time.Since(start)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start = time.Now()
	if got := len(mustRead(t, coloured).Rows); got != 1 {
		t.Errorf("got %d rows, want 1", got)
	}
	if _, err := readWorkbook(bomb, 8<<20); !errors.Is(err, errUnpacks) { // as Read does, with more patience
		t.Errorf("a bomb: got %v", err)
	}
	if _, err := Read(text); !errors.Is(err, errUnpacks) {
		t.Errorf("a text without end: got %v", err)
	}
	runtime.ReadMemStats(&after)
	t.Logf("made in %v, read in %v; the heap grew from %d to %d MiB", made, time.Since(start), before.HeapInuse>>20, after.HeapInuse>>20)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > most {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}
