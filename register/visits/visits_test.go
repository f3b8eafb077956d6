package visits

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"gated/ledger"
	"gated/register/blind"
)

var (
	zone, _ = time.LoadLocation("Asia/Shanghai")
	hasher  = blind.New([]byte("a box"))
)

func at(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
	if err != nil {
		panic(err)
	}
	return t
}

// gate writes entries about the visit v.
type gate struct {
	Book
	seq    int64
	day    string
	detail map[string]string // of the visit
	digits map[int64]string  // that an entry gave
}

func (g *gate) entry(when, kind, reason string, detail map[string]string, personal ...ledger.Field) *ledger.Entry {
	e := &ledger.Entry{At: at(when), Personal: personal}
	g.seq++
	e.Seq, e.Kind, e.Reason, e.Clock, e.Detail = g.seq, ledger.Kind(kind), reason, "trusted", map[string]string{ID: "v"}
	for k, v := range detail {
		e.Detail[k] = v
	}
	g.day = max(g.day, when[:10])
	return e
}

func (g *gate) take(e *ledger.Entry) { g.After(e, hasher, g.day) }

func (g *gate) made(when, how string, detail map[string]string) {
	g.detail, g.digits = detail, map[int64]string{g.seq + 1: "123456"}
	g.take(g.entry(when, "visit", how, detail, ledger.Field{Name: "host", Value: "3-2-501 office"}, ledger.Field{Name: "name", Value: "王小明"},
		ledger.Field{Name: "digits", Value: "123456"}))
}

// passes has so many go through, and returns the entry.
func (g *gate) passes(when, direction, heads string) int64 {
	e := g.entry(when, "register", "", map[string]string{Heads: heads})
	e.Verdict, e.Direction = "admit", direction
	g.take(e)
	return e.Seq
}

func (g *gate) annul(when, direction, heads string, ref int64) {
	e := g.entry(when, "correction", "did-not-go-through", map[string]string{Heads: heads, "was": "admit"})
	e.Verdict, e.Direction, e.Ref = "refuse", direction, ref
	g.take(e)
}

func (g *gate) state(when string, heads int) string {
	v := g.Book["v"]
	return v.State(at(when), max(g.day, when[:10]), heads)
}

func times(from, until string) map[string]string {
	return map[string]string{From: at(from).Format(time.RFC3339), Until: at(until).Format(time.RFC3339)}
}

func with(d map[string]string, more ...string) map[string]string {
	for i := 0; i < len(more); i += 2 {
		d[more[i]] = more[i+1]
	}
	return d
}

