package issuer

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
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
	"github.com/veraison/go-cose"
)

// DCC is an EU Digital COVID Certificate. It lacks what a real one must have and a gate does not need: the maker of the vaccine,
// the place of the test, transliterated names.
type DCC struct {
	Given, Family   string // names
	BirthDate       string // YYYY-MM-DD
	ID              string // the certificate's identifier, "URN:UVCI:…"
	Issued, Expires time.Time
	Statement       Statement
}

// Sign returns the certificate's text, "HC1:…". The country is that of cert, a signer certificate as [SignerCertificate]
// makes it, whose key must be key.
func (d DCC) Sign(key crypto.Signer, cert *x509.Certificate) (text string, err error) {
	defer func() {
		if err != nil {
			text, err = "", fmt.Errorf("issue DCC: %w", err)
		}
	}()
	// crypto/x509 cannot parse a key that is restricted to PSS, and leaves PublicKey nil.
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || cert.PublicKey != nil && !public.Equal(cert.PublicKey) {
		return "", errors.New("the key is not the certificate's")
	}
	if len(cert.Subject.Country) == 0 {
		return "", errors.New("the certificate names no country")
	}
	payload, err := d.payload(cert.Subject.Country[0])
	if err != nil {
		return "", err
	}
	algorithm, err := algorithmOf(key.Public())
	if err != nil {
		return "", err
	}
	signer, err := cose.NewSigner(algorithm, key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(cert.Raw)
	headers := cose.Headers{Protected: cose.ProtectedHeader{cose.HeaderLabelAlgorithm: algorithm, cose.HeaderLabelKeyID: sum[:8]}}
	message, err := cose.Sign1(rand.Reader, signer, headers, payload, nil)
	return PackDCC(message), err
}

func (d DCC) payload(country string) ([]byte, error) {
	statement := map[string]any{"ci": d.ID, "co": country, "is": "gated", "tg": d.Statement.Disease}
	var kind string
	switch s := d.Statement; s.Kind {
	case vaccination:
		kind = "v"
		statement["mp"], statement["dn"], statement["sd"], statement["dt"] = s.Product, s.Dose, s.Doses, s.Date
	case test:
		kind = "t"
		statement["tt"], statement["sc"], statement["tr"] = s.Product, s.Sampled.UTC().Format(time.RFC3339), results[s.Result]
	case recovery:
		kind = "r"
		statement["fr"], statement["df"], statement["du"] = s.Date, s.From, s.Until
	default:
		return nil, fmt.Errorf("statement %q: want %s, %s or %s", s.Kind, vaccination, test, recovery)
	}
	encoding, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	return encoding.Marshal(map[int]any{
		1: country,
		4: d.Expires.Unix(),
		6: d.Issued.Unix(),
		-260: map[int]any{1: map[string]any{
			"ver": "1.3.0",
			"nam": map[string]string{"gn": d.Given, "fn": d.Family},
			"dob": d.BirthDate,
			kind:  []any{statement},
		}},
	})
}

func algorithmOf(key crypto.PublicKey) (cose.Algorithm, error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return cose.AlgorithmES256, nil
		}
	case *rsa.PublicKey:
		return cose.AlgorithmPS256, nil
	case ed25519.PublicKey:
		return cose.AlgorithmEdDSA, nil
	}
	return 0, errors.New("a key of this kind signs no DCC: want P-256, Ed25519 or RSA of 2048 bits")
}

// PackDCC returns the text of a certificate for its COSE_Sign1 message, or for any other bytes.
func PackDCC(message []byte) string {
	var packed bytes.Buffer
	w, _ := zlib.NewWriterLevel(&packed, zlib.BestCompression) // fails for an unknown level only
	w.Write(message)                                           // never fails into memory
	w.Close()
	return "HC1:" + base45(packed.Bytes())
}

// base45 is RFC 9285.
func base45(b []byte) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
	var text []byte
	for ; len(b) >= 2; b = b[2:] {
		n := int(b[0])<<8 | int(b[1])
		text = append(text, alphabet[n%45], alphabet[n/45%45], alphabet[n/2025])
	}
	if len(b) == 1 {
		text = append(text, alphabet[b[0]%45], alphabet[b[0]/45])
	}
	return string(text)
}

// usages limit what a certificate may sign (hcert, A.5).
var usages = map[string]asn1.ObjectIdentifier{
	test:        {1, 3, 6, 1, 4, 1, 1847, 2021, 1, 1},
	vaccination: {1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2},
	recovery:    {1, 3, 6, 1, 4, 1, 1847, 2021, 1, 3},
}

// SignerCertificate makes a self-signed certificate of a country (ISO 3166-1) for some kinds of statement, or without kinds for
// all. Encoded as PEM, its Raw is a file for trust/dcc.
func SignerCertificate(key crypto.Signer, country string, from, until time.Time, kinds ...string) (*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{Country: []string{country}, CommonName: "gated demonstration signer"},
		NotBefore:    from,
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	for _, kind := range kinds {
		if id, is := usages[kind]; is {
			template.UnknownExtKeyUsage = append(template.UnknownExtKeyUsage, id)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make signer certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
