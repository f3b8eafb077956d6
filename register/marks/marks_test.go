package marks

import (
	"testing"
	"time"

	"gated/ledger"
	"gated/register/blind"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func entry(seq int64, reason string, ref int64, days int, word string, personal ...ledger.Field) *ledger.Entry {
	e := &ledger.Entry{At: noon, Personal: personal}
	e.Seq, e.Reason, e.Ref, e.Clock = seq, reason, ref, "trusted"
	e.Detail = map[string]string{"word": word, "from": noon.Format(time.RFC3339), "until": noon.AddDate(0, 0, days).Format(time.RFC3339)}
	return e
}

// Whom a mark names it counts for, in its time, until it is ended or its entry is erased.
func TestMarksCountForWhomTheyName(t *testing.T) {
	t.Parallel()
	h := blind.New([]byte("k"))
	wang, home, other := h.Key(blind.OfSubject, "r-1"), h.Key(blind.OfHousehold, "3-2-501"), h.Key(blind.OfSubject, "r-2")
	var l List
	l = l.Marked(entry(1, Exempt, 0, 2, "dialysis", ledger.Field{Name: "subject", Value: "r-1"}), h)
	l = l.Marked(entry(2, Exempt, 0, 9, "supply", ledger.Field{Name: "household", Value: "3-2-501"}), h)
	l = l.Marked(entry(3, Watch, 0, 9, "complaint", ledger.Field{Name: "subject", Value: "r-2"}), h)
	l = l.Marked(entry(4, Exempt, 0, 9, "pupil"), h) // erased before it was read
	for _, tt := range []struct {
		days    int
		who     []blind.Key
		exempt  string
		watched bool
	}{
		{0, []blind.Key{wang, home}, "dialysis supply", false},
		{2, []blind.Key{wang, home}, "supply", false},
		{-1, []blind.Key{wang, home}, "", false},
		{9, []blind.Key{wang, home, other}, "", false},
		{1, []blind.Key{other}, "", true},
		{1, nil, "", false},
	} {
		exempt, watched := l.Of(noon.AddDate(0, 0, tt.days), tt.who)
		if exempt != tt.exempt || watched != tt.watched {
			t.Errorf("after %d days: %q, watched %t", tt.days, exempt, watched)
		}
	}
	left := l.Left(map[int64]*ledger.Entry{1: entry(1, Exempt, 0, 2, "dialysis"), 3: entry(3, Watch, 0, 9, "complaint", ledger.Field{Name: "subject", Value: "r-2"})}, h)
	if exempt, _ := left.Of(noon, []blind.Key{wang}); exempt != "" || len(left) != 2 {
		t.Errorf("once erased: %q, %+v", exempt, left)
	}
	if ended := l.Marked(entry(5, Ended, 3, 0, ""), h); len(ended) != 2 || len(l) != 3 {
		t.Errorf("ended: %+v", ended)
	}
	later := entry(6, Ended, 99, 0, "")
	if later.At = noon.AddDate(0, 0, 43); len(l.Marked(later, h)) != 2 {
		t.Errorf("what ended long ago: %+v", l.Marked(later, h))
	}
	if later.Clock = "untrusted"; len(l.Marked(later, h)) != 3 {
		t.Error("a clock that is not trusted ends nothing")
	}
}

// An exemption with days and times counts then, by the clock on the wall; one whose times nobody can read counts never.
func TestExemptionsCountAtTheirTimes(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	h := blind.New([]byte("k"))
	for _, c := range []struct {
		days, times, at string
		want            bool
	}{
		{"", "06:00-09:30,16:00-18:00", "2026-11-29 09:29", true},
		{"", "06:00-09:30,16:00-18:00", "2026-11-29 09:30", false},
		{"mon", "22:00-02:00", "2026-12-01 01:59", true},
		{"mon", "22:00-02:00", "2026-11-30 01:59", false},
		{"mon", "22:00-24:00", "2026-12-01 00:00", false},
		{"tue", "", "2026-12-01 00:00", true},
		{"tue", "", "2026-11-30 23:59", false},
		{"", "06:00-09:30", "2028-11-29 07:00", false}, // its end is past
		{"", "02:30-03:30", "2027-03-28 03:15", true},  // the clock was put forward
		{"", "02:30-03:00", "2027-03-28 03:15", false},
		{"", "02:30-03:30", "2027-10-31 02:45", true}, // and back
		{"", "6-9", "2026-11-29 07:00", false},
		{"never", "", "2026-11-29 07:00", false},
	} {
		e := entry(1, Exempt, 0, 365, "pupil", ledger.Field{Name: "subject", Value: "r-1"})
		for name, v := range map[string]string{"days": c.days, "times": c.times} {
			if v != "" {
				e.Detail[name] = v
			}
		}
		at, err := time.ParseInLocation("2006-01-02 15:04", c.at, zone)
		if err != nil {
			t.Fatal(err)
		}
		if exempt, _ := (List{}).Marked(e, h).Of(at, []blind.Key{h.Key(blind.OfSubject, "r-1")}); (exempt == "pupil") != c.want {
			t.Errorf("%q %q at %s: %q", c.days, c.times, c.at, exempt)
		}
	}
}
