package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gated/credential"
	"gated/gate/find"
	"gated/gate/visit"
	"gated/ledger"
	"gated/register/visits"
	"gated/roster"
	"gated/roster/sheet"
)

// lives puts more people and vehicles into the roster.
func (s *site) lives(rows ...sheet.Row) {
	s.t.Helper()
	if _, err := s.people.Import(context.Background(), slices.Concat(office, rows), roster.ImportOptions{AllowRemove: 100, CheckResidentID: func(n string) (string, error) {
		id, err := credential.ResidentID(n)
		return id.BirthDate, err
	}}); err != nil {
		s.t.Fatal(err)
	}
}

// told are the names, plates and hosts of what was found.
func told(r find.Result) string {
	var list []string
	for _, p := range r.People {
		list = append(list, p.Name)
	}
	for _, v := range r.Vehicles {
		list = append(list, v.Plate)
	}
	for _, v := range r.Visits {
		list = append(list, v.Name+"@"+v.Host)
	}
	if r.Building {
		list = append(list, "building?")
	}
	return strings.Join(list, " ")
}

func TestWhomAGuardFinds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lives(sheet.Row{Number: 7, ID: "r-000010", Building: "3", Unit: "1", Room: "501", Name: "王大力", Class: "resident", Phone: "13900001111"},
		sheet.Row{Number: 8, ID: "r-000011", Building: "30", Unit: "2", Room: "501", Name: "王中", Class: "resident", Phone: "13900001111"})
	s.made(visit.Form{How: visits.Announced, Host: "3-2-501", Name: "周访", Phone: "138 1234 5678", Plate: "京A99999"})
	_, p := s.made(visit.Form{How: visits.Announced, Host: "30-2-501", Name: "周访", Private: true})
	s.made(visit.Form{How: visits.Announced, Host: "office", Name: "周访"})
	over, _ := s.made(visit.Form{How: visits.Announced, Host: "3-2-501", Name: "吴完"})
	if err := s.g.EndVisit(over); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"3-2-501":            "李芳 王小明 粤B54321 周访@3-2-501",
		"3栋1单元501":           "王大力",
		"3 王":                "王大力 王小明",
		"3-2 王":              "王小明",
		"3栋 2单元 王":           "王小明",
		"30 王":               "王中",
		"3 139 0000 1111":    "王大力",
		"3 0000111":          "王大力",
		"3-2 周访":             "周访@3-2-501",
		"3 周":                "", // of a visit the whole name
		"3-2 13812345678":    "周访@3-2-501",
		"30 周访":              "", // it is private
		"物业 周访":              "周访@office",
		"office":             "周访@office",
		"京A·99999":           "周访@3-2-501",
		"9999":               "周访@3-2-501",
		"粤b54321":            "粤B54321",
		"2345":               "粤B12345",
		p.Digits:             "周访@30-2-501", // whoever has them has shown them
		"赵":                  "赵六 building?",
		"王":                  "building?",
		"13900001111":        "building?",
		"周访":                 "building?",
		"吴完":                 "building?",
		"3 吴完":               "",
		"9 王":                "building?",
		"11010519491231002X": "building?", // nobody is found by a document
		"<b>'\" OR 1":        "building?",
		"3 \u202e王":          "",
	} {
		r, err := s.g.Counter().Find(text)
		if err != nil || told(r) != want {
			t.Errorf("%q: %q, %v, want %q", text, told(r), err, want)
		}
	}
}

func TestAWiderSearchIsAnEntryFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.made(announced)
	if err := s.g.SignOn("孙门岗"); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"王": "王小明", "周访": "周访@3-2-501", "赵": "赵六"} {
		r, err := s.g.Counter().Search(text, "包裹没有房号")
		if err != nil || told(r) != want {
			t.Errorf("%s: %q, %v", text, told(r), err)
		}
		e := s.newest("export")
		if e.Reason != "search" || e.Personally("sought") != text || e.Personally("by") != "孙门岗" || e.Personally("note") != "包裹没有房号" || strings.Contains(says(e), text) {
			t.Errorf("%s: the entry is %+v", text, e)
		}
	}
	if _, err := s.g.Counter().Search("王", ""); err == nil {
		t.Error("nobody said why")
	}
	s.broken.Store(true)
	if r, err := s.g.Counter().Search("王", "x"); err == nil || r.Names() > 0 {
		t.Errorf("found without an entry: %+v", r)
	}
}

// newest is the newest entry of a kind.
func (s *site) newest(kind ledger.Kind) *ledger.Entry {
	s.t.Helper()
	all := s.records()
	for i := range slices.Backward(all) {
		if all[i].Kind == kind {
			return &all[i]
		}
	}
	s.t.Fatalf("no entry of the kind %s", kind)
	return nil
}

// What the guard types while somebody waits: 5,000 people, 2,000 open visits. None of the ledger's entries is read but those of the
// visits that are found, whose place in the file their numbers say.
func BenchmarkFind(b *testing.B) {
	s := newSite(b)
	var rows []sheet.Row
	for i := range 5000 {
		rows = append(rows, sheet.Row{Number: 7 + i, ID: fmt.Sprintf("r-1%05d", i), Building: fmt.Sprint(1 + i%8), Unit: fmt.Sprint(1 + i/8%3), Room: fmt.Sprint(101 + i/24%300), Name: "王" + string([]rune{rune(0x4e00 + i), rune(0x5e00 + i%300)}), Class: "resident", Phone: fmt.Sprintf("139%08d", i)})
	}
	s.lives(rows...)
	s.atLevel("normal")
	for i := range 2000 {
		if _, err := s.g.MakeVisit(visit.Form{How: visits.Announced, Host: fmt.Sprintf("%d-1-%d", 1+i%8, 101+i/100), Name: fmt.Sprintf("周%d", i), Plate: fmt.Sprintf("京A%05d", i)}); err != nil {
			b.Fatal(err)
		}
	}
	for _, text := range []string{"3-1-101", "3 王", "3-2 139", "3 王一", "3-1 周10", "京A00999", "0999", "000000"} {
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.g.Counter().Find(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
