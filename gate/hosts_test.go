package gate

import (
	"strings"
	"testing"

	"gated/gate/visit"
	"gated/register/visits"
	"gated/roster/sheet"
)

func TestATelephoneIsShownOnATouchThatIsAnEntry(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lives(sheet.Row{Number: 7, ID: "r-000010", Building: "3", Unit: "1", Room: "501", Name: "王大力", Class: "resident", Phone: "13900001111"},
		sheet.Row{Number: 8, ID: "r-000011", Building: "3", Unit: "1", Room: "501", Name: "王中", Class: "resident"})
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) {
		r.Bodies = []Body{{Body: "office", People: []Called{{Name: "前台", Telephone: "0755-1"}, {Name: "经理", Telephone: "0755-2"}}}, {Body: "shop", Open: true}}
	}))
	if err := s.g.SignOn("孙门岗"); err != nil {
		t.Fatal(err)
	}
	id, _ := s.made(visit.Form{How: visits.Announced, Host: "3-1-501", Name: "周访", Phone: "13812345678"})
	private, _ := s.made(visit.Form{How: visits.Announced, Host: "3-1-501", Name: "郑隐", Phone: "13812345679", Private: true})
	card, err := s.g.Counter().Card("3栋1单元501")
	if err != nil || card.Host != "3-1-501" || len(card.People) != 2 || !card.People[0].Telephone || card.People[1].Telephone || card.Consent != "asked" {
		t.Errorf("%+v, %v", card, err)
	}
	if card, err := s.g.Counter().Card("物业"); err != nil || card.Host != "office" || len(card.People) != 2 || card.People[1].Name != "经理" {
		t.Errorf("%+v, %v", card, err)
	}
	if card, err := s.g.Counter().Card("shop"); err != nil || card.Consent != "open" || len(card.People) != 0 {
		t.Errorf("%+v, %v", card, err)
	}
	for _, room := range []string{"501", "9-9-999", ""} { // which of them?
		if _, err := s.g.Counter().Card(room); err != ErrNoHost {
			t.Errorf("%q: %v", room, err)
		}
	}
	for _, c := range []struct {
		of            Whose
		number, whose string
	}{
		{Whose{Person: s.subject("王大力")}, "13900001111", "3-1-501 " + s.subject("王大力")},
		{Whose{Visit: id}, "13812345678", "3-1-501 周访"},
		{Whose{Body: "office", Index: 1}, "0755-2", "office 经理"},
		{Whose{Body: "office", Index: 2}, "", ""},
		{Whose{Body: "office", Index: -1}, "", ""},
		{Whose{Person: s.subject("王中")}, "", ""},
		{Whose{Person: "r-nobody"}, "", ""},
		{Whose{Visit: "nobodys"}, "", ""},
		{Whose{Visit: private}, "", ""},
		{Whose{Person: s.subject("王大力"), Visit: id}, "", ""},
		{Whose{}, "", ""},
	} {
		before := s.l.Size()
		number, err := s.g.Counter().Telephone(c.of)
		if number != c.number || (err == nil) != (c.number != "") || (s.l.Size() != before) != (c.number != "") {
			t.Errorf("%+v: %q, %v, %d entries more", c.of, number, err, s.l.Size()-before)
		}
		if c.number == "" {
			continue
		}
		e := s.newest("export")
		var whose []string
		for _, f := range e.Personal {
			if f.Name != "by" {
				whose = append(whose, f.Value)
			}
			if f.Value == number || strings.Contains(says(e), f.Value) {
				t.Errorf("the entry says %s", f.Name)
			}
		}
		if e.Reason != "telephone" || e.Personally("by") != "孙门岗" || strings.Join(whose, " ") != c.whose {
			t.Errorf("%+v: the entry is %s of %q by %s", c.of, e.Reason, whose, e.Personally("by"))
		}
	}
	s.broken.Store(true)
	if number, err := s.g.Counter().Telephone(Whose{Body: "office"}); err == nil || number != "" {
		t.Errorf("shown without an entry: %s, %v", number, err)
	}
}
