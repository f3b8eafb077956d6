package gate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gated/gate/visit"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/hosts"
	"gated/register/visits"
	"gated/roster"
	"gated/roster/sheet"
	"slices"
)

// made makes a visit at the level normal, and returns its ID and how it is printed.
func (s *site) made(f visit.Form) (id string, p Print) {
	s.t.Helper()
	s.atLevel("normal")
	id, err := s.g.MakeVisit(f)
	if err == nil {
		p, err = s.g.PrintVisit(id)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return id, p
}

var announced = visit.Form{How: visits.Announced, Host: "3-2-501", Name: "周访", Consent: "gate-called"}

func (s *site) visit(id string) (v visits.Visit) {
	s.register.View(func(st *register.State) { v = st.Visits[id] })
	return v
}

func (o Outcome) said() string { return o.Verdict + " " + o.Reason }

func TestAnAnnouncedVisitor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, p := s.made(announced)
	hold := s.scan("in", p.Digits)
	if hold.said() != "hold visit" || hold.Class != "visitor" {
		t.Fatalf("%+v", hold)
	}
	if v := s.g.View(); v.Holds[0].Name != "周访" || v.Holds[0].Room != "3-2-501" {
		t.Errorf("the guard sees %+v", v.Holds[0])
	}
	if out, err := s.g.Decide(hold.Passage, Ruling{Verdict: "admit", Reason: "visitor-confirmed"}); err != nil || out.Verdict != "admit" {
		t.Fatal(out, err)
	}
	if v := s.g.View(); v.Inside != 1 || s.visit(id).Used != 1 {
		t.Errorf("%d inside, used %d", v.Inside, s.visit(id).Used)
	}
	s.takeAway()
	if out := s.scan("in", p.Pass); out.said() != "hold passed-back" {
		t.Errorf("their pass, handed back: %+v", out)
	}
	if out := s.scan("in", p.Digits); out.said() != "refuse visit-used-up" {
		t.Errorf("the second time: %+v", out)
	}
	if out := s.scan("out", p.Pass); out.said() != "admit valid-visit" {
		t.Errorf("out: %+v", out)
	}
	if v := s.g.View(); v.Inside != 0 {
		t.Errorf("%d inside", v.Inside)
	}
	for _, e := range s.records() {
		for _, secret := range []string{"周访", p.Digits, "3-2-501"} {
			if strings.Contains(says(&e), secret) {
				t.Errorf("the record of entry %d has %q in it: %s", e.Seq, secret, says(&e))
			}
		}
	}
}

func TestDigitsThatNoVisitHas(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, p := s.made(announced)
	if err := s.g.Reprint(id); err != nil {
		t.Fatal(err)
	}
	again, err := s.g.PrintVisit(id)
	if err != nil || again.Digits == p.Digits || again.Pass == p.Pass {
		t.Fatal("it was printed as before", err)
	}
	for name, code := range map[string]string{"the old digits": p.Digits, "the old pass": p.Pass} {
		if out := s.scan("in", code); out.said() != "refuse no-visit" {
			t.Errorf("%s: %+v", name, out)
		}
	}
	if out := s.scan("in", again.Digits); out.said() != "hold visit" {
		t.Errorf("%+v", out)
	}
	if err := s.g.EndVisit(id); err != nil {
		t.Fatal(err)
	}
	s.takeAway()
	if out := s.scan("in", again.Pass); out.said() != "refuse visit-over" {
		t.Errorf("%+v", out)
	}
	for i := 0; i < 5; i++ { // guessed: the alarm of wrong tries, and no locked pad
		for guess := 0; ; guess++ {
			if digits := fmt.Sprintf("%06d", guess*7919+i); digits != p.Digits && digits != again.Digits {
				s.scan("out", digits)
				break
			}
		}
	}
	if v := s.g.View(); !v.Lanes[1].WrongTries {
		t.Error("five guesses raise no alarm")
	}
}

