package duty

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/gate/ruling"
	"gated/gate/view"
	"gated/ledger"
	"gated/register"
	"gated/register/shift"
)

// Draft is a handover (交接班) as both sides sign it, and all that its sheet is printed from.
type Draft struct {
	Gate     string    `json:"gate"`
	At       time.Time `json:"at"`
	Entry    int64     `json:"entry,omitempty"` // 0: nobody has signed it
	Outgoing []string  `json:"outgoing"`
	Incoming []string  `json:"incoming,omitempty"`
	OneSided string    `json:"one_sided,omitempty"` // the one side that signed
	Since    time.Time `json:"since,omitzero"`
	Ends     time.Time `json:"ends,omitzero"` // as planned

	Inside       map[string]int `json:"inside"`         // by class
	Visits       map[string]int `json:"visits"`         // who is inside by a visit, by class
	Overdue      int            `json:"visits_overdue"` // of them: were to have left by now
	TripsOverdue int            `json:"trips_overdue"`
	ToAccountFor []view.Opening `json:"to_account_for"`
	OpenLanes    []string       `json:"open_lanes"` // by hand or by the emergency key
	Holds        []Waiting      `json:"holds"`      // go on to the next shift
	Undecided    int            `json:"undecided"`  // of whom nobody has said what became of them

	Passages    map[string]map[string]int `json:"passages"` // by class and verdict
	ByGuard     map[string]int            `json:"by_guard"` // admissions by a guard, by reason
	BySight     int                       `json:"by_sight"`
	Unnamed     int                       `json:"unnamed"`
	Corrections map[string]int            `json:"corrections"`
	ByHand      map[string]int            `json:"by_hand"` // openings, by reason
	Uncounted   int                       `json:"uncounted"`
	Emergency   int                       `json:"emergency"`
	Faults      map[string]int            `json:"faults"`
	Counts      map[string]int            `json:"counts"`
	Logged      map[string]int            `json:"logged"`
	Notes       []view.Note               `json:"notes"` // the newest first

	Blank     int    `json:"blank"` // paper pages present
	Size      int64  `json:"size"`
	ShortRoot string `json:"short_root"` // 校验码
	Fault     string `json:"fault,omitempty"`
}

// Waiting is a passage on hold, without who it is.
type Waiting struct {
	Passage   string    `json:"passage"`
	Lane      string    `json:"lane"`
	Direction string    `json:"direction"`
	Class     string    `json:"class"`
	Reason    string    `json:"reason"`
	Until     time.Time `json:"until"`
}

// mostNotes is how many notes stand on a sheet.
const mostNotes = 100

// Draft is the handover as it would be signed now. None of it reads entries through.
func (b *Book) Draft() Draft {
	if err := b.Look(); err != nil { // names and notes that nobody can read now are left out
		return b.draft(b.opt.View(), err.Error())
	}
	return b.draft(b.opt.View(), "")
}

func (b *Book) draft(v view.View, unread string) Draft {
	var s shift.Shift
	d := Draft{Gate: v.Gate, At: v.Now, Outgoing: []string{}, Since: v.Shift.Since, Ends: v.Shift.Ends, TripsOverdue: v.Overdue,
		ToAccountFor: v.ToAccountFor, OpenLanes: []string{}, Holds: []Waiting{}, Undecided: v.UndecidedInAll,
		Notes: b.view(v.Now, mostNotes).Notes, Fault: unread}
	b.opt.Register.View(func(st *register.State) {
		s, d.Inside = st.Shift.Now.Clone(), b.opt.Inside(st)
		d.Visits, d.Overdue = st.Visits.ByClass(v.Now)
	})
	for _, g := range v.Shift.Guards {
		d.Outgoing = append(d.Outgoing, g.Name)
	}
	for _, l := range v.Lanes {
		if l.ByHand != nil || l.Latch != "" {
			d.OpenLanes = append(d.OpenLanes, l.ID)
		}
	}
	for _, h := range v.Holds {
		d.Holds = append(d.Holds, Waiting{h.Passage, h.Lane, h.Direction, h.Class, h.Reason, h.Until})
	}
	d.Passages, d.ByGuard, d.Corrections, d.ByHand = s.Passages, s.ByGuard, s.Corrections, s.ByHand
	d.Uncounted, d.Emergency, d.Faults, d.Counts, d.Logged = s.Uncounted, s.Emergency, s.Faults, s.Counts, s.Logged
	d.BySight, d.Unnamed = s.ByGuard["known-by-sight"], s.ByGuard["known-unnamed"]
	size, root, _ := strings.Cut(v.ShortRoot, ":")
	d.Size, _ = strconv.ParseInt(size, 10, 64)
	d.ShortRoot = root
	if v.Fault != nil {
		d.Fault = v.Fault.Text
	}
	return d
}

