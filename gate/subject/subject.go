// Package subject says whom a claim is about, as the roster knows them.
package subject

import (
	"cmp"
	"strings"

	"gated/credential"
	"gated/ledger"
	"gated/roster"
)

// Subject is who a claim is about.
type Subject struct {
	ID, Household, Name, Plate string
	Class, Service             string
	Homes                      string // their households, with spaces between
	Building, Unit             string // of the household, such as 3 and 3-2; of several flats all, with spaces between
	Known                      bool   // of the roster
	Visit                      string // the ID of the visit by which an outsider comes; Household is its host
	Group                      bool   // it is a group's: others stand behind
	Private                    bool   // whose it is is shown to nobody at the gate
}

// Visitor is who comes by the visit of an ID, as far as that can still be read. hosts are households and bodies, with spaces between.
func Visitor(people *roster.Snapshot, id, hosts, name, plate string) Subject {
	s := Subject{Visit: id, Household: hosts, Homes: hosts, Name: name, Plate: plate, Class: "visitor"}
	s.live(people)
	return s
}

// services are those whose vehicles pass: epidemic control, life saving and emergency repair.
var services = map[string]bool{"epidemic-control": true, "ambulance": true, "fire": true, "police": true, "emergency-repair": true}

// Find looks for whom a claim is about, and where they live.
func Find(people *roster.Snapshot, c credential.Claim) Subject {
	s := find(people, c)
	s.Homes = s.Household
	if p, ok := people.Person(s.ID); ok && p.Others != "" {
		s.Homes += " " + p.Others
	}
	s.live(people)
	return s
}

// live says where the homes are.
func (s *Subject) live(people *roster.Snapshot) {
	for id := range strings.FieldsSeq(s.Homes) {
		if h, ok := people.Household(id); ok {
			s.Building = strings.TrimLeft(s.Building+" "+h.Building, " ")
			s.Unit = strings.TrimLeft(s.Unit+" "+h.Building+"-"+h.Unit, " ")
		} else if s.Visit != "" && people.HasPlace(id) { // a delivery
			s.Building = strings.TrimLeft(s.Building+" "+id, " ")
		}
	}
}

// find looks for whom a claim is about. A health certificate names its holder, but namesakes are many and whoever shows it
// may be another: nobody is known by it.
func find(people *roster.Snapshot, c credential.Claim) Subject {
	switch {
	case c.Kind == "gated-pass" && c.Proof != credential.Signed: // whoever wrote it could write anybody's ID
		return Subject{Class: "unknown"}
	case c.Kind == "gated-pass" && c.SubjectKind == "vehicle":
		if v, ok := people.Vehicle(c.Subject); ok {
			return vehicle(v)
		}
		return Subject{ID: c.Subject, Class: "vehicle"}
	case c.Kind == "gated-pass" && c.SubjectKind == "household":
		s := Subject{ID: c.Subject, Class: "unknown"}
		if h, ok := people.Household(c.Subject); ok {
			s.Known, s.Class, s.Household = true, "resident", h.ID
		}
		return s
	case c.Kind == "gated-pass", c.Kind == "none": // or found by room number
		if p, ok := people.Person(c.Subject); ok {
			return person(p)
		}
		return Subject{ID: c.Subject, Class: "unknown"}
	case c.Kind == "plate":
		if v, ok := people.VehicleByPlate(c.Plate); ok {
			return vehicle(v)
		}
		return Subject{Class: "vehicle"}
	case c.Document != "":
		if p, ok := people.PersonByDocument(c.Document); ok {
			return person(p)
		}
	}
	return Subject{Class: "unknown"}
}

func vehicle(v roster.Vehicle) Subject {
	s := Subject{ID: v.ID, Class: "vehicle", Known: true, Plate: v.Plate, Household: v.Household, Service: v.Service}
	if services[v.Service] {
		s.Class = "emergency-vehicle"
	}
	return s
}

// Named is whom the page names, and their room: nobody by what is merely stated, since anybody can state it.
func (s Subject) Named(c credential.Claim) (name, room string) {
	switch {
	case s.Private:
		return "", ""
	case s.Visit != "":
		return cmp.Or(s.Name, s.Plate), s.Household
	case c.Proof == credential.Stated:
		return c.Plate, ""
	}
	return cmp.Or(s.Name, s.Plate, c.Name, c.Plate), s.Household
}

func person(p roster.Person) Subject {
	return Subject{ID: p.ID, Household: p.Household, Name: p.Name, Class: p.Class, Known: true}
}

// Personal are the fields of who is known, for the ledger.
func (s Subject) Personal() (fields []ledger.Field) {
	if s.Visit != "" {
		for _, f := range []ledger.Field{{Name: "host", Value: s.Household}, {Name: "name", Value: s.Name},
			{Name: "plate", Value: s.Plate}} {
			if f.Value != "" {
				fields = append(fields, f)
			}
		}
		return fields
	}
	homes := s.Homes
	if homes == s.Household {
		homes = "" // only of several flats, by all of which they are judged
	}
	for _, f := range []ledger.Field{{Name: "subject", Value: s.ID}, {Name: "household", Value: s.Household},
		{Name: "homes", Value: homes}, {Name: "name", Value: s.Name}, {Name: "plate", Value: s.Plate}} {
		if f.Value != "" && s.Known {
			fields = append(fields, f)
		}
	}
	return fields
}

// Stated are the fields of what a claim says beside who is known, for the ledger.
func (s Subject) Stated(c credential.Claim) (said []ledger.Field) {
	fields := []ledger.Field{{Name: "stated_subject", Value: c.Subject}, {Name: "document", Value: c.Document},
		{Name: "stated_name", Value: c.Name}}
	if c.Proof == credential.Sighted { // read by a machine, and signed by the issuer: not stated
		fields = []ledger.Field{{Name: "sighted_document", Value: c.Document}}
		if c.Name != s.Name {
			fields = append(fields, ledger.Field{Name: "sighted_name", Value: c.Name})
		}
	}
	if c.Kind == "gated-pass" { // the identifier of a health certificate is of no use at the gate
		fields = append(fields, ledger.Field{Name: "pass", Value: c.Serial})
	}
	if c.Plate != s.Plate {
		fields = append(fields, ledger.Field{Name: "stated_plate", Value: c.Plate})
	}
	if c.SubjectKind == credential.VisitPass { // the ID of a visit is nobody's name
		fields[0].Value = ""
	}
	for _, f := range fields {
		if f.Value != "" && f.Value != s.ID { // whom the roster knows stands in the query event
			said = append(said, f)
		}
	}
	return said
}
