// Package credential tells what a code proves and who holds it, without a network.
//
// It knows two kinds of code. The resident pass (GP1, see [Pass]) is signed by
// an issuer whose public key the box trusts. The Chinese resident ID number
// (GB 11643, see [ResidentID]) names a person and proves nothing.
package credential

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"time"
)

// CodeLimit is the longest code in bytes that is looked into. A QR code holds
// at most 4,296 characters, a pass has about 230.
const CodeLimit = 4096

// The kinds of credential.
const (
	KindPass       = "gated-pass"
	KindResidentID = "cn-resident-id"
	KindUnknown    = "unknown"
)

// Proof says how a fact is known.
type Proof string

const (
	Signed  Proof = "signed"  // a signature verified under a trusted key of the issuer named
	Sighted Proof = "sighted" // a guard saw the document; never set by this package
	Stated  Proof = "stated"  // typed, or printed in plain text, or its signature did not verify
)

// The reasons why a credential is good or not. They are stable words: the
// policy, the ledger and the page's texts go by them.
const (
	ReasonOK             = "ok"
	ReasonUnknownCode    = "unknown-code"    // no kind of code that we know
	ReasonTooLong        = "too-long"        // a pass of more than CodeLimit bytes
	ReasonBadBase45      = "bad-base45"      // characters, length or values that RFC 9285 excludes
	ReasonBadCBOR        = "bad-cbor"        // not one well-formed item of plain CBOR
	ReasonBadCOSE        = "bad-cose"        // CBOR, but no COSE_Sign1 as a pass is one
	ReasonUnknownSigner  = "unknown-signer"  // signed with a key that is not trusted here
	ReasonWrongAlgorithm = "wrong-algorithm" // names another algorithm than the trusted key's
	ReasonBadSignature   = "bad-signature"   // altered or forged
	ReasonMalformed      = "malformed"       // claims missing, absurd or unreadable
	ReasonWrongIssuer    = "wrong-issuer"    // speaks for an issuer other than the key's
	ReasonNotYetValid    = "not-yet-valid"
	ReasonExpired        = "expired"
	ReasonBadCheckDigit  = "bad-check-digit" // of a resident ID number
	ReasonBadDate        = "bad-date"        // birth date that does not exist or is still to come
)

// Claim is what a code says and how far that can be relied on. A claim that is
// not valid still carries what the code states, where that could be read: the
// guard must know who is meant.
type Claim struct {
	Kind   string
	Valid  bool // genuine and in its time; for a resident ID number: well formed
	Reason string
	Proof  Proof // Signed also when a genuine pass is out of its time

	// Of a pass.
	Issuer, Subject string    // iss, sub: the roster ID of the resident, vehicle, household or staff
	Serial          string    // cti as 16 lower-case hexadecimal digits
	SubjectKind     string    // one of resident, vehicle, household, staff
	Scope           string    // what the pass is limited to, in the issuer's words; often empty
	NotBefore       time.Time // first second at which the pass is good, UTC
	NotAfter        time.Time // first second at which it no longer is, UTC

	// Of a resident ID number.
	Document  string // 18 characters, X in upper case
	BirthDate string // YYYY-MM-DD
	Sex       string // male or female
}

// Check tells what a code proves at a given time. Nothing that a code contains
// makes it fail: a forgery is a Claim with its reason. Carriage returns and line
// feeds around the code are the scanner's and ignored; spaces are not, because
// base45 has them.
func (t *Trust) Check(code []byte, at time.Time) Claim {
	code = bytes.Trim(code, "\r\n")
	if pass, ok := bytes.CutPrefix(code, []byte(passPrefix)); ok {
		if len(code) > CodeLimit {
			return Claim{Kind: KindPass, Reason: ReasonTooLong, Proof: Stated}
		}
		return t.checkPass(string(pass), at)
	}
	if len(code) <= maxIDBytes {
		if c, ok := checkResidentID(string(code), at); ok {
			return c
		}
	}
	return Claim{Kind: KindUnknown, Reason: ReasonUnknownCode, Proof: Stated}
}

// checkResidentID reports false for what does not look like a resident ID number.
func checkResidentID(s string, at time.Time) (Claim, bool) {
	id, err := ResidentID(s)
	if err == ErrLength || err == ErrDigit {
		return Claim{}, false
	}
	c := Claim{
		Kind: KindResidentID, Proof: Stated,
		Document: id.Document, BirthDate: id.BirthDate, Sex: id.Sex,
	}
	switch {
	case err != nil:
		c.Reason = err.Error()
	case id.BirthDate > at.In(beijing).Format(time.DateOnly):
		c.Reason = ReasonBadDate
	default:
		c.Valid, c.Reason = true, ReasonOK
	}
	return c, true
}

// MarshalJSON writes the claim as `gated code check` prints it:
//
//	{"kind":…,"valid":…,"reason":…,"claims":{"proof":…,…}}
//
// Claims that the code does not make are left out. Times are RFC 3339 in UTC.
func (c Claim) MarshalJSON() ([]byte, error) {
	type claims struct {
		Proof       Proof     `json:"proof"`
		Issuer      string    `json:"issuer,omitempty"`
		Subject     string    `json:"subject,omitempty"`
		Serial      string    `json:"serial,omitempty"`
		SubjectKind string    `json:"subject_kind,omitempty"`
		Scope       string    `json:"scope,omitempty"`
		NotBefore   time.Time `json:"not_before,omitzero"`
		NotAfter    time.Time `json:"not_after,omitzero"`
		Document    string    `json:"document,omitempty"`
		BirthDate   string    `json:"birth_date,omitempty"`
		Sex         string    `json:"sex,omitempty"`
	}
	return json.Marshal(struct {
		Kind   string `json:"kind"`
		Valid  bool   `json:"valid"`
		Reason string `json:"reason"`
		Claims claims `json:"claims"`
	}{c.Kind, c.Valid, c.Reason, claims{
		c.Proof, c.Issuer, c.Subject, c.Serial, c.SubjectKind, c.Scope,
		c.NotBefore, c.NotAfter, c.Document, c.BirthDate, c.Sex,
	}})
}

// LogValue keeps the person out of the log, whoever logs a claim.
func (c Claim) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("kind", c.Kind), slog.Bool("valid", c.Valid),
		slog.String("reason", c.Reason), slog.String("proof", string(c.Proof)))
}
