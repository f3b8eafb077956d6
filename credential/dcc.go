package credential

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/text/unicode/norm"
)

// EU Digital COVID Certificates, "HC1:". The container is that of the Electronic
// Health Certificate Specification (ehn-dcc-development/eu-dcc-hcert-spec,
// hcert_spec.md, cited here as hcert), the content that of ehn-dcc-schema 1.3: base45
// (RFC 9285) of zlib (RFC 1950) of a COSE_Sign1 (RFC 9052) over a CWT (RFC 8392).
// Some eighty countries wrote it with many libraries, and their real codes
// are read here, not only the well-behaved ones; see docs/conformance.md.

// dccPrefix begins an EU Digital COVID Certificate: the context identifier of its version 1.
const dccPrefix = "HC1:"

// isDCC says whether code has the context identifier of any version of the
// certificate: "the integer following HC shall be incremented" (hcert, 4.2.2).
func isDCC(code []byte) bool {
	if len(code) < len(dccPrefix) || string(code[:2]) != "HC" {
		return false
	}
	version, _, ok := strings.Cut(string(code[2:min(len(code), 5)]), ":")
	if !ok || version == "" {
		return false
	}
	for _, r := range version {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return true
}

const (
	// dccLimit is the most that a certificate may inflate to, in bytes. The largest
	// of the public test data has under a thousand.
	dccLimit = 16 << 10

	// signerLimit bounds the signatures tried for one code, each of which costs as
	// much as all the rest.
	signerLimit = 32

	// statementLimit is the most statements a certificate may make. The schema
	// allows one; some of the test data have three.
	statementLimit = 8

	// textLimit is the longest text shown, in characters: the schema's own maximum
	// for names and identifiers.
	textLimit = 80
)

// lenient reads what issuers write: tags, lengths left open, floating-point
// dates, text that is not quite UTF-8. What it bounds are depth and numbers; that a
// key stands once in its map, so that nobody can be shown another value than
// the one that was checked, holds here too.
var lenient = must(cbor.DecOptions{
	DupMapKey:         cbor.DupMapKeyEnforcedAPF,
	UTF8:              cbor.UTF8DecodeInvalid,
	FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	MaxNestedLevels:   32,
	MaxArrayElements:  64,
	MaxMapPairs:       64,
}.DecMode())

// dccMessage is the COSE_Sign1 of a certificate.
type dccMessage struct {
	_           struct{} `cbor:",toarray"`
	Protected   cbor.ByteString
	Unprotected dccHeader
	Payload     cbor.ByteString
	Signature   cbor.ByteString
}

type dccHeader struct {
	Algorithm scalar   `cbor:"1,keyasint"`
	Critical  []scalar `cbor:"2,keyasint"`
	KeyID     scalar   `cbor:"4,keyasint"`
}

// dccClaims is the payload.
type dccClaims struct {
	Issuer    scalar `cbor:"1,keyasint"`
	NotAfter  scalar `cbor:"4,keyasint"`
	NotBefore scalar `cbor:"5,keyasint"`
	IssuedAt  scalar `cbor:"6,keyasint"`
	Health    struct {
		V1 dccHealth `cbor:"1,keyasint"`
	} `cbor:"-260,keyasint"`
}

type dccHealth struct {
	Name struct {
		Family      scalar `cbor:"fn"`
		FamilyPlain scalar `cbor:"fnt"` // in the letters of passports, ICAO 9303
		Given       scalar `cbor:"gn"`
		GivenPlain  scalar `cbor:"gnt"`
	} `cbor:"nam"`
	BirthDate    scalar         `cbor:"dob"`
	Vaccinations []dccStatement `cbor:"v"`
	Tests        []dccStatement `cbor:"t"`
	Recoveries   []dccStatement `cbor:"r"`
}

// dccStatement has the fields of all three kinds.
type dccStatement struct {
	ID      scalar `cbor:"ci"`
	Disease scalar `cbor:"tg"`

	Product scalar `cbor:"mp"`
	Dose    scalar `cbor:"dn"`
	Doses   scalar `cbor:"sd"`
	Date    scalar `cbor:"dt"`

	TestType scalar `cbor:"tt"`
	Sampled  scalar `cbor:"sc"`
	Result   scalar `cbor:"tr"`

	FirstPositive scalar `cbor:"fr"`
	From          scalar `cbor:"df"`
	Until         scalar `cbor:"du"`
}

// scratch is memory for one inflated certificate. Nothing read from it points
// into it.
var scratch = sync.Pool{New: func() any { return new([dccLimit]byte) }}

// checkDCC verifies a certificate. As with a pass, what it states is read before its
// signature is checked, so that the guard learns who is meant by a bad one too.
func (t *Trust) checkDCC(code string, at time.Time) Claim {
	c := Claim{Kind: KindDCC, Proof: Stated}
	because := func(reason string) Claim {
		c.Reason = reason
		return c
	}
	if len(code) > CodeLimit {
		return because(ReasonTooLong)
	}
	text, ok := strings.CutPrefix(code, dccPrefix)
	if !ok {
		return because(ReasonBadPrefix)
	}
	data, err := DecodeBase45(text)
	if err != nil {
		return because(ReasonBadBase45)
	}
	space := scratch.Get().(*[dccLimit]byte)
	defer scratch.Put(space)
	plain, err := inflate(space[:0], data, false, dccLimit)
	if err != nil {
		return because(ReasonBadZlib)
	}
	m, protected, reason := parseDCC(plain)
	if reason != "" {
		return because(reason)
	}
	var claims dccClaims
	unreadable := lenient.Unmarshal([]byte(m.Payload), &claims)
	wellFormed := claims.state(&c) && unreadable == nil

	signers := t.dcc.candidates(keyID(protected, m.Unprotected), c.Issuer)
	if len(signers) == 0 {
		return because(ReasonUnknownSigner)
	}
	signed := m.toBeSigned()
	digest := sha256.Sum256(signed)
	stated, best := c, ReasonWrongAlgorithm
	for _, s := range signers {
		if protected.Algorithm.contradicts(s.algorithm) || m.Unprotected.Algorithm.contradicts(s.algorithm) {
			continue
		}
		if !s.verify(signed, digest[:], []byte(m.Signature)) {
			if best == ReasonWrongAlgorithm {
				best = ReasonBadSignature
			}
			continue
		}
		if !wellFormed {
			return because(ReasonMalformed)
		}
		// Two certificates can hold the same key: the one that may say this counts.
		judged := s.judge(stated, at)
		if best == ReasonWrongAlgorithm || best == ReasonBadSignature || judged.Valid {
			best, c = judged.Reason, judged
		}
		if judged.Valid {
			break
		}
	}
	return because(best)
}

// parseDCC reads a COSE_Sign1 and its protected header. It may be tagged as such
// (18), as a CWT (61), or both, in the order of RFC 8392, section 6. The reason is
// empty if it could be read.
func parseDCC(data []byte) (m dccMessage, protected dccHeader, reason string) {
	if lenient.Wellformed(data) != nil {
		return m, protected, ReasonBadCBOR
	}
	for _, want := range []uint64{61, 18} {
		if major, tag, size := readHead(data); major == majorTag && tag == want {
			data = data[size:]
		}
	}
	// The library would read a message with any other tag as well.
	if major, _, _ := readHead(data); major != majorArray || lenient.Unmarshal(data, &m) != nil || m.Payload == "" || m.Unprotected.Critical != nil ||
		len(m.Protected) > 0 && lenient.Unmarshal([]byte(m.Protected), &protected) != nil {
		return m, protected, ReasonBadCOSE
	}
	// RFC 9052, section 3.1: what is listed as critical must be understood.
	for _, label := range protected.Critical {
		if label.kind != isNumber || label.number != 1 && label.number != 4 {
			return m, protected, ReasonBadCOSE
		}
	}
	if protected.Critical != nil && len(protected.Critical) == 0 {
		return m, protected, ReasonBadCOSE
	}
	return m, protected, ""
}

// keyID returns the key identifier: the protected one if there is any, else that
// of the unprotected header ("verifiers must accept both options", hcert 3.3.3).
func keyID(protected, unprotected dccHeader) scalar {
	if protected.KeyID.kind != isAbsent {
		return protected.KeyID
	}
	return unprotected.KeyID
}

// toBeSigned returns the Sig_structure (RFC 9052, section 4.4) over the protected
// header and payload as they were received, byte for byte. Where they came in
// pieces, it is the whole that is signed.
func (m dccMessage) toBeSigned() []byte {
	b := make([]byte, 0, 32+len(m.Protected)+len(m.Payload))
	b = append(b, 0x84, 0x6a)
	b = append(b, "Signature1"...)
	b = appendBytes(b, string(m.Protected))
	b = appendBytes(b, "")
	return appendBytes(b, string(m.Payload))
}

// appendBytes appends a CBOR byte string of less than 64 KiB.
func appendBytes(b []byte, s string) []byte {
	switch {
	case len(s) < 24:
		b = append(b, 0x40|byte(len(s)))
	case len(s) < 1<<8:
		b = append(b, 0x58, byte(len(s)))
	default:
		b = append(b, 0x59, byte(len(s)>>8), byte(len(s)))
	}
	return append(b, s...)
}

// state puts what the certificate says into the claim, as far as it can be read,
// and reports whether that is enough to be judged: dates that are dates, and at
// least one statement about health.
func (s dccClaims) state(c *Claim) bool {
	c.Issuer = s.Issuer.print()
	if country := countryCode(c.Issuer); country != "" {
		c.Issuer = country
	}
	from, okFrom := s.IssuedAt.time()
	if begin, ok := s.NotBefore.time(); s.NotBefore.kind != isAbsent {
		okFrom = ok && (okFrom || s.IssuedAt.kind == isAbsent)
		if begin.After(from) {
			from = begin
		}
	} else if s.IssuedAt.kind == isAbsent {
		okFrom = true
	}
	until, okUntil := s.NotAfter.time()
	c.NotBefore, c.NotAfter = from, until

	v1 := s.Health.V1
	add := func(id scalar, h Health) {
		if len(c.Health) == 0 {
			c.Serial = id.print()
		}
		if len(c.Health) < statementLimit {
			c.Health = append(c.Health, h)
		}
	}
	c.Name = strings.TrimSpace(v1.Name.Given.or(v1.Name.GivenPlain) + " " + v1.Name.Family.or(v1.Name.FamilyPlain))
	c.BirthDate = v1.BirthDate.day()
	for _, v := range v1.Vaccinations {
		add(v.ID, Health{
			Kind: Vaccination, Disease: v.Disease.print(), Product: v.Product.print(),
			Dose: v.Dose.count(), Doses: v.Doses.count(), Date: v.Date.day(),
		})
	}
	for _, v := range v1.Tests {
		sampled := v.Sampled.sampled()
		add(v.ID, Health{
			Kind: Test, Disease: v.Disease.print(), Product: v.TestType.print(),
			Result: testResult(v.Result.print()), Sampled: sampled,
		})
	}
	for _, v := range v1.Recoveries {
		add(v.ID, Health{
			Kind: Recovery, Disease: v.Disease.print(), Date: v.FirstPositive.day(),
			From: v.From.day(), Until: v.Until.day(),
		})
	}
	c.Gaps = []string{GapHolder, GapResidence, GapHealth}
	n := len(v1.Vaccinations) + len(v1.Tests) + len(v1.Recoveries)
	return okFrom && okUntil && 0 < n && n <= statementLimit
}

// testResult names the SNOMED CT codes of the value set covid-19-lab-result.
func testResult(code string) string {
	switch code {
	case "260415000": // not detected
		return "negative"
	case "260373001": // detected
		return "positive"
	}
	return "unknown"
}

// countryCode returns the ISO 3166-1 code that s is, in upper case, or nothing. The
// EU's own names for two countries are theirs too.
func countryCode(s string) string {
	if len(s) != 2 {
		return ""
	}
	s = strings.ToUpper(s)
	for _, r := range s {
		if r < 'A' || r > 'Z' {
			return ""
		}
	}
	switch s {
	case "EL":
		return "GR"
	case "UK":
		return "GB"
	}
	return s
}

// scalar is one value of a certificate, of whatever type its issuer gave it: a
// test time has been seen as text, tagged text, and number. Types that hold no
// single value are kept as such, so that they are never taken for absent.
type scalar struct {
	kind   byte
	number float64
	text   string // or bytes
}

// The kinds of scalar.
const (
	isAbsent byte = iota
	isNumber
	isText
	isBytes
	isOther
)

// The major types of CBOR that matter here (RFC 8949, section 3.1).
const (
	majorUnsigned = 0
	majorNegative = 1
	majorBytes    = 2
	majorText     = 3
	majorArray    = 4
	majorTag      = 6
	majorSimple   = 7
)

// readHead reads the head of a well-formed item: its major type, its argument and
// how many bytes the head has. Of a length left open the argument is zero.
func readHead(data []byte) (major byte, argument uint64, size int) {
	major, info := data[0]>>5, data[0]&0x1f
	switch info {
	case 24:
		return major, uint64(data[1]), 2
	case 25:
		return major, uint64(binary.BigEndian.Uint16(data[1:])), 3
	case 26:
		return major, uint64(binary.BigEndian.Uint32(data[1:])), 5
	case 27:
		return major, binary.BigEndian.Uint64(data[1:]), 9
	case 31:
		return major, 0, 1
	}
	return major, uint64(info), 1
}

// UnmarshalCBOR takes one well-formed item. It never fails: a value of an odd type in
// a field that nobody asks for must not make a certificate unreadable.
func (s *scalar) UnmarshalCBOR(data []byte) error {
	*s = scalar{kind: isOther}
	major, argument, size := readHead(data)
	for major == majorTag { // of dates: 0, 1, 100 and 1004
		data = data[size:]
		major, argument, size = readHead(data)
	}
	switch major {
	case majorUnsigned:
		s.kind, s.number = isNumber, float64(argument)
	case majorNegative:
		s.kind, s.number = isNumber, -1-float64(argument)
	case majorText:
		if lenient.Unmarshal(data, &s.text) == nil {
			s.kind = isText
		}
	case majorBytes:
		var b cbor.ByteString
		if lenient.Unmarshal(data, &b) == nil {
			s.kind, s.text = isBytes, string(b)
		}
	case majorSimple:
		switch data[0] {
		case 0xf6, 0xf7: // null, undefined
			s.kind = isAbsent
		case 0xf9, 0xfa, 0xfb:
			if lenient.Unmarshal(data, &s.number) == nil {
				s.kind = isNumber
			}
		}
	}
	return nil
}

// contradicts says whether s states an algorithm, and another one than want.
func (s scalar) contradicts(want int) bool {
	return s.kind != isAbsent && (s.kind != isNumber || s.number != float64(want))
}

// raw returns the value as text, as it was written.
func (s scalar) raw() string {
	switch s.kind {
	case isText:
		return s.text
	case isNumber:
		if s.number == math.Trunc(s.number) && math.Abs(s.number) < 1<<53 {
			return strconv.FormatInt(int64(s.number), 10)
		}
	}
	return ""
}

// print returns the value as text that may stand on a guard's page: composed
// (hcert 3.3.7 wants NFC), one line, without control, invisible or
// direction-changing characters, no longer than textLimit.
func (s scalar) print() string {
	raw := s.raw()
	if len(raw) <= textLimit && isPlain(raw) {
		return raw
	}
	// Whoever composes unbounded text can be kept busy by it.
	var b strings.Builder
	n := 0
	space := false
	for _, r := range norm.NFC.String(raw[:min(len(raw), 8*textLimit)]) {
		if unicode.IsSpace(r) {
			space = n > 0
			continue
		}
		if !unicode.IsPrint(r) {
			continue
		}
		if space {
			b.WriteByte(' ')
			n++
			space = false
		}
		if n >= textLimit {
			break
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}

// isPlain says that there is nothing to do for print: most codes are ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' && (s[i] != ' ' || i == 0 || i == len(s)-1 || s[i-1] == ' ') || s[i] >= utf8.RuneSelf-1 {
			return false
		}
	}
	return true
}

