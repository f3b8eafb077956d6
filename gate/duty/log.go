package duty

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gated/gate/ruling"
	"gated/gate/view"
	"gated/gate/writing"
	"gated/ledger"
	"gated/register"
	"gated/register/shift"
	"gated/register/slips"
)

// keepAround is how long before and after a moment that somebody marked nothing may be erased, until that is lifted.
const keepAround = 10 * time.Minute

// checkText checks what a guard types.
func checkText(what, text string) error {
	if len(text) > ruling.MaxNote || !utf8.ValidString(text) {
		return ruling.Invalid("%s of %d bytes: at most %d, in UTF-8", what, len(text), ruling.MaxNote)
	}
	return nil
}

// Log notes something worth telling of the shift. One of the words of shift.Reasons says what; only other needs a text.
func (b *Book) Log(reason, text string) error {
	switch {
	case !slices.Contains(shift.Reasons, reason):
		return ruling.Invalid("%.40q: what stands in the log is one of %s", reason, strings.Join(shift.Reasons, ", "))
	case reason == shift.Moment:
		return ruling.Invalid("a moment is marked with its own key, and its words come later")
	case reason == "other" && text == "":
		return ruling.Invalid("say what it was")
	}
	if err := checkText("a note", text); err != nil {
		return err
	}
	_, err := b.write(b.event(shift.Log, reason, ledger.Field{Name: "note", Value: text}))
	return err
}

// Moment marks this moment: nothing of what happens ten minutes around it is erased until somebody lifts that. It does not wait for a
// ledger that is in fault.
func (b *Book) Moment() {
	ev := b.event(shift.Log, shift.Moment)
	at := ev.Time.In(b.opt.Zone)
	keep := ledger.Event{Stamp: ev.Stamp, Kind: ledger.Keep, Reason: "keep", By: ev.By, Detail: map[string]string{"why": shift.Moment,
		"from": at.Add(-keepAround).Format(time.RFC3339), "to": at.Add(keepAround).Format(time.RFC3339)}}
	if name := cmp.Or(b.by.Name, b.Name()); name != "" {
		keep.Personal = []ledger.Field{{Name: "by", Value: name}}
	}
	b.opt.Writing.Record(keep) // first: what is kept in vain does no harm
	b.opt.Writing.Record(ev)
	b.opt.Changed()
}

// Words says what a moment was that somebody of this shift has marked.
func (b *Book) Words(moment int64, text string) error {
	if text == "" {
		return ruling.Invalid("say what it was")
	}
	if err := checkText("a note", text); err != nil {
		return err
	}
	if err := b.Look(); err != nil {
		return fmt.Errorf("%w: %w", writing.ErrLedger, err)
	}
	known := false
	b.opt.Register.View(func(s *register.State) { known = slices.Contains(s.Shift.Now.Notes, moment) })
	b.mu.Lock()
	known = known && b.said[moment].reason == shift.Moment
	b.mu.Unlock()
	if !known {
		return fmt.Errorf("%w: entry %d is no moment that this shift has marked", ErrNone, moment)
	}
	ev := b.event(shift.Log, shift.Moment, ledger.Field{Name: "note", Value: text})
	ev.Ref = moment
	_, err := b.write(ev)
	return err
}

// mostCounted is how many are counted, or taken back, at once.
const mostCounted = 100

// Count counts what is no passage, such as goods that a courier leaves outside; fewer than none takes some back. It does not wait for a
// ledger that is in fault.
func (b *Book) Count(what string, n int) error {
	switch {
	case !slices.Contains(shift.Counted, what):
		return ruling.Invalid("%.40q: what is counted is one of %s", what, strings.Join(shift.Counted, ", "))
	case n == 0 || n < -mostCounted || n > mostCounted:
		return ruling.Invalid("%d of them: 1 to %d at once, or as many taken back", n, mostCounted)
	}
	ev := b.event(shift.Count, what)
	ev.Detail[shift.Number] = strconv.Itoa(n)
	b.opt.Writing.Record(ev)
	b.opt.Changed()
	return nil
}

// Slip is what a household lets be carried or driven out.
type Slip struct {
	Household string
	What      string
	Agreed    string // one of slips.Agreed
	AgreedBy  string // by the name that they gave; may be empty
	Until     time.Time
}

// Slips are few: more of a household, or of all, nobody looks through.
const (
	mostOfHousehold = 20
	mostSlips       = 2000
	mostShown       = 200
)