// Two lanes take the last entry of a visit: one of them gets it.
func TestTheLastEntryOfAVisitIsTakenOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, p := s.made(announced)
	byDigits, byPass := s.scan("in", p.Digits), s.scan("in", p.Pass)
	var work sync.WaitGroup
	errs := make([]error, 2)
	outs := make([]Outcome, 2)
	for i, hold := range []Outcome{byDigits, byPass} {
		work.Go(func() {
			outs[i], errs[i] = s.g.Decide(hold.Passage, Ruling{Verdict: "admit", Reason: "visitor-confirmed"})
		})
	}
	work.Wait()
	if v := s.visit(id); v.Used != 1 || v.Inside != 1 {
		t.Errorf("used %d times, %d inside", v.Used, v.Inside)
	}
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("%v, %v", errs, outs)
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, ErrChanged) && !errors.Is(err, ErrNoHold) {
			t.Error(err)
		}
	}
}

func TestAGroupIsCountedByHeads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, p := s.made(visit.Form{How: visits.Group, Host: "3-2-501", Entries: 12, Consent: "in-person"})
	admit := func(heads int) error {
		t.Helper()
		hold := s.scan("in", p.Digits)
		if hold.Verdict != "hold" {
			t.Fatalf("%+v", hold)
		}
		_, err := s.g.Decide(hold.Passage, Ruling{Verdict: "admit", Reason: "visitor-confirmed", Heads: heads})
		return err
	}
	for _, heads := range []int{5, 1, 5} {
		if err := admit(heads); err != nil {
			t.Fatal(err)
		}
	}
	if err := admit(5); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "1:") {
		t.Errorf("17 of 12: %v", err)
	}
	if v := s.visit(id); v.Inside != 11 {
		t.Errorf("%d inside", v.Inside)
	}
	out, err := s.g.PassVisit("out", id, 5)
	if v := s.visit(id); err != nil || out.Verdict != "admit" || v.Inside != 6 || s.g.View().Inside != 6 {
		t.Errorf("%+v, %v, %d inside", out, err, v.Inside)
	}
}

func TestWhoStandsThereIsEnteredAndLetInAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		level string
		form  visit.Form
		want  string
	}{
		"a walk-in":                {"normal", visit.Form{How: visits.WalkIn, Host: "3-2-501", Consent: "intercom", Purpose: "family", People: 3}, "admit visitor-confirmed"},
		"nobody was asked":         {"guarded", visit.Form{How: visits.WalkIn, Host: "3-2-501"}, "hold consent-missing"},
		"only they say so":         {"normal", visit.Form{How: visits.WalkIn, Host: "3-2-501", Consent: "own-phone"}, "hold consent-missing"},
		"somebody watched":         {"normal", visit.Form{How: visits.WalkIn, Host: "3-2-501", Consent: "intercom", Name: "赵六"}, "hold watch-list"},
		"a delivery":               {"guarded", visit.Form{How: visits.Delivery, Firm: "meituan", Host: "3"}, "admit visitor-confirmed"},
		"a taxi":                   {"normal", visit.Form{How: visits.Taxi, Host: "3-2-501", Plate: "1234"}, "admit visitor-confirmed"},
		"to who wants nobody":      {"normal", visit.Form{How: visits.WalkIn, Host: "office", Consent: "in-person"}, "hold host-refuses"},
		"the level lets nobody in": {"controlled", visit.Form{How: visits.Delivery, Firm: "meituan", Host: "3"}, "hold nobody-new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.atLevel(c.level)
			s.mark("watch", "order", 0, time.Hour, ledger.Field{Name: "subject", Value: s.subject("赵六")})
			s.instructs("office", hosts.NoVisitors, "")
			out, err := s.g.Arrive("in", c.form)
			if err != nil || out.said() != c.want {
				t.Errorf("%+v, %v", out, err)
			}
			want := 0
			if out.Verdict == "admit" {
				want = max(1, c.form.People)
			}
			if v := s.g.View(); v.Inside != want {
				t.Errorf("%d inside", v.Inside)
			}
		})
	}
}

