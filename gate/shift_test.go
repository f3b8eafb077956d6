package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/gate/duty"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/erasure"
	"gated/register/shift"
	"gated/roster"
	"gated/roster/sheet"
)

// spoke are the entries of some kinds after one, as "kind reason details personal fields".
func (s *site) spoke(after int64, kinds ...ledger.Kind) (list []string) {
	s.t.Helper()
	for _, e := range s.records() {
		if e.Seq <= after || !slices.Contains(kinds, e.Kind) {
			continue
		}
		line := strings.TrimSpace(string(e.Kind) + " " + e.Reason)
		for _, key := range []string{shift.How, "body", shift.Number, shift.OneSided, "holds", "blank", "agreed", "why"} {
			if v := e.Detail[key]; v != "" {
				line += " " + key + "=" + v
			}
		}
		for _, f := range e.Personal {
			line += " " + f.Name + "=" + f.Value
		}
		list = append(list, line)
	}
	return list
}

// step moves the wall clock on.
func (s *site) step(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shift += d
}

// onDuty are the names that the page shows.
func (s *site) onDuty() string {
	var names []string
	for _, g := range s.g.View().Shift.Guards {
		names = append(names, g.Name)
	}
	return strings.Join(names, " ")
}

// Two can be on duty, each decision names one of them, and whoever stays decides when the other goes. A restart knows who it was.
func TestTwoOnDuty(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.g.Shift()
	for _, c := range []struct {
		on   duty.SignOn
		off  string
		want string // on duty, and who decides
		err  string
	}{
		{on: duty.SignOn{Name: "老张", Joins: true}, want: "老张, 老张"}, // to join nobody is to begin
		{on: duty.SignOn{Name: "小李", Body: "volunteers", Joins: true}, want: "老张 小李, 小李"},
		{on: duty.SignOn{Name: "王五", Joins: true}, want: "老张 小李, 小李", err: "2 are on duty already"},
		{on: duty.SignOn{Name: "老张"}, want: "老张 小李, 老张"}, // which one key does
		{on: duty.SignOn{Name: "王五", Body: "army"}, want: "老张 小李, 老张", err: "one of property, community, cadre, volunteers"},
		{on: duty.SignOn{Name: strings.Repeat("长", 61)}, want: "老张 小李, 老张", err: "1 to 60"},
		{off: "王五", want: "老张 小李, 老张", err: "nobody of that name"},
		{off: "-", want: "小李, 小李"}, // the one who decides
		{on: duty.SignOn{Name: "王五", Joins: true}, want: "小李 王五, 王五"},
		{off: "小李", want: "王五, 王五"},
		{on: duty.SignOn{Name: "赵六"}, want: "赵六, 赵六"}, // another shift
		{off: "赵六", want: ", "},
		{off: "", want: ", ", err: "nobody of that name"},
	} {
		var err error
		if c.on.Name != "" {
			err = b.SignOn(c.on)
		} else {
			err = b.SignOff(strings.Trim(c.off, "-"))
		}
		if (err == nil) != (c.err == "") || err != nil && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%+v %s: %v, want %q", c.on, c.off, err, c.err)
		}
		if got := s.onDuty() + ", " + s.g.View().Duty; got != c.want {
			t.Errorf("%+v %s: on duty %s, want %s", c.on, c.off, got, c.want)
		}
	}
	want := []string{"signon guard=老张", "signon shift=joins body=volunteers guard=小李", "signon shift=goes-on guard=老张", "signoff guard=老张",
		"signon shift=joins guard=王五", "signoff guard=小李", "signon guard=赵六", "signoff guard=赵六"}
	if got := s.spoke(0, register.SignOn, register.SignOff); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	must(0, b.SignOn(duty.SignOn{Name: "老张"}))
	must(0, b.SignOn(duty.SignOn{Name: "小李", Joins: true}))
	s.end()
	s.start()
	until(t, "the page to know who is on duty", func() bool { return s.onDuty() == "老张 小李" })
	if s.g.View().Duty != "" {
		t.Error("somebody decides who has not said that they are there")
	}
	seq := s.l.Size()
	if err := s.g.SignOn("小李"); err != nil || s.g.View().Duty != "小李" || s.onDuty() != "老张 小李" {
		t.Errorf("still there: %v, on duty %s", err, s.onDuty())
	}
	if got := s.spoke(seq, register.SignOn); !slices.Equal(got, []string{"signon shift=goes-on guard=小李"}) {
		t.Errorf("told %q", got)
	}
	held := s.scan("in", s.pass("resident", s.subject("王小明"), -time.Minute))
	must(s.g.Decide(held.Passage, Ruling{Verdict: policy.Admit, Reason: "known-by-sight"}))
	if e := s.records()[s.l.Size()-1]; e.Personally("guard") != "小李" {
		t.Errorf("decided by %q", e.Personally("guard"))
	}
}

