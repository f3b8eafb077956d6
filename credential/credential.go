// Package credential tells what a code proves and who holds it, without a network.
//
// Three kinds of code are signed by somebody whose key the box trusts: the
// resident pass (GP1, see [Pass]), the EU Digital COVID Certificate and the SMART
// Health Card. Two identify and prove nothing: the Chinese resident ID number (GB
// 11643, see [ResidentID]) and the licence plate (GA 36). Beside codes there are the
// documents that a machine reads: resident ID cards and those made like them (see
// [ReadIDCard]).
package credential

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"gated/credential/health"
)

// CodeLimit is the longest code in bytes that is looked into. A QR code holds
// at most 4,296 characters, a pass has about 230.
const CodeLimit = health.CodeLimit

// The kinds of credential.
const (
	KindPass       = "gated-pass"
	KindDCC        = health.KindDCC // EU Digital COVID Certificate, "HC1:"
	KindSHC        = health.KindSHC // SMART Health Card, "shc:/"
	KindResidentID = "cn-resident-id"
	KindPlate      = "plate"         // licence plate in plain text
	KindIDCard     = "cn-id-card"    // resident ID card, read by a machine
	KindForeigner  = "cn-prc-card"   // foreigner's permanent residence card, likewise
	KindPermit     = "cn-hmt-permit" // residence permit of residents of Hong Kong, Macau and Taiwan, likewise
	KindVisitCode  = "visit-code"    // the six digits of a visit
	KindUnknown    = "unknown"
)

// Proof says how a fact is known.
type Proof string

const (
	Signed  Proof = "signed"  // a signature verified under a trusted key of the issuer named
	Sighted Proof = "sighted" // the document itself was there: a genuine reader read it, or a guard saw it
	Stated  Proof = "stated"  // typed, or printed in plain text, or its signature did not verify
)

// The reasons why a credential is good or not; a health certificate has more of them, see package health. They are stable
// words: the policy, the ledger and the page's texts go by them.
const (
	ReasonOK              = health.ReasonOK
	ReasonUnknownCode     = "unknown-code"              // no kind of code that we know
	ReasonSeveralCodes    = "several-codes"             // line breaks inside, or different codes at one moment
	ReasonAddedCharacters = "added-characters"          // a genuine code, and the scanner adds to it what may mean something
	ReasonKeyboardLayout  = "keyboard-layout"           // typed by a scanner that takes the keyboard for one of another layout
	ReasonTooLong         = health.ReasonTooLong        // a pass of more than CodeLimit bytes
	ReasonBadBase45       = health.ReasonBadBase45      // characters, length or values that RFC 9285 excludes
	ReasonBadCBOR         = health.ReasonBadCBOR        // not one well-formed item of plain CBOR
	ReasonBadCOSE         = health.ReasonBadCOSE        // CBOR, but no COSE_Sign1 as its kind must be one
	ReasonUnknownSigner   = health.ReasonUnknownSigner  // signed with a key that is not trusted here
	ReasonOtherIssuer     = "other-issuer"              // a pass of an issuer that is not trusted here, such as another compound
	ReasonWrongAlgorithm  = health.ReasonWrongAlgorithm // names another algorithm than the trusted key's
	ReasonBadSignature    = health.ReasonBadSignature   // altered or forged
	ReasonMalformed       = health.ReasonMalformed      // claims missing, absurd or unreadable
	ReasonWrongIssuer     = health.ReasonWrongIssuer    // speaks for an issuer other than the key's
	ReasonNotYetValid     = health.ReasonNotYetValid
	ReasonExpired         = health.ReasonExpired
	ReasonBadCheckDigit   = "bad-check-digit" // of a resident ID number
	ReasonBadDate         = "bad-date"        // birth date that does not exist or is still to come
	ReasonUnknownCard     = "unknown-card"    // a card of a type whose layout is not known here
	ReasonNoVisit         = "no-visit"        // of a visit's digits or pass: none has it; the gate says so, which knows the visits
	ReasonSuspended       = "suspended"       // reported lost, until somebody decides: the gate says so, which asks the roster
	ReasonUnreadableCard  = "unreadable-card" // a card that the reader found and did not read: broken, or not genuine
)

