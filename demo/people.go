package demo

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"gated/credential"
	"gated/demo/clinic"
	"gated/demo/judge"
	"gated/policy"
	"gated/roster"
	"gated/scanner"
)

// people come to the gate, and show codes and cards.
type people struct {
	office    ed25519.PrivateKey // issues the compound's passes
	stranger  ed25519.PrivateKey // of another compound
	health    clinic.Clinic
	residents []roster.Person
	cars      []roster.Vehicle
	moves     *judge.Moves // of those with valid passes: every second resident, and nobody else shows anything of theirs
}

// visitor is one person who comes to the gate, and the answer that is expected.
type visitor struct {
	lane, code, what string
	emergency        bool // an ambulance without a pass: the guard presses the key

	kind    string // the credential that the gate must recognise,
	dropped string // or why the scanner must drop it as no code
	admit   bool   // the gate must admit without a guard
	either  bool   // or it may hold: nobody knows how long it is since they passed last
	passes  string // by their roster ID: where they are counts, and that is foretold by moves
	common  bool   // others may have shown the same code just before, so that the gate may answer "already read"
}

// wrong tells what is wrong with an answer; empty: it is the expected one.
func (v visitor) wrong(a answer) string {
	switch {
	case a.dropped != v.dropped && a.dropped != "":
		return "was dropped as " + a.dropped
	case a.dropped != v.dropped:
		return "was taken for a code: " + a.out.Credential
	case a.dropped != "":
		return ""
	case a.out.Verdict == judge.Fault:
		return "was not recorded: " + a.out.Reason
	case a.out.Credential != v.kind:
		return fmt.Sprintf("was read as %q (%s: %s)", a.out.Credential, a.out.Verdict, a.out.Reason)
	case a.out.Repeat && v.common: // as a guard decided about it, perhaps
		return ""
	case a.out.Repeat:
		return "was taken for a code that was read already"
	case v.either && a.out.Verdict != policy.Refuse:
	case v.admit != (a.out.Verdict == policy.Admit):
		return fmt.Sprintf("was answered %s: %s", a.out.Verdict, a.out.Reason)
	}
	return ""
}

const month = 30 * 24 * time.Hour

// next invents who comes next. n counts the visitors of the lane; the first ones show every case once.
func (p *people) next(rng *rand.Rand, lane string, n int, fast bool) visitor {
	resident := p.residents[rng.IntN(len(p.residents)/2)*2+1]
	now := time.Now()
	pass := func(key ed25519.PrivateKey, subject, kind string, left time.Duration) string {
		text, err := credential.Issue(key, credential.Pass{Issuer: Issuer, Subject: subject, Kind: kind,
			NotBefore: now.Add(-month), NotAfter: now.Add(left)})
		if err != nil {
			panic(err) // the demo's own data
		}
		return text
	}
	kind := passKind(resident)
	ambulance := p.cars[slices.IndexFunc(p.cars, func(v roster.Vehicle) bool { return v.Service == "ambulance" })]
	car := p.cars[slices.IndexFunc(p.cars, func(v roster.Vehicle) bool { return v.Service == "" })]
	// Functions, so that only the chosen one signs anything.
	cases := []func() visitor{
		func() visitor {
			r := p.walks(rng, lane)
			return visitor{what: "a resident", kind: credential.KindPass, code: pass(p.office, r.ID, passKind(r), month), passes: r.ID}
		},
		func() visitor {
			return visitor{what: "a forged pass", kind: credential.KindPass, code: forge(pass(p.office, resident.ID, kind, month))}
		},
		func() visitor {
			return visitor{what: "an expired pass", kind: credential.KindPass, code: pass(p.office, resident.ID, kind, -time.Hour)}
		},
		func() visitor {
			return visitor{what: "a courier's bar code", kind: credential.KindUnknown, code: fmt.Sprintf("69%011d", rng.Int64N(1e11))}
		},
		func() visitor {
			code := pass(p.office, ambulance.ID, "vehicle", month)
			return visitor{what: "the ambulance with its pass", kind: credential.KindPass, code: code, admit: true}
		},
		func() visitor { return visitor{what: "an ambulance without a pass", emergency: true} },
		func() visitor { return visitor{what: "garbage", code: "#\x02?", dropped: scanner.TooShort} },
		func() visitor { // at the level of the demo it may leave, and not come in
			v := visitor{what: "a resident's car", kind: credential.KindPass, code: pass(p.office, car.ID, "vehicle", month)}
			if lane == "out" {
				v.passes = car.ID
			}
			return v
		},
		func() visitor {
			return visitor{what: "an ID number instead of a pass", kind: credential.KindResidentID, code: resident.Document, common: true}
		},
		func() visitor {
			code := pass(p.stranger, "r-999999", "resident", month)
			return visitor{what: "a pass of another compound", kind: credential.KindPass, code: code}
		},
		func() visitor { // certificates have whole seconds: of one person and second they say the same, and count as one
			sampled := now.Add(-time.Duration(1+rng.IntN(96)) * time.Hour)
			return visitor{what: "an EU certificate of a test", kind: credential.KindDCC, code: p.health.DCC(resident, sampled),
				common: true}
		},
		func() visitor {
			return visitor{what: "a SMART Health Card", kind: credential.KindSHC, code: p.health.SHC(resident, now), common: true}
		},
		func() visitor {
			return visitor{what: "the ambulance's plate, no pass", kind: credential.KindPlate, code: ambulance.Plate, common: true}
		},
		func() visitor {
			plate := fmt.Sprintf("粤B%05d", 60000+rng.IntN(9999))
			return visitor{what: "a stranger's plate", kind: credential.KindPlate, code: plate, common: true}
		},
		func() visitor {
			plate := fmt.Sprintf("粤BD%05d", rng.IntN(99999))
			return visitor{what: "an electric car's plate", kind: credential.KindPlate, code: plate, common: true}
		},
	}
	i := 0
	switch {
	case n < 2*len(cases) && n%2 == 1: // every case once
		i = n / 2
	case rng.IntN(100) >= 80:
		if i = rng.IntN(len(cases)); cases[i]().emergency && (fast || rng.IntN(4) > 0) {
			i = 0 // ambulances without a pass are rare
		}
	}
	v := cases[i]()
	if v.code == "" && !v.emergency { // staff have no document
		v = cases[0]()
	}
	for v.passes != "" && !p.moves.Begin(v.passes) {
		v = cases[0]()
	}
	v.lane = lane
	return v
}

