// Package presentation is what somebody shows at a lane to get through.
package presentation

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"gated/credential"
	"gated/gate/subject"
	"gated/ledger"
)

// Presentation is a code or a card that was read, or a person whom the guard found.
type Presentation struct {
	At time.Time // when its last byte came; zero: nothing was read
	// Visitor is whose visit it is, if it is one's; its class is that of now.
	Visitor *subject.Subject

	source string
	text   []byte // what was read, which is the reader's
	claims func(trust *credential.Trust, text []byte, now time.Time) credential.Claim
}

const (
	byCode = "code"
	byCard = "card"
	byRoom = "room" // the guard found them by room number, or by their visit: nothing was read, and the guard decides
)

// Code is one that a scanner read.
func Code(text []byte, at time.Time) Presentation {
	return Presentation{source: byCode, At: at, text: text, claims: (*credential.Trust).Check}
}

// Card is an ID card, by the text that a reader read of it; nil: it could not be read.
func Card(text []byte, at time.Time) Presentation {
	return Presentation{source: byCard, At: at, text: text, claims: func(_ *credential.Trust, text []byte, now time.Time) credential.Claim {
		return credential.ReadIDCard(text, now)
	}}
}

// ByRoom is a person of the roster whom the guard found by room number.
func ByRoom(person string) Presentation {
	return Presentation{source: byRoom, claims: func(*credential.Trust, []byte, time.Time) credential.Claim {
		return credential.Claim{Kind: "none", Subject: person}
	}}
}

// ByVisit is somebody whom the guard found by the ID of a visit.
func ByVisit(id string) Presentation {
	return Presentation{source: byRoom, claims: func(*credential.Trust, []byte, time.Time) credential.Claim {
		return credential.Claim{Kind: "none", Subject: id, SubjectKind: credential.VisitPass}
	}}
}

// Check is what it proves.
func (p *Presentation) Check(trust *credential.Trust, now time.Time) credential.Claim {
	return p.claims(trust, p.text, now)
}

// ByRoom tells whether nothing was read.
func (p *Presentation) ByRoom() bool { return p.source == byRoom }

// OfVisit tells whether it is by a visit that somebody wants through, whether or not there is one.
func (p *Presentation) OfVisit(c credential.Claim) bool {
	return p.Visitor != nil || c.Digits != "" || c.SubjectKind == credential.VisitPass && c.Proof == credential.Signed
}

// Same tells whether the same text was read in the same way.
func (p *Presentation) Same(as Presentation) bool {
	return p.source == as.source && bytes.Equal(p.text, as.text)
}

// Kept is the presentation with a copy of its text, to be judged again: a card reader clears its own.
func (p Presentation) Kept() Presentation {
	p.text = bytes.Clone(p.text)
	return p
}

// Key is by what the same is known again on a lane: a code is never taken for a card, nor a card for a code that says its number. It
// is zero where there is nothing to know it by.
func (p *Presentation) Key(lane string, c credential.Claim) (key [32]byte) {
	if p.source == byRoom {
		return key
	}
	return sha256.Sum256(append([]byte(p.source+"\x00"+lane+"\x00"), c.Same(p.text)...))
}

// Checked is what the ledger keeps of a code or card: its kind and state, and a hash under a key by which the same is known again; nil:
// there is no key.
func (p *Presentation) Checked(c credential.Claim, who subject.Subject, key []byte) ledger.Event {
	ev := ledger.Event{Credential: c.Kind, Proof: string(c.Proof), Reason: cmp.Or(c.Reason, "found-by-room")}
	if code := c.Same(p.text); len(code) > 0 && key != nil { // a card that could not be read has none
		m := hmac.New(sha256.New, key)
		m.Write(code)
		ev.Personal = []ledger.Field{{Name: "code", Value: hex.EncodeToString(m.Sum(nil)[:16])}}
	}
	ev.Personal = append(ev.Personal, who.Stated(c)...)
	return ev
}
