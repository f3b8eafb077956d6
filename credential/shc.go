package credential

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// SMART Health Cards (spec.smarthealth.cards, version 1.4.0): what stands in quotation
// marks below is from there.

// shcPrefix begins a SMART Health Card ("Encoding QRs").
const shcPrefix = "shc:/"

// shcType is the one type that "SHALL be present"; others are ignored.
const shcType = "https://smarthealth.cards#health-card"

const (
	shcInflated   = 64 << 10 // bytes of payload; a card that fits one QR code has some 2,000
	shcStatements = 256      // tests and vaccinations
	shcIssuer     = 256      // bytes of an issuer's URL; the longest in use has 111
	shcRevocation = 24       // characters of a revocation identifier: "no longer than 24"
)

// checkSHC verifies the text of a card. What it states is read before its signature
// is checked, as with a pass.
func (t *Trust) checkSHC(code string, at time.Time) Claim {
	c := Claim{Kind: KindSHC, Proof: Stated}
	because := func(reason string) Claim {
		c.Reason = reason
		return c
	}
	if len(code) > CodeLimit {
		return because(ReasonTooLong)
	}
	digits := code[len(shcPrefix):]
	if strings.Contains(digits, "/") { // shc:/1/3/…, a part of a card: deprecated by the specification, and one scan is one code
		return because(ReasonBadPrefix)
	}
	token, ok := fromNumeric(digits)
	if !ok {
		return because(ReasonBadNumeric)
	}
	m, ok := parseJWS(token)
	if !ok {
		return because(ReasonBadJWS)
	}
	payload, err := inflate(make([]byte, 0, 4096), m.payload, true, shcInflated)
	if err != nil {
		return because(ReasonBadZlib)
	}
	card, wellFormed := readCard(payload)
	if wellFormed {
		c.Issuer, c.Name, c.BirthDate, c.Health = card.issuer, card.name, card.birthDate, card.health
		c.NotBefore, c.NotAfter = card.notBefore, card.notAfter
		c.Gaps = []string{GapHolder, GapResidence, GapHealth}
	}

	if m.algorithm != "ES256" {
		return because(ReasonWrongAlgorithm)
	}
	if !wellFormed {
		return because(ReasonMalformed)
	}
	signer := shcSigner{card.issuer, m.keyID}
	keys := t.shc.keys[signer]
	if len(keys) == 0 {
		// Only for the maintainer's sake: such a key is never tried.
		if t.shc.keyIDs[m.keyID] {
			return because(ReasonWrongIssuer)
		}
		return because(ReasonUnknownSigner)
	}
	if !slices.ContainsFunc(keys, m.signedBy) {
		return because(ReasonBadSignature)
	}
	c.Proof = Signed
	if t.shc.isRevoked(signer, card.revocation, card.notBefore) {
		return because(ReasonRevoked)
	}
	if at.Before(card.notBefore) {
		return because(ReasonNotYetValid)
	}
	// RFC 7519, section 4.1.4: "on or after" exp it is no longer good.
	if !card.notAfter.IsZero() && !at.Before(card.notAfter) {
		return because(ReasonExpired)
	}
	c.Valid = true
	return because(ReasonOK)
}

// fromNumeric reads the digits of a card: two for each character of the JWS, its
// code less 45 ("Ord(c)-45"), so from "-" as 00 to "z" as 77.
func fromNumeric(digits string) ([]byte, bool) {
	if digits == "" || len(digits)%2 != 0 {
		return nil, false
	}
	text := make([]byte, 0, len(digits)/2)
	for i := 0; i < len(digits); i += 2 {
		tens, ones := digits[i]-'0', digits[i+1]-'0'
		if tens > 9 || ones > 9 || tens*10+ones > 'z'-'-' {
			return nil, false
		}
		text = append(text, '-'+tens*10+ones)
	}
	return text, true
}

// jws is a JWS in compact form (RFC 7515, section 7.1) as far as a card has one.
//
// go-jose is not asked to verify it: it reads base64 with stray bits in its last
// characters and signs over its own rendering of it, so that one card could be shown as
// a dozen different codes; it reports a wrong algorithm and a broken token alike; and it
// would do all the work on the token a second time. The tests hold it beside this.
type jws struct {
	algorithm, keyID string
	payload          []byte // still compressed
	signed           []byte // header and payload as they were received
	signature        []byte
}

// strictBase64 has one text for any bytes.
var strictBase64 = base64.RawURLEncoding.Strict()

