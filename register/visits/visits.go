// Package visits knows which outsiders may come in, and how many of them are inside by which permission.
package visits

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/ledger"
	"gated/policy/week"
	"gated/register/blind"
	"gated/register/paper"
)

// Kind is that of entries that make a visit or tell what became of it. Its passages are entries of passages that name it.
const Kind ledger.Kind = "visit"

// How a visit was made, which is the reason of its first entry.
const (
	Announced = "announced" // 预约访客: by the office, or at the gate
	WalkIn    = "walk-in"   // 临时访客: they stand there
	Standing  = "standing"  // 长期出入证: on some days and hours, until an end
	Group     = "group"     // one code for many, of whom nobody is named: entries are counted by heads
	Delivery  = "delivery"  // 快递, 外卖
	Taxi      = "taxi"      // 出租车, 网约车
)

// Made are those words.
var Made = []string{Announced, WalkIn, Standing, Group, Delivery, Taxi}

// What becomes of a visit, which is the reason of a later entry.
const (
	Ended     = "ended"     // nobody comes in by it any more
	Reprinted = "reprinted" // it has new digits, and the old ones are void
	Consented = "consented" // its host agreed, by the way that Consent says
	Declined  = "declined"  // its host said no: it is over
	NoAnswer  = "no-answer" // nobody was reached, which changes nothing
)

// Details of entries, beside From and Until.
const (
	ID      = "visit"   // of the visit: also of the entries of its passages
	Heads   = "heads"   // how many passed at once; left out: one
	Entries = "entries" // how often it admits; of a standing one on each day; left out: as often as it is shown
	Consent = "consent" // how the host agreed: one of Consents
	From    = "from"
	Until   = "until"
	Due     = "due" // when they are to have left; left out: Until
	Days    = "days"
	Times   = "times"
)

// Consents are how a host agreed, in the order of what they are worth.
var Consents = []string{"in-person", "gate-called", "intercom", "standing", "order-shown", "own-phone", "none"}

// What a visit says of somebody who would come in by it now.
const (
	Open     = "open"
	Early    = "early"     // its time has not begun
	Late     = "late"      // its time is over
	OffHours = "off-hours" // it is good on other days or at other hours
	UsedUp   = "used-up"   // it has admitted as often as it admits
	Over     = "over"      // somebody ended it, or whose it was has been erased
)

// States are those words.
var States = []string{Open, Early, Late, OffHours, UsedUp, Over}

// How long after what somebody who was not seen to leave counts as gone (推定已离).
const (
	deliveryTakes = time.Hour      // since it came
	stayedOver    = 12 * time.Hour // since it was due out
	// remember is for how long one is kept by which nobody can come in any more, and nobody is inside, as the clock may be set back.
	remember = 48 * time.Hour
)

// Of adds to the details of an entry about a passage by which visit that was, as another entry of it says.
func Of(e *ledger.Entry, detail map[string]string) map[string]string {
	for _, name := range []string{ID, Heads} {
		if value := e.Detail[name]; value != "" {
			detail[name] = value
		}
	}
	return detail
}

// Visit is one outsider's, or one group's, permission. Who it is stands sealed in the entry that made it. Times are in seconds since
// 1970; 0: none.
type Visit struct {
	Entry   int64 // that made it, or told of it once more
	Printed int64 // that gave it its digits
	How     string
	Class   string
	Consent string
	From    int64
	Until   int64
	Due     int64
	Entries int    // 0: any number
	Days    string // of a standing one, as package week reads them
	Times   string

	Hosts  []blind.Key
	Keys   []blind.Key // by which it is found: name, telephone, plate and its end
	Digits blind.Key   // 0: it has none
	Pass   blind.Key   // likewise

	Used    int    // entries that count: of a standing one on Day
	Day     string // the newest on which somebody came in
	DayFrom int64  // the entry with which that began
	Inside  int    // heads
	In      int64  // when the newest of them came in; 0: nobody knows, as the clock was not trusted
	Ended   bool
	Erased  bool // nobody knows any more whose it was
}

// Book has the visits by their IDs. Who keeps one keeps what it was: none is changed in place.
type Book map[string]Visit

