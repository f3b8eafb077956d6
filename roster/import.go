package roster

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// ImportOptions say how an import is done.
type ImportOptions struct {
	DryRun      bool // report only
	AllowRemove int  // exactly how many residents may go, where that is more than 2 % of them or a whole unit

	// CheckResidentID checks a resident ID number (GB 11643) and returns its birth date as 2006-01-02. An error whose text is
	// bad-check-digit or bad-date is told as such. Required.
	CheckResidentID func(number string) (birthDate string, err error)
}

// LogValue keeps everything but numbers out of logs.
func (r Report) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("added", len(r.Added)), slog.Int("changed", len(r.Changed)), slog.Int("removed", len(r.Removed)), slog.String("version", r.Version))
}

var errDryRun = errors.New("dry run")

// Import replaces the people, vehicles and households of the roster by those of the rows, all or nothing: the property office's
// file is the truth. Roster IDs stay with their people and vehicles. Faults are a *FaultyRows with every one of them, too
// large a removal is a *MassRemoval.
func (s *Store) Import(ctx context.Context, rows []Row, opt ImportOptions) (Report, error) {
	report, err := s.imported(ctx, rows, opt)
	if err != nil {
		return report, fmt.Errorf("import roster: %w", err)
	}
	return report, nil
}

func (s *Store) imported(ctx context.Context, rows []Row, opt ImportOptions) (report Report, err error) {
	if opt.CheckResidentID == nil {
		return report, errors.New("no check for resident ID numbers was given")
	}
	if len(rows) == 0 || len(rows) > maxRows {
		return report, fmt.Errorf("%d rows: a roster has 1 to %d", len(rows), maxRows)
	}
	want := checked(rows, opt.CheckResidentID)
	err = s.change(ctx, func(tx *sql.Tx, old *Snapshot) error {
		m, err := newMatch(tx, old, want)
		if err != nil {
			return err
		}
		m.people()
		m.vehicles()
		if want.faults.Total > 0 {
			slices.SortStableFunc(want.faults.Faults, func(a, b Fault) int { return a.Row - b.Row })
			return &want.faults
		}
		d := differences(old, want)
		report = d.report
		removal := massRemoval(old, want, d)
		if opt.DryRun {
			report.Version = old.version
			if removal != nil {
				report.NeedAllowRemove = removal.Need
			}
			return errDryRun
		}
		if removal != nil && removal.Need != opt.AllowRemove {
			removal.Given = opt.AllowRemove
			return removal
		}
		return m.store(ctx, d)
	})
	if opt.DryRun && err == errDryRun {
		return report, nil
	}
	if err == nil {
		report.Version = s.Snapshot().version
	}
	return report, err
}

// match finds for everyone in the file who they are in the roster.
type match struct {
	tx                      *sql.Tx
	old                     *Snapshot
	want                    *roll
	salt                    []byte
	formerKey               map[string]string // key by ID of those who left
	formerID                map[string]string // ID by key
	lastPerson, lastVehicle int64
}

func newMatch(tx *sql.Tx, old *Snapshot, want *roll) (*match, error) {
	m := &match{tx: tx, old: old, want: want, formerKey: map[string]string{}, formerID: map[string]string{}}
	if err := tx.QueryRow("SELECT (SELECT value FROM meta WHERE key='salt'), (SELECT value FROM meta WHERE key='last_person'), (SELECT value FROM meta WHERE key='last_vehicle')").
		Scan(&m.salt, &m.lastPerson, &m.lastVehicle); err != nil {
		return nil, err
	}
	var id string
	var key []byte
	return m, each(tx, "SELECT id, key FROM former", func() {
		m.formerKey[id] = string(key)
		if len(key) > 0 {
			m.formerID[string(key)] = id
		}
	}, &id, &key)
}

// personKey is how someone who left is known again: a keyed hash of the document number, else of household, name and birth date;
// nil if those do not tell people apart. The key lies in the same file: this keeps numbers from being read, not from being tried out.
func personKey(salt []byte, p Person) []byte {
	switch {
	case p.Document != "":
		return keyed(salt, "document", p.Document)
	case p.BirthDate != "":
		return keyed(salt, "person", p.Household, p.Name, p.BirthDate)
	}
	return nil
}

func keyed(salt []byte, parts ...string) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return mac.Sum(nil)
}

