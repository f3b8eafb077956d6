package roster

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/roster/sheet"

	"github.com/google/go-cmp/cmp"
)

const listHead = "id,building,unit,room,name,document_type,id_number,birth_date,phone,class,plate\n"

// vectors are those of docs/formats.md: the key is 00 01 … 1f.
var vectors = []struct{ row, id string }{
	{",3,2,501,王小明,,990101198505100179,,13800138000,,", "r-new5dl3dngtqd"},
	{",3,2,502,John Smith,passport,x 1234567,,,,", "r-owcrdmyr37hoo"},
	{",3栋,2单元,0503室,欧阳 明,,,2018/3/5,,,", "r-tzm4flaug67pz"},
	{",3,2,504,ﾔﾏﾀﾞ hanako,,,,,,", "r-xv7giuvokytvu"},
	{",,,,赵强,,,,+86 139-0013-9000,物业,", "r-x24idh4k3ut4r"},
	{",,,,,,,,,,粤B·10120", "v-6kek32i6zm5mb"},
}

func vectorKey() (k Key) {
	for i := range k {
		k[i] = byte(i)
	}
	return k
}

func idsOf(t *testing.T, s *Store) (ids []string) {
	t.Helper()
	for _, p := range s.Snapshot().People() {
		ids = append(ids, p.Name+" "+p.ID)
	}
	for _, v := range s.Snapshot().Vehicles() {
		ids = append(ids, v.Plate+" "+v.ID)
	}
	slices.Sort(ids)
	return ids
}