// After takes an entry, on a day that trusted clocks have told, and returns the ID of the visit that it changed; "": none.
func (b Book) After(e *ledger.Entry, h blind.Hasher, day string) (id string) {
	id = e.Detail[ID]
	v, known := b[id]
	switch {
	case id == "" || e.Detail[paper.Written] != "": // what stood on paper is past: nobody comes in by it, or is inside
		return ""
	case e.Kind == Kind && slices.Contains(Made, e.Reason):
		was := v
		v = made(e)
		v.goesOn(e, was, known)
		v.name(e, h)
	case !known:
		return ""
	case e.Kind == Kind && (e.Reason == Ended || e.Reason == Declined):
		v.Ended = true
	case e.Kind == Kind && e.Reason == Consented:
		v.Consent = e.Detail[Consent]
	case e.Kind == Kind && e.Reason == Reprinted:
		v.Printed = e.Seq
		v.print(e, h)
	case !v.passed(e, day):
		return ""
	}
	b[id] = v
	return id
}

// made is the visit that an entry makes.
func made(e *ledger.Entry) Visit {
	v := Visit{Entry: e.Seq, Printed: e.Seq, How: e.Reason, Class: e.Class, Consent: e.Detail[Consent], Days: e.Detail[Days],
		Times: e.Detail[Times], From: seconds(e.Detail[From]), Until: seconds(e.Detail[Until]), Due: seconds(e.Detail[Due])}
	v.Entries, _ = strconv.Atoi(e.Detail[Entries])
	return v
}

// name takes from the entry that made it by what it is found. Without a host nobody knows whose it is.
func (v *Visit) name(e *ledger.Entry, h blind.Hasher) {
	v.Hosts, v.Keys = nil, nil
	for host := range strings.FieldsSeq(e.Personally("host")) {
		v.Hosts = append(v.Hosts, h.Key(blind.OfHost, host))
	}
	of := *e
	of.Personal = slices.DeleteFunc(slices.Clone(e.Personal), func(f ledger.Field) bool { return f.Name == "host" })
	v.Keys = h.Terms(&of)
	v.Erased = len(v.Hosts) == 0
	if v.Printed == e.Seq {
		v.print(e, h)
	}
}

// print takes the digits and the pass from the entry that gave them.
func (v *Visit) print(e *ledger.Entry, h blind.Hasher) {
	v.Digits, v.Pass = 0, 0
	if digits := e.Personally("digits"); digits != "" {
		v.Digits = h.Key(blind.OfDigits, digits)
	}
	if serial := e.Personally("pass"); serial != "" {
		v.Pass = h.Key(blind.OfPass, serial)
	}
}

func seconds(text string) int64 {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	return t.Unix()
}

// passed takes an entry of a passage, and tells whether it changed anything.
func (v *Visit) passed(e *ledger.Entry, day string) bool {
	heads := max(1, atoi(e.Detail[Heads]))
	took, back := e.Verdict == "admit", false
	if e.Kind == "correction" {
		back = e.Detail["was"] == "admit"
		took = took && !back
	} else if e.Kind != "register" {
		return false
	}
	switch {
	case took && e.Direction == "in":
		if v.Standing() && day != v.Day {
			v.Used, v.Day, v.DayFrom = 0, day, e.Seq
		}
		v.Used += v.counts(heads)
		v.Inside += heads
		if v.In = 0; e.Clock == "trusted" {
			v.In = e.At.Unix()
		}
	case back && e.Direction == "in":
		if !v.Standing() || e.Ref >= v.DayFrom { // else it counted on a day before
			v.Used = max(0, v.Used-v.counts(heads))
		}
		v.Inside = max(0, v.Inside-heads)
	case took && e.Direction == "out":
		v.Inside = max(0, v.Inside-heads)
	case back && e.Direction == "out":
		v.Inside += heads
	default:
		return false
	}
	return true
}

func atoi(s string) int { n, _ := strconv.Atoi(s); return n }

// counts is how many entries so many heads at once are.
func (v *Visit) counts(heads int) int {
	if v.How == Group {
		return heads
	}
	return 1
}

// Standing tells whether its entries are counted by the day.
func (v *Visit) Standing() bool { return v.How == Standing }