// people gives every person of the file their roster ID: the one in the file if it can be theirs, else that of their document, else of the only
// one of that household, name and birth date, else the one they had before they left, else a new one. Doubt is a fault, never a new ID.
func (m *match) people() {
	taken := map[string]bool{}
	w := m.want
	fault := func(i int, column, reason string) { w.fault(w.personRow[i], column, reason, 0) }
	var open []int
	for i := range w.people {
		p := &w.people[i]
		owner, owned := m.old.PersonByDocument(p.Document)
		owned = owned && p.Document != ""
		switch {
		case p.ID == "" && owned:
			p.ID = owner.ID
		case p.ID == "":
			open = append(open, i)
			continue
		default:
			was, ok := m.old.Person(p.ID)
			switch {
			case owned && owner.ID != p.ID:
				fault(i, "id", "id-mismatch")
			case ok && !alike(was, *p):
				fault(i, "id", "id-mismatch")
			case !ok:
				if reason := m.doubt(p.ID, personKey(m.salt, *p)); reason != "" {
					fault(i, "id", reason)
				}
			}
		}
		if taken[p.ID] { // two rows: one names the ID, the other the document that goes with it
			fault(i, "id", "id-mismatch")
		}
		taken[p.ID] = true
		m.lastPerson = max(m.lastPerson, idNumber(p.ID, 'r'))
	}

	// Those left are known by household, name and birth date among those of the roster that are left.
	type who struct{ household, name, born string }
	const anyBirth = "*"
	left := map[who][]string{}
	for _, p := range m.old.people {
		if taken[p.ID] {
			continue
		}
		for _, born := range []string{p.BirthDate, anyBirth} {
			k := who{p.Household, p.Name, born}
			left[k] = append(left[k], p.ID)
		}
	}
	candidates := func(p Person) []string {
		if p.BirthDate == "" {
			return left[who{p.Household, p.Name, anyBirth}]
		}
		if exact := left[who{p.Household, p.Name, p.BirthDate}]; len(exact) > 0 {
			return exact
		}
		return left[who{p.Household, p.Name, ""}]
	}
	claims := map[string]int{}
	for _, i := range open {
		if c := candidates(w.people[i]); len(c) == 1 {
			claims[c[0]]++
		}
	}
	for i, p := range w.people {
		// Someone given a new ID by the file, though the roster knows them under another.
		if _, known := m.old.Person(p.ID); p.ID != "" && !known && len(candidates(p)) > 0 {
			fault(i, "id", "id-mismatch")
		}
	}
	for _, i := range open {
		p := &w.people[i]
		c := candidates(*p)
		switch {
		case len(c) > 1 || len(c) == 1 && claims[c[0]] > 1:
			fault(i, "name", "ambiguous-person")
		case len(c) == 1:
			p.ID = c[0]
		default:
			p.ID = m.returning(personKey(m.salt, *p), taken)
			if p.ID == "" {
				m.lastPerson++
				p.ID = personID(m.lastPerson)
			}
		}
		taken[p.ID] = true
	}
}

// alike tells whether someone of the roster can be the one the file gives their ID to: names and documents do change, but not both at once.
func alike(was, now Person) bool {
	return was.Name == now.Name || was.Document != "" && was.Document == now.Document ||
		(was.Document == "" || now.Document == "") && was.Household == now.Household
}

// doubt is the reason why an ID that the roster does not have cannot be given by a file: it was someone else's, or its owner had another.
func (m *match) doubt(id string, key []byte) string {
	if had, ok := m.formerKey[id]; ok && (had == "" || had != string(key)) {
		return "id-retired"
	}
	if had := m.formerID[string(key)]; len(key) > 0 && had != "" && had != id {
		return "id-mismatch"
	}
	return ""
}

// returning is the ID that someone had before they left.
func (m *match) returning(key []byte, taken map[string]bool) string {
	if id := m.formerID[string(key)]; len(key) > 0 && !taken[id] {
		return id
	}
	return ""
}

// vehicles does the same for vehicles, which are known by their plates.
func (m *match) vehicles() {
	taken := map[string]bool{}
	w := m.want
	for i := range w.vehicles {
		v := &w.vehicles[i]
		owner, owned := m.old.VehicleByPlate(v.Plate)
		if v.ID == "" {
			v.ID = owner.ID
		}
		if v.ID == "" {
			continue
		}
		_, ok := m.old.Vehicle(v.ID)
		switch {
		case owned && owner.ID != v.ID, taken[v.ID]:
			w.fault(w.vehicleRow[i], "id", "id-mismatch", 0)
		case !ok:
			if reason := m.doubt(v.ID, keyed(m.salt, "plate", v.Plate)); reason != "" {
				w.fault(w.vehicleRow[i], "id", reason, 0)
			}
		}
		taken[v.ID] = true
		m.lastVehicle = max(m.lastVehicle, idNumber(v.ID, 'v'))
	}
	for i := range w.vehicles {
		v := &w.vehicles[i]
		if v.ID != "" {
			continue
		}
		if v.ID = m.returning(keyed(m.salt, "plate", v.Plate), taken); v.ID == "" {
			m.lastVehicle++
			v.ID = vehicleID(m.lastVehicle)
		}
		taken[v.ID] = true
	}
}

