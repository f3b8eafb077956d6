package amend

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gated/ledger"
	"gated/register"
	"gated/register/erasure"
	"gated/register/registertest"
)

// box is a ledger with its register, and a clock of ours.
type box struct {
	t   testing.TB
	dir string
	now time.Time
	l   *ledger.Ledger
	r   *register.Register
}

func open(t testing.TB, dir string) *box {
	b := &box{t: t, dir: dir, now: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)}
	b.open()
	t.Cleanup(b.close)
	return b
}

func (b *box) stamp() ledger.Stamp {
	b.now = b.now.Add(time.Millisecond)
	return ledger.Stamp{Time: b.now, Boot: "b00t", Mono: time.Duration(b.now.UnixNano() % 1e16), Trusted: true}
}

func (b *box) open() {
	b.t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	if b.r, err = register.New(register.Options{Dir: b.dir, Key: []byte("k"), Now: b.stamp, Log: log}); err != nil {
		b.t.Fatal(err)
	}
	b.l, err = ledger.Open(ledger.Options{Dir: b.dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: b.stamp, Log: log,
		Hangs: time.Minute, Known: b.r.Known, Follow: b.r.Follow, Recovered: b.r.Recovered})
	if err != nil {
		b.t.Fatal(err)
	}
	b.r.Start(b.l)
}

func (b *box) close() {
	b.l.Close()
	b.r.Close()
}

func (b *box) again() {
	b.t.Helper()
	b.close()
	b.open()
	if err := b.r.Wait(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) append(evs ...ledger.Event) []ledger.Entry {
	b.t.Helper()
	entries, err := b.l.Append(evs...)
	if err != nil {
		b.t.Fatal(err)
	}
	return entries
}

// step is one thing that happens at the gate.
type step struct {
	what, id, direction, who, home, class string
	of                                    int // of another step
	later                                 time.Duration
}

// annul is what the gate does.
func (b *box) annul(id string) error {
	a, err := Find(b.r, id)
	if err != nil {
		return err
	}
	ev, err := a.Annul(b.r, b.stamp())
	if err == nil {
		b.append(ev)
	}
	return err
}

// play plays a step. Of whom not is so the machine admits nobody: they are refused, or nobody decides, and it stays so.
func (b *box) play(s step, not bool) {
	b.t.Helper()
	b.now = b.now.Add(s.later)
	who := []ledger.Field{{Name: "subject", Value: s.who}, {Name: "household", Value: s.home}}
	ev := func(k ledger.Kind, verdict, was string) ledger.Event {
		e := ledger.Event{Stamp: b.stamp(), Kind: k, Passage: s.id, Lane: s.direction, Direction: s.direction, Class: s.class, Verdict: verdict,
			Reason: "ok", By: "machine", Personal: who}
		if was != "" {
			e.Detail = map[string]string{"was": was}
		}
		return e
	}
	check, query := ev(register.Check, "", ""), ev(register.Query, "", "")
	check.Personal, check.Credential = nil, "gated-pass"
	admit := map[bool]string{false: "admit", true: "refuse"}[not]
	switch s.what {
	case "at once":
		b.append(check, query, ev(register.Decided, admit, ""))
	case "held":
		query.Verdict = "hold"
		b.append(check, query)
		b.append(ledger.Event{Stamp: b.stamp(), Kind: register.Alive})
		b.append(ev(register.Decided, admit, ""))
	case "afterwards", "override":
		was := map[string]string{"afterwards": "undecided", "override": "refuse"}[s.what]
		e := b.append(check, query, ev(register.Decided, was, ""))
		c := ev(register.Correction, "admit", was)
		if c.Ref = e[2].Seq; !not {
			b.append(c)
		}
	case "refused":
		b.append(check, query, ev(register.Decided, "refuse", ""))
	case "restart":
		b.again()
	}
}

var (
	people = map[string]string{"r-1": "3-2-501", "r-2": "3-2-501", "r-3": "3-2-502", "r-4": "3-2-502", "v-1": "3-2-501"}
	homes  = []string{"3-2-501", "3-2-502"}
)

// told is what the register says of everybody.
func (b *box) told() map[string]any {
	b.t.Helper()
	if err := b.r.Wait(); err != nil {
		b.t.Fatal(err)
	}
	all := map[string]any{}
	b.r.View(func(s *register.State) {
		all["people"], all["vehicles"] = s.Inside(time.Time{}, 0)
		for who := range people {
			all[who] = s.Place(who).Where(time.Time{}, 0)
		}
		for _, home := range homes {
			for day := range 4 {
				all[fmt.Sprint(home, " ", day)] = s.Trips(home, b.now.AddDate(0, 0, -day), 2)
			}
		}
	})
	return all
}

// Whatever else happened: when some admissions were annulled, trips and whereabouts are what they would be had these never been, live,
// at the next start, without an index, and made anew.
func TestWhoDidNotGoThroughIsWhereTheyWere(t *testing.T) {
	for seed := range uint64(registertest.Sample(60, 4)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 14))
			pick := func(of ...string) string { return of[rng.IntN(len(of))] }
			var steps []step
			annulled := map[int]bool{}
			var admitted []int
			for i := range 80 {
				s := step{what: pick("at once", "at once", "held", "afterwards", "override", "refused", "annul", "annul", "restart"),
					id: fmt.Sprint("p", i), direction: pick("in", "out"), who: pick("r-1", "r-2", "r-3", "r-4", "v-1"),
					class: "resident", later: time.Duration(rng.IntN(5)) * time.Hour}
				if s.home = people[s.who]; s.who == "v-1" {
					s.class = "vehicle"
				}
				switch s.what {
				case "refused", "restart":
				case "annul":
					n := len(admitted)
					if n == 0 {
						continue
					}
					at := n - 1 // of the newest, or of any
					if rng.IntN(2) == 0 {
						at = rng.IntN(n)
					}
					s.of = admitted[at]
					annulled[s.of] = true
					admitted = append(admitted[:at:at], admitted[at+1:]...)
				default:
					admitted = append(admitted, len(steps))
				}
				steps = append(steps, s)
			}
			is, never := open(t, t.TempDir()), open(t, t.TempDir())
			for i, s := range steps {
				if s.what != "annul" {
					is.play(s, false)
					never.play(s, annulled[i])
					continue
				}
				is.now, never.now = is.now.Add(s.later), never.now.Add(s.later)
				if err := is.annul(steps[s.of].id); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			want := never.told()
			same := func(when string) {
				t.Helper()
				if d := cmp.Diff(want, is.told()); d != "" {
					t.Fatalf("%s: (-never admitted +annulled)\n%s", when, d)
				}
			}
			same("live")
			if _, equal, err := is.r.Rebuild(); err != nil || !equal {
				t.Fatalf("made anew it is the same: %t, %v", equal, err)
			}
			same("made anew")
			is.again()
			same("at the next start")
			is.close()
			os.Remove(filepath.Join(is.dir, "index.db"))
			is.open()
			same("without an index")
		})
	}
}

