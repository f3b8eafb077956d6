package register

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gated/ledger"
	"gated/register/byhand"
	"gated/register/shift"
	"gated/register/slips"
	"gated/register/visits"
)

// life plays at random what happens at a gate.
type life struct {
	t   testing.TB
	rng *rand.Rand
	ck  *clock
	b   *box
	n   int
	ids []string // of passages on hold, or decided long ago
	due []int64  // emergency openings
}

func (g *life) pick(of ...string) string { return of[g.rng.IntN(len(of))] }

// stamp is now, by a clock that is not always trusted.
func (g *life) stamp() Stamp {
	s := g.ck.now()
	s.Trusted = g.rng.IntN(8) > 0
	return s
}

func (g *life) step() {
	t, rng, b := g.t, g.rng, g.b
	g.n++
	id := fmt.Sprint("p", g.n)
	direction, class := g.pick("in", "out"), g.pick("resident", "resident", "resident", "courier", "staff", "vehicle")
	who := []Field{{Name: "subject", Value: fmt.Sprint(g.pick("r-", "r-", "3-2-"), rng.IntN(6))}, {Name: "household", Value: fmt.Sprint("3-2-", rng.IntN(3))},
		{Name: "name", Value: g.pick("王小明", "Ann Lee", "")}, {Name: "plate", Value: g.pick("粤B12345", "粤B·99945", "")}}
	who = slices.DeleteFunc(who, func(f Field) bool { return f.Value == "" })
	s := g.stamp()
	event := func(k ledger.Kind, verdict string) Event {
		return Event{Stamp: s, Kind: k, Passage: id, Lane: direction, Direction: direction, Class: class, Verdict: verdict, Reason: g.pick("a", "b"), By: "machine"}
	}
	begun := []Event{event(Check, ""), event(Query, "hold")}
	begun[0].Personal, begun[1].Personal = []Field{{Name: "stated_name", Value: g.pick("王小明", "Bo")}}, who
	day := s.Time.In(shanghai)
	back := map[string]string{Due: s.Time.Add(time.Duration(rng.IntN(9)) * time.Hour).Format(time.RFC3339)}
	n := rng.IntN(53)
	switch {
	case n > 47:
		g.visit(s, begun)
	case n < 12:
		done := event(Decided, g.pick("admit", "admit", "refuse"))
		done.Personal = who[:2]
		if rng.IntN(2) == 0 {
			done.Detail = back
		}
		es := mustAppend(t, b, append(begun, done)...)
		if rng.IntN(5) == 0 {
			mustAppend(t, b, b.reg.Recovered(es, g.ck.now())...)
		}
		if rng.IntN(3) == 0 {
			g.ids = append(g.ids, id) // for a pulse that is told late
		}
	case n < 16:
		mustAppend(t, b, begun...)
		g.ids = append(g.ids, id)
	case n < 20 && len(g.ids) > 0:
		id = g.ids[rng.IntN(len(g.ids))]
		ev := event(ledger.Kind(g.pick(string(Decided), string(Opening), string(Sensor), string(Correction))), "")
		if ev.Kind == Decided || ev.Kind == Correction {
			ev.Verdict, ev.Personal = g.pick("admit", "refuse", "hold", "undecided"), who
			ev.Detail = map[string]string{"was": g.pick("admit", "admit", "refuse", "undecided"), Where: g.pick("inside", "outside", ""), Due: back[Due],
				Came: g.pick("", s.Time.Add(-time.Duration(rng.IntN(50))*time.Hour).Format(time.RFC3339))}
		}
		if rng.IntN(2) == 0 {
			ev.Ref = 1 + rng.Int64N(b.Size())
		}
		mustAppend(t, b, ev)
	case n < 22:
		ev := event(Opening, "admit")
		g.due = append(g.due, mustAppend(t, b, ev)[0].Seq)
	case n < 24 && len(g.due) > 0:
		seq := g.due[rng.IntN(len(g.due))]
		b.View(func(st *State) { id = st.ToAccountFor[seq].ID })
		ev := event(Decided, "admit")
		ev.Ref = seq
		mustAppend(t, b, ev)
	case n < 27:
		mustAppend(t, b, Event{Stamp: s, Kind: ledger.Kind(g.pick("start", "stop", "signon", "level", "backup", "alive", "roster", "close-by-hand", "alarm")), Lane: direction, Reason: g.pick("sealed", LatchLost), Detail: map[string]string{"level": "normal", TripDays: g.pick("1", "2", "31")}})
	case n == 38 && rng.IntN(2) == 0:
		d := map[string]string{"word": "dialysis", "from": s.Time.Format(time.RFC3339), "until": s.Time.Add(time.Hour).Format(time.RFC3339)}
		whom := rng.IntN(2) // a person or a household, never both
		mustAppend(t, b, Event{Stamp: s, Kind: Mark, Reason: g.pick("exempt", "watch", "ended"), Ref: rng.Int64N(b.Size() + 1), Detail: d, Personal: who[whom : whom+1]})
	case n == 39:
		d := map[string]string{"level": "sealed", "number": "7", "place": g.pick("", "3"), "from": s.Time.Format(time.RFC3339),
			"until": s.Time.Add(time.Duration(rng.IntN(40)) * time.Hour).Format(time.RFC3339)}
		mustAppend(t, b, Event{Stamp: s, Kind: Notice, Reason: g.pick("announced", "ordered", "prepared", "started", "ended"), Ref: rng.Int64N(b.Size() + 1), Detail: d})
		var due []Event
		b.View(func(st *State) { due = st.Levels.Due(s.Time, "normal") })
		for _, ev := range due {
			ev.Kind, ev.Stamp = Level, s
			mustAppend(t, b, ev)
		}
	case n == 44:
		mustAppend(t, b, Event{Stamp: s, Kind: SignOn, Detail: map[string]string{Shift: g.pick(GoesOn, shift.Joins, "")}})
	case n == 45: // of a shift
		ev := Event{Stamp: s, Kind: ledger.Kind(g.pick(string(SignOff), string(HandOver), string(Log), string(Log), string(Count))), Reason: g.pick("moment", "patrol"),
			Detail: map[string]string{shift.Number: g.pick("1", "5", "-3")}}
		b.View(func(st *State) {
			now := &st.Shift.Now
			if len(now.Guards) > 0 && ev.Kind == SignOff {
				ev.Ref = now.Guards[0].Entry
			} else if len(now.Notes) > 0 && rng.IntN(2) == 0 {
				ev.Ref = now.Notes[rng.IntN(len(now.Notes))]
			}
		})
		mustAppend(t, b, ev)
	case n > 45: // a slip, or that one was used
		ev := Event{Stamp: s, Kind: Slip, Reason: slips.Issued, Personal: who[1:2],
			Detail: map[string]string{"slip": id, "until": s.Time.Add(time.Duration(rng.IntN(300)) * time.Hour).Format(time.RFC3339)}}
		b.View(func(st *State) {
			if len(st.Slips) > 0 && rng.IntN(3) == 0 {
				ev.Reason, ev.Ref = slips.Used, st.Slips[rng.IntN(len(st.Slips))].Entry
			}
		})
		mustAppend(t, b, ev)
	case n == 43: // nobody decided
		done := event(Decided, "undecided")
		done.Reason = g.pick("undecided", "undecided-restart", Superseded)
		mustAppend(t, b, append(begun, done)...)
		g.ids = append(g.ids, id)
	case n == 42: // of the epoch before
		if back["day"] = day.Format(time.DateOnly); rng.IntN(2) == 0 {
			back[Unsure] = "yes"
		}
		mustAppend(t, b, Event{Stamp: s, Kind: Trip, Direction: "out", Class: class, Detail: back, Personal: who[rng.IntN(2):2]})
	case n > 39 && n < 42: // opened by hand, ended, or told of once more
		ev := Event{Stamp: s, Kind: ByHand, Lane: direction, Direction: direction, Reason: "school-run"}
		b.View(func(st *State) {
			if o, is := st.ByHand[direction]; is && rng.IntN(4) > 0 {
				ev = o.Told(s, g.pick(byhand.Shut, byhand.Restart, byhand.GoesOn), g.pick("5", byhand.Uncounted))
				ev.Ref -= int64(rng.IntN(2)) * rng.Int64N(2) // or some other entry
			}
		})
		mustAppend(t, b, ev)
	case n == 27:
		mustAppend(t, b, Event{Stamp: s, Kind: Clock, Reason: g.pick("clock-corrected", "clock-confirmed")})
	case n == 28:
		mustAppend(t, b, Event{Stamp: s, Kind: ledger.Keep, Detail: map[string]string{"from": "2026-11-01", "to": day.Format(time.DateOnly)}})
	case n == 29:
		for seq := range b.reg.Keeps() {
			mustAppend(t, b, Event{Stamp: s, Kind: ledger.Keep, Reason: "lifted", Ref: seq})
			break
		}
	case n < 31:
		g.ck.set(day.Add(time.Duration(rng.IntN(40)) * time.Hour).Format(time.DateTime))
	case n == 33:
		g.ck.set(day.Add(-time.Duration(rng.IntN(60)) * time.Hour).Format(time.DateTime))
	case n == 34 && b.Size() > 0: // some of all
		var seqs []int64
		for seq := 1 + rng.Int64N(b.Size()); seq <= b.Size(); seq += 1 + rng.Int64N(5) {
			seqs = append(seqs, seq)
		}
		erase(t, b, seqs, "")
	case (n < 37 && n > 34 || n == 31 || n == 32) && b.Size() > 0:
		erase(t, b, []int64{1 + rng.Int64N(b.Size())}, g.pick("", "subject", "household", "name"))
	case (n == 37 || n == 38) && b.Size() > 0: // all that is old
		var seqs []int64
		for seq := int64(1); seq <= b.Size()*int64(rng.IntN(10))/10; seq++ {
			seqs = append(seqs, seq)
		}
		erase(t, b, seqs, "")
	default:
		b.reg.flush()
	}
	if n > 33 && n < 39 && rng.IntN(2) == 0 {
		verify(t, b)
	}
}

