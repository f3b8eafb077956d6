package gate

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"gated/credential"
	"gated/gate/subject"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

var (
	fang     = credential.IDCard{Kind: credential.KindIDCard, Name: "李芳", Sex: "female", BirthDate: "1949-12-31", Document: "11010519491231002X", From: "2012-03-01"}
	stranger = credential.IDCard{Kind: credential.KindIDCard, Name: "赵无名", Sex: "male", BirthDate: "1950-01-01", Document: "110105195001010012", From: "2020-03-01", To: "2040-03-01"}
)

// with returns a changed card.
func with(c credential.IDCard, change func(*credential.IDCard)) credential.IDCard {
	change(&c)
	return c
}

// now is what the gate's clock says.
func (s *site) now() time.Time {
	now, _ := s.g.Clock()
	return now
}

// lay lays a card on the reader, which keeps nothing of it.
func (s *site) lay(lane string, text []byte) Outcome {
	s.t.Helper()
	text = bytes.Clone(text)
	defer clear(text)
	out, err := s.g.ScanCard(lane, text, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func TestWhoPassesWithAnIDCard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.end()
	mono, began := s.src.Mono, s.src.Mono()
	s.src.Mono = func() time.Duration { return 11010500*time.Second + mono() - began } // digits of a document, by chance
	s.start()
	text := func(c credential.IDCard) []byte { return must(c.Text()) }
	foreign := must(credential.IDCard{Kind: credential.KindForeigner, Name: "ROE, RICHARD", Sex: "male", BirthDate: "1985-01-01", Document: "932682198501010017", From: "2023-12-01", To: "2033-11-30"}.Text())
	unknown := text(fang)
	unknown[248] = 'Q'
	for _, c := range []struct {
		name, lane string
		text       []byte
		want       string
		fields     string // of the check event, but for the hash
	}{
		{"a resident's, in", "in", text(fang), "hold document-sighted cn-id-card sighted ok", "sighted_document=11010519491231002X"},
		{"a resident's, out", "out", text(fang), "hold document-sighted cn-id-card sighted ok", "sighted_document=11010519491231002X"},
		{"a resident's, expired", "in", text(with(fang, func(c *credential.IDCard) { c.To = "2022-03-01" })), "hold expired cn-id-card sighted expired", "sighted_document=11010519491231002X"},
		{"a resident's under another name than the roster's", "in", text(with(fang, func(c *credential.IDCard) { c.Name = "李芳芳" })), "hold document-sighted cn-id-card sighted ok", "sighted_document=11010519491231002X sighted_name=李芳芳"},
		{"a stranger's, in", "in", text(stranger), "refuse outsider cn-id-card sighted ok", "sighted_document=110105195001010012 sighted_name=赵无名"},
		{"a stranger's, out", "out", text(stranger), "hold unknown-out cn-id-card sighted ok", "sighted_document=110105195001010012 sighted_name=赵无名"},
		{"a stranger's of the future", "in", text(with(stranger, func(c *credential.IDCard) { c.From, c.To = "2150-01-01", "2160-01-01" })), "refuse not-yet-valid cn-id-card sighted not-yet-valid", "sighted_document=110105195001010012 sighted_name=赵无名"},
		{"a foreigner's", "in", foreign, "refuse outsider cn-prc-card sighted ok", "sighted_document=932682198501010017 sighted_name=ROE, RICHARD"},
		{"a type that is not known", "in", unknown, "refuse unknown-card unknown stated unknown-card", ""},
		{"one that came damaged", "in", text(with(fang, func(c *credential.IDCard) { c.Document = "110105194912310020" })), "refuse bad-check-digit cn-id-card stated bad-check-digit", "document=110105194912310020"},
		{"one that cannot be read", "in", nil, "refuse unreadable-card unknown stated unreadable-card", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 }))
			out := s.lay(c.lane, c.text)
			for _, h := range s.g.View().Holds { // so that the next one is not taken for the same
				if _, err := s.g.Decide(h.Passage, Ruling{Verdict: "refuse", Reason: "not-known"}); err != nil {
					t.Fatal(err)
				}
			}
			var check ledger.Entry
			for _, e := range s.records() {
				if e.Kind == register.Check && e.Passage == out.Passage {
					check = e
				}
			}
			if got := strings.Join([]string{out.Verdict, out.Reason, check.Credential, check.Proof, check.Reason}, " "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			var fields []string
			for _, f := range []string{"document", "stated_name", "sighted_document", "sighted_name"} {
				if v := check.Personally(f); v != "" {
					fields = append(fields, f+"="+v)
				}
			}
			if got := strings.Join(fields, " "); got != c.fields {
				t.Errorf("got fields %s, want %s", got, c.fields)
			}
			if hashed := check.Personally("code") != ""; hashed != (c.text != nil) {
				t.Errorf("hash of the card: %v", hashed)
			}
		})
	}
	for _, e := range s.records() {
		for _, secret := range []string{"李芳", "赵无名", "110105", "932682", "ROE"} {
			if strings.Contains(says(&e), secret) {
				t.Errorf("the record tells who it was: %s", e.Raw)
			}
		}
	}
}

