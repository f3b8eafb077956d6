package health

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
func (t *Trust) checkSHC(code string, at time.Time) Certificate {
	c := Certificate{Kind: KindSHC}
	because := func(reason string) Certificate {
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
	payload, err := inflate(m.payload, true, shcInflated)
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
	digest := sha256.Sum256(m.signed)
	c.Signed, c.Content = true, string(digest[:])
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
// would do all the work on the token a second time. A test compares both.
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
	parsed, ok := parseJSON(header)
	var s shape
	h := s.object(parsed)
	m.algorithm, m.keyID = s.text(h.get("alg")), s.text(h.get("kid"))
	// RFC 7515, section 4.1.11: what crit lists must be understood, and a card has nothing to list.
	return m, ok && !s.bad && s.text(h.get("zip")) == "DEF" && h.get("crit") == nil && m.algorithm != "" && m.keyID != ""
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
	health              []Statement

	shape
	hasBundle bool
	patients  int
}

// readCard reads a payload: claims of a JWT (RFC 7519) with a FHIR bundle (R4) in them.
// Of the bundle, whatever is not known here is ignored.
func readCard(payload []byte) (card, bool) {
	parsed, ok := parseJSON(payload)
	if !ok {
		return card{}, false
	}
	var c card
	claims := c.object(parsed)
	c.issuer = c.text(claims.get("iss"))
	c.notBefore, c.notAfter = c.time(claims.get("nbf")), c.time(claims.get("exp"))
	vc := c.object(claims.get("vc"))
	isCard := false
	for t := range c.list(vc.get("type")) {
		isCard = c.text(t) == shcType || isCard
	}
	c.revocation = c.text(vc.get("rid"))
	if vc.get("rid") != nil && !validRevocation(c.revocation) {
		return card{}, false
	}
	c.bundle(c.object(c.object(vc.get("credentialSubject")).get("fhirBundle")))
	// A bundle about two people does not say whose the statements are.
	if c.bad || c.notBefore.IsZero() || !isCard || !c.hasBundle || c.patients > 1 || !plainURL(c.issuer) {
		return card{}, false
	}
	countDoses(c.health)
	return c, true
}

// time is a NumericDate (RFC 7519, section 2), which may have a fraction; zero where there is none.
func (c *card) time(v value) time.Time {
	if v == nil {
		return time.Time{}
	}
	t, ok := numericDate(c.number(v))
	c.bad = c.bad || !ok
	return t
}

// Seconds between which times are taken for times, not for nonsense.
var (
	firstSecond = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	lastSecond  = time.Date(2199, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
)

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

// validRevocation holds for cards as for lists: 1 to 24 characters of the base64url alphabet.
func validRevocation(rid string) bool {
	return rid != "" && len(rid) <= shcRevocation && strings.IndexFunc(rid, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	}) < 0
}