func TestAHelperWithAStandingVisit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	today := strings.ToLower(s.now().In(s.l.Zone()).Format("Mon"))
	until := s.now().In(s.l.Zone()).AddDate(0, 1, 0).Format("2006-01-02")
	_, p := s.made(visit.Form{How: visits.Standing, Host: "3-2-501", Name: "吴姐", Days: today, Until: until})
	if out := s.scan("in", p.Pass); out.said() != "admit valid-visit" || out.Class != "helper" {
		t.Errorf("%+v", out)
	}
	if out := s.scan("out", p.Pass); out.said() != "admit valid-visit" {
		t.Errorf("%+v", out)
	}
	other := map[string]string{"mon": "tue"}[today]
	if other == "" {
		other = "mon"
	}
	_, p = s.made(visit.Form{How: visits.Standing, Host: "3-2-501", Name: "郑姐", Days: other, Until: until})
	if out := s.scan("in", p.Pass); out.said() != "hold visit-not-now" {
		t.Errorf("%+v", out)
	}
}

// Somebody is announced who is on the watch list.
func TestAnAnnouncedVisitorWhoIsWatched(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := announced
	f.Name = "赵六"
	_, p := s.made(f)
	s.mark("watch", "order", 0, time.Hour, ledger.Field{Name: "subject", Value: s.subject("赵六")})
	if out := s.scan("in", p.Digits); out.said() != "hold watch-list" {
		t.Errorf("%+v", out)
	}
}

func TestAnnullingTheAdmissionOfAVisitor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.atLevel("normal")
	out, err := s.g.Arrive("in", visit.Form{How: visits.WalkIn, Host: "3-2-501", Consent: "intercom", People: 4})
	if err == nil {
		err = s.g.Annul(out.Passage, "")
	}
	if v := s.g.View(); err != nil || v.Inside != 0 {
		t.Errorf("%v, %d inside", err, v.Inside)
	}
}

// Nobody decided; then the guard says that they went in.
func TestAVisitorOnWhomNobodyDecidedWentIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, p := s.made(announced)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Hold = time.Millisecond }))
	hold := s.scan("in", p.Digits)
	for o := range s.outs {
		if o.Verdict == policy.Undecided {
			break
		}
	}
	if err := s.g.Afterwards(hold.Passage, "went-through"); err != nil {
		t.Fatal(err)
	}
	if v := s.visit(id); v.Used != 1 || v.Inside != 1 {
		t.Errorf("%+v", v)
	}
}

// Whatever guards, lanes, restarts and clocks do, a visit admits no more often than it allows.
func TestAVisitNeverAdmitsMoreOftenThanItAllows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	until := s.now().In(s.l.Zone()).AddDate(0, 2, 0).Format("2006-01-02")
	forms := []visit.Form{
		{How: visits.Announced, Host: "3-2-501", Entries: 3, Consent: "gate-called", Until: until},
		{How: visits.Group, Host: "3-2-501", Entries: 9, Consent: "gate-called", Until: until},
		{How: visits.Standing, Host: "3-2-501", Entries: 2, Until: until},
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 15))
	ids, prints, allowed := []string{}, []Print{}, []int{3, 9, 2}
	for _, f := range forms {
		id, p := s.made(f)
		ids, prints = append(ids, id), append(prints, p)
	}
	days := 1 // on which a standing visit may have admitted
	for step := range 150 {
		i := rng.IntN(len(ids))
		code := []string{prints[i].Digits, prints[i].Pass}[rng.IntN(2)]
		switch k := rng.IntN(12); {
		case k < 5:
			if out := s.scan([]string{"in", "in", "out"}[rng.IntN(3)], code); out.Verdict == "hold" && rng.IntN(3) > 0 {
				s.g.Decide(out.Passage, Ruling{Verdict: "admit", Reason: "visitor-confirmed", Heads: rng.IntN(4)})
			}
		case k < 8:
			var work sync.WaitGroup
			for _, lane := range []string{"in", "in", "out"} {
				work.Go(func() { s.g.PassVisit(lane, ids[i], 1+step%3) })
			}
			work.Wait()
		case k == 8:
			s.end()
			s.start()
		case k == 9:
			s.wall(true, time.Duration(rng.IntN(50)-25)*time.Hour)
			days++
		case k == 10:
			s.wall(false, time.Duration(rng.IntN(50)-25)*time.Hour)
			days++
		default:
			s.takeAway()
		}
	}
	took, back := map[string]int{}, map[int64]bool{}
	all := s.records()
	for _, e := range all {
		if register.TakesBack(&e) {
			back[e.Ref] = true
		}
	}
	perDay := map[string]int{}
	for _, e := range all {
		id := e.Detail[visits.ID]
		if id == "" || e.Kind != register.Decided || e.Verdict != "admit" || e.Direction != "in" || back[e.Seq] {
			continue
		}
		n := 1
		if id == ids[1] {
			fmt.Sscan(e.Detail[visits.Heads], &n)
		}
		took[id] += n
		perDay[e.At.Format(time.DateOnly)] += 0
	}
	for i, id := range ids[:2] {
		if took[id] > allowed[i] {
			t.Errorf("visit %d admitted %d times of %d", i, took[id], allowed[i])
		}
		if took[id] == 0 {
			t.Errorf("visit %d admitted nobody: the test tests nothing", i)
		}
	}
	if took[ids[2]] > allowed[2]*days {
		t.Errorf("the standing visit admitted %d times on %d days at most, twice a day", took[ids[2]], days)
	}
}

