package roster

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// Key is the compound key: with it, and nothing else, an ID follows from what a list says of somebody. So all gates of a compound
// give the same IDs, whichever lists they were fed, and nobody else can guess one.
type Key [32]byte

// NewKey makes the key of a compound.
func NewKey() (k Key) {
	rand.Read(k[:]) // never fails: the process ends first
	return k
}

// Check is by what another key is noticed; empty for the zero key, which stands for none.
func (k Key) Check() string {
	if k == (Key{}) {
		return ""
	}
	return hex.EncodeToString(k.mac("check")[:4])
}

// Written is the key as it is written down: 64 hexadecimal digits and 8 that tell of a slip, in groups of four.
func (k Key) Written() string {
	digits := hex.EncodeToString(k[:]) + k.Check()
	var groups []string
	for ; digits != ""; digits = digits[4:] {
		groups = append(groups, digits[:4])
	}
	return strings.Join(groups, " ")
}

// ParseKey reads what Written wrote, in groups or not.
func ParseKey(written string) (k Key, err error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(written), ""))
	if err != nil || len(b) != len(k)+4 {
		return Key{}, errors.New("not a compound key: it has 72 hexadecimal digits, as \"gated key show --compound\" prints them")
	}
	if copy(k[:], b); hex.EncodeToString(b[len(k):]) != k.Check() {
		return Key{}, errors.New("the compound key has a slip: its last 8 digits do not fit the others; compare each")
	}
	return k, nil
}

func (k Key) mac(basis ...string) []byte {
	m := hmac.New(sha256.New, k[:])
	m.Write([]byte(strings.Join(basis, "\x00")))
	return m.Sum(nil)
}

var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// id is the ID that follows from a basis; empty where there is none.
func (k Key) id(kind string, basis []string) string {
	if basis == nil {
		return ""
	}
	return kind + "-" + lower32.EncodeToString(k.mac(basis...))[:13]
}

// basis is what somebody is known by, from list to list and at every gate; nil if the row says too little.
func (p Person) basis() []string {
	name := normalCode(p.Name) // however it is spaced
	switch {
	case p.Document != "":
		return []string{"document", p.Document}
	case p.Household != "" || p.BirthDate != "":
		return []string{"person", p.Household, name, p.BirthDate}
	case p.Phone != "":
		return []string{"telephone", name, p.Phone}
	}
	return nil
}

func (v Vehicle) basis() []string { return []string{"plate", v.Plate} }

// idForm is what stands behind r- or v-: what follows from a row, or a number that somebody gave.
var idForm = regexp.MustCompile(`^([a-z2-7]{13}|[0-9]{4,8})$`)

// isID tells whether an ID is one of this kind, "r" or "v".
func isID(id, kind string) bool {
	after, ok := strings.CutPrefix(id, kind+"-")
	return ok && idForm.MatchString(after) && strings.Trim(after, "0") != ""
}

// number gives everybody whose row has no ID the one that follows from it, and notes whether any ID follows from the key.
func (w *roll) number(key Key) {
	for i := range w.people {
		p, at := &w.people[i], w.personAt[i]
		id := key.id("r", p.basis())
		if p.ID == "" && id == "" {
			w.fault(at, "id", "id-needed", place{})
		}
		w.computed[at] = p.ID == ""
		p.ID = cmp.Or(p.ID, id)
		w.keyed = w.keyed || p.ID == id
	}
	for i := range w.vehicles {
		v, at := &w.vehicles[i], w.vehicleAt[i]
		id := key.id("v", v.basis())
		w.computed[at] = v.ID == ""
		v.ID = cmp.Or(v.ID, id)
		w.keyed = w.keyed || v.ID == id
	}
}

// unnumbered tells whether a row has no ID.
func (w *roll) unnumbered() bool {
	for _, p := range w.people {
		if p.ID == "" {
			return true
		}
	}
	for _, v := range w.vehicles {
		if v.ID == "" {
			return true
		}
	}
	return false
}

