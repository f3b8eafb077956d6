package roster

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// roll is what a file says: each row checked by itself and against the others. Its people and vehicles may still lack their IDs.
type roll struct {
	households map[string]Household
	people     []Person
	vehicles   []Vehicle
	personRow  []int // row of people[i]
	vehicleRow []int
	faults     FaultyRows
	told       map[cell]bool
}

type cell struct {
	row    int
	column string
}

// fault notes the first fault of a cell: what follows from it would only confuse.
func (w *roll) fault(row int, column, reason string, other int) {
	if c := (cell{row, column}); !w.told[c] {
		w.told[c] = true
		w.faults.add(Fault{Row: row, Column: column, Reason: reason, Other: other})
	}
}

// checked checks the rows. An import replaces the whole roster, so the known households are those of the file: a resident's row and
// a row of building, unit and room alone declare one; staff and vehicles may only name one that is declared.
func checked(rows []Row, checkID func(string) (string, error)) *roll {
	w := &roll{households: map[string]Household{}, told: map[cell]bool{}}
	type naming struct {
		row       int
		household string
	}
	var named []naming
	for _, r := range rows {
		before := w.faults.Total
		fault := func(column, reason string) { w.fault(r.Number, column, reason, 0) }
		faulty := func(column string) bool { return w.told[cell{r.Number, column}] }
		for _, f := range r.Faults {
			w.fault(r.Number, f.Column, f.Reason, f.Other)
		}
		for i, cell := range r.cells() {
			name := headings[i]
			*cell = trim(*cell)
			switch {
			case len(*cell) > maxCell:
				fault(name, "cell-too-long")
			case formula(*cell) && (name != "phone" || (*cell)[0] != '+'): // a telephone number may begin with +
				fault(name, "formula")
			case spoiltNumber.MatchString(*cell):
				fault(name, "number-spoilt")
			case !utf8.ValidString(*cell) || strings.ContainsFunc(*cell, unseen):
				fault(name, "bad-character")
			}
			if faulty(name) {
				*cell = ""
			}
		}
		home := r.household(fault)
		switch {
		case r.Name != "" && r.Plate != "":
			fault("plate", "name-and-plate")
		case r.Name != "" || faulty("name"):
			p := r.person(checkID, fault)
			p.Household = home.ID
			if p.Class == "resident" && home.ID == "" && !faulty("building") && !faulty("unit") && !faulty("room") {
				fault("room", "household-missing")
			}
			if w.faults.Total == before {
				w.people, w.personRow = append(w.people, p), append(w.personRow, r.Number)
			}
			if (p.Class == "resident" || p.Class == "") && home.ID != "" {
				w.households[home.ID] = home
			} else if home.ID != "" {
				named = append(named, naming{r.Number, home.ID})
			}
		case r.Plate != "" || faulty("plate"):
			v := r.vehicle(fault)
			if v.Household = home.ID; home.ID != "" {
				named = append(named, naming{r.Number, home.ID})
			}
			if w.faults.Total == before {
				w.vehicles, w.vehicleRow = append(w.vehicles, v), append(w.vehicleRow, r.Number)
			}
		case home.ID != "" && r.ID+r.DocumentType+r.Document+r.BirthDate+r.Phone+r.Class+r.Service == "":
			w.households[home.ID] = home
		case w.faults.Total == before:
			fault("name", "nothing-named")
		}
	}
	for _, n := range named {
		if _, ok := w.households[n.household]; !ok {
			w.fault(n.row, "room", "unknown-household", 0)
		}
	}
	w.twins()
	return w
}