func passage(id, direction, who string) step {
	return step{what: "at once", id: id, direction: direction, who: who, home: people[who], class: "resident"}
}

// What cannot be annulled says why.
func TestWhatCannotBeAnnulled(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	b.play(passage("once", "in", "r-1"), false)
	b.play(passage("refused", "in", "r-2"), true)
	key := ledger.Event{Stamp: b.stamp(), Kind: register.Opening, Passage: "key", Lane: "in", Direction: "in", Verdict: "admit", Reason: "emergency-key"}
	b.append(key)
	hold := ledger.Event{Stamp: b.stamp(), Kind: register.Check, Passage: "hold", Lane: "in", Direction: "in"}
	asked := hold
	asked.Kind, asked.Verdict = register.Query, "hold"
	b.append(hold, asked)
	if err := b.annul("once"); err != nil {
		t.Fatal(err)
	}
	size := b.l.Size()
	for id, want := range map[string]string{
		"once": "annulled already", "refused": "was not admitted: it is refuse, ok", "key": "emergency key", "hold": "waits for the guard",
		"nobody": "no passage \"nobody\" in this epoch", "": "no passage \"\"",
	} {
		for _, when := range []string{"live", "at the next start"} {
			if err := b.annul(id); !errors.Is(err, ErrNot) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, %s: got %v, want %q", id, when, err, want)
			}
			if when == "live" {
				b.again()
			}
		}
	}
	if b.l.Size() != size {
		t.Errorf("%d entries were added", b.l.Size()-size)
	}
}