// unlike finds the rows with the ID of somebody quite different.
func (w *roll) unlike(old *Snapshot) {
	for i, p := range w.people {
		if was, known := old.Person(p.ID); known && !alike(was, p) {
			w.fault(w.personAt[i], "id", "id-mismatch", place{})
		}
	}
}

// alike tells whether someone of the roster can be the one who has their ID in the file: names and documents do change, but not both
// at once.
func alike(was, now Person) bool {
	return was.Name == now.Name || was.Document != "" && was.Document == now.Document ||
		(was.Document == "" || now.Document == "") && was.Household == now.Household
}

// Renumbered is somebody who has another ID than before, so that passes with the old one are theirs no longer.
type Renumbered struct {
	Old    string
	Change          // as it is now
	Passes []string // serials of those recorded that were good
}

// renumbered finds among those who go and those who come the ones who are likely the same.
func renumbered(d difference, old *Snapshot, passes map[string][]string) (list []Renumbered) {
	people := slices.DeleteFunc(slices.Clone(d.people.in), func(p Person) bool { _, known := old.Person(p.ID); return known })
	vehicles := slices.DeleteFunc(slices.Clone(d.vehicles.in), func(v Vehicle) bool { _, known := old.Vehicle(v.ID); return known })
	list = append(pairs(d.people.removed, people, Person.change, Person.traits),
		pairs(d.vehicles.removed, vehicles, Vehicle.change, Vehicle.traits)...)
	for i := range list {
		list[i].Passes = passes[list[i].Old]
	}
	return list
}

// pairs takes whoever goes and whoever comes for the same where they, and nobody else, have a trait: the surest traits first.
func pairs[T any](gone, come []T, change func(T) Change, traits func(T) [4][]string) (list []Renumbered) {
	was, paired := map[string]string{}, map[string]bool{} // the old ID by the new one; those gone who have one
	for sure := range 4 {
		having := func(all []T) map[string][]string {
			ids := map[string][]string{}
			for _, t := range all {
				id := change(t).ID
				if was[id] != "" || paired[id] {
					continue
				}
				for _, trait := range traits(t)[sure] {
					ids[trait] = append(ids[trait], id)
				}
			}
			return ids
		}
		old, now := having(gone), having(come)
		for _, t := range come {
			id := change(t).ID
			for _, trait := range traits(t)[sure] {
				if o := old[trait]; was[id] == "" && len(o) == 1 && len(now[trait]) == 1 && !paired[o[0]] {
					was[id], paired[o[0]] = o[0], true
				}
			}
		}
	}
	for _, t := range come {
		if c := change(t); was[c.ID] != "" {
			list = append(list, Renumbered{Old: was[c.ID], Change: c})
		}
	}
	return list
}

// traits are what one and the same person has before and after a change, the surest first: the document; the name and something
// besides; what a telephone or a name that was corrected leaves; and the flat with the family name.
func (p Person) traits() (list [4][]string) {
	add := func(sure int, parts ...string) {
		if !slices.Contains(parts, "") {
			list[sure] = append(list[sure], strings.Join(parts, "\x00"))
		}
	}
	name, homes := normalCode(p.Name), strings.Fields(p.homes())
	add(0, p.Document)
	for _, also := range append(homes, p.BirthDate, p.Phone) {
		add(1, name, also)
	}
	if len(homes) == 0 {
		add(2, name)
	}
	if p.Document == "" { // or else another name is somebody else's
		add(2, "telephone", p.Phone)
		for _, home := range homes {
			add(2, home, "born", p.BirthDate)
			add(3, home, string([]rune(p.Name)[:1])) // the family name
		}
	}
	return list
}

// traits are likewise what a vehicle has.
func (v Vehicle) traits() (list [4][]string) {
	list[0] = []string{v.Plate}
	if v.Household != "" || v.Service != "" {
		list[1] = []string{v.Household + "\x00" + v.Service}
	}
	return list
}
