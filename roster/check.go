package roster

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/roster/sheet"
)

// roll is what a file says: each row checked by itself and against the others. As long as number has not been called, IDs may be missing.
type roll struct {
	households map[string]Household
	people     []Person
	vehicles   []Vehicle
	personAt   []place // of people[i]
	vehicleAt  []place
	faults     sheet.FaultyRows
	faulted    map[cell]bool
	computed   map[place]bool // rows whose ID is not the file's own
	keyed      bool           // an ID follows from the key, given or not
	checkID    func(number string) (birthDate string, err error)
	today      string
}

// place is a row of a sheet.
type place struct {
	sheet  string
	hidden bool
	row    int
}

type cell struct {
	place
	column string
}

func placeOf(r *sheet.Row) place { return place{r.Sheet, r.Hidden, r.Number} }

// fault notes the first fault of a cell: what follows from it would only confuse. Of a pair, other is the other row.
func (w *roll) fault(at place, column, reason string, other place) {
	if c := (cell{at, column}); !w.faulted[c] {
		w.faulted[c] = true
		w.faults.Add(sheet.Fault{Sheet: at.sheet, Hidden: at.hidden, Row: at.row, Column: column, Reason: reason,
			Other: other.row, OtherSheet: other.sheet})
	}
}

// checked checks the rows. An import replaces the whole roster, so the known households are those of the file: a resident's row and
// a row of building, unit and room alone declare one; staff and vehicles may only name one that is declared.
func checked(rows []sheet.Row, opt ImportOptions) *roll {
	w := &roll{households: map[string]Household{}, faulted: map[cell]bool{}, computed: map[place]bool{}, checkID: opt.CheckResidentID,
		today: time.Now().Format(time.DateOnly)}
	type naming struct {
		at        place
		household string
	}
	var named []naming
	for _, r := range rows {
		before, at := w.faults.Total, placeOf(&r)
		fault := func(column, reason string) { w.fault(at, column, reason, place{}) }
		faulty := func(column string) bool { return w.faulted[cell{at, column}] }
		for _, f := range r.Faults {
			fault(f.Column, f.Reason)
		}
		for i, cell := range r.Cells() {
			name := sheet.Headings[i]
			*cell = sheet.Trim(*cell)
			if reason := sheet.Odd(name, *cell); reason != "" {
				fault(name, reason)
			}
			if faulty(name) {
				*cell = ""
			}
		}
		home := household(&r, fault, faulty)
		switch {
		case r.Name != "" && r.Plate != "":
			fault("plate", "name-and-plate")
		case r.Name != "" || faulty("name"):
			p := w.person(&r, fault)
			p.Household = home.ID
			if p.Class == "resident" && home.ID == "" && !faulty("building") && !faulty("unit") && !faulty("room") {
				fault("room", "household-missing")
			}
			if w.faults.Total == before {
				w.people, w.personAt = append(w.people, p), append(w.personAt, at)
			}
			if (p.Class == "resident" || p.Class == "") && home.ID != "" {
				w.households[home.ID] = home
			} else if home.ID != "" {
				named = append(named, naming{at, home.ID})
			}
		case r.Plate != "" || faulty("plate"):
			v := vehicle(&r, fault)
			if v.Household = home.ID; home.ID != "" {
				named = append(named, naming{at, home.ID})
			}
			if w.faults.Total == before {
				w.vehicles, w.vehicleAt = append(w.vehicles, v), append(w.vehicleAt, at)
			}
		case home.ID != "" && r.ID+r.DocumentType+r.Document+r.BirthDate+r.Phone+r.Class+r.Service == "":
			w.households[home.ID] = home
		case w.faults.Total == before:
			fault("name", "nothing-named")
		}
	}
	for _, n := range named {
		if _, ok := w.households[n.household]; !ok {
			w.fault(n.at, "room", "unknown-household", place{})
		}
	}
	w.flats()
	return w
}

// flats makes one person of the rows of somebody who has several flats: the same document or roster ID, the same name, another flat.
// What the other rows say besides must be the same. Their flats stand in the order of the compound, whatever that of the file is.
func (w *roll) flats() {
	first := map[string]int{} // by document, by ID
	homes := map[int][]Household{}
	kept := 0
	for i, p := range w.people {
		of, known := first[p.Document]
		if !known {
			of, known = first[p.ID]
		}
		if known {
			was := &w.people[of]
			other := slices.ContainsFunc(homes[of], func(h Household) bool { return h.ID == p.Household })
			if was.Name == p.Name && p.Class == "resident" && was.Class == p.Class && !other {
				homes[of] = append(homes[of], w.households[p.Household])
				w.agree(was, p, w.personAt[i], w.personAt[of])
				continue
			}
		}
		w.people[kept], w.personAt[kept] = p, w.personAt[i]
		homes[kept] = []Household{w.households[p.Household]}
		for _, key := range []string{p.Document, p.ID} {
			if _, taken := first[key]; !taken && key != "" {
				first[key] = kept
			}
		}
		kept++
	}
	w.people, w.personAt = w.people[:kept], w.personAt[:kept]
	for i, all := range homes {
		if len(all) < 2 {
			continue
		}
		slices.SortFunc(all, compareHouseholds)
		w.people[i].Household = all[0].ID
		for _, h := range all[1:] {
			w.people[i].Others += " " + h.ID
		}
		w.people[i].Others = w.people[i].Others[1:]
	}
}