// Handover is what both sides sign: by their names, which nothing proves.
type Handover struct {
	Outgoing []string // of those on duty; nobody: they left before anybody came
	Incoming []string // nobody: nobody comes
	Blank    int      // paper pages present
}

// mostBlank is how many blank pages there can be.
const mostBlank = 1000

func (h Handover) check(names map[int64]string) error {
	for side, list := range map[string][]string{shift.Outgoing: h.Outgoing, shift.Incoming: h.Incoming} {
		if len(list) > shift.Most || len(list) == 2 && list[0] == list[1] {
			return ruling.Invalid("%s: one name or two", side)
		}
		for _, name := range list {
			if err := checkName(name); err != nil {
				return err
			}
			if side == shift.Outgoing && entryOf(names, name) == 0 {
				return ruling.Invalid("%s: nobody of that name is on duty", side)
			}
		}
	}
	switch {
	case len(h.Outgoing)+len(h.Incoming) == 0:
		return ruling.Invalid("a handover that nobody signs is none")
	case h.Blank < 0 || h.Blank > mostBlank:
		return ruling.Invalid("%d blank pages: 0 to %d", h.Blank, mostBlank)
	case len(h.Outgoing) > 0 && slices.Equal(slices.Sorted(slices.Values(h.Outgoing)), slices.Sorted(slices.Values(h.Incoming))):
		return ruling.Invalid("the same people go and come: they stay on duty without a handover")
	}
	return nil
}

// HandOver hands the shift over, and returns what was signed. Who waits, waits on: the next guards decide.
func (b *Book) HandOver(h Handover) (d Draft, err error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	names := b.onDuty()
	if err := h.check(names); err != nil {
		return d, err
	}
	b.opt.Passages.Lock()
	defer b.opt.Passages.Unlock()
	d = b.draft(b.opt.View(), "")
	d.Outgoing, d.Incoming, d.Blank = h.Outgoing, h.Incoming, h.Blank
	switch {
	case len(h.Incoming) == 0:
		d.OneSided = shift.Outgoing
	case len(h.Outgoing) == 0:
		d.OneSided = shift.Incoming
	}
	events := []ledger.Event{b.signed(&d)}
	for _, name := range h.Incoming {
		events = append(events, b.signOn(name, "", shift.Joins))
	}
	entries, err := b.write(events...)
	if err != nil {
		return d, err
	}
	d.Entry = entries[0].Seq
	b.decides(strings.Join(h.Incoming[:min(1, len(h.Incoming))], ""))
	return d, nil
}

// signed is the entry of a handover: its numbers, which tell nobody apart, and sealed who signed.
func (b *Book) signed(d *Draft) ledger.Event {
	ev := b.event(shift.HandOver, "")
	ev.Personal = nil
	for name, list := range map[string][]string{shift.Outgoing: d.Outgoing, shift.Incoming: d.Incoming} {
		for i, who := range list {
			ev.Personal = append(ev.Personal, ledger.Field{Name: name + []string{"", "_2"}[i], Value: who})
		}
	}
	var holds []string
	for _, h := range d.Holds {
		holds = append(holds, h.Passage)
	}
	for key, n := range map[string]int{"inside": sum(d.Inside), "visits": sum(d.Visits), "visits_overdue": d.Overdue,
		"trips_overdue": d.TripsOverdue, "to_account_for": len(d.ToAccountFor),
		"undecided": d.Undecided, "by_sight": d.BySight, "unnamed": d.Unnamed, "corrections": sum(d.Corrections), "by_hand": sum(d.ByHand),
		"emergency": d.Emergency, "faults": sum(d.Faults), "counted": sum(d.Counts), "logged": sum(d.Logged), "blank": d.Blank} {
		ev.Detail[key] = strconv.Itoa(n)
	}
	ev.Detail["size"], ev.Detail["root"] = strconv.FormatInt(d.Size, 10), d.ShortRoot
	if holds != nil {
		ev.Detail["holds"] = strings.Join(holds, " ")
	}
	if d.OneSided != "" {
		ev.Detail[shift.OneSided] = d.OneSided
	}
	return ev
}

func sum(of map[string]int) (n int) {
	for _, m := range of {
		n += m
	}
	return n
}