// Claim is what a code says and how far that can be relied on. A claim that is
// not valid still carries what the code states, where that could be read: the
// guard must know who is meant.
type Claim struct {
	Kind   string `json:"-"`
	Valid  bool   `json:"-"` // genuine and in its time; for a resident ID number: well formed
	Reason string `json:"-"`
	Proof  Proof  `json:"proof"` // Signed also when a genuine pass is out of its time, Sighted when a card is

	// Of a pass; of a card only the last two.
	Issuer      string    `json:"issuer,omitempty"`
	Subject     string    `json:"subject,omitempty"`      // the roster ID of the resident, vehicle, household or staff; the ID of a visit
	Serial      string    `json:"serial,omitempty"`       // cti as 16 lower-case hexadecimal digits
	SubjectKind string    `json:"subject_kind,omitempty"` // one of resident, vehicle, household, staff, visit
	Scope       string    `json:"scope,omitempty"`        // what the pass is limited to, in the issuer's words; often empty
	NotBefore   time.Time `json:"not_before,omitzero"`    // first second at which the pass is good, UTC
	NotAfter    time.Time `json:"not_after,omitzero"`     // first second at which it no longer is, UTC; of a DCC, the last at which it is

	Name string `json:"name,omitempty"` // the holder's, of a card or health certificate; there given names first

	// Of a resident ID number or card, and of a health certificate as far as it says so.
	Document  string `json:"document,omitempty"`   // of the first two: 18 characters, X in upper case; 15 of foreigners' cards until 2023
	BirthDate string `json:"birth_date,omitempty"` // YYYY-MM-DD; a health certificate may know only YYYY-MM or YYYY
	Sex       string `json:"sex,omitempty"`        // male or female

	Health     []Health `json:"health,omitempty"`         // what a health certificate states
	Plate      string   `json:"plate,omitempty"`          // upper case, without dots and spaces
	PlateClass string   `json:"plate_class,omitempty"`    // one of the PlateClass words
	Digits     string   `json:"digits,omitempty"`         // of a visit
	Gaps       []string `json:"does_not_prove,omitempty"` // as Gap words

	Content string `json:"-"` // of a genuine health certificate: a digest of what was signed
}

// Same is by what a code or card is known again, however its text is written: a genuine pass by issuer and serial, a genuine
// certificate by what was signed, a number or plate by itself; all else by text, which is what was read.
func (c Claim) Same(text []byte) []byte {
	same := []string{"text", string(bytes.Trim(text, "\r\n"))}
	switch {
	case c.Proof == Signed && c.Kind == KindPass:
		same = []string{c.Kind, c.Issuer, c.Serial}
	case c.Content != "" || c.Document != "" || c.Plate != "":
		same = []string{c.Kind, c.Content, c.Document, c.Plate}
	case len(text) == 0:
		return nil
	}
	return []byte(strings.Join(same, "\x00"))
}

// Health is one statement of a health certificate.
type Health = health.Statement

// The kinds of [Health], and the disease that it is mostly about.
const (
	Vaccination = health.Vaccination
	Test        = health.Test
	Recovery    = health.Recovery
	COVID19     = health.COVID19
)

// The Gap words say what a genuine code leaves open. A guard, or another code, must
// answer what the policy needs of it.
const (
	GapHolder    = health.GapHolder    // that whoever shows it is whom it names
	GapResidence = health.GapResidence // that they belong to the compound
	GapIdentity  = "identity"          // that the number or plate is theirs: anybody can print it
)

// The classes of licence plate (GA 36).
const (
	PlateOrdinary  = "ordinary"
	PlateNewEnergy = "new-energy"
	PlatePolice    = "police"
	PlateEmergency = "emergency"
	PlateEmbassy   = "embassy"
	PlateConsulate = "consulate"
	PlateHongKong  = "hong-kong"
	PlateMacau     = "macau"
	PlateTrainer   = "trainer"
	PlateTrailer   = "trailer"
)

