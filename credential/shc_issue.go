package credential

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
	"time"

	"github.com/go-jose/go-jose/v4"
)

// SHC is what [IssueSHC] puts into a SMART Health Card.
type SHC struct {
	Issuer     string    // https URL without a slash at its end
	NotBefore  time.Time // cut to the second
	NotAfter   time.Time // cut to the second; zero: none
	Given      []string
	Family     string
	BirthDate  string   // YYYY-MM-DD
	Health     []Health // vaccinations (Product, Date, Dose, Doses) and tests (Product, Result, Sampled)
	Revocation string   // the rid; may be empty
}

// shcJWSLimit is the longest JWS that one QR code should hold ("Chunking Larger SHCs").
const shcJWSLimit = 1195

// IssueSHC makes a card and returns its text, "shc:/…". It is for demonstrations and
// tests: real cards are issued by those who vaccinate and test, and the gate does neither.
func IssueSHC(key *ecdsa.PrivateKey, c SHC) (text string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("issue health card: %w", err)
		}
	}()
	if key == nil || key.Curve != elliptic.P256() {
		return "", errors.New("the key is no P-256 private key")
	}
	if err := validateSHCIssuer(c.Issuer); err != nil {
		return "", err
	}
	payload, err := c.payload()
	if err != nil {
		return "", err
	}
	if _, ok := readCard(payload); !ok {
		return "", errors.New("it would not be read: look at its times, revocation identifier and length")
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

	id, err := shcKeyID(&key.PublicKey)
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
	if len(token) > shcJWSLimit {
		return "", fmt.Errorf("its JWS has %d characters, one QR code takes %d", len(token), shcJWSLimit)
	}
	return shcPrefix + toNumeric(token), nil
}

// toNumeric writes the code of each character less 45 in two digits.
func toNumeric(token string) string {
	digits := make([]byte, 0, 2*len(token))
	for i := range len(token) {
		n := token[i] - '-'
		digits = append(digits, '0'+n/10, '0'+n%10)
	}
	return string(digits)
}

// payload writes the claims without white space and with the members in the order of
// the specification's examples.
func (c SHC) payload() ([]byte, error) {
	type object = map[string]any
	type resource struct {
		Type              string   `json:"resourceType"`
		Status            string   `json:"status,omitempty"`
		Name              []object `json:"name,omitempty"`
		BirthDate         string   `json:"birthDate,omitempty"`
		Code              object   `json:"code,omitempty"`
		VaccineCode       object   `json:"vaccineCode,omitempty"`
		Patient           object   `json:"patient,omitempty"`
		Subject           object   `json:"subject,omitempty"`
		EffectiveDateTime string   `json:"effectiveDateTime,omitempty"`
		Value             object   `json:"valueCodeableConcept,omitempty"`
		OccurrenceDate    string   `json:"occurrenceDateTime,omitempty"`
		Protocol          []object `json:"protocolApplied,omitempty"`
	}
	type entry struct {
		URL      string   `json:"fullUrl"`
		Resource resource `json:"resource"`
	}
	concept := func(system, code string) object {
		return object{"coding": []object{{"system": system, "code": code}}}
	}
	holder := object{"reference": "resource:0"}

	resources := []resource{{
		Type: "Patient", Name: []object{{"family": c.Family, "given": c.Given}}, BirthDate: c.BirthDate,
	}}
	for _, h := range c.Health {
		switch h.Kind {
		case Vaccination:
			r := resource{
				Type: "Immunization", Status: "completed", VaccineCode: concept(cvxSystem, h.Product),
				Patient: holder, OccurrenceDate: h.Date,
			}
			if h.Dose > 0 {
				dose := object{"doseNumberPositiveInt": h.Dose}
				if h.Doses > 0 {
					dose["seriesDosesPositiveInt"] = h.Doses
				}
				r.Protocol = []object{dose}
			}
			resources = append(resources, r)
		case Test:
			result, ok := map[string]string{"negative": "260415000", "positive": "260373001", "unknown": "419984006"}[h.Result]
			if !ok {
				return nil, fmt.Errorf("result %q: want negative, positive or unknown", h.Result)
			}
			resources = append(resources, resource{
				Type: "Observation", Status: "final", Code: concept(loincSystem, h.Product), Subject: holder,
				EffectiveDateTime: h.Sampled.UTC().Format(time.RFC3339), Value: concept(snomedSystem, result),
			})
		default:
			return nil, fmt.Errorf("statement %q: want %s or %s", h.Kind, Vaccination, Test)
		}
	}
	var entries []entry
	for i, r := range resources {
		entries = append(entries, entry{fmt.Sprintf("resource:%d", i), r})
	}

	type bundle struct {
		Type  string  `json:"resourceType"`
		Kind  string  `json:"type"`
		Entry []entry `json:"entry"`
	}
	type subject struct {
		Version string `json:"fhirVersion"`
		Bundle  bundle `json:"fhirBundle"`
	}
	type vc struct {
		Type    []string `json:"type"`
		Subject subject  `json:"credentialSubject"`
		RID     string   `json:"rid,omitempty"`
	}
	claims := struct {
		Issuer    string `json:"iss"`
		NotBefore int64  `json:"nbf"`
		NotAfter  int64  `json:"exp,omitempty"`
		VC        vc     `json:"vc"`
	}{
		Issuer: c.Issuer, NotBefore: c.NotBefore.Unix(),
		VC: vc{[]string{shcType}, subject{"4.0.1", bundle{"Bundle", "collection", entries}}, c.Revocation},
	}
	if !c.NotAfter.IsZero() {
		claims.NotAfter = c.NotAfter.Unix()
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(claims); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// shcKeyID returns the kid, "the base64url-encoded SHA-256 JWK Thumbprint of the key" (RFC 7638).
func shcKeyID(key *ecdsa.PublicKey) (string, error) {
	thumbprint, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(thumbprint), err
}

// MarshalSHCKeys returns what a file in the trust directory's shc/ holds: the issuer's
// keys as a JWK set. It is for demonstrations and tests, as [IssueSHC] is.
func MarshalSHCKeys(issuer string, keys ...*ecdsa.PublicKey) ([]byte, error) {
	file := struct {
		Issuer string            `json:"issuer"`
		Keys   []jose.JSONWebKey `json:"keys"`
	}{Issuer: issuer, Keys: []jose.JSONWebKey{}}
	if err := validateSHCIssuer(issuer); err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key == nil || key.Curve != elliptic.P256() {
			return nil, errors.New("want P-256 public keys")
		}
		id, err := shcKeyID(key)
		if err != nil {
			return nil, err
		}
		file.Keys = append(file.Keys, jose.JSONWebKey{Key: key, KeyID: id, Use: "sig", Algorithm: string(jose.ES256)})
	}
	data, err := json.MarshalIndent(file, "", "  ")
	return append(data, '\n'), err
}
