package health

import (
	"crypto/sha256"
	"strings"
	"time"

	"gated/credential/base45"

	"github.com/fxamacker/cbor/v2"
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

// checkDCC verifies a certificate. As with a pass, what it states is read before its
// signature is checked, so that the guard learns who is meant by a bad one too.
func (t *Trust) checkDCC(code string, at time.Time) Certificate {
	c := Certificate{Kind: KindDCC}
	because := func(reason string) Certificate {
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
	data, err := base45.Decode(text)
	if err != nil {
		return because(ReasonBadBase45)
	}
	plain, err := inflate(data, false, dccLimit)
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
		if judged.Signed {
			judged.Content = string(digest[:])
		}
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
		var tag cbor.RawTag
		if lenient.Unmarshal(data, &tag) == nil && tag.Number == want {
			data = tag.Content
		}
	}
	// The library would read a message with any other tag as well.
	if isArray := data[0]>>5 == 4; !isArray || lenient.Unmarshal(data, &m) != nil ||
		m.Payload == "" || m.Unprotected.Critical != nil ||
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
	return must(signedForm.Marshal([]any{"Signature1", m.Protected, cbor.ByteString(""), m.Payload}))
}

var signedForm = must(cbor.CoreDetEncOptions().EncMode())

// state puts what the certificate says into the claim, as far as it can be read,
// and reports whether that is enough to be judged: dates that are dates, and at
// least one statement about health.
func (s dccClaims) state(c *Certificate) bool {
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
	add := func(id scalar, h Statement) {
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
		add(v.ID, Statement{
			Kind: Vaccination, Disease: v.Disease.print(), Product: v.Product.print(),
			Dose: v.Dose.count(), Doses: v.Doses.count(), Date: v.Date.day(),
		})
	}
	for _, v := range v1.Tests {
		sampled := v.Sampled.sampled()
		add(v.ID, Statement{
			Kind: Test, Disease: v.Disease.print(), Product: v.TestType.print(),
			Result: testResult(v.Result.print()), Sampled: sampled,
		})
	}
	for _, v := range v1.Recoveries {
		add(v.ID, Statement{
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
