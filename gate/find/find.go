// Package find is whom a guard finds who has no code to show: people and vehicles of the roster, and visits.
package find

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/gate/view"
	"gated/gate/visit"
	"gated/register"
	"gated/register/blind"
	"gated/register/visits"
	"gated/roster"
)

// most is how many of each kind are found at once: more do not fit the guard's page.
const most = 50

// leastPhone is how many digits of a telephone find somebody.
const leastPhone = 7

// Result is who may come in, never a history; nobody's document, nor a telephone.
type Result struct {
	People   []view.Found   `json:"people"`
	Vehicles []view.Vehicle `json:"vehicles"`
	Visits   []view.Visit   `json:"visits"`
	// Building: it is a name, or a telephone, and a building is to stand before it. Only who does not live here was looked for.
	Building bool `json:"building"`
}

// bodyOf is the body that a text begins with, in one of its words, and the rest.
func bodyOf(text string) (body, rest string) {
	first, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	for _, b := range visit.Bodies {
		if first = strings.ToLower(first); first == b.Word || first == b.Chinese {
			return b.Word, strings.TrimSpace(rest)
		}
	}
	return "", ""
}

// Names is how many it tells of.
func (r *Result) Names() int { return len(r.People) + len(r.Vehicles) + len(r.Visits) }

// Finder looks in the roster, and in the register.
type Finder struct {
	People   *roster.Snapshot
	Register *register.Register
	Now      time.Time // in the gate's zone
}

// wanted is what somebody looks for.
type wanted struct {
	rooms       []string // households, and a body
	place, rest string   // a name or a telephone, and where
	name, phone string   // in their normal forms; "": it is none
	wide        bool     // wherever they live
}

// Find looks for a text: a room, a name or a telephone behind a building or a unit, a plate or its last four, the digits of a visit.
// A wide search looks for a name or a telephone without a building, too.
func (f Finder) Find(text string, wide bool) (r Result, err error) {
	w := wanted{wide: wide}
	for _, h := range f.People.Rooms(text) {
		w.rooms = append(w.rooms, h.ID)
	}
	w.place, w.rest = f.People.Place(text)
	if body, rest := bodyOf(text); body != "" && rest == "" {
		w.rooms, w.rest = append(w.rooms, body), ""
	} else if body != "" {
		w.place, w.rest = body, rest
	}
	if phone := blind.Normal(blind.OfPhone, w.rest); len(phone) >= leastPhone && strings.Trim(phone, "0123456789") == "" {
		w.phone = phone
	} else if strings.ContainsFunc(w.rest, unicode.IsLetter) && len(w.rooms) == 0 {
		w.name = blind.Normal(blind.OfName, w.rest)
	}
	r = Result{People: f.people(w), Vehicles: f.vehicles(text, w)}
	if r.Visits, err = f.visits(text, w); err != nil {
		return r, err
	}
	r.Building = w.place == "" && !wide && w.name+w.phone != "" && len(r.Vehicles)+len(r.Visits) == 0
	return r, nil
}

// people are those of the rooms; of a name or a telephone those of the place, or who lives nowhere here.
func (f Finder) people(w wanted) []view.Found {
	found := []view.Found{}
	add := func(p roster.Person) {
		found = append(found, view.Found{ID: p.ID, Name: p.Name, Room: p.Household, Class: p.Class})
	}
	for _, room := range w.rooms {
		for _, p := range f.People.Of(room) {
			add(p)
		}
	}
	if w.name+w.phone != "" {
		for _, p := range f.People.People() {
			for home := range strings.SplitSeq(strings.TrimSpace(p.Household+" "+p.Others), " ") {
				if p.Household = home; w.lives(home) && w.is(&p) {
					add(p)
					break
				}
			}
		}
	}
	return found[:min(len(found), most)]
}

// lives tells whether somebody of a household is looked for; "": they have none.
func (w *wanted) lives(home string) bool {
	return w.wide || home == "" && w.place == "" || w.place != "" && strings.HasPrefix(home+"-", w.place+"-")
}

func (w *wanted) is(p *roster.Person) bool {
	return w.phone != "" && strings.Contains(p.Phone, w.phone) ||
		w.name != "" && strings.Contains(blind.Normal(blind.OfName, p.Name), w.name)
}

