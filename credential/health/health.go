// Package health tells what a health certificate states.
//
// Two kinds are read: the EU Digital COVID Certificate, "HC1:", and the SMART Health Card, "shc:/". Whether a certificate is
// genuine is known by its signature, without a network; what it is worth is for the policy.
package health

import (
	"bytes"
	"cmp"
	"time"

	"gated/credential/keyfile"
)

// CodeLimit is the longest code in bytes that is looked into. A QR code holds
// at most 4,296 characters.
const CodeLimit = 4096

// The kinds of certificate.
const (
	KindDCC = "eu-dcc"            // EU Digital COVID Certificate, "HC1:"
	KindSHC = "smart-health-card" // "shc:/"
)

// The reasons why a certificate is good or not. They are stable words, the same as of other credentials.
const (
	ReasonOK             = "ok"
	ReasonTooLong        = "too-long"        // more than CodeLimit bytes
	ReasonBadPrefix      = "bad-prefix"      // a version or form that is not read
	ReasonBadBase45      = "bad-base45"      // characters, length or values that RFC 9285 excludes
	ReasonBadNumeric     = "bad-numeric"     // shc:/ digits that are no pairs of 00 to 77
	ReasonBadZlib        = "bad-zlib"        // compressed data damaged, cut off or too large
	ReasonBadCBOR        = "bad-cbor"        // not one well-formed item of plain CBOR
	ReasonBadCOSE        = "bad-cose"        // CBOR, but no COSE_Sign1 as its kind must be one
	ReasonBadJWS         = "bad-jws"         // no compact JWS as a SMART Health Card must be one
	ReasonUnknownSigner  = "unknown-signer"  // signed with a key that is not trusted here
	ReasonWrongAlgorithm = "wrong-algorithm" // names another algorithm than the trusted key's
	ReasonBadSignature   = "bad-signature"   // altered or forged
	ReasonMalformed      = "malformed"       // claims missing, absurd or unreadable
	ReasonWrongIssuer    = "wrong-issuer"    // speaks for an issuer other than the key's
	ReasonNotYetValid    = "not-yet-valid"
	ReasonExpired        = "expired"
	ReasonRevoked        = "revoked"     // by a list of its issuer in the trust directory
	ReasonWrongUsage     = "wrong-usage" // the signer's certificate is not for this kind of statement
)

// The Gap words say what a genuine certificate leaves open.
const (
	GapHolder    = "holder"    // that whoever shows it is whom it names
	GapResidence = "residence" // that they belong to the compound
	GapHealth    = "health"    // that they are well now
)

// Certificate is what a code says and how far that can be relied on. One that is not valid still carries what it states,
// where that could be read: the guard must know who is meant.
type Certificate struct {
	Kind   string
	Valid  bool // genuine and in its time
	Reason string
	Signed bool // genuine, also when out of its time or revoked

	Content string // of one that is genuine: a digest of what was signed, however its code was written

	Issuer    string
	Serial    string
	NotBefore time.Time
	NotAfter  time.Time // of a DCC the last second at which it is good, of a card the first at which it no longer is
	Name      string    // the holder's, given names first
	BirthDate string    // YYYY-MM-DD, YYYY-MM or YYYY
	Health    []Statement
	Gaps      []string // what it does not prove, as Gap words
}

// Statement is one statement of a certificate, in its issuer's terms. Valid
// means that the issuer did state it: whether it is recent or good enough to pass is
// for the policy.
type Statement struct {
	Kind    string    `json:"kind"`              // vaccination, test or recovery
	Disease string    `json:"disease,omitempty"` // code of the disease or agent, such as [COVID19], in the certificate's terms
	Product string    `json:"product,omitempty"` // vaccine or test, as the certificate codes it
	Dose    int       `json:"dose,omitempty"`    // of a vaccination: which it was; 0 where that is not said
	Doses   int       `json:"doses,omitempty"`   // how many make the series; 0 where that is not said
	Date    string    `json:"date,omitempty"`    // YYYY-MM-DD or less exact: of the vaccination, or of a recovery's first positive test
	Result  string    `json:"result,omitempty"`  // of a test: negative, positive or unknown
	Sampled time.Time `json:"sampled,omitzero"`  // of a test: when the sample was taken, UTC
	From    string    `json:"from,omitempty"`    // of a recovery: valid from, YYYY-MM-DD
	Until   string    `json:"until,omitempty"`   // of a recovery: valid until, YYYY-MM-DD
}

// The kinds of [Statement].
const (
	Vaccination = "vaccination"
	Test        = "test"
	Recovery    = "recovery"
)

// COVID19 is the Disease of statements about COVID-19: SNOMED CT's code, which EU certificates carry. For SMART Health
// Cards, which name no disease, it stands where vaccine or test are known to be of it.
const COVID19 = "840539006"

// Trust is the set of issuers whose certificates count. It never changes once loaded, so any number of lanes may use it at
// once. The zero Trust trusts nobody.
type Trust struct {
	dcc dccTrust
	shc shcTrust
}

// LoadTrust reads dcc/ and shc/ of the trust directory, each of which may be absent and then trusts nobody. A file that
// is not as it should be is an error that names it.
func LoadTrust(dir string) (*Trust, error) {
	t, err := ParseTrust(keyfile.ReadFiles(dir, Files()...))
	return t, keyfile.In(dir, err)
}

var (
	dccFiles = keyfile.Kind{Dir: "dcc", Extensions: []string{".pem", ".cer"}, Limit: keyfile.Limit}
	shcFiles = keyfile.Kind{Dir: "shc", Extensions: []string{".json"}, Limit: shcFileLimit}
	crlFiles = keyfile.Kind{Dir: "shc/crl", Extensions: []string{".json"}, Limit: shcFileLimit}
)

// Files are the files of a trust directory that are about health certificates.
func Files() []keyfile.Kind { return []keyfile.Kind{dccFiles, shcFiles, crlFiles} }

// ParseTrust takes such files for the trust that they are; the first that is not as it should be is a [*keyfile.Faulty].
func ParseTrust(files keyfile.Files) (*Trust, error) {
	t := &Trust{}
	if err := cmp.Or(t.dcc.load(files), t.shc.load(files)); err != nil {
		return nil, err
	}
	return t, nil
}

// Check tells what a certificate states at a given time, and false of a code that is none. Nothing that a code contains
// makes it fail: a forgery is a Certificate with its reason.
func (t *Trust) Check(code []byte, at time.Time) (Certificate, bool) {
	switch {
	case isDCC(code):
		return t.checkDCC(string(code), at), true
	case bytes.HasPrefix(code, []byte(shcPrefix)):
		return t.checkSHC(string(code[:min(len(code), CodeLimit+1)]), at), true // a longer one is too long, whatever it says
	}
	return Certificate{}, false
}

// must is for what cannot fail by anything read from outside: our own options.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
