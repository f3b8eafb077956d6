// Package visit is what a guard, or the office, says of an outsider who is to come in.
package visit

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/credential"
	"gated/ledger"
	"gated/policy/week"
	"gated/register/visits"
	"gated/roster"
)

// Form is a visit as it is entered. What is not known is left out: nobody is kept out because they keep back what is not required.
type Form struct {
	How   string `json:"how"`   // one of visits.Made
	Class string `json:"class"` // one of Classes; empty: that of How
	Host  string `json:"host"`  // a household as 3-2-501, a body as office, of a delivery a building, too; several: spaces between

	Name  string `json:"name"`
	Phone string `json:"phone"`
	Plate string `json:"plate"`
	Note  string `json:"note"` // free words are nothing but a note: all else is chosen

	From    string `json:"from"`  // a day, or a day and a time; empty: now
	Until   string `json:"until"` // likewise; empty: as long as its kind takes
	Entries int    `json:"entries"`
	Days    string `json:"days"`  // of a standing one, such as mon,thu
	Times   string `json:"times"` // likewise, such as 08:00-12:00

	Consent   string `json:"consent"`    // one of visits.Consents; empty: none
	ConsentBy string `json:"consent_by"` // who of the host gave it

	Firm     string `json:"firm"`     // of a delivery: one of Firms
	Purpose  string `json:"purpose"`  // one of Purposes
	People   int    `json:"people"`   // how many come at once; empty: one
	Document bool   `json:"document"` // the guard has looked at one
	Private  bool   `json:"private"`  // shown to those whom its host names, and to an auditor who may
}

// Classes are those of outsiders.
var Classes = []string{"visitor", "courier", "helper", "contractor", "taxi"}

// classOf is what somebody is of whom nothing else is said.
var classOf = map[string]string{visits.Announced: "visitor", visits.WalkIn: "visitor", visits.Standing: "helper", visits.Group: "visitor",
	visits.Delivery: "courier", visits.Taxi: "taxi"}

// takes is how long one of which nothing else is said is good, where that is no day.
var takes = map[string]time.Duration{visits.Delivery: time.Hour, visits.Taxi: 20 * time.Minute}

const (
	mostPeople  = 99
	mostEntries = 9999
	mostHosts   = 20
	mostName    = 60 // characters
	mostNote    = 500
	mostDays    = 400 // from its beginning to its end
)

// Event is the entry that makes the visit of an ID, at a time in the gate's zone; or all that is wrong with the form.
func (f *Form) Event(id string, at time.Time, people *roster.Snapshot) (ev ledger.Event, err error) {
	f.tidy()
	from, until, err := f.times(at)
	if err := errors.Join(f.check(people), err); err != nil {
		return ev, err
	}
	ev = ledger.Event{Kind: visits.Kind, Reason: f.How, Class: f.Class, Detail: map[string]string{visits.ID: id,
		visits.From: from.Format(time.RFC3339), visits.Until: until.Format(time.RFC3339), visits.Consent: f.Consent}}
	for name, value := range map[string]string{visits.Days: f.Days, visits.Times: f.Times, "firm": f.Firm, "purpose": f.Purpose,
		visits.Entries: number(f.Entries, 0), "people": number(f.People, 1), "document": yes(f.Document), "private": yes(f.Private)} {
		if value != "" {
			ev.Detail[name] = value
		}
	}
	for _, p := range []ledger.Field{{Name: "host", Value: f.Host}, {Name: "name", Value: f.Name}, {Name: "phone", Value: f.Phone},
		{Name: "plate", Value: f.Plate}, {Name: "note", Value: f.Note}, {Name: "consent_by", Value: f.ConsentBy}} {
		if p.Value != "" {
			ev.Personal = append(ev.Personal, p)
		}
	}
	return ev, nil
}

// Answered is the entry of what the host of a visit said to it: one of visits.Consents, visits.Declined or visits.NoAnswer; by is who of
// them said so, or who was called.
func Answered(id, answer, by string) (ev ledger.Event, err error) {
	ev = ledger.Event{Kind: visits.Kind, Reason: answer, Detail: map[string]string{visits.ID: id}}
	by = strings.Join(strings.Fields(by), " ")
	switch n := utf8.RuneCountInString(by); {
	case n > mostName || !plain(by):
		return ev, fmt.Errorf("by has %d characters: write at most %d that can be printed", n, mostName)
	case answer == visits.Declined || answer == visits.NoAnswer:
	case answer == "none" || !slices.Contains(visits.Consents, answer):
		return ev, fmt.Errorf("consent is %.30q: write one of %s, or %s or %s", answer, strings.Join(visits.Consents, ", "),
			visits.Declined, visits.NoAnswer)
	default:
		ev.Reason, ev.Detail[visits.Consent] = visits.Consented, answer
	}
	if by != "" {
		ev.Personal = []ledger.Field{{Name: "consent_by", Value: by}}
	}
	return ev, nil
}

