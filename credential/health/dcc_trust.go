package health

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"gated/credential/keyfile"
)

// COSE's numbers of the algorithms (RFC 9053, sections 2.1 and 2.2, and RFC 8230,
// section 2).
const (
	algES256 = -7
	algEdDSA = -8
	algPS256 = -37
)

const certificateBlock = "CERTIFICATE" // RFC 7468, section 5

// minRSA is the shortest RSA key that counts, in bits (hcert 3.3.2).
const minRSA = 2048

// dccTrust is the set of signer certificates ("DSC") whose health certificates count.
type dccTrust struct {
	// byKeyID has the certificates by the first 8 bytes of the SHA-256 of their DER.
	// "A verifier must check all DSCs with that KID" (hcert 3.3.3).
	byKeyID map[string][]*signer

	// byCountry is for codes that name no key.
	byCountry map[string][]*signer
}

// signer is one certificate, as far as it matters.
type signer struct {
	country   string // ISO 3166-1, of its subject; empty if that names none
	until     time.Time
	usage     []string // kinds of Statement that it is for; all if empty
	algorithm int      // 0: none that a DCC may be signed with
	key       crypto.PublicKey
}

// load takes in the certificates in dcc/*.pem and dcc/*.cer, DER or PEM, in PEM also
// several in a file.
func (t *dccTrust) load(files keyfile.Files) error {
	t.byKeyID, t.byCountry = map[string][]*signer{}, map[string][]*signer{}
	seen := map[[sha256.Size]byte]bool{}
	return files.Each(dccFiles, func(_ string, data []byte) error {
		certificates, err := parseCertificates(data)
		for _, c := range certificates {
			sum := sha256.Sum256(c.Raw)
			if seen[sum] {
				continue
			}
			seen[sum] = true
			s := newSigner(c)
			t.byKeyID[string(sum[:8])] = append(t.byKeyID[string(sum[:8])], s)
			if s.country != "" {
				t.byCountry[s.country] = append(t.byCountry[s.country], s)
			}
		}
		return err
	})
}

// parseCertificates reads a file of X.509 certificates.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var ders [][]byte
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		for {
			block, rest := pem.Decode(data)
			if block == nil {
				break
			}
			if block.Type != certificateBlock {
				return nil, fmt.Errorf("the block %q is no certificate", block.Type)
			}
			ders, data = append(ders, block.Bytes), rest
		}
		if bytes.Contains(data, []byte("-----BEGIN ")) || len(ders) == 0 {
			return nil, errors.New("a PEM block is damaged")
		}
	} else {
		ders = [][]byte{data}
	}
	var certificates []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("no X.509 certificate in DER or PEM: %w", err)
		}
		certificates = append(certificates, c)
	}
	return certificates, nil
}

// newSigner keeps a certificate with a key of another kind too, without an
// algorithm: national lists have such, the gate must open all the same, and what
// they signed is refused as wrong-algorithm, which says more than unknown-signer.
func newSigner(c *x509.Certificate) *signer {
	s := &signer{until: c.NotAfter, usage: certificateUsage(c), key: c.PublicKey}
	if len(c.Subject.Country) > 0 {
		s.country = countryCode(strings.TrimSpace(c.Subject.Country[0]))
	}
	if s.key == nil {
		s.key = pssKey(c.RawSubjectPublicKeyInfo)
	}
	switch key := s.key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			s.algorithm = algES256
		}
	case *rsa.PublicKey:
		if key.N.BitLen() >= minRSA {
			s.algorithm = algPS256
		}
	case ed25519.PublicKey:
		s.algorithm = algEdDSA
	}
	return s
}

// pssKey reads an RSA key that is marked as one for PSS only (id-RSASSA-PSS, RFC
// 4055, section 1.2), which crypto/x509 leaves aside, or returns nil.
func pssKey(spki []byte) crypto.PublicKey {
	var info struct {
		Algorithm struct {
			ID         asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Key asn1.BitString
	}
	if rest, err := asn1.Unmarshal(spki, &info); err != nil || len(rest) > 0 ||
		!info.Algorithm.ID.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}) {
		return nil
	}
	key, err := x509.ParsePKCS1PublicKey(info.Key.RightAlign())
	if err != nil {
		return nil
	}
	return key
}

