package gate

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gated/gate/ruling"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/erasure"
)

// trips of the household of 王小明 and 李芳, today.
func (s *site) trips() (n int) {
	s.register.View(func(st *register.State) { n = st.Trips("3-2-501", s.now().In(s.l.Zone()), 1) })
	return n
}

// Who was admitted and did not go through is where they were, and their household has its trip back; the code is no repeat any more.
func TestWhoDidNotGoThroughIsAnnulled(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "in", "out"} {
		for _, lane := range []string{"in", "out"} {
			t.Run(before+" then "+lane, func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				code := s.pass("resident", s.subject("王小明"), month)
				if before != "" {
					s.scan(before, s.pass("resident", s.subject("王小明"), month))
					s.wall(true, 3*time.Minute) // the same way again at once is on hold
				}
				was, trips := s.whereabouts(s.subject("王小明")), s.trips()
				out := s.scan(lane, code)
				if shown := s.g.View().Recent[0]; !shown.Amend || shown.Passage != out.Passage {
					t.Errorf("the page has %+v", shown)
				}
				if err := s.g.Annul(out.Passage, ""); err != nil {
					t.Fatal(err)
				}
				if got := s.whereabouts(s.subject("王小明")); got != was || s.trips() != trips {
					t.Errorf("they are %q with %d trips, want %q with %d", got, s.trips(), was, trips)
				}
				s.register.View(func(st *register.State) {
					if since, known := st.Place(s.subject("王小明")).Since(s.now()); !known || since > time.Minute {
						t.Errorf("they passed at least %v ago, %t: nobody knows more than that it was before now", since, known)
					}
				})
				if shown := s.g.View().Recent[0]; shown.Amend || shown.Verdict != policy.Refuse || shown.Reason != "did-not-go-through" || s.last(lane).Passage != "" {
					t.Errorf("the page has %+v, the lane %+v", shown, s.last(lane))
				}
				if err := s.g.Annul(out.Passage, ""); !errors.Is(err, ErrNotAnnulled) {
					t.Errorf("annulled twice: %v", err)
				}
				if again := s.scan(lane, code); again.Repeat || again.Passage == out.Passage {
					t.Errorf("held up again: %+v", again)
				}
				if _, equal, err := s.register.Rebuild(); err != nil || !equal {
					t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
				}
				for _, e := range s.records() {
					if e.Kind == register.Correction && (e.Personally("subject") != s.subject("王小明") || e.Personally("household") != "3-2-501") {
						t.Errorf("%s %v", e.Raw, e.Personal)
					}
				}
			})
		}
	}
}

// Guards put right what their own shift admitted a moment ago. Later somebody else does, who says why.
func TestWhoMayAnnulUntilWhen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.scan("in", s.pass("resident", s.subject("王小明"), month))
	if err := s.g.SignOn("周建国"); err != nil {
		t.Fatal(err)
	}
	if err := s.g.Annul(first.Passage, ""); !errors.Is(err, ErrTooLate) || s.g.View().Recent[0].Amend {
		t.Errorf("of the shift before: %v, %+v", err, s.g.View().Recent[0])
	}
	second := s.scan("in", s.pass("resident", s.subject("李芳"), month))
	s.end()
	s.start()
	s.wall(true, time.Hour)
	if err := s.g.Annul(second.Passage, ""); err != nil {
		t.Errorf("the wall clock was set, and it is the same minute: %v", err)
	}
	if err := s.g.As(root).Annul(first.Passage, "turned back at the barrier, camera 2"); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range s.records() {
		if e.Kind == register.Correction && e.Passage == first.Passage {
			found++
			if e.Personally("by") != "root" || e.Personally("note") == "" || e.Personally("guard") != "" || strings.Contains(says(&e), "camera") {
				t.Errorf("%s %v", e.Raw, e.Personal)
			}
		}
	}
	if s.whereabouts(s.subject("王小明")) != "" || found != 1 {
		t.Errorf("annulled %d times, they are %q", found, s.whereabouts(s.subject("王小明")))
	}
	var more atomic.Int64
	s.end()
	mono := s.src.Mono
	s.src.Mono = func() time.Duration { return mono() + time.Duration(more.Load()) }
	s.start()
	late := s.scan("in", s.pass("resident", s.subject("李芳"), month))
	more.Store(int64(amendWithin + time.Second))
	if err := s.g.Annul(late.Passage, ""); !errors.Is(err, ErrTooLate) {
		t.Errorf("after ten minutes: %v", err)
	}
	s.broken.Store(true)
	third := s.scan("in", s.pass("resident", s.subject("李芳"), month))
	if err := s.g.Annul(third.Passage, ""); err == nil {
		t.Error("a passage that was not recorded")
	}
	s.broken.Store(false)
}