// A handover tells what both sides sign; whoever waits waits on, and the next guard decides.
func TestAHandoverPassesOnWhoWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.g.Shift()
	must(0, b.SignOn(duty.SignOn{Name: "老张"}))
	s.scan("in", s.pass("resident", s.subject("李芳"), month))
	held := s.scan("in", s.pass("resident", s.subject("王小明"), -time.Minute))
	sight := s.scan("out", s.pass("resident", s.subject("王小明"), -time.Minute))
	must(s.g.Decide(sight.Passage, Ruling{Verdict: policy.Admit, Reason: "known-by-sight"}))
	must(0, s.g.Annul(sight.Passage, ""))
	must(s.g.Emergency("in"))
	must(0, s.g.Close("in"))
	must(0, s.g.OpenByHand("out", "school-run"))
	must(0, b.Count("goods-left", 3))
	must(0, b.Log("quarrel", "两户争吵"))
	until(t, "the opening to be told", func() bool { return s.g.View().ToAccountFor[0].What == "who-passed" })

	d := b.Draft()
	got := fmt.Sprint(d.Gate, d.Outgoing, d.Inside, len(d.ToAccountFor), d.OpenLanes, len(d.Holds), d.Holds[0].Passage == held.Passage, d.Passages, d.BySight, d.Corrections,
		d.ByHand, d.Emergency, d.Counts, d.Logged, d.Notes[0].Text, d.Fault, d.Entry)
	want := "East gate[老张]map[resident:1]1[out]1 true map[resident:map[admit:1 annulled:1] unknown:map[admit:1]]1map[did-not-go-through:1]map[school-run:1]1map[goods-left:3]map[quarrel:1]两户争吵0"
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("the draft says\n%s, want\n%s", got, want)
	}
	for _, c := range []struct {
		h    duty.Handover
		want string
	}{
		{duty.Handover{}, "nobody signs"},
		{duty.Handover{Outgoing: []string{"小李"}, Incoming: []string{"王五"}}, "outgoing: nobody of that name"},
		{duty.Handover{Outgoing: []string{"老张"}, Incoming: []string{"老张"}}, "the same people"},
		{duty.Handover{Outgoing: []string{"老张"}, Incoming: []string{""}}, "1 to 60"},
		{duty.Handover{Outgoing: []string{"老张"}, Incoming: []string{"a", "a"}}, "incoming: one name or two"},
		{duty.Handover{Outgoing: []string{"老张"}, Incoming: []string{"a", "b", "c"}}, "incoming: one name or two"},
		{duty.Handover{Outgoing: []string{"老张"}, Incoming: []string{"小李"}, Blank: -1}, "0 to 1000"},
	} {
		if _, err := b.HandOver(c.h); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.h, err, c.want)
		}
	}
	seq := s.l.Size()
	d, err := b.HandOver(duty.Handover{Outgoing: []string{"老张"}, Incoming: []string{"小李", "王五"}, Blank: 12})
	if err != nil || d.Entry != seq+1 || d.OneSided != "" || d.Blank != 12 {
		t.Errorf("signed %+v, %v", d, err)
	}
	if got, want := s.spoke(seq, register.HandOver, register.SignOn), []string{"handover holds=" + held.Passage + " blank=12 incoming=小李 incoming_2=王五 outgoing=老张",
		"signon shift=joins guard=小李", "signon shift=joins guard=王五"}; !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("told %q, want %q", got, want)
	}
	if s.onDuty() != "小李 王五" || s.g.View().Duty != "小李" {
		t.Errorf("on duty %s, %s decides", s.onDuty(), s.g.View().Duty)
	}
	if out := must(s.g.Decide(held.Passage, Ruling{Verdict: policy.Admit, Reason: "known-by-sight"})); out.Verdict != policy.Admit {
		t.Errorf("who waited: %+v", out)
	}
	if e := s.records()[s.l.Size()-1]; e.Kind != register.Decided || e.Personally("guard") != "小李" {
		t.Errorf("decided by %q in a %s entry", e.Personally("guard"), e.Kind)
	}
	if d := b.Draft(); len(d.Holds) != 0 || d.BySight != 1 || d.Emergency != 0 || len(d.ToAccountFor) != 1 {
		t.Errorf("the next shift has %+v", d)
	}
	if err := s.g.Annul(sight.Passage, ""); err == nil {
		t.Error("annulled twice")
	}
	if _, equal, err := s.register.Rebuild(); err != nil || !equal {
		t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
	}
}

