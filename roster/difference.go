package roster

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// difference is what has to be written.
type difference struct {
	people     delta[Person]
	vehicles   delta[Vehicle]
	households delta[Household]
}

type delta[T any] struct {
	in, out []T // what is new; what goes; both of what changes
	removed []T // of out, what goes for good
}

func differences(old *Snapshot, want *roll) (d difference, r Report) {
	d.people = compare(&r, old.people, want.people, Person.change, func(was, p Person) []Field {
		return fields("household", was.homes(), p.homes(), "name", was.Name, p.Name, "document_type", was.DocumentType, p.DocumentType,
			"id_number", was.Document, p.Document, "birth_date", was.BirthDate, p.BirthDate, "phone", was.Phone, p.Phone,
			"class", was.Class, p.Class)
	})
	d.vehicles = compare(&r, old.vehicles, want.vehicles, Vehicle.change, func(was, v Vehicle) []Field {
		return fields("household", was.Household, v.Household, "plate", was.Plate, v.Plate, "service", was.Service, v.Service)
	})
	households := slices.SortedFunc(maps.Values(want.households), compareHouseholds)
	d.households = compare(&r, old.households, households, Household.change, nil) // nothing of a household can change but its ID
	after := Snapshot{people: want.people}
	_, r.Residents, r.Staff, _ = after.Counts()
	r.Households, r.Vehicles = len(want.households), len(want.vehicles)
	for _, p := range want.people {
		if p.Others != "" {
			r.SeveralFlats++
		}
		if p.Household == "" {
			r.StaffAlone++
		}
	}
	for _, v := range want.vehicles {
		if v.Household == "" {
			r.VehiclesAlone++
		}
	}
	return d, r
}

func (p Person) change() Change {
	return Change{Kind: "person", ID: p.ID, Name: p.Name, Household: p.homes()}
}

func (v Vehicle) change() Change {
	return Change{Kind: "vehicle", ID: v.ID, Name: v.Plate, Household: v.Household}
}

func (h Household) change() Change { return Change{Kind: "household", ID: h.ID, Household: h.ID} }

// compare reports what makes want of old, by ID.
func compare[T comparable](r *Report, old, want []T, change func(T) Change, fields func(was, is T) []Field) (d delta[T]) {
	before := make(map[string]T, len(old))
	for _, t := range old {
		before[change(t).ID] = t
	}
	for _, t := range want {
		c := change(t)
		was, known := before[c.ID]
		delete(before, c.ID)
		switch {
		case !known:
			d.in = append(d.in, t)
			r.Added = append(r.Added, c)
		case was != t:
			d.in, d.out = append(d.in, t), append(d.out, was)
			c.Fields = fields(was, t)
			r.Changed = append(r.Changed, c)
		}
	}
	for _, t := range old {
		if c := change(t); before[c.ID] == t {
			d.removed = append(d.removed, t)
			r.Removed = append(r.Removed, c)
		}
	}
	d.out = append(d.out, d.removed...)
	return d
}

// fields takes column, old and new value in turn.
func fields(triples ...string) (changed []Field) {
	for t := range slices.Chunk(triples, 3) {
		if t[1] != t[2] {
			changed = append(changed, Field{t[0], t[1], t[2]})
		}
	}
	return changed
}

// massRemoval returns what has to be allowed by its exact number: more than 2 % of the residents, a whole unit, or every vehicle
// with a service, as when the file has only people in it. It is nil if nothing of the kind would happen.
func massRemoval(old *Snapshot, want *roll, d difference) *MassRemoval {
	m := &MassRemoval{}
	unit := func(household string) string { return household[:max(0, strings.LastIndexByte(household, '-'))] }
	residents, flats := map[string]int{}, map[string]int{} // by unit
	count := func(people []Person) (n int) {
		for _, p := range people {
			if p.Class == "resident" {
				residents[unit(p.Household)]++
				n++
			}
		}
		return n
	}
	m.Residents = count(d.people.removed)
	gone := maps.Clone(residents)
	clear(residents)
	m.Of = count(old.people)
	for id := range want.households {
		flats[unit(id)]++
	}
	for _, h := range old.households { // in their order
		u := unit(h.ID)
		all := flats[u] == 0 || gone[u] > 0 && gone[u] == residents[u]
		if all && !slices.Contains(m.Units, u) {
			m.Units = append(m.Units, u)
		}
	}
	serving := func(vehicles []Vehicle) (n int) {
		for _, v := range vehicles {
			if v.Service != "" {
				n++
			}
		}
		return n
	}
	if going := serving(d.vehicles.removed); going == serving(old.vehicles) {
		m.Vehicles = going
	}
	if m.Residents*50 <= m.Of && len(m.Units) == 0 && m.Vehicles == 0 {
		return nil
	}
	m.Need = m.Residents + m.Vehicles
	return m
}

// writer makes one statement after the other, until one fails.
type writer struct {
	ctx context.Context
	tx  *sql.Tx
	err error
}

// write makes a statement for each of a list.
func write[T any](w *writer, query string, list []T, values func(T) []any) {
	if w.err != nil || len(list) == 0 {
		return
	}
	var st *sql.Stmt
	if st, w.err = w.tx.Prepare(query); w.err != nil {
		return
	}
	defer st.Close()
	for _, t := range list {
		if w.err = w.ctx.Err(); w.err == nil {
			_, w.err = st.Exec(values(t)...)
		}
		if w.err != nil {
			return
		}
	}
}

// store writes the difference.
func store(ctx context.Context, tx *sql.Tx, d difference) error {
	w := &writer{ctx: ctx, tx: tx}
	write(w, "INSERT INTO household VALUES(?,?,?,?)", d.households.in, func(h Household) []any {
		return []any{h.ID, h.Building, h.Unit, h.Room}
	})
	// Out before in: two people may have swapped document numbers.
	write(w, "DELETE FROM person WHERE id=?", d.people.out, func(p Person) []any { return []any{p.ID} })
	write(w, "DELETE FROM vehicle WHERE id=?", d.vehicles.out, func(v Vehicle) []any { return []any{v.ID} })
	write(w, "INSERT INTO person VALUES(?,?,?,?,?,?,?,?,?)", d.people.in, func(p Person) []any {
		return []any{p.ID, null(p.Household), p.Name, p.DocumentType, null(p.Document), p.BirthDate, p.Phone, p.Class, p.Others}
	})
	write(w, "INSERT INTO vehicle VALUES(?,?,?,?)", d.vehicles.in, func(v Vehicle) []any {
		return []any{v.ID, v.Plate, v.Service, null(v.Household)}
	})
	write(w, "DELETE FROM household WHERE id=?", d.households.removed, func(h Household) []any { return []any{h.ID} })
	return w.err
}

func null(s string) sql.Null[string] { return sql.Null[string]{V: s, Valid: s != ""} }

// Remove takes one person or vehicle out of the roster. ErrNotFound if there is none with this ID.
func (s *Store) Remove(ctx context.Context, id string) error {
	err := s.change(ctx, func(tx *sql.Tx, now *Snapshot) error {
		var d difference
		if p, ok := now.Person(id); ok {
			d.people = delta[Person]{out: []Person{p}, removed: []Person{p}}
		} else if v, ok := now.Vehicle(id); ok {
			d.vehicles = delta[Vehicle]{out: []Vehicle{v}, removed: []Vehicle{v}}
		} else {
			return ErrNotFound
		}
		return store(ctx, tx, d)
	})
	if err != nil {
		return fmt.Errorf("remove %.20q from the roster: %w", id, err)
	}
	return nil
}