// Without an index a visit may have been made before what is read by now: nobody comes in by one that is not known, nobody is refused, and
// it is no wrong try. Once all is read it is what it was, and whoever waits is judged again.
func TestAVisitThatIsNotReadYet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, p := s.made(announced)
	other, q := s.made(visit.Form{How: visits.Announced, Host: "3-2-501", Name: "李访", Consent: "gate-called", Until: s.day(s.now(), 20)})
	s.crowd(1000)
	s.end()
	if err := os.Remove(filepath.Join(s.dir, "index.db")); err != nil {
		t.Fatal(err)
	}
	reading := make(chan struct{})
	s.reading = func(string) error { <-reading; return nil }
	s.start()
	s.atLevel("normal")
	guess := "" // digits that no visit has
	for n := 0; guess == "" || guess == p.Digits || guess == q.Digits; n++ {
		guess = fmt.Sprintf("%06d", 100000+n)
	}
	for name, code := range map[string]string{"digits": p.Digits, "pass": q.Pass, "no visit": guess} {
		if out := s.scan("in", code); out.said() != "hold register-rebuilding" {
			t.Errorf("%s: %+v", name, out)
		}
	}
	for n := range 6 {
		s.scan("out", fmt.Sprintf("%06d", 200000+n))
	}
	if s.g.View().Lanes[1].WrongTries {
		t.Error("digits that are not known yet are wrong tries")
	}
	_, made := s.g.MakeVisit(announced)
	_, shown := s.g.PrintVisit(id)
	_, came := s.g.PresentVisit("in", id)
	for name, err := range map[string]error{"made": made, "printed": shown, "presented": came, "ended": s.g.EndVisit(id), "printed anew": s.g.Reprint(id)} {
		if !errors.Is(err, ErrNotReady) {
			t.Errorf("%s: %v", name, err)
		}
	}
	close(reading)
	if err := s.register.Wait(); err != nil {
		t.Fatal(err)
	}
	s.g.review()
	reasons := map[string]int{}
	for _, h := range s.g.View().Holds {
		reasons[h.Reason+" "+h.Name]++
	}
	if reasons["visit 周访"] != 1 || reasons["visit 李访"] != 1 {
		t.Errorf("on hold are %v", reasons)
	}
	if out := s.scan("in", guess); out.said() != "refuse no-visit" {
		t.Errorf("%+v", out)
	}
	if v := s.visit(other); v.Used != 0 || v.Inside != 0 {
		t.Errorf("%+v", v)
	}
}

