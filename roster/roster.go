// Package roster keeps who belongs to the compound.
package roster

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/roster/sheet"
)

// Errors that callers decide by.
var (
	ErrNotFound = errors.New("not in the roster")
	ErrReadOnly = errors.New("roster is open for reading only")
)

// Person is someone of the roster.
type Person struct {
	ID           string // roster ID: r- and 13 letters and digits that follow from the row, or the one the list gives
	Household    string // household ID; empty for staff and the like who do not live here
	Name         string
	DocumentType string // one of the words in documentTypes; empty if none is known
	Document     string // number in capitals without spaces; belongs to one person only
	BirthDate    string // 2006-01-02, empty if unknown; of a resident ID it is the number's own
	Phone        string // digits only; an international number begins with 00
	Class        string // resident, staff, volunteer or courier
	Others       string // IDs of the other households, if they have several flats; a space between
}

// LogValue keeps everything but the roster ID out of logs.
func (p Person) LogValue() slog.Value { return slog.StringValue(p.ID) }

// homes are all households of a person; a space between.
func (p Person) homes() string { return strings.TrimSpace(p.Household + " " + p.Others) }

// Vehicle is a vehicle of the roster.
type Vehicle struct {
	ID        string // roster ID: the same with v-
	Plate     string // in capitals without spaces and dots
	Service   string // epidemic-control, ambulance, fire, police, emergency-repair; empty for all others
	Household string // household ID, empty if it belongs to none
}

// LogValue keeps everything but the roster ID out of logs.
func (v Vehicle) LogValue() slog.Value { return slog.StringValue(v.ID) }

// Household is one flat.
type Household struct {
	ID                   string // "3-2-501"
	Building, Unit, Room string // without leading zeros and without words such as 栋 or unit
}

// IssuedPass is a pass as its issuer's list names it.
type IssuedPass struct {
	Serial    string // hex cti of the pass: 16 lower-case digits
	Subject   string // roster ID of a person or a vehicle, or a household ID
	Issuer    string
	NotBefore time.Time
	NotAfter  time.Time
}

// Snapshot is the roster as it stood after one change. It never changes itself, so that any number of goroutines may ask it.
type Snapshot struct {
	version  string
	change   int64
	compound string // Check of the key that IDs follow from; empty: from none

	people      []Person // by household, then by name
	vehicles    []Vehicle
	households  []Household // in the order a guard would walk them
	byID        map[string]int32
	byDocument  map[string]int32
	byVehicleID map[string]int32
	byPlate     map[string]int32
	byHousehold map[string][]int32
	household   map[string]int32

	revoked        map[string]struct{}
	revokedSubject map[string]int64 // passes of this person, vehicle or household that begin before this time (µs) do not count
	suspended      map[string]int64 // likewise, until somebody decides
}

