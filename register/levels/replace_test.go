package levels

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"gated/ledger"
)

// set puts a level into force in the place of others, and tells why it cannot be.
func (b *book) set(n Notice, now time.Time, replace bool) (entry int64, err error) {
	n.Number, n.Issuer = "1", "X"
	events, err := b.board.MakeRoom(&n, now, replace)
	if err != nil {
		return 0, err
	}
	for _, ev := range events {
		b.entry(ev, now, Board.Noticed)
	}
	return b.notice(Announced, 0, n), nil
}

// withdraw takes one back.
func (b *book) withdraw(entry int64, now time.Time) {
	n, _ := b.board.Notice(entry)
	for _, ev := range b.board.GiveBack(&n) {
		b.entry(ev, now, Board.Noticed)
	}
	b.notice(Ended, entry, Notice{Until: now})
}

// again is the board as the index has it, or as the epoch after is told of it.
func (b *book) again(t *testing.T, epoch bool) {
	t.Helper()
	was := b.board
	b.board = Board{}
	if !epoch {
		text, err := json.Marshal(was)
		if err := errors.Join(err, json.Unmarshal(text, &b.board)); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, n := range was.Lasting(noon) {
		d := n.Detail()
		d["entry"] = fmt.Sprint(n.Entry)
		b.entry(ledger.Event{Reason: Announced, Detail: d}, noon, Board.Noticed)
	}
}

// ahead is which levels count in the compound, in hours from noon.
func (b *book) ahead() string {
	said := b.board.Ahead("", noon, "guarded")
	said = regexp.MustCompile(` \((entry \d+|gate[a-z. ]+)\)`).ReplaceAllString(said, "")
	said = strings.NewReplacer("compound: now ", "0:", "from ", "", ";", "", "\n", "").Replace(said)
	return regexp.MustCompile(`(\d+-\d+-\d+ \d+:\d+) `).ReplaceAllStringFunc(said, func(when string) string {
		at, _ := time.Parse(minute+" ", when)
		return fmt.Sprint(at.Sub(noon).Hours(), ":")
	})
}

// One that takes the place of another and is withdrawn before it begins leaves the other as it was, after a restart and in the epoch
// after, too; unless somebody has ended the other meanwhile.
func TestWhatIsWithdrawnGivesBackWhatItCutShort(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does func(b *book, first, second int64)
		want string
	}{
		"withdrawn":       {func(b *book, _, second int64) { b.withdraw(second, hours(1)) }, "0:controlled 40:guarded"},
		"begun and ended": {func(b *book, _, second int64) { b.notice(Ended, second, Notice{Until: hours(12)}) }, "0:controlled 10:sealed 12:guarded"},
		"the other ended earlier": {func(b *book, first, second int64) {
			b.notice(Ended, first, Notice{Until: hours(5)})
			b.withdraw(second, hours(1))
		}, "0:controlled 5:guarded"},
		"the other ended just then": {func(b *book, first, second int64) {
			b.notice(Ended, first, Notice{Until: hours(10)})
			b.withdraw(second, hours(1))
		}, "0:controlled 10:guarded"},
		"given an end just then": {func(b *book, first, second int64) {
			b.notice(Completed, first, Notice{Until: hours(10)})
			b.withdraw(second, hours(1))
		}, "0:controlled 10:guarded"},
		"another behind it": {func(b *book, _, second int64) {
			b.set(Notice{Level: "normal", From: hours(20), Until: hours(30)}, hours(1), false)
			b.withdraw(second, hours(1))
		}, "0:controlled 20:normal 30:guarded"},
		"elsewhere": {func(b *book, _, second int64) {
			b.set(Notice{Level: "normal", Place: "3", From: hours(1)}, hours(1), false)
			b.withdraw(second, hours(1))
		}, "0:controlled 40:guarded"},
	} {
		for _, how := range []string{"", "index", "epoch"} {
			var b book
			first, err1 := b.set(Notice{Level: "controlled", From: noon, Until: hours(40)}, noon, false)
			second, err2 := b.set(Notice{Level: "sealed", From: hours(10), Until: hours(20)}, noon, true)
			if err := errors.Join(err1, err2); err != nil || b.ahead() != "0:controlled 10:sealed 20:guarded" {
				t.Fatal(err, b.ahead())
			}
			if how != "" {
				b.again(t, how == "epoch")
				first, second = b.board.Notices[0].Entry, b.board.Notices[1].Entry
			}
			if c.does(&b, first, second); b.ahead() != c.want {
				t.Errorf("%s %s: %s, want %s", name, how, b.ahead(), c.want)
			}
		}
	}
}

// However many take each other's place, and in whatever order they are withdrawn: once all are, it is as if they had never been.
func TestWithdrawnNoticesLeaveNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 2))
		random := func(from int) Notice {
			n := Notice{Level: fmt.Sprint("l", r.IntN(1000)), From: hours(from + r.IntN(40))}
			if r.IntN(3) > 0 {
				n.Until = n.From.Add(time.Duration(1+r.IntN(20)) * time.Hour)
			}
			return n
		}
		var b book
		for range r.IntN(4) {
			b.set(random(0), noon, false)
		}
		was := b.ahead()
		var set []int64
		for range 1 + r.IntN(6) {
			if entry, err := b.set(random(1), noon, r.IntN(3) > 0); err == nil {
				set = append(set, entry)
			}
			if len(set) > 0 && r.IntN(4) == 0 {
				b.withdraw(set[0], noon)
				set = set[1:]
			}
		}
		r.Shuffle(len(set), func(i, j int) { set[i], set[j] = set[j], set[i] })
		for _, entry := range set {
			b.withdraw(entry, noon)
			for i, n := range b.board.Notices {
				if err := b.board.Check(&n, noon); err != nil {
					t.Fatalf("seed %d: %d: %v", seed, i, err)
				}
			}
		}
		if got := b.ahead(); got != was {
			t.Fatalf("seed %d: %s, want %s", seed, got, was)
		}
	}
}

// None takes the place of one that is announced for later, which would be gone without a word: it is named, with what to do.
func TestNoneTakesThePlaceOfOneThatBeginsLater(t *testing.T) {
	t.Parallel()
	var b book
	if _, err := b.set(Notice{Level: "sealed", From: hours(10)}, noon, false); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		n    Notice
		want string
	}{
		"open":       {Notice{Level: "normal", From: noon}, `begins meanwhile: give --until "2026-11-28 22:00", or withdraw it first by "gated level end 1"`},
		"beyond it":  {Notice{Level: "normal", From: hours(3), Until: hours(30)}, `begins meanwhile: give --until "2026-11-28 22:00", or`},
		"just then":  {Notice{Level: "normal", From: hours(10)}, `begins then: withdraw it first by "gated level end 1"`},
		"until then": {Notice{Level: "normal", From: noon, Until: hours(10)}, ""},
		"after it":   {Notice{Level: "normal", From: hours(11)}, ""},
	} {
		before := len(b.board.Notices)
		_, err := (&book{board: b.board, seq: b.seq}).set(c.n, noon, true)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !errors.As(err, new(*Overlap))) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if len(b.board.Notices) != before {
			t.Errorf("%s: %+v", name, b.board.Notices)
		}
	}
}
