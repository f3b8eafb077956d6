// Package host is whom a guard calls for somebody who comes to see them.
package host

import (
	"fmt"
	"slices"

	"gated/gate/visit"
	"gated/ledger"
	"gated/register/hosts"
	"gated/roster"
)

// Body is a host that is no household.
type Body struct {
	Body   string // one of visit.Bodies
	Open   bool   // whoever comes to it may: nobody need be called
	People []Called
}

// Open are the bodies that whoever comes may see.
func Open(bodies []Body) (words []string) {
	for _, b := range bodies {
		if b.Open {
			words = append(words, b.Body)
		}
	}
	return words
}

// Called is somebody who answers for it.
type Called struct{ Name, Telephone string }

// What a card is of.
const (
	Household = "household"
	IsBody    = "body"
)

// Card is whom to call for a host, in order. It has no telephone number: each is shown on a touch, which is an entry.
type Card struct {
	Host    string   `json:"host"`
	Kind    string   `json:"kind"` // household or body
	Chinese string   `json:"zh,omitempty"`
	English string   `json:"en,omitempty"`
	Consent string   `json:"consent"` // asked, or open: nobody need be called
	People  []Person `json:"people"`
	// Says is what they have said once for all.
	Says []hosts.Named `json:"says"`
}

// Person is one whom the guard calls.
type Person struct {
	Index     int    `json:"index"`
	ID        string `json:"id,omitempty"` // of a household's: roster ID
	Name      string `json:"name"`
	Class     string `json:"class,omitempty"`
	Telephone bool   `json:"telephone"` // one is known
}

// Of is the card of a host: a household, as a guard types a room of the compound, or a body.
func Of(people *roster.Snapshot, bodies []Body, host string) (c Card, known bool) {
	if i := slices.IndexFunc(visit.Bodies, func(w visit.Word) bool { return w.Word == host || w.Chinese == host }); i >= 0 {
		w := visit.Bodies[i]
		c = Card{Host: w.Word, Kind: IsBody, Chinese: w.Chinese, English: w.English, Consent: "asked", People: []Person{}}
		b := bodyOf(bodies, w.Word)
		if b.Open {
			c.Consent = "open"
		}
		for i, p := range b.People {
			c.People = append(c.People, Person{Index: i, Name: p.Name, Telephone: p.Telephone != ""})
		}
		return c, true
	}
	rooms := people.Rooms(host)
	if len(rooms) != 1 {
		return c, false
	}
	c = Card{Host: rooms[0].ID, Kind: Household, Consent: "asked", People: []Person{}}
	home := people.Of(c.Host)
	slices.SortStableFunc(home, func(a, b roster.Person) int { return silent(a) - silent(b) })
	for i, p := range home {
		c.People = append(c.People, Person{Index: i, ID: p.ID, Name: p.Name, Class: p.Class, Telephone: p.Phone != ""})
	}
	return c, true
}

// silent tells whether nobody can call them: they come last.
func silent(p roster.Person) int { return map[bool]int{true: 1}[p.Phone == ""] }

func bodyOf(bodies []Body, word string) (b Body) {
	if i := slices.IndexFunc(bodies, func(b Body) bool { return b.Body == word }); i >= 0 {
		b = bodies[i]
	}
	return b
}

// Says is what a host says of whoever comes to see them, once for all; or with Ref that it says so no more.
type Says struct {
	Room, What, Name string
	Ref              int64
}

// Event is the entry of it; not known: there is no such host.
func (s Says) Event(people *roster.Snapshot) (ev ledger.Event, known bool, err error) {
	if s.Ref != 0 {
		return ledger.Event{Kind: hosts.Kind, Reason: hosts.Ended, Ref: s.Ref}, true, nil
	}
	card, known := Of(people, nil, s.Room)
	if known {
		ev, err = hosts.Event(card.Host, s.What, s.Name)
	}
	return ev, known, err
}

// Whose telephone it is: that of a person of the roster, of a visit, or of one of a body's people.
type Whose struct {
	Person string `json:"person"` // roster ID
	Visit  string `json:"visit"`
	Body   string `json:"body"`
	Index  int    `json:"index"` // of a body's people, as its card has them
}

// Number is the telephone, and whose it is, sealed, for the entry. said is the entry that made the visit; nil: it cannot be read.
func (w Whose) Number(people *roster.Snapshot, bodies []Body, said *ledger.Entry) (number string, whose []ledger.Field, err error) {
	switch {
	case w.Person != "" && w.Visit+w.Body == "":
		p, _ := people.Person(w.Person)
		whose = []ledger.Field{{Name: "subject", Value: p.ID}}
		if p.Household != "" {
			whose = append(whose, ledger.Field{Name: "household", Value: p.Household})
		}
		number = p.Phone
	case w.Visit != "" && w.Person+w.Body == "" && said != nil && said.Detail["private"] == "":
		number = said.Personally("phone")
		whose = append(whose, ledger.Field{Name: "name", Value: said.Personally("name")},
			ledger.Field{Name: "host", Value: said.Personally("host")})
	case w.Body != "" && w.Person+w.Visit == "":
		if b := bodyOf(bodies, w.Body); w.Index >= 0 && w.Index < len(b.People) {
			number = b.People[w.Index].Telephone
			whose = []ledger.Field{{Name: "host", Value: w.Body}, {Name: "name", Value: b.People[w.Index].Name}}
		}
	}
	if number == "" {
		return "", nil, fmt.Errorf("no telephone of theirs is known: say whose, a person, a visit or a body")
	}
	return number, slices.DeleteFunc(whose, func(f ledger.Field) bool { return f.Value == "" }), nil
}
