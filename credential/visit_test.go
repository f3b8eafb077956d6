package credential

import (
	"crypto/ed25519"
	"testing"
	"time"
)

// A pass of a visit counts where the gate's own key signed it, and that key is good for nothing else.
func TestPassesOfVisits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	own, office := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed(append(make([]byte, 31), 1))
	id := KeyID(office.Public().(ed25519.PublicKey))
	trust := &Trust{pass: passTrust{keys: map[string][]trustedKey{string(id[:]): {{"office", office.Public().(ed25519.PublicKey), false}}}, issuers: []string{"office"}}}
	with := trust.WithVisits(own.Public().(ed25519.PublicKey))
	for name, c := range map[string]struct {
		trust        *Trust
		key          ed25519.PrivateKey
		issuer, kind string
		want         string
	}{
		"of a visit":                       {with, own, VisitIssuer, "visit", ReasonOK},
		"of a resident, by that key":       {with, own, VisitIssuer, "resident", ReasonWrongIssuer},
		"of a visit, by the office":        {with, office, "office", "visit", ReasonWrongIssuer},
		"of a visit, in the gate's name":   {with, office, VisitIssuer, "visit", ReasonWrongIssuer},
		"of a resident, as before":         {with, office, "office", "resident", ReasonOK},
		"of the visit of another compound": {trust, own, VisitIssuer, "visit", ReasonOtherIssuer},
	} {
		text, err := Issue(c.key, Pass{Issuer: c.issuer, Subject: "abc", Kind: c.kind, NotBefore: now, NotAfter: now.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.trust.Check([]byte(text), now); got.Reason != c.want {
			t.Errorf("%s: %s, want %s", name, got.Reason, c.want)
		}
	}
}

func TestDigitsOfAVisit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"123456": "123456", "012 345": "012345", "\r123456\n": "123456", "12345": "", "1234567": "", "12 3456": "", "１２３４５６": "", "12345a": ""} {
		c := new(Trust).Check([]byte(text), time.Now())
		if c.Digits != want || (want != "") != (c.Kind == KindVisitCode) || c.Proof != Stated {
			t.Errorf("%q: %+v", text, c)
		}
	}
}
