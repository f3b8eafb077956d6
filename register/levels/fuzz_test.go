package levels

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gated/ledger"
)

// scribbled is the board of entries as anybody could have written them into a ledger, one a line: what it is, reason, the entry that it
// names, hours after noon, and its details.
func scribbled(text string) (b Board) {
	for i, line := range strings.Split(text, "\n") {
		words := strings.Split(line, "|")
		for len(words) < 4 {
			words = append(words, "")
		}
		e := ledger.Entry{At: noon}
		e.Seq, e.Reason, e.Clock, e.Detail = int64(i+1), words[1], "trusted", map[string]string{}
		e.Ref, _ = strconv.ParseInt(words[2], 10, 64)
		if h, err := strconv.ParseInt(words[3], 10, 32); err == nil {
			e.At = noon.Add(time.Duration(h) * time.Hour)
		} else {
			e.Clock = "untrusted"
		}
		for _, d := range words[4:] {
			name, v, _ := strings.Cut(d, "=")
			e.Detail[name] = v
		}
		switch words[0] {
		case "level":
			b = b.Changed(&e)
		case "settings":
			b = b.Based(e.Seq, e.Detail["was"], e.Reason)
		default:
			b = b.Noticed(&e)
		}
	}
	return b
}

// moments are the times at which something may be another than before.
func moments(b Board) (list []time.Time) {
	list = []time.Time{{}, noon}
	for _, n := range b.Notices {
		list = append(list, n.From, n.From.Add(-1), n.Until, n.Until.Add(-1))
	}
	return list
}

// counting are the notices that count in a place at a time; those that overlap are not kept out here.
func counting(b Board, place string, at time.Time) (list []Notice) {
	for _, n := range b.Notices {
		begun, ended := !n.From.IsZero() && !n.From.After(at), !n.Until.IsZero() && !n.Until.After(at)
		if n.Place == place && begun && !ended {
			list = append(list, n)
		}
	}
	return list
}

// Whatever stands in a ledger: what is in force is the newest of the notices that count then, by entries that are due once; and no notice
// is taken that counts with another one.
func FuzzBoard(f *testing.F) {
	f.Add("notice|announced|0|0|level=controlled|from=2026-11-28T13:00:00Z|until=2026-11-28T22:00:00Z|number=7|issuer=街道办\n" +
		"notice|ordered|0|0|level=sealed|place=3-2|from=2026-11-28T14:00:00Z\nlevel|controlled|1|1|was=guarded\n" +
		"level|sealed|2|2|was=controlled|place=3-2\nnotice|completed|2|3|number=8|issuer=X|until=2026-11-29T00:00:00Z\nnotice|ended|1|4|until=2026-11-28T16:00:00Z")
	f.Add("notice|prepared|0|0|level=sealed|place=5\nnotice|started|1|0|from=2026-11-28T13:00:00Z\nlevel|sealed|1|1|place=5\n" +
		"level|guarded|1|9|place=5|over=yes|was=sealed\nsettings|normal|0|0|was=guarded\nlevel|normal|0|2000|was=guarded")
	f.Add("notice|announced|0|0|level=a|from=2026-11-28T13:00:00Z\nnotice|announced|0|0|level=b|from=2026-11-28T13:00:00+08:00\n" +
		"notice|completed|1|0|until=2026-11-27T13:00:00Z\nnotice|started|2|0|from=x|until=0001-01-01T00:00:00Z\nlevel||99||place=3-2-1\nnotice|ended|2|0")
	f.Add("notice|announced|0|0|level=a|from=2026-11-28T13:00:00Z\nnotice|ordered|0|0|level=b|from=2026-11-28T12:00:00Z\n" +
		"notice|announced|0|0|level=c|from=2026-11-28T13:00:00Z\nlevel|b|2|0|was=guarded")
	f.Fuzz(func(t *testing.T, text string) {
		b := scribbled(text)
		for _, at := range moments(b) {
			inForce(t, b, at)
			for _, place := range []string{"", "3", "3-2"} {
				for _, until := range []time.Time{{}, at.Add(time.Hour)} {
					taken(t, b, Notice{Level: "sealed", Place: place, From: at, Until: until})
				}
			}
			for _, n := range b.Lasting(at) {
				if !n.Until.IsZero() && !n.Until.After(at) || n.String() == "" || n.Detail()["level"] != n.Level {
					t.Fatalf("at %v %v lasts: %v", at, &n, n.Detail())
				}
			}
		}
		for _, n := range b.Notices {
			taken(t, b, n)
			n.Entry = 0
			taken(t, b, n)
		}
	})
}

// inForce lets a time come.
func inForce(t *testing.T, b Board, at time.Time) {
	t.Helper()
	when := b.When(at)
	for _, n := range b.Notices {
		now := counting(b, n.Place, at)
		var newest Notice
		for _, o := range now {
			if newest.Entry == 0 || !o.From.Before(newest.From) { // of two that begin at once the later entry
				newest = o
			}
		}
		building, _, _ := strings.Cut(n.Place, "-")
		got, is := when.At(building, n.Place)
		if len(now) > 0 && (!is || got != InForce{n.Place, newest.Level, newest.Entry}) || len(now) == 0 && is && got.Place == n.Place {
			t.Fatalf("at %v in %q: %+v, want that of %+v", at, n.Place, got, newest)
		}
	}
	seq := int64(1 << 40)
	for _, ev := range b.Due(at, "guarded") {
		e := ledger.Entry{At: at}
		seq++
		e.Seq, e.Reason, e.Ref, e.Detail, e.Clock = seq, ev.Reason, ev.Ref, ev.Detail, "trusted"
		b = b.Changed(&e)
	}
	got, want := fmt.Sprint(sorted(b.InForce)), fmt.Sprint(sorted(when.InForce))
	if again := b.Due(at, "guarded"); got != want || len(again) > 0 {
		t.Fatalf("at %v: in force by its entries %s, want %s; then due: %+v", at, got, want, again)
	}
	if last := b.LastChange("3", "3-2"); last > seq || b.Places() && len(b.Since)+len(b.InForce) == 0 {
		t.Fatalf("changed last by entry %d of %d", last, seq)
	}
}

func sorted(list []InForce) []InForce {
	return slices.SortedFunc(slices.Values(list), func(a, b InForce) int { return strings.Compare(a.Place, b.Place) })
}

// taken tells whether a notice that Check lets through counts together with another one, and one that it does not is in nobody's way.
func taken(t *testing.T, b Board, n Notice) {
	t.Helper()
	together := slices.IndexFunc(b.Notices, func(o Notice) bool {
		later := o.From
		if n.From.After(o.From) {
			later = n.From
		}
		alone := Board{Notices: []Notice{n}}
		return o.Entry != n.Entry && len(counting(alone, o.Place, later)) > 0 && len(counting(Board{Notices: []Notice{o}}, n.Place, later)) > 0
	})
	err := b.Check(&n, n.From)
	if o := (*Overlap)(nil); together >= 0 && err == nil {
		t.Fatalf("%v is taken, and counts together with %v", &n, &b.Notices[together])
	} else if errors.As(err, &o) && together < 0 && (o.Notice.Until.IsZero() || o.Notice.From.Before(o.Notice.Until)) {
		t.Fatalf("%v is not taken: %v", &n, err)
	}
}
