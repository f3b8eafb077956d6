package credential

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// DCC is what [IssueDCC] puts into a health certificate.
type DCC struct {
	Given, Family   string // names
	BirthDate       string // YYYY-MM-DD
	ID              string // the certificate's identifier, "URN:UVCI:…"
	Issued, Expires time.Time
	Statement       Health
}

// IssueDCC makes an EU Digital COVID Certificate and returns its text, "HC1:…". It is
// for demonstrations and tests: a gate issues none, and what it leaves out because
// [Trust.Check] does not ask for it (the vaccine's maker, the place of the test, names in
// passport letters) a real one must have. The country is that of cert, a signer
// certificate as [SignerCertificate] makes it, whose key must be key.
func IssueDCC(key crypto.Signer, cert *x509.Certificate, d DCC) (string, error) {
	s := newSigner(cert)
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(s.key) {
		return "", errors.New("issue DCC: the key is not the certificate's")
	}
	statement := map[string]any{"ci": d.ID, "co": s.country, "is": "gated", "tg": d.Statement.Disease}
	var kind string
	switch h := d.Statement; h.Kind {
	case Vaccination:
		kind = "v"
		statement["mp"], statement["dn"], statement["sd"], statement["dt"] = h.Product, h.Dose, h.Doses, h.Date
	case Test:
		kind = "t"
		statement["tt"], statement["sc"] = h.Product, h.Sampled.UTC().Format(time.RFC3339)
		statement["tr"] = map[string]string{"negative": "260415000", "positive": "260373001"}[h.Result]
	case Recovery:
		kind = "r"
		statement["fr"], statement["df"], statement["du"] = h.Date, h.From, h.Until
	default:
		return "", fmt.Errorf("issue DCC: statement %q: want vaccination, test or recovery", h.Kind)
	}
	payload, err := deterministic.Marshal(map[int]any{
		1: s.country,
		4: d.Expires.Unix(),
		6: d.Issued.Unix(),
		-260: map[int]any{1: map[string]any{
			"ver": "1.3.0",
			"nam": map[string]string{"gn": d.Given, "fn": d.Family},
			"dob": d.BirthDate,
			kind:  []any{statement},
		}},
	})
	if err != nil {
		return "", fmt.Errorf("issue DCC: %w", err)
	}
	sum := sha256.Sum256(cert.Raw)
	m := sign1{
		Protected:   cbor.ByteString(must(deterministic.Marshal(header{Algorithm: s.algorithm, KeyID: cbor.ByteString(sum[:8])}))),
		Unprotected: map[any]any{},
		Payload:     cbor.ByteString(payload),
	}
	signature, err := s.sign(key, m.toBeSigned())
	if err != nil {
		return "", fmt.Errorf("issue DCC: %w", err)
	}
	m.Signature = cbor.ByteString(signature)
	return packDCC(append([]byte{tagSign1}, must(deterministic.Marshal(m))...)), nil
}

// packDCC makes the text of a certificate of its COSE_Sign1.
func packDCC(message []byte) string {
	var packed bytes.Buffer
	w := must(zlib.NewWriterLevel(&packed, zlib.BestCompression))
	w.Write(message) // into memory: never fails
	w.Close()
	return dccPrefix + EncodeBase45(packed.Bytes())
}

// sign is the other side of verify.
func (s *signer) sign(key crypto.Signer, signed []byte) ([]byte, error) {
	digest := sha256.Sum256(signed)
	switch s.algorithm {
	case algES256:
		der, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return nil, err
		}
		var pair struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &pair); err != nil {
			return nil, err
		}
		signature := make([]byte, 64)
		pair.R.FillBytes(signature[:32])
		pair.S.FillBytes(signature[32:])
		return signature, nil
	case algPS256:
		return key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case algEdDSA:
		return key.Sign(nil, signed, crypto.Hash(0))
	}
	return nil, errors.New("a key of this kind signs no DCC: want P-256, Ed25519 or RSA of 2048 bits")
}

// SignerCertificate makes a certificate for key that signs itself, of a country in
// ISO 3166-1, for the kinds of [Health] given or, if there are none, for all. Like
// IssueDCC it is for demonstrations and tests. In PEM its Raw is a file of trust/dcc.
func SignerCertificate(key crypto.Signer, country string, from, until time.Time, kinds ...string) (*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{Country: []string{country}, CommonName: "gated demonstration signer"},
		NotBefore:    from,
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	for _, kind := range kinds {
		for _, u := range dccUsages[:3] {
			if u.kind == kind {
				template.UnknownExtKeyUsage = append(template.UnknownExtKeyUsage, u.id)
			}
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make signer certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