// readAll is what lies on the disk.
func readAll(t *testing.T, s *Store) (all []byte) {
	t.Helper()
	for _, path := range []string{s.path, s.path + "-wal"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

func TestIDsAreThoseThatTheDocsPromise(t *testing.T) {
	docs, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		s := newStore(t)
		opt := imports
		opt.Key = vectorKey()
		mustImport(t, s, listHead+v.row+"\n", opt)
		if got := idsOf(t, s); len(got) != 1 || !strings.HasSuffix(got[0], " "+v.id) {
			t.Errorf("%s: got %v, want %s", v.row, got, v.id)
		}
		if !bytes.Contains(docs, []byte("` | `"+v.id+"` |\n")) {
			t.Errorf("docs/formats.md does not have %s", v.id)
		}
	}
}

// Two gates of a compound, one of them off on the day of a list: whatever each was fed before, and in whatever order, both give the
// same person the same ID, and nobody else ever.
func TestTwoGatesFedListsInDifferentOrderGiveTheSameNumbers(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(compound(), "\n")
	head, rows := lines[0], lines[1:len(lines)-1]
	shuffled := func(rows []string) string {
		rows = slices.Clone(rows)
		rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		return head + strings.Join(rows, "")
	}
	a, b, stranger := newStore(t), newStore(t), newStore(t)
	mustImport(t, a, head+strings.Join(rows[:len(rows)/2], ""), imports)
	mustImport(t, a, head+strings.Join(rows, ""), imports)
	mustImport(t, b, shuffled(rows[10:]), imports)
	mustImport(t, b, shuffled(rows), imports)
	if d := cmp.Diff(idsOf(t, a), idsOf(t, b)); d != "" {
		t.Errorf("the gates differ: %s", d)
	}
	if len(a.Snapshot().People()) != 2133 {
		t.Fatalf("%d people", len(a.Snapshot().People()))
	}
	opt := imports
	opt.Key = Key{2}
	mustImport(t, stranger, shuffled(rows), opt)
	for _, p := range stranger.Snapshot().People() {
		if other, ok := a.Snapshot().Person(p.ID); ok {
			t.Fatalf("another compound has the ID %s of %v", p.ID, other)
		}
	}
}

// An ID follows from what is known of somebody, however it is written, and from nothing else.
func TestAnIDFollowsFromTheRow(t *testing.T) {
	id := func(row string) string {
		t.Helper()
		s := newStore(t)
		mustImport(t, s, listHead+row+"\n", imports)
		return s.Snapshot().People()[0].ID
	}
	a := idNo(0)
	for _, tt := range []struct {
		name, one, other string
		same             bool
	}{
		{"renamed and moved with the document", ",1,1,101,甲,," + a + ",,,,", ",9,9,909,乙 乙,," + a + ",,13800000001,staff,\n,9,9,909,,,,,,,", true},
		{"a document's letters and spaces", ",1,1,101,甲,passport,e1234567,,,,", ",1,1,101,甲,护照,Ｅ 123 4567,,,,", true},
		{"a passport renewed", ",1,1,101,甲,passport,E1234567,,,,", ",1,1,101,甲,passport,E7654321,,,,", false},
		{"a document added", ",1,1,101,甲,,,,,,", ",1,1,101,甲,," + a + ",,,,", false},
		{"a name's spaces and forms", ",1,1,101,王　明,,,1990-01-02,,,", ",1栋,01,101室,王明,,,1990/1/2,13800000001,,", true},
		{"another birth date", ",1,1,101,甲,,,1990-01-02,,,", ",1,1,101,甲,,,1990-01-03,,,", false},
		{"moved without a document", ",1,1,101,甲,,,1990-01-02,,,", ",1,1,102,甲,,,1990-01-02,,,", false},
		{"staff by telephone", ",,,,赵 强,,,,139 0013 9000,staff,", ",,,,赵强,,,,+86-13900139000,物业,", true},
		{"staff with another telephone", ",,,,赵强,,,,13900139000,staff,", ",,,,赵强,,,,13900139001,staff,", false},
		{"given", "r-000017,1,1,101,甲,," + a + ",,,,", "r-000017,1,1,102,甲,,,,,,", true},
		{"given as it follows", ",1,1,101,甲,," + a + ",,,,", of.id("r", []string{"document", a}) + ",1,1,102,乙,,,,,,", true},
	} {
		if one, other := id(tt.one), id(tt.other); (one == other) != tt.same || !isID(one, "r") {
			t.Errorf("%s: %s and %s, same want %t", tt.name, one, other, tt.same)
		}
	}
}

func TestWhoLeavesAndComesBackHasTheSameID(t *testing.T) {
	s := newStore(t)
	a, b := idNo(0), idNo(1)
	all := listHead + ",1,1,101,甲,," + a + ",,,,\n,1,1,101,乙,," + b + ",,,,\n,1,1,101,,,,,,,京A12345\n,1,1,101,,,,,,,京A54321\n"
	mustImport(t, s, all, imports)
	before := idsOf(t, s)
	mustImport(t, s, listHead+",1,1,101,甲,,"+a+",,,,\n,1,1,101,丙,,,,,,\n,1,1,101,,,,,,,京A12345\n,1,1,101,,,,,,,京A99999\n", allow(1))
	mustImport(t, s, all, allow(1))
	if d := cmp.Diff(before, idsOf(t, s)); d != "" {
		t.Error(d)
	}
	p, _ := s.Snapshot().PersonByDocument(a)
	if data := readAll(t, s); !bytes.Contains(data, []byte(a)) {
		t.Error("the file does not hold who is there")
	}
	if err := s.Remove(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	if data := readAll(t, s); bytes.Contains(data, []byte(a)) || bytes.Contains(data, []byte(p.ID)) {
		t.Error("who was removed is still in the file")
	}
	if err := s.Remove(t.Context(), p.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing twice: got %v", err)
	}
	v, _ := s.Snapshot().VehicleByPlate("京A54321")
	if err := s.Remove(t.Context(), v.ID); err != nil {
		t.Error(err)
	}
}

// What the list gives counts, unless it is somebody else's.
func TestIDsThatTheListGives(t *testing.T) {
	t.Parallel()
	a, b := idNo(0), idNo(1)
	before := listHead + "r-000001,1,1,101,甲,," + a + ",,,,\nr-000002,1,1,101,乙,,,1990-01-02,,,\nr-000003,1,1,102,丙,,,,,,\n,1,1,103,丁,," + b + ",,,,\n"
	follows := of.id("r", []string{"document", b})
	for _, tt := range []struct {
		name, rows string
		want       map[string]string // ID by name
		fault      *sheet.Fault
	}{
		{"renamed", "r-000003,1,1,102,丙丙,,,,,,", map[string]string{"丙丙": "r-000003"}, nil},
		{"moved", "r-000003,1,1,109,丙,,,,,,", map[string]string{"丙": "r-000003"}, nil},
		{"a document corrected", "r-000001,1,1,101,甲,," + idNo(7) + ",,,,", map[string]string{"甲": "r-000001"}, nil},
		{"the one that followed from the document", follows + ",1,1,103,丁,passport,E1234567,,,,", map[string]string{"丁": follows}, nil},
		{"two of a name, told apart", "r-000002,1,1,101,乙,,,,,,\nr-000005,1,1,101,乙,,,,,,", map[string]string{"乙": "r-000002 r-000005"}, nil},
		{"one of someone else", "r-000003,1,1,101,甲,," + a + ",,,,", nil, &sheet.Fault{Row: 2, Column: "id", Reason: "id-mismatch"}},
		{"one of someone quite different", "r-000001,1,1,101,戊,," + b + ",,,,", nil, &sheet.Fault{Row: 2, Column: "id", Reason: "id-mismatch"}},
		{"one that follows from another row", follows + ",1,1,109,丁,,,,,,\n,1,1,103,丁,," + b + ",,,,", nil, &sheet.Fault{Row: 3, Column: "id", Reason: "duplicate-id", Other: 2}},
		{"two of a name, nothing to tell them apart", ",1,1,101,乙,,,,,,\n,1,1,101,乙,,,,,,", nil, &sheet.Fault{Row: 3, Column: "name", Reason: "duplicate-person", Other: 2}},
		{"no such form", "r-abc,1,1,101,乙,,,,,,", nil, &sheet.Fault{Row: 2, Column: "id", Reason: "bad-id"}},
		{"nothing", "r-000000,1,1,101,乙,,,,,,", nil, &sheet.Fault{Row: 2, Column: "id", Reason: "bad-id"}},
	} {
		s := newStore(t)
		mustImport(t, s, before, imports)
		list, err := sheet.Read([]byte(listHead + tt.rows + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		opt := imports
		opt.DryRun = true
		plan, err := s.Import(t.Context(), list.Rows, opt)
		if err == nil {
			opt.DryRun, opt.AllowRemove = false, plan.NeedAllowRemove
			_, err = s.Import(t.Context(), list.Rows, opt)
		}
		var faulty *sheet.FaultyRows
		if tt.fault != nil {
			if !errors.As(err, &faulty) || cmp.Diff([]sheet.Fault{*tt.fault}, faulty.Faults) != "" {
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		got := map[string]string{}
		for _, p := range s.Snapshot().People() {
			got[p.Name] = strings.TrimSpace(got[p.Name] + " " + p.ID)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

// A document corrected, or a flat changed without one, gives a new ID. The dry run says whose, and which passes must be issued anew;
// with the old ID in the column id nothing of the kind happens, neither before the list was imported nor after it.
func TestADryRunTellsWhoGetsANewIDAndWhichPassesMustBeIssuedAnew(t *testing.T) {
	s := newStore(t)
	old := listHead + ",1,1,101,甲,," + idNo(0) + ",,,,\n,1,1,102,乙,,,1990-01-02,,,\n,1,1,103,丙,,,,,,\n,1,1,103,丁,,,,,,\n,1,1,103,,,,,,,京A12345\n"
	mustImport(t, s, old, imports)
	id := map[string]string{}
	for _, p := range s.Snapshot().People() {
		id[p.Name] = p.ID
	}
	now := time.Now()
	pass := func(serial, name string, until time.Duration) IssuedPass {
		return IssuedPass{serial, id[name], "office", now.Add(-time.Hour), now.Add(until)}
	}
	if err := s.RecordPasses(t.Context(), []IssuedPass{pass("00000000000000a1", "甲", time.Hour), pass("00000000000000a2", "甲", -time.Minute),
		pass("00000000000000a3", "甲", 2*time.Hour), pass("00000000000000a4", "乙", time.Hour), pass("00000000000000a5", "丁", time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(t.Context(), "00000000000000a3", "lost", false); err != nil {
		t.Fatal(err)
	}
	list, err := sheet.Read([]byte(listHead + ",1,1,101,甲,," + idNo(1) + ",,,,\n,1,1,109,乙,,,1990-01-02,,,\n,1,1,103,丙,,,,,,\n,1,1,103,戊,,,,,,\nv-0007,1,1,103,,,,,,,京A12345\n"))
	if err != nil {
		t.Fatal(err)
	}
	opt := imports
	opt.DryRun = true
	r, err := s.Import(t.Context(), list.Rows, opt)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range r.Renumbered {
		got = append(got, fmt.Sprintln(n.Kind, n.Name, n.Old == id[n.Name], n.ID != n.Old, n.Passes))
	}
	if d := cmp.Diff([]string{"person 甲 true true [00000000000000a1]\n", "person 乙 true true [00000000000000a4]\n", "vehicle 京A12345 false true []\n"}, got); d != "" {
		t.Error(d)
	}
	now1, _ := s.Snapshot().PersonByDocument(idNo(0))
	for language, want := range map[string][2]string{
		"en": {"new ID person " + now1.ID + " → " + r.Renumbered[0].ID + " 1-1-101 甲; passes to issue anew: 00000000000000a1\n", "3 have a new ID"},
		"zh": {"换号 人员 " + now1.ID + " → " + r.Renumbered[0].ID + " 1-1-101 甲；须重新制发的通行码：00000000000000a1\n", "其中 3 个编号有变"},
	} {
		var b bytes.Buffer
		if r.Print(&b, true, language); !strings.Contains(b.String(), want[0]) || !strings.Contains(b.String(), want[1]) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	carried := listHead + id["甲"] + ",1,1,101,甲,," + idNo(1) + ",,,,\n" + id["乙"] + ",1,1,109,乙,,,1990-01-02,,,\n,1,1,103,丙,,,,,,\n,1,1,103,,,,,,,京A12345\n"
	opt.DryRun, opt.AllowRemove = false, r.NeedAllowRemove
	for _, after := range []bool{false, true} {
		if after { // somebody imported it without a look: there is a way back
			if _, err := s.Import(t.Context(), list.Rows, opt); err != nil {
				t.Fatal(err)
			}
		}
		back, err := sheet.Read([]byte(carried))
		if err != nil {
			t.Fatal(err)
		}
		plan := imports
		plan.DryRun = true
		r, err := s.Import(t.Context(), back.Rows, plan)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(r.Renumbered); n != map[bool]int{false: 0, true: 3}[after] {
			t.Errorf("after=%t: %d with a new ID", after, n)
		}
		if !after {
			continue
		}
		if _, err := s.Import(t.Context(), back.Rows, allow(r.NeedAllowRemove)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"甲", "乙"} {
			if p, ok := s.Snapshot().Person(id[name]); !ok || p.Name != name {
				t.Errorf("%s has not got the old ID back", name)
			}
		}
		if !s.Snapshot().Revoked("00000000000000a3", id["甲"], now) {
			t.Error("the old ID's revocation is gone")
		}
	}
}

// Whoever is plainly the same as somebody who goes is listed, whatever their ID followed from; where there are two, nobody is.
func TestADryRunPairsWhoeverIsPlainlyTheSame(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after string
		want          string // names or plates of those with a new ID
	}{
		"staff, the telephone corrected":         {",,,,赵强,,,,13900139000,staff,", ",,,,赵强,,,,13900139001,staff,", "赵强"},
		"two of a name, one telephone corrected": {",,,,赵强,,,,13900139000,staff,\n,,,,赵强,,,,13900139005,staff,", ",,,,赵强,,,,13900139001,staff,\n,,,,赵强,,,,13900139005,staff,", "赵强"},
		"two of a name, both corrected":          {",,,,赵强,,,,13900139000,staff,\n,,,,赵强,,,,13900139005,staff,", ",,,,赵强,,,,13900139001,staff,\n,,,,赵强,,,,13900139006,staff,", ""},
		"staff, the name corrected":              {",,,,赵强,,,,13900139000,staff,", ",,,,赵刚,,,,13900139000,staff,", "赵刚"},
		"a name corrected":                       {",1,1,101,周二,,,,,,", ",1,1,101,周贰,,,,,,", "周贰"},
		"a family name corrected, born the same": {",1,1,101,周二,,,1990-01-02,,,", ",1,1,101,邹二,,,1990-01-02,,,", "邹二"},
		"another family moved in":                {",1,1,101,周二,,,,,,", ",1,1,101,吴三,,,,,,", ""},
		"another of the family, by the document": {",1,1,101,周二,," + idNo(0) + ",,,,", ",1,1,101,周三,," + idNo(1) + ",,,,", ""},
		"two of the family":                      {",1,1,101,周二,,,,,,\n,1,1,101,周三,,,,,,", ",1,1,101,周贰,,,,,,\n,1,1,101,周叁,,,,,,", ""},
		"two of the family, one told by name":    {",1,1,101,周二,,,1990-01-02,,,\n,1,1,101,周三,,,,,,", ",1,1,101,周二,,,1990-01-03,,,\n,1,1,101,周叁,,,,,,", "周二 周叁"},
		"a plate changed":                        {",1,1,101,,,,,,,京A12345", ",1,1,101,,,,,,,京A54321", "京A54321"},
		"two plates changed":                     {",1,1,101,,,,,,,京A12345\n,1,1,101,,,,,,,京A12346", ",1,1,101,,,,,,,京A54321\n,1,1,101,,,,,,,京A54322", ""},
	} {
		s := newStore(t)
		also := ",9,9,909,甲,,,,,,\n,1,1,101,,,,,,,\n"
		mustImport(t, s, listHead+also+tt.before+"\n", imports)
		list, err := sheet.Read([]byte(listHead + also + tt.after + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		opt := imports
		opt.DryRun = true
		r, err := s.Import(t.Context(), list.Rows, opt)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range r.Renumbered {
			got = append(got, n.Name)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %s", name, got, tt.want)
		}
	}
}

// Under another compound key everybody would get a new ID: only a list that has them all is taken. And the key that its IDs follow
// from counts from then on, so that there is a way back for a gate that made a key of its own.
func TestUnderAnotherCompoundKeyNobodyIsRenumbered(t *testing.T) {
	list := listHead + ",1,1,101,甲,," + idNo(0) + ",,,,\n,1,1,101,,,,,,,京A12345\n"
	rows := func(csv string) []sheet.Row {
		t.Helper()
		l, err := sheet.Read([]byte(csv))
		if err != nil {
			t.Fatal(err)
		}
		return l.Rows
	}
	under := func(k Key) ImportOptions { o := allow(1); o.Key = k; return o }
	first, second := newStore(t), newStore(t)
	mustImport(t, first, list, under(Key{1}))
	mustImport(t, second, list, under(Key{2}))
	was := idsOf(t, second)
	if !first.Snapshot().Keyed() {
		t.Error("not keyed")
	}
	for name, key := range map[string]Key{"another key": {1}, "none": {}} {
		var faulty *sheet.FaultyRows
		if _, err := second.Import(t.Context(), rows(list), under(key)); !errors.As(err, &faulty) || len(faulty.Faults) != 1 || faulty.Faults[0].Reason != "other-key" {
			t.Errorf("%s: got %v", name, err)
		}
		var own bytes.Buffer
		if err := second.Snapshot().Export(&own); err != nil {
			t.Fatal(err)
		}
		if _, err := second.Import(t.Context(), rows(own.String()), under(key)); err != nil {
			t.Errorf("%s: its own export: %v", name, err)
		}
		if _, err := second.Import(t.Context(), rows(list), under(key)); err == nil {
			t.Errorf("%s: renumbered after its own export", name)
		}
	}
	if d := cmp.Diff(was, idsOf(t, second)); d != "" {
		t.Error(d)
	}
	var export bytes.Buffer
	if err := first.Snapshot().Export(&export); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Import(t.Context(), rows(export.String()), under(Key{1})); err != nil {
		t.Fatal(err)
	}
	if r, err := second.Import(t.Context(), rows(list), under(Key{1})); err != nil || len(r.Added)+len(r.Removed)+len(r.Changed) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if d := cmp.Diff(idsOf(t, first), idsOf(t, second)); d != "" {
		t.Error(d)
	}
}

func TestTheCompoundKeyAsItIsWrittenDown(t *testing.T) {
	k := vectorKey()
	written := k.Written()
	if want := "0001 0203 0405 0607 0809 0a0b 0c0d 0e0f 1011 1213 1415 1617 1819 1a1b 1c1d 1e1f 4dbc 0b66"; written != want {
		t.Errorf("got %s, want %s", written, want)
	}
	for _, s := range []string{written, strings.ToUpper(written) + "\r\n", strings.ReplaceAll(written, " ", "")} {
		if got, err := ParseKey(s); err != nil || got != k {
			t.Errorf("%q: %v", s, err)
		}
	}
	for s, want := range map[string]string{"": "72 hexadecimal digits", written[:len(written)-5]: "72 hexadecimal", strings.Replace(written, "0203", "0230", 1): "slip",
		"xyz": "72", vectorKey().Written() + " 00": "72", strings.Repeat("00", 32) + "00000000": "slip"} {
		if _, err := ParseKey(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", s, err)
		}
	}
	if (Key{}).Check() != "" || NewKey() == of {
		t.Error("the zero key is a key, or two new ones are one")
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(vectorKey().Written())
	f.Add(" 0 0 ")
	f.Fuzz(func(t *testing.T, written string) {
		if k, err := ParseKey(written); err == nil && strings.ReplaceAll(k.Written(), " ", "") != strings.ToLower(strings.Join(strings.Fields(written), "")) {
			t.Errorf("%q became %s", written, k.Written())
		}
	})
}

// Who was meant by a household's revocation stays revoked, wherever they go. Who comes later was not meant.
func TestAHouseholdsRevocationStaysWithWhomItMeant(t *testing.T) {
	s := newStore(t)
	head := listHead + ",2,2,202,乙,," + idNo(1) + ",,,,\n"
	in := head + ",1,1,101,甲,," + idNo(0) + ",,,,\n,1,1,101,,,,,,,京A12345\n"
	mustImport(t, s, in, imports)
	a, _ := s.Snapshot().PersonByDocument(idNo(0))
	b, _ := s.Snapshot().PersonByDocument(idNo(1))
	v, _ := s.Snapshot().VehicleByPlate("京A12345")
	at := time.Now()
	if _, err := s.RevokeHousehold(t.Context(), "1-1-101", at); err != nil {
		t.Fatal(err)
	}
	for _, now := range []struct{ what, rows string }{
		{"as it was", in},
		{"moved", head + ",1,1,102,甲,," + idNo(0) + ",,,,\n,1,1,102,,,,,,,京A12345\n,1,1,101,,,,,,,\n"},
		{"their flat is another's", listHead + ",1,1,101,乙,," + idNo(1) + ",,,,\n,1,1,102,甲,," + idNo(0) + ",,,,\n"},
		{"left", head},
		{"back", in},
	} {
		list, err := sheet.Read([]byte(now.rows))
		if err != nil {
			t.Fatal(err)
		}
		plan := imports
		plan.DryRun = true
		r, err := s.Import(t.Context(), list.Rows, plan)
		if err == nil {
			_, err = s.Import(t.Context(), list.Rows, allow(r.NeedAllowRemove))
		}
		if err != nil {
			t.Fatal(err)
		}
		snap := s.Snapshot()
		for _, subject := range []string{a.ID, v.ID, "1-1-101"} {
			if !snap.Revoked("00000000000000b1", subject, at.Add(-time.Minute)) {
				t.Errorf("%s: the old pass of %s is good", now.what, subject)
			}
			if snap.Revoked("00000000000000b1", subject, at.Add(time.Minute)) {
				t.Errorf("%s: a new pass of %s is revoked", now.what, subject)
			}
		}
		if snap.Revoked("00000000000000b1", b.ID, at.Add(-time.Minute)) {
			t.Errorf("%s: somebody else is revoked", now.what)
		}
	}
}

func TestASerialThatNobodyRecordedIsNoRevocation(t *testing.T) {
	s := newStore(t)
	if err := s.Revoke(t.Context(), "00000000000000a1", "lost", false); !errors.Is(err, ErrNotFound) || s.Snapshot().Revoked("00000000000000a1", "", time.Now()) {
		t.Errorf("got %v", err)
	}
	if err := s.RecordPasses(t.Context(), []IssuedPass{{"00000000000000a1", "r-000001", "office", time.Now(), time.Now().Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	for serial, unseen := range map[string]bool{"00000000000000A1": false, "00000000000000a2": true} {
		if err := s.Revoke(t.Context(), serial, "lost", unseen); err != nil || !s.Snapshot().Revoked(serial, "", time.Now()) {
			t.Errorf("%s: got %v", serial, err)
		}
	}
	if err := s.Revoke(t.Context(), "00000000000000a2", "again", false); err != nil {
		t.Errorf("one that is revoked is known: %v", err)
	}
	if err := s.Revoke(t.Context(), "00000000000000a2", "", false); err != nil {
		t.Error(err)
	}
	list, _, err := ListPasses(s.path)
	if err != nil || !slices.ContainsFunc(list, func(p ListedPass) bool { return p.Serial == "00000000000000a2" && p.Revoked == "again" }) {
		t.Errorf("the reason is no longer there: %+v, %v", list, err)
	}
}
