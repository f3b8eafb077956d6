package slips

import (
	"strings"
	"testing"
	"time"

	"gated/ledger"
	"gated/register/blind"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// entry is one of a slip; a day and an hour say until when, or when a used one was.
func entry(seq int64, reason string, ref int64, home string, until time.Time) *ledger.Entry {
	e := &ledger.Entry{Record: ledger.Record{Seq: seq, Kind: Kind, Reason: reason, Ref: ref, Clock: "trusted",
		Detail: map[string]string{"slip": "id" + string(rune('0'+seq)), "agreed": "owner", "until": until.Format(time.RFC3339)}}, At: noon}
	if home != "" {
		e.Personal = []ledger.Field{{Name: "household", Value: home}, {Name: "what", Value: "a piano"}}
	}
	return e
}

func ids(l List) string {
	var list []string
	for _, s := range l {
		list = append(list, s.ID)
	}
	return strings.Join(list, " ")
}

func TestASlipIsGoodOnceAndUntilItsTime(t *testing.T) {
	t.Parallel()
	h := blind.New([]byte("k"))
	var l List
	for _, e := range []*ledger.Entry{
		entry(1, Issued, 0, "3-2-501", noon.Add(2*time.Hour)),
		entry(2, Issued, 0, "3-2-501", noon.Add(24*time.Hour)),
		entry(3, Issued, 0, "1-1-101", noon.Add(2*time.Hour)),
		entry(4, Issued, 0, "", noon.Add(2*time.Hour)), // erased
		entry(5, "other", 0, "3-2-501", noon.Add(2*time.Hour)),
		entry(6, Used, 3, "", noon),
		entry(7, Used, 9, "", noon),
	} {
		l = l.After(e, h)
	}
	mine, other := []blind.Key{h.Key(blind.OfHousehold, "3-2-501")}, []blind.Key{h.Key(blind.OfHousehold, "1-1-101")}
	for _, c := range []struct {
		at   time.Time
		of   []blind.Key
		want string
	}{
		{noon, mine, "id1 id2"}, {noon, other, ""}, {noon, nil, "id1 id2"}, {noon, []blind.Key{}, ""},
		{noon.Add(2 * time.Hour), mine, "id2"}, {noon.Add(24 * time.Hour), mine, ""},
	} {
		if got := ids(l.Open(c.at, c.of)); got != c.want {
			t.Errorf("open at %s: %q, want %q", c.at, got, c.want)
		}
	}
	if s, known := l.Find("id2"); !known || s.Entry != 2 || s.Agreed != "owner" {
		t.Errorf("found %+v, %t", s, known)
	}
	if _, known := l.Find("id3"); known {
		t.Error("a used one is found")
	}
	left := l.Left(map[int64]*ledger.Entry{1: entry(1, Issued, 0, "", noon.Add(2*time.Hour)), 7: nil}, h)
	if ids(left) != "id2" || ids(l) != "id1 id2" {
		t.Errorf("once an entry is erased %q are left, of %q", ids(left), ids(l))
	}
	later := entry(8, Used, 99, "", noon)
	later.At = noon.Add(24*time.Hour + remember + time.Minute)
	if got := ids(l.After(later, h)); got != "" {
		t.Errorf("long after their time there are %q", got)
	}
	later.Clock = "untrusted"
	if got := ids(l.After(later, h)); got != "id1 id2" {
		t.Errorf("by a clock that nobody trusts there are %q", got)
	}
}