func ruled(r Rules, change func(*Rules)) Rules {
	change(&r)
	return r
}

// A card that is laid down again is the same as long as it waits or was just answered, wherever it was renewed. A code
// that says the number of a card is not that card, and must not be hidden behind it, nor hide it.
func TestTheSameCardAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	held := s.lay("in", must(fang.Text()))
	size := s.l.Size()
	renewed := s.lay("in", must(with(fang, func(c *credential.IDCard) { c.From = "2026-01-05" }).Text()))
	if !renewed.Repeat || renewed.Passage != held.Passage || s.l.Size() != size {
		t.Errorf("got %+v after %+v", renewed, held)
	}
	if out := s.scan("in", fang.Document); out.Repeat || out.Reason != "no-valid-pass" {
		t.Errorf("a code with the number of a card that waits: %+v", out)
	}
	if out := s.lay("out", must(fang.Text())); out.Repeat {
		t.Errorf("the other lane: %+v", out)
	}
	if out := s.scan("in", stranger.Document); out.Repeat {
		t.Errorf("a stranger's number: %+v", out)
	}
	if out := s.lay("in", must(stranger.Text())); out.Repeat || out.Credential != "cn-id-card" {
		t.Errorf("a card after a code with its number: %+v", out)
	}
	if last := s.last("in"); last.Name != "赵无名" {
		t.Errorf("the guard is shown %+v", last)
	}
}

// A policy of one's own may admit by the document; what is not genuine or not in date never is.
func TestAPolicyMayAdmitByDocument(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.g.Rules()
	var err error
	r.Policy, err = policy.Parse("test", []byte("name: test\nlevels: [{name: guarded, basis: public-health-emergency}]\nrules:\n  - {name: by-card, when: {known: true, valid: true, proof: sighted}, then: admit}\n  - {name: home, when: {direction: in, class: resident, known: true, valid: true, proof: signed}, then: admit}\n  - {name: others, then: hold}\n"+
		"examples:\n  - {name: none, given: {direction: in}, then: hold, rule: others, reason: others}\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.Repeat = 0
	s.g.SetRules(r)
	if out := s.lay("in", must(fang.Text())); out.Verdict != policy.Admit {
		t.Errorf("a resident's card: %+v", out)
	}
	text := must(fang.Text())
	for i := range text {
		bad := append([]byte(nil), text...)
		bad[i] ^= 1 << (i % 8)
		claim := credential.ReadIDCard(bad, time.Now())
		who := subject.Find(s.people.Snapshot(), claim)
		d := r.Policy.Decide(policy.Facts{Direction: "in", Class: who.Class, Known: who.Known, Credential: claim.Kind, Valid: claim.Valid, Reason: claim.Reason, Proof: string(claim.Proof)})
		if d.Verdict == policy.Admit && who.Name != "李芳" {
			t.Errorf("byte %d changed: %+v", i, d)
		}
	}
}

func TestWithAnUntrustedClockACardForGoodStillCounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 })) // it is one card
	s.scan("in", s.pass("resident", s.subject("李芳"), month))          // a trusted row
	s.mu.Lock()
	s.synced, s.shift = false, 70*365*24*time.Hour
	s.mu.Unlock()
	for name, c := range map[string]struct {
		card credential.IDCard
		want string
	}{
		"for good":       {fang, "document-sighted"},
		"not begun":      {with(fang, func(c *credential.IDCard) { c.From = "2050-01-01" }), "clock-untrusted"},
		"ends this week": {with(fang, func(c *credential.IDCard) { c.To = time.Now().AddDate(0, 0, 2).Format(time.DateOnly) }), "clock-untrusted"},
		"has ended":      {with(fang, func(c *credential.IDCard) { c.To = "2022-01-01" }), "expired"},
	} {
		out := s.lay("in", must(c.card.Text()))
		if out.Verdict != policy.Hold || out.Reason != c.want {
			t.Errorf("%s: got %s %s, want hold %s", name, out.Verdict, out.Reason, c.want)
		}
		if _, err := s.g.Decide(out.Passage, Ruling{Verdict: "refuse", Reason: "not-known"}); err != nil {
			t.Fatal(err)
		}
	}
}
