// Package visitpass makes out the digits and the passes that visitors show.
package visitpass

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"

	"gated/credential"
	"gated/gate/ruling"
	"gated/gate/writing"
	"gated/ledger"
	"gated/register"
	"gated/register/blind"
	"gated/register/visits"
)

// Printer makes them out for a gate.
type Printer struct {
	Gate     string // its name
	Register *register.Register
	Zone     *time.Location
	Derive   func(purpose string) []byte // a key of another purpose from the master key; nil while there is none

	taken atomic.Pointer[trust]
}

// New are new digits, which no other visit has, and the serial of a new pass. One is made at a time.
func (p *Printer) New() []ledger.Field {
	digits, serial := "", make([]byte, 8)
	for taken := true; taken; {
		n, _ := rand.Int(rand.Reader, big.NewInt(1_000_000)) // never fails
		digits = fmt.Sprintf("%06d", n)
		p.Register.View(func(s *register.State) { taken = s.VisitOf(blind.OfDigits, digits) != "" })
	}
	rand.Read(serial)
	return []ledger.Field{{Name: "digits", Value: digits}, {Name: "pass", Value: hex.EncodeToString(serial)}}
}

// key signs the passes of visits, and nothing else. It follows from the master key; nil while there is none.
func (p *Printer) key() ed25519.PrivateKey {
	if seed := p.Derive("the passes of visits"); seed != nil {
		return ed25519.NewKeyFromSeed(seed)
	}
	return nil
}

// trust is what is trusted by the rules, and the same with the gate's own passes of visits.
type trust struct{ of, with *credential.Trust }

// Trust is what the rules trust, and the gate's own passes of visits.
func (p *Printer) Trust(of *credential.Trust) *credential.Trust {
	if t := p.taken.Load(); t != nil && t.of == of {
		return t.with
	}
	key := p.key()
	if key == nil || of == nil {
		return of
	}
	t := &trust{of, of.WithVisits(key.Public().(ed25519.PublicKey))}
	p.taken.Store(t)
	return t.with
}

// Print is a visit as it is printed, or sent to whoever comes.
type Print struct {
	Visit   string `json:"visit"`
	Digits  string `json:"digits"`
	Pass    string `json:"pass"` // the text of its QR code; empty: the gate has no key for it
	From    string `json:"from"`
	Until   string `json:"until"`
	Picture []byte `json:"picture,omitempty"` // PNG of the code, with the digits below
	Chat    string `json:"chat"`              // one text to send to whoever comes
}

const form = "2006-01-02 15:04"

// Print makes out the pass of a visit of the register; the same one each time, until it is reprinted.
func (p *Printer) Print(id string) (out Print, err error) {
	var v visits.Visit
	p.Register.View(func(s *register.State) { v = s.Visits[id] })
	said, err := p.Register.Entries([]int64{v.Printed})
	e := said[v.Printed]
	switch {
	case err != nil:
		return out, fmt.Errorf("%w: %w", writing.ErrLedger, err)
	case e == nil || e.Personally("digits") == "":
		return out, ruling.Invalid("it has no digits: it was made for somebody who stood at a lane, or was erased")
	}
	out.Visit, out.Digits = id, e.Personally("digits")
	from, until := v.Good(p.Zone)
	out.From, out.Until = from.Format(form), until.Format(form)
	if key := p.key(); key != nil {
		of := credential.Pass{Issuer: credential.VisitIssuer, Subject: id, Kind: credential.VisitPass, NotBefore: from, NotAfter: until}
		hex.Decode(of.Serial[:], []byte(e.Personally("pass")))
		if out.Pass, err = credential.Issue(key, of); err != nil {
			return out, err
		}
	}
	digits := out.Digits[:3] + " " + out.Digits[3:]
	out.Chat = fmt.Sprintf("%s 访客码 %s，%s 至 %s 有效，请在门岗出示。\n"+
		"Visitor code %[2]s at %[1]s, good from %[3]s until %[4]s.", p.Gate, digits, out.From, out.Until)
	if out.Pass != "" {
		out.Picture, err = credential.PNGWith(out.Pass, digits)
	}
	return out, err
}
