package issuer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"gated/credential"
	"gated/credential/base45"
	"gated/demo/issuer"
)

// Statements of one are the other's: neither has a field that the other lacks.
var _ = credential.Health(issuer.Statement{})

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func newKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestDCCRefuses(t *testing.T) {
	key, p384 := newKey(t, elliptic.P256()), newKey(t, elliptic.P384())
	good := issuer.DCC{Given: "Gabriele", Family: "Musterfrau", BirthDate: "1998-02-26", ID: "URN:UVCI:01:AT:1", Issued: noon, Expires: noon.AddDate(0, 6, 0),
		Statement: issuer.Statement{Kind: "vaccination", Disease: "840539006", Product: "EU/1/20/1528", Dose: 1, Doses: 2, Date: "2021-02-18"}}
	bad := good
	bad.Statement.Kind = "cure"
	for _, tt := range []struct {
		name      string
		dcc       issuer.DCC
		cert, key *ecdsa.PrivateKey
		country   string
		want      string
	}{
		{"all is well", good, key, key, "AT", ""},
		{"another's key", good, key, newKey(t, elliptic.P256()), "AT", "not the certificate's"},
		{"unknown statement", bad, key, key, "AT", `statement "cure"`},
		{"P-384", good, p384, p384, "AT", "signs no DCC"},
	} {
		cert, err := issuer.SignerCertificate(tt.cert, tt.country, noon, noon.AddDate(1, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		text, err := tt.dcc.Sign(tt.key, cert)
		if tt.want == "" && (err != nil || !strings.HasPrefix(text, "HC1:")) || tt.want != "" && (text != "" || err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %q, %v, want %q", tt.name, text, err, tt.want)
		}
	}
}

func TestSHCRefuses(t *testing.T) {
	hospital, key, p384 := "https://hospital.example/cards", newKey(t, elliptic.P256()), newKey(t, elliptic.P384())
	for name, c := range map[string]struct {
		key    *ecdsa.PrivateKey
		change func(*issuer.SHC)
		want   string
	}{
		"no key":        {nil, func(*issuer.SHC) {}, "no P-256"},
		"another curve": {p384, func(*issuer.SHC) {}, "no P-256"},
		"issuer":        {key, func(c *issuer.SHC) { c.Issuer = "http://x" }, "issuer"},
		"no time":       {key, func(c *issuer.SHC) { c.NotBefore = time.Time{} }, "no time"},
		"rid":           {key, func(c *issuer.SHC) { c.Revocation = "a.b" }, "revocation identifier"},
		"recovery":      {key, func(c *issuer.SHC) { c.Health = []issuer.Statement{{Kind: "recovery"}} }, `statement "recovery"`},
		"result":        {key, func(c *issuer.SHC) { c.Health = []issuer.Statement{{Kind: "test", Result: "green"}} }, `result "green"`},
		"too much": {key, func(c *issuer.SHC) {
			for i := range 200 {
				c.Health = append(c.Health, issuer.Statement{Kind: "vaccination", Product: fmt.Sprint(i), Date: fmt.Sprintf("%d-01-01", 1900+i)})
			}
		}, "one QR code"},
	} {
		card := issuer.SHC{Issuer: hospital, NotBefore: noon, Given: []string{"Xiaoming"}, Family: "Wang", BirthDate: "1951-01-20", Revocation: "MKyCxh7p6uQ"}
		c.change(&card)
		if text, err := card.Sign(c.key); text != "" || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v, want %q", name, text, err, c.want)
		}
	}
	if _, err := issuer.SHCKeys("https://x/", &key.PublicKey); err == nil {
		t.Error("keys of an issuer that is none were written")
	}
	if _, err := issuer.SHCKeys(hospital, &p384.PublicKey); err == nil {
		t.Error("a P-384 key was written")
	}
}

// The alphabet and the groups are those that the gate reads.
func TestPackDCCIsReadByTheGate(t *testing.T) {
	for n := range 300 {
		text := issuer.PackDCC(bytes.Repeat([]byte{byte(n)}, n))
		if _, err := base45.Decode(strings.TrimPrefix(text, "HC1:")); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
