// Package levels says which level counts where, by the notices on record.
package levels

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/ledger"
)

// Reasons of a notice entry.
const (
	Announced = "announced" // an authority's notice
	Ordered   = "ordered"   // by word of mouth, as somebody took it down; the notice follows
	Prepared  = "prepared"  // lies ready to be started
	Started   = "started"   // the prepared one that the entry names
	Completed = "completed" // number and issuer of an order that was oral, or another end
	Ended     = "ended"     // the one that the entry names, then or before it began
)

// most bounds how many notices count or will at a time.
const most = 50

// remember is for how long those that have ended are kept, since the clock may be set back.
const remember = 40 * 24 * time.Hour

// Notice sets a level for a place and a time.
type Notice struct {
	Entry  int64     `json:"entry"`
	Level  string    `json:"level"`
	Place  string    `json:"place,omitempty"` // a building such as 3, a unit such as 3-2; empty: the compound
	From   time.Time `json:"from,omitzero"`   // zero: it is prepared, and not started
	Until  time.Time `json:"until,omitzero"`  // zero: until further notice
	Number string    `json:"number,omitempty"`
	Issuer string    `json:"issuer,omitempty"`
	Oral   bool      `json:"oral,omitempty"` // nothing in writing so far
	// Told is the entry that told more of it, such as the notice in writing of an oral order; 0: none did.
	Told int64 `json:"told,omitempty"`
	// Carried: it counted in the epoch before already, so that nothing changes when it counts on.
	Carried bool `json:"carried,omitempty"`
	// Cut is the end that it had before another one cut it short: a time, or open. Empty: none has.
	Cut string `json:"cut,omitempty"`
}

func (n *Notice) counts(at time.Time) bool {
	return !n.From.IsZero() && !at.Before(n.From) && (n.Until.IsZero() || at.Before(n.Until))
}

// overlaps tells whether both count at some time.
func (n *Notice) overlaps(o *Notice) bool {
	return n.Place == o.Place && !n.From.IsZero() && !o.From.IsZero() &&
		(n.Until.IsZero() || o.From.Before(n.Until)) && (o.Until.IsZero() || n.From.Before(o.Until))
}

const minute = "2006-01-02 15:04"

// String names it in texts for people; it has nothing personal.
func (n *Notice) String() string {
	what, end := "notice "+n.Number+" of "+n.Issuer, "until further notice"
	if n.Oral {
		what = "an oral order"
	}
	if n.From.IsZero() {
		return fmt.Sprintf("%d (level %s, %s, prepared)", n.Entry, n.Level, where(n.Place))
	}
	if !n.Until.IsZero() {
		end = "to " + n.Until.Format(minute)
	}
	return fmt.Sprintf("%d (level %s, %s, by %s, from %s %s)", n.Entry, n.Level, where(n.Place), what, n.From.Format(minute), end)
}

func where(place string) string {
	if place == "" {
		return "the compound"
	}
	return place
}

