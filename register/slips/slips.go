// Package slips keeps what households let be carried or driven out of the compound (物品放行条).
package slips

import (
	"slices"
	"strings"
	"time"

	"gated/ledger"
	"gated/register/blind"
)

// Kind of the entries.
const Kind ledger.Kind = "slip"

// Reasons of a slip entry.
const (
	Issued = "issued"
	Used   = "used" // the one that the entry names
)

// Agreed are those who can agree to a slip.
var Agreed = []string{"owner", "tenant", "office"}

// Longest is for how long a slip is good at most.
const Longest = 30 * 24 * time.Hour

// remember is for how long those that have expired are kept, since the clock may be set back.
const remember = 7 * 24 * time.Hour

// Slip is one that nobody has used. What may go out, and who agreed by name, only its entry says.
type Slip struct {
	Entry     int64     `json:"entry"`
	ID        string    `json:"id"`
	Household blind.Key `json:"household"`
	Agreed    string    `json:"agreed"`
	Until     time.Time `json:"until"`
}

// List is never changed in place. They are in the order of their entries.
type List []Slip

// After is the list after an entry of this kind, as far as that can still be read.
func (l List) After(e *ledger.Entry, h blind.Hasher) List {
	l = slices.DeleteFunc(slices.Clone(l), func(s Slip) bool {
		return e.Reason == Used && s.Entry == e.Ref || e.Clock == "trusted" && e.At.Sub(s.Until) > remember
	})
	until, err := time.Parse(time.RFC3339, e.Detail["until"])
	if home, named := h.Field(e, "household"); named && e.Reason == Issued && err == nil {
		l = append(l, Slip{e.Seq, strings.Clone(e.Detail["slip"]), home, strings.Clone(e.Detail["agreed"]), until})
	}
	return l
}

// Left is the list once entries have lost personal fields: without those whose household is named no more.
func (l List) Left(left map[int64]*ledger.Entry, h blind.Hasher) List {
	return slices.DeleteFunc(slices.Clone(l), func(s Slip) bool {
		e := left[s.Entry]
		if e == nil {
			return false
		}
		home, named := h.Field(e, "household")
		return !named || home != s.Household
	})
}

// Open are those that count at a time, of some households; nil: of all.
func (l List) Open(at time.Time, of []blind.Key) (open List) {
	for _, s := range l {
		if at.Before(s.Until) && (of == nil || slices.Contains(of, s.Household)) {
			open = append(open, s)
		}
	}
	return open
}

// Find is the one with an ID.
func (l List) Find(id string) (s Slip, known bool) {
	i := slices.IndexFunc(l, func(s Slip) bool { return s.ID == id })
	if i < 0 {
		return s, false
	}
	return l[i], true
}
