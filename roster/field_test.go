package roster

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gated/roster/sheet"

	"github.com/google/go-cmp/cmp"
)

// What the field found: each test bears the name of its line in docs/conformance.md.

func TestAnOwnerOfSeveralFlats(t *testing.T) {
	const head = "id,building,unit,room,name,id_number,phone,class,plate\n"
	a, b := idNo(0), idNo(1)
	rows := []string{",1,1,502,甲," + a + ",,,", ",1,1,501,甲," + a + ",13800000001,,", ",2,1,101,甲," + a + ",,居民,", ",1,1,502,乙," + b + ",,,", ",2,1,101,,,,,京A12345"}
	s := newStore(t)
	r := mustImport(t, s, head+strings.Join(rows, "\n")+"\n", imports)
	if r.Households != 3 || r.Residents != 2 || r.SeveralFlats != 1 {
		t.Errorf("got %+v", r)
	}
	snap := s.Snapshot()
	p, _ := snap.PersonByDocument(a)
	if p.Household != "1-1-501" || p.Others != "1-1-502 2-1-101" || p.Phone != "13800000001" {
		t.Errorf("got %+v", p)
	}
	for room, want := range map[string]string{"1-1-501": "甲", "1-1-502": "甲乙", "2-1-101": "甲"} {
		names := ""
		for _, f := range snap.Find(room) {
			if names += f.Name; f.Household != room {
				t.Errorf("found %s in %s", f.Household, room)
			}
		}
		if names != want {
			t.Errorf("%s: got %s, want %s", room, names, want)
		}
	}

	// Whatever the order of the rows is, and out and in again, nothing changes.
	rows[0], rows[2] = rows[2], rows[0]
	if r := mustImport(t, s, head+strings.Join(rows, "\n")+"\n", imports); len(r.Added)+len(r.Changed)+len(r.Removed) != 0 {
		t.Errorf("another order: got %+v", r)
	}
	var out bytes.Buffer
	if err := snap.Export(&out); err != nil {
		t.Fatal(err)
	}
	if r := mustImport(t, s, out.String(), imports); len(r.Added)+len(r.Changed)+len(r.Removed) != 0 {
		t.Errorf("export and import: got %+v", r)
	}

	// Who loses a flat is told, and a household's revocation reaches those who live in it and elsewhere.
	r = mustImport(t, s, head+",1,1,501,甲,"+a+",13800000001,,\n,1,1,502,甲,"+a+",,,\n,1,1,502,乙,"+b+",,,\n,2,1,101,,,,,\n,2,1,101,,,,,京A12345\n", imports)
	if len(r.Changed) != 1 || r.Changed[0].Fields[0] != (Field{"household", "1-1-501 1-1-502 2-1-101", "1-1-501 1-1-502"}) {
		t.Errorf("got %+v", r.Changed)
	}
	now := time.Now()
	if err := s.RecordPasses(t.Context(), []IssuedPass{{"00000000000000a1", p.ID, "office", now.Add(-time.Hour), now.Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.RevokeHousehold(t.Context(), "1-1-502", now); err != nil || n != 1 {
		t.Errorf("revoked %d, %v", n, err)
	}
	if snap := s.Snapshot(); !snap.Revoked("00000000000000a2", p.ID, now.Add(-time.Minute)) || snap.Revoked("00000000000000a2", p.ID, now.Add(time.Minute)) {
		t.Error("a pass that nobody recorded is not judged by the other flat")
	}

	// Rows that contradict each other are no such person.
	for name, tt := range map[string]struct {
		rows string
		want sheet.Fault
	}{
		"another telephone":   {",1,1,501,甲," + a + ",13800000001,,\n,1,1,502,甲," + a + ",13800000002,,", sheet.Fault{Row: 3, Column: "phone", Reason: "person-differs", Other: 2}},
		"another name":        {",1,1,501,甲," + a + ",,,\n,1,1,502,乙," + a + ",,,", sheet.Fault{Row: 3, Column: "id_number", Reason: "duplicate-document", Other: 2}},
		"the same flat":       {",1,1,501,甲," + a + ",,,\n,1,1,501,甲," + a + ",,,", sheet.Fault{Row: 3, Column: "id_number", Reason: "duplicate-document", Other: 2}},
		"a class":             {",1,1,501,甲," + a + ",,,\n,1,1,502,甲," + a + ",,staff,\n,1,1,502,,,,,", sheet.Fault{Row: 3, Column: "id_number", Reason: "duplicate-document", Other: 2}},
		"another document":    {"r-000007,1,1,501,甲," + a + ",,,\nr-000007,1,1,502,甲," + b + ",,,", sheet.Fault{Row: 3, Column: "id_number", Reason: "person-differs", Other: 2}},
		"only the name":       {",1,1,501,甲,,,,\n,1,1,502,甲,,,,", sheet.Fault{}},
		"the ID and the name": {"r-000007,1,1,501,甲,,,,\nr-000007,1,1,502,甲,,,,", sheet.Fault{}},
	} {
		err := importErr(t, newStore(t), head+tt.rows+"\n", imports)
		var faulty *sheet.FaultyRows
		switch {
		case tt.want.Reason == "" && err != nil:
			t.Errorf("%s: got %v", name, err)
		case tt.want.Reason != "" && (!errors.As(err, &faulty) || len(faulty.Faults) != 1 || faulty.Faults[0] != tt.want):
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

func TestBirthDates(t *testing.T) {
	tomorrow := time.Now().AddDate(0, 0, 1).Format(time.DateOnly)
	for _, tt := range []struct{ cell, want, reason string }{
		{"1985-10-05", "1985-10-05", ""}, {"1985/10/5", "1985-10-05", ""}, {"1985年10月5日", "1985-10-05", ""}, {"19851005", "1985-10-05", ""},
		{"1985-10-05 00:00:00", "1985-10-05", ""}, {"1985-10-05T00:00:00Z", "1985-10-05", ""},
		{"2018", "", "birth-date-incomplete"}, {"2018年", "", "birth-date-incomplete"}, {"201803", "", "birth-date-incomplete"},
		{"2018-03", "", "birth-date-incomplete"}, {"2018年3月", "", "birth-date-incomplete"}, {"2018.3", "", "birth-date-incomplete"},
		{"2981-03-04", "", "date-in-future"}, {tomorrow, "", "date-in-future"}, {"1899-12-31", "", "bad-date"}, {"0.5", "", "bad-date"},
		{"1985-02-30", "", "bad-date"}, {"85-10-05", "", "bad-date"},
	} {
		err := importErr(t, newStore(t), "building,unit,room,name,birth_date\n1,1,101,甲,"+tt.cell+"\n", imports)
		var faulty *sheet.FaultyRows
		if got := errors.As(err, &faulty); got != (tt.reason != "") || got && faulty.Faults[0].Reason != tt.reason {
			t.Errorf("%s: got %v, want %s", tt.cell, err, tt.reason)
		}
	}
}

func TestFaultsOfTwoSheetsNameBoth(t *testing.T) {
	doc := idNo(0)
	rows := []sheet.Row{{Sheet: "1号楼", Number: 2, Room: "1-1-101", Name: "甲", Document: doc},
		{Sheet: "2号楼", Hidden: true, Number: 2, Room: "2-1-101", Name: "乙", Document: doc}, {Sheet: "2号楼", Hidden: true, Number: 3, Room: "x", Name: "丙"}}
	_, err := newStore(t).Import(t.Context(), rows, imports)
	var faulty *sheet.FaultyRows
	if !errors.As(err, &faulty) {
		t.Fatalf("got %v", err)
	}
	for language, want := range map[string]string{
		"en": "2 faults in the roster file, nothing was done\n" +
			"sheet 2号楼 (hidden), row 2, id_number: sheet 1号楼, row 2 has the same document number: delete one of the two rows or correct the number\n",
		"zh": "名册文件有 2 处错误，未作任何处理\n工作表“2号楼”（隐藏）第 2 行 证件号码：证件号码与工作表“1号楼”第 2 行相同，请删除其中一行或更正号码\n",
	} {
		if got := faulty.Text(language); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPlansAndResultsInBothLanguages(t *testing.T) {
	s := newStore(t)
	mustImport(t, s, "编号,房号,姓名,车牌,用途,电话\nr-000001,3-2-501,甲,,,\nr-000002,3-2-502,乙,,,13800000001\nr-000003,3-1-101,丙,,,\nv-0001,,,京A12345,救护,\n", imports)
	list, err := sheet.Read([]byte("编号,房号,姓名,车牌,用途,电话,类别\nr-000001,3-2-501,甲,,,,\nr-000002,3-2-502,乙,,,13800000002,\nr-000004,3-2-503,丁,,,,\nr-000005,,戊,,,,物业\n"))
	if err != nil {
		t.Fatal(err)
	}
	opt := imports
	opt.DryRun = true
	r, err := s.Import(t.Context(), list.Rows, opt)
	if err != nil {
		t.Fatal(err)
	}
	_, removal := s.Import(t.Context(), list.Rows, allow(7))
	for language, want := range map[string][3]string{
		"en": {`add person r-000004 3-2-503 丁
add person r-000005 戊
add household 3-2-503
change person r-000002 3-2-502 乙; phone: "13800000001" → "13800000002"
remove person r-000003 3-1-101 丙
remove vehicle v-0001 京A12345
remove household 3-1-101
dry run, nothing changed: 2 added, 1 changed, 2 removed; 3 households, 3 residents, 1 staff, 0 vehicles
without a flat: 1 staff, 0 vehicles
the import will need --allow-remove 2
`, "imported: 2 added, 1 changed, 2 removed; 3 households, 3 residents, 1 staff, 0 vehicles\nthe import will need --allow-remove 2\n",
			"import would remove 1 of 3 residents, everyone in unit 3-1, all 1 vehicles with a service: nothing was imported; " +
				"if that is meant, say --allow-remove 2 (not 7)"},
		"zh_CN.UTF-8": {`新增 人员 r-000004 3-2-503 丁
新增 人员 r-000005 戊
新增 住户 3-2-503
变更 人员 r-000002 3-2-502 乙；电话："13800000001" → "13800000002"
移除 人员 r-000003 3-1-101 丙
移除 车辆 v-0001 京A12345
移除 住户 3-1-101
试运行，未作更改：新增 2，变更 1，移除 2；共有住户 3、居民 3、工作人员 1、车辆 0
没有住址：工作人员 1、车辆 0
正式导入时须加 --allow-remove 2
`, "已导入：新增 2，变更 1，移除 2；共有住户 3、居民 3、工作人员 1、车辆 0\n正式导入时须加 --allow-remove 2\n",
			"导入会移除 1 名居民（现有 3 名），以下单元将无人：3-1，以及全部 1 辆有用途的车辆：未导入任何内容；如确实如此，请加 --allow-remove 2（不是 7）"},
	} {
		var plan, done bytes.Buffer
		r.Print(&plan, true, language)
		r.Print(&done, false, language)
		var m *MassRemoval
		if !errors.As(removal, &m) {
			t.Fatalf("got %v", removal)
		}
		if d := cmp.Diff(want, [3]string{plan.String(), done.String(), m.Text(language)}); d != "" {
			t.Errorf("%s: %s", language, d)
		}
	}
}

// A list whose every household is merged, and every owner has two flats, is as quick as any other.
func TestManyFlatsAreQuick(t *testing.T) {
	var rows []sheet.Row
	for i := range 20_000 {
		rows = append(rows, sheet.Row{Number: i + 2, Building: "1", Unit: fmt.Sprint(i%2 + 1), Room: fmt.Sprint(i + 1), Name: "甲", Document: idNo(i / 2)})
	}
	start := time.Now()
	w := checked(rows, imports)
	if w.faults.Total > 0 || len(w.people) != 10_000 {
		t.Errorf("got %d people, %v", len(w.people), &w.faults)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}
