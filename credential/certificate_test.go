package credential

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gated/demo/issuer"
)

// Both kinds of health certificate come through as claims, with what the scanner put around them; what they say in detail is
// for the tests of credential/health.
func TestAHealthCertificateIsAClaim(t *testing.T) {
	const clinic = "https://hospital.example/cards"
	dir := t.TempDir()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cert := must(issuer.SignerCertificate(key, "AT", start, end))
	for path, data := range map[string][]byte{
		"dcc/at.pem":      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
		"shc/clinic.json": must(issuer.SHCKeys(clinic, &key.PublicKey)),
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	trust := must(LoadTrust(dir))
	dcc := must(issuer.DCC{
		Given: "Gabriele", Family: "Muster", BirthDate: "1998-02-26", ID: "URN:UVCI:01:AT:1", Issued: start, Expires: end,
		Statement: issuer.Statement{Kind: Test, Disease: COVID19, Product: "LP6464-4", Result: "negative", Sampled: start.Add(time.Hour)},
	}.Sign(key, cert))
	card := must(issuer.SHC{
		Issuer: clinic, NotBefore: start, NotAfter: end, Given: []string{"Xiaoming"}, Family: "Wang", BirthDate: "1951-01-20",
		Health: []issuer.Statement{{Kind: Vaccination, Product: "208", Date: "2026-10-29"}},
	}.Sign(key))
	for name, c := range map[string]struct {
		trust      *Trust
		code, want string
	}{
		"DCC": {trust, dcc, `{"kind":"eu-dcc","valid":true,"reason":"ok","claims":{"proof":"signed","issuer":"AT","serial":"URN:UVCI:01:AT:1",` +
			`"not_before":"2026-11-23T00:00:00Z","not_after":"2027-11-23T00:00:00Z","name":"Gabriele Muster","birth_date":"1998-02-26",` +
			`"health":[{"kind":"test","disease":"840539006","product":"LP6464-4","result":"negative","sampled":"2026-11-23T01:00:00Z"}],` +
			`"does_not_prove":["holder","residence","health"]}}`},
		"card": {trust, card, `{"kind":"smart-health-card","valid":true,"reason":"ok","claims":{"proof":"signed","issuer":"` + clinic + `",` +
			`"not_before":"2026-11-23T00:00:00Z","not_after":"2027-11-23T00:00:00Z","name":"Xiaoming Wang","birth_date":"1951-01-20",` +
			`"health":[{"kind":"vaccination","disease":"840539006","product":"208","dose":1,"date":"2026-10-29"}],` +
			`"does_not_prove":["holder","residence","health"]}}`},
		"of a stranger": {new(Trust), card, `{"kind":"smart-health-card","valid":false,"reason":"unknown-signer","claims":{"proof":"stated","issuer":"` +
			clinic + `","not_before":"2026-11-23T00:00:00Z","not_after":"2027-11-23T00:00:00Z","name":"Xiaoming Wang","birth_date":"1951-01-20",` +
			`"health":[{"kind":"vaccination","disease":"840539006","product":"208","dose":1,"date":"2026-10-29"}],` +
			`"does_not_prove":["holder","residence","health"]}}`},
	} {
		if got := encodeJSON(t, c.trust.Check([]byte(c.code+"\r\n"), noon)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}
