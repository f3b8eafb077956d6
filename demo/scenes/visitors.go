package scenes

import (
	"fmt"
	"time"

	"gated/gate"
)

// visitors: everybody who stands at the gate and does not live there.
func (s *stage) visitors() {
	notice := s.run("level", "set", "normal", "--number", "2026-19", "--issuer", "街道办（虚构）")
	defer s.end(notice)
	s.announced()
	s.wedding()
	s.walkIn()
	s.rush()
	s.helper()
	s.arrives("a taxi for the old lady", map[string]any{"how": "taxi", "host": s.room(), "plate": "8K21"})
}

// room is the flat of the next household.
func (s *stage) room() string { return s.home()[0].Household }

// visit makes a visit, and returns how it is printed.
func (s *stage) visit(what string, form map[string]any) (p gate.Print) {
	s.do("api/visit", form, &p)
	s.tell("the office announces %s: digits %s", what, p.Digits)
	return p
}

// decides is what the guard decides about a hold.
func (s *stage) decides(a string, heads int) {
	s.do("api/decide", map[string]any{"passage": a, "verdict": "admit", "reason": "visitor-confirmed", "heads": heads})
}

// arrives is somebody who stands at the lane, and whom the guard enters.
func (s *stage) arrives(what string, form map[string]any) {
	var out gate.Outcome
	form["lane"] = "in"
	s.do("api/arrive", form, &out)
	if s.err == nil && out.Verdict != "admit" {
		s.err = fmt.Errorf("scene: %s was answered %s %s", what, out.Verdict, out.Reason)
	}
	s.tell("%s → %s (%s)", what, out.Verdict, out.Reason)
}

// announced: one visitor says the digits, another one shows the picture, and both leave.
func (s *stage) announced() {
	digits := s.visit("an uncle", map[string]any{"how": "announced", "host": s.room(), "name": "舅舅（虚构）", "consent": "gate-called"})
	hold := s.show("in", digits.Digits, "an announced visitor says the digits", "hold visit")
	s.decides(hold.Passage, 0)
	picture := s.visit("a friend", map[string]any{"how": "announced", "host": s.room(), "name": "朋友（虚构）", "consent": "intercom"})
	hold = s.show("in", picture.Pass, "an announced visitor shows the picture", "hold visit")
	s.decides(hold.Passage, 0)
	s.show("out", picture.Pass, "who shows it again to leave", "admit valid-visit")
	s.do("api/pass-visit", map[string]any{"lane": "out", "visit": digits.Visit})
	s.tell("the guard finds the uncle in the list: he leaves")
}

// wedding: twelve guests by one code, counted by heads.
func (s *stage) wedding() {
	p := s.visit("a wedding of twelve", map[string]any{"how": "group", "host": s.room(), "entries": 12, "consent": "in-person"})
	for _, heads := range []int{5, 5, 1, 1} {
		hold := s.show("in", p.Digits, fmt.Sprintf("%d of the wedding", heads), "hold visit")
		s.decides(hold.Passage, heads)
	}
	s.show("in", p.Digits, "a thirteenth guest", "refuse visit-used-up")
	s.do("api/pass-visit", map[string]any{"lane": "out", "visit": p.Visit, "heads": 12})
	s.tell("all twelve leave, counted")
}

// walkIn: somebody whom nobody announced, and whose host says yes.
func (s *stage) walkIn() {
	s.arrives("a plumber, the host called", map[string]any{"how": "walk-in", "class": "contractor", "host": s.room(),
		"consent": "gate-called", "consent_by": "住户", "purpose": "repair", "name": "管道工（虚构）", "people": 2})
}

// rush: thirty deliveries at noon, two touches each.
func (s *stage) rush() {
	firms := []string{"meituan", "eleme", "sf", "jd", "zto"}
	began := time.Now()
	for i := range 30 {
		if s.err != nil {
			return
		}
		var out gate.Outcome
		s.do("api/arrive", map[string]any{"lane": "in", "how": "delivery", "firm": firms[i%len(firms)], "host": fmt.Sprint(i%8 + 1)}, &out)
		if s.err == nil && out.Verdict != "admit" {
			s.err = fmt.Errorf("scene: a delivery was answered %s %s", out.Verdict, out.Reason)
		}
	}
	s.tell("thirty deliveries, two touches each: %s", time.Since(began).Round(time.Millisecond))
}

// helper: one helper of three flats, who comes each day by one pass.
func (s *stage) helper() {
	hosts := s.room() + " " + s.room() + " " + s.room()
	p := s.visit("a helper of three flats", map[string]any{"how": "standing", "class": "helper", "host": hosts, "name": "家政阿姨（虚构）",
		"until": time.Now().AddDate(0, 3, 0).Format(time.DateOnly)})
	a := s.show("in", p.Pass, "the helper of three flats", "admit valid-visit", "hold visit")
	if a.Verdict == "hold" { // by a clock that nobody trusts
		s.decides(a.Passage, 0)
	}
	s.show("out", p.Pass, "who leaves", "admit valid-visit", "hold unknown-out")
}
