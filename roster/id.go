package roster

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
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

// renumbered finds among those who go and those who come the ones who are likely the same: same document or plate, or same name and
// something besides.
func renumbered(d difference, old *Snapshot, passes map[string][]string) (list []Renumbered) {
	gone := map[string][]string{} // IDs by what they may be known by
	for _, p := range d.people.removed {
		for _, trait := range p.traits() {
			gone[trait] = append(gone[trait], p.ID)
		}
	}
	for _, v := range d.vehicles.removed {
		gone[v.Plate] = append(gone[v.Plate], v.ID)
	}
	claimed := map[string]bool{}
	find := func(now Change, traits []string) {
		for _, trait := range traits {
			if was := gone[trait]; len(was) == 1 && !claimed[was[0]] {
				claimed[was[0]] = true
				list = append(list, Renumbered{was[0], now, passes[was[0]]})
				return
			}
		}
	}
	for _, p := range d.people.in {
		if _, known := old.Person(p.ID); !known {
			find(p.change(), p.traits())
		}
	}
	for _, v := range d.vehicles.in {
		if _, known := old.Vehicle(v.ID); !known {
			find(v.change(), []string{v.Plate})
		}
	}
	return list
}

// traits are what one and the same person has before and after a change, the surest first.
func (p Person) traits() (list []string) {
	if p.Document != "" {
		list = append(list, p.Document)
	}
	for _, also := range append(strings.Fields(p.homes()), p.BirthDate, p.Phone) {
		if also != "" {
			list = append(list, fmt.Sprintf("%s\x00%s", normalCode(p.Name), also))
		}
	}
	return list
}
