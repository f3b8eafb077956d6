// Package clinic is the demo's invented issuer of health certificates.
package clinic

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"gated/credential"
	"gated/demo/issuer"
	"gated/durable"
	"gated/roster"
)

// Clinic signs the health certificates that people show.
type Clinic struct {
	dccKey  *ecdsa.PrivateKey
	dccCert *x509.Certificate
	shcKey  *ecdsa.PrivateKey
}

const clinicURL = "https://clinic.example"

// New makes the keys, and writes their public halves to a trust directory. They are made anew in each run, so that nothing
// that they sign is valid after it.
func New(trust string) (c Clinic, err error) {
	if c.dccKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return c, err
	}
	now := time.Now()
	if c.dccCert, err = issuer.SignerCertificate(c.dccKey, "XX", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)); err != nil {
		return c, err
	}
	if c.shcKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return c, err
	}
	keys, err := issuer.SHCKeys(clinicURL, &c.shcKey.PublicKey)
	if err != nil {
		return c, err
	}
	for name, content := range map[string][]byte{
		"dcc/demo-clinic.pem":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.dccCert.Raw}),
		"shc/demo-clinic.json": keys,
	} {
		path := filepath.Join(trust, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return c, err
		}
		if err := durable.Replace(path, content); err != nil {
			return c, err
		}
	}
	return c, nil
}

// DCC is an EU certificate of a negative test.
func (c Clinic) DCC(who roster.Person, sampled time.Time) string {
	family, given := split(who.Name)
	text, err := issuer.DCC{
		Given: given, Family: family, BirthDate: who.BirthDate, ID: "URN:UVCI:01:XX:" + who.ID,
		Issued: sampled, Expires: sampled.AddDate(0, 1, 0),
		Statement: issuer.Statement{Kind: credential.Test, Disease: credential.COVID19, Product: "LP6464-4",
			Result: "negative", Sampled: sampled},
	}.Sign(c.dccKey, c.dccCert)
	if err != nil {
		panic(err) // of the demo's own data
	}
	return text
}

// SHC is a SMART Health Card of two vaccinations.
func (c Clinic) SHC(who roster.Person, now time.Time) string {
	family, given := split(who.Name)
	dose := func(n, months int) issuer.Statement {
		date := now.AddDate(0, -months, 0).Format(time.DateOnly)
		return issuer.Statement{Kind: credential.Vaccination, Product: "207", Dose: n, Doses: 2, Date: date}
	}
	text, err := issuer.SHC{
		Issuer: clinicURL, NotBefore: now.AddDate(0, -4, 0), Given: []string{given}, Family: family, BirthDate: who.BirthDate,
		Health: []issuer.Statement{dose(1, 6), dose(2, 5)},
	}.Sign(c.shcKey)
	if err != nil {
		panic(err) // of the demo's own data
	}
	return text
}

// split splits a Chinese name; the surnames of the demo have one character.
func split(name string) (family, given string) {
	_, n := utf8.DecodeRuneInString(name)
	return name[:n], name[n:]
}
