package health

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The FHIR bundle (R4) of a SMART Health Card.

func (c *card) bundle() {
	r := c.r
	r.object(func(name []byte) {
		switch string(name) {
		case "resourceType":
			c.hasBundle = r.string() == "Bundle"
		case "entry":
			r.array(func() {
				r.object(func(name []byte) {
					if string(name) == "resource" {
						c.resource()
					} else {
						r.skip()
					}
				})
			})
		default:
			r.skip()
		}
	})
}

// resource reads a resource. Its type may be the last that it says, so those that
// matter are read twice.
func (c *card) resource() {
	begin, kind := *c.r, ""
	c.r.object(func(name []byte) {
		if string(name) == "resourceType" {
			kind = c.r.string()
		} else {
			c.r.skip()
		}
	})
	if c.r.bad {
		return
	}
	var read func(name []byte)
	var done func() (Statement, bool)
	switch kind {
	case "Patient":
		c.patients++
		read = c.patient
	case "Immunization":
		read, done = c.immunization()
	case "Observation":
		read, done = c.observation()
	default:
		return
	}
	*c.r = begin
	c.r.object(read)
	if done == nil || c.r.bad {
		return
	}
	if h, ok := done(); ok {
		if len(c.health) == shcStatements { // to leave the last out could be to leave out the one that matters
			c.r.bad = true
			return
		}
		c.health = append(c.health, h)
	}
}

func (c *card) patient(member []byte) {
	r := c.r
	switch string(member) {
	case "birthDate":
		c.birthDate = fhirDate(r.string())
	case "name":
		first := true
		r.array(func() {
			if !first {
				r.skip()
				return
			}
			first = false
			var given []string
			var family, text string
			r.object(func(name []byte) {
				switch string(name) {
				case "given":
					r.array(func() {
						if s := r.string(); len(given) < shcGiven {
							given = append(given, s)
						}
					})
				case "family":
					family = r.string()
				case "text":
					text = r.string()
				default:
					r.skip()
				}
			})
			if c.name = printable(append(given, family)...); c.name == "" {
				c.name = printable(text)
			}
		})
	default:
		r.skip()
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
	s := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.Join(words, " "))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 64 {
		n := 64
		for !utf8.RuneStart(s[n]) {
			n--
		}
		s = strings.TrimSpace(s[:n])
	}
	return s
}

// immunization returns what reads the members of an Immunization, and what then says
// what it states.
func (c *card) immunization() (func([]byte), func() (Statement, bool)) {
	r, h, status := c.r, Statement{Kind: Vaccination}, ""
	read := func(member []byte) {
		switch string(member) {
		case "status":
			status = r.string()
		case "vaccineCode":
			h.Product = c.concept(cvxSystem)
		case "occurrenceDateTime":
			h.Date = fhirDate(r.string())
		case "protocolApplied":
			r.array(func() {
				r.object(func(name []byte) {
					switch string(name) {
					case "doseNumberPositiveInt":
						h.Dose = c.count()
					case "seriesDosesPositiveInt":
						h.Doses = c.count()
					case "targetDisease":
						r.array(func() {
							if code := c.concept(snomedSystem); h.Disease == "" {
								h.Disease = code
							}
						})
					default:
						r.skip()
					}
				})
			})
		default:
			r.skip()
		}
	}
	done := func() (Statement, bool) {
		if h.Disease == "" && covidCVX[h.Product] {
			h.Disease = COVID19
		}
		return h, status == "completed" // else not done, or recorded in error
	}
	return read, done
}

// observation does the same for an Observation.
func (c *card) observation() (func([]byte), func() (Statement, bool)) {
	r, h, status := c.r, Statement{Kind: Test, Result: "unknown"}, ""
	read := func(member []byte) {
		switch string(member) {
		case "status":
			status = r.string()
		case "code":
			h.Product = c.concept(loincSystem)
		case "effectiveDateTime":
			h.Sampled = fhirTime(r.string())
		case "valueCodeableConcept":
			// Several codings of one value say the same; if not, nobody knows.
			result, clear := "", true
			c.codings(func(system, code string) {
				if said, ok := testResults[coding{system, code}]; ok {
					clear = clear && (result == "" || result == said)
					result = said
				}
			})
			if result != "" && clear {
				h.Result = result
			}
		default:
			r.skip()
		}
	}
	done := func() (Statement, bool) {
		if covidLOINC[h.Product] {
			h.Disease = COVID19
		}
		// Not preliminary, registered, cancelled, or entered in error.
		return h, status == "final" || status == "amended" || status == "corrected"
	}
	return read, done
}

// count reads a positive integer.
func (c *card) count() int {
	f := c.r.number()
	if f != math.Trunc(f) || f < 1 || f > 1000 {
		c.r.bad = true
		return 0
	}
	return int(f)
}

// concept reads a CodeableConcept and returns its code in the system wanted, else its first.
func (c *card) concept(want string) string {
	first, wanted := "", ""
	c.codings(func(system, code string) {
		if !validText(code) {
			return
		}
		if first == "" {
			first = code
		}
		if wanted == "" && system == want {
			wanted = code
		}
	})
	if wanted != "" {
		return wanted
	}
	return first
}

// codings reads a CodeableConcept.
func (c *card) codings(each func(system, code string)) {
	r := c.r
	r.object(func(name []byte) {
		if string(name) != "coding" {
			r.skip()
			return
		}
		r.array(func() {
			system, code := "", ""
			r.object(func(name []byte) {
				switch string(name) {
				case "system":
					system = r.string()
				case "code":
					code = r.string()
				default:
					r.skip()
				}
			})
			each(system, code)
		})
	})
}

// fhirDate returns the date of a FHIR date or dateTime (R4, section 2.24.0.1): a year, a
// month or a day. It is empty for what is none.
func fhirDate(s string) string {
	s, _, _ = strings.Cut(s, "T")
	for _, layout := range []string{time.DateOnly, "2006-01", "2006"} {
		if len(s) == len(layout) {
			if _, err := time.Parse(layout, s); err == nil {
				return s
			}
		}
	}
	return ""
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

type coding struct{ system, code string }

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
