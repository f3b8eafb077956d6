// Package told makes the entries that say what was told of the register, or to it.
package told

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/access"
	"gated/ledger"
	"gated/register"
	"gated/register/erasure"
)

// Subject is whose past somebody looked at, by roster ID, and why.
type Subject struct{ ID, Why string }

// Events is the entry that says so.
func (a Subject) Events(by string) ([]ledger.Event, error) {
	ev := event(register.Export, "subject", by, a.Why, ledger.Field{Name: "subject", Value: a.ID})
	return []ledger.Event{ev}, erasure.CheckWhy(a.Why)
}

// event is one with the personal fields that have a value. Reason and user are personal fields themselves: people name people.
func event(kind ledger.Kind, reason, by, note string, personal ...ledger.Field) ledger.Event {
	ev := ledger.Event{Kind: kind, Reason: reason, By: access.Socket}
	for _, f := range append(personal, ledger.Field{Name: "by", Value: by}, ledger.Field{Name: "note", Value: note}) {
		if f.Value != "" {
			ev.Personal = append(ev.Personal, f)
		}
	}
	return ev
}

// Export says what was exported, and why; a report besides of which household, building or body it is, and who gets it.
type Export struct{ Format, From, To, Reason, Report, Of, For string }

// Events is the entry that says so.
func (x Export) Events(by string) ([]ledger.Event, error) {
	ev := event(register.Export, "with-personal", by, x.Reason, ledger.Field{Name: "household", Value: x.Of},
		ledger.Field{Name: "recipient", Value: x.For})
	ev.Detail = map[string]string{"format": x.Format}
	if x.From != "" { // else the whole ledger
		ev.Detail["from"], ev.Detail["to"] = x.From, x.To
	}
	if x.Report != "" {
		ev.Reason, ev.Detail["report"] = "report", x.Report
	}
	return []ledger.Event{ev}, CheckReason(x.Reason)
}

// maxReason is how many characters the reason of an export has at most: a sentence.
const maxReason = 200

// CheckReason checks the reason of an export with personal data.
func CheckReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errors.New("--with-personal: say why, such as --with-personal \"request 17 of the residents' committee\"")
	}
	return oneLine("--with-personal: the reason", reason)
}

// oneLine checks what somebody typed.
func oneLine(what, text string) error {
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s is one line of text", what)
	case n > maxReason:
		return fmt.Errorf("%s has %d characters: at most %d", what, n, maxReason)
	}
	return nil
}

// Dispute says of which passage, by its first entry, which host says that it was none of theirs, and why in somebody's own words.
type Dispute struct {
	Passage   string
	Entry     int64
	Host, Why string
}

// Events is the entry that says so.
func (d Dispute) Events(by string) ([]ledger.Event, error) {
	ev := event(register.Disputed, "", by, d.Why, ledger.Field{Name: "household", Value: d.Host})
	ev.Passage, ev.Ref = d.Passage, d.Entry
	return []ledger.Event{ev}, erasure.CheckWhy(d.Why)
}

// What a host answered who was called back about a passage.
const (
	Yes    = "yes"
	No     = "no"
	Nobody = "nobody-reached"
)

// Says are these words.
var Says = []string{Yes, No, Nobody}

// Answer is one of them, of a passage by its first entry, and in somebody's own words what was said besides.
type Answer struct {
	Passage    string
	Entry      int64
	Says       string
	Host, Note string
}

// Events are the entry that says so and, before it, that the passage is disputed where the answer is no.
func (a Answer) Events(by string) (events []ledger.Event, err error) {
	if !slices.Contains(Says, a.Says) {
		return nil, fmt.Errorf("answer %.20q: write one of %s", a.Says, strings.Join(Says, ", "))
	}
	if a.Says == No {
		events, err = Dispute{a.Passage, a.Entry, a.Host, "called back: " + a.Note}.Events(by)
	}
	ev := event(register.Callback, a.Says, by, a.Note, ledger.Field{Name: "household", Value: a.Host})
	ev.Passage, ev.Ref = a.Passage, a.Entry
	return append(events, ev), errors.Join(err, oneLine("--note", a.Note))
}

// HandOver is a window of the register that goes to the police, and who gets it; with Look it was only shown to them.
type HandOver struct {
	From, To    time.Time // in the gate's zone
	Room, Plate string    // of which it is alone; empty: of whoever passed
	Officers    []string  // name and number
	Paper       string    // by which they ask
	Approver    string
	Why         string
	Look        bool
}

// Event is the entry that says so.
func (h HandOver) Event(by string) (ledger.Event, error) {
	reason := map[bool]string{true: "police-look", false: "police"}[h.Look]
	ev := event(register.Export, reason, by, h.Why, ledger.Field{Name: "recipient", Value: strings.Join(h.Officers, "; ")},
		ledger.Field{Name: "paper", Value: h.Paper}, ledger.Field{Name: "approved_by", Value: h.Approver},
		ledger.Field{Name: "household", Value: h.Room}, ledger.Field{Name: "plate", Value: h.Plate})
	ev.Detail = map[string]string{"from": h.From.Format(time.RFC3339), "to": h.To.Format(time.RFC3339)}
	return ev, h.check()
}

// Usual is how long a window is at most that nobody asks for in so many words.
const Usual = 2 * time.Hour

// mostOfficers is how many get one.
const mostOfficers = 10

func (h HandOver) check() error {
	switch {
	case !h.From.Before(h.To):
		return errors.New("--from and --to: the window ends before it begins")
	case h.To.Sub(h.From) > 31*24*time.Hour:
		return errors.New("--from and --to: at most 31 days at a time")
	case h.Look && h.To.Sub(h.From) > Usual:
		return fmt.Errorf("--from and --to: at most %d hours are shown: more is handed over, by a manager", int(Usual.Hours()))
	case len(h.Officers) == 0 || len(h.Officers) > mostOfficers:
		return fmt.Errorf("--officer: name each, with the number of the police card, such as --officer \"张三 012345\"; at most %d",
			mostOfficers)
	case !h.Look && (strings.TrimSpace(h.Paper) == "" || strings.TrimSpace(h.Approver) == ""):
		return errors.New("--paper and --approver: say by which paper they ask, and who of the property approved")
	}
	err := errors.Join(oneLine("--paper", h.Paper), oneLine("--approver", h.Approver), oneLine("--reason", h.Why),
		oneLine("--room", h.Room), oneLine("--plate", h.Plate))
	for _, o := range h.Officers {
		if !strings.ContainsAny(o, "0123456789") {
			err = errors.Join(err, fmt.Errorf("--officer %.40q has no number: write the name and the number of the police card", o))
		}
		err = errors.Join(err, oneLine("--officer", o))
	}
	return err
}
