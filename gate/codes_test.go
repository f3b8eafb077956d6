package gate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"gated/credential"
	"gated/ledger/seal"
	"gated/policy"
	"gated/register"
)

// One pass is one admission within the repeat window, and one code in the ledger, however it is written.
func TestAPassIsTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	code := s.pass("resident", s.subject("王小明"), month)
	first := s.scan("in", code)
	for _, text := range []string{code, "\t" + code, code + " ", "\ufeff" + code, "]Q1" + code, strings.ToLower(code), code + "\n"} {
		if again := s.scan("in", text); !again.Repeat || again.Passage != first.Passage {
			t.Errorf("%.10q…: %+v", text, again)
		}
	}
	if out := s.scan("out", strings.ToLower(code)); out.Verdict != policy.Admit || out.Repeat {
		t.Errorf("at the other lane: %+v", out)
	}
	hashes := map[string]bool{}
	for _, e := range s.records() {
		if e.Kind == register.Check {
			hashes[e.Personally("code")] = true
		}
	}
	if len(hashes) != 1 {
		t.Errorf("one pass has %d hashes", len(hashes))
	}
}

// What is merely stated or badly signed names nobody of the roster, on the page or in what was asked about it.
func TestWhatIsMerelyStatedNamesNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := credential.NewKey()
	id := s.subject("李芳")
	signed := func(issuer, kind, subject string) string {
		return must(credential.Issue(other, credential.Pass{Issuer: issuer, Subject: subject, Kind: kind, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(month)}))
	}
	good := s.pass("resident", id, month)
	altered := spoilt(good)
	for name, c := range map[string]struct{ lane, code, class string }{
		"another compound's":           {"in", signed("elsewhere", "resident", id), "unknown"},
		"another compound's, out":      {"out", signed("elsewhere", "resident", id), "unknown"},
		"in our issuer's name":         {"in", signed("office", "resident", id), "unknown"},
		"of a household":               {"out", signed("office", "household", "3-2-501"), "unknown"},
		"of a vehicle":                 {"out", signed("elsewhere", "vehicle", s.subject("粤B54321")), "unknown"},
		"altered":                      {"in", altered, "unknown"},
		"with something added":         {"in", "Q" + good, "unknown"},
		"an ID number":                 {"in", "11010519491231002X", "resident"},
		"the number plate of a car":    {"out", "粤B54321", "vehicle"},
		"several, one of them genuine": {"in", good + "\r" + altered, "unknown"},
	} {
		out := s.scan(c.lane, c.code)
		if out.Class != c.class || out.Verdict == policy.Admit {
			t.Errorf("%s: %+v, want class %s", name, out, c.class)
		}
		for _, shown := range append([]Shown{s.last(c.lane)}, s.g.View().Recent...) {
			if shown.Name != "" && shown.Name != "粤B54321" || shown.Room != "" {
				t.Errorf("%s: the page shows %s, %s", name, shown.Name, shown.Room)
			}
		}
	}
	if out := s.scan("out", altered+"\r"+good); out.Verdict != policy.Refuse || out.Reason != "several-codes" {
		t.Errorf("several codes on the way out: %+v", out)
	}
	for _, h := range s.g.View().Holds {
		if h.Name != "" && h.Name != "粤B54321" || h.Room != "" {
			t.Errorf("%s waits as %s, %s", h.Reason, h.Name, h.Room)
		}
	}
	for _, e := range s.records() {
		if e.Kind == register.Check && e.Reason == "other-issuer" && e.Personally("stated_subject") != "" {
			t.Error("a pass of another compound is in the ledger as a resident's of this one")
		}
		if e.Kind == register.Query && e.Class == "unknown" && (e.Personally("subject") != "" || e.Detail["known"] != "no") {
			t.Errorf("known by a forgery: %s", e.Raw)
		}
	}
	// Whom the guard finds by room is named, whoever stated their number before.
	if _, err := s.g.Present("in", id); err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, h := range s.g.View().Holds {
		if h.Name == "李芳" && h.Room == "3-2-501" {
			named++
		}
	}
	if named != 1 {
		t.Errorf("found by room, and %d holds name her", named)
	}
}