// Issue issues a slip, and returns its ID.
func (b *Book) Issue(s Slip) (id string, err error) {
	if err := checkText("what goes out", s.What); err != nil {
		return "", err
	}
	now := b.opt.Now().Time
	_, known := b.opt.Roster.Snapshot().Household(s.Household)
	switch left := s.Until.Sub(now); {
	case !known:
		return "", ruling.Invalid("household %.40q is not in the roster", s.Household)
	case s.What == "":
		return "", ruling.Invalid("say what goes out")
	case !slices.Contains(slips.Agreed, s.Agreed):
		return "", ruling.Invalid("%.40q: who agreed is one of %s", s.Agreed, strings.Join(slips.Agreed, ", "))
	case s.AgreedBy != "" && checkName(s.AgreedBy) != nil:
		return "", checkName(s.AgreedBy)
	case left <= 0 || left > slips.Longest:
		return "", ruling.Invalid("until %s: a slip is good for %d days at most", s.Until.Format(time.DateTime),
			slips.Longest/(24*time.Hour))
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	of, all := 0, 0
	b.opt.Register.View(func(st *register.State) { of, all = len(st.SlipsOf(now, s.Household)), len(st.SlipsOf(now)) })
	if of >= mostOfHousehold || all >= mostSlips {
		return "", ruling.Invalid("there are %d open slips of that household, and %d in all: mark those used that were", of, all)
	}
	id = strings.ToLower(rand.Text()[:16])
	ev := b.event(register.Slip, slips.Issued, ledger.Field{Name: "household", Value: s.Household},
		ledger.Field{Name: "what", Value: s.What}, ledger.Field{Name: "agreed_by", Value: s.AgreedBy})
	ev.Detail["slip"], ev.Detail["agreed"] = id, s.Agreed
	ev.Detail["until"] = s.Until.In(b.opt.Zone).Format(time.RFC3339)
	_, err = b.write(ev)
	return id, err
}

// Open are the open slips of a household, or all ("") but for the oldest of very many, the newest first.
func (b *Book) Open(household string) ([]view.Slip, error) {
	var of []string
	if household != "" {
		of = append(of, household)
	}
	var open slips.List
	b.opt.Register.View(func(s *register.State) { open = s.SlipsOf(b.opt.Now().Time, of...) })
	open = open[max(0, len(open)-mostShown):]
	var seqs []int64
	for _, slip := range open {
		seqs = append(seqs, slip.Entry)
	}
	said, err := b.opt.Register.Entries(seqs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writing.ErrLedger, err)
	}
	list := []view.Slip{}
	for _, o := range slices.Backward(open) {
		if e := said[o.Entry]; e != nil {
			list = append(list, view.Slip{ID: o.ID, Household: e.Personally("household"), What: e.Personally("what"), Agreed: o.Agreed,
				AgreedBy: e.Personally("agreed_by"), Until: o.Until.In(b.opt.Zone)})
		}
	}
	return list, nil
}

// Used notes that a slip was used: it is good no more.
func (b *Book) Used(id string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	now, good := b.opt.Now().Time, slips.Slip{}
	b.opt.Register.View(func(s *register.State) {
		if slip, known := s.Slips.Find(id); known && now.Before(slip.Until) {
			good = slip
		}
	})
	if good.Entry == 0 {
		return fmt.Errorf("%w: no slip has this ID: it was used, or has expired", ErrNone)
	}
	ev := b.event(register.Slip, slips.Used)
	ev.Ref, ev.Detail["slip"] = good.Entry, good.ID
	_, err := b.write(ev)
	return err
}

// childhood is the age below which a person is a child, of whom nothing more than they need is looked at (PIPL, article 31).
const childhood = 14

// Slips are the open slips of somebody who goes out, for a mark on their card; "": none. They hold up nobody, and nothing is shown where
// a child goes: by the roster's birth date, or an exemption of pupils.
func (b *Book) Slips(id, homes string, now time.Time) string {
	if p, ok := b.opt.Roster.Snapshot().Person(id); homes == "" || ok && isChild(p.BirthDate, now.In(b.opt.Zone)) {
		return ""
	}
	var ids []string
	b.opt.Register.View(func(s *register.State) {
		if exempt, _ := s.Marked(id, homes, now.In(b.opt.Zone)); slices.Contains(strings.Fields(exempt), "pupil") {
			return
		}
		for _, slip := range s.SlipsOf(now, strings.Fields(homes)...) {
			ids = append(ids, slip.ID)
		}
	})
	return strings.Join(ids, " ")
}

// isChild tells whether somebody born on a day is one at a time.
func isChild(born string, now time.Time) bool {
	day, err := time.ParseInLocation(time.DateOnly, born, now.Location())
	return err == nil && now.Before(day.AddDate(childhood, 0, 0))
}