// Check tells what a code proves at a given time. Nothing that a code contains makes it fail: a forgery is a Claim with its
// reason. What scanners put around a code and what means nothing is taken off.
func (t *Trust) Check(code []byte, at time.Time) Claim {
	code = bytes.Trim(code, "\r\n")
	if bytes.ContainsAny(code, "\r\n") {
		return Claim{Kind: KindUnknown, Reason: ReasonSeveralCodes, Proof: Stated}
	}
	c := t.read(code, at)
	if c.Valid || c.Proof == Signed || len(code) > CodeLimit+2*mostAdded {
		return c
	}
	return t.within(code, c, at)
}

// read is Check of a code with nothing around it.
func (t *Trust) read(code []byte, at time.Time) Claim {
	if pass, ok := bytes.CutPrefix(code, []byte(passPrefix)); ok {
		if len(code) > CodeLimit {
			return Claim{Kind: KindPass, Reason: ReasonTooLong, Proof: Stated}
		}
		return t.checkPass(string(pass), at)
	}
	if c, ok := t.health.Check(code, at); ok {
		return ofCertificate(c)
	}
	if c, ok := checkDigits(string(code)); ok {
		return c
	}
	if len(code) <= maxIDBytes {
		if c, ok := checkResidentID(string(code), at); ok {
			return c
		}
		if c, ok := checkPlate(string(code)); ok {
			return c
		}
	}
	return Claim{Kind: KindUnknown, Reason: ReasonUnknownCode, Proof: Stated}
}

// ofCertificate is what a health certificate claims.
func ofCertificate(h health.Certificate) Claim {
	c := Claim{
		Kind: h.Kind, Valid: h.Valid, Reason: h.Reason, Proof: Stated,
		Issuer: h.Issuer, Serial: h.Serial, NotBefore: h.NotBefore, NotAfter: h.NotAfter,
		Name: h.Name, BirthDate: h.BirthDate, Health: h.Health, Gaps: h.Gaps, Content: h.Content,
	}
	if h.Signed {
		c.Proof = Signed
	}
	return c
}

// checkResidentID reports false for what does not look like a resident ID number, a payment code of 18 digits among them.
func checkResidentID(s string, at time.Time) (Claim, bool) {
	id, err := ResidentID(s)
	if err == ErrLength || err == ErrDigit {
		return Claim{}, false
	}
	c := Claim{
		Kind: KindResidentID, Proof: Stated,
		Document: id.Document, BirthDate: id.BirthDate, Sex: id.Sex,
		Gaps: []string{GapIdentity},
	}
	switch {
	case err != nil:
		c.Reason = err.Error()
	case id.BirthDate > at.In(beijing).Format(time.DateOnly):
		c.Reason = ReasonBadDate
	default:
		c.Valid, c.Reason = true, ReasonOK
	}
	return c, !isPayment(id.Document, c.Valid)
}

// isPayment tells whether 18 characters, which may be a good ID number, are a payment code that somebody holds up by mistake: those of
// WeChat have 18 digits and begin with 10 to 15 (微信支付, 付款码支付), those of Alipay 16 to 24 and with 25 to 30 (支付宝, 当面付). Of these
// beginnings 11 to 15 are regions of ID numbers, too (GB/T 2260): there birth date and check digit tell, in all but one of 20,000.
func isPayment(number string, good bool) bool {
	region := "11" <= number[:2] && number[:2] <= "15"
	return number[17] != 'X' && (number[:2] == "10" || "25" <= number[:2] && number[:2] <= "30" || region && !good)
}

// MarshalJSON writes the claim as `gated code check` prints it:
//
//	{"kind":…,"valid":…,"reason":…,"claims":{"proof":…,…}}
//
// Claims that the code does not make are left out. Times are RFC 3339 in UTC.
func (c Claim) MarshalJSON() ([]byte, error) {
	type claims Claim // without this method
	return json.Marshal(struct {
		Kind   string `json:"kind"`
		Valid  bool   `json:"valid"`
		Reason string `json:"reason"`
		Claims claims `json:"claims"`
	}{c.Kind, c.Valid, c.Reason, claims(c)})
}

// LogValue keeps the person out of the log, whoever logs a claim.
func (c Claim) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("kind", c.Kind), slog.Bool("valid", c.Valid),
		slog.String("reason", c.Reason), slog.String("proof", string(c.Proof)))
}