// sorted has the words of each line in order, since fields come in any.
func sorted(lines []string) (list []string) {
	for _, l := range lines {
		list = append(list, strings.Join(slices.Sorted(strings.FieldsSeq(l)), " "))
	}
	return list
}

// Where nobody comes, or nobody is left, one side signs, and the entry says which.
func TestAOneSidedHandover(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.g.Shift()
	must(0, b.SignOn(duty.SignOn{Name: "老张"}))
	if d := must(b.HandOver(duty.Handover{Outgoing: []string{"老张"}})); d.OneSided != shift.Outgoing || s.onDuty() != "" || s.g.View().Duty != "" {
		t.Errorf("nobody comes: %s signed, on duty %q, %q decides", d.OneSided, s.onDuty(), s.g.View().Duty)
	}
	must(0, b.SignOn(duty.SignOn{Name: "老张"}))
	if d := must(b.HandOver(duty.Handover{Incoming: []string{"小李"}})); d.OneSided != shift.Incoming || s.onDuty() != "小李" {
		t.Errorf("nobody was left: %s signed, on duty %q", d.OneSided, s.onDuty())
	}
	if got := s.spoke(0, register.HandOver); len(got) != 2 || !strings.Contains(got[0], "one-sided=outgoing") || !strings.Contains(got[1], "one-sided=incoming") || strings.Contains(got[1], "outgoing=") {
		t.Errorf("told %q", got)
	}
	s.broken.Store(true)
	if _, err := b.HandOver(duty.Handover{Outgoing: []string{"小李"}, Incoming: []string{"王五"}}); !errors.Is(err, ErrLedger) || s.g.View().Duty != "小李" {
		t.Errorf("in a fault: %v, %s decides", err, s.g.View().Duty)
	}
	if d := b.Draft(); d.Fault == "" {
		t.Error("in a fault the draft does not say so")
	}
}

// At the planned end the page asks, and one key answers.
func TestThePlannedEndOfAShift(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	must(0, s.g.SignOn("老张"))
	now := s.now().In(s.l.Zone())
	ends := now.Add(2 * time.Hour).Truncate(time.Minute)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Shifts = []string{ends.Format("15:04")} }))
	if v := s.g.View().Shift; v.Over || !v.Ends.Equal(ends) || now.Sub(v.Since) > time.Minute {
		t.Errorf("%+v, want an end at %s", v, ends)
	}
	s.step(3 * time.Hour)
	if v := s.g.View().Shift; !v.Over {
		t.Errorf("after the end: %+v", v)
	}
	must(0, s.g.SignOn("老张"))
	if v := s.g.View().Shift; v.Over || !v.Ends.After(s.now()) || s.onDuty() != "老张" {
		t.Errorf("once they said that they are here still: %+v", v)
	}
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Shifts = nil }))
	if v := s.g.View().Shift; v.Over || !v.Ends.IsZero() {
		t.Errorf("without a plan: %+v", v)
	}
}

