package register

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gated/register/blind"
	"gated/register/index"
)

func TestSearchFindsPassagesThroughTheIndex(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-22 23:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	for i := range 40 {
		if i == 20 {
			ck.set("2026-11-23 08:00:00")
		}
		id, lane, verdict := fmt.Sprint(i), "in", "admit"
		if i%2 == 1 {
			lane = "out"
		}
		if i%5 == 0 {
			verdict = "refuse"
		}
		mustAppend(t, l, append(passage(ck, id, lane, verdict), decided(ck, id, lane, verdict, "resident"))...)
	}
	l.Close()
	for _, c := range []struct {
		f     Filter
		n     int
		first string
	}{
		{Filter{Limit: 100}, 40, "39"},
		{Filter{Limit: 3}, 3, "39"},
		{Filter{Day: "2026-11-22", Limit: 100}, 20, "19"},
		{Filter{Day: "2026-11-23", Verdict: "refuse", Limit: 100}, 4, "35"},
		{Filter{Lane: "in", Verdict: "refuse", Class: "resident", Reason: "resident", Limit: 100}, 4, "30"},
		{Filter{Reason: "' OR 1 --", Limit: 100}, 0, ""},
	} {
		found, err := Search(dir, c.f)
		if err != nil {
			t.Fatalf("%+v: %v", c.f, err)
		}
		if len(found) != c.n || c.n > 0 && found[0].ID != c.first {
			t.Errorf("%+v: found %d, the first %+v", c.f, len(found), found)
		}
	}
	// A clock that is set back again and again gives a day many segments.
	l = open(t, dir, ck)
	for i := range 2200 {
		ck.set([]string{"2026-11-22 23:30:00", "2026-11-23 08:30:00"}[i%2])
		mustAppend(t, l, passage(ck, fmt.Sprint("back", i), "in", "admit")[0])
	}
	l.Close()
	for limit, last := range map[int]string{5: "back2190", 1120: "0"} {
		found, err := Search(dir, Filter{Day: "2026-11-22", Limit: limit})
		if err != nil || len(found) != limit || found[0].ID != "back2198" || found[limit-1].ID != last {
			t.Errorf("at most %d of a day in pieces: found %d, %v", limit, len(found), err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "index.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := Search(dir, Filter{Limit: 1}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without an index: %v", err)
	}
}

// Whoever is looked for by a whole value, in whatever form it is written, is found over all time, also where the index has
// not heard of it yet; by a part of a name within some days. What was erased finds nobody.
func TestPeopleAreFoundByExactValues(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	dir := t.TempDir()
	b := open(t, dir, ck)
	b.reg.index.MergeAt = 6
	pass := func(day, id string, personal ...string) {
		ck.set("2026-11-" + day + " 08:00:00")
		var fields []Field
		for i := 0; i < len(personal); i += 2 {
			fields = append(fields, Field{Name: personal[i], Value: personal[i+1]})
		}
		ev := append(passage(ck, id, "in", "hold"), decided(ck, id, "in", "admit", "known-by-sight"))
		ev[1].Personal, ev[2].Personal = fields, nil
		mustAppend(t, b, ev...)
	}
	pass("01", "a", "name", "王小明", "household", "3-2-501", "phone", "+86 138-0013-8000")
	pass("02", "b", "stated_name", "ann  lee", "document", "11010519491231002x", "plate", "粤B·12345")
	b.reg.flush()
	pass("03", "c", "stated_plate", "粤b12345", "subject", "r-000001")
	pass("03", "d", "sighted_name", "王小红", "sighted_document", "１１０１０５１９４９１２３１００２Ｘ")
	b.reg.flush()
	pass("04", "e", "name", "王小明", "phone", "13800138000")
	find := func(kind, value string, f Filter) string {
		t.Helper()
		f.Limit = 10
		list, err := b.reg.Find(kind, value, f)
		if err != nil {
			t.Fatal(err)
		}
		ids := ""
		for _, p := range list {
			ids += p.ID
		}
		return ids
	}
	for _, c := range []struct{ kind, value, want string }{
		{blind.OfName, "王小明", "ea"}, {blind.OfName, " 王小明 ", "ea"}, {blind.OfName, "王小", ""}, {blind.OfName, "Ann Lee", "b"}, {blind.OfName, "王小红", "d"},
		{blind.OfHousehold, "3-2-501", "a"}, {blind.OfHousehold, "3-2-50", ""}, {blind.OfDocument, "110105 19491231 002X", "db"}, {blind.OfPhone, "13800138000", "ea"}, {blind.OfPhone, "0086 13800138000", "ea"},
		{blind.OfPlate, "粤B12345", "cb"}, {blind.OfPlate, "粤B-12345", "cb"}, {blind.OfPlate, "2345", "cb"}, {blind.OfPlate, "345", ""}, {blind.OfSubject, "r-000001", "c"}, {blind.OfSubject, "r-00000", ""},
		{blind.OfPhone, "王小明", ""},
	} {
		if got := find(c.kind, c.value, Filter{}); got != c.want {
			t.Errorf("%s %q: found %q, want %q", c.kind, c.value, got, c.want)
		}
	}
	if got := find(blind.OfName, "王小明", Filter{Day: "2026-11-01"}); got != "a" {
		t.Errorf("on a day: found %q", got)
	}
	for _, c := range []struct{ part, from, to, want string }{
		{"小", "2026-11-01", "2026-11-04", "eda"}, {"明", "2026-11-02", "2026-11-30", "e"}, {"LEE", "2026-11-02", "2026-11-02", "b"}, {"李", "2026-11-01", "2026-11-04", ""},
	} {
		list, err := b.reg.FindPart(c.part, c.from, c.to, Filter{Limit: 10})
		got := ""
		for _, p := range list {
			got += p.ID
		}
		if err != nil || got != c.want {
			t.Errorf("part %s: found %q, want %q, %v", c.part, got, c.want, err)
		}
	}
	if _, err := b.reg.FindPart("小", "2026-11-01", "2027-11-01", Filter{}); err == nil {
		t.Error("a year of names was opened")
	}
	erase(t, b, []int64{2}, "name")
	if got := find(blind.OfName, "王小明", Filter{}) + " " + find(blind.OfHousehold, "3-2-501", Filter{}); got != "e a" {
		t.Errorf("after the name was erased: found %q", got)
	}
	erase(t, b, []int64{1, 2, 3, 14}, "")
	if got := find(blind.OfName, "王小明", Filter{}) + find(blind.OfHousehold, "3-2-501", Filter{}) + find(blind.OfPhone, "13800138000", Filter{}); got != "" {
		t.Errorf("after the erasure: found %q", got)
	}
	verify(t, b)
}

// Nothing in the index tells whose it is, to who has not the box's key.
func TestTheIndexHoldsNoPersonalValue(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-22 23:00:00")
	dir := t.TempDir()
	b := open(t, dir, ck)
	b.reg.index.MergeAt = 20
	secrets := []string{"SECRET-ID-0001", "SECRET-ROOM-0001", "SECRET-NAME-0001", "SECRET-DOC-0001", "SECRET-PLATE-0001", "0755-88888888", "SECRET-GUARD-001"}
	for i := range 20 {
		ev := append(passage(ck, fmt.Sprint(i), "in", "admit"), decided(ck, fmt.Sprint(i), "in", "admit", "resident"))
		ev[1].Personal = []Field{{Name: "subject", Value: secrets[0]}, {Name: "household", Value: secrets[1]}, {Name: "name", Value: secrets[2]}, {Name: "document", Value: secrets[3]},
			{Name: "plate", Value: secrets[4]}, {Name: "phone", Value: secrets[5]}, {Name: "guard", Value: secrets[6]}}
		ev[2].Personal = ev[1].Personal
		mustAppend(t, b, ev...)
		mustAppend(t, b, Event{Stamp: ck.now(), Kind: SignOn, Personal: []Field{{Name: "guard", Value: secrets[6]}}})
		if i%7 == 0 {
			b.reg.flush()
		}
	}
	b.reg.flush()
	for range 2 {
		files, _ := filepath.Glob(filepath.Join(dir, "index.db*"))
		all := 0
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all += len(raw)
			for _, s := range secrets {
				if bytes.Contains(raw, []byte(s)) {
					t.Errorf("%s has %s", filepath.Base(f), s)
				}
			}
		}
		if all < 8192 {
			t.Errorf("%d bytes in %v", all, files)
		}
		b.Close()
	}
	other := index.Open(dir, blind.New([]byte("another box")), b.reg.opt.Log)
	defer other.Close()
	if n := other.Known("east-gate"); n != 0 {
		t.Errorf("the index of another key was taken over, with %d entries", n)
	}
}
