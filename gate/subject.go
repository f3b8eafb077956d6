package gate

import (
	"time"

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

// health says in one word what a valid certificate states about COVID-19, and of a negative test how many whole hours ago
// its sample was taken. Of several statements the newest test counts, then a vaccination, then a recovery within its
// interval. Where it is unclear which test is the newest, a positive one is; and how old a negative one is, nobody knows
// whose clock is not trusted.
func health(c credential.Claim, at time.Time, trusted bool) (word string, hours int) {
	if !c.Valid {
		return "", 0
	}
	var newest credential.Health
	rank := 0
	for _, h := range c.Health {
		switch positive := h.Result == "positive"; {
		case h.Disease != credential.COVID19:
		case h.Kind == credential.Test:
			if h.Sampled.IsZero() || h.Sampled.After(at) {
				if positive {
					return "positive-test", 0
				}
				continue
			}
			if d := h.Sampled.Compare(newest.Sampled); d > 0 || d == 0 && (positive || newest.Result == "negative") {
				newest, rank = h, 4
			}
		case h.Kind == credential.Vaccination && h.Dose >= h.Doses && rank < 3:
			word, rank = "vaccination", 3
		case h.Kind == credential.Vaccination && rank < 2:
			word, rank = "partial-vaccination", 2
		case h.Kind == credential.Recovery && rank < 1 && within(h, at):
			word, rank = "recovery", 1
		}
	}
	switch {
	case rank < 4:
		return word, 0
	case newest.Result == "positive":
		return "positive-test", 0
	case newest.Result == "negative" && trusted:
		return "negative-test", int(at.Sub(newest.Sampled) / time.Hour)
	}
	return "", 0
}

// within tells whether a recovery counts on the day of at. The days of its interval are the issuer's, of no zone.
func within(h credential.Health, at time.Time) bool {
	day := at.UTC().Format(time.DateOnly)
	return len(h.From) == len(day) && len(h.Until) == len(day) && h.From <= day && day <= h.Until
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