// However long ago a passage was, once it is annulled it counts as that, is found as that, and is not annulled again.
func TestAPassageOfLongAgoIsAnnulledOnce(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	b.play(passage("long ago", "in", "r-1"), false)
	for i := range 300 {
		b.play(passage(fmt.Sprint("p", i), "in", "r-2"), false)
	}
	b.again()
	before := b.passage("long ago")
	if err := b.annul("long ago"); err != nil {
		t.Fatal(err)
	}
	want := before
	want.Verdict, want.Reason, want.By = "refuse", register.DidNotGoThrough, "unauthenticated"
	for _, when := range []string{"live", "made anew", "at the next start"} {
		switch when {
		case "made anew":
			if _, equal, err := b.r.Rebuild(); err != nil || !equal {
				t.Errorf("made anew it is the same: %t, %v", equal, err)
			}
		case "at the next start":
			b.again()
		}
		is := b.passage("long ago")
		want.Last, want.Decided = is.Last, is.Decided
		if d := cmp.Diff(want, is); d != "" || is.Last <= before.Last {
			t.Errorf("%s: (-want +got)\n%s", when, d)
		}
		if err := b.annul("long ago"); !errors.Is(err, ErrNot) || !strings.Contains(err.Error(), "annulled already") {
			t.Errorf("%s: annulled twice: %v", when, err)
		}
		for kind, found := range map[string]func() ([]register.Passage, error){
			"by its verdict": func() ([]register.Passage, error) {
				return register.Search(b.dir, register.Filter{Verdict: "refuse", Limit: 9})
			},
			"by who it was": func() ([]register.Passage, error) { return b.r.Find("subject", "r-1", register.Filter{Limit: 9}) },
		} {
			if list, err := found(); err != nil || len(list) != 1 || list[0].ID != "long ago" || list[0].Verdict != "refuse" {
				t.Errorf("%s, %s: %+v, %v", when, kind, list, err)
			}
		}
	}
}

// passage is what the register says of one.
func (b *box) passage(id string) register.Passage {
	b.t.Helper()
	p, known, err := b.r.Passage(id)
	if err != nil || !known {
		b.t.Fatalf("passage %s: %t, %v", id, known, err)
	}
	return p
}

// What the index has not heard of yet is found all the same while an erasure is under way, however long that takes.
func TestAPassageIsFoundDuringAnErasure(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	b.play(passage("before", "in", "r-1"), false)
	if err := b.r.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := b.r.Erasing(func(lose func([]int64)) error {
		lose([]int64{1})
		for i := range 300 {
			b.play(passage(fmt.Sprint("p", i), "in", "r-2"), false)
		}
		_, err := Find(b.r, "p0")
		return err
	}); err != nil {
		t.Error(err)
	}
}

// Who was erased is annulled, and moved nowhere; nothing of them is written down once more. Their trip was forgotten with them.
func TestWhoWasErasedIsAnnulledAndMovesNowhere(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	b.play(passage("in", "in", "r-1"), false)
	b.play(passage("out", "out", "r-1"), false)
	if err := b.r.Wait(); err != nil {
		t.Fatal(err)
	}
	eraser := erasure.New(erasure.Options{Dir: b.dir, Ledger: b.l, Register: b.r, Now: b.stamp})
	if done, err := eraser.Erase(erasure.Selection{Subject: "r-1"}, "", "asked for"); err != nil || done.Entries == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	before := b.told()
	a, err := Find(b.r, "out")
	if err != nil {
		t.Fatal(err)
	}
	ev, err := a.Annul(b.r, b.stamp())
	if err != nil || len(ev.Personal) > 0 || ev.Detail[register.Where] != "" {
		t.Fatalf("%+v, %v", ev, err)
	}
	b.append(ev)
	if d := cmp.Diff(before, b.told()); d != "" {
		t.Error(d)
	}
	if err := b.annul("out"); !errors.Is(err, ErrNot) {
		t.Errorf("annulled twice: %v", err)
	}
}

