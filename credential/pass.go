package credential

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/credential/base45"

	"github.com/fxamacker/cbor/v2"
)

const passPrefix = "GP1:"

// passKinds are the kinds of subject that a pass may be made out to.
var passKinds = []string{"resident", "vehicle", "household", "staff", VisitPass}

// Pass is what an issuer puts into a resident pass, GP1.
//
// Its text is "GP1:" and the base45 (RFC 9285) of a
// COSE_Sign1 (RFC 9052), tagged, signed with EdDSA over Ed25519. The
// protected header names the algorithm (1: -8) and the key (4: [KeyID]); the
// unprotected header is an empty map. The payload is a CWT (RFC 8392):
//
//	     1  iss  text   the issuer; its trusted key lies in pass/<iss>.pub
//	     2  sub  text   roster ID of the resident, vehicle, household or staff; ID of a visit
//	     4  exp  int    first second at which the pass is no longer good
//	     5  nbf  int    first second at which it is good
//	     7  cti  bytes  8 random bytes, the serial by which it is revoked
//	-70001       map    what it is good for:
//	             1  kind   text  resident, vehicle, household, staff or visit
//	             2  scope  text  the issuer's limit on it; may be absent
//
// Times are whole seconds since 1970 (RFC 8392 would allow fractions) in the
// years 2000 to 2199. Texts have 1 to 64 bytes that can be printed, without a space
// at either end. There are no other claims. All of it is in CBOR's deterministic encoding
// (RFC 8949, section 4.2.1): a pass has one text.
type Pass struct {
	Issuer    string    // the name under which gates hold the key: pass/<issuer>.pub
	Subject   string    // roster ID
	Kind      string    // resident, vehicle, household, staff or visit
	Scope     string    // may be empty
	NotBefore time.Time // cut to the second
	NotAfter  time.Time // cut to the second; the pass is no longer good at this moment
	Serial    [8]byte   // chosen at random when zero
}

type claims struct {
	Issuer    string          `cbor:"1,keyasint"`
	Subject   string          `cbor:"2,keyasint"`
	NotAfter  int64           `cbor:"4,keyasint"`
	NotBefore int64           `cbor:"5,keyasint"`
	Serial    cbor.ByteString `cbor:"7,keyasint"`
	Grant     grant           `cbor:"-70001,keyasint"`
}

type grant struct {
	Kind  string `cbor:"1,keyasint"`
	Scope string `cbor:"2,keyasint,omitempty"`
}

// Seconds between which times are taken for times, not for nonsense.
var (
	firstSecond = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	lastSecond  = time.Date(2199, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
)

// validate holds for passes issued as for passes read.
func (c claims) validate() error {
	if err := validateIssuer(c.Issuer); err != nil {
		return err
	}
	if !validText(c.Subject) {
		return errors.New("subject: want 1 to 64 printable bytes without a space at either end")
	}
	if c.Grant.Scope != "" && !validText(c.Grant.Scope) {
		return errors.New("scope: want at most 64 printable bytes without a space at either end")
	}
	if !slices.Contains(passKinds, c.Grant.Kind) {
		return fmt.Errorf("kind %q: want one of %s", c.Grant.Kind, strings.Join(passKinds, ", "))
	}
	for _, t := range []int64{c.NotBefore, c.NotAfter} {
		if t < firstSecond || t > lastSecond {
			return errors.New("times: want the years 2000 to 2199")
		}
	}
	if c.NotAfter <= c.NotBefore {
		return errors.New("times: the end is not after the beginning")
	}
	if len(c.Serial) != 8 {
		return errors.New("serial: want 8 bytes")
	}
	return nil
}

// validateIssuer refuses what could not be the name of a key file.
func validateIssuer(name string) error {
	if !validText(name) || strings.ContainsAny(name, `/\`) || name[0] == '.' {
		return fmt.Errorf("issuer %q: want 1 to 64 printable bytes, no slash, no leading dot, no space at either end", name)
	}
	return nil
}

// validText keeps control, invisible and direction-changing characters off the
// guard's page: even a forged pass is shown with what it states.
func validText(s string) bool {
	return s != "" && len(s) <= 64 && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// Issue makes a pass and returns its text, "GP1:…".
func Issue(key ed25519.PrivateKey, p Pass) (string, error) {
	if len(key) != ed25519.PrivateKeySize {
		return "", errors.New("issue pass: the key is no Ed25519 private key")
	}
	if p.Serial == [8]byte{} {
		rand.Read(p.Serial[:]) // never fails
	}
	c := claims{
		Issuer: p.Issuer, Subject: p.Subject, Grant: grant{p.Kind, p.Scope},
		NotBefore: p.NotBefore.Unix(), NotAfter: p.NotAfter.Unix(),
		Serial: cbor.ByteString(p.Serial[:]),
	}
	if err := c.validate(); err != nil {
		return "", fmt.Errorf("issue pass: %w", err)
	}
	payload := must(deterministic.Marshal(c))
	return passPrefix + base45.Encode(sign(key, payload)), nil
}

// checkPass verifies the text after the prefix. What the pass states is read
// before its signature is checked, so that the ledger holds whose name was misused. One of an issuer that
// nobody here knows states nothing that could be true here: its roster is another.
func (t *Trust) checkPass(text string, at time.Time) Claim {
	c := Claim{Kind: KindPass, Proof: Stated}
	because := func(reason string) Claim {
		c.Reason = reason
		return c
	}
	data, err := base45.Decode(text)
	if err != nil {
		return because(ReasonBadBase45)
	}
	message, header, reason := parseSign1(data)
	if reason != "" {
		return because(reason)
	}
	var stated claims
	wellFormed := strict.Unmarshal([]byte(message.Payload), &stated) == nil && stated.validate() == nil &&
		message.Payload == cbor.ByteString(must(deterministic.Marshal(stated)))
	if wellFormed {
		c.Issuer, c.Subject = stated.Issuer, stated.Subject
		c.SubjectKind, c.Scope = stated.Grant.Kind, stated.Grant.Scope
		c.Serial = hex.EncodeToString([]byte(stated.Serial))
		c.NotBefore = time.Unix(stated.NotBefore, 0).UTC()
		c.NotAfter = time.Unix(stated.NotAfter, 0).UTC()
	}

	keys := t.pass.keys[string(header.KeyID)]
	switch {
	case len(keys) == 0 && wellFormed && !slices.Contains(t.pass.issuers, c.Issuer):
		return Claim{Kind: KindPass, Reason: ReasonOtherIssuer, Proof: Stated, Issuer: c.Issuer}
	case len(keys) == 0:
		return because(ReasonUnknownSigner)
	}
	if header.Algorithm != algEdDSA {
		return because(ReasonWrongAlgorithm)
	}
	signed := message.toBeSigned()
	genuine, entitled := false, false
	for _, k := range keys {
		if ed25519.Verify(k.public, signed, []byte(message.Signature)) {
			genuine = true
			entitled = entitled || k.issuer == c.Issuer && k.visits == (c.SubjectKind == VisitPass)
		}
	}
	if !genuine {
		return because(ReasonBadSignature)
	}
	if !wellFormed {
		return because(ReasonMalformed)
	}
	if !entitled {
		return because(ReasonWrongIssuer)
	}
	c.Proof = Signed
	if at.Before(c.NotBefore) {
		return because(ReasonNotYetValid)
	}
	if !at.Before(c.NotAfter) {
		return because(ReasonExpired)
	}
	c.Valid = true
	return because(ReasonOK)
}
