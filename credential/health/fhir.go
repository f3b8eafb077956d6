package health

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The FHIR bundle (R4) of a SMART Health Card.

func (c *card) bundle(b object) {
	c.hasBundle = c.text(b.get("resourceType")) == "Bundle"
	for entry := range c.list(b.get("entry")) {
		r := c.object(c.object(entry).get("resource"))
		var h Statement
		made := false
		switch c.text(r.get("resourceType")) {
		case "Patient":
			c.patients++
			c.patient(r)
		case "Immunization":
			h, made = c.immunization(r)
		case "Observation":
			h, made = c.observation(r)
		}
		if made && len(c.health) == shcStatements { // to leave the last out could be to leave out the one that matters
			c.bad = true
		} else if made {
			c.health = append(c.health, h)
		}
		if c.bad {
			return
		}
	}
}

func (c *card) patient(p object) {
	c.birthDate = fhirDate(c.text(p.get("birthDate")))
	for first := range c.list(p.get("name")) {
		name := c.object(first)
		var words []string
		for given := range c.list(name.get("given")) {
			if s := c.text(given); len(words) < shcGiven {
				words = append(words, s)
			}
		}
		if c.name = printable(append(words, c.text(name.get("family")))...); c.name == "" {
			c.name = printable(c.text(name.get("text")))
		}
		break
	}
}

// shcGiven is how many given names count: more would not be shown.
const shcGiven = 32

// validText keeps control, invisible and direction-changing characters off the
// guard's page: even a forged certificate is shown with what it states.
func validText(s string) bool {
	return s != "" && len(s) <= 64 && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// printable joins words to a text that is safe to show, as validText has it, of at
// most 64 bytes.
func printable(words ...string) string {
	s := oneLine(strings.Join(words, " "))
	if len(s) > 64 {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:64], "")) // no half of a character
	}
	return s
}

// immunization is what an Immunization states; false if it was not done, or recorded in error.
func (c *card) immunization(r object) (Statement, bool) {
	h := Statement{Kind: Vaccination, Product: c.concept(r.get("vaccineCode"), cvxSystem), Date: fhirDate(c.text(r.get("occurrenceDateTime")))}
	for p := range c.list(r.get("protocolApplied")) {
		protocol := c.object(p)
		h.Dose = cmp.Or(c.count(protocol.get("doseNumberPositiveInt")), h.Dose)
		h.Doses = cmp.Or(c.count(protocol.get("seriesDosesPositiveInt")), h.Doses)
		for disease := range c.list(protocol.get("targetDisease")) {
			h.Disease = cmp.Or(h.Disease, c.concept(disease, snomedSystem))
		}
	}
	if h.Disease == "" && covidCVX[h.Product] {
		h.Disease = COVID19
	}
	return h, c.text(r.get("status")) == "completed"
}

// observation is what an Observation states; false if it is preliminary, registered, cancelled, or entered in error.
func (c *card) observation(r object) (Statement, bool) {
	h := Statement{Kind: Test, Product: c.concept(r.get("code"), loincSystem), Sampled: fhirTime(c.text(r.get("effectiveDateTime")))}
	if covidLOINC[h.Product] {
		h.Disease = COVID19
	}
	// Several codings of one value say the same; if not, nobody knows.
	for _, code := range c.codings(r.get("valueCodeableConcept")) {
		switch said, ok := testResults[code]; {
		case ok && h.Result == "":
			h.Result = said
		case ok && h.Result != said:
			h.Result = "unknown"
		}
	}
	h.Result = cmp.Or(h.Result, "unknown")
	return h, slices.Contains([]string{"final", "amended", "corrected"}, c.text(r.get("status")))
}

// count is a positive integer, or zero where there is none.
func (c *card) count(v value) int {
	if v == nil {
		return 0
	}
	f := c.number(v)
	if f != math.Trunc(f) || f < 1 || f > 1000 {
		c.bad = true
		return 0
	}
	return int(f)
}

// concept is the code of a CodeableConcept in the system wanted, else its first.
func (c *card) concept(v value, want string) (code string) {
	for _, coding := range c.codings(v) {
		if !validText(coding.code) {
			continue
		}
		if coding.system == want {
			return coding.code
		}
		code = cmp.Or(code, coding.code)
	}
	return code
}

type coding struct{ system, code string }

