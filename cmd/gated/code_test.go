package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"os"
	"time"

	"gated/credential"
	"gated/demo/issuer"

	"github.com/rogpeppe/go-internal/testscript"
)

// issueDCC CERT CODE makes a signer certificate of Austria for vaccinations, and a
// health certificate of 2021 that it signed.
func issueDCC(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: issue-dcc CERT CODE")
	}
	day := time.Date(2021, 5, 1, 0, 0, 0, 0, time.UTC)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	cert, err := issuer.SignerCertificate(key, "AT", day, day.AddDate(2, 0, 0), credential.Vaccination)
	ts.Check(err)
	code, err := issuer.DCC{
		Given: "Gabriele", Family: "Musterfrau", BirthDate: "1998-02-26", ID: "URN:UVCI:01:AT:1",
		Issued: day, Expires: day.AddDate(1, 0, 0),
		Statement: issuer.Statement{Kind: credential.Vaccination, Disease: "840539006", Product: "EU/1/20/1528", Dose: 2, Doses: 2, Date: "2021-04-18"},
	}.Sign(key, cert)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(code+"\r\n"), 0o644))
}