// What is marked has its words later, and the passages around it cannot be erased.
func TestAMomentIsKept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.g.Shift()
	must(0, b.SignOn(duty.SignOn{Name: "老张"}))
	s.scan("in", s.pass("resident", s.subject("王小明"), month))
	seq := s.l.Size()
	b.Moment()
	notes := s.g.View().Shift.Notes
	until(t, "the page to show it", func() bool { notes = s.g.View().Shift.Notes; return len(notes) == 1 })
	if n := notes[0]; n.Reason != "moment" || n.Text != "" || n.Guard != "老张" || n.Entry != seq+2 {
		t.Errorf("the page shows %+v", n)
	}
	for _, c := range []struct {
		entry int64
		text  string
		want  error
	}{{notes[0].Entry, "", ErrInvalid}, {seq, "words", ErrNone}, {notes[0].Entry, strings.Repeat("x", 501), ErrInvalid}, {notes[0].Entry, "两人推搡", nil}} {
		if err := b.Words(c.entry, c.text); !errors.Is(err, c.want) {
			t.Errorf("%d %.10q: %v, want %v", c.entry, c.text, err, c.want)
		}
	}
	if notes = s.g.View().Shift.Notes; len(notes) != 1 || notes[0].Text != "两人推搡" {
		t.Errorf("with its words %+v", notes)
	}
	want := []string{"keep keep why=moment by=老张", "log moment guard=老张", "log moment guard=老张 note=两人推搡"}
	if got := s.spoke(seq, ledger.Keep, register.Log); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	x := erasure.New(erasure.Options{Dir: s.dir, Ledger: s.l, Register: s.register, Now: func() ledger.Stamp { return s.g.clock.Now() }})
	var kept erasure.KeptError
	if _, err := x.Erase(erasure.Selection{Subject: s.subject("王小明")}, "zhou", "asked for"); !errors.As(err, &kept) || kept.Seq != seq+1 {
		t.Errorf("erased what is kept: %v", err)
	}
	if from, to, timed := s.register.Keeps()[seq+1].Times(); !timed || to.Sub(from) != 20*time.Minute {
		t.Errorf("kept is %+v", s.register.Keeps())
	}
	must(0, b.SignOn(duty.SignOn{Name: "小李"}))
	if err := b.Words(notes[0].Entry, "later"); !errors.Is(err, ErrNone) {
		t.Errorf("words of another shift: %v", err)
	}
}

// What was erased of the log, and of who is on duty, the page shows no more.
func TestThePageForgetsWhatWasErased(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.g.Shift()
	must(0, b.SignOn(duty.SignOn{Name: "老张"}))
	on := s.l.Size()
	must(0, b.Log("quarrel", "两户争吵"))
	must(0, b.Log("patrol", "后门"))
	x := erasure.New(erasure.Options{Dir: s.dir, Ledger: s.l, Register: s.register, Now: func() ledger.Stamp { return s.g.clock.Now() }})
	for _, seq := range []int64{on, on + 1} {
		must(x.Erase(erasure.Selection{Seq: seq}, "zhou", "asked for"))
	}
	shows := func() string { return fmt.Sprint(b.Draft().Outgoing, b.Draft().Notes[0].Text, b.Draft().Notes[1].Text) }
	until(t, "the page to forget it", func() bool { return s.onDuty() == "" && shows() == "[]后门" })
	if n := s.g.View().Shift.Notes; len(n) != 2 || n[1].Reason != "quarrel" || n[1].Guard != "" || n[1].Text != "" {
		t.Errorf("the page shows %+v", n)
	}
}