// index fills in what is derived from the lists; salt keys the version.
func (s *Snapshot) index(salt []byte) {
	slices.SortFunc(s.households, compareHouseholds)
	s.household = indexed(s.households, func(h Household) string { return h.ID })
	walk := func(household string) int { // those who belong to none come last
		if i, ok := s.household[household]; ok {
			return int(i)
		}
		return len(s.households)
	}
	slices.SortFunc(s.people, func(a, b Person) int {
		return cmp.Or(walk(a.Household)-walk(b.Household), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(s.vehicles, func(a, b Vehicle) int {
		return cmp.Or(walk(a.Household)-walk(b.Household), cmp.Compare(a.Plate, b.Plate))
	})
	s.byID = indexed(s.people, func(p Person) string { return p.ID })
	s.byDocument = indexed(s.people, func(p Person) string { return p.Document })
	s.byVehicleID = indexed(s.vehicles, func(v Vehicle) string { return v.ID })
	s.byPlate = indexed(s.vehicles, func(v Vehicle) string { return v.Plate })
	s.byHousehold = make(map[string][]int32, len(s.households))
	for i, p := range s.people {
		for _, h := range append([]string{p.Household}, strings.Fields(p.Others)...) {
			s.byHousehold[h] = append(s.byHousehold[h], int32(i))
		}
	}
	// Keyed, so that a version noted in the ledger cannot be used to try out who was in the roster.
	mac := hmac.New(sha256.New, salt)
	// Maps are encoded with sorted keys. No value here can fail to encode.
	_ = json.NewEncoder(mac).Encode([]any{s.people, s.vehicles, s.households, s.revoked, s.revokedSubject, s.suspended})
	s.version = hex.EncodeToString(mac.Sum(nil)[:8])
}

func indexed[T any](list []T, key func(T) string) map[string]int32 {
	index := make(map[string]int32, len(list))
	for i, t := range list {
		if k := key(t); k != "" {
			index[k] = int32(i)
		}
	}
	return index
}

// Version names the content that checks depend on, revocations included: 16 hex digits, the same again for the same content on the
// same box.
func (s *Snapshot) Version() string { return s.version }

// Change counts the changes that were ever made. The ledger knows the newest, and so a roster that was lost, or put back as it was.
// It is negative where the roster cannot be read.
func (s *Snapshot) Change() int64 { return s.change }

// Keyed tells whether IDs of the roster follow from a compound key.
func (s *Snapshot) Keyed() bool { return s.compound != "" }

// Fits tells whether it is this compound key from which they follow, if they follow from any.
func (s *Snapshot) Fits(key Key) bool { return !s.Keyed() || s.compound == key.Check() }

// Person returns the person with this roster ID.
func (s *Snapshot) Person(id string) (Person, bool) { return at(s.people, s.byID, id) }

// PersonByDocument returns who holds the document with this number, as written or printed: spaces and small letters do not matter.
func (s *Snapshot) PersonByDocument(number string) (Person, bool) {
	return at(s.people, s.byDocument, normalCode(number))
}

// Vehicle returns the vehicle with this roster ID.
func (s *Snapshot) Vehicle(id string) (Vehicle, bool) { return at(s.vehicles, s.byVehicleID, id) }

// VehicleByPlate returns the vehicle with this plate, dots and spaces aside.
func (s *Snapshot) VehicleByPlate(plate string) (Vehicle, bool) {
	return at(s.vehicles, s.byPlate, normalPlate(plate))
}

// Household returns the household with this ID, such as "3-2-501".
func (s *Snapshot) Household(id string) (Household, bool) { return at(s.households, s.household, id) }

func at[T any](list []T, index map[string]int32, key string) (found T, ok bool) {
	i, ok := index[key]
	if ok {
		found = list[i]
	}
	return found, ok
}

// People returns everyone, by household as a guard would walk them, then by name.
func (s *Snapshot) People() []Person { return slices.Clone(s.people) }

// Vehicles returns every vehicle, in the same order.
func (s *Snapshot) Vehicles() []Vehicle { return slices.Clone(s.vehicles) }

// Households returns every household by building, unit and room.
func (s *Snapshot) Households() []Household { return slices.Clone(s.households) }

// HasPlace tells whether somebody's flat is in a building such as 3, or in a unit such as 3-2.
func (s *Snapshot) HasPlace(place string) bool {
	return slices.ContainsFunc(s.households, func(h Household) bool { return place == h.Building || place == h.Building+"-"+h.Unit })
}

// Revoked tells whether a pass no longer counts: its serial is revoked, or it begins before the moment at which its subject's
// household was, or that of whoever the subject is.
func (s *Snapshot) Revoked(serial, subject string, notBefore time.Time) bool {
	_, alone := s.revoked[strings.ToLower(serial)]
	before, all := s.revokedSubject[subject]
	return alone || all && notBefore.UnixMicro() < before
}

// Counts returns how many households, residents, staff (everyone else who has a class) and vehicles there are.
func (s *Snapshot) Counts() (households, residents, staff, vehicles int) {
	for _, p := range s.people {
		if p.Class == "resident" {
			residents++
		}
	}
	return len(s.households), residents, len(s.people) - residents, len(s.vehicles)
}

// Export writes the roster as CSV (UTF-8 with byte order mark) that imports again unchanged. No cell of it begins like a formula.
func (s *Snapshot) Export(w io.Writer) error {
	var rows []sheet.Row
	row := func(h Household) sheet.Row { return sheet.Row{Building: h.Building, Unit: h.Unit, Room: h.Room} }
	for _, home := range append([]Household{{}}, s.households...) { // those without a household first
		declared := home.ID == ""
		for _, i := range s.byHousehold[home.ID] {
			p, r := s.people[i], row(home)
			r.ID, r.Name, r.DocumentType, r.Document = p.ID, p.Name, p.DocumentType, p.Document
			r.BirthDate, r.Phone, r.Class = p.BirthDate, p.Phone, p.Class
			declared = declared || p.Class == "resident"
			rows = append(rows, r)
		}
		if !declared {
			rows = append(rows, row(home))
		}
	}
	for _, v := range s.vehicles {
		home, _ := s.Household(v.Household)
		r := row(home)
		r.ID, r.Plate, r.Service = v.ID, v.Plate, v.Service
		rows = append(rows, r)
	}
	return sheet.Write(w, rows)
}

func compareHouseholds(a, b Household) int {
	return cmp.Or(comparePart(a.Building, b.Building), comparePart(a.Unit, b.Unit), comparePart(a.Room, b.Room))
}

// comparePart puts numbers in their order and before names.
func comparePart(a, b string) int {
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			return math.MaxInt
		}
		return n
	}
	return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b))
}
