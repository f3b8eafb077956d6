// Package duty writes down who stands at the gate and what they tell of their shift.
package duty

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gated/access"
	"gated/gate/ruling"
	"gated/gate/view"
	"gated/gate/writing"
	"gated/ledger"
	"gated/register"
	"gated/register/shift"
	"gated/roster"
)

// ErrNone refuses what is about something that is not there, or not any more.
var ErrNone = errors.New("there is no such thing any more")

// Options are what New needs.
type Options struct {
	Register *register.Register
	Roster   *roster.Store
	Writing  *writing.Path
	Now      func() ledger.Stamp
	Zone     *time.Location
	Changes  func() []string                        // of shifts, by the settings
	Passages sync.Locker                            // held while a shift changes hands: nobody is decided about meanwhile
	View     func() view.View                       // what the page shows
	Inside   func(s *register.State) map[string]int // who is, by class
	Changed  func()                                 // what the page shows may differ. It must not block.
}

// Book is the shift's, as the guards write it, for whoever acts.
type Book struct {
	*book
	by access.Actor // zero: whoever is at the page
}

// As is the same book for whoever acts.
func (b *Book) As(by access.Actor) *Book { return &Book{b.book, by} }

// book is what all of them write in.
type book struct {
	opt      Options
	changing sync.Mutex // one entry that depends on those before it at a time; taken before Passages

	mu     sync.Mutex // guards the rest; never held while anything waits
	name   string     // who decides: of those on duty the one who said last that they are there
	said   map[int64]said
	erased int64 // the newest erase entry when those were read
}

// said is what an entry alone says: of a guard, or of the log.
type said struct {
	at          time.Time
	reason      string
	guard, text string
}

// New returns the book of a gate that nobody has signed on at in this run.
func New(opt Options) *Book { return &Book{book: &book{opt: opt, said: map[int64]said{}}} }

// Name is who decides: a name that nothing proves; "": nobody signed on.
func (b *Book) Name() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.name
}

// event is one of the guard who decides, with those fields that say something.
func (b *Book) event(kind ledger.Kind, reason string, fields ...ledger.Field) ledger.Event {
	ev := ledger.Event{Stamp: b.opt.Now(), Kind: kind, Reason: reason, By: b.by.By(), Detail: map[string]string{}}
	for _, f := range append([]ledger.Field{{Name: "guard", Value: cmp.Or(b.by.Name, b.Name())}}, fields...) {
		if f.Value != "" {
			ev.Personal = append(ev.Personal, f)
		}
	}
	return ev
}

// write appends what a person asked for, and remembers what it says.
func (b *Book) write(events ...ledger.Event) ([]ledger.Entry, error) {
	entries, err := b.opt.Writing.Demand(events...)
	if err == nil {
		b.remember(entries)
		b.opt.Changed()
	}
	return entries, err
}

// remember keeps what entries say for the page.
func (b *Book) remember(entries []ledger.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		b.said[e.Seq] = said{at: e.At, reason: e.Reason, guard: e.Personally("guard"), text: e.Personally("note")}
	}
}

// Look reads what the page shows of the shift and only entries say, as far as it is not known: after a start, and once something was
// erased. It may wait for the disk.
func (b *Book) Look() error {
	wanted, erased := map[int64]bool{}, int64(0)
	b.opt.Register.View(func(s *register.State) {
		erased = s.Erased
		now := &s.Shift.Now
		for _, g := range now.Guards {
			wanted[g.Entry] = true
		}
		for _, seq := range now.Notes {
			wanted[seq] = true
		}
		for _, seq := range now.Words {
			wanted[seq] = true
		}
	})
	var missing []int64
	b.mu.Lock()
	if b.erased != erased {
		clear(b.said)
	}
	for seq := range b.said {
		if !wanted[seq] {
			delete(b.said, seq)
		}
	}
	for seq := range wanted {
		if _, known := b.said[seq]; !known {
			missing = append(missing, seq)
		}
	}
	b.mu.Unlock()
	if len(missing) == 0 {
		return nil
	}
	found, err := b.opt.Register.Entries(missing)
	if err != nil {
		return err
	}
	var entries []ledger.Entry
	for _, e := range found {
		entries = append(entries, *e)
	}
	b.remember(entries)
	b.mu.Lock()
	b.erased = erased
	b.mu.Unlock()
	b.opt.Changed()
	return nil
}

// SignOn is somebody who is on duty from now on.
type SignOn struct {
	Name  string
	Body  string // of which they are, one of shift.Bodies; "": nobody said
	Joins bool   // beside who is on duty already, instead of in their place
}

// maxName is how many characters the name of a guard has at most.
const maxName = 60

func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || !utf8.ValidString(name) {
		return ruling.Invalid("a name of %d characters: 1 to %d", n, maxName)
	}
	return nil
}