// agree completes what one row says of a person by what another does.
func (w *roll) agree(was *Person, p Person, at, other place) {
	for _, c := range []struct {
		column string
		was    *string
		is     string
	}{{"id", &was.ID, p.ID}, {"document_type", &was.DocumentType, p.DocumentType}, {"id_number", &was.Document, p.Document},
		{"birth_date", &was.BirthDate, p.BirthDate}, {"phone", &was.Phone, p.Phone}} {
		if *c.was = cmp.Or(*c.was, c.is); c.is != "" && c.is != *c.was {
			w.fault(at, c.column, "person-differs", other)
			return // another document has another birth date
		}
	}
}

// household reads building, unit and room; a room such as "3-2-501" may stand for all three.
func household(r *sheet.Row, fault func(column, reason string), faulty func(column string) bool) (h Household) {
	if r.Building == "" && r.Unit == "" && !faulty("building") && !faulty("unit") {
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
		case len(parts) != 1 || utf8.RuneCountInString(parts[0]) > 8,
			parts[0] == "0" && c.name != "unit": // a unit 0 is a house without any
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

// severalNames are those of a household in one cell. Who is written with a comma or a stroke in Latin letters is one: Smith, John; a/l.
var severalNames = regexp.MustCompile(`[\p{Han})）]\s*[、，,；;/／|\\&＆+＋\r\n]\s*\p{Han}`)

func (w *roll) person(r *sheet.Row, fault func(column, reason string)) Person {
	p := Person{ID: strings.ToLower(normalCode(r.ID)), Name: normalName(r.Name), Class: "resident"}
	if p.ID != "" && !isID(p.ID, "r") {
		fault("id", "bad-id")
	}
	if utf8.RuneCountInString(p.Name) > 64 || !strings.ContainsFunc(p.Name, unicode.IsLetter) ||
		strings.ContainsFunc(sheet.Folded(p.Name), unicode.IsDigit) { // a plate, a telephone number behind the name, 王小明2
		fault("name", "bad-name")
	} else if severalNames.MatchString(r.Name) {
		fault("name", "several-names")
	}
	if r.Service != "" {
		fault("service", "not-for-people")
	}
	if r.Class != "" {
		p.Class = filled(r.Class, classes.Word, func() { fault("class", "bad-class") })
	}
	p.Phone = filled(r.Phone, normalPhone, func() { fault("phone", "bad-phone") })
	if r.BirthDate != "" {
		var reason string
		if p.BirthDate, reason = birthDate(r.BirthDate, w.today); reason != "" {
			fault("birth_date", reason)
		}
	}
	w.document(r, &p, fault)
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
func (w *roll) document(r *sheet.Row, p *Person, fault func(column, reason string)) {
	p.DocumentType = filled(r.DocumentType, documentTypes.Word, func() { fault("document_type", "bad-document-type") })
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
	born, err := w.checkID(p.Document)
	if err != nil {
		reason := "bad-id-number"
		if sheet.Known(err.Error()) { // bad-check-digit, bad-date
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

func vehicle(r *sheet.Row, fault func(column, reason string)) Vehicle {
	v := Vehicle{ID: strings.ToLower(normalCode(r.ID)), Plate: normalPlate(r.Plate)}
	if v.ID != "" && !isID(v.ID, "v") {
		fault("id", "bad-id")
	}
	if !plateForm.MatchString(v.Plate) || !strings.ContainsFunc(v.Plate, unicode.IsDigit) {
		fault("plate", "bad-plate")
	}
	for _, name := range []string{"document_type", "id_number", "birth_date", "phone", "class"} {
		if *r.Cell(name) != "" {
			fault(name, "not-for-vehicles")
		}
	}
	v.Service = filled(r.Service, services.Word, func() { fault("service", "bad-service") })
	return v
}

// twins finds rows that name the same person or vehicle, or two people whom nothing in the file tells apart.
func (w *roll) twins() {
	ids, documents, plates := map[string]place{}, map[string]place{}, map[string]place{}
	twice := func(in map[string]place, row place, key string) (other place, is bool) {
		if other, is = in[key]; !is && key != "" {
			in[key] = row
		}
		return other, is && key != ""
	}
	for i, p := range w.people {
		row := w.personAt[i]
		if other, is := twice(documents, row, p.Document); is {
			w.fault(row, "id_number", "duplicate-document", other)
			continue
		}
		if other, is := twice(ids, row, p.ID); is && w.computed[row] && w.computed[other] {
			w.fault(row, "name", "duplicate-person", other)
		} else if is {
			w.fault(row, "id", "duplicate-id", other)
		}
	}
	for i, v := range w.vehicles {
		row := w.vehicleAt[i]
		if other, is := twice(plates, row, v.Plate); is {
			w.fault(row, "plate", "duplicate-plate", other)
		} else if other, is := twice(ids, row, v.ID); is {
			w.fault(row, "id", "duplicate-id", other)
		}
	}
}