// In a fault what has no words goes to the spool, and is told when the ledger works again; what has words is refused.
func TestMomentsAndCountsOutlastAFault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.g.Shift()
	must(0, b.SignOn(duty.SignOn{Name: "老张"}))
	seq := s.l.Size()
	s.broken.Store(true)
	if err := b.Log("patrol", ""); !errors.Is(err, ErrLedger) {
		t.Errorf("a note: %v", err)
	}
	b.Moment()
	must(0, b.Count("goods-left", 2))
	s.end()
	s.broken.Store(false)
	s.start()
	until(t, "what was pending", func() bool { return len(s.spoke(seq, register.Count)) == 1 })
	want := []string{"keep keep why=moment", "log moment", "count goods-left n=2"} // no name is in the spool
	if got := s.spoke(seq, ledger.Keep, register.Log, register.Count); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestWhatIsLoggedAndCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.g.Shift()
	for _, c := range []struct{ reason, text, want string }{
		{"quarrel", "", ""}, {"police", "派出所 2 人", ""}, {"patrol", "", ""}, {"found-item", "钥匙", ""}, {"keys", "", ""}, {"other", "停电", ""},
		{"other", "", "say what it was"}, {"moment", "", "its own key"}, {"weather", "", "one of quarrel, police"}, {"patrol", strings.Repeat("x", 501), "at most 500"}, {"patrol", "\xff", "UTF-8"},
	} {
		if err := b.Log(c.reason, c.text); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("log %s %.10q: %v, want %q", c.reason, c.text, err, c.want)
		}
	}
	for _, c := range []struct {
		what string
		n    int
		ok   bool
	}{{"goods-left", 1, true}, {"goods-left", 100, true}, {"goods-left", -1, true}, {"goods-left", 0, false}, {"goods-left", 101, false}, {"goods-left", -101, false}, {"people", 1, false}} {
		if err := b.Count(c.what, c.n); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("count %s %d: %v", c.what, c.n, err)
		}
	}
	if v := s.g.View().Shift; len(v.Notes) != 6 || v.Notes[0].Text != "停电" || v.Counts["goods-left"] != 100 {
		t.Errorf("the page shows %+v", v)
	}
}