// In a fault nothing is annulled, and it is said.
func TestNothingIsAnnulledInAFault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	out := s.scan("in", s.pass("resident", s.subject("王小明"), month))
	s.broken.Store(true)
	for range 2 { // the first try finds the fault
		if err := s.g.Annul(out.Passage, ""); !errors.Is(err, ErrLedger) {
			t.Errorf("got %v", err)
		}
	}
	s.broken.Store(false)
	until(t, "the ledger works", func() bool { return !s.g.Fault() })
	if got := s.whereabouts(s.subject("王小明")); got != "inside" {
		t.Errorf("they are %q", got)
	}
}

// The wrong person was admitted, or the right one in the wrong direction. One call puts both passages right, and opens nothing.
func TestTheRightPersonAndDirectionAreRecordedInstead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, right, lane string
		wrong, is         string // where they are then
		trips             int
	}{
		{"another person", "李芳", "out", "", "outside", 1},
		{"the other direction", "", "in", "inside", "inside", 0},
		{"both", "李芳", "in", "", "inside", 0},
		{"one of no household", "赵六", "out", "", "outside", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			wrong := s.scan("out", s.pass("resident", s.subject("王小明"), month))
			s.g.work.Wait()
			size := s.l.Size()
			right := Right{Lane: c.lane}
			if c.right != "" {
				right.Person = s.subject(c.right)
			}
			out, err := s.g.Correct(wrong.Passage, right, "")
			if err != nil || out.Verdict != policy.Admit || out.Reason != register.Corrected || out.Passage == wrong.Passage {
				t.Fatalf("%+v, %v", out, err)
			}
			who := s.subject("王小明")
			if c.right != "" {
				who = s.subject(c.right)
			}
			if got, is := s.whereabouts(s.subject("王小明")), s.whereabouts(who); got != c.wrong || is != c.is || s.trips() != c.trips {
				t.Errorf("the wrong one is %q, the right one %q, with %d trips; want %q, %q, %d", got, is, s.trips(), c.wrong, c.is, c.trips)
			}
			if s.l.Size() != size+4 {
				t.Errorf("%d entries: an annulment, and a passage", s.l.Size()-size)
			}
			s.g.work.Wait()
			all := s.records()
			done := all[len(all)-1]
			if said := all[done.Ref-1]; done.Kind != register.Decided || said.Passage != wrong.Passage || said.Verdict != policy.Admit {
				t.Errorf("the last entry is %s, about %s", done.Raw, said.Raw)
			}
			if _, equal, err := s.register.Rebuild(); err != nil || !equal {
				t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
			}
			if _, err := s.g.Correct(wrong.Passage, right, ""); !errors.Is(err, ErrNotAnnulled) {
				t.Errorf("corrected twice: %v", err)
			}
			if err := s.g.Annul(out.Passage, ""); err != nil || s.whereabouts(who) != "" {
				t.Errorf("the right one was none either: %v, they are %q", err, s.whereabouts(who))
			}
		})
	}
}

// What is right instead is no refusal, whatever the rules say of whom it is.
func TestWhoIsRightInsteadIsNotRefusedFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	source := strings.Replace(string(policy.Shipped().Source()), "\nrules:\n", "\nrules:\n  - {name: no-staff, when: {class: staff, valid: false}, then: refuse}\n", 1)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = must(policy.Parse("own", []byte(source))) }))
	wrong := s.scan("in", s.pass("resident", s.subject("李芳"), month))
	right := must(s.g.As(root).Correct(wrong.Passage, Right{"in", s.subject("赵六")}, "camera 2"))
	var told []string
	for _, e := range s.records() {
		if e.Passage == right.Passage {
			told = append(told, strings.Join([]string{string(e.Kind), e.Verdict, e.Reason}, " "))
		}
	}
	if got := strings.Join(told, ", "); got != "check  found-by-room, query hold no-staff, register admit corrected" {
		t.Errorf("on record are %s", got)
	}
}

// What a guard says of a passage afterwards opens nothing. Where its commit failed and is there all the same, it stands, whole.
func TestWhatAGuardSaidStandsAlthoughItsCommitFailed(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"corrected", "went-through", "turned-away", "unseen", "who-passed"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			validity := month
			if what != "corrected" {
				validity = -time.Minute // on hold
			}
			out := s.scan("in", s.pass("resident", s.subject("王小明"), validity))
			if h := s.g.desk.holds[out.Passage]; h != nil {
				s.g.expire(h)
			}
			if _, err := s.g.Emergency("out"); err != nil {
				t.Fatal(err)
			}
			s.g.work.Wait()
			before := s.l.Size()
			var err error
			switch what {
			case "corrected":
				_, err = s.g.Correct(out.Passage, Right{Lane: "in", Person: s.subject("李芳")}, "")
			case "who-passed":
				err = s.g.AccountFor(s.g.View().ToAccountFor[0].ID, "fire engine")
			default:
				err = s.g.Afterwards(out.Passage, what)
			}
			if err != nil {
				t.Fatal(err)
			}
			if back := s.register.Recovered(s.records()[before:], s.g.clock.Now()); len(back) > 0 {
				t.Errorf("taken back: %+v", back)
			}
		})
	}
}