func number(n, usual int) string {
	if n == usual {
		return ""
	}
	return strconv.Itoa(n)
}

func yes(is bool) string { return map[bool]string{true: "yes"}[is] }

// tidy takes off what means nothing, and fills in what is left out.
func (f *Form) tidy() {
	for _, s := range []*string{&f.Host, &f.Name, &f.Note, &f.ConsentBy} {
		*s = strings.Join(strings.Fields(*s), " ")
	}
	for _, s := range []*string{&f.Phone, &f.Plate, &f.Days, &f.Times} {
		*s = strings.Join(strings.Fields(*s), "")
	}
	if f.Class == "" {
		f.Class = classOf[f.How]
	}
	f.People = max(f.People, 1)
	switch {
	case f.Consent != "":
	case f.How == visits.Standing:
		f.Consent = "standing"
	case f.How == visits.Delivery, f.How == visits.Taxi: // somebody here has called it
		f.Consent = "order-shown"
	default:
		f.Consent = "none"
	}
	if f.Entries == 0 && (f.How == visits.Announced || f.How == visits.WalkIn || f.How == visits.Delivery || f.How == visits.Taxi) {
		f.Entries = 1
	}
}

// times are its beginning and its end.
func (f *Form) times(at time.Time) (from, until time.Time, err error) {
	from, err1 := credential.Moment("from", f.From, at.Location(), at)
	until, err2 := credential.Moment("until", f.Until, at.Location(), at)
	if from.IsZero() {
		from = at.Truncate(time.Second)
	}
	if until.IsZero() && err2 == nil {
		if until = from.Add(takes[f.How]); takes[f.How] == 0 {
			until, err2 = credential.Moment("until", from.Format(time.DateOnly), at.Location(), at) // that day
		}
	}
	switch {
	case err1 != nil || err2 != nil:
	case f.How == visits.Standing && f.Until == "":
		err = errors.New("until is missing: say when a standing visit ends; it can be made anew")
	case !from.Before(until):
		err = errors.New("it ends before it begins")
	case !at.Before(until):
		err = errors.New("it has ended already")
	case until.Sub(from) > mostDays*24*time.Hour:
		err = fmt.Errorf("it is good for more than %d days: make it anew then", mostDays)
	}
	return from, until, errors.Join(err1, err2, err)
}

// check tells what is wrong with the rest of it.
func (f *Form) check(people *roster.Snapshot) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	among := func(name, value string, words []string, may bool) {
		if !slices.Contains(words, value) && !(may && value == "") {
			fault("%s is %.30q: write one of %s", name, value, strings.Join(words, ", "))
		}
	}
	among("how", f.How, visits.Made, false)
	among("class", f.Class, Classes, false)
	among("consent", f.Consent, visits.Consents, false)
	among("firm", f.Firm, words(Firms), f.How != visits.Delivery)
	among("purpose", f.Purpose, words(Purposes), true)
	hosts := strings.Fields(f.Host)
	if len(hosts) == 0 || len(hosts) > mostHosts {
		fault("host: write for whom they come, a room such as 3-2-501 or one of %s; at most %d", strings.Join(words(Bodies), ", "),
			mostHosts)
	}
	for _, h := range hosts {
		_, home := people.Household(h)
		building := f.How == visits.Delivery && people.HasPlace(h) // nobody is asked to which room
		if !home && !building && !slices.Contains(words(Bodies), h) {
			fault("host: there is no room %.20q, and no body of that name: write it as 3-2-501, or one of %s", h,
				strings.Join(words(Bodies), ", "))
		}
	}
	if f.Entries < 0 || f.Entries > mostEntries || f.How == visits.Group && f.Entries == 0 {
		fault("entries is %d: write how often it admits, 1 to %d", f.Entries, mostEntries)
	}
	if f.People > mostPeople || f.How == visits.Group && f.People > 1 {
		fault("people is %d: write how many come at once, at most %d; of a group the entries say it", f.People, mostPeople)
	}
	if f.How != visits.Standing && f.Days+f.Times != "" {
		fault("days and times are for standing visits")
	} else if _, err := week.Parse(f.Days, f.Times); err != nil {
		fault("%w", err)
	}
	for name, text := range map[string]string{"name": f.Name, "consent_by": f.ConsentBy, "plate": f.Plate, "phone": f.Phone} {
		if n := utf8.RuneCountInString(text); n > mostName || !plain(text) {
			fault("%s has %d characters: write at most %d that can be printed", name, n, mostName)
		}
	}
	if strings.ContainsFunc(f.Phone, func(r rune) bool { return !strings.ContainsRune("0123456789+-() ", r) }) {
		fault("phone: write digits")
	}
	if len(f.Note) > mostNote || !plain(f.Note) {
		fault("note has %d bytes: write one line of at most %d", len(f.Note), mostNote)
	}
	return errors.Join(faults...)
}

// plain tells whether nothing in a text hides, breaks the line or turns the direction of what stands beside it.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
