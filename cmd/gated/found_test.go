package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// found is what the files of ../shared/found, or $FOUND, say in both languages when their import is tried: how the command ends, and
// what stands in its output.
var found = map[string]struct {
	status int
	en, zh []string
}{
	"02-merged-vehicle-revoked-household.xlsx": {0, []string{"3 merged cells filled", "3-2-501 粤B1A2C3", "2 added"},
		[]string{"填充合并单元格 3 个", "3-2-501 粤B1A2C3"}},
	"02-merged-vehicle-staff-silent.xlsx": {0, []string{"6 merged cells filled", "3-2-501 粤B1A2C3", "3-2-501 李保姆", "3 added"},
		[]string{"填充合并单元格 6 个", "新增 3，变更 0，移除 0"}},
	"02-same-without-merge.xlsx": {0, []string{"3-2-501 粤B1A2C3", "2 added"}, []string{"3-2-501 粤B1A2C3"}},
	"03-sheet-per-building.xlsx": {0, []string{"2 rows of sheet 1号楼\n", "2 rows of sheet 2号楼\n", "4 added"},
		[]string{"工作表“1号楼” 2 行\n", "工作表“2号楼” 2 行\n", "新增 4"}},
	"05-error-cells-as-names.xlsx": {1, []string{"4 faults", "row 2, name: cell shows an error", "row 3, room: cell is TRUE or FALSE", "row 4, name: ", "row 5, name: "},
		[]string{"4 处错误", "第 2 行 姓名：单元格是表格软件的错误值", "第 3 行 房号：单元格是 TRUE 或 FALSE"}},
	"06-birth-year-only.xlsx": {1, []string{"16 faults", "row 2, birth_date: a year or a month is no birth date", "row 9, birth_date: date lies in the future"},
		[]string{"16 处错误", "第 2 行 出生日期：只有年份或年月", "第 9 行 出生日期：日期在今天之后"}},
	"09-first-sheet-hidden.xlsx": {0, []string{"not read: sheet 字典 (hidden)", "2 rows of sheet 名册", "2 added"},
		[]string{"未读取工作表“字典”（隐藏）", "已读取工作表“名册” 2 行"}},
	"10-room-became-date.csv": {1, []string{"4 faults", "row 3, room: looks like a date", "row 6, room: looks like a date"},
		[]string{"4 处错误", "第 3 行 房号：看起来像日期"}},
	"11-separator-0.csv":         {0, []string{"3-2-501 甲甲"}, []string{"3-2-501 甲甲"}},
	"11-separator-1.csv":         {0, []string{"3-2-501 甲甲"}, []string{"3-2-501 甲甲"}},
	"12-cr-only.csv":             {0, []string{"2 added"}, []string{"新增 2"}},
	"13-apostrophe.csv":          {0, []string{"3-2-501 王测试甲", "2 added"}, []string{"新增 2"}},
	"13-apostrophe.xlsx":         {0, []string{"3-2-501 王测试甲", "1 added"}, []string{"新增 1"}},
	"14-room-1E01.csv":           {0, []string{"3-2-1E01", "3-1E1-503", "3 added"}, []string{"新增 3"}},
	"16-one-owner-two-flats.csv": {0, []string{"3-2-501 3-2-502 甲甲", "1 added", "1 residents have more than one flat"}, []string{"1 名居民有不止一套房"}},
	"20-html-as-xls.xls":         {1, []string{"a web page (HTML)", "save it as .xlsx"}, []string{"这是网页（HTML）", "另存为 .xlsx"}},
	"no-such-file.xlsx":          {2, []string{"there is no such file"}, []string{"找不到该文件"}},
}

func TestFoundLists(t *testing.T) {
	dir := os.Getenv("FOUND")
	if dir == "" {
		dir = "../../../shared/found"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no lists in %s: lay them there, or set FOUND", dir)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, known := found[f.Name()]; !known && f.Name() != "README.md" {
			t.Logf("%s: nobody has said here what is right", f.Name())
		}
	}
	state := t.TempDir()
	for name, want := range found {
		for language, texts := range map[string][]string{"en_US.UTF-8": want.en, "zh_CN.UTF-8": want.zh} {
			t.Setenv("LC_ALL", language)
			var out bytes.Buffer
			status := execute([]string{"roster", "import", filepath.Join(dir, name), "--dry-run", "--state", state}, nil, &out, &out)
			if status != want.status {
				t.Errorf("%s: exit status %d, want %d", name, status, want.status)
			}
			for _, text := range texts {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%s, %s: no %q in\n%s", name, language, text, out.String())
				}
			}
		}
	}
}
