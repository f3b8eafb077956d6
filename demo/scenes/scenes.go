// Package scenes plays what a checkpoint sees in its first days, scene by scene, before people come and go as they like.
package scenes

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"gated/credential"
	"gated/demo/judge"
	"gated/gate"
	"gated/roster"
)

// Gate is where they are played.
type Gate struct {
	Show  func(ctx context.Context, lane, code, what string) (judge.Answer, error) // somebody shows a code at a lane
	Post  func(ctx context.Context, path string, body any) ([]byte, error)         // what the guard does at the page
	Run   func(ctx context.Context, args ...string) (out string, err error)        // a command of the office, or of a shift leader
	Await func(ctx context.Context, limit time.Duration, is func(gate.View) bool) error
	Tell  func(format string, args ...any)
	Lose  func(person string) // nobody knows any more where they are

	Homes   [][]roster.Person  // of several residents each: nobody is in two scenes
	Office  ed25519.PrivateKey // of their passes
	Issuer  string
	Patient bool            // people step up one after the other
	Ends    bool            // so that nothing of it lasts
	Later   *sync.WaitGroup // what lasts
}

// Play plays each scene once. The first error ends it.
func Play(ctx context.Context, g Gate) error {
	s := &stage{Gate: g, ctx: ctx}
	if len(s.Homes) < 40 {
		return fmt.Errorf("the roster has %d households of several residents: the scenes need 40", len(s.Homes))
	}
	for _, scene := range []func(){s.orders, s.overTheFence, s.asked, s.annulled, s.wrongCodes, s.openedByHand, s.nobodyDecided,
		s.visitors} {
		scene()
	}
	return s.err
}

// stage is the gate while they are played.
type stage struct {
	Gate
	ctx context.Context
	err error
}

const month = 30 * 24 * time.Hour

// home takes the next household.
func (s *stage) home() (home []roster.Person) {
	home, s.Homes = s.Homes[0], s.Homes[1:]
	for _, p := range home {
		s.Lose(p.ID)
	}
	return home
}

// pass is a code of somebody, another one each time.
func (s *stage) pass(p roster.Person, left time.Duration) string {
	text, err := credential.Issue(s.Office, credential.Pass{Issuer: s.Issuer, Subject: p.ID, Kind: "resident",
		NotBefore: time.Now().Add(-month), NotAfter: time.Now().Add(left)})
	if err != nil {
		panic(err) // the demo's own data
	}
	return text
}

// show shows a code at a lane, and wants one of some answers.
func (s *stage) show(lane, code, what string, want ...string) (a judge.Answer) {
	if s.err != nil || s.Patient && !wait(s.ctx, 1500*time.Millisecond) { // nobody steps up at once: two codes together are refused
		return a
	}
	if a, s.err = s.Show(s.ctx, lane, code, what); s.err != nil {
		return a
	}
	if got := a.Verdict + " " + a.Reason; !slices.Contains(want, got) {
		s.err = fmt.Errorf("scene: %s was answered %s, want %s", what, got, strings.Join(want, " or "))
	}
	return a
}

// olderTrips: those of an older run of the demo count still, of some households.
var olderTrips = []string{"hold passed-back", "hold same-way-again", "hold household-limit"}

// first is show with somebody whose older trips are not in the way: the guard turns others away. Before it each is made ready.
func (s *stage) first(lane, what string, ready func(roster.Person), want ...string) (home []roster.Person, a judge.Answer) {
	for range 5 {
		home = s.home()
		ready(home[0])
		a = s.show(lane, s.pass(home[0], month), what, slices.Concat(want, olderTrips)...)
		if s.err != nil || slices.Contains(want, a.Verdict+" "+a.Reason) {
			return home, a
		}
		s.do("api/decide", map[string]string{"passage": a.Passage, "verdict": "refuse", "reason": "not-known"})
	}
	s.err = errors.Join(s.err, fmt.Errorf("scene: %s: older trips of five households are in the way", what))
	return home, a
}

// tell tells what somebody does at the desk or in the office.
func (s *stage) tell(format string, args ...any) {
	if s.err == nil {
		s.Tell(format, args...)
	}
}

// wait waits, and tells whether it came to its end.
func wait(ctx context.Context, long time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(long):
		return true
	}
}

// do is what the guard does at the page; what is answered is put into to, unless that is nil.
func (s *stage) do(path string, body any, to ...any) {
	if s.err != nil {
		return
	}
	b, err := s.Post(s.ctx, path, body)
	for _, to := range to {
		if err == nil {
			err = json.Unmarshal(b, to)
		}
	}
	s.err = err
}

// run is a command of the office, or of a shift leader. It returns the number of the entry.
func (s *stage) run(args ...string) (entry string) {
	if s.err != nil {
		return ""
	}
	s.tell("$ gated %s", strings.Join(args, " "))
	out, err := s.Run(s.ctx, args...)
	s.err = err
	_, entry, _ = strings.Cut(strings.TrimSpace(out), "entry=")
	return entry
}

// end ends a level, whatever ended its scene: it would count for all who come.
func (s *stage) end(entry string) {
	if entry != "" {
		last := &stage{Gate: s.Gate, ctx: context.WithoutCancel(s.ctx)}
		last.run("level", "end", entry)
		s.err = errors.Join(s.err, last.err)
	}
}

