package issuer

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// SHC is a SMART Health Card.
type SHC struct {
	Issuer     string    // https URL without a slash at its end
	NotBefore  time.Time // cut to the second
	NotAfter   time.Time // cut to the second; zero: none
	Given      []string
	Family     string
	BirthDate  string      // YYYY-MM-DD
	Health     []Statement // vaccinations (Product, Date, Dose, Doses) and tests (Product, Result, Sampled)
	Revocation string      // the rid; may be empty
}

// jwsLimit is the longest JWS that one QR code should hold ("Chunking Larger SHCs").
const jwsLimit = 1195

// revocation is what the specification allows as a rid.
var revocation = regexp.MustCompile(`^[A-Za-z0-9_-]{0,24}$`)

// Sign returns the card's text, "shc:/…".
func (c SHC) Sign(key *ecdsa.PrivateKey) (text string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("issue health card: %w", err)
		}
	}()
	if key == nil || key.Curve != elliptic.P256() {
		return "", errors.New("the key is no P-256 private key")
	}
	if err := checkIssuer(c.Issuer); err != nil {
		return "", err
	}
	if c.NotBefore.IsZero() {
		return "", errors.New("it has no time from which it is valid")
	}
	if !revocation.MatchString(c.Revocation) {
		return "", fmt.Errorf("revocation identifier %q: want at most 24 letters and digits", c.Revocation)
	}
	payload, err := c.payload()
	if err != nil {
		return "", err
	}
	var zipped bytes.Buffer
	w, err := flate.NewWriter(&zipped, flate.BestCompression)
	if err != nil {
		return "", err
	}
	w.Write(payload) // never fails into memory
	if err := w.Close(); err != nil {
		return "", err
	}

	id, err := KeyID(&key.PublicKey)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}},
		(&jose.SignerOptions{}).WithHeader("zip", "DEF"))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(zipped.Bytes())
	if err != nil {
		return "", err
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return "", err
	}
	if len(token) > jwsLimit {
		return "", fmt.Errorf("its JWS has %d characters, one QR code takes %d", len(token), jwsLimit)
	}
	return "shc:/" + Numeric(token), nil
}

// Numeric writes each character of a JWS as two digits: its code minus 45.
func Numeric(token string) string {
	digits := make([]byte, 0, 2*len(token))
	for i := range len(token) {
		n := token[i] - '-'
		digits = append(digits, '0'+n/10, '0'+n%10)
	}
	return string(digits)
}

// payload encodes the claims as JSON without white space.
func (c SHC) payload() ([]byte, error) {
	type object = map[string]any
	concept := func(system, code string) object {
		return object{"coding": []object{{"system": system, "code": code}}}
	}
	holder := object{"reference": "resource:0"}
	resources := []object{{
		"resourceType": "Patient", "name": []object{{"family": c.Family, "given": c.Given}}, "birthDate": c.BirthDate,
	}}
	for _, h := range c.Health {
		switch h.Kind {
		case vaccination:
			r := object{
				"resourceType": "Immunization", "status": "completed", "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", h.Product),
				"patient": holder, "occurrenceDateTime": h.Date,
			}
			if h.Dose > 0 {
				dose := object{"doseNumberPositiveInt": h.Dose}
				if h.Doses > 0 {
					dose["seriesDosesPositiveInt"] = h.Doses
				}
				r["protocolApplied"] = []object{dose}
			}
			resources = append(resources, r)
		case test:
			result, ok := results[h.Result]
			if !ok {
				return nil, fmt.Errorf("result %q: want negative, positive or unknown", h.Result)
			}
			resources = append(resources, object{
				"resourceType": "Observation", "status": "final", "code": concept("http://loinc.org", h.Product), "subject": holder,
				"effectiveDateTime":    h.Sampled.UTC().Format(time.RFC3339),
				"valueCodeableConcept": concept("http://snomed.info/sct", result),
			})
		default:
			return nil, fmt.Errorf("statement %q: want %s or %s", h.Kind, vaccination, test)
		}
	}
	var entries []object
	for i, r := range resources {
		entries = append(entries, object{"fullUrl": fmt.Sprintf("resource:%d", i), "resource": r})
	}
	vc := object{"type": []string{"https://smarthealth.cards#health-card"}, "credentialSubject": object{
		"fhirVersion": "4.0.1", "fhirBundle": object{"resourceType": "Bundle", "type": "collection", "entry": entries},
	}}
	if c.Revocation != "" {
		vc["rid"] = c.Revocation
	}
	claims := object{"iss": c.Issuer, "nbf": c.NotBefore.Unix(), "vc": vc}
	if !c.NotAfter.IsZero() {
		claims["exp"] = c.NotAfter.Unix()
	}
	return json.Marshal(claims)
}

// KeyID returns the kid, "the base64url-encoded SHA-256 JWK Thumbprint of the key" (RFC 7638).
func KeyID(key *ecdsa.PublicKey) (string, error) {
	thumbprint, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(thumbprint), err
}

// SHCKeys returns the content of a file for trust/shc: the keys of an issuer as a JWK set.
func SHCKeys(issuer string, keys ...*ecdsa.PublicKey) ([]byte, error) {
	file := struct {
		Issuer string            `json:"issuer"`
		Keys   []jose.JSONWebKey `json:"keys"`
	}{Issuer: issuer, Keys: []jose.JSONWebKey{}}
	if err := checkIssuer(issuer); err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key == nil || key.Curve != elliptic.P256() {
			return nil, errors.New("want P-256 public keys")
		}
		id, err := KeyID(key)
		if err != nil {
			return nil, err
		}
		file.Keys = append(file.Keys, jose.JSONWebKey{Key: key, KeyID: id, Use: "sig", Algorithm: string(jose.ES256)})
	}
	data, err := json.MarshalIndent(file, "", "  ")
	return append(data, '\n'), err
}

func checkIssuer(issuer string) error {
	if u, err := url.Parse(issuer); err != nil || u.Scheme != "https" || u.Host == "" || strings.HasSuffix(issuer, "/") {
		return fmt.Errorf("issuer %q: want an https URL without a slash at its end", issuer)
	}
	return nil
}
