package hosts

import (
	"strings"
	"testing"

	"gated/ledger"
	"gated/register/blind"
)

var hasher = blind.New([]byte("a box"))

func entry(seq int64, what, host, name string, ref int64) *ledger.Entry {
	e := &ledger.Entry{}
	e.Seq, e.Kind, e.Reason, e.Ref = seq, Kind, what, ref
	for _, f := range []ledger.Field{{Name: "host", Value: host}, {Name: "name", Value: name}} {
		if f.Value != "" {
			e.Personal = append(e.Personal, f)
		}
	}
	return e
}

func key(kind, value string) blind.Key {
	if value == "" {
		return 0
	}
	return hasher.Key(kind, value)
}

func TestWhatSomeHostsSayOfSomebody(t *testing.T) {
	t.Parallel()
	var l List
	for i, e := range []*ledger.Entry{entry(1, NoVisitors, "a", "", 0), entry(2, AlwaysAdmit, "a", "周访", 0), entry(3, CallFirst, "b", "", 0), entry(4, AlwaysAdmit, "c", "周访", 0),
		entry(5, NoVisitors, "d", "", 0), entry(6, Ended, "", "", 5), entry(7, AlwaysAdmit, "e", "", 0), entry(8, "party", "e", "", 0)} {
		was := len(l)
		if l = l.After(e, hasher); i == 7 && len(l) != was {
			t.Error("a word that is none")
		}
	}
	for _, c := range []struct{ hosts, name, want string }{
		{"a", "", NoVisitors}, {"a", "周访", AlwaysAdmit}, {"a", "别人", NoVisitors}, {"b", "周访", CallFirst}, {"b c", "周访", AlwaysAdmit},
		{"b c", "别人", CallFirst}, {"d", "", ""}, {"e", "", ""}, {"c a", "别人", NoVisitors}, {"", "周访", ""},
	} {
		var of []blind.Key
		for h := range strings.FieldsSeq(c.hosts) {
			of = append(of, key("host", h))
		}
		if got := l.Of(of, key("name", c.name)); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.hosts, c.name, got, c.want)
		}
	}
	// What was erased says nothing any more; nor does always-admit of nobody.
	left := l.Left(map[int64]*ledger.Entry{1: entry(1, NoVisitors, "", "", 0), 2: entry(2, AlwaysAdmit, "a", "", 0), 3: entry(3, CallFirst, "b", "", 0)}, hasher)
	if len(left) != 2 || left[0].Entry != 3 || left[1].Entry != 4 {
		t.Errorf("%+v", left)
	}
}

func TestWhatAHostMaySay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, name string
		good       bool
	}{
		{NoVisitors, "", true}, {CallFirst, "", true}, {AlwaysAdmit, "周访", true}, {AlwaysAdmit, "<b>محمد</b>", true},
		{NoVisitors, "周访", false}, {AlwaysAdmit, "", false}, {"party", "", false}, {Ended, "", false},
		{AlwaysAdmit, "a\u202eb", false}, {AlwaysAdmit, "a\nb", false}, {AlwaysAdmit, strings.Repeat("王", 61), false}, {AlwaysAdmit, "\xff", false},
	} {
		if _, err := Event("3-2-501", c.what, c.name); (err == nil) != c.good {
			t.Errorf("%s %q: %v", c.what, c.name, err)
		}
	}
}
