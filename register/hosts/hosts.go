// Package hosts keeps what hosts have said, once for all, of whoever comes to see them.
package hosts

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"

	"gated/ledger"
	"gated/register/blind"
	"gated/table"
)

// Kind is that of their entries.
const Kind ledger.Kind = "host"

// What a host says, which is the reason of the entry.
const (
	CallFirst   = "call-first"   // ask us each time, whatever a visit says
	AlwaysAdmit = "always-admit" // somebody whom we name: they need not be asked for
	NoVisitors  = "no-visitors"  // nobody; nor confirm that we live here
	Ended       = "ended"        // what the entry says that this one names
)

// Words are what a host may say.
var Words = []string{CallFirst, AlwaysAdmit, NoVisitors}

// Instruction is one of a host.
type Instruction struct {
	Entry int64     `json:"entry"`
	What  string    `json:"what"`
	Host  blind.Key `json:"host_key"`
	Name  blind.Key `json:"name_key,omitempty"` // who is always admitted
}

// List is never changed in place.
type List []Instruction

// After is the list after an entry, as far as that can still be read.
func (l List) After(e *ledger.Entry, h blind.Hasher) List {
	l = slices.DeleteFunc(slices.Clone(l), func(i Instruction) bool { return e.Reason == Ended && i.Entry == e.Ref })
	if i := of(e, h); i.Host != 0 && slices.Contains(Words, e.Reason) {
		l = append(l, i)
	}
	return l
}

// of is the instruction of an entry.
func of(e *ledger.Entry, h blind.Hasher) Instruction {
	i := Instruction{Entry: e.Seq, What: e.Reason}
	i.Host, _ = h.Field(e, "host")
	i.Name, _ = h.Field(e, "name")
	if i.What == AlwaysAdmit && i.Name == 0 { // nobody knows any more whom
		i.Host = 0
	}
	return i
}

// Left is the list once entries have lost personal fields: without those of whom nobody knows any more whose they are.
func (l List) Left(left map[int64]*ledger.Entry, h blind.Hasher) List {
	return slices.DeleteFunc(slices.Clone(l), func(i Instruction) bool {
		e := left[i.Entry]
		return e != nil && of(e, h) != i
	})
}

// Of is what some hosts say of somebody of a name, 0: of none; "": nothing. Where one of them wants no visitors it is that, unless that one
// always admits whoever comes; what else one of them says counts for all.
func (l List) Of(hosts []blind.Key, name blind.Key) (word string) {
	rank := []string{"", CallFirst, AlwaysAdmit, NoVisitors}
	for _, host := range hosts {
		one := ""
		for _, i := range l {
			switch {
			case i.Host != host || i.What == AlwaysAdmit && (name == 0 || i.Name != name):
			case i.What == AlwaysAdmit, one != AlwaysAdmit && slices.Index(rank, i.What) > slices.Index(rank, one):
				one = i.What
			}
		}
		if slices.Index(rank, one) > slices.Index(rank, word) {
			word = one
		}
	}
	return word
}

// Entries are the numbers of theirs.
func (l List) Entries() (seqs []int64) {
	for _, i := range l {
		seqs = append(seqs, i.Entry)
	}
	return seqs
}

// Named is an instruction in words.
type Named struct {
	Entry int64  `json:"entry"`
	Host  string `json:"host"`
	What  string `json:"what"`
	Name  string `json:"name,omitempty"`
}

// Named are all of them, or those of a host, as far as their entries can still be read.
func (l List) Named(said map[int64]*ledger.Entry, host string) []Named {
	list := []Named{}
	for _, i := range l {
		if e := said[i.Entry]; e != nil && (host == "" || e.Personally("host") == host) {
			list = append(list, Named{i.Entry, e.Personally("host"), i.What, e.Personally("name")})
		}
	}
	return list
}

// Print writes a list of them.
func Print(w io.Writer, list []Named) error {
	t := table.New(w, "ENTRY\tHOST\tWHAT\tNAME")
	for _, i := range list {
		t.Row(i.Entry, i.Host, i.What, cmp.Or(i.Name, "-"))
	}
	return t.Flush()
}

// Event is the entry of what a host says.
func Event(host, what, name string) (ev ledger.Event, err error) {
	ev = ledger.Event{Kind: Kind, Reason: what, Personal: []ledger.Field{{Name: "host", Value: host}}}
	switch n := utf8.RuneCountInString(name); {
	case !slices.Contains(Words, what):
		return ev, fmt.Errorf("%.30q: a host says one of %q", what, Words)
	case (what == AlwaysAdmit) != (n > 0):
		return ev, fmt.Errorf("%s names whoever is always admitted, and nothing else names anybody", AlwaysAdmit)
	case n > 60 || !utf8.ValidString(name) || slices.ContainsFunc([]rune(name), func(r rune) bool { return !unicode.IsPrint(r) }):
		return ev, fmt.Errorf("the name has %d characters: write at most 60 that can be printed", n)
	case n > 0:
		ev.Personal = append(ev.Personal, ledger.Field{Name: "name", Value: name})
	}
	return ev, nil
}