// Whoever comes to a lane does not wait while what is put right is looked up, which may wait for the index.
func TestNobodyWaitsForWhatIsPutRight(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(g *Gate) error{
		"annul":   func(g *Gate) error { return g.Annul("older", "") },
		"correct": func(g *Gate) error { _, err := g.Correct("older", Right{Lane: "in"}, ""); return err },
	} {
		s := newSite(t)
		db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "index.db")+"?_txlock=immediate&_pragma=busy_timeout(10000)")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		tx, err := db.Begin() // somebody else writes the index
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		s.scan("out", s.pass("resident", s.subject("王小明"), month)) // of which the index has not heard
		done := make(chan error, 1)
		go func() { done <- put(s.g) }()
		until(t, name+": it is looked up", func() bool {
			free := s.g.amending.TryLock()
			if free {
				s.g.amending.Unlock()
			}
			return !free
		})
		s.scan("in", s.pass("resident", s.subject("李芳"), month))
		select {
		case err := <-done:
			t.Fatalf("%s: whoever came waited for it: %v", name, err)
		default:
		}
		tx.Rollback()
		if err := <-done; !errors.Is(err, ErrNotAnnulled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is right counts as of now. So it is recorded on the day only, and of nobody who has passed since.
func TestACorrectionThatComesTooLateMovesNobody(t *testing.T) {
	t.Parallel()
	for name, since := range map[string]func(s *site){
		"the next day":   func(s *site) { s.wall(true, 24*time.Hour-time.Second) },
		"they came home": func(s *site) { s.scan("in", s.pass("resident", s.subject("李芳"), month)) },
		"both": func(s *site) {
			s.scan("in", s.pass("resident", s.subject("李芳"), month))
			s.wall(true, 24*time.Hour-time.Second)
		},
	} {
		s := newSite(t)
		wrong := s.scan("out", s.pass("resident", s.subject("王小明"), month))
		since(s)
		where, trips := s.whereabouts(s.subject("李芳")), s.trips()
		_, err := s.g.As(root).Correct(wrong.Passage, Right{"out", s.subject("李芳")}, "camera 2")
		if got := s.whereabouts(s.subject("李芳")); !errors.Is(err, ErrPast) || !errors.Is(err, ErrNotAnnulled) || !strings.Contains(err.Error(), "annul the passage instead") ||
			got != where || s.trips() != trips {
			t.Errorf("%s: %v; they are %q with %d trips", name, err, got, s.trips())
		}
		if err := s.g.As(root).Annul(wrong.Passage, "camera 2"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatCannotBeCorrected(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	out := s.scan("out", s.pass("resident", s.subject("王小明"), month))
	car := s.scan("in", s.pass("vehicle", s.subject("粤B12345"), month))
	home := s.scan("in", s.pass("household", "3-2-501", month))
	courier := s.scan("out", "GP1:PARCEL4711")
	if _, err := s.g.Decide(courier.Passage, Ruling{Verdict: "admit", Reason: ruling.Reasons["admit"][0]}); err != nil {
		t.Fatal(err)
	}
	size := func() int64 { s.g.work.Wait(); return s.l.Size() }
	before := size()
	for name, c := range map[string]struct {
		passage string
		right   Right
		want    error
	}{
		"no lane":                {out.Passage, Right{Lane: "back"}, ErrUnknownLane},
		"nobody":                 {out.Passage, Right{"in", "r-999999"}, ErrUnknownPerson},
		"a car goes by no room":  {car.Passage, Right{Lane: "out"}, ErrNoPerson},
		"nor does a household":   {home.Passage, Right{Lane: "out"}, ErrNoPerson},
		"nor does a courier":     {courier.Passage, Right{Lane: "in"}, ErrNoPerson},
		"nothing is different":   {out.Passage, Right{Lane: "out"}, ErrInvalid},
		"no passage":             {"aaaa", Right{Lane: "in"}, ErrNotAnnulled},
		"nothing different, too": {out.Passage, Right{"out", s.subject("王小明")}, ErrInvalid},
	} {
		if _, err := s.g.Correct(c.passage, c.right, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if err := s.register.Wait(); err != nil {
		t.Fatal(err)
	}
	if size() != before {
		t.Errorf("%d entries were written", size()-before)
	}
	eraser := erasure.New(erasure.Options{Dir: s.dir, Ledger: s.l, Register: s.register, Now: func() ledger.Stamp { return s.g.clock.Now() }})
	if done, err := eraser.Erase(erasure.Selection{Subject: s.subject("王小明")}, "", "asked for"); err != nil || done.Entries == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if _, err := s.g.Correct(out.Passage, Right{Lane: "in"}, ""); !errors.Is(err, ErrNoPerson) {
		t.Errorf("the same person, whom nobody knows any more: %v", err)
	}
	if err := s.g.Annul(out.Passage, ""); err != nil {
		t.Errorf("who was erased: %v", err)
	}
	for _, e := range s.records() {
		if e.Personally("subject") == s.subject("王小明") {
			t.Errorf("written down once more: %s %v", e.Raw, e.Personal)
		}
	}
}
