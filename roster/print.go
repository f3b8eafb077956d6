package roster

import (
	"encoding/json"
	"io"

	"gated/table"
)

// Print prints people and vehicles, or the people of a room alone.
func (s *Snapshot) Print(w io.Writer, room string) error {
	t := table.New(w, "")
	people, vehicles := s.people, s.vehicles
	if room != "" {
		people, vehicles = s.Find(room), nil
	}
	for _, p := range people {
		t.Row(p.ID, p.Class, p.Household, p.Name)
	}
	for _, v := range vehicles {
		t.Row(v.ID, "vehicle", v.Household, v.Plate, v.Service)
	}
	return t.Flush()
}

// PrintAll prints all that is kept about a person or vehicle, and tells whether it is in the roster.
func (s *Snapshot) PrintAll(w io.Writer, id string) (found bool, err error) {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if p, is := s.Person(id); is {
		return true, e.Encode(p)
	}
	v, is := s.Vehicle(id)
	if !is {
		return false, nil
	}
	return true, e.Encode(v)
}