// Detail is what its entry says of it.
func (n *Notice) Detail() map[string]string {
	d := map[string]string{}
	for name, v := range map[string]string{"level": n.Level, "place": n.Place, "number": n.Number, "issuer": n.Issuer,
		"from": stamp(n.From), "until": stamp(n.Until), "cut": n.Cut} {
		if v != "" {
			d[name] = v
		}
	}
	return d
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// InForce is the level of a place, and the entry of the notice that it rests on.
type InForce struct {
	Place  string `json:"place,omitempty"`
	Level  string `json:"level"`
	Notice int64  `json:"notice"`
}

// Board has the notices that count or will, and the levels that are in force by them. Where none is the settings say the level.
// It is never changed in place.
type Board struct {
	Notices []Notice  `json:"notices,omitempty"`
	InForce []InForce `json:"in_force,omitempty"`
	Change  int64     `json:"change,omitempty"` // the newest level entry
	// Since is the newest entry after which another level counts than before, by place: of a building or unit of its own, or no more.
	Since map[string]int64 `json:"since,omitempty"`
}

// Noticed is the board after a notice entry.
func (b Board) Noticed(e *ledger.Entry) Board {
	d := e.Detail
	from, _ := time.Parse(time.RFC3339, d["from"])
	until, _ := time.Parse(time.RFC3339, d["until"])
	switch e.Reason {
	case Announced, Ordered, Prepared:
		b.Notices = append(slices.Clone(b.Notices), Notice{Entry: e.Seq, Level: d["level"], Place: d["place"], From: from, Until: until,
			Number: d["number"], Issuer: d["issuer"], Oral: e.Reason == Ordered, Cut: d["cut"],
			Carried: d["entry"] != "" && !from.IsZero() && !from.After(e.At)})
		return b
	}
	i := slices.IndexFunc(b.Notices, func(n Notice) bool { return n.Entry == e.Ref })
	if i < 0 {
		return b
	}
	b.Notices = slices.Clone(b.Notices)
	n := &b.Notices[i]
	switch e.Reason {
	case Started:
		n.Told = e.Seq
		n.From, n.Until, n.Number, n.Issuer = from, until, cmp.Or(d["number"], n.Number), cmp.Or(d["issuer"], n.Issuer)
		n.Oral = n.Number == ""
	case Completed:
		n.Told = e.Seq
		n.Number, n.Issuer, n.Oral = cmp.Or(d["number"], n.Number), cmp.Or(d["issuer"], n.Issuer), n.Oral && d["number"] == ""
		if !until.IsZero() {
			n.ends(until, "")
		}
	case GoesOn:
		n.goesOn(until)
	case Ended:
		n.ends(until, d[replaced])
		if n.From.IsZero() || !n.From.Before(until) { // it never counts
			b.Notices = slices.Delete(b.Notices, i, i+1)
		}
	}
	return b
}

// over is the detail of a level entry that says that the notice it names counts no more.
const over = "over"

// Changed is the board after a level entry, which names the notice that counts from there on, or no more. One that names none tells of
// gate.level of the settings. Notices that ended long ago are forgotten.
func (b Board) Changed(e *ledger.Entry) Board {
	b.Change = e.Seq
	if e.Ref == 0 {
		b = b.Based(e.Seq, e.Detail["was"], e.Reason)
	} else if n, _ := b.Notice(e.Ref); e.Detail["was"] != e.Reason && (!n.Carried || e.Detail[over] != "") {
		b = b.since(e.Detail["place"], e.Seq)
	}
	if place := e.Detail["place"]; e.Ref != 0 {
		b.InForce = slices.DeleteFunc(slices.Clone(b.InForce), func(f InForce) bool { return f.Place == place })
		if e.Detail[over] == "" {
			b.InForce = append(b.InForce, InForce{place, e.Reason, e.Ref})
		}
	}
	b.Notices = slices.DeleteFunc(slices.Clone(b.Notices), func(n Notice) bool {
		inForce := slices.ContainsFunc(b.InForce, func(f InForce) bool { return f.Notice == n.Entry })
		return !n.Until.IsZero() && e.Clock == "trusted" && e.At.Sub(n.Until) > remember && !inForce
	})
	return b
}

// Based is the board after an entry by which the settings have another level than before; "": they had none.
func (b Board) Based(seq int64, was, is string) Board {
	if _, noticed := b.At("", ""); !noticed && was != "" && was != is {
		b = b.since("", seq)
	}
	return b
}

func (b Board) since(place string, seq int64) Board {
	since := map[string]int64{place: seq}
	for p, seq := range b.Since {
		since[p] = max(since[p], seq)
	}
	b.Since = since
	return b
}

// LastChange is the newest entry after which another level counts in a place than before, for who lives there; 0: nobody knows one.
func (b Board) LastChange(building, unit string) (seq int64) {
	for _, place := range []string{unit, building, ""} {
		seq = max(seq, b.Since[place])
		if slices.ContainsFunc(b.InForce, func(f InForce) bool { return f.Place == place }) {
			break // whatever changes around it
		}
	}
	return seq
}

// Places tells whether a building or unit has, or had, a level of its own.
func (b Board) Places() bool {
	for place := range b.Since {
		if place != "" {
			return true
		}
	}
	return slices.ContainsFunc(b.InForce, func(f InForce) bool { return f.Place != "" })
}

// At is the level in force in a place, for who lives there: of the unit, else of the building, else of the compound.
func (b Board) At(building, unit string) (f InForce, is bool) {
	for _, place := range []string{unit, building, ""} {
		if i := slices.IndexFunc(b.InForce, func(f InForce) bool { return f.Place == place }); i >= 0 {
			return b.InForce[i], true
		}
	}
	return f, false
}

// Notice finds one by its entry.
func (b Board) Notice(entry int64) (n Notice, is bool) {
	i := slices.IndexFunc(b.Notices, func(n Notice) bool { return n.Entry == entry })
	if i < 0 {
		return n, false
	}
	return b.Notices[i], true
}

// When is the board with what is in force at a time, as far as is known now.
func (b Board) When(at time.Time) Board {
	b.InForce = nil
	for _, n := range slices.SortedFunc(slices.Values(b.Notices), func(m, n Notice) int {
		return cmp.Or(n.From.Compare(m.From), cmp.Compare(n.Entry, m.Entry)) // the newest first
	}) {
		taken := slices.ContainsFunc(b.InForce, func(f InForce) bool { return f.Place == n.Place })
		if n.counts(at) && !taken {
			b.InForce = append(b.InForce, InForce{n.Place, n.Level, n.Entry})
		}
	}
	return b
}

// With is the board with another level in force in a place.
func (b Board) With(f InForce) Board {
	b.InForce = append(slices.DeleteFunc(slices.Clone(b.InForce), func(o InForce) bool { return o.Place == f.Place }), f)
	return b
}

// Due are the changes that are due at a time, as level entries but for their stamps. The settings have the level base.
func (b Board) Due(at time.Time, base string) (changes []ledger.Event) {
	if len(b.Notices)+len(b.InForce) == 0 {
		return nil
	}
	want := b.When(at)
	change := func(f InForce, was string) {
		d := map[string]string{"was": was}
		if f.Place != "" {
			d["place"] = f.Place
		}
		changes = append(changes, ledger.Event{Reason: f.Level, Ref: f.Notice, Detail: d})
	}
	for _, f := range want.InForce {
		if !slices.Contains(b.InForce, f) {
			change(f, b.level(f.Place, base))
		}
	}
	for _, f := range b.InForce {
		if !slices.ContainsFunc(want.InForce, func(o InForce) bool { return o.Place == f.Place }) {
			change(InForce{Place: f.Place, Level: want.level(f.Place, base), Notice: f.Notice}, f.Level)
			changes[len(changes)-1].Detail[over] = "yes"
		}
	}
	return changes
}

// level is the level of a place.
func (b Board) level(place, base string) string {
	building, _, _ := strings.Cut(place, "-")
	f, _ := b.At(building, place) // a building is no unit, and is found as itself
	return cmp.Or(f.Level, base)
}

// Lasting are the notices that count or will, and those that are prepared.
func (b Board) Lasting(at time.Time) []Notice {
	return slices.DeleteFunc(slices.Clone(b.Notices), func(n Notice) bool { return !n.Until.IsZero() && !at.Before(n.Until) })
}

// Check tells why a notice cannot be taken at a time.
func (b Board) Check(n *Notice, at time.Time) error {
	switch {
	case !n.Until.IsZero() && n.From.Equal(n.Until):
		return fmt.Errorf("it ends when it begins (%s), and would never count", n.From.Format(time.DateTime))
	case !n.Until.IsZero() && !n.From.IsZero() && !n.From.Before(n.Until):
		return fmt.Errorf("it ends (%s) before it begins (%s)", n.Until.Format(time.DateTime), n.From.Format(time.DateTime))
	case !n.Until.IsZero() && !at.Before(n.Until):
		return fmt.Errorf("its end (%s) is past", n.Until.Format(time.DateTime))
	case n.Entry == 0 && len(b.Lasting(at)) >= most:
		return fmt.Errorf("%d notices count or will already: end some first", most)
	}
	for _, o := range b.Notices {
		if o.Entry != n.Entry && n.overlaps(&o) {
			return &Overlap{o, n.From, !o.From.Before(n.From) && o.From.After(at)}
		}
	}
	return nil
}

// Overlap is an error: another notice counts for the same place at the same time.
type Overlap struct {
	Notice Notice
	From   time.Time // when the one begins that cannot be taken
	Later  bool      // the other begins within its time: none can take its place unnoticed
}

func (o *Overlap) Error() string {
	n := &o.Notice
	withdraw := fmt.Sprintf("withdraw it first by \"gated level end %d\"", n.Entry)
	switch {
	case !o.Later:
		return fmt.Sprintf("notice entry %s counts then: end it first, or have this one take its place by --replace", n)
	case o.From.Before(n.From):
		return fmt.Sprintf("notice entry %s begins meanwhile: give --until %q, or %s", n, n.From.Format(minute), withdraw)
	}
	return fmt.Sprintf("notice entry %s begins then: %s", n, withdraw)
}
