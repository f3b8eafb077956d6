package trips

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gated/register/blind"
)

func TestTripsCountInAWindowOfDays(t *testing.T) {
	t.Parallel()
	b := New()
	for seq, day := range map[int64]string{1: "2026-11-20", 2: "2026-11-22", 3: "2026-11-23", 4: "2026-11-23"} {
		b.Add(seq, Trip{Household: 7, Day: day})
	}
	b.Add(9, Trip{Household: 8, Day: "2026-11-23"})
	b.Begin("2026-11-23")
	for _, c := range []struct {
		today string
		days  int
		want  int
	}{
		{"2026-11-23", 1, 2}, {"2026-11-23", 2, 3}, {"2026-11-23", 3, 3}, {"2026-11-23", 4, 4}, {"2026-11-23", 31, 4},
		{"2026-11-24", 1, 0}, {"2026-11-24", 2, 2}, {"2026-11-25", 2, 0}, {"2026-12-31", 31, 0},
		{"2026-11-20", 1, 4}, {"", 1, 4}, // a clock set back, or none
	} {
		if got := b.Count(7, c.today, c.days); got != c.want {
			t.Errorf("%d trips in %d days up to %q, want %d", got, c.days, c.today, c.want)
		}
	}
	if first := b.First("2026-11-23", 2); first != 2 {
		t.Errorf("the first that counts is %d", first)
	}
	if first := b.First("2026-11-25", 2); first != 0 {
		t.Errorf("the first that counts is %d, and none does", first)
	}
}

// Whatever happens in whatever order, a clock that is set back gives nobody a trip back, a removed trip does not count, and nothing
// is remembered that no window reaches.
func TestTheBookHoldsWhatItSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		day := func() string {
			return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(60)).Format(time.DateOnly)
		}
		b, plain := New(), map[int64]Trip{}
		for seq := int64(1); seq < 80; seq++ {
			switch r.IntN(9) {
			case 0, 1:
				d := day()
				was := b.Day
				for _, s := range b.Begin(d) {
					delete(plain, s)
				}
				if b.Day != max(was, d) {
					t.Fatalf("seed %d: the day is %s after %s and %s", seed, b.Day, was, d)
				}
			case 2:
				for s := range plain {
					if b.Remove(s); b.Remove(s) {
						t.Fatal("removed twice")
					}
					delete(plain, s)
					break
				}
			case 3:
				d := day()
				b.Correct(d)
				for s, x := range plain {
					x.Day = min(x.Day, d)
					plain[s] = x
				}
			case 4:
				d := time.Date(2026, 11, 1+r.IntN(60), 0, 0, 0, 0, time.UTC)
				for s, x := range plain {
					if x.Unsure {
						x.Day, x.Unsure = max(x.Day, d.Format(time.DateOnly)), false
						plain[s] = x
					}
				}
				b.Told(d)
			default:
				x := Trip{blind.Key(r.IntN(3)), b.Day, blind.Key(r.IntN(4) * 10), r.Int64N(2), r.IntN(3) == 0}
				b.Add(seq, x)
				plain[seq] = x
			}
			if !maps.Equal(plain, b.All()) {
				t.Fatalf("seed %d: %v, want %v", seed, b.All(), plain)
			}
			today, days := day(), 1+r.IntN(Days)
			newest, due := map[blind.Key]int64{}, map[int64]Trip{}
			for s, x := range plain {
				newest[x.Who] = max(newest[x.Who], s)
			}
			for s, x := range plain {
				if x.Who != 0 && x.Due != 0 && newest[x.Who] == s {
					due[s] = x
				}
			}
			for who := blind.Key(10); who < 40; who += 10 {
				if s, x := b.Newest(who); s != newest[who] || x != plain[s] {
					t.Fatalf("seed %d: the newest trip of %d is %d, %v, want %d", seed, who, s, x, newest[who])
				}
			}
			if got := maps.Collect(b.Due()); !maps.Equal(got, due) {
				t.Fatalf("seed %d: due are %v, want %v", seed, got, due)
			}
			for home := range blind.Key(3) {
				want := 0
				for _, x := range plain {
					if x.Household == home && (x.Unsure || x.Day > before(today, days)) {
						want++
					}
				}
				if got := b.Count(home, today, days); got != want {
					t.Fatalf("seed %d: household %d has %d trips, want %d", seed, home, got, want)
				}
				if back := b.Count(home, before(today, 1+r.IntN(9)), days); back < want {
					t.Fatalf("seed %d: a clock set back counts %d trips instead of %d", seed, back, want)
				}
			}
		}
		for home, seqs := range b.of {
			if slices.Sort(seqs); len(seqs) == 0 || len(slices.Compact(slices.Clone(seqs))) != len(seqs) {
				t.Fatalf("household %d: %v", home, fmt.Sprint(seqs))
			}
		}
	}
}