// walks chooses who comes to a lane with a valid pass: mostly somebody who has come back the other way.
func (p *people) walks(rng *rand.Rand, lane string) roster.Person {
	for try := 0; ; try++ {
		r := p.residents[rng.IntN((len(p.residents)+1)/2)*2]
		if try > 20 || !p.moves.Same(r.ID, lane) {
			return r
		}
	}
}

// foretold adds what was to be answered to somebody with a valid pass.
func (p *people) foretold(v visitor, a answer) visitor {
	switch {
	case v.passes == "":
	case a.out.Repeat: // of what was admitted
		p.moves.Leave(v.passes)
		v.admit = true
	default:
		verdict := a.out.Verdict
		if a.dropped != "" {
			verdict = ""
		}
		want := p.moves.End(v.passes, v.lane, judge.Span{From: a.shown, Until: time.Now()}, verdict)
		v.admit, v.either = want == policy.Admit, want == ""
	}
	return v
}

func passKind(r roster.Person) string {
	if r.Class == "resident" {
		return "resident"
	}
	return "staff"
}

// cardholder invents a person who presents an ID card instead of a code; the first one is a resident.
func (p *people) cardholder(rng *rand.Rand, n int) (visitor, []byte) {
	now := time.Now()
	card := credential.IDCard{Kind: credential.KindIDCard,
		From: now.AddDate(-6, 0, 0).Format(time.DateOnly), To: now.AddDate(14, 0, 0).Format(time.DateOnly)}
	for card.Document == "" { // staff have no document
		p := p.residents[rng.IntN(len(p.residents)/2)*2+1]
		card.Name, card.Document = p.Name, p.Document
	}
	v := visitor{lane: "in", what: "a resident's ID card", kind: credential.KindIDCard, common: true}
	switch k := rng.IntN(10); {
	case n == 2 || k < 7:
	case k < 9:
		v.what, card.To = "a resident's expired ID card", now.AddDate(-1, 0, 0).Format(time.DateOnly)
	default:
		v.what, card.Name, card.Document = "a stranger's ID card", "无名氏", inventedID(rng, 999)
	}
	id, err := credential.ResidentID(card.Document)
	card.BirthDate, card.Sex = id.BirthDate, id.Sex
	text, textErr := card.Text()
	if err := errors.Join(err, textErr); err != nil {
		panic(err) // the demo's own data
	}
	return v, text
}

// forge changes a genuine pass so that the issuer never signed what it says.
func forge(pass string) string {
	last := byte('0')
	if pass[len(pass)-1] == last {
		last = '1'
	}
	return pass[:len(pass)-1] + string(last)
}
