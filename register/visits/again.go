package visits

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"gated/ledger"
)

// Details of an entry that tells once more of a visit, which is good for longer than the entry that made it is kept, or than the epoch
// in which it was made: how often it has admitted, and who is inside, by then.
const (
	Again  = "again"   // the entry that told of it before, maybe in the epoch before
	Used   = "used"    // entries that count; left out: none
	UsedOn = "used_on" // of a standing one the day of these
	Inside = "inside"  // heads; left out: none
	CameIn = "came_in" // when the newest of them came in; left out: nobody knows
)

// Lasts tells whether somebody may come in by it at a time or later, or is inside by it then.
func (v *Visit) Lasts(at time.Time) bool {
	good := !v.Ended && (v.Until == 0 || at.Unix() < v.Until)
	return !v.Erased && (good || v.Inside > 0 && v.Where(at) == "inside")
}

// MayLast tells whether a visit may last at a time, as the entry says that made it or told of it once more.
func MayLast(e *ledger.Entry, at time.Time) bool {
	v := made(e)
	return v.Until == 0 || at.Sub(time.Unix(max(v.Until, v.Due), 0)) < remember
}

// Told are the entries that tell of it once more, as it is by now, with what can still be read of the entry that made it and of the one
// that gave it its digits.
func (v *Visit) Told(made, printed *ledger.Entry) []ledger.Event {
	ev := ledger.Event{Kind: Kind, Reason: v.How, Class: v.Class, By: "machine", Detail: maps.Clone(made.Detail)}
	for name, value := range map[string]string{Again: strconv.FormatInt(made.Seq, 10), Used: some(v.Used), UsedOn: v.Day,
		Inside: some(v.Inside), CameIn: moment(v.In)} {
		if ev.Detail[name] = value; value == "" {
			delete(ev.Detail, name)
		}
	}
	given := func(f ledger.Field) bool { return f.Name == "digits" || f.Name == "pass" }
	for _, f := range made.Personal {
		if !given(f) {
			ev.Personal = append(ev.Personal, f)
		}
	}
	for _, f := range printed.Personal {
		if given(f) {
			ev.Personal = append(ev.Personal, f)
		}
	}
	if !v.Ended {
		return []ledger.Event{ev}
	}
	return []ledger.Event{ev, {Kind: Kind, Reason: Ended, By: "machine", Detail: map[string]string{ID: ev.Detail[ID]}}}
}

func some(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func moment(at int64) string {
	if at == 0 {
		return ""
	}
	return time.Unix(at, 0).UTC().Format(time.RFC3339)
}

// Told are the entries that tell once more of those visits of which all is said that can be, in the order in which they were made.
func (b Book) Told(ids []string, said map[int64]*ledger.Entry) (events []ledger.Event) {
	slices.SortFunc(ids, func(x, y string) int { return int(b[x].Entry - b[y].Entry) })
	for _, id := range ids {
		v := b[id]
		if made, printed := said[v.Entry], said[v.Printed]; made != nil && printed != nil && made.Personally("host") != "" {
			events = append(events, v.Told(made, printed)...)
		}
	}
	return events
}

// goesOn has a visit of which an entry tells once more be as often used, and by as many inside, as is known, or else as the entry says.
func (v *Visit) goesOn(e *ledger.Entry, was Visit, known bool) {
	if known {
		v.Used, v.Day, v.DayFrom, v.Inside, v.In, v.Ended = was.Used, was.Day, was.DayFrom, was.Inside, was.In, was.Ended
		return
	}
	v.Used, v.Day, v.Inside, v.In = atoi(e.Detail[Used]), e.Detail[UsedOn], atoi(e.Detail[Inside]), seconds(e.Detail[CameIn])
	if v.Day != "" {
		v.DayFrom = e.Seq
	}
}