// State is what it says of somebody, or of some of a group, who would come in at a time, in the gate's zone, on a day that trusted
// clocks have told.
func (v *Visit) State(at time.Time, day string, heads int) string {
	now := at.Unix()
	switch {
	case v.Ended, v.Erased:
		return Over
	case v.Entries > 0 && v.counts(max(heads, 1)) > v.Left(day):
		return UsedUp
	case v.From != 0 && now < v.From:
		return Early
	case v.Until != 0 && now >= v.Until:
		return Late
	case v.Days != "" || v.Times != "":
		if set, err := week.Parse(v.Days, v.Times); err != nil || !set.Has(week.Minute(at)) {
			return OffHours
		}
	}
	return Open
}

// Left is how many more it admits, on a day that trusted clocks have told, where it says how many.
func (v *Visit) Left(day string) int {
	if v.Standing() && day != v.Day {
		return v.Entries
	}
	return max(0, v.Entries-v.Used)
}

// Good is from when until when somebody may come in by it.
func (v *Visit) Good(zone *time.Location) (from, until time.Time) {
	return time.Unix(v.From, 0).In(zone), time.Unix(v.Until, 0).In(zone)
}

// DueOut is when whoever is inside is to have left; zero: whenever it is.
func (v *Visit) DueOut() (t time.Time) {
	switch {
	case v.Due != 0:
		t = time.Unix(v.Due, 0)
	case v.Until != 0:
		t = time.Unix(v.Until, 0)
	}
	return t
}

// PresumedLeft is when whoever is inside and was not seen to leave counts as gone; zero: never.
func (v *Visit) PresumedLeft() (t time.Time) {
	if v.How == Delivery && v.In != 0 {
		return time.Unix(v.In, 0).Add(deliveryTakes)
	}
	due := v.DueOut()
	if due.IsZero() {
		return due
	}
	if in := time.Unix(v.In, 0); v.In != 0 && in.After(due) { // they came after it was over, as a guard let them
		due = in
	}
	return due.Add(stayedOver)
}

// Where they are at a time, in the words of whereabouts: inside, outside, or "" where nobody knows.
func (v *Visit) Where(at time.Time) string {
	left := v.PresumedLeft()
	switch {
	case v.Erased, v.Inside > 0 && !left.IsZero() && !at.Before(left):
		return ""
	case v.Inside > 0:
		return "inside"
	}
	return "outside"
}

// Count is how many are inside at a time, but for those who count as gone or are known no more.
func (b Book) Count(at time.Time) (heads int) {
	for _, v := range b {
		if v.Inside > 0 && v.Where(at) == "inside" {
			heads += v.Inside
		}
	}
	return heads
}

// ByClass is that by class, and how many of them were to have left by then.
func (b Book) ByClass(at time.Time) (inside map[string]int, overdue int) {
	inside = map[string]int{}
	for _, v := range b {
		if v.Inside > 0 && v.Where(at) == "inside" {
			inside[v.Class] += v.Inside
			if due := v.DueOut(); !due.IsZero() && at.After(due) {
				overdue += v.Inside
			}
		}
	}
	return inside, overdue
}

// Find are the IDs of the visits of which something is so, the newest first.
func (b Book) Find(is func(v *Visit) bool) (ids []string) {
	for id, v := range b {
		if is(&v) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y string) int { return int(b[y].Entry - b[x].Entry) })
	return ids
}

// LeftOf has visits named by what is left of the entries that named them, and returns the IDs of those that are others now.
func (b Book) LeftOf(left map[int64]*ledger.Entry, h blind.Hasher) (ids []string) {
	for id, v := range b {
		made, printed := left[v.Entry], left[v.Printed]
		if made != nil {
			v.name(made, h)
		}
		if printed != nil {
			v.print(printed, h)
		}
		if made != nil || printed != nil {
			b[id] = v
			ids = append(ids, id)
		}
	}
	return ids
}

// Forget lets go of the visits that were over, and left, long before a time that is trusted, and returns their IDs.
func (b Book) Forget(at time.Time) (ids []string) {
	for id, v := range b {
		end := time.Unix(v.Until, 0)
		if left := v.PresumedLeft(); v.Inside > 0 && left.After(end) {
			end = left
		}
		if v.Until != 0 && at.Sub(end) > remember {
			ids = append(ids, id)
			delete(b, id)
		}
	}
	return ids
}