// visit is what happens to one of a few visits.
func (g *life) visit(s Stamp, begun []Event) {
	of := map[string]string{visits.ID: g.pick("v1", "v2", "v3", "v4"), visits.Heads: g.pick("", "1", "3")}
	if g.rng.IntN(3) == 0 {
		ev := Event{Stamp: s, Kind: Visit, Class: "visitor", Reason: g.pick(append(visits.Made, visits.Ended, visits.Reprinted)...), Detail: of,
			Personal: []Field{{Name: "host", Value: g.pick("3-2-1", "3-2-1 office")}, {Name: "name", Value: "王小明"}, {Name: "digits", Value: g.pick("111111", "222222")}}}
		if g.rng.IntN(2) == 0 { // told of again, maybe in a new epoch
			of[visits.Again], of[visits.Used], of[visits.UsedOn] = "1", g.pick("", "1", "3"), g.pick("", s.Time.In(shanghai).Format(time.DateOnly))
			of[visits.Inside], of[visits.CameIn] = g.pick("", "1", "2"), g.pick("", s.Time.Format(time.RFC3339))
		}
		of[visits.Entries], of[visits.Until] = g.pick("", "1", "4"), s.Time.Add(time.Duration(g.rng.IntN(90))*time.Hour).Format(time.RFC3339)
		mustAppend(g.t, g.b, ev)
		return
	}
	done := begun[1]
	done.Kind, done.Verdict, done.Detail, done.Personal = Decided, g.pick("admit", "admit", "refuse"), of, nil
	begun[1].Verdict, begun[1].Personal = "", nil
	es := mustAppend(g.t, g.b, append(begun, done)...)
	if g.rng.IntN(5) == 0 {
		mustAppend(g.t, g.b, g.b.reg.Recovered(es, g.ck.now())...)
	}
}