func TestAVisitIsGoodInItsTimeAndSoOften(t *testing.T) {
	t.Parallel()
	day := func() map[string]string { return times("2026-12-01 10:00", "2026-12-01 20:00") }
	for name, c := range map[string]struct {
		how    string
		detail map[string]string
		do     func(g *gate)
		when   string
		heads  int
		want   string
	}{
		"before":             {Announced, day(), nil, "2026-12-01 09:59", 1, Early},
		"its first minute":   {Announced, day(), nil, "2026-12-01 10:00", 1, Open},
		"its end":            {Announced, day(), nil, "2026-12-01 20:00", 1, Late},
		"once":               {Announced, with(day(), Entries, "1"), func(g *gate) { g.passes("2026-12-01 11:00", "in", "") }, "2026-12-01 12:00", 1, UsedUp},
		"once, with three":   {Announced, with(day(), Entries, "2"), func(g *gate) { g.passes("2026-12-01 11:00", "in", "3") }, "2026-12-01 12:00", 1, Open},
		"left, and once":     {Announced, with(day(), Entries, "1"), func(g *gate) { g.passes("2026-12-01 11:00", "in", ""); g.passes("2026-12-01 11:30", "out", "") }, "2026-12-01 12:00", 1, UsedUp},
		"annulled":           {Announced, with(day(), Entries, "1"), func(g *gate) { g.annul("2026-12-01 11:01", "in", "", g.passes("2026-12-01 11:00", "in", "")) }, "2026-12-01 12:00", 1, Open},
		"a group with room":  {Group, with(day(), Entries, "12"), func(g *gate) { g.passes("2026-12-01 11:00", "in", "5") }, "2026-12-01 12:00", 7, Open},
		"a group, one more":  {Group, with(day(), Entries, "12"), func(g *gate) { g.passes("2026-12-01 11:00", "in", "5") }, "2026-12-01 12:00", 8, UsedUp},
		"ended":              {Announced, day(), func(g *gate) { g.take(g.entry("2026-12-01 10:30", "visit", Ended, nil)) }, "2026-12-01 11:00", 1, Over},
		"standing, its day":  {Standing, with(times("2026-12-01 00:00", "2027-01-01 00:00"), Days, "tue", Times, "08:00-10:00"), nil, "2026-12-08 09:00", 1, Open},
		"standing, too late": {Standing, with(times("2026-12-01 00:00", "2027-01-01 00:00"), Days, "tue", Times, "08:00-10:00"), nil, "2026-12-08 10:00", 1, OffHours},
		"standing, once":     {Standing, with(times("2026-12-01 00:00", "2027-01-01 00:00"), Entries, "1"), func(g *gate) { g.passes("2026-12-02 09:00", "in", "") }, "2026-12-02 12:00", 1, UsedUp},
		"standing, tomorrow": {Standing, with(times("2026-12-01 00:00", "2027-01-01 00:00"), Entries, "1"), func(g *gate) { g.passes("2026-12-02 09:00", "in", "") }, "2026-12-03 09:00", 1, Open},
		"annulled next day": {Standing, with(times("2026-12-01 00:00", "2027-01-01 00:00"), Entries, "1"), func(g *gate) {
			before := g.passes("2026-12-02 09:00", "in", "")
			g.passes("2026-12-03 09:00", "in", "")
			g.annul("2026-12-03 09:10", "in", "", before)
		}, "2026-12-03 12:00", 1, UsedUp},
		"the clock goes back": {Standing, with(times("2026-12-01 00:00", "2027-01-01 00:00"), Entries, "1"), func(g *gate) { g.passes("2026-12-03 09:00", "in", "") }, "2026-12-02 12:00", 1, UsedUp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &gate{Book: Book{}}
			g.made("2026-11-30 12:00", c.how, c.detail)
			if c.do != nil {
				c.do(g)
			}
			if got := g.state(c.when, c.heads); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestWhoWasNotSeenToLeaveCountsAsGoneAtLast(t *testing.T) {
	t.Parallel()
	g := &gate{Book: Book{}}
	g.made("2026-12-01 09:00", Delivery, times("2026-12-01 09:00", "2026-12-01 10:00"))
	g.passes("2026-12-01 09:00", "in", "")
	for when, want := range map[string]int{"2026-12-01 09:59": 1, "2026-12-01 10:00": 0} {
		if n := g.Count(at(when)); n != want {
			t.Errorf("a delivery: %d inside at %s, want %d", n, when, want)
		}
	}
	g = &gate{Book: Book{}}
	g.made("2026-12-01 09:00", WalkIn, with(times("2026-12-01 09:00", "2026-12-01 22:00"), Due, at("2026-12-01 18:00").Format(time.RFC3339)))
	g.passes("2026-12-01 09:00", "in", "4")
	g.passes("2026-12-01 09:10", "out", "")
	for when, want := range map[string]int{"2026-12-02 05:59": 3, "2026-12-02 06:00": 0} {
		if n := g.Count(at(when)); n != want {
			t.Errorf("a walk-in: %d inside at %s, want %d", n, when, want)
		}
	}
}

// tellAgain tells of the visit once more; elsewhere: in a new epoch, which knows nothing else of it.
func (g *gate) tellAgain(when string, elsewhere bool) {
	v := g.Book["v"]
	said := func(seq int64) *ledger.Entry {
		e := g.entry(when, "visit", v.How, g.detail, ledger.Field{Name: "host", Value: "3-2-501 office"}, ledger.Field{Name: "name", Value: "王小明"},
			ledger.Field{Name: "digits", Value: g.digits[seq]})
		e.Seq, e.Class = seq, v.Class
		return e
	}
	events := g.Told([]string{"v"}, map[int64]*ledger.Entry{v.Entry: said(v.Entry), v.Printed: said(v.Printed)})
	if elsewhere {
		g.Book, g.seq, g.day = Book{}, 0, ""
	}
	for _, ev := range events {
		e := g.entry(when, "visit", ev.Reason, ev.Detail, ev.Personal...)
		g.digits[e.Seq] = e.Personally("digits")
		g.take(e)
	}
}

// What is told of once more, in the same epoch or in a new one, is as often used, as many are inside, and what was given out is good; the
// entries before say no more of it.
func TestAVisitThatIsToldOfAgainIsAsItWas(t *testing.T) {
	t.Parallel()
	until := func() map[string]string { return times("2026-12-01 00:00", "2027-12-01 00:00") }
	for name, c := range map[string]struct {
		how    string
		detail map[string]string
		do     func(g *gate)
		heads  int // inside
		left   int
		state  string
	}{
		"nobody came":        {Announced, with(until(), Entries, "3"), func(*gate) {}, 0, 3, Open},
		"somebody is inside": {Announced, with(until(), Entries, "3"), func(g *gate) { g.passes("2026-12-02 10:00", "in", "2") }, 2, 2, Open},
		"used up":            {Announced, with(until(), Entries, "1"), func(g *gate) { g.passes("2026-12-02 10:00", "in", ""); g.passes("2026-12-02 10:30", "out", "") }, 0, 0, UsedUp},
		"a group":            {Group, with(until(), Entries, "12"), func(g *gate) { g.passes("2026-12-02 10:00", "in", "7") }, 7, 5, Open},
		"used today":         {Standing, with(until(), Entries, "2"), func(g *gate) { g.passes("2026-12-02 10:00", "in", ""); g.passes("2026-12-02 10:30", "in", "") }, 2, 0, UsedUp},
		"used yesterday":     {Standing, with(until(), Entries, "2"), func(g *gate) { g.passes("2026-12-01 10:00", "in", "") }, 1, 2, Open},
		"ended":              {Announced, with(until(), Entries, "3"), func(g *gate) { g.take(g.entry("2026-12-02 10:00", "visit", Ended, nil)) }, 0, 3, Over},
		"reprinted": {Announced, with(until(), Entries, "3"), func(g *gate) {
			e := g.entry("2026-12-02 10:00", "visit", Reprinted, nil, ledger.Field{Name: "digits", Value: "654321"})
			g.digits[e.Seq] = "654321"
			g.take(e)
		}, 0, 3, Open},
	} {
		for _, elsewhere := range []bool{false, true} {
			g := &gate{Book: Book{}}
			g.made("2026-12-01 00:00", c.how, c.detail)
			if c.do(g); elsewhere || name == "used yesterday" {
				g.day = "2026-12-02"
			}
			was := g.Book["v"]
			g.tellAgain("2026-12-02 12:00", elsewhere)
			g.day = "2026-12-02"
			v := g.Book["v"]
			if n := g.Count(at("2026-12-02 13:00")); n != c.heads || v.Left(g.day) != c.left || g.state("2026-12-02 13:00", 1) != c.state {
				t.Errorf("%s, elsewhere %t: %d inside, %d left, %s: %+v", name, elsewhere, n, v.Left(g.day), g.state("2026-12-02 13:00", 1), v)
			}
			if v.Digits != was.Digits || v.In != was.In || v.Entry <= was.Entry && !elsewhere || v.Printed != v.Entry {
				t.Errorf("%s, elsewhere %t: %+v, was %+v", name, elsewhere, v, was)
			}
			g.LeftOf(map[int64]*ledger.Entry{was.Entry: {}, was.Printed: {}}, hasher)
			if !elsewhere && !reflect.DeepEqual(g.Book["v"], v) {
				t.Errorf("%s: it goes with the entries that told of it before", name)
			}
		}
	}
}

func TestWhichVisitsLast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(g *gate)
		when string
		want bool
	}{
		"good":                {nil, "2026-12-02 10:00", true},
		"later":               {nil, "2026-11-20 10:00", true},
		"over":                {nil, "2026-12-05 00:00", false},
		"over, and inside":    {func(g *gate) { g.passes("2026-12-02 10:00", "in", "") }, "2026-12-05 11:59", true},
		"presumed to be gone": {func(g *gate) { g.passes("2026-12-02 10:00", "in", "") }, "2026-12-05 12:00", false},
		"ended":               {func(g *gate) { g.take(g.entry("2026-12-02 10:00", "visit", Ended, nil)) }, "2026-12-02 11:00", false},
		"ended, and inside": {func(g *gate) {
			g.passes("2026-12-02 10:00", "in", "")
			g.take(g.entry("2026-12-02 10:00", "visit", Ended, nil))
		}, "2026-12-02 11:00", true},
		"erased": {func(g *gate) { g.LeftOf(map[int64]*ledger.Entry{1: {}}, hasher) }, "2026-12-02 10:00", false},
	} {
		g := &gate{Book: Book{}}
		g.made("2026-12-01 00:00", Announced, times("2026-12-01 00:00", "2026-12-05 00:00"))
		if c.do != nil {
			c.do(g)
		}
		if v := g.Book["v"]; v.Lasts(at(c.when)) != c.want {
			t.Errorf("%s: lasts %t", name, !c.want)
		}
	}
}

// Whatever comes, told of again and restored, no visit admits more than it allows, where whoever admits asks it first.
func TestAVisitNeverAdmitsMoreThanItAllows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 15))
		g := &gate{Book: Book{}}
		how := Made[rng.IntN(len(Made))]
		g.made("2026-12-01 00:00", how, with(times("2026-12-01 00:00", "2026-12-09 00:00"), Entries, "5"))
		admitted := map[string]int{} // by day; of others in all
		var in []int64
		of := map[int64]string{}
		took := map[int64]int{}
		for range 90 {
			when := fmt.Sprintf("2026-12-%02d %02d:00", 1+rng.IntN(8), rng.IntN(24))
			heads := 1 + rng.IntN(3)
			switch k := rng.IntN(5); {
			case k < 2 && g.state(when, heads) == Open:
				seq := g.passes(when, "in", fmt.Sprint(heads))
				if of[seq] = ""; how == Standing {
					of[seq] = g.day
				}
				if took[seq] = 1; how == Group {
					took[seq] = heads
				}
				admitted[of[seq]] += took[seq]
				in = append(in, seq)
			case k == 2:
				g.passes(when, "out", fmt.Sprint(heads))
			case k == 3 && len(in) > 0:
				i := rng.IntN(len(in))
				h := 1
				if how == Group {
					h = took[in[i]]
				}
				g.annul(when, "in", fmt.Sprint(h), in[i])
				admitted[of[in[i]]] -= took[in[i]]
				in = append(in[:i], in[i+1:]...)
			case k == 4 && rng.IntN(2) == 0:
				g.tellAgain(when, false)
			case k == 4:
				day := max(g.day, when[:10])
				g.tellAgain(day+" 12:00", true)
				g.day, in = day, nil // what was before cannot be put right any more
			}
			for day, n := range admitted {
				if n > 5 {
					t.Fatalf("seed %d: a visit of the kind %s admitted %d of 5 on %q", seed, how, n, day)
				}
			}
		}
	}
}