// Who moves, or is erased, while an annulment is made is not where it says: it is made again.
func TestAnAnnulmentIsRightStill(t *testing.T) {
	t.Parallel()
	for what, meanwhile := range map[string]func(b *box){
		"nothing":            func(*box) {},
		"another passes":     func(b *box) { b.play(passage("other", "in", "r-2"), false) },
		"they pass":          func(b *box) { b.play(passage("same", "in", "r-1"), false) },
		"somebody is erased": func(b *box) { b.append(ledger.Event{Stamp: b.stamp(), Kind: ledger.Erase}) },
	} {
		b := open(t, t.TempDir())
		b.play(passage("out", "out", "r-1"), false)
		a, err := Find(b.r, "out")
		if err == nil {
			_, err = a.Annul(b.r, b.stamp())
		}
		if err != nil {
			t.Fatal(err)
		}
		meanwhile(b)
		if want := what == "nothing" || what == "another passes"; a.Still(b.r) != want {
			t.Errorf("%s: right still is %t", what, !want)
		}
	}
}

// What a guard says afterwards opens nothing. Where its commit failed and is there all the same it stands, and takes nothing else along.
func TestAnAnnulmentWhoseCommitFailedStands(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	b.play(passage("in", "in", "r-1"), false)
	a, err := Find(b.r, "in")
	if err != nil {
		t.Fatal(err)
	}
	ev, err := a.Annul(b.r, b.stamp())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.r.Recovered(b.append(ev), b.stamp()); len(got) > 0 {
		t.Errorf("it is taken back: %+v", got)
	}
}

// A commit that failed and is there all the same moved nobody: they are where they were, also where nobody knew.
func TestACommitThatFailedMovesNobody(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "in", "out"} {
		for _, tried := range [][]string{{"in"}, {"out"}, {"in", "out"}, {"out", "in"}} {
			t.Run(before+" then "+strings.Join(tried, " "), func(t *testing.T) {
				t.Parallel()
				b := open(t, t.TempDir())
				if before != "" {
					b.play(passage("before", before, "r-1"), false)
				}
				want := b.told()
				size := b.l.Size()
				for i, direction := range tried {
					b.play(passage(fmt.Sprint("p", i), direction, "r-1"), false)
				}
				b.append(b.r.Recovered(b.entries(size), b.stamp())...)
				if d := cmp.Diff(want, b.told()); d != "" {
					t.Errorf("(-before +after)\n%s", d)
				}
				b.again()
				if d := cmp.Diff(want, b.told()); d != "" {
					t.Errorf("at the next start (-before +after)\n%s", d)
				}
			})
		}
	}
}

// entries reads those after one.
func (b *box) entries(after int64) (list []ledger.Entry) {
	b.t.Helper()
	in, err := register.OpenReader(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	defer in.Close()
	if err := in.Scan(after+1, 1<<62, true, func(e *ledger.Entry) error { list = append(list, *e); return nil }); err != nil {
		b.t.Fatal(err)
	}
	return list
}

// The minutes that a guard has are counted by the clock that nobody sets, in one run of the box.
func TestAgeIsNotByTheWallClock(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	b.play(passage("p", "in", "r-1"), false)
	a, err := Find(b.r, "p")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		now  ledger.Stamp
		want time.Duration
	}{
		"set back":    {ledger.Stamp{Time: a.Said.At.Add(-time.Hour), Boot: "b00t", Mono: time.Duration(a.Said.Mono)*time.Microsecond + time.Minute}, time.Minute},
		"another run": {ledger.Stamp{Time: a.Said.At.Add(time.Hour), Boot: "other"}, time.Hour},
		"both":        {ledger.Stamp{Time: a.Said.At.Add(-time.Hour), Boot: "other"}, time.Hour},
	} {
		if got := a.Age(c.now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A disk that does not answer keeps no guard waiting.
func TestNobodyWaitsForTheDiskToPutSomethingRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan bool)
		defer close(answers)
		began := time.Now()
		x := within(patience, func() looked { <-answers; return looked{} })
		if x.err == nil || !strings.Contains(x.err.Error(), "did not answer for 2s: try again") || time.Since(began) != patience {
			t.Errorf("%v after %s", x.err, time.Since(began))
		}
		if x := within(patience, func() looked { return looked{err: ErrNot} }); !errors.Is(x.err, ErrNot) {
			t.Error(x.err)
		}
	})
}
