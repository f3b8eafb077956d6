package blind

import (
	"slices"
	"testing"

	"gated/ledger"
)

// Whoever looks for somebody writes their name, number or plate as it comes.
func TestAValueIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	h := New([]byte("a box"))
	for _, c := range []struct {
		kind, kept string
		same       []string
		other      []string
	}{
		{OfName, "王小明", []string{" 王小明 "}, []string{"王小", "王晓明", ""}},
		{OfName, "Ann Lee", []string{"ann  lee", "ＡＮＮ　ＬＥＥ"}, []string{"AnnLee", "Lee Ann"}},
		{OfHousehold, "3-2-501", []string{"3 - 2 - 501"}, []string{"3-2-50", "32501"}},
		{OfDocument, "11010519491231002X", []string{"110105 19491231 002x"}, []string{"110105194912310021"}},
		{OfPhone, "+86 138 0013 8000", []string{"13800138000", "0086-13800138000", "(138) 00138000"}, []string{"13800138001", "8613800138000"}},
		{OfPlate, "粤B·12345", []string{"粤b12345", "粤B-12345", "粤B 12345", "2345"}, []string{"12345", "345", "粤B12346"}},
		{OfSubject, "r-abc", nil, []string{"R-ABC", "r-ab"}},
	} {
		field := map[string]string{OfPlate: "plate", OfPhone: "phone", OfName: "name", OfDocument: "document"}[c.kind]
		if field == "" {
			field = c.kind
		}
		kept := h.Terms(&ledger.Entry{Personal: []ledger.Field{{Name: field, Value: c.kept}}})
		for _, v := range append(c.same, c.kept) {
			if !slices.Contains(kept, h.Wanted(c.kind, v)) {
				t.Errorf("%s %q is not found by %q", c.kind, c.kept, v)
			}
		}
		for _, v := range c.other {
			if slices.Contains(kept, h.Wanted(c.kind, v)) {
				t.Errorf("%s %q is found by %q", c.kind, c.kept, v)
			}
		}
	}
}

// The same value has another key as a value of another kind, and at another box.
func TestAKeyTellsNothingAnywhereElse(t *testing.T) {
	t.Parallel()
	a, b := New([]byte("a box")), New([]byte("another box"))
	if a.Key(OfName, "x") == b.Key(OfName, "x") || a.Key(OfName, "x") == a.Key(OfSubject, "x") || a.Fingerprint() == b.Fingerprint() {
		t.Error("two keys are the same")
	}
	e := &ledger.Entry{Personal: []ledger.Field{{Name: "name", Value: "x"}, {Name: "stated_name", Value: "x"}, {Name: "note", Value: "x"}}}
	if got := a.Terms(e); len(got) != 1 {
		t.Errorf("%d keys of one name and a note, want 1", len(got))
	}
	if _, has := a.Field(e, "household"); has || Hasher(nil).Terms(e) != nil {
		t.Error("a key of nothing, or by nothing")
	}
}