// Of whom all was erased while inside nobody knows where they are: they leave by a hold, by whatever they show.
func TestAnErasedVisitorWhoIsStillInsideLeavesByAHold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, p := s.made(announced)
	if out, err := s.g.PassVisit("in", id, 1); err != nil || out.Verdict != "admit" {
		t.Fatal(out, err)
	}
	var seqs []int64
	for _, e := range s.records() {
		if e.Detail[visits.ID] == id {
			seqs = append(seqs, e.Seq)
		}
	}
	if err := s.register.Erasing(func(lose func([]int64)) error {
		lose(seqs)
		_, err := s.l.Erase(0, seqs, ledger.Event{Stamp: s.g.clock.Now(), Kind: ledger.Erase, Reason: "retention", By: "machine", Detail: map[string]string{}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	v := s.visit(id)
	if where := v.Where(s.now()); where != "" || !v.Erased || s.g.View().Inside != 0 {
		t.Errorf("they are %q: %+v", where, v)
	}
	for name, code := range map[string]string{"digits": p.Digits, "pass": p.Pass} {
		if out := s.scan("out", code); out.Verdict != "hold" {
			t.Errorf("%s: %+v", name, out)
		}
		s.takeAway()
		if out := s.scan("in", code); out.Verdict == "admit" {
			t.Errorf("back in by %s: %+v", name, out)
		}
	}
	hold, err := s.g.PresentVisit("out", id)
	if err != nil || hold.Verdict != "hold" {
		t.Fatalf("%+v, %v", hold, err)
	}
	if out, err := s.g.Decide(hold.Passage, Ruling{Verdict: "admit", Reason: "visitor-confirmed"}); err != nil || out.Verdict != "admit" {
		t.Errorf("%+v, %v", out, err)
	}
	if v := s.visit(id); v.Inside != 0 {
		t.Errorf("%+v", v)
	}
}

// The guard sees of a hold what the visit allows still, without asking the ledger.
func TestAHoldSaysWhatTheVisitAllows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, p := s.made(visit.Form{How: visits.Group, Host: "3-2-501", Entries: 12, Consent: "in-person"})
	if _, err := s.g.PassVisit("in", id, 5); err != nil {
		t.Fatal(err)
	}
	s.scan("in", p.Digits)
	of := s.g.View().Holds[0].Permit
	if of == nil || of.ID != id || of.How != visits.Group || of.Consent != "in-person" || of.State != visits.Open || of.Left != 7 || of.Inside != 5 || of.Host != "" {
		t.Errorf("%+v", of)
	}
	s.scan("out", "GP1:6901234567892")
	for _, h := range s.g.View().Holds {
		if h.Visit == "" && h.Permit != nil {
			t.Errorf("somebody without a visit: %+v", h.Permit)
		}
	}
}

// Nobody looks for deliveries when they leave: they stand behind all others. They go to buildings, in the order of their numbers.
func TestDeliveriesStandLast(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.atLevel("normal")
	for _, f := range []visit.Form{{How: visits.Delivery, Firm: "sf", Host: "3"}, {How: visits.WalkIn, Host: "3-2-501", Consent: "intercom"}} {
		if _, err := s.g.Arrive("in", f); err != nil {
			t.Fatal(err)
		}
	}
	s.made(announced)
	list, err := s.g.Counter().Visits(nil)
	if err != nil || len(list) != 3 || list[0].How != visits.WalkIn || list[1].How != visits.Announced || list[2].How != visits.Delivery {
		t.Errorf("%+v, %v", list, err)
	}
	rows := slices.Clone(office)
	for i, building := range []string{"10", "2", "1", "2"} {
		rows = append(rows, sheet.Row{Number: 20 + i, ID: fmt.Sprintf("r-00001%d", i), Building: building, Unit: "1", Room: fmt.Sprint(101 + i), Name: "王", Class: "resident"})
	}
	if _, err := s.people.Import(t.Context(), rows, roster.ImportOptions{CheckResidentID: func(string) (string, error) { return "", nil }}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.g.VisitWords()["buildings"]); got != "[1 2 3 10]" {
		t.Errorf("buildings %s", got)
	}
}

// In a fault a walk-in opens nothing, and is entered once the ledger works again: after a restart without who it was, as no name lies in
// the spool.
func TestAWalkInOutlastsAFault(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"healed": false, "restarted": true} {
		s := newSite(t)
		s.atLevel("normal")
		had := s.l.Size()
		release := s.block()
		form := visit.Form{How: visits.WalkIn, Class: "contractor", Host: "3-2-501", Name: "周师傅", Consent: "gate-called", People: 2}
		if _, err := s.g.Arrive("in", visit.Form{How: visits.WalkIn, Host: "9-9-999"}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: a room that is not there: %v", name, err)
		}
		before := s.now()
		out, err := s.g.Arrive("in", form)
		if err != nil || out.Verdict != Fault || out.Reason != "ledger-fault" || !out.Kept {
			t.Fatalf("%s: %+v, %v", name, out, err)
		}
		if l := s.g.View().Lanes[0]; l.Last == nil || l.Last.Verdict != Fault {
			t.Errorf("%s: the lane shows %+v", name, l.Last)
		}
		spool := read(t, filepath.Join(s.dir, "pending.spool"))
		if strings.Contains(spool, "周师傅") || strings.Contains(spool, "3-2-501") || strings.Count(spool, "let-in-by-hand") < 2 {
			t.Errorf("%s: in the spool: %s", name, strings.TrimRight(spool, "\x00"))
		}
		if restart {
			s.end()
			release()
			s.start()
		} else {
			release()
		}
		until(t, "what is pending to be written", func() bool { return !s.g.Fault() && s.g.writing.WritePending() })
		var said []string
		for _, e := range s.records()[had:] {
			if e.Detail[visits.ID] == "" {
				continue
			}
			said = append(said, strings.Join(strings.Fields(fmt.Sprintln(e.Kind, e.Reason, e.Class, e.Verdict, e.Detail[visits.Heads], e.Personally("name"))), " "))
			if e.At.Before(before.Add(-time.Second)) || e.At.After(before.Add(time.Minute)) {
				t.Errorf("%s: entry %d says %s, it was %s", name, e.Seq, e.At, before)
			}
		}
		who, inside := " 周师傅", 2
		if restart {
			who, inside = "", 0
		}
		want := []string{"visit walk-in contractor" + who, "check let-in-by-hand 2", "register let-in-by-hand contractor admit 2"}
		if fmt.Sprint(said) != fmt.Sprint(want) {
			t.Errorf("%s: entered is %q, want %q", name, said, want)
		}
		s.register.View(func(st *register.State) {
			if n := st.Visits.Count(s.now()); n != inside {
				t.Errorf("%s: %d are inside, want %d", name, n, inside)
			}
		})
	}
}

// A name is the same however wide its letters are, and whether they are capitals.
func TestAWatchedNameIsTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rows := append(slices.Clone(office), sheet.Row{Number: 30, ID: "r-000030", Building: "3", Unit: "2", Room: "502", Name: "Wang Fang", Class: "resident"})
	if _, err := s.people.Import(t.Context(), rows, roster.ImportOptions{CheckResidentID: func(string) (string, error) { return "", nil }}); err != nil {
		t.Fatal(err)
	}
	s.mark("watch", "order", 0, time.Hour, ledger.Field{Name: "subject", Value: "r-000030"})
	f := announced
	f.Name = "ｗａｎｇ  FANG"
	_, p := s.made(f)
	if out := s.scan("in", p.Digits); out.said() != "hold watch-list" {
		t.Errorf("%+v", out)
	}
}

// Whose a private visit is nobody at the gate is shown; the ledger has it sealed.
func TestAPrivateVisitNamesNobodyOnThePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := announced
	f.Private = true
	_, p := s.made(f)
	s.scan("in", p.Digits)
	if h := s.g.View().Holds[0]; h.Name != "" || h.Room != "" || h.Permit == nil {
		t.Errorf("%+v", h)
	}
}

// What was refused leaves nothing behind: a hold that runs out is of nobody but whom it was asked for.
func TestHeadsThatWereRefusedDoNotCount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, p := s.made(visit.Form{How: visits.Group, Host: "3-2-501", Entries: 3, Consent: "in-person"})
	hold := s.scan("in", p.Digits)
	if _, err := s.g.Decide(hold.Passage, Ruling{Verdict: "admit", Reason: "visitor-confirmed", Heads: 5}); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	if _, err := s.g.Decide(hold.Passage, Ruling{Verdict: "refuse", Reason: "no-business"}); err != nil {
		t.Fatal(err)
	}
	all := s.records()
	if heads := all[len(all)-1].Detail[visits.Heads]; heads != "" {
		t.Errorf("%q heads", heads)
	}
}