// vehicles are those of the rooms, and that with the plate, or those whose plates end so.
func (f Finder) vehicles(text string, w wanted) []view.Vehicle {
	found := []view.Vehicle{}
	plate := blind.Normal(blind.OfPlate, text)
	ends := utf8.RuneCountInString(plate) == 4
	for _, v := range f.People.Vehicles() {
		if v.Plate == plate || ends && strings.HasSuffix(v.Plate, plate) || slices.Contains(w.rooms, v.Household) {
			x := view.Vehicle{ID: v.ID, Plate: v.Plate, Room: v.Household, Class: "vehicle", Service: v.Service}
			if v.Service != "" {
				x.Class = "emergency-vehicle"
			}
			found = append(found, x)
		}
	}
	return found[:min(len(found), most)]
}

// visits are those to the rooms, with the plate or its end, with the digits, or of the name or the telephone to a host in the place.
// What is private is found by its digits alone.
func (f Finder) visits(text string, w wanted) ([]view.Visit, error) {
	var keys, named []blind.Key // by which one is found wherever it goes, and in the place alone
	byDigits := ""
	f.Register.View(func(s *register.State) {
		for _, room := range w.rooms {
			keys = append(keys, s.Key(blind.OfHost, room))
		}
		if n := blind.Normal(blind.OfDigits, text); len(n) == 6 && strings.Trim(n, "0123456789") == "" {
			byDigits = s.VisitOf(blind.OfDigits, n)
		}
		if n := utf8.RuneCountInString(blind.Normal(blind.OfPlate, text)); n >= 4 && n <= 10 {
			keys = append(keys, s.Wanted(blind.OfPlate, text))
		}
		if w.name != "" && (w.place != "" || w.wide) {
			named = append(named, s.Key(blind.OfName, w.name))
		}
		if w.phone != "" && (w.place != "" || w.wide) {
			named = append(named, s.Key(blind.OfPhone, w.phone))
		}
	})
	if len(keys)+len(named) == 0 && byDigits == "" {
		return []view.Visit{}, nil
	}
	anywhere := map[string]bool{}
	list, err := f.Visits(func(id string, v *visits.Visit, state string) bool {
		if v.Inside == 0 && (state == visits.Over || state == visits.Late) && id != byDigits {
			return false
		}
		anywhere[id] = id == byDigits || share(keys, v.Hosts) || share(keys, v.Keys)
		return anywhere[id] || share(named, v.Keys)
	})
	return slices.DeleteFunc(list, func(v view.Visit) bool {
		return v.ID != byDigits && (v.Private || !anywhere[v.ID] && !slices.ContainsFunc(strings.Fields(v.Host), w.lives))
	}), err
}

func share(wanted, has []blind.Key) bool {
	return slices.ContainsFunc(has, func(k blind.Key) bool { return slices.Contains(wanted, k) })
}

// Visits are those of which something is so by their state now: of whoever is inside, who is overdue first; then those by which
// somebody may come; at the end deliveries, which nobody looks for when they leave. They are named as far as that can still be read,
// which may wait for the disk.
func (f Finder) Visits(is func(id string, v *visits.Visit, state string) bool) ([]view.Visit, error) {
	list := []view.Visit{}
	f.Register.View(func(s *register.State) {
		for id, v := range s.Visits {
			if state := v.State(f.Now, s.Day(), 1); is(id, &v, state) {
				x := view.VisitOf(id, v, state, f.Now)
				x.Left = v.Left(s.Day())
				list = append(list, x)
			}
		}
	})
	slices.SortFunc(list, func(a, b view.Visit) int {
		return cmp.Or(compare(a.How == visits.Delivery, b.How == visits.Delivery), -compare(a.Overdue, b.Overdue),
			-compare(a.Inside > 0, b.Inside > 0), a.From.Compare(b.From), cmp.Compare(a.Entry, b.Entry))
	})
	list = list[:min(len(list), most)]
	var seqs []int64
	for _, v := range list {
		seqs = append(seqs, v.Entry)
	}
	said, err := f.Register.Entries(seqs)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if e := said[list[i].Entry]; e != nil {
			list[i].Name, list[i].Host, list[i].Plate = e.Personally("name"), e.Personally("host"), e.Personally("plate")
			list[i].Note, list[i].Firm, list[i].Purpose = e.Personally("note"), e.Detail["firm"], e.Detail["purpose"]
			list[i].Private = e.Detail["private"] != ""
			list[i].Telephone = e.Personally("phone") != ""
		}
	}
	return list, nil
}

func compare(a, b bool) int { return map[bool]int{true: 1}[a] - map[bool]int{true: 1}[b] }
