package roster

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"gated/roster/sheet"
)

// ImportOptions say how an import is done.
type ImportOptions struct {
	DryRun      bool // report only
	AllowRemove int  // exactly how many residents may go, where that is more than 2 % of them or a whole unit

	// CheckResidentID checks a resident ID number (GB 11643) and returns its birth date as 2006-01-02. An error whose text is
	// bad-check-digit or bad-date becomes the reason of its fault. Required.
	CheckResidentID func(number string) (birthDate string, err error)
}

// LogValue keeps everything but numbers out of logs.
func (r Report) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("added", len(r.Added)), slog.Int("changed", len(r.Changed)), slog.Int("removed", len(r.Removed)),
		slog.String("version", r.Version))
}

var errDryRun = errors.New("dry run")

// Import replaces the people, vehicles and households of the roster by those of the rows, all or nothing: the property office's
// file is the truth. Roster IDs stay with their people and vehicles. Faults are a *sheet.FaultyRows with every one of them, too
// large a removal is a *MassRemoval.
func (s *Store) Import(ctx context.Context, rows []sheet.Row, opt ImportOptions) (report Report, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("import roster: %w", err)
		}
	}()
	if len(rows) == 0 || len(rows) > sheet.MaxRows {
		return report, fmt.Errorf("%d rows: a roster has 1 to %d", len(rows), sheet.MaxRows)
	}
	want := checked(rows, opt)
	err = s.change(ctx, func(tx *sql.Tx, old *Snapshot) error {
		m, err := newMatch(tx, old, want)
		if err != nil {
			return err
		}
		m.people()
		m.vehicles()
		if want.faults.Total > 0 {
			sheets := map[string]int{} // their order
			for _, r := range rows {
				if _, known := sheets[r.Sheet]; !known {
					sheets[r.Sheet] = len(sheets)
				}
			}
			slices.SortStableFunc(want.faults.Faults, func(a, b sheet.Fault) int {
				return cmp.Or(sheets[a.Sheet]-sheets[b.Sheet], a.Row-b.Row)
			})
			return &want.faults
		}
		var d difference
		d, report = differences(old, want)
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
	err := cmp.Or(meta(tx, "salt", &m.salt), meta(tx, "last_person", &m.lastPerson), meta(tx, "last_vehicle", &m.lastVehicle))
	if err != nil {
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
// nil if those are not enough. The key lies in the same file: numbers cannot be read there, but can be tried out.
func personKey(salt []byte, p Person) []byte {
	switch {
	case p.Document != "":
		return keyed(salt, "document", p.Document)
	case p.BirthDate != "":
		return keyed(salt, "person", p.Household, p.Name, p.BirthDate)
	}
	return nil
}

func plateKey(salt []byte, v Vehicle) []byte { return keyed(salt, "plate", v.Plate) }

func keyed(salt []byte, parts ...string) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return mac.Sum(nil)
}

// people gives every person of the file their roster ID: the one in the file if it can be theirs, else that of their document,
// else of the only one of that household, name and birth date, else the one they had before they left, else a new one. Doubt is a
// fault, never a new ID.
func (m *match) people() {
	taken := map[string]bool{}
	w := m.want
	fault := func(i int, column, reason string) { w.fault(w.personAt[i], column, reason, place{}) }
	var open []int
	for i := range w.people {
		p := &w.people[i]
		owner, _ := m.old.PersonByDocument(p.Document)
		given := p.ID != ""
		if p.ID = cmp.Or(p.ID, owner.ID); p.ID == "" {
			open = append(open, i)
			continue
		}
		was, known := m.old.Person(p.ID)
		switch {
		case taken[p.ID], // two rows: one names the ID, the other the document that goes with it
			owner.ID != "" && owner.ID != p.ID, given && known && !alike(was, *p):
			fault(i, "id", "id-mismatch")
		case !known:
			if reason := m.doubt(p.ID, personKey(m.salt, *p)); reason != "" {
				fault(i, "id", reason)
			}
		}
		taken[p.ID] = true
		m.lastPerson = max(m.lastPerson, idNumber(p.ID, 'r'))
	}

	// Those left are known by household, name and birth date among those of the roster that are left.
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
		owner, _ := m.old.VehicleByPlate(v.Plate)
		if v.ID = cmp.Or(v.ID, owner.ID); v.ID == "" {
			continue
		}
		_, ok := m.old.Vehicle(v.ID)
		switch {
		case owner.ID != "" && owner.ID != v.ID, taken[v.ID]:
			w.fault(w.vehicleAt[i], "id", "id-mismatch", place{})
		case !ok:
			if reason := m.doubt(v.ID, plateKey(m.salt, *v)); reason != "" {
				w.fault(w.vehicleAt[i], "id", reason, place{})
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
		if v.ID = m.returning(plateKey(m.salt, *v), taken); v.ID == "" {
			m.lastVehicle++
			v.ID = vehicleID(m.lastVehicle)
		}
		taken[v.ID] = true
	}
}