func parseJWS(token []byte) (m jws, ok bool) {
	head, rest, ok1 := bytes.Cut(token, []byte{'.'})
	body, signature, ok2 := bytes.Cut(rest, []byte{'.'})
	if !ok1 || !ok2 {
		return jws{}, false
	}
	// A dot in the third part, as of a token of nothing but dots, is no base64.
	header, err1 := strictBase64.AppendDecode(nil, head)
	payload, err2 := strictBase64.AppendDecode(nil, body)
	sig, err3 := strictBase64.AppendDecode(nil, signature)
	if err1 != nil || err2 != nil || err3 != nil {
		return jws{}, false
	}
	m = jws{payload: payload, signed: token[:len(head)+1+len(body)], signature: sig}
	deflated := false
	read := readJSON(header, func(r *jsonReader) {
		r.object(func(name []byte) {
			switch string(name) {
			case "alg":
				m.algorithm = r.string()
			case "kid":
				m.keyID = r.string()
			case "zip":
				deflated = r.string() == "DEF"
			case "crit":
				// RFC 7515, section 4.1.11: what is listed there must be understood, and
				// a card has nothing to list.
				r.bad = true
			default:
				r.skip()
			}
		})
	})
	return m, read && deflated && m.algorithm != "" && m.keyID != ""
}

// signedBy verifies the signature: r and s, 32 bytes each (RFC 7518, section 3.4).
func (m jws) signedBy(key *ecdsa.PublicKey) bool {
	if len(m.signature) != 64 {
		return false
	}
	r, s := new(big.Int).SetBytes(m.signature[:32]), new(big.Int).SetBytes(m.signature[32:])
	digest := sha256.Sum256(m.signed)
	return ecdsa.Verify(key, digest[:], r, s)
}

// card is what a payload states.
type card struct {
	issuer              string
	notBefore, notAfter time.Time // notAfter is zero where the card says none
	revocation          string    // the rid, often empty
	name, birthDate     string
	health              []Health

	r                 *jsonReader
	isCard, hasBundle bool
	patients          int
}

// readCard reads a payload: claims of a JWT (RFC 7519) with a FHIR bundle (R4) in them.
// Of the bundle, whatever is not known here is ignored.
func readCard(payload []byte) (card, bool) {
	var c card
	hasStart := false
	ok := readJSON(payload, func(r *jsonReader) {
		c.r = r
		r.object(func(name []byte) {
			switch string(name) {
			case "iss":
				c.issuer = r.string()
			case "nbf":
				c.notBefore, hasStart = c.time(), true
			case "exp":
				c.notAfter = c.time()
			case "vc":
				c.credential()
			default:
				r.skip()
			}
		})
	})
	// A bundle about two people does not say whose the statements are.
	if !ok || !hasStart || !c.isCard || !c.hasBundle || c.patients > 1 || !plainURL(c.issuer) {
		return card{}, false
	}
	countDoses(c.health)
	return c, true
}

// time reads a NumericDate (RFC 7519, section 2), which may have a fraction.
func (c *card) time() time.Time {
	t, ok := numericDate(c.r.number())
	if !ok {
		c.r.bad = true
	}
	return t
}

// numericDate is exact to the microsecond; beyond that a float64 is not.
func numericDate(seconds float64) (time.Time, bool) {
	if !(seconds >= float64(firstSecond) && seconds <= float64(lastSecond)) { // also no NaN
		return time.Time{}, false
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC(), true
}

// plainURL keeps strange characters off the guard's page. Whether it is the URL of an
// issuer is a question of the trust directory.
func plainURL(s string) bool {
	return s != "" && len(s) <= shcIssuer &&
		strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

// credential reads the claim vc.
func (c *card) credential() {
	r := c.r
	r.object(func(name []byte) {
		switch string(name) {
		case "type":
			r.array(func() { c.isCard = r.string() == shcType || c.isCard })
		case "credentialSubject":
			r.object(func(name []byte) {
				if string(name) == "fhirBundle" {
					c.bundle()
				} else {
					r.skip()
				}
			})
		case "rid":
			c.revocation = r.string()
			if !validRevocation(c.revocation) {
				r.bad = true
			}
		default:
			r.skip()
		}
	})
}

// validRevocation holds for cards as for lists: 1 to 24 characters of the base64url alphabet.
func validRevocation(rid string) bool {
	return rid != "" && len(rid) <= shcRevocation && strings.IndexFunc(rid, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	}) < 0
}

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
	var done func() (Health, bool)
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
func (c *card) immunization() (func([]byte), func() (Health, bool)) {
	r, h, status := c.r, Health{Kind: Vaccination}, ""
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
	done := func() (Health, bool) {
		if h.Disease == "" && covidCVX[h.Product] {
			h.Disease = covid19
		}
		return h, status == "completed" // else not done, or recorded in error
	}
	return read, done
}

// observation does the same for an Observation.
func (c *card) observation() (func([]byte), func() (Health, bool)) {
	r, h, status := c.r, Health{Kind: Test, Result: "unknown"}, ""
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
	done := func() (Health, bool) {
		if covidLOINC[h.Product] {
			h.Disease = covid19
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
func countDoses(health []Health) {
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

// covid19 is the disease in SNOMED CT, as an EU certificate names it.
const covid19 = COVID19

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
