package gate

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gated/gate/presentation"
	"gated/gate/query"
	"gated/gate/visit"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/levels"
	"gated/register/marks"
	"gated/register/visits"
	"gated/roster"
	"gated/roster/sheet"
)

// crowd records passages of former days, and one hold that nobody decided.
func (s *site) crowd(passages int) {
	s.t.Helper()
	var events []ledger.Event
	for i := range passages {
		at := s.g.clock.Now()
		at.Time = at.Time.AddDate(0, 0, -passages/4000).Add(time.Duration(i) * 20 * time.Second)
		id := fmt.Sprintf("old-%012d", i)
		who := []ledger.Field{{Name: "subject", Value: fmt.Sprint("r-", i%2000)}, {Name: "household", Value: fmt.Sprint("3-2-", i%700)}}
		events = append(events,
			ledger.Event{Stamp: at, Kind: register.Check, Passage: id, Lane: "in", Direction: "in", Credential: "gated-pass", Proof: "signed", Reason: "ok"},
			ledger.Event{Stamp: at, Kind: register.Query, Passage: id, Lane: "in", Direction: "in", Class: "resident", Verdict: "admit", Reason: "valid-pass", Personal: who},
			ledger.Event{Stamp: at, Kind: register.Decided, Passage: id, Lane: "in", Direction: "in", Class: "resident", Verdict: "admit", Reason: "valid-pass", Personal: who})
		if len(events) == 255 || i == passages-1 {
			if _, err := s.l.Append(events...); err != nil {
				s.t.Fatal(err)
			}
			events = nil
		}
	}
}

// Without an index the gate is open for business while the register is read: nobody is admitted by rule, guards admit, and
// what the last run left open is settled when it is known.
func TestTheGateWorksWhileTheRegisterIsRead(t *testing.T) {
	s := newSite(t)
	undecided := s.scan("in", "11010519491231002X")
	s.crowd(1000)
	s.end()
	if err := os.Remove(filepath.Join(s.dir, "index.db")); err != nil {
		t.Fatal(err)
	}
	reading := make(chan struct{})
	s.reading = func(string) error { <-reading; return nil }
	s.start()
	code := s.pass("resident", s.subject("王小明"), month)
	for _, c := range []struct{ lane, code, want string }{
		{"out", code, "hold register-rebuilding"},
		{"in", s.pass("vehicle", s.subject("粤B12345"), month), "hold register-rebuilding"},
		{"in", s.pass("resident", s.subject("王小明"), -time.Minute), "hold expired"},
		{"in", "6901234567892", "refuse unknown-code"},
	} {
		if out := s.scan(c.lane, c.code); out.Verdict+" "+out.Reason != c.want {
			t.Errorf("got %s %s, want %s", out.Verdict, out.Reason, c.want)
		}
	}
	if err := s.g.Annul("older", ""); !errors.Is(err, ErrNotReady) {
		t.Errorf("what is put right: %v", err)
	}
	if _, err := s.g.Foretell(query.Case{ID: s.subject("王小明"), Direction: "out"}); !errors.Is(err, ErrNotReady) {
		t.Errorf("what would be decided: %v", err)
	}
	if _, err := s.g.Plan("sealed", "", "", time.Time{}); !errors.Is(err, ErrNotReady) {
		t.Errorf("what a level would overturn: %v", err)
	}
	held := s.scan("out", code)
	if out, err := s.g.Decide(held.Passage, Ruling{Verdict: "admit", Reason: "known-by-sight"}); err != nil || out.Verdict != policy.Admit {
		t.Errorf("the guard admits: %+v, %v", out, err)
	}
	staff := s.pass("staff", s.subject("赵六"), month)
	if out := s.scan("in", staff); out.Reason != "register-rebuilding" {
		t.Errorf("got %+v", out)
	}
	close(reading)
	if err := s.register.Wait(); err != nil {
		t.Fatal(err)
	}
	if out := s.scan("in", staff); out.Verdict != policy.Admit || out.Repeat && !out.Again { // judged again, by this reading or within the second before
		t.Errorf("once it is read: %+v", out)
	}
	if where := s.whereabouts(s.subject("王小明")); where != "outside" {
		t.Errorf("who went out meanwhile is %q", where)
	}
	until(t, "the hold of the last run", func() bool {
		var open bool
		s.register.View(func(st *register.State) { _, open = st.Open[undecided.Passage] })
		return !open
	})
	for _, e := range s.records() {
		if e.Kind == ledger.Start && e.Seq > 1 && e.Detail["after"] != "stop" {
			t.Errorf("%s", e.Raw)
		}
		if e.Passage == undecided.Passage && e.Kind == register.Decided && e.Reason != "undecided-restart" {
			t.Errorf("%s", e.Raw)
		}
	}
}