// Whoever lives here is never refused: of those who merely state something the oldest gives way, and nobody else does.
func TestAResidentWhoTypesTheirNumberFindsAPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	expired := s.scan("out", s.pass("resident", s.subject("王小明"), -time.Minute))
	first := s.scan("out", "GP1:AAAABB8")
	for i := range maxStated {
		s.scan("out", fmt.Sprintf("GP1:%04dBB8", i))
	}
	number := s.scan("out", "11010519491231002X")
	if number.Verdict != policy.Hold {
		t.Fatalf("%+v", number)
	}
	holds := map[string]bool{}
	for _, h := range s.g.View().Holds {
		holds[h.Passage] = true
	}
	if len(holds) != maxStated+1 || !holds[number.Passage] || !holds[expired.Passage] || holds[first.Passage] {
		t.Errorf("%d wait, the number %t, the pass %t, the oldest forgery %t", len(holds), holds[number.Passage], holds[expired.Passage], holds[first.Passage])
	}
	if out := s.scan("out", "GP1:ZZZZBB8"); out.Reason != "desk-full" {
		t.Errorf("one forgery more: %+v", out)
	}
}

// Many forgeries at once neither fill the desk nor push anybody off it.
func TestForgeriesPushNobodyOffTheDesk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	waits := s.scan("out", s.pass("resident", s.subject("李芳"), -time.Minute))
	number := s.scan("out", "11010519491231002X")
	for i := range maxHolds + 10 {
		out := s.scan("out", fmt.Sprintf("GP1:%04dBB8", i))
		want := policy.Hold
		if i >= maxStated-1 {
			want = policy.Refuse
		}
		if out.Verdict != want || want == policy.Refuse && out.Reason != "desk-full" {
			t.Fatalf("forgery %d: %+v", i, out)
		}
	}
	if out := s.scan("in", "11010519491231002X"); out.Verdict != policy.Hold {
		t.Errorf("at the other lane: %+v", out)
	}
	left := map[string]bool{}
	for _, h := range s.g.View().Holds {
		left[h.Passage] = true
	}
	if !left[waits.Passage] || !left[number.Passage] || len(left) != maxStated+2 {
		t.Errorf("%d wait, the resident %t, the number %t", len(left), left[waits.Passage], left[number.Passage])
	}
	// Read again while it waits, it is the one that waits.
	if again := s.scan("out", "11010519491231002x"); again.Passage != number.Passage || !again.Repeat {
		t.Errorf("a number that waits was read as new: %+v", again)
	}
	if out := s.scan("out", s.pass("resident", s.subject("王小明"), -time.Minute)); out.Verdict != policy.Hold {
		t.Errorf("somebody known found no place: %+v", out)
	}
}

// Of a code the ledger keeps a hash under a key that follows from its master key: the same over restarts, and another at every other gate.
// There is no key of its own that could be lost or exchanged.
func TestTheHashOfACodeFollowsFromTheMasterKey(t *testing.T) {
	t.Parallel()
	hashes := func(s *site) (all []string) {
		s.g.work.Wait()
		for _, e := range s.records() {
			if e.Kind == register.Check {
				all = append(all, e.Personally("code"))
			}
		}
		return all
	}
	const code = "https://example.com"
	s, other := newSite(t), newSite(t)
	s.scan("in", code)
	s.end()
	s.start()
	s.scan("in", code)
	other.scan("in", code)
	master, err := seal.ReadMaster(seal.MasterFile(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	mac := func(key []byte, message string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(message))
		return m.Sum(nil)
	}
	want := hex.EncodeToString(mac(mac(master[:], "gated key for the codes"), "text\x00"+code)[:16])
	if all := hashes(s); len(all) != 2 || all[0] != want || all[1] != want {
		t.Errorf("got %q, want %s twice", all, want)
	}
	if all := hashes(other); len(all) != 1 || all[0] == want || len(all[0]) != 32 {
		t.Errorf("at another gate: %q", all)
	}
}