// orders: an oral order at night, the second trip of a household, an exemption, and the notice in the morning.
func (s *stage) orders() {
	order := s.run("level", "set", "controlled", "--ordered-by", "陈主任（虚构）", "--taken-by", "演示门岗")
	defer s.end(order)
	// By night the rules let nobody out by right: the guard looks, and it counts as the household's trip all the same.
	home, first := s.first("out", "a household's first trip", func(roster.Person) {}, "admit valid-pass", "hold outside-hours")
	if first.Verdict == "hold" {
		s.do("api/decide", map[string]string{"passage": first.Passage, "verdict": "admit", "reason": "document-sighted"})
	}
	second := s.show("out", s.pass(home[1], month), "its second trip", append(olderTrips, "hold outside-hours")...)
	s.do("api/decide", map[string]string{"passage": second.Passage, "verdict": "refuse", "reason": "level-forbids"})
	var marks []string
	s.first("out", "a nurse on the way to work", func(nurse roster.Person) {
		marks = append(marks, s.run("exempt", "add", nurse.ID, "medical-staff", "--until",
			time.Now().AddDate(0, 1, 0).Format(time.DateOnly), "--approved-by", "陈主任（虚构）"))
	}, "admit exempt")
	for _, mark := range marks {
		s.run("exempt", "end", mark)
	}
	s.run("level", "complete", order, "--number", "2026-17", "--issuer", "街道办（虚构）")
}

// overTheFence: a pass that is handed back.
func (s *stage) overTheFence() {
	home, _ := s.first("in", "a resident", func(roster.Person) {}, "admit valid-pass", "admit same-way-noted")
	back := s.show("in", s.pass(home[0], month), "the same pass, handed back over the fence", "hold passed-back")
	s.do("api/decide", map[string]string{"passage": back.Passage, "verdict": "refuse", "reason": "not-known"})
}

// asked: at the level normal strangers are asked instead of being turned away.
func (s *stage) asked() {
	notice := s.run("level", "set", "normal", "--number", "2026-18", "--issuer", "街道办（虚构）")
	defer s.end(notice)
	stranger := s.show("in", strangersNumber(), "the ID number of somebody unknown", "hold unknown-person")
	s.do("api/decide", map[string]any{"passage": stranger.Passage, "verdict": "admit", "reason": "visitor-confirmed",
		"answers": map[string]string{"whom": "3-2-501", "purpose": "family", "people": "2"}})
	s.tell("the guard asks: whom, what for, how many; and admits them")
}

// strangersNumber is an ID number that nobody has: of the year 1900. Its last digit is the check of the others (GB 11643).
func strangersNumber() string {
	first := fmt.Sprintf("44052419000101%03d", rand.IntN(1000))
	sum := 0
	for i, weight := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += weight * int(first[i]-'0')
	}
	return first + "10X98765432"[sum%11:][:1]
}

// annulled: somebody who was admitted turns round.
func (s *stage) annulled() {
	_, a := s.first("in", "a resident", func(roster.Person) {}, "admit valid-pass", "admit same-way-noted")
	s.do("api/annul", map[string]string{"passage": a.Passage})
	s.tell("they turned round: the guard annuls the admission")
}

// wrongCodes: somebody tries one code after the other.
func (s *stage) wrongCodes() {
	p := s.home()[0]
	for i := range 5 {
		s.show("in", forge(s.pass(p, month)), fmt.Sprintf("a forged pass, the %d. in a row", i+1), "refuse bad-signature")
	}
}

// openedByHand: a lane that stands open for the school run, ten minutes of a demo that goes on.
func (s *stage) openedByHand() {
	s.do("api/open", map[string]string{"lane": "out", "reason": "school-run"})
	s.tell("the guard opens lane out by hand, for the school run")
	s.first("out", "a resident, while it is open", func(roster.Person) {}, "admit valid-pass", "admit same-way-noted")
	counted := map[string]string{"lane": "out", "heads": "20"}
	if s.err != nil || s.Ends {
		s.do("api/shut", counted)
		s.tell("the guard closes it, and counted 20")
		return
	}
	s.Later.Go(func() {
		wait(s.ctx, 10*time.Minute)
		if _, err := s.Post(context.WithoutCancel(s.ctx), "api/shut", counted); err == nil { // nor has somebody else, at the page
			s.Tell("the guard closes lane out, and counted 20")
		}
	})
}

// nobodyDecided: a hold that runs out, and what the guard says of it afterwards.
func (s *stage) nobodyDecided() {
	a := s.show("in", s.pass(s.home()[0], -time.Hour), "an expired pass, and nobody at the desk", "hold expired")
	if s.err == nil {
		s.err = s.Await(s.ctx, time.Minute, func(v gate.View) bool {
			return slices.ContainsFunc(v.Undecided, func(u gate.Undecided) bool { return u.Passage == a.Passage })
		})
	}
	s.do("api/afterwards", map[string]string{"passage": a.Passage, "what": "went-through"})
	s.tell("nobody decided in time; afterwards the guard says that they went in")
}

// forge changes a genuine pass so that the issuer never signed what it says.
func forge(pass string) string {
	last := byte('0')
	if pass[len(pass)-1] == last {
		last = '1'
	}
	return pass[:len(pass)-1] + string(last)
}