// unseen tells characters that a cell cannot honestly hold: control characters, and those that turn or hide text.
func unseen(r rune) bool {
	return unicode.IsControl(r) && !unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// household reads building, unit and room; a room such as "3-2-501" may stand for all three.
func (r *Row) household(fault func(column, reason string)) (h Household) {
	if r.Building == "" && r.Unit == "" {
		parts := roomParts(r.Room)
		if r.Room == "" {
			return h
		}
		if len(parts) != 3 {
			fault("building", "household-partial")
			return h
		}
		r.Building, r.Unit, r.Room = parts[0], parts[1], parts[2]
	}
	for _, c := range []struct {
		name, cell string
		part       *string
	}{{"building", r.Building, &h.Building}, {"unit", r.Unit, &h.Unit}, {"room", r.Room, &h.Room}} {
		parts := roomParts(c.cell)
		switch {
		case c.cell == "":
			fault(c.name, "household-partial")
		case len(parts) != 1 || utf8.RuneCountInString(parts[0]) > 8:
			fault(c.name, "bad-household")
		default:
			*c.part = parts[0]
		}
	}
	if h.Building == "" || h.Unit == "" || h.Room == "" {
		return Household{}
	}
	h.ID = h.Building + "-" + h.Unit + "-" + h.Room
	return h
}

func (r *Row) person(checkID func(string) (string, error), fault func(column, reason string)) Person {
	p := Person{ID: strings.ToLower(normalCode(r.ID)), Name: normalName(r.Name), Class: "resident"}
	if p.ID != "" && idNumber(p.ID, 'r') == 0 {
		fault("id", "bad-id")
	}
	if utf8.RuneCountInString(p.Name) > 64 || !strings.ContainsFunc(p.Name, unicode.IsLetter) {
		fault("name", "bad-name")
	}
	if r.Service != "" {
		fault("service", "not-for-people")
	}
	if r.Class != "" {
		p.Class = filled(r.Class, classes.value, func() { fault("class", "bad-class") })
	}
	p.Phone = filled(r.Phone, normalPhone, func() { fault("phone", "bad-phone") })
	p.BirthDate = filled(r.BirthDate, normalDate, func() { fault("birth_date", "bad-date") })
	r.document(&p, checkID, fault)
	return p
}

// filled reads a cell, if it is not empty.
func filled(cell string, read func(string) (string, bool), bad func()) string {
	if cell == "" {
		return ""
	}
	v, ok := read(cell)
	if !ok {
		bad()
	}
	return v
}

// document fills in the document and, where its number says it, the birth date.
func (r *Row) document(p *Person, checkID func(string) (string, error), fault func(column, reason string)) {
	p.DocumentType = filled(r.DocumentType, documentTypes.value, func() { fault("document_type", "bad-document-type") })
	p.Document = normalCode(r.Document)
	switch {
	case p.DocumentType == "" && r.DocumentType != "": // not known
		return
	case p.DocumentType == "none":
		if p.DocumentType = ""; p.Document != "" {
			fault("id_number", "document-for-none")
		}
		return
	case p.Document == "" && p.DocumentType != "":
		fault("id_number", "document-missing")
		return
	case p.Document == "":
		return
	case p.DocumentType == "" && almostID.MatchString(p.Document):
		p.DocumentType = "resident-id"
	case p.DocumentType == "":
		fault("document_type", "document-type-empty")
		return
	}
	if p.DocumentType != "resident-id" && !(p.DocumentType == "residence-permit" && len(p.Document) == 18) {
		if !documentForm.MatchString(p.Document) {
			fault("id_number", "bad-document")
		}
		return
	}
	born, err := checkID(p.Document)
	if err != nil {
		reason := "bad-id-number"
		if _, ok := faultTexts[err.Error()]; ok { // bad-check-digit, bad-date
			reason = err.Error()
		}
		fault("id_number", reason)
		return
	}
	if p.BirthDate != "" && p.BirthDate != born {
		fault("birth_date", "birth-date-differs")
	}
	p.BirthDate = born
}

func (r *Row) vehicle(fault func(column, reason string)) Vehicle {
	v := Vehicle{ID: strings.ToLower(normalCode(r.ID)), Plate: normalPlate(r.Plate)}
	if v.ID != "" && idNumber(v.ID, 'v') == 0 {
		fault("id", "bad-id")
	}
	if !plateForm.MatchString(v.Plate) || !strings.ContainsFunc(v.Plate, unicode.IsDigit) {
		fault("plate", "bad-plate")
	}
	for _, name := range []string{"document_type", "id_number", "birth_date", "phone", "class"} {
		if *r.cell(name) != "" {
			fault(name, "not-for-vehicles")
		}
	}
	v.Service = filled(r.Service, services.value, func() { fault("service", "bad-service") })
	return v
}

// who tells people apart that have no document.
type who struct{ household, name, born string }

const anyBirth = "*"

// twins finds rows that name the same person or vehicle, or two people whom the next import could not tell apart:
// same household and name, birth dates that do not differ, and not both with a document.
func (w *roll) twins() {
	ids, documents, plates := map[string]int{}, map[string]int{}, map[string]int{} // rows
	once := func(in map[string]int, row int, column, key, reason string) {
		if other, ok := in[key]; ok && key != "" {
			w.fault(row, column, reason, other)
		} else {
			in[key] = row
		}
	}
	anyone, bare := map[who]int{}, map[who]int{} // first row, first row without document
	for i, p := range w.people {
		row := w.personRow[i]
		once(ids, row, "id", p.ID, "duplicate-id")
		once(documents, row, "id_number", p.Document, "duplicate-document")
		others := bare
		if p.Document == "" {
			others = anyone
		}
		like := []who{{p.Household, p.Name, p.BirthDate}, {p.Household, p.Name, ""}}
		if p.BirthDate == "" {
			like = []who{{p.Household, p.Name, anyBirth}}
		}
		for _, k := range like {
			if other, ok := others[k]; ok {
				w.fault(row, "name", "duplicate-person", other)
				break
			}
		}
		for _, k := range []who{{p.Household, p.Name, p.BirthDate}, {p.Household, p.Name, anyBirth}} {
			if _, ok := anyone[k]; !ok {
				anyone[k] = row
			}
			if _, ok := bare[k]; !ok && p.Document == "" {
				bare[k] = row
			}
		}
	}
	for i, v := range w.vehicles {
		once(ids, w.vehicleRow[i], "id", v.ID, "duplicate-id")
		once(plates, w.vehicleRow[i], "plate", v.Plate, "duplicate-plate")
	}
}

// maxID leaves room above every ID that a file may bring along.
const maxID = 99_999_999

// personID and vehicleID are the one form of a roster ID.
func personID(n int64) string  { return fmt.Sprintf("r-%06d", n) }
func vehicleID(n int64) string { return fmt.Sprintf("v-%04d", n) }

// idNumber returns the number of a roster ID of this kind, 'r' or 'v'; 0 if it is none.
func idNumber(id string, kind byte) int64 {
	if len(id) < 3 || id[0] != kind {
		return 0
	}
	n, err := strconv.ParseInt(id[2:], 10, 64)
	if err != nil || n < 1 || n > maxID || id != personID(n) && id != vehicleID(n) {
		return 0
	}
	return n
}