// codings are those of a CodeableConcept.
func (c *card) codings(v value) (all []coding) {
	for v := range c.list(c.object(v).get("coding")) {
		o := c.object(v)
		all = append(all, coding{c.text(o.get("system")), c.text(o.get("code"))})
	}
	return all
}

// fhirDate returns the date of a FHIR date or dateTime (R4, section 2.24.0.1): a year, a
// month or a day. It is empty for what is none.
func fhirDate(s string) string {
	s, _, _ = strings.Cut(s, "T")
	return partialDate(s)
}

// fhirTime returns the moment of a dateTime. Of one that knows only the day it is the
// day's beginning where that is earliest, so that a sample does not seem younger than it
// is; of a less exact one it is zero.
func fhirTime(s string) time.Time {
	layout := time.DateOnly
	if strings.Contains(s, "T") {
		layout = time.RFC3339
	}
	t, err := time.Parse(layout, s)
	if err != nil || t.Year() < 1900 || t.Year() > 2199 { // also what JSON could not write
		return time.Time{}
	}
	if layout == time.DateOnly {
		t = t.Add(-earliestZone)
	}
	return t.UTC()
}

// earliestZone is how far ahead of UTC a day begins where it begins first (UTC+14).
const earliestZone = 14 * time.Hour

// countDoses numbers vaccinations that do not say which they are in the order of their
// dates: among those against COVID-19, and else among those of one vaccine. Where a
// date is missing or not exact to the day, the order is not known, nor the number.
func countDoses(health []Statement) {
	groups := map[string][]int{}
	for i, h := range health {
		if h.Kind == Vaccination {
			group := h.Disease
			if group == "" {
				group = "vaccine " + h.Product
			}
			groups[group] = append(groups[group], i)
		}
	}
	for _, g := range groups {
		if slices.ContainsFunc(g, func(i int) bool { return len(health[i].Date) != len(time.DateOnly) }) {
			continue
		}
		slices.SortStableFunc(g, func(a, b int) int { return strings.Compare(health[a].Date, health[b].Date) })
		for n, i := range g {
			if health[i].Dose == 0 {
				health[i].Dose = n + 1
			}
		}
	}
}

// Code systems, as the Vaccination & Testing implementation guide of the cards
// (hl7.org/fhir/uv/shc-vaccination) uses them.
const (
	cvxSystem    = "http://hl7.org/fhir/sid/cvx"
	loincSystem  = "http://loinc.org"
	snomedSystem = "http://snomed.info/sct"
)

// covidCVX has the vaccines against COVID-19 of the CVX list (CDC; value set vaccine-cvx
// of the guide; 5xx are those of other countries). A card does not name the disease:
// this is how its doses are told from those against others.
var covidCVX = func() map[string]bool {
	m := map[string]bool{}
	for _, code := range strings.Fields(`207 208 210 211 212 213 217 218 219 221 225 226 227 228 229 230
		300 301 302 308 309 310 311 312 313 500 501 502 503 504 505 506 507 508 509 510 511 519 520 521`) {
		m[code] = true
	}
	return m
}()

// covidLOINC has the tests for the virus of COVID-19 itself, its RNA or antigen, of the LOINC list (SARS-CoV-2 test
// codes). Tests for antibodies are not among them: they tell of the past.
var covidLOINC = func() map[string]bool {
	m := map[string]bool{}
	for _, code := range strings.Fields(`94309-2 94316-7 94500-6 94502-2 94533-7 94534-5 94558-4 94559-2 94565-9 94759-8 94845-5
		95209-3 95406-5 95608-6 96119-3 97097-0`) {
		m[code] = true
	}
	return m
}()

// testResults has the answers of the guide's value sets lab-result-findings (SNOMED CT)
// and qualitative-lab-results-loinc. Others, such as inconclusive, are unknown.
var testResults = map[coding]string{
	{snomedSystem, "260415000"}: "negative", // not detected
	{snomedSystem, "260385009"}: "negative",
	{snomedSystem, "260373001"}: "positive", // detected
	{snomedSystem, "10828004"}:  "positive",
	{snomedSystem, "260408008"}: "positive", // weakly
	{loincSystem, "LA11883-8"}:  "negative", // not detected
	{loincSystem, "LA6577-6"}:   "negative",
	{loincSystem, "LA11882-0"}:  "positive", // detected
	{loincSystem, "LA6576-8"}:   "positive",
}