// The extended key usages that limit what a certificate may sign. The second form
// stands in the specification, hcert A.5, the first is what was meant and registered.
var dccUsages = []struct {
	id   asn1.ObjectIdentifier
	kind string
}{
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 1}, Test},
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2}, Vaccination},
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 3}, Recovery},
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, 1}, Test},
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, 2}, Vaccination},
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, 3}, Recovery},
}

// certificateUsage returns the kinds of statement that c is for. "If none of these
// OIDs are present", it is for all three.
func certificateUsage(c *x509.Certificate) (kinds []string) {
	for _, id := range c.UnknownExtKeyUsage {
		for _, u := range dccUsages {
			if u.id.Equal(id) {
				kinds = append(kinds, u.kind)
			}
		}
	}
	return kinds
}

// candidates returns the certificates that may have signed a code, at most
// signerLimit. A code that names a key is that key's or nobody's. The key's name is
// not what makes a code genuine ("not a security-critical field", hcert 3.3.3), so
// one without is tried with its country's certificates, as the issuer "can be
// used by a verifier to identify which set of DSCs to use" (hcert 3.3.4).
func (t *dccTrust) candidates(keyID scalar, issuer string) []*signer {
	var s []*signer
	switch {
	case keyID.kind == isAbsent || keyID.kind == isBytes && keyID.text == "":
		s = t.byCountry[issuer]
	case keyID.kind == isBytes:
		s = t.byKeyID[keyID.text]
	}
	return s[:min(len(s), signerLimit)]
}

// verify says whether sig is this certificate's over signed, whose SHA-256 is digest.
func (s *signer) verify(signed, digest, sig []byte) bool {
	switch key := s.key.(type) {
	case *ecdsa.PublicKey:
		// The two integers one after the other, each of 32 bytes (RFC 9053, section 2.1).
		return s.algorithm == algES256 && len(sig) == 64 &&
			ecdsa.Verify(key, digest, new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case *rsa.PublicKey:
		return s.algorithm == algPS256 &&
			rsa.VerifyPSS(key, crypto.SHA256, digest, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case ed25519.PublicKey:
		return s.algorithm == algEdDSA && ed25519.Verify(key, signed, sig)
	}
	return false
}

// judge says whether this certificate may have said c, whose signature is its own, and
// whether c is in its time.
//
// A certificate of health does not outlive that of its signer. The verifier apps of
// the EU refuse it once the signer's has ended, and look at nothing else of its
// validity: dgca-verifier-app-android, VerificationViewModel.validateCertificate
// (notAfter before now: CERTIFICATE_EXPIRED, which is INVALID); dgca-app-core-ios,
// X509.isCertificateValid (notAfter > now). Issuers know it: "the expiration time
// must not exceed the validity period of the DSC" (hcert 3.3.5).
func (s *signer) judge(c Certificate, at time.Time) Certificate {
	// Georgia's codes name a ministry here. The country is then the certificate's. A
	// certificate that names no country (those of the common test data) cannot be held to one.
	if s.country != "" {
		if country := countryCode(c.Issuer); country != "" && country != s.country {
			c.Reason = ReasonWrongIssuer
			return c
		}
		c.Issuer = s.country
	}
	for _, h := range c.Health {
		if len(s.usage) > 0 && !slices.Contains(s.usage, h.Kind) {
			c.Reason = ReasonWrongUsage
			return c
		}
	}
	c.Signed = true
	if s.until.Before(c.NotAfter) {
		c.NotAfter = s.until.UTC()
	}
	switch {
	case at.Before(c.NotBefore):
		c.Reason = ReasonNotYetValid
	// Other than RFC 8392's exp, this one is good "after which a verifier must reject"
	// (hcert 3.3.5): tests that Denmark and Ireland made in its last second must pass.
	case at.After(c.NotAfter):
		c.Reason = ReasonExpired
	default:
		c.Valid, c.Reason = true, ReasonOK
	}
	return c
}