// difference is what has to be written.
type difference struct {
	report          Report
	peopleOut       []Person // removed, or changed and written anew
	peopleIn        []Person
	vehiclesOut     []Vehicle
	vehiclesIn      []Vehicle
	householdsOut   []Household
	householdsIn    []Household
	removed         []Person
	removedVehicles []Vehicle
}

func differences(old *Snapshot, want *roll) *difference {
	d := &difference{}
	r := &d.report
	kept := map[string]bool{}
	for _, p := range want.people {
		kept[p.ID] = true
		c := Change{Kind: "person", ID: p.ID, Name: p.Name, Household: p.Household}
		was, ok := old.Person(p.ID)
		if ok && was == p {
			continue
		}
		d.peopleIn = append(d.peopleIn, p)
		if !ok {
			r.Added = append(r.Added, c)
			continue
		}
		d.peopleOut = append(d.peopleOut, was)
		c.Fields = fields("household", was.Household, p.Household, "name", was.Name, p.Name, "document_type", was.DocumentType, p.DocumentType, "id_number", was.Document, p.Document,
			"birth_date", was.BirthDate, p.BirthDate, "phone", was.Phone, p.Phone, "class", was.Class, p.Class)
		r.Changed = append(r.Changed, c)
	}
	for _, p := range old.people {
		if !kept[p.ID] {
			d.removed = append(d.removed, p)
			r.Removed = append(r.Removed, Change{Kind: "person", ID: p.ID, Name: p.Name, Household: p.Household})
		}
	}
	d.peopleOut = append(d.peopleOut, d.removed...)
	for _, v := range want.vehicles {
		kept[v.ID] = true
		c := Change{Kind: "vehicle", ID: v.ID, Name: v.Plate, Household: v.Household}
		was, ok := old.Vehicle(v.ID)
		if ok && was == v {
			continue
		}
		d.vehiclesIn = append(d.vehiclesIn, v)
		if !ok {
			r.Added = append(r.Added, c)
			continue
		}
		d.vehiclesOut = append(d.vehiclesOut, was)
		c.Fields = fields("household", was.Household, v.Household, "plate", was.Plate, v.Plate, "service", was.Service, v.Service)
		r.Changed = append(r.Changed, c)
	}
	for _, v := range old.vehicles {
		if !kept[v.ID] {
			d.removedVehicles = append(d.removedVehicles, v)
			r.Removed = append(r.Removed, Change{Kind: "vehicle", ID: v.ID, Name: v.Plate, Household: v.Household})
		}
	}
	d.vehiclesOut = append(d.vehiclesOut, d.removedVehicles...)
	for _, h := range old.households {
		if _, ok := want.households[h.ID]; !ok {
			d.householdsOut = append(d.householdsOut, h)
			r.Removed = append(r.Removed, Change{Kind: "household", ID: h.ID, Household: h.ID})
		}
	}
	for _, h := range want.households {
		if _, ok := old.Household(h.ID); !ok {
			d.householdsIn = append(d.householdsIn, h)
		}
	}
	slices.SortFunc(d.householdsIn, compareHouseholds)
	for _, h := range d.householdsIn {
		r.Added = append(r.Added, Change{Kind: "household", ID: h.ID, Household: h.ID})
	}
	after := Snapshot{people: want.people}
	_, r.Residents, r.Staff, _ = after.Counts()
	r.Households, r.Vehicles = len(want.households), len(want.vehicles)
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

// massRemoval returns what has to be allowed by its exact number: more than 2 % of the residents, a whole unit, or every vehicle with a service,
// as when the file has only people in it. It is nil if nothing of the kind would happen.
func massRemoval(old *Snapshot, want *roll, d *difference) *MassRemoval {
	m := &MassRemoval{}
	type state struct{ residents, gone, flats int }
	units := map[string]*state{}
	unit := func(household string) string { u, _, _ := cutLast(household); return u }
	for _, h := range old.households {
		units[unit(h.ID)] = &state{}
	}
	for _, p := range old.people {
		if p.Class == "resident" {
			m.Of++
			units[unit(p.Household)].residents++
		}
	}
	for _, p := range d.removed {
		if p.Class == "resident" {
			m.Residents++
			units[unit(p.Household)].gone++
		}
	}
	for id := range want.households {
		if u := units[unit(id)]; u != nil {
			u.flats++
		}
	}
	for _, h := range old.households { // in their order
		u := unit(h.ID)
		if s := units[u]; s.flats == 0 || s.gone > 0 && s.gone == s.residents {
			if !slices.Contains(m.Units, u) {
				m.Units = append(m.Units, u)
			}
		}
	}
	serving, going := 0, 0
	for _, v := range old.vehicles {
		if v.Service != "" {
			serving++
		}
	}
	for _, v := range d.removedVehicles {
		if v.Service != "" {
			going++
		}
	}
	if going == serving {
		m.Vehicles = going
	}
	if m.Residents*50 <= m.Of && len(m.Units) == 0 && m.Vehicles == 0 {
		return nil
	}
	m.Need = m.Residents + m.Vehicles
	return m
}

func cutLast(household string) (unit, room string, ok bool) {
	i := strings.LastIndexByte(household, '-')
	if i < 0 {
		return household, "", false
	}
	return household[:i], household[i+1:], true
}

// store writes the difference.
func (m *match) store(ctx context.Context, d *difference) error {
	var failed error
	exec := func(query string) (do func(args ...any), done func()) {
		st, err := m.tx.Prepare(query)
		if err != nil {
			failed = errors.Join(failed, err)
			return func(...any) {}, func() {}
		}
		return func(args ...any) {
			if failed == nil {
				if failed = ctx.Err(); failed == nil {
					_, failed = st.Exec(args...)
				}
			}
		}, func() { st.Close() }
	}
	do, done := exec("INSERT INTO household VALUES(?,?,?,?)")
	for _, h := range d.householdsIn {
		do(h.ID, h.Building, h.Unit, h.Room)
	}
	done()
	// Out before in: two people may have swapped document numbers.
	do, done = exec("DELETE FROM person WHERE id=?")
	for _, p := range d.peopleOut {
		do(p.ID)
	}
	done()
	do, done = exec("DELETE FROM vehicle WHERE id=?")
	for _, v := range d.vehiclesOut {
		do(v.ID)
	}
	done()
	do, done = exec("INSERT INTO person VALUES(?,?,?,?,?,?,?,?)")
	for _, p := range d.peopleIn {
		do(p.ID, null(p.Household), p.Name, p.DocumentType, null(p.Document), p.BirthDate, p.Phone, p.Class)
	}
	done()
	do, done = exec("INSERT INTO vehicle VALUES(?,?,?,?)")
	for _, v := range d.vehiclesIn {
		do(v.ID, v.Plate, v.Service, null(v.Household))
	}
	done()
	do, done = exec("DELETE FROM household WHERE id=?")
	for _, h := range d.householdsOut {
		do(h.ID)
	}
	done()
	do, done = exec("DELETE FROM former WHERE id=?")
	for _, p := range d.peopleIn {
		do(p.ID)
	}
	for _, v := range d.vehiclesIn {
		do(v.ID)
	}
	done()
	do, done = exec("INSERT INTO former VALUES(?,?)")
	for _, p := range d.removed {
		do(p.ID, personKey(m.salt, p))
	}
	for _, v := range d.removedVehicles {
		do(v.ID, keyed(m.salt, "plate", v.Plate))
	}
	done()
	do, done = exec("UPDATE meta SET value=? WHERE key=?")
	do(m.lastPerson, "last_person")
	do(m.lastVehicle, "last_vehicle")
	done()
	return failed
}

func null(s string) sql.Null[string] { return sql.Null[string]{V: s, Valid: s != ""} }

// RemovePerson takes one person out of the roster; their ID is given to nobody else. ErrNotFound if there is none with this ID.
func (s *Store) RemovePerson(ctx context.Context, id string) error {
	return s.remove(ctx, func(m *match) (string, []byte, bool) {
		p, ok := m.old.Person(id)
		return "DELETE FROM person WHERE id=?", personKey(m.salt, p), ok
	}, id)
}

// RemoveVehicle takes one vehicle out of the roster. ErrNotFound if there is none with this ID.
func (s *Store) RemoveVehicle(ctx context.Context, id string) error {
	return s.remove(ctx, func(m *match) (string, []byte, bool) {
		v, ok := m.old.Vehicle(id)
		return "DELETE FROM vehicle WHERE id=?", keyed(m.salt, "plate", v.Plate), ok
	}, id)
}

func (s *Store) remove(ctx context.Context, find func(*match) (query string, key []byte, ok bool), id string) error {
	err := s.change(ctx, func(tx *sql.Tx, now *Snapshot) error {
		m, err := newMatch(tx, now, nil)
		if err != nil {
			return err
		}
		query, key, ok := find(m)
		if !ok {
			return ErrNotFound
		}
		if _, err := tx.Exec(query, id); err != nil {
			return err
		}
		_, err = tx.Exec("INSERT INTO former VALUES(?,?)", id, key)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove %.20q from the roster: %w", id, err)
	}
	return nil
}