// onDuty are the names of those on duty, as far as they can be read, by the entries with which they signed on.
func (b *Book) onDuty() (names map[int64]string) {
	b.Look() // whoever cannot be read is another
	names = map[int64]string{}
	var guards []shift.Guard
	b.opt.Register.View(func(s *register.State) { guards = s.Shift.Now.Guards })
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range guards {
		names[g.Entry] = b.said[g.Entry].guard
	}
	return names
}

// entryOf is with which entry somebody on duty signed on; 0: they are not.
func entryOf(names map[int64]string, name string) (entry int64) {
	for seq, n := range names {
		if n == name && name != "" {
			entry = max(entry, seq)
		}
	}
	return entry
}

// SignOn notes who is on duty from now on. Under the same name it is the same shift: also after a restart, as the ledger tells.
func (b *Book) SignOn(s SignOn) error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	if s.Body != "" && !slices.Contains(shift.Bodies, s.Body) {
		return ruling.Invalid("body %.40q: want one of %s", s.Body, strings.Join(shift.Bodies, ", "))
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	names := b.onDuty()
	how := ""
	switch {
	case entryOf(names, s.Name) != 0:
		how = shift.GoesOn
	case s.Joins && len(names) >= shift.Most:
		return ruling.Invalid("%d are on duty already: one of them signs off first", shift.Most)
	case s.Joins && len(names) > 0:
		how = shift.Joins
	}
	b.opt.Passages.Lock()
	defer b.opt.Passages.Unlock()
	if _, err := b.write(b.signOn(s.Name, s.Body, how)); err != nil {
		return err
	}
	b.decides(s.Name)
	return nil
}

// signOn is the entry of a sign-on.
func (b *Book) signOn(name, body, how string) ledger.Event {
	ev := b.event(shift.SignOn, "")
	ev.Personal = []ledger.Field{{Name: "guard", Value: name}}
	for key, value := range map[string]string{shift.How: how, "body": body} {
		if value != "" {
			ev.Detail[key] = value
		}
	}
	return ev
}

// decides has somebody decide from now on.
func (b *Book) decides(name string) {
	b.mu.Lock()
	b.name = name
	b.mu.Unlock()
	b.opt.Changed()
}

// SignOff notes that somebody is on duty no more; "": the one who decides. Whoever stays decides then.
func (b *Book) SignOff(name string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	if name == "" {
		name = b.Name()
	}
	names := b.onDuty()
	entry := entryOf(names, name)
	if entry == 0 {
		return ruling.Invalid("nobody of that name is on duty")
	}
	b.opt.Passages.Lock()
	defer b.opt.Passages.Unlock()
	ev := b.event(shift.SignOff, "")
	ev.Ref, ev.Personal = entry, []ledger.Field{{Name: "guard", Value: name}}
	if b.by.Name != "" && b.by.Name != name { // somebody else has done it
		ev.Personal = append(ev.Personal, ledger.Field{Name: "by", Value: b.by.Name})
	}
	if _, err := b.write(ev); err != nil {
		return err
	}
	delete(names, entry)
	if decides := b.Name(); entryOf(names, decides) == 0 {
		stays := ""
		for _, n := range names {
			stays = n
		}
		b.decides(stays)
	}
	return nil
}

// shownNotes is how many notes of the log the page shows.
const shownNotes = 20

// View is what the page shows of the shift at a time.
func (b *Book) View(now time.Time) view.Shift { return b.view(now, shownNotes) }

// view is that with so many notes at most.
func (b *Book) view(now time.Time, most int) (v view.Shift) {
	var s shift.Shift
	slips := 0
	b.opt.Register.View(func(st *register.State) { s, slips = st.Shift.Now.Clone(), len(st.SlipsOf(now)) })
	plan, _ := shift.ParsePlan(b.opt.Changes()) // the settings were checked
	v = view.Shift{Guards: []view.Guard{}, Ends: plan.Ends(&s, b.opt.Zone), Counts: s.Counts, Notes: []view.Note{}, Slips: slips}
	if v.Over = !v.Ends.IsZero() && !now.Before(v.Ends); s.Began != 0 {
		v.Since = s.Since.In(b.opt.Zone)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range s.Guards {
		v.Guards = append(v.Guards, view.Guard{Name: b.said[g.Entry].guard, Body: g.Body, Since: g.Since.In(b.opt.Zone)})
	}
	for _, seq := range slices.Backward(s.Notes[max(0, len(s.Notes)-most):]) {
		n, known := b.said[seq]
		if !known { // it is read in a moment
			continue
		}
		note := view.Note{Entry: seq, At: n.at, Reason: n.reason, Guard: n.guard, Text: n.text}
		if words := s.Words[seq]; words != 0 {
			note.Text = b.said[words].text
		}
		v.Notes = append(v.Notes, note)
	}
	return v
}
