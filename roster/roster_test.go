package roster

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gated/durable"
	"gated/roster/sheet"

	"github.com/google/go-cmp/cmp"
)

// checkID is GB 11643 as far as these tests need it.
func checkID(s string) (string, error) {
	if len(s) != 18 {
		return "", errors.New("malformed")
	}
	if checkDigit(s[:17]) != s[17] {
		return "", errors.New("bad-check-digit")
	}
	t, err := time.Parse("20060102", s[6:14])
	if err != nil {
		return "", errors.New("bad-date")
	}
	return t.Format(time.DateOnly), nil
}

func checkDigit(s string) byte {
	sum := 0
	for i, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(s[i]-'0') * w
	}
	return "10X98765432"[sum%11]
}

// idNo is an invented resident ID number.
func idNo(n int) string {
	s := fmt.Sprintf("110105%s%03d", time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n%20000).Format("20060102"), n/20000+1)
	return s + string(checkDigit(s))
}

var imports = allow(0)

// of is the key of an invented compound.
var of = Key{1}

func allow(n int) ImportOptions {
	return ImportOptions{Key: of, CheckResidentID: checkID, AllowRemove: n}
}

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "roster.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustImport(t testing.TB, s *Store, csv string, opt ImportOptions) Report {
	t.Helper()
	rows, err := sheet.Read([]byte(csv))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Import(context.Background(), rows.Rows, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func importErr(t testing.TB, s *Store, csv string, opt ImportOptions) error {
	t.Helper()
	rows, err := sheet.Read([]byte(csv))
	if err != nil {
		return err
	}
	_, err = s.Import(context.Background(), rows.Rows, opt)
	return err
}

// compound is the real one's size: 8 buildings of 3 units, 712 households, 2,132 residents.
func compound() string {
	var b strings.Builder
	b.WriteString("building,unit,room,name,id_number,phone,class,plate,service\n")
	people := 0
	for h := range 712 {
		where := fmt.Sprintf("%d,%d,%d%02d", h/89+1, h%89/30+1, h%30/2+1, h%30%2+1)
		for range 3 {
			if people < 2132 {
				fmt.Fprintf(&b, "%s,住户%s,%s,138%08d,,,\n", where, inHanzi(people), idNo(people), people)
				people++
			}
		}
		if people < 2132 && h == 711 {
			panic("too few people")
		}
	}
	b.WriteString(",,,站岗,,13900000000,staff,,\n,,,,,,,京A12345,ambulance\n,,,,,,,京A·F0236,消防\n")
	return b.String()
}

const small = `编号,楼栋,单元,房号,姓名,证件类型,证件号码,电话,类别,车牌,用途
r-000001,3栋,2单元,501室,张三,,110105195001010012,13800000001,居民,,
R-000002,3,2,0501,李四,护照,e 1234567,+86 138-0000-0002,,,
r-000003,３,２,502,王五,无,,,居民,,
,3,2,601,,,,,,,
r-000004,,,,赵岗,,,,工作人员,,
r-000005,,,,钱愿,,,,志愿者,,
v-0001,3,2,501,,,,,,京A·12345,
v-0002,,,,,,,,,京AF0236,救护
`

func TestImportReadsWhatThePropertyOfficeWrites(t *testing.T) {
	s := newStore(t)
	r := mustImport(t, s, small, imports)
	if r.Households != 3 || r.Residents != 3 || r.Staff != 2 || r.Vehicles != 2 || len(r.Added) != 10 {
		t.Errorf("got report %+v", r)
	}
	snap := s.Snapshot()
	wantPeople := []Person{
		{"r-000001", "3-2-501", "张三", "resident-id", "110105195001010012", "1950-01-01", "13800000001", "resident", ""},
		{"r-000002", "3-2-501", "李四", "passport", "E1234567", "", "13800000002", "resident", ""},
		{"r-000003", "3-2-502", "王五", "", "", "", "", "resident", ""},
		{"r-000004", "", "赵岗", "", "", "", "", "staff", ""},
		{"r-000005", "", "钱愿", "", "", "", "", "volunteer", ""},
	}
	if d := cmp.Diff(wantPeople, snap.People()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Vehicle{{"v-0001", "京A12345", "", "3-2-501"}, {"v-0002", "京AF0236", "ambulance", ""}}, snap.Vehicles()); d != "" {
		t.Error(d)
	}
	if p, ok := snap.PersonByDocument("e1234 567"); !ok || p.ID != "r-000002" {
		t.Errorf("by document: got %v %v", p, ok)
	}
	if _, ok := snap.PersonByDocument(""); ok {
		t.Error("an empty number found someone")
	}
	if v, ok := snap.VehicleByPlate("京 af-0236"); !ok || v.ID != "v-0002" {
		t.Errorf("by plate: got %v %v", v, ok)
	}
	if _, ok := snap.VehicleByPlate("v-0002"); ok {
		t.Error("a roster ID passed for a plate")
	}
	if _, ok := snap.Vehicle("京AF0236"); ok {
		t.Error("a plate passed for a roster ID")
	}
	if h, ok := snap.Household("3-2-601"); !ok || h != (Household{"3-2-601", "3", "2", "601"}) {
		t.Errorf("household: got %v %v", h, ok)
	}
	// Open again: the same roster, the same version.
	ro, err := OpenReadOnly(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ro.Snapshot().Version(), snap.Version(); got != want {
		t.Errorf("version read again: got %s, want %s", got, want)
	}
}

func TestExportImportsUnchanged(t *testing.T) {
	s := newStore(t)
	mustImport(t, s, small, imports)
	var out bytes.Buffer
	if err := s.Snapshot().Export(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "\ufeffid,building,unit,room,name,") {
		t.Errorf("export begins with %.40q", out.String())
	}
	r := mustImport(t, s, out.String(), imports)
	if len(r.Added)+len(r.Changed)+len(r.Removed) != 0 {
		t.Errorf("import of the export changed something: %+v", r)
	}
	// A fresh box takes the IDs along.
	fresh := newStore(t)
	mustImport(t, fresh, out.String(), imports)
	if d := cmp.Diff(s.Snapshot().People(), fresh.Snapshot().People()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(s.Snapshot().Vehicles(), fresh.Snapshot().Vehicles()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(s.Snapshot().Households(), fresh.Snapshot().Households()); d != "" {
		t.Error(d)
	}
	var again bytes.Buffer
	if err := fresh.Snapshot().Export(&again); err != nil || again.String() != out.String() {
		t.Errorf("second export differs (%v)", err)
	}
}

func TestFaultyRows(t *testing.T) {
	t.Parallel()
	const en = "id,building,unit,room,name,document_type,id_number,birth_date,phone,class,plate,service\n"
	const zh = "编号,楼栋,单元,房号,姓名,证件类型,证件号码,出生日期,电话,类别,车牌,用途\n"
	good := idNo(0)
	for _, tt := range []struct {
		name, rows string
		want       []sheet.Fault // row 1 is the heading
	}{
		{"check digit", ",1,1,101,甲,,110105195001010018,,,,,", []sheet.Fault{{Row: 2, Column: "id_number", Reason: "bad-check-digit"}}},
		{"no such date in the ID number", ",1,1,101,甲,,11010519500230001" + string(checkDigit("11010519500230001")) + ",,,,,", []sheet.Fault{{Row: 2, Column: "id_number", Reason: "bad-date"}}},
		{"ID number a digit short", ",1,1,101,甲,,11010519500101001,,,,,", []sheet.Fault{{Row: 2, Column: "id_number", Reason: "bad-id-number"}}},
		{"number without type", ",1,1,101,甲,,E1234567,,,,,", []sheet.Fault{{Row: 2, Column: "document_type", Reason: "document-type-empty"}}},
		{"type without number", ",1,1,101,甲,护照,,,,,,", []sheet.Fault{{Row: 2, Column: "id_number", Reason: "document-missing"}}},
		{"number for none", ",1,1,101,甲,无,E1234567,,,,,", []sheet.Fault{{Row: 2, Column: "id_number", Reason: "document-for-none"}}},
		{"unknown type", ",1,1,101,甲,学生证,E1234567,,,,,", []sheet.Fault{{Row: 2, Column: "document_type", Reason: "bad-document-type"}}},
		{"bad passport", ",1,1,101,甲,passport,E#1,,,,,", []sheet.Fault{{Row: 2, Column: "id_number", Reason: "bad-document"}}},
		{"bad date", ",1,1,101,甲,,,1985-02-30,,,,", []sheet.Fault{{Row: 2, Column: "birth_date", Reason: "bad-date"}}},
		{"birth date differs", ",1,1,101,甲,," + good + ",1985-02-03,,,,", []sheet.Fault{{Row: 2, Column: "birth_date", Reason: "birth-date-differs"}}},
		{"duplicate person by document", ",1,1,101,甲,," + good + ",,,,,\n,1,1,102,乙,," + good + ",,,,,", []sheet.Fault{{Row: 3, Column: "id_number", Reason: "duplicate-document", Other: 2}}},
		{"duplicate person by name", ",1,1,101,甲,,,,,,,\n,1,1,101,甲,,,,,,,", []sheet.Fault{{Row: 3, Column: "name", Reason: "duplicate-person", Other: 2}}},
		{"nothing but a name", ",,,,甲,,,,,staff,,", []sheet.Fault{{Row: 2, Column: "id", Reason: "id-needed"}}},
		{"same name and telephone", ",,,,甲,,,,13800000001,staff,,\n,,,,甲,,,,13800000001,courier,,", []sheet.Fault{{Row: 3, Column: "name", Reason: "duplicate-person", Other: 2}}},
		{"unknown household of a vehicle", ",1,1,101,甲,,,,,,,\n,1,1,102,,,,,,,京A12345,", []sheet.Fault{{Row: 3, Column: "room", Reason: "unknown-household"}}},
		{"unknown household of staff", ",1,1,101,甲,,,,,,,\n,1,1,102,乙,,,,,staff,,", []sheet.Fault{{Row: 3, Column: "room", Reason: "unknown-household"}}},
		{"resident without household", ",,,,甲,,,,,,,", []sheet.Fault{{Row: 2, Column: "room", Reason: "household-missing"}}},
		{"merged cells", ",1,1,101,甲,,,,,,,\n,,,102,乙,,,,,,,", []sheet.Fault{{Row: 3, Column: "building", Reason: "household-partial"}}},
		{"unit missing", ",1,,101,甲,,,,,,,", []sheet.Fault{{Row: 2, Column: "unit", Reason: "household-partial"}}},
		{"bad room", ",1,1,1-0-1,甲,,,,,,,", []sheet.Fault{{Row: 2, Column: "room", Reason: "bad-household"}}},
		{"formula in a name", `,1,1,101,"=HYPERLINK(""http://x"")",,,,,,,`, []sheet.Fault{{Row: 2, Column: "name", Reason: "formula"}}},
		{"formula signs", ",1,1,101,+甲,,,,,,,\n,1,1,101,-乙,,,,,,,\n,1,1,101,＠丙,,,,,,,", []sheet.Fault{{Row: 2, Column: "name", Reason: "formula"}, {Row: 3, Column: "name", Reason: "formula"}, {Row: 4, Column: "name", Reason: "formula"}}},
		{"number spoilt", ",1,1,101,甲,,1.10105E+17,,,,,", []sheet.Fault{{Row: 2, Column: "id_number", Reason: "number-spoilt"}}},
		{"hidden character", ",1,1,101,甲\u202e乙,,,,,,,", []sheet.Fault{{Row: 2, Column: "name", Reason: "bad-character"}}},
		{"name without a letter", ",1,1,101,123,,,,,,,", []sheet.Fault{{Row: 2, Column: "name", Reason: "bad-name"}}},
		{"plate as a name", ",1,1,101,粤B10120,,,,,,,", []sheet.Fault{{Row: 2, Column: "name", Reason: "bad-name"}}},
		{"telephone in a name", ",1,1,101,王小明１３800138000,,,,,,,", []sheet.Fault{{Row: 2, Column: "name", Reason: "bad-name"}}},
		{"two names", ",1,1,101,甲、乙,,,,,,,\n,1,1,102,甲 / 乙,,,,,,,\n,1,1,103,\"甲\n乙\",,,,,,,\n,1,1,104,甲（妻）；乙,,,,,,,", []sheet.Fault{{Row: 2, Column: "name", Reason: "several-names"},
			{Row: 3, Column: "name", Reason: "several-names"}, {Row: 4, Column: "name", Reason: "several-names"}, {Row: 5, Column: "name", Reason: "several-names"}}},
		{"word as a name", ",1,1,101,业主,,,,,业主,,", []sheet.Fault{{Row: 2, Column: "name", Reason: "placeholder"}}},
		{"word as a room", ",1,1,业主,甲,,,,,,,", []sheet.Fault{{Row: 2, Column: "room", Reason: "placeholder"}}},
		{"room 0", ",1,1,000,甲,,,,,,,", []sheet.Fault{{Row: 2, Column: "room", Reason: "bad-household"}}},
		{"building 0", ",0栋,1,101,甲,,,,,,,", []sheet.Fault{{Row: 2, Column: "building", Reason: "bad-household"}}},
		{"room 0 of a whole", ",,,3-2-0,甲,,,,,,,", []sheet.Fault{{Row: 2, Column: "room", Reason: "bad-household"}}},
		{"class", ",1,1,101,甲,,,,,king,,", []sheet.Fault{{Row: 2, Column: "class", Reason: "bad-class"}}},
		{"service", ",,,,,,,,,,京A12345,taxi", []sheet.Fault{{Row: 2, Column: "service", Reason: "bad-service"}}},
		{"service of a person", ",1,1,101,甲,,,,,,,救护", []sheet.Fault{{Row: 2, Column: "service", Reason: "not-for-people"}}},
		{"class of a vehicle", ",,,,,,,,,居民,京A12345,", []sheet.Fault{{Row: 2, Column: "class", Reason: "not-for-vehicles"}}},
		{"plate", ",,,,,,,,,,??,", []sheet.Fault{{Row: 2, Column: "plate", Reason: "bad-plate"}}},
		{"duplicate plate", ",,,,,,,,,,京A12345,\n,,,,,,,,,,京A·12345,", []sheet.Fault{{Row: 3, Column: "plate", Reason: "duplicate-plate", Other: 2}}},
		{"person and vehicle", ",1,1,101,甲,,,,,,京A12345,", []sheet.Fault{{Row: 2, Column: "plate", Reason: "name-and-plate"}}},
		{"nobody", ",1,1,101,,,," + ",13800000001,,,", []sheet.Fault{{Row: 2, Column: "name", Reason: "nothing-named"}}},
		{"phone", ",1,1,101,甲,,,,call me,,,", []sheet.Fault{{Row: 2, Column: "phone", Reason: "bad-phone"}}},
		{"roster ID", "17,1,1,101,甲,,,,,,,\nv-0001,1,1,101,乙,,,,,,,", []sheet.Fault{{Row: 2, Column: "id", Reason: "bad-id"}, {Row: 3, Column: "id", Reason: "bad-id"}}},
		{"duplicate roster ID", "r-000001,1,1,101,甲,,,,,,,\nr-000001,1,1,101,乙,,,,,,,", []sheet.Fault{{Row: 3, Column: "id", Reason: "duplicate-id", Other: 2}}},
		{"cell without heading", ",1,1,101,甲,,,,,,,,x", []sheet.Fault{{Row: 2, Column: "column M", Reason: "extra-cell"}}},
		{"long cell", ",1,1,101," + strings.Repeat("甲", 200) + ",,,,,,,", []sheet.Fault{{Row: 2, Column: "name", Reason: "cell-too-long"}}},
		{"all at once, empty lines counted", ",1,1,101,甲,,110105195001010018,,x,king,,\n\n,,,,乙,,,,,,,", []sheet.Fault{
			{Row: 2, Column: "class", Reason: "bad-class"}, {Row: 2, Column: "phone", Reason: "bad-phone"}, {Row: 2, Column: "id_number", Reason: "bad-check-digit"}, {Row: 4, Column: "room", Reason: "household-missing"}}},
	} {
		for language, head := range map[string]string{"en": en, "zh": zh} {
			t.Run(tt.name+"/"+language, func(t *testing.T) {
				s := newStore(t)
				err := importErr(t, s, head+tt.rows, imports)
				var faulty *sheet.FaultyRows
				if !errors.As(err, &faulty) {
					t.Fatalf("got %v, want faulty rows", err)
				}
				if d := cmp.Diff(tt.want, faulty.Faults); d != "" {
					t.Error(d)
				}
				text := faulty.Text(language)
				for _, personal := range []string{"甲", "乙", good, "E1234567", "call me"} {
					if strings.Contains(strings.TrimPrefix(text, "名册"), personal) {
						t.Errorf("report repeats %q: %s", personal, text)
					}
				}
				if n, _, _, v := s.Snapshot().Counts(); n+v != 0 {
					t.Error("something was imported")
				}
			})
		}
	}
}

func TestManyFaultsAreAllCountedAndFewPrinted(t *testing.T) {
	csv := "building,unit,room,name\n" + strings.Repeat("1,1,101,=x\n", 20_000)
	err := importErr(t, newStore(t), csv, imports)
	var faulty *sheet.FaultyRows
	if !errors.As(err, &faulty) || faulty.Total != 20_000 || len(faulty.Faults) != 10_000 {
		t.Fatalf("got %.200v", err)
	}
	if n := strings.Count(faulty.Error(), "\n"); n != 51 || !strings.HasSuffix(faulty.Error(), "and 19950 more") {
		t.Errorf("got %d lines, ending %q", n, faulty.Error()[len(faulty.Error())-30:])
	}
}

func TestHeadings(t *testing.T) {
	for _, tt := range []struct {
		name, csv string
		want      []sheet.Fault
	}{
		{"any order, either language, remarks", "\n阳光小区名册,,,,,\n序号,Name*,房号（必填）, unit ,楼栋,备注\n1,甲,101,1,1,x\n", nil},
		{"whole household in one column", "房号,姓名\n3栋2单元501室,甲\n", nil},
		{"semicolons", "building;unit;room;name\n1;1;101;甲\n", nil},
		{"typo", "building,unit,room,nmae,plate\n1,1,101,,\n", []sheet.Fault{{Row: 1, Column: "column D", Reason: "unknown-heading"}}},
		{"twice", "building,unit,room,name,姓名\n1,1,101,,\n", []sheet.Fault{{Row: 1, Column: "name", Reason: "duplicate-heading"}}},
		{"missing", "building,unit,name\n1,1,甲\n", []sheet.Fault{{Row: 1, Column: "room", Reason: "missing-heading"}}},
		{"none at all", "1,1,101,甲\n", []sheet.Fault{{Row: 1, Column: "column A", Reason: "unknown-heading"}, {Row: 1, Column: "column B", Reason: "unknown-heading"}, {Row: 1, Column: "column C", Reason: "unknown-heading"},
			{Row: 1, Column: "column D", Reason: "unknown-heading"}, {Row: 1, Column: "room", Reason: "missing-heading"}, {Row: 1, Column: "name", Reason: "missing-heading"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			err := importErr(t, s, tt.csv, imports)
			var faulty *sheet.FaultyRows
			if errors.As(err, &faulty) {
				if d := cmp.Diff(tt.want, faulty.Faults); d != "" {
					t.Error(d)
				}
				return
			}
			if err != nil || tt.want != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if len(s.Snapshot().People()) != 1 {
				t.Errorf("got %v", s.Snapshot().People())
			}
		})
	}
}

func TestMassRemovalNeedsItsExactNumber(t *testing.T) {
	t.Parallel()
	whole := compound()
	s := newStore(t)
	mustImport(t, s, whole, imports)
	drop := func(n int, match func(string) bool) string {
		var b strings.Builder
		for i, line := range strings.SplitAfter(whole, "\n") {
			if n > 0 && i > 0 && match(line) {
				n--
				continue
			}
			b.WriteString(line)
		}
		return b.String()
	}
	last := func(line string) bool { return strings.Contains(line, ",1,") && strings.Contains(line, "住户") }
	for _, tt := range []struct {
		name, csv string
		need      int
		units     int
	}{
		{"42 of 2,132 are less than 2 %", drop(42, last), 0, 0},
		{"43 are more", drop(43, last), 43, 0},
		{"a building", drop(9999, func(l string) bool { return strings.HasPrefix(l, "8,") }), 263, 3},
		{"a unit that keeps its empty flats", "building,unit,room\n" + "8,3,101\n", 0, 0},
		{"every vehicle with a service", drop(9, func(l string) bool { return strings.HasPrefix(l, ",,,,") }), 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.name, "a unit") {
				tt.csv = drop(9999, func(l string) bool { return strings.HasPrefix(l, "8,3,") }) + "8,3,101,,,,,,\n"
				tt.need, tt.units = strings.Count(whole, "\n8,3,"), 1
			}
			rows, err := sheet.Read([]byte(tt.csv))
			if err != nil {
				t.Fatal(err)
			}
			dry := imports
			dry.DryRun = true
			before := s.Snapshot().Version()
			report, err := s.Import(t.Context(), rows.Rows, dry)
			if err != nil || report.NeedAllowRemove != tt.need {
				t.Errorf("dry run: got %d %v, want %d", report.NeedAllowRemove, err, tt.need)
			}
			if tt.need > 0 {
				for _, n := range []int{0, tt.need - 1, tt.need + 1} {
					if n == 0 && tt.need == 0 {
						continue
					}
					_, err := s.Import(t.Context(), rows.Rows, allow(n))
					var removal *MassRemoval
					if !errors.As(err, &removal) || removal.Need != tt.need || len(removal.Units) != tt.units {
						t.Errorf("allow %d: got %v, want need %d", n, err, tt.need)
					}
				}
			}
			if got := s.Snapshot().Version(); got != before {
				t.Error("a refused import changed the roster")
			}
			if _, err := s.Import(t.Context(), rows.Rows, allow(tt.need)); err != nil {
				t.Error(err)
			}
			mustImport(t, s, whole, imports) // everyone comes back with the ID they had
			if got := s.Snapshot().Version(); got != before {
				t.Error("not the same roster after everyone came back")
			}
		})
	}
}

func TestAUnitThatVanishesCountsThoughItsPeopleMove(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	whole := compound()
	mustImport(t, s, whole, imports)
	moved := strings.ReplaceAll(whole, "\n8,3,", "\n9,3,")
	first := strings.Index(moved, "\n") + 1
	moved = moved[:first] + moved[first+strings.Index(moved[first:], "\n")+1:] // and one leaves
	var removal *MassRemoval
	if err := importErr(t, s, moved, imports); !errors.As(err, &removal) || removal.Need != 1 || cmp.Diff([]string{"8-3"}, removal.Units) != "" {
		t.Errorf("got %v", err)
	}
	mustImport(t, s, moved, allow(1))
}

func TestPassesAndRevocation(t *testing.T) {
	s := newStore(t)
	mustImport(t, s, small, imports)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	pass := func(serial, subject string, from time.Time) IssuedPass {
		return IssuedPass{serial, subject, "property.example", from, from.AddDate(0, 3, 0)}
	}
	list := []IssuedPass{
		pass("00000000000000a1", "r-000001", now.AddDate(0, 0, 7)), // handed out already, begins later
		pass("00000000000000a5", "3-2-501", now.Add(-4*time.Hour)),
		pass("00000000000000a3", "v-0001", now.Add(-5*time.Hour)),
		pass("00000000000000a2", "r-000003", now.Add(-6*time.Hour)),
	}
	if err := s.RecordPasses(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	recorded := func() (passes []IssuedPass) {
		t.Helper()
		tx, err := s.db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		var p IssuedPass
		var from, until int64
		if err := each(tx, "SELECT serial, subject, issuer, not_before, not_after FROM pass ORDER BY not_before DESC, serial", func() {
			p.NotBefore, p.NotAfter = time.UnixMicro(from).UTC(), time.UnixMicro(until).UTC()
			passes = append(passes, p)
		}, &p.Serial, &p.Subject, &p.Issuer, &from, &until); err != nil {
			t.Fatal(err)
		}
		return passes
	}
	if d := cmp.Diff(list, recorded()); d != "" {
		t.Error(d)
	}
	before := s.Snapshot()
	if err := s.Revoke(t.Context(), "00000000000000FF", "lost", true); err != nil { // never recorded
		t.Fatal(err)
	}
	n, err := s.RevokeHousehold(t.Context(), "3-2-501", now)
	if err != nil || n != 3 {
		t.Fatalf("revoke household: got %d %v, want 3", n, err)
	}
	snap := s.Snapshot()
	if snap.Version() == before.Version() {
		t.Error("a revocation left the version as it was")
	}
	for _, tt := range []struct {
		serial, subject string
		from            time.Time
		want            bool
	}{
		{"00000000000000ff", "", now, true},
		{"00000000000000FF", "r-000003", now, true},
		{"00000000000000a1", "r-000001", now.AddDate(0, 0, 7), true},
		{"00000000000000a5", "3-2-501", now.Add(-time.Hour), true},
		{"00000000000000a2", "r-000003", now.Add(-6 * time.Hour), false},
		{"00000000000000b1", "r-000002", now.Add(-time.Microsecond), true}, // never recorded, begun before
		{"00000000000000b1", "v-0001", now.Add(-time.Microsecond), true},
		{"00000000000000b1", "r-000002", now, false}, // made since
		{"00000000000000b1", "", time.Time{}, false},
	} {
		if got := snap.Revoked(tt.serial, tt.subject, tt.from); got != tt.want {
			t.Errorf("Revoked(%s, %s, %s): got %v, want %v", tt.serial, tt.subject, tt.from, got, tt.want)
		}
		if before.Revoked(tt.serial, tt.subject, tt.from) {
			t.Error("an older snapshot changed")
		}
	}
	// An earlier time does not let passes count again.
	if _, err := s.RevokeHousehold(t.Context(), "3-2-501", now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if !s.Snapshot().Revoked("00000000000000b1", "3-2-501", now.Add(-time.Minute)) {
		t.Error("an earlier revocation undid a later one")
	}
	// Nor does the next import.
	mustImport(t, s, small, imports)
	if !s.Snapshot().Revoked("00000000000000ff", "", now) {
		t.Error("an import undid a revocation")
	}
	if err := s.Revoke(t.Context(), "xyz", "", true); !errors.Is(err, ErrSerial) {
		t.Errorf("got %v", err)
	}
	if _, err := s.RevokeHousehold(t.Context(), "9-9-999", now); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := s.RecordPasses(t.Context(), []IssuedPass{pass("00000000000000a9", "r-000001", now), {Serial: "1"}}); !errors.Is(err, ErrSerial) {
		t.Errorf("got %v", err)
	}
	if len(recorded()) != 4 {
		t.Error("half a list was recorded")
	}
}

func TestFind(t *testing.T) {
	s := newStore(t)
	mustImport(t, s, "building,unit,room,name\n3,2,501,甲\n3,2,501,乙\n10,1,501,丁\n2,1,501,丙\nA,1,0502,戊\n", imports)
	for query, want := range map[string]string{
		"3-2-501": "乙甲", "3 2 501": "乙甲", "3栋2单元501室": "乙甲", "03-02-0501": "乙甲", "３－２－５０１": "乙甲", "3号楼2单元501": "乙甲",
		"三号楼二单元五〇一室": "乙甲", "三栋2单元五零一": "乙甲", "十号楼一单元501": "丁", "十-1-501": "丁", "二十号楼1单元501": "", "一〇-1-501": "丁", "十十-1-501": "",
		"2-501": "乙甲", "501": "丙乙甲丁", "0501": "丙乙甲丁", "a座1单元502": "戊", "502": "戊", "50": "", "": "", "-": "", "1-2-3-501": "",
		strings.Repeat("5", 1000): "", "\xff": "",
	} {
		got := ""
		for _, p := range s.Snapshot().Find(query) {
			got += p.Name
		}
		if got != want {
			t.Errorf("Find(%.20q): got %q, want %q", query, got, want)
		}
	}
	var b strings.Builder
	b.WriteString("building,unit,room,name\n")
	for i := range 60 {
		fmt.Fprintf(&b, "%d,1,101,甲\n", i+1)
	}
	mustImport(t, s, b.String(), allow(5))
	if n := len(s.Snapshot().Find("101")); n != 50 {
		t.Errorf("got %d people, want 50", n)
	}
}

func TestAnImportThatFailsLeavesTheRoster(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustImport(t, s, small, imports)
	before := s.Snapshot()
	rows, err := sheet.Read([]byte(compound()))
	if err != nil {
		t.Fatal(err)
	}
	same := func() {
		t.Helper()
		if s.Snapshot().Version() != before.Version() {
			t.Error("snapshot changed")
		}
		ro, err := OpenReadOnly(s.path)
		if err != nil {
			t.Fatal(err)
		}
		if ro.Snapshot().Version() != before.Version() {
			t.Error("file changed")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Import(ctx, rows.Rows, allow(4)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	same()
	fault := errors.New("disk I/O error")
	s.commit = func(*sql.Tx) error { return fault }
	if _, err := s.Import(t.Context(), rows.Rows, allow(4)); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
	same()
	// A commit that failed in words only: what the file says counts.
	s.commit = func(tx *sql.Tx) error { return errors.Join(tx.Commit(), fault) }
	if _, err := s.Import(t.Context(), rows.Rows, allow(4)); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
	if _, residents, _, _ := s.Snapshot().Counts(); residents != 2132 {
		t.Errorf("got %d residents, want those of the commit", residents)
	}
	s.commit = (*sql.Tx).Commit
	mustImport(t, s, compound(), imports)
}

// TestKillInMidImport kills a process that has written everything but the commit.
func TestKillInMidImport(t *testing.T) {
	t.Parallel()
	path := os.Getenv("GATED_TEST_KILL")
	if path != "" {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		s.commit = func(*sql.Tx) error {
			fmt.Println("about to commit")
			select {}
		}
		t.Fatal(importErr(t, s, compound(), allow(4)))
	}
	path = filepath.Join(t.TempDir(), "roster.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	mustImport(t, s, small, imports)
	want := s.Snapshot().Version()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillInMidImport$")
	child.Env = append(os.Environ(), "GATED_TEST_KILL="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 15)
	if _, err := out.Read(line); err != nil || string(line) != "about to commit" {
		t.Fatalf("child said %q, %v", line, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
	ro, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := ro.Snapshot().Version(); got != want {
		t.Errorf("reader: got version %s, want the old roster %s", got, want)
	}
	s, err = Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Snapshot().Version(); got != want {
		t.Errorf("got version %s, want the old roster %s", got, want)
	}
}

func TestAnotherProcessesChangeIsNoticed(t *testing.T) {
	s := newStore(t)
	mustImport(t, s, small, imports)
	other, err := Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Remove(t.Context(), "r-000005"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "r-000005"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestReadOnlyOpenMakesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a b?c#d%.db") // a path is a path, not an URI
	if _, err := OpenReadOnly(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	list := func() string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, "|")
	}
	if got := list(); got != "" {
		t.Errorf("made %s", got)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	mustImport(t, s, small, imports)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v %v", info.Mode(), err)
	}
	open := list()
	ro, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	ro.Close()
	if got := list(); got != open {
		t.Errorf("beside a writer: got %s, want %s", got, open)
	}
	// A copy taken from a running gate, without its -shm: an answer or an error, but no file.
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if suffix == "-wal" {
			data = append(data, make([]byte, 32)...)
		}
		if err := os.WriteFile(filepath.Join(dir, "copy.db"+suffix), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copied := list()
	if _, err := OpenReadOnly(filepath.Join(dir, "copy.db")); err != nil && !strings.Contains(err.Error(), "without its -shm") {
		t.Errorf("copy: got %v", err)
	}
	if got := list(); got != copied {
		t.Errorf("beside a copy: got %s, want %s", got, copied)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	closed := list()
	if ro, err = OpenReadOnly(path); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != closed {
		t.Errorf("alone: got %s, want %s", got, closed)
	}
	if _, residents, _, _ := ro.Snapshot().Counts(); residents != 3 {
		t.Errorf("got %d residents", residents)
	}
	if err := ro.Revoke(t.Context(), "00000000000000a1", "", true); !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v", err)
	}
	if err := ro.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatIsNoRoster(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	s, err := Open(newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec("UPDATE meta SET value=2 WHERE key='version'"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	foreign := filepath.Join(dir, "foreign.db")
	db, err := sql.Open("sqlite", "file:"+foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE t(a)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for _, tt := range []struct{ path, write, read string }{
		{text, "not a roster", "not a roster"},
		{newer, "of version 2", "of version 2"},
		{foreign, "not a roster", "not a roster"},
		{dir, "no regular file", "no regular file"},
		{filepath.Join(dir, "no", "such", "dir.db"), "no such file", "import one first"},
	} {
		if s, err := Open(tt.path); err == nil {
			s.Close()
			t.Errorf("Open %s: no error", tt.path)
		} else if !strings.Contains(err.Error(), tt.write) {
			t.Errorf("Open: got %v, want %q", err, tt.write)
		}
		if _, err := OpenReadOnly(tt.path); err == nil || !strings.Contains(err.Error(), tt.read) {
			t.Errorf("OpenReadOnly: got %v, want %q", err, tt.read)
		}
	}
}

func TestNothingPersonalInLogs(t *testing.T) {
	var log bytes.Buffer
	l := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "version" { // their digits are anything
			return slog.Attr{}
		}
		return a
	}}))
	s := newStore(t)
	r := mustImport(t, s, small, imports)
	p, _ := s.Snapshot().Person("r-000001")
	v, _ := s.Snapshot().Vehicle("v-0001")
	l.Info("x", "person", p, "vehicle", v, "report", r)
	for _, personal := range []string{"张三", "京A", "501", "1380", "110105"} {
		if strings.Contains(log.String(), personal) {
			t.Errorf("log holds %q: %s", personal, log.String())
		}
	}
}

func BenchmarkImport2132(b *testing.B) {
	data := []byte(compound())
	var took time.Duration
	for b.Loop() {
		b.StopTimer()
		s := newStore(b)
		b.StartTimer()
		start := time.Now()
		rows, err := sheet.Read(data)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Import(context.Background(), rows.Rows, imports); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/import")
}

// Where SQLite's locks can no longer be the descriptor's own, the next reader who closes the file would drop them: the roster is not
// opened then, neither to write nor to read.
func TestLocksThatAnyCloseWouldDropAreAnError(t *testing.T) {
	dir := os.Getenv("GATED_TEST_LATE")
	if dir == "" { // such a process does not come back from it: the test has one of its own
		c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		c.Env = append(os.Environ(), "GATED_TEST_LATE="+t.TempDir())
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "another.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE t(a)"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "roster.db")
	for name, open := range map[string]func(string) (*Store, error){"Open": Open, "OpenReadOnly": OpenReadOnly} {
		if s, err := open(path); err == nil || !strings.Contains(err.Error(), "SQLite's locks") {
			if err == nil {
				s.Close()
			}
			t.Errorf("%s: got %v, want an error about SQLite's locks", name, err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file: %v, want none", err)
	}
}

// inHanzi is a number as a part of a name, in which no digit stands.
func inHanzi(n int) string {
	return strings.Map(func(r rune) rune { return []rune("零一二三四五六七八九")[r-'0'] }, strconv.Itoa(n))
}

// A change that went to a file without a name would be gone with the process.
func TestAFileThatWasMovedWhileItIsOpenTakesNoChange(t *testing.T) {
	for _, name := range []string{"roster.db", "roster.db-wal"} {
		for what, put := range map[string]func(path string) error{"none": func(string) error { return nil },
			"another": func(path string) error { return os.WriteFile(path, nil, 0o600) }} {
			dir := t.TempDir()
			s, err := Open(filepath.Join(dir, "roster.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			revoke := func(serial string) error { return s.Revoke(t.Context(), serial, "lost", true) }
			if err := errors.Join(revoke("00000000000000a1"), s.Moved()); err != nil || s.Lost() {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			if err := errors.Join(os.Rename(path, path+".away"), put(path)); err != nil {
				t.Fatal(err)
			}
			had := s.Snapshot().Change()
			if err := revoke("00000000000000a2"); !errors.Is(err, durable.ErrMoved) || s.Snapshot().Change() != had || !s.Lost() {
				t.Errorf("%s in the place of %s: %v, %d changes, %d before", what, name, err, s.Snapshot().Change(), had)
			}
			if err := errors.Join(os.Rename(path+".away", path), revoke("00000000000000a2")); err != nil || s.Lost() {
				t.Errorf("%s is back: %v", name, err)
			}
		}
	}
}