// Whatever is recorded, erased, kept and lifted, by whatever clock, with how ever much of it in the index: the running
// state and its index are what the entries that can still be read add up to, live, at the next start, after a kill, with an
// index that is behind, without one, and by a rebuild.
func TestTheRegisterIsWhatCanStillBeRead(t *testing.T) {
	for seed := range uint64(sample(40, 3)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			g := &life{t: t, rng: rand.New(rand.NewPCG(seed, 12)), ck: &clock{}}
			g.ck.set("2026-11-01 06:00:00")
			dir := t.TempDir()
			again := func(dir string) {
				opt, own := options(dir, g.ck)
				near, merge := int64(g.rng.IntN(2)*shortTail), 0
				if g.rng.IntN(3) > 0 {
					merge = 1 + g.rng.IntN(30)
				}
				g.b = startNear(t, opt, own, near, merge)
			}
			again(dir)
			stale := ""
			for i := range 250 {
				g.step()
				switch g.rng.IntN(50) {
				case 0:
					verify(t, g.b)
				case 1: // an orderly end
					g.b.Close()
					again(dir)
				case 2: // a kill
					killed := open(t, cutOff(t, dir), g.ck)
					verify(t, killed)
					killed.Close()
				case 3:
					stale = cutOff(t, dir)
				case 4:
					if n, equal, err := g.b.reg.Rebuild(); err != nil || !equal {
						t.Fatalf("step %d: %d entries, equal %t, %v", i, n, equal, err)
					}
				case 5:
					g.b.Close()
					os.Remove(filepath.Join(dir, "index.db"))
					again(dir)
				}
			}
			verify(t, g.b)
			if stale != "" {
				verify(t, open(t, withIndexOf(t, dir, stale), g.ck))
			}
		})
	}
}
