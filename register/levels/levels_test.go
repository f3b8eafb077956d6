package levels

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/ledger"
)

// book is a ledger of notices and levels.
type book struct {
	board Board
	seq   int64
}

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func (b *book) entry(ev ledger.Event, at time.Time, take func(Board, *ledger.Entry) Board) int64 {
	b.seq++
	e := ledger.Entry{At: at}
	e.Seq, e.Reason, e.Ref, e.Detail, e.Clock = b.seq, ev.Reason, ev.Ref, ev.Detail, "trusted"
	b.board = take(b.board, &e)
	return b.seq
}

func (b *book) notice(reason string, ref int64, n Notice) int64 {
	return b.entry(ledger.Event{Reason: reason, Ref: ref, Detail: n.Detail()}, noon, Board.Noticed)
}

// at lets the time come, and tells of the changes.
func (b *book) at(now time.Time) string {
	var told []string
	for _, ev := range b.board.Due(now, "guarded") {
		was := ev.Detail["was"]
		if ev.Detail[over] != "" {
			was = "over-" + was
		}
		told = append(told, fmt.Sprintf("%s:%s>%s/%d", ev.Detail["place"], was, ev.Reason, ev.Ref))
		b.entry(ev, now, Board.Changed)
	}
	slices.Sort(told)
	return strings.Join(told, " ")
}

func hours(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }

func TestALevelBeginsAndEndsInItsTime(t *testing.T) {
	t.Parallel()
	var b book
	first := b.notice(Announced, 0, Notice{Level: "controlled", From: hours(1), Until: hours(10), Number: "7", Issuer: "街道办"})
	unit := b.notice(Ordered, 0, Notice{Level: "sealed", Place: "3-2", From: hours(2), Oral: true})
	ready := b.notice(Prepared, 0, Notice{Level: "sealed", Place: "5"})
	for _, step := range []struct {
		at   int
		want string
	}{
		{0, ""},
		{1, fmt.Sprintf(":guarded>controlled/%d", first)},
		{2, fmt.Sprintf("3-2:controlled>sealed/%d", unit)},
		{3, ""},
	} {
		if got := b.at(hours(step.at)); got != step.want {
			t.Fatalf("after %d hours: %q, want %q", step.at, got, step.want)
		}
	}
	for place, want := range map[[2]string]string{{"3", "3-2"}: "sealed", {"3", "3-1"}: "controlled", {"", ""}: "controlled", {"5", "5-1"}: "controlled"} {
		if f, is := b.board.At(place[0], place[1]); !is || f.Level != want {
			t.Errorf("in %s: %+v, want %s", place, f, want)
		}
	}
	b.notice(Completed, unit, Notice{Number: "8", Issuer: "指挥部", Until: hours(12)})
	if n, _ := b.board.Notice(unit); n.Oral || n.Number != "8" || !n.Until.Equal(hours(12)) {
		t.Errorf("completed it is %+v", n)
	}
	b.notice(Started, ready, Notice{From: hours(4), Until: hours(5)})
	b.notice(Ended, first, Notice{Until: hours(4)})
	if got, want := b.at(hours(4)), fmt.Sprintf("5:controlled>sealed/%d :over-controlled>guarded/%d", ready, first); got != strings.Join(slices.Sorted(slices.Values(strings.Fields(want))), " ") {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := b.at(hours(13)), fmt.Sprintf("3-2:over-sealed>guarded/%d 5:over-sealed>guarded/%d", unit, ready); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(b.board.Lasting(hours(13)))+len(b.board.InForce) != 0 {
		t.Errorf("left over: %+v", b.board)
	}
	// A clock that ran ahead and was corrected takes no level away.
	if got := b.at(hours(3)); !strings.Contains(got, fmt.Sprintf(":guarded>controlled/%d", first)) || !strings.Contains(got, "3-2:") {
		t.Errorf("once the clock is set back: %q", got)
	}
	b.at(hours(13))
	b.entry(ledger.Event{Reason: "normal"}, hours(13), Board.Changed)
	if b.entry(ledger.Event{Reason: "normal"}, hours(13).AddDate(0, 0, 41), Board.Changed); len(b.board.Notices) != 0 {
		t.Errorf("what ended long ago is %+v", b.board.Notices)
	}
}

func TestNoticesThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	var b book
	b.notice(Announced, 0, Notice{Level: "controlled", From: hours(1), Until: hours(10), Number: "7", Issuer: "X"})
	b.notice(Prepared, 0, Notice{Level: "sealed"})
	for name, tt := range map[string]struct {
		n    Notice
		want string
	}{
		"before it":               {Notice{From: hours(0), Until: hours(1)}, ""},
		"behind it":               {Notice{From: hours(10)}, ""},
		"of a building meanwhile": {Notice{Place: "3", From: hours(2)}, ""},
		"prepared":                {Notice{}, ""},
		"meanwhile":               {Notice{From: hours(9)}, "notice entry 1 (level controlled, the compound, by notice 7 of X, from 2026-11-28 13:00 to 2026-11-28 22:00) counts then"},
		"around it":               {Notice{From: hours(0)}, "begins meanwhile"},
		"ends first":              {Notice{From: hours(20), Until: hours(19)}, "before it begins"},
		"of no time":              {Notice{From: hours(20), Until: hours(20)}, "it ends when it begins (2026-11-29 08:00:00), and"},
		"is past":                 {Notice{From: hours(-3), Until: hours(-1)}, "is past"},
	} {
		err := b.board.Check(&tt.n, noon)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if (strings.Contains(tt.want, "counts then") || strings.Contains(tt.want, "meanwhile")) && !errors.As(err, new(*Overlap)) {
			t.Errorf("%s is no overlap", name)
		}
	}
	for range most {
		b.notice(Prepared, 0, Notice{Level: "sealed"})
	}
	if err := b.board.Check(&Notice{}, noon); err == nil || !strings.Contains(err.Error(), "end some first") {
		t.Errorf("one too many: %v", err)
	}
}

