package gate

import (
	"cmp"

	"gated/credential"
	"gated/ledger"
	"gated/roster"
)

// subject is who a claim is about, as the roster knows them.
type subject struct {
	ID, Household, Name, Plate string
	Class, Service             string
	Known                      bool
}

// services are those whose vehicles pass: epidemic control, life saving and emergency repair.
var services = map[string]bool{"epidemic-control": true, "ambulance": true, "fire": true, "police": true, "emergency-repair": true}

// find looks for whom a claim is about. A health certificate names its holder, but namesakes are many and whoever shows it
// may be another: nobody is known by it.
func find(people *roster.Snapshot, c credential.Claim) subject {
	switch {
	case c.Kind == "gated-pass" && c.Proof != credential.Signed: // whoever wrote it could write anybody's ID
		return subject{Class: "unknown"}
	case c.Kind == "gated-pass" && c.SubjectKind == "vehicle":
		if v, ok := people.Vehicle(c.Subject); ok {
			return vehicle(v)
		}
		return subject{ID: c.Subject, Class: "vehicle"}
	case c.Kind == "gated-pass" && c.SubjectKind == "household":
		s := subject{ID: c.Subject, Class: "unknown"}
		if h, ok := people.Household(c.Subject); ok {
			s.Known, s.Class, s.Household = true, "resident", h.ID
		}
		return s
	case c.Kind == "gated-pass", c.Kind == "none": // or found by room number
		if p, ok := people.Person(c.Subject); ok {
			return person(p)
		}
		return subject{ID: c.Subject, Class: "unknown"}
	case c.Kind == "plate":
		if v, ok := people.VehicleByPlate(c.Plate); ok {
			return vehicle(v)
		}
		return subject{Class: "vehicle"}
	case c.Document != "":
		if p, ok := people.PersonByDocument(c.Document); ok {
			return person(p)
		}
	}
	return subject{Class: "unknown"}
}

func vehicle(v roster.Vehicle) subject {
	s := subject{ID: v.ID, Class: "vehicle", Known: true, Plate: v.Plate, Household: v.Household, Service: v.Service}
	if services[v.Service] {
		s.Class = "emergency-vehicle"
	}
	return s
}

// named is whom the page names, and their room: nobody by what is merely stated, since anybody can state it.
func (s subject) named(c credential.Claim) (name, room string) {
	if c.Proof == credential.Stated {
		return c.Plate, ""
	}
	return cmp.Or(s.Name, s.Plate, c.Name, c.Plate), s.Household
}

func person(p roster.Person) subject {
	return subject{ID: p.ID, Household: p.Household, Name: p.Name, Class: p.Class, Known: true}
}

func (s subject) personal() (fields []ledger.Field) {
	for _, f := range []ledger.Field{{Name: "subject", Value: s.ID}, {Name: "household", Value: s.Household},
		{Name: "name", Value: s.Name}, {Name: "plate", Value: s.Plate}} {
		if f.Value != "" && s.Known {
			fields = append(fields, f)
		}
	}
	return fields
}
