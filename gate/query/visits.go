package query

import (
	"slices"
	"strings"
	"time"

	"gated/credential"
	"gated/gate/subject"
	"gated/policy"
	"gated/register"
	"gated/register/blind"
	"gated/register/hosts"
	"gated/register/presence"
	"gated/register/visits"
	"gated/roster"
)

// Visitor is whose visit a claim is of; nil: of none. What of it is sealed is read from the ledger: whoever holds the lock of passages
// does not ask.
func (a Asker) Visitor(people *roster.Snapshot, c credential.Claim) *subject.Subject {
	var id string
	var v visits.Visit
	a.Register.View(func(s *register.State) {
		id = visitOf(s, c)
		v = s.Visits[id]
	})
	if v.Entry == 0 {
		return nil
	}
	said, _ := a.Register.Entries([]int64{v.Entry}) // where it cannot be read nobody is named
	e := said[v.Entry]
	if e == nil {
		return new(subject.Visitor(people, id, "", "", ""))
	}
	who := subject.Visitor(people, id, e.Personally("host"), e.Personally("name"), e.Personally("plate"))
	who.Private = e.Detail["private"] != ""
	return &who
}

// visitOf is the ID of the visit that a claim is of; "": of none.
func visitOf(s *register.State, c credential.Claim) string {
	switch {
	case c.Digits != "":
		return s.VisitOf(blind.OfDigits, c.Digits)
	case c.SubjectKind == credential.VisitPass && (c.Proof == credential.Signed || c.Kind == "none"):
		return c.Subject
	}
	return ""
}

// Coming is who comes by a visit as it stands, and the claim, which is not good where the visit has other digits or another pass by now.
// unread: nobody knows yet whether there is such a visit.
func (a Asker) Coming(visitor *subject.Subject, c credential.Claim) (who subject.Subject, _ credential.Claim, unread bool) {
	if visitor != nil {
		who = *visitor
	}
	whole := a.Register.Whole()
	a.Register.View(func(s *register.State) {
		v, known := s.Visits[who.Visit]
		printed := c.Digits == "" || s.VisitOf(blind.OfDigits, c.Digits) == who.Visit
		if c.Serial != "" && v.Pass != s.Key(blind.OfPass, c.Serial) {
			printed = false
		}
		if !known || !printed {
			who = subject.Subject{Class: "unknown"}
			_, is := s.Visits[visitOf(s, c)] // since it was looked for
			if unread = visitor == nil && (!whole || is); !unread {
				c.Valid, c.Reason = false, credential.ReasonNoVisit
			}
			return
		}
		if v.Erased {
			who = subject.Subject{Visit: who.Visit}
		}
		who.Class, who.Group = v.Class, v.How == visits.Group
	})
	return who, c, unread
}

// visit adds to facts what the visit of somebody says at a moment, and its hosts.
func (a Asker) visit(f *policy.Facts, s *register.State, who subject.Subject, m Moment) {
	v, now, name := s.Visits[who.Visit], m.At.In(a.Zone), blind.Key(0)
	if who.Name != "" {
		name = s.Key(blind.OfName, who.Name)
	}
	f.Host = s.Hosts.Of(v.Hosts, name)
	if open := func(h blind.Key) bool {
		return slices.ContainsFunc(m.Open, func(body string) bool { return s.Key(blind.OfHost, body) == h })
	}; f.Host == "" && len(v.Hosts) > 0 && !slices.ContainsFunc(v.Hosts, func(h blind.Key) bool { return !open(h) }) {
		f.Host = hosts.AlwaysAdmit
	}
	f.Visit, f.Consent = v.State(now, s.Day(), 1), v.Consent
	f.Whereabouts = v.Where(now)
	f.Again = a.Both && v.How != visits.Group && presence.Again(f.Direction, f.Whereabouts)
	if v.In != 0 && f.Direction == "in" {
		f.Passed, f.MinutesSince = true, max(0, int(now.Sub(time.Unix(v.In, 0))/time.Minute))
	}
}

// Watched tells whether somebody of the roster is watched who has the name or the plate of a visitor, however it is written.
func (a Asker) Watched(people *roster.Snapshot, who subject.Subject, m Moment) (is bool) {
	some := false
	a.Register.View(func(s *register.State) { some = len(s.Marks) > 0 })
	if !some {
		return false
	}
	homes := map[string]string{} // by roster ID, of whoever has that name or plate
	if name := blind.Normal(blind.OfName, who.Name); name != "" {
		for _, p := range people.People() {
			if blind.Normal(blind.OfName, p.Name) == name {
				homes[p.ID] = strings.TrimSpace(p.Household + " " + p.Others)
			}
		}
	}
	if v, known := people.VehicleByPlate(blind.Normal(blind.OfPlate, who.Plate)); known && who.Plate != "" {
		homes[v.ID] = v.Household
	}
	a.Register.View(func(s *register.State) {
		for id, of := range homes {
			_, watched := s.Marked(id, of, m.At.In(a.Zone))
			is = is || watched
		}
	})
	return is
}