// Whatever notices come and go, and however the clock is set: once what is due is done, the levels are those of the newest notices that
// count, and nothing more is due.
func TestWhatIsDueIsWhatCounts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 14))
		var b book
		for range 60 {
			n := Notice{Level: []string{"sealed", "controlled", "normal"}[r.IntN(3)], Place: []string{"", "3", "3-2"}[r.IntN(3)],
				From: hours(r.IntN(50)), Number: "1", Issuer: "X"}
			if r.IntN(3) > 0 {
				n.Until = n.From.Add(time.Duration(1+r.IntN(20)) * time.Hour)
			}
			ref := int64(0)
			if len(b.board.Notices) > 0 {
				ref = b.board.Notices[r.IntN(len(b.board.Notices))].Entry
			}
			now := hours(r.IntN(60))
			switch r.IntN(6) {
			case 0:
				n.From = time.Time{}
				b.notice(Prepared, 0, n)
			case 1:
				b.notice(Started, ref, n)
			case 2:
				b.notice(Ended, ref, Notice{Until: now})
			case 3:
				b.notice(Completed, ref, n)
			default:
				if b.board.Check(&n, now) == nil {
					b.notice(Announced, 0, n)
				}
			}
			b.at(now)
			if again := b.at(now); again != "" {
				t.Fatalf("seed %d: due twice: %s", seed, again)
			}
			for _, place := range []string{"", "3", "3-2"} {
				var newest Notice
				for _, n := range b.board.Notices {
					if n.Place == place && n.counts(now) && (newest.Entry == 0 || !n.From.Before(newest.From)) {
						newest = n
					}
				}
				i := slices.IndexFunc(b.board.InForce, func(f InForce) bool { return f.Place == place })
				if (i >= 0) != (newest.Entry != 0) || i >= 0 && b.board.InForce[i] != (InForce{place, newest.Level, newest.Entry}) {
					t.Fatalf("seed %d: in force in %q: %+v, want %+v", seed, place, b.board.InForce, newest)
				}
			}
		}
	}
}

// LastChange tells since when the level of a place counts: from the entry on after which it is another, whatever notice it rests on.
func TestTheLastChangeIsThatOfThePlace(t *testing.T) {
	t.Parallel()
	var b book
	is := func(what string, here, there int64) {
		t.Helper()
		if got := [2]int64{b.board.LastChange("3", "3-2"), b.board.LastChange("4", "4-1")}; got != [2]int64{here, there} {
			t.Errorf("%s: %v, want [%d %d]", what, got, here, there)
		}
	}
	set := func(level string, from, until int, place string) {
		b.notice(Announced, 0, Notice{Level: level, Place: place, From: hours(from), Until: hours(until), Number: "7", Issuer: "街道办"})
	}
	set("controlled", 1, 5, "")
	set("controlled", 5, 9, "")
	set("sealed", 2, 3, "3-2")
	set("controlled", 6, 7, "3")
	is("announced", 0, 0)
	b.at(hours(1))
	begun := b.seq
	is("begun", begun, begun)
	b.at(hours(2))
	is("a unit has its own", b.seq, begun)
	b.at(hours(3))
	unit := b.seq
	is("and no more", unit, begun)
	b.at(hours(5))
	is("another notice goes on", unit, begun)
	b.at(hours(6))
	is("a building has the same", unit, begun)
	b.at(hours(7))
	is("and no more", unit, begun)
	b.at(hours(9))
	is("ended", b.seq, b.seq)
	ended := b.seq
	b.board = b.board.Based(100, "", "guarded")
	is("the first start", ended, ended)
	b.board = b.board.Based(101, "guarded", "guarded")
	is("a start", ended, ended)
	b.board = b.board.Based(102, "guarded", "sealed")
	is("the settings have another", 102, 102)
	b.seq = 102
	set("sealed", 10, 12, "")
	b.at(hours(10))
	begun = b.seq
	b.board = b.board.Based(200, "sealed", "guarded")
	is("the settings have another that does not count", begun, begun)

	var next book // the epoch after: what counted before goes on
	told := Notice{Level: "controlled", From: hours(-1), Until: hours(2)}
	d := told.Detail()
	d["entry"] = "7"
	next.entry(ledger.Event{Reason: Announced, Detail: d}, noon, Board.Noticed)
	if next.at(hours(0)) == "" || next.board.LastChange("3", "3-2") != 0 {
		t.Errorf("carried on: %+v", next.board)
	}
	if next.at(hours(2)) == "" || next.board.LastChange("3", "3-2") != next.seq {
		t.Errorf("and over: %+v", next.board)
	}
}
