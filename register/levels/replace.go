package levels

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/ledger"
)

// GoesOn is the reason of an entry by which a notice that another one had cut short has its own end again, or a later one, since that
// other was withdrawn before it began.
const GoesOn = "goes-on"

// replaced is the detail of the end of a notice in whose place another comes: "yes".
const replaced = "replaced"

// open is, as the own end of a notice that was cut short, that it had none.
const open = "open"

// MakeRoom ends the notices in whose place one comes that is to be taken at a time, if it may; else they are an error.
func (b Board) MakeRoom(n *Notice, at time.Time, may bool) (events []ledger.Event, err error) {
	for {
		err := b.Check(n, at)
		var o *Overlap
		if !errors.As(err, &o) || !may || o.Later {
			return events, err
		}
		ev := ledger.Event{Reason: Ended, Ref: o.Notice.Entry, Detail: map[string]string{"until": stamp(n.From), replaced: "yes"}}
		b = b.Noticed(&ledger.Entry{Record: ledger.Record{Reason: ev.Reason, Ref: ev.Ref, Detail: ev.Detail}})
		events = append(events, ev)
	}
}

// ends gives a notice another end; by is the detail replaced.
func (n *Notice) ends(until time.Time, by string) {
	switch {
	case by == "":
		n.Cut = "" // somebody has said so
	case n.Cut == "":
		n.Cut = cmp.Or(stamp(n.Until), open)
	}
	n.Until = until
}

// goesOn gives a notice an end that is no longer cut short, or by another.
func (n *Notice) goesOn(until time.Time) {
	if n.Until = until; cmp.Or(stamp(until), open) == n.Cut {
		n.Cut = ""
	}
}

// GiveBack is by what the notice that one had cut short goes on, to its own end or to the next one, once that one is withdrawn before it
// begins; none where somebody has said meanwhile when it ends.
func (b Board) GiveBack(withdrawn *Notice) []ledger.Event {
	i := slices.IndexFunc(b.Notices, func(n Notice) bool {
		return n.Place == withdrawn.Place && n.Cut != "" && n.Until.Equal(withdrawn.From)
	})
	if i < 0 || withdrawn.From.IsZero() {
		return nil
	}
	n := &b.Notices[i]
	until, _ := time.Parse(time.RFC3339, n.Cut) // open: the zero time
	for _, o := range b.Notices {
		behind := o.Entry != withdrawn.Entry && o.Place == n.Place && o.From.After(n.From)
		if behind && (until.IsZero() || o.From.Before(until)) {
			until = o.From
		}
	}
	ev := ledger.Event{Reason: GoesOn, Ref: n.Entry, Detail: map[string]string{}}
	if !until.IsZero() {
		ev.Detail["until"] = stamp(until)
	}
	return []ledger.Event{ev}
}

// Ahead says which level counts in a place, from a time on, in whose zone it says so, as far as is known now. The settings have the
// level base.
func (b Board) Ahead(place string, at time.Time, base string) string {
	times := []time.Time{at}
	for _, n := range b.Notices {
		for _, t := range []time.Time{n.From, n.Until} {
			if t.After(at) && !n.From.IsZero() {
				times = append(times, t)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	building, _, _ := strings.Cut(place, "-")
	var steps []string
	last := ""
	for i, t := range times {
		f, _ := b.When(t).At(building, place)
		by := fmt.Sprintf("%s (entry %d)", f.Level, f.Notice)
		if f.Notice == 0 {
			by = base + " (gate.level of the settings)"
		}
		if by != last {
			when := "now"
			if i > 0 {
				when = "from " + t.In(at.Location()).Format(minute)
			}
			steps = append(steps, when+" "+by)
		}
		last = by
	}
	return cmp.Or(place, "compound") + ": " + strings.Join(steps, "; ") + "\n"
}