// A slip is a mark on the card of the household's people and vehicles as they go out, until it is used; it holds up nobody, and it is never
// shown where a child goes.
func TestSlips(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.g.Shift()
	child := s.now().AddDate(-10, 0, 0).Format(time.DateOnly)
	rows := append(slices.Clone(office), sheet.Row{Number: 7, ID: "r-000009", Building: "3", Unit: "2", Room: "501", Name: "王小宝", BirthDate: child, Class: "resident"},
		sheet.Row{Number: 8, ID: "r-000010", Building: "1", Unit: "1", Room: "101", Name: "邻居", Class: "resident"})
	must(s.people.Import(context.Background(), rows, roster.ImportOptions{CheckResidentID: func(string) (string, error) { return "1949-12-31", nil }}))
	good := duty.Slip{Household: "3-2-501", What: "钢琴一架", Agreed: "owner", AgreedBy: "王小明", Until: s.now().Add(time.Hour)}
	for _, c := range []struct {
		change func(*duty.Slip)
		want   string
	}{
		{func(x *duty.Slip) { x.Household = "9-9-999" }, "not in the roster"},
		{func(x *duty.Slip) { x.What = "" }, "say what goes out"},
		{func(x *duty.Slip) { x.What = strings.Repeat("x", 501) }, "at most 500"},
		{func(x *duty.Slip) { x.Agreed = "guest" }, "one of owner, tenant, office"},
		{func(x *duty.Slip) { x.AgreedBy = strings.Repeat("长", 61) }, "1 to 60"},
		{func(x *duty.Slip) { x.Until = s.now() }, "30 days at most"},
		{func(x *duty.Slip) { x.Until = s.now().AddDate(0, 0, 31) }, "30 days at most"},
	} {
		x := good
		c.change(&x)
		if _, err := b.Issue(x); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", x, err, c.want)
		}
	}
	id := must(b.Issue(good))
	shown := func(lane, code string) string {
		s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 }))
		out := s.scan(lane, code)
		if lane == "out" && out.Verdict != policy.Admit {
			t.Errorf("it holds up %+v", out)
		}
		for _, l := range s.g.View().Lanes {
			if l.ID == lane {
				return l.Last.Slips
			}
		}
		return "no lane"
	}
	marks := func(want string) {
		t.Helper()
		s.step(3 * time.Minute) // so that nothing looks passed back
		for who, want := range map[string]string{"王小明": want, "李芳": want, "王小宝": "", "邻居": ""} {
			if got := shown("out", s.pass("resident", s.subject(who), month)); got != want {
				t.Errorf("%s goes out with the mark %q, want %q", who, got, want)
			}
			if got := shown("in", s.pass("resident", s.subject(who), month)); got != "" {
				t.Errorf("%s comes in with the mark %q", who, got)
			}
		}
		if got := shown("out", s.pass("vehicle", s.subject("粤B54321"), month)); got != want {
			t.Errorf("their car goes out with the mark %q, want %q", got, want)
		}
	}
	marks(id)
	if v := must(b.Open("3-2-501")); len(v) != 1 || s.g.View().Shift.Slips != 1 || len(must(b.Open("1-1-101"))) != 0 || v[0].ID != id || v[0].Household != "3-2-501" || v[0].What != "钢琴一架" || v[0].Agreed != "owner" || v[0].AgreedBy != "王小明" {
		t.Errorf("the page shows %+v", v)
	}
	s.end()
	s.start()
	b = s.g.Shift()
	marks(id)
	if v := must(b.Open("")); len(v) != 1 || v[0].What != "钢琴一架" {
		t.Errorf("after a restart %+v", v)
	}
	must(s.g.Mark(ledger.Event{Stamp: s.g.clock.Now(), Kind: register.Mark, Reason: "exempt", By: unauthenticated, Personal: []ledger.Field{{Name: "subject", Value: s.subject("李芳")}},
		Detail: map[string]string{"word": "pupil", "from": s.now().Add(-time.Hour).Format(time.RFC3339), "until": s.now().Add(time.Hour).Format(time.RFC3339)}}))
	s.step(3 * time.Minute)
	if got := shown("out", s.pass("resident", s.subject("李芳"), month)); got != "" {
		t.Errorf("a pupil goes out with the mark %q", got)
	}
	if err := b.Used(id); err != nil {
		t.Fatal(err)
	}
	marks("")
	for _, id := range []string{id, "", "nosuch"} {
		if err := b.Used(id); !errors.Is(err, ErrNone) {
			t.Errorf("used %q: %v", id, err)
		}
	}
	second := must(b.Issue(good))
	s.step(2 * time.Hour)
	marks("")
	if err := b.Used(second); !errors.Is(err, ErrNone) {
		t.Errorf("an expired one was used: %v", err)
	}
	good.Until = s.now().Add(time.Hour)
	for range 20 {
		must(b.Issue(good))
	}
	if _, err := b.Issue(good); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "20 open slips") {
		t.Errorf("one too many: %v", err)
	}
}

// BenchmarkDraft is what drafting a handover costs, however many entries there are.
func BenchmarkDraft(b *testing.B) {
	s := newSite(b)
	must(0, s.g.SignOn("老张"))
	for _, n := range []int{1000, 100_000} {
		for s.l.Size() < int64(n) {
			var events []ledger.Event
			for i := range 84 {
				at, id := s.g.clock.Now(), fmt.Sprint("p", s.l.Size(), "-", i)
				events = append(events, ledger.Event{Stamp: at, Kind: register.Check, Passage: id, Lane: "in", Direction: "in"},
					ledger.Event{Stamp: at, Kind: register.Query, Passage: id, Lane: "in", Direction: "in", Class: "resident"},
					ledger.Event{Stamp: at, Kind: register.Decided, Passage: id, Lane: "in", Direction: "in", Class: "resident", Verdict: "admit", Reason: "known-by-sight", By: "unauthenticated",
						Personal: []ledger.Field{{Name: "subject", Value: fmt.Sprint("r-", i)}}})
			}
			must(s.l.Append(events...))
		}
		b.Run(fmt.Sprint(n, " entries"), func(b *testing.B) {
			for b.Loop() {
				if d := s.g.Shift().Draft(); d.BySight == 0 {
					b.Fatalf("%+v", d)
				}
			}
		})
	}
}