// BenchmarkStartWithoutIndex measures how long it takes from the start to the answer of the first scan, and until all is
// read, where the index is gone.
func BenchmarkStartWithoutIndex(b *testing.B) {
	s := newSite(b)
	passages := 100_000
	if testing.Short() {
		passages = 5_000
		b.Log("-short: with 5,000 passages instead of 100,000")
	}
	s.crowd(passages)
	code := s.pass("resident", s.subject("王小明"), month)
	for b.Loop() {
		s.end()
		if err := os.Remove(filepath.Join(s.dir, "index.db")); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		s.start()
		out := s.scan("out", code)
		first := time.Since(began)
		if out.Verdict == Fault {
			b.Fatal(out)
		}
		until(b, "what counts to be read", s.register.Ready)
		ready := time.Since(began)
		if err := s.register.Wait(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(first.Seconds()*1e3, "first-ms")
		b.ReportMetric(ready.Seconds()*1e3, "ready-ms")
		b.ReportMetric(time.Since(began).Seconds()*1e3, "whole-ms")
	}
	b.ReportMetric(float64(s.l.Size()), "entries")
}

// crowdIn names the state directory that a process of its own fills, and with how many entries: "DIR N".
const crowdIn = "GATED_BENCH_CROWD"

// crowdHere fills one until it is killed.
func crowdHere(b *testing.B, what string) {
	dir, n, _ := strings.Cut(what, " ")
	s := newSite(b)
	s.end()
	s.dir = dir
	s.start()
	s.crowd(must(strconv.Atoi(n)) / 3)
	fmt.Println("filled")
	select {}
}

// crashed is a gate that does not run yet, and was killed behind so many entries.
func crashed(b *testing.B, entries int) *site {
	s := newSite(b)
	s.end()
	s.dir = b.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkJudge$")
	cmd.Env = append(os.Environ(), fmt.Sprint(crowdIn, "=", s.dir, " ", entries))
	cmd.Stderr = os.Stderr
	out := must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for filled, lines := false, bufio.NewScanner(out); !filled; filled = lines.Text() == "filled" {
		if !lines.Scan() {
			b.Fatal("the process that fills the ledger has ended: ", cmd.Wait())
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	return s
}

// digits is the median time from the digits of one of many open visits to the hold that is on record and on the page.
func (s *site) digits(open int) time.Duration {
	s.notice(levels.Ordered, 0, levels.Notice{Level: "normal", From: s.now()})
	f := visit.Form{How: visits.Announced, Host: "office", Consent: "gate-called"}
	var all []Print
	for i := range open {
		f.Name = fmt.Sprint("访客", i)
		id, err := s.g.MakeVisit(f)
		if err != nil {
			s.t.Fatal(err)
		}
		if i%(open/40) == 0 {
			all = append(all, must(s.g.PrintVisit(id)))
		}
	}
	var took []time.Duration
	for _, p := range all {
		began := time.Now()
		if out := s.scan("in", p.Digits); out.Verdict != "hold" {
			s.t.Fatalf("%+v", out)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// BenchmarkJudge measures how long it takes until the register is ready at a gate that was killed behind so many entries, and then a
// decision with all facts, over the verification of the code: of 712 households, with a notice and exemptions in force.
func BenchmarkJudge(b *testing.B) {
	if dir := os.Getenv(crowdIn); dir != "" {
		crowdHere(b, dir)
	}
	many := 300_000
	if set := os.Getenv("BENCH_ENTRIES"); set != "" {
		many = must(strconv.Atoi(set))
	}
	for _, size := range []struct {
		name    string
		entries int
	}{{"few", 10_000}, {"many", many}} {
		b.Run(size.name, func(b *testing.B) {
			if size.name == "many" && testing.Short() {
				b.Skip("-short: the larger ledger is left out")
			}
			s := crashed(b, size.entries)
			began := time.Now()
			s.start()
			until(b, "what counts to be read", s.register.Ready)
			ready := time.Since(began)
			list := slices.Clone(office)
			for h := range 712 {
				for i := range 3 {
					list = append(list, sheet.Row{Number: 10 + 3*h + i, ID: fmt.Sprintf("r-9%05d", 3*h+i), Building: fmt.Sprint(1 + h%8), Unit: fmt.Sprint(1 + h%3),
						Room: fmt.Sprint(1000 + h), Name: fmt.Sprint("居民", string(rune('一'+h)), string(rune('一'+i))), Class: "resident"})
				}
			}
			if _, err := s.people.Import(b.Context(), list, roster.ImportOptions{CheckResidentID: func(string) (string, error) { return "1949-12-31", nil }}); err != nil {
				b.Fatal(err)
			}
			s.notice(levels.Ordered, 0, levels.Notice{Level: "controlled", Place: "3-2", From: s.now()})
			for i := range 20 {
				s.mark(marks.Exempt, "dialysis", 0, time.Hour, ledger.Field{Name: "subject", Value: fmt.Sprintf("r-9%05d", i)})
			}
			in := presentation.Code([]byte(s.pass("resident", s.subject("王小明"), month)), time.Now())
			m := s.g.moment()
			claim := in.Check(m.rules.Trust, s.g.clock.Judge(m.at))
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if p, _ := s.g.judge(s.g.lanes.Of("out"), in, claim, m); p.facts.Level != "controlled" {
					b.Fatalf("%+v", p.facts)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(s.digits(2000).Microseconds())/1e3, "digits-ms")
			b.ReportMetric(ready.Seconds()*1e3, "ready-ms")
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us")
			b.ReportMetric(float64(s.l.Size()), "entries")
		})
	}
}