// Who was erased is nobody any more: nobody comes in by that visit, and nobody counts as inside by it.
func TestAnErasedVisitIsNobodys(t *testing.T) {
	t.Parallel()
	g := &gate{Book: Book{}}
	g.made("2026-12-01 09:00", Announced, times("2026-12-01 09:00", "2026-12-01 22:00"))
	g.passes("2026-12-01 10:00", "in", "")
	v := g.Book["v"]
	g.LeftOf(map[int64]*ledger.Entry{v.Entry: {Record: ledger.Record{Seq: v.Entry, Kind: Kind}}}, hasher)
	v = g.Book["v"]
	if v.Where(at("2026-12-01 11:00")) != "" || g.Count(at("2026-12-01 11:00")) != 0 || g.state("2026-12-01 11:00", 1) != Over {
		t.Errorf("%+v", v)
	}
	if len(g.Find(func(v *Visit) bool { return v.Digits == hasher.Key(blind.OfDigits, "123456") })) > 0 {
		t.Error("its digits are still known")
	}
}

func TestAVisitIsForgottenOnceItIsOverAndNobodyIsInside(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inside bool
		when   string
		kept   bool
	}{
		"two days later":            {false, "2026-12-03 22:00", true},
		"after that":                {false, "2026-12-03 22:01", false},
		"somebody is inside":        {true, "2026-12-04 10:00", true},
		"they have left by then":    {true, "2026-12-04 10:01", false},
		"the clock was set back":    {false, "2026-11-01 00:00", true},
		"in the middle of its time": {false, "2026-12-01 10:00", true},
	} {
		g := &gate{Book: Book{}}
		g.made("2026-12-01 09:00", Announced, times("2026-12-01 09:00", "2026-12-01 22:00"))
		if c.inside {
			g.passes("2026-12-01 10:00", "in", "")
		}
		if g.Forget(at(c.when)); (len(g.Book) > 0) != c.kept {
			t.Errorf("%s: kept %t", name, len(g.Book) > 0)
		}
	}
}
