package visit

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gated/register/visits"
	"gated/roster"
	"gated/roster/sheet"
)

func compound(t *testing.T) *roster.Snapshot {
	people, err := roster.Open(filepath.Join(t.TempDir(), "roster.db"))
	if err == nil {
		t.Cleanup(func() { people.Close() })
		_, err = people.Import(context.Background(), []sheet.Row{{Number: 2, ID: "r-000001", Building: "3", Unit: "2", Room: "501", Name: "王小明", Class: "resident"}},
			roster.ImportOptions{CheckResidentID: func(string) (string, error) { return "", nil }})
	}
	if err != nil {
		t.Fatal(err)
	}
	return people.Snapshot()
}

var zone, _ = time.LoadLocation("Asia/Shanghai")

func TestWhatIsWrongWithAForm(t *testing.T) {
	t.Parallel()
	people := compound(t)
	now := time.Date(2026, 12, 1, 14, 30, 0, 0, zone)
	good := func() Form { return Form{How: visits.Announced, Host: "3-2-501"} }
	for name, c := range map[string]struct {
		change func(f *Form)
		want   string // in what is said; empty: nothing is wrong
	}{
		"nothing more":                  {func(f *Form) {}, ""},
		"a body":                        {func(f *Form) { f.Host = "office" }, ""},
		"several hosts":                 {func(f *Form) { f.Host = "3-2-501  office" }, ""},
		"no host":                       {func(f *Form) { f.Host = " " }, "host: write for whom"},
		"a room that is not there":      {func(f *Form) { f.Host = "9-9-999" }, `no room "9-9-999"`},
		"a building, for a visitor":     {func(f *Form) { f.Host = "3" }, `no room "3"`},
		"a building, for a delivery":    {func(f *Form) { f.How, f.Host, f.Firm = visits.Delivery, "3", "sf" }, ""},
		"a delivery of no firm":         {func(f *Form) { f.How, f.Host = visits.Delivery, "3" }, "firm is"},
		"a kind that is none":           {func(f *Form) { f.How = "party" }, "how is"},
		"a class that is none":          {func(f *Form) { f.Class = "resident" }, "class is"},
		"consent that is none":          {func(f *Form) { f.Consent = "yes" }, "consent is"},
		"over before it begins":         {func(f *Form) { f.From, f.Until = "2026-12-03 10:00", "2026-12-03 09:00" }, "ends before it begins"},
		"past":                          {func(f *Form) { f.From, f.Until = "2026-11-01", "2026-11-02" }, "ended already"},
		"two years":                     {func(f *Form) { f.Until = "2028-12-01" }, "more than 400 days"},
		"a day that is none":            {func(f *Form) { f.Until = "tomorrow" }, "write now, a day"},
		"standing, and no end":          {func(f *Form) { f.How = visits.Standing }, "until is missing"},
		"a slot":                        {func(f *Form) { f.How, f.Until, f.Times = visits.Standing, "2027-01-01", "08:00-10:00" }, ""},
		"a slot that ends at once":      {func(f *Form) { f.How, f.Until, f.Times = visits.Standing, "2027-01-01", "08:00-08:00" }, "it ends when it begins"},
		"a slot of one who comes once":  {func(f *Form) { f.Times = "08:00-10:00" }, "standing visits"},
		"a group of nobody":             {func(f *Form) { f.How = visits.Group }, "entries is 0"},
		"a name of 60 characters":       {func(f *Form) { f.Name = strings.Repeat("王", 60) }, ""},
		"of 61":                         {func(f *Form) { f.Name = strings.Repeat("王", 61) }, "name has 61"},
		"right to left":                 {func(f *Form) { f.Name = "محمد علي" }, ""},
		"turned round":                  {func(f *Form) { f.Name = "a\u202eb" }, "can be printed"},
		"a control character":           {func(f *Form) { f.Name = "a\x07b" }, "can be printed"},
		"markup is text":                {func(f *Form) { f.Name = "<b>x</b>" }, ""},
		"a telephone that is none":      {func(f *Form) { f.Phone = "call me" }, "phone: write digits"},
		"a note of two lines is one":    {func(f *Form) { f.Note = "a\nb" }, ""},
		"too many people":               {func(f *Form) { f.People = 100 }, "people is 100"},
		"everything wrong is said":      {func(f *Form) { f.Class, f.Firm, f.Purpose = "x", "y", "z" }, "purpose is"},
		"and nothing of it is repeated": {func(f *Form) { f.Name = "\x07秘密" }, "name has 3"},
	} {
		f := good()
		c.change(&f)
		ev, err := f.Event("id", now, people)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case err != nil && strings.Contains(err.Error(), "秘密"):
			t.Errorf("%s: %v", name, err)
		case err == nil && (ev.Detail[visits.ID] != "id" || ev.Class == ""):
			t.Errorf("%s: %+v", name, ev)
		}
	}
}

func TestHowLongAVisitIsGood(t *testing.T) {
	t.Parallel()
	people := compound(t)
	now := time.Date(2026, 12, 1, 14, 30, 0, 0, zone)
	for _, c := range []struct {
		f           Form
		from, until string
	}{
		{Form{How: visits.Announced, Host: "office"}, "2026-12-01T14:30:00+08:00", "2026-12-02T00:00:00+08:00"},
		{Form{How: visits.Announced, Host: "office", From: "2026-12-03"}, "2026-12-03T00:00:00+08:00", "2026-12-04T00:00:00+08:00"},
		{Form{How: visits.Announced, Host: "office", From: "2026-12-03 10:00", Until: "2026-12-03 12:00"}, "2026-12-03T10:00:00+08:00", "2026-12-03T12:00:00+08:00"},
		{Form{How: visits.Delivery, Host: "3", Firm: "sf"}, "2026-12-01T14:30:00+08:00", "2026-12-01T15:30:00+08:00"},
		{Form{How: visits.Taxi, Host: "3-2-501", Plate: "1234"}, "2026-12-01T14:30:00+08:00", "2026-12-01T14:50:00+08:00"},
	} {
		ev, err := c.f.Event("id", now, people)
		if err != nil || ev.Detail[visits.From] != c.from || ev.Detail[visits.Until] != c.until {
			t.Errorf("%+v: %v, %v", c.f, ev.Detail, err)
		}
	}
}