// or returns a name, or where there is none its form in passport letters, in which
// < stands between words (ICAO 9303, part 3).
func (s scalar) or(plain scalar) string {
	if name := s.print(); name != "" {
		return name
	}
	return strings.TrimSpace(strings.ReplaceAll(plain.print(), "<", " "))
}

// count returns a small number: which dose, or of how many.
func (s scalar) count() int {
	n, err := strconv.Atoi(s.raw())
	if err != nil || n < 0 || n > 99 {
		return 0
	}
	return n
}

// day returns a date as YYYY-MM-DD, YYYY-MM or YYYY, without any time of day, or
// nothing.
func (s scalar) day() string {
	date := strings.TrimSpace(s.raw())
	if len(date) > 10 && (date[10] == 'T' || date[10] == ' ') {
		date = date[:10]
	}
	for _, layout := range []string{time.DateOnly, "2006-01", "2006"} {
		if _, err := time.Parse(layout, date); err == nil {
			return date
		}
	}
	return ""
}

// timeLayouts are those of RFC 3339 and what has been seen of others. A time that
// names no zone is taken for UTC, a day for its beginning.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", time.DateOnly,
}

// sampled returns when a sample was taken. One that names no zone, or only a day, may be from anywhere: it is taken for the
// earliest moment that it can mean, so that no sample seems younger than it is.
func (s scalar) sampled() time.Time {
	t, _ := s.time()
	if s.kind == isText && !t.IsZero() {
		text := strings.TrimSpace(s.text)
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
			if _, err := time.Parse(layout, text); err == nil {
				return t.Add(-earliestZone)
			}
		}
	}
	return t
}

// time returns a moment between 1970 and 9999: a NumericDate (RFC 8392, section 2),
// which may have a fraction, or text. Infinity and not-a-number are none.
func (s scalar) time() (time.Time, bool) {
	switch s.kind {
	case isNumber:
		// Comparisons with NaN are false.
		if s.number >= 0 && s.number < 253402300800 {
			whole, fraction := math.Modf(s.number)
			return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true
		}
	case isText:
		text := strings.TrimSpace(s.text)
		for _, layout := range timeLayouts {
			if t, err := time.Parse(layout, text); err == nil && t.Unix() >= 0 {
				return t.UTC(), true
			}
		}
	}
	return time.Time{}, false
}
