package health

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/demo/issuer"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const hospital = "https://hospital.example/cards"

// cardKey returns the P-256 key whose scalar is 32 times b.
func cardKey(b byte) *ecdsa.PrivateKey {
	return must(ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{b}, 32)))
}

var hospitalKey = cardKey(1)

func cardKeyID(key *ecdsa.PrivateKey) string { return must(issuer.KeyID(&key.PublicKey)) }

func jwksFile(name string, keys ...*ecdsa.PrivateKey) string {
	var public []*ecdsa.PublicKey
	for _, k := range keys {
		public = append(public, &k.PublicKey)
	}
	return string(must(issuer.SHCKeys(name, public...)))
}

// trustingCards loads a trust directory with these files in shc/.
func trustingCards(t testing.TB, files map[string]string) *Trust {
	t.Helper()
	trust, err := loadCards(t, files)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func loadCards(t testing.TB, files map[string]string) (*Trust, error) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, "shc", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return LoadTrust(dir)
}

func trustingHospital(t testing.TB) *Trust {
	return trustingCards(t, map[string]string{"hospital.json": jwksFile(hospital, hospitalKey)})
}

func hospitalCard() issuer.SHC {
	return issuer.SHC{
		Issuer: hospital, NotBefore: start, NotAfter: end, Given: []string{"Xiaoming", "B."}, Family: "Wang", BirthDate: "1951-01-20",
		Health: []issuer.Statement{
			{Kind: Vaccination, Product: "208", Date: "2026-10-29"},
			{Kind: Vaccination, Product: "207", Date: "2026-10-01"},
			{Kind: Vaccination, Product: "115", Date: "2020-01-02", Dose: 4, Doses: 5},
			{Kind: Test, Product: "94500-6", Result: "negative", Sampled: noon.Add(-12 * time.Hour)},
		},
		Revocation: "MKyCxh7p6uQ",
	}
}

func issueCard(t testing.TB, key *ecdsa.PrivateKey, c issuer.SHC) string {
	t.Helper()
	text, err := c.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func hospitalClaim() Certificate {
	return Certificate{
		Kind: KindSHC, Valid: true, Reason: ReasonOK, Signed: true, Issuer: hospital,
		NotBefore: start, NotAfter: end, Name: "Xiaoming B. Wang", BirthDate: "1951-01-20",
		Health: []Statement{
			{Kind: Vaccination, Disease: COVID19, Product: "208", Date: "2026-10-29", Dose: 2},
			{Kind: Vaccination, Disease: COVID19, Product: "207", Date: "2026-10-01", Dose: 1},
			{Kind: Vaccination, Product: "115", Date: "2020-01-02", Dose: 4, Doses: 5},
			{Kind: Test, Disease: COVID19, Product: "94500-6", Result: "negative", Sampled: noon.Add(-12 * time.Hour)},
		},
		Gaps: []string{GapHolder, GapResidence, GapHealth},
	}
}

// cardForgery is what a careless or hostile issuer might send: each part as it likes.
type cardForgery struct {
	header  string // of the right key if empty
	payload string // a sound one if empty
	zipped  []byte // the payload compressed, if nil
	sign    func(signed []byte) []byte
}

const soundBundle = `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"resource:0","resource":` +
	`{"resourceType":"Patient","name":[{"family":"Wang","given":["Xiaoming"]}],"birthDate":"1951-01-20"}}]}`

// soundPayload is 2026-11-23 to 2027-11-23.
const soundPayload = `{"iss":"` + hospital + `","nbf":1795392000,"exp":1826928000,"vc":{"type":["` + shcType + `"],` +
	`"credentialSubject":{"fhirVersion":"4.0.1","fhirBundle":` + soundBundle + `},"rid":"MKyCxh7p6uQ"}}`

func soundHeader() string {
	return `{"zip":"DEF","alg":"ES256","kid":"` + cardKeyID(hospitalKey) + `"}`
}

func signCard(key *ecdsa.PrivateKey) func([]byte) []byte {
	return func(signed []byte) []byte {
		digest := sha256.Sum256(signed)
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

func (f cardForgery) token(t testing.TB) string {
	if f.header == "" {
		f.header = soundHeader()
	}
	if f.payload == "" {
		f.payload = soundPayload
	}
	if f.zipped == nil {
		f.zipped = deflate(t, []byte(f.payload), true)
	}
	if f.sign == nil {
		f.sign = signCard(hospitalKey)
	}
	signed := strictBase64.EncodeToString([]byte(f.header)) + "." + strictBase64.EncodeToString(f.zipped)
	return signed + "." + strictBase64.EncodeToString(f.sign([]byte(signed)))
}

func (f cardForgery) code(t testing.TB) string { return shcPrefix + issuer.Numeric(f.token(t)) }

// changed returns the sound payload with one text in it replaced.
func changed(t testing.TB, old, new string) string {
	t.Helper()
	if strings.Count(soundPayload, old) != 1 {
		t.Fatalf("%q does not stand once in the payload", old)
	}
	return strings.Replace(soundPayload, old, new, 1)
}

func TestSHC(t *testing.T) {
	text := issueCard(t, hospitalKey, hospitalCard())
	if diff := cmp.Diff(hospitalClaim(), trustingHospital(t).check([]byte(text), noon)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A code of what anybody can write says the same, and proves nothing.
	want := hospitalClaim()
	want.Valid, want.Reason, want.Signed = false, ReasonUnknownSigner, false
	if diff := cmp.Diff(want, new(Trust).check([]byte(text), noon)); diff != "" {
		t.Errorf("untrusted (-want +got):\n%s", diff)
	}
}

func TestSHCTime(t *testing.T) {
	trust := trustingHospital(t)
	const ms = time.Millisecond
	for _, c := range []struct {
		nbf, exp string
		at       time.Time
		want     string
	}{
		{"1795392000", "1826928000", start.Add(-1), ReasonNotYetValid},
		{"1795392000", "1826928000", start, ReasonOK},
		{"1795392000", "1826928000", end.Add(-1), ReasonOK},
		{"1795392000", "1826928000", end, ReasonExpired},
		{"1795392000.656", "1826928000", start.Add(656*ms - 1), ReasonNotYetValid},
		{"1795392000.656", "1826928000", start.Add(656 * ms), ReasonOK},
		{"1.795392e9", "1826928000.5", end.Add(500*ms - 1), ReasonOK},
		{"1795392000", "1826928000.5", end.Add(500 * ms), ReasonExpired},
		{"1795392000", "1795391999", noon, ReasonExpired},
		{"946684800", "7258118399", noon, ReasonOK},
		{"946684799", "1826928000", noon, ReasonMalformed}, // before 2000: not meant
		{"1795392000", "7258118401", noon, ReasonMalformed},
		{"1795392000000", "1826928000", noon, ReasonMalformed}, // milliseconds
		{"1795392000", "-1", noon, ReasonMalformed},
		{"1795392000", "1e999", noon, ReasonMalformed},
		{"1795392000", "NaN", noon, ReasonMalformed},
		{"1795392000", "Infinity", noon, ReasonMalformed},
		{`"1795392000"`, "1826928000", noon, ReasonMalformed},
		{"null", "1826928000", noon, ReasonMalformed},
		{"1795392000", "null", noon, ReasonMalformed},
	} {
		payload := changed(t, `"nbf":1795392000,"exp":1826928000`, `"nbf":`+c.nbf+`,"exp":`+c.exp)
		got := trust.check([]byte(cardForgery{payload: payload}.code(t)), c.at)
		if got.Reason != c.want || got.Valid != (c.want == ReasonOK) {
			t.Errorf("nbf %s, exp %s at %s: got %s, want %s", c.nbf, c.exp, c.at, got.Reason, c.want)
		}
		if signed := c.want != ReasonMalformed; signed != got.Signed {
			t.Errorf("nbf %s, exp %s: signed %t", c.nbf, c.exp, got.Signed)
		}
	}
	endless := trust.check([]byte(cardForgery{payload: changed(t, `"exp":1826928000,`, "")}.code(t)), end.AddDate(50, 0, 0))
	if !endless.Valid || !endless.NotAfter.IsZero() {
		t.Errorf("without exp: %+v", endless)
	}
}

func TestSHCStatements(t *testing.T) {
	trust := trustingHospital(t)
	shot := func(code, date, more string) string {
		return `{"resourceType":"Immunization","status":"completed","vaccineCode":{"coding":[{"system":"` + cvxSystem + `","code":"` + code + `"}]},` +
			`"occurrenceDateTime":"` + date + `"` + more + `}`
	}
	test := func(status, sampled, value string) string {
		return `{"status":"` + status + `","code":{"coding":[{"system":"` + loincSystem + `","code":"94558-4"}]},"effectiveDateTime":"` + sampled +
			`","valueCodeableConcept":{"coding":[` + value + `]},"resourceType":"Observation"}` // its type last
	}
	answer := func(system, code string) string { return `{"system":"` + system + `","code":"` + code + `"}` }
	covid := func(code, date string, dose int) Statement {
		return Statement{Kind: Vaccination, Disease: COVID19, Product: code, Date: date, Dose: dose}
	}
	result := func(sampled time.Time, result string) []Statement {
		return []Statement{{Kind: Test, Disease: COVID19, Product: "94558-4", Result: result, Sampled: sampled}}
	}
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

	for _, c := range []struct {
		name      string
		resources []string
		want      []Statement
	}{
		{"doses in the order of their dates", []string{shot("229", "2022-09-05", ""), shot("207", "2021-01-01", ""), shot("207", "2021-01-29T10:00:00+08:00", "")},
			[]Statement{covid("229", "2022-09-05", 3), covid("207", "2021-01-01", 1), covid("207", "2021-01-29", 2)}},
		{"a dose that says which it is", []string{shot("207", "2021-01-29", `,"protocolApplied":[{"doseNumberPositiveInt":2,"seriesDosesPositiveInt":3}]`)},
			[]Statement{{Kind: Vaccination, Disease: COVID19, Product: "207", Date: "2021-01-29", Dose: 2, Doses: 3}}},
		{"against other diseases counted for itself", []string{shot("207", "2021-01-01", ""), shot("115", "2020-01-01", ""), shot("115", "2021-01-01", ""), shot("03", "2021-06-01", "")},
			[]Statement{covid("207", "2021-01-01", 1), {Kind: Vaccination, Product: "115", Date: "2020-01-01", Dose: 1},
				{Kind: Vaccination, Product: "115", Date: "2021-01-01", Dose: 2}, {Kind: Vaccination, Product: "03", Date: "2021-06-01", Dose: 1}}},
		{"a disease stated", []string{shot("999", "2021-01-01", `,"protocolApplied":[{"targetDisease":[`+`{"coding":[`+answer(snomedSystem, "14189004")+`]}]}]`)},
			[]Statement{{Kind: Vaccination, Disease: "14189004", Product: "999", Date: "2021-01-01", Dose: 1}}},
		{"order unknown, dose unknown", []string{shot("207", "2021", ""), shot("207", "2021-01-29", "")}, []Statement{covid("207", "2021", 0), covid("207", "2021-01-29", 0)}},
		{"a date that does not exist", []string{shot("207", "2021-02-30", "")}, []Statement{covid("207", "", 0)}},
		{"codes of CVX first", []string{`{"resourceType":"Immunization","status":"completed","vaccineCode":{"text":"x","coding":[{"system":"urn:x","code":"X"},` + answer(cvxSystem, "208") + `]}}`},
			[]Statement{covid("208", "", 0)}},
		{"another system", []string{`{"resourceType":"Immunization","status":"completed","vaccineCode":{"coding":[{"system":"urn:x","code":"X"}]},"occurrenceDateTime":"2021-01-29"}`},
			[]Statement{{Kind: Vaccination, Product: "X", Date: "2021-01-29", Dose: 1}}},
		{"not done, or in error", []string{strings.Replace(shot("207", "2021-01-01", ""), "completed", "not-done", 1),
			strings.Replace(shot("207", "2021-01-01", ""), "completed", "entered-in-error", 1),
			strings.Replace(shot("207", "2021-01-01", ""), `"status":"completed",`, "", 1)}, nil},

		{"not detected", []string{test("final", "2026-11-20T22:30:00+08:00", answer(snomedSystem, "260415000"))}, result(day.Add(14*time.Hour+30*time.Minute), "negative")},
		{"negative", []string{test("final", "2026-11-20", answer(snomedSystem, "260385009"))}, result(day.Add(-14*time.Hour), "negative")},
		{"detected", []string{test("final", "2026-11-20", answer(snomedSystem, "260373001"))}, result(day.Add(-14*time.Hour), "positive")},
		{"positive", []string{test("amended", "2026-11-20", answer(snomedSystem, "10828004"))}, result(day.Add(-14*time.Hour), "positive")},
		{"weakly positive", []string{test("corrected", "2026-11-20", answer(snomedSystem, "260408008"))}, result(day.Add(-14*time.Hour), "positive")},
		{"inconclusive", []string{test("final", "2026-11-20", answer(snomedSystem, "419984006"))}, result(day.Add(-14*time.Hour), "unknown")},
		{"LOINC not detected", []string{test("final", "2026-11-20", answer(loincSystem, "LA11883-8"))}, result(day.Add(-14*time.Hour), "negative")},
		{"LOINC negative", []string{test("final", "2026-11-20", answer(loincSystem, "LA6577-6"))}, result(day.Add(-14*time.Hour), "negative")},
		{"LOINC detected", []string{test("final", "2026-11-20", answer(loincSystem, "LA11882-0"))}, result(day.Add(-14*time.Hour), "positive")},
		{"LOINC positive", []string{test("final", "2026-11-20", answer(loincSystem, "LA6576-8"))}, result(day.Add(-14*time.Hour), "positive")},
		{"a code of another system", []string{test("final", "2026-11-20", answer("urn:x", "260415000"))}, result(day.Add(-14*time.Hour), "unknown")},
		{"twice the same", []string{test("final", "2026-11-20", answer(snomedSystem, "260415000")+","+answer(loincSystem, "LA6577-6"))}, result(day.Add(-14*time.Hour), "negative")},
		{"yes and no", []string{test("final", "2026-11-20", answer(snomedSystem, "260415000")+","+answer(loincSystem, "LA6576-8")+","+answer(snomedSystem, "260385009"))}, result(day.Add(-14*time.Hour), "unknown")},
		{"no value", []string{test("final", "2026-11-20", "")}, result(day.Add(-14*time.Hour), "unknown")},
		{"sampled in some month", []string{test("final", "2026-11", answer(snomedSystem, "260415000"))}, result(time.Time{}, "negative")},
		{"sampled at no time", []string{test("final", "2026-11-20T25:00:00Z", answer(snomedSystem, "260415000"))}, result(time.Time{}, "negative")},
		{"a test for influenza", []string{strings.Replace(test("final", "2026-11-20T22:30:00+08:00", answer(snomedSystem, "260415000")), "94558-4", "80382-5", 1)},
			[]Statement{{Kind: Test, Product: "80382-5", Result: "negative", Sampled: day.Add(14*time.Hour + 30*time.Minute)}}},
		{"preliminary, in error", []string{test("preliminary", "2026-11-20", answer(snomedSystem, "260415000")), test("entered-in-error", "2026-11-20", answer(snomedSystem, "260415000"))}, nil},
		{"resources not known", []string{`{"resourceType":"Condition","code":{"coding":[{"code":"1"}]}}`, `{}`, `{"id":"7"}`}, nil},
	} {
		var entries strings.Builder
		for _, r := range c.resources {
			entries.WriteString(`{"fullUrl":"resource:1","resource":` + r + `},`)
		}
		payload := changed(t, `{"fullUrl":"resource:0"`, entries.String()+`{"fullUrl":"resource:0"`)
		got := trust.check([]byte(cardForgery{payload: payload}.code(t)), noon)
		if diff := cmp.Diff(c.want, got.Health); !got.Valid || diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.name, got.Reason, diff)
		}
		for _, h := range got.Health {
			if h.Sampled.Location() != time.UTC {
				t.Errorf("%s: sampled %s, want UTC", c.name, h.Sampled)
			}
		}
	}
}

func TestSHCTolerates(t *testing.T) {
	trust := trustingHospital(t)
	id := cardKeyID(hospitalKey)
	name := func(s string) cardForgery {
		return cardForgery{payload: changed(t, `{"family":"Wang","given":["Xiaoming"]}`, s)}
	}
	for _, c := range []struct {
		name    string
		forgery cardForgery
		holder  string
	}{
		{"as it is", cardForgery{}, "Xiaoming Wang"},
		{"unknown headers", cardForgery{header: `{"typ":"JWT","x":{"alg":"none","alg":1},"kid":"` + id + `","alg":"ES256","zip":"DEF"}`}, "Xiaoming Wang"},
		{"white space", cardForgery{payload: "\r\n" + strings.ReplaceAll(soundPayload, ":{", "\t: {") + " "}, "Xiaoming Wang"},
		{"64 KiB", cardForgery{payload: soundPayload + strings.Repeat(" ", 64<<10-len(soundPayload))}, "Xiaoming Wang"},
		{"more types", cardForgery{payload: changed(t, `"type":["`, `"type":["VerifiableCredential","`)}, "Xiaoming Wang"},
		{"unknown claims", cardForgery{payload: changed(t, `"iss"`, `"jti":[1,{}],"ISS":"x","iss"`)}, "Xiaoming Wang"},
		{"no rid", cardForgery{payload: changed(t, `,"rid":"MKyCxh7p6uQ"`, "")}, "Xiaoming Wang"},
		{"escapes", cardForgery{payload: changed(t, `"nbf"`, `"\u006ebf"`)}, "Xiaoming Wang"},
		{"nobody", cardForgery{payload: changed(t, `"Patient"`, `"Group"`)}, ""},
		{"no bundle entries", cardForgery{payload: strings.Replace(soundPayload, soundBundle, `{"resourceType":"Bundle"}`, 1)}, ""},
		{"no name", name(``), ""},
		{"several names", name(`{"family":"Li"},{"family":"Wang"}`), "Li"},
		{"Chinese", name(`{"family":"王","given":["小明"]}`), "小明 王"},
		{"text only", name(`{"text":"Wang Xiaoming"}`), "Wang Xiaoming"},
		{"not to be printed", name(`{"family":"\u202eWang\u0000\u200b","given":["  Xiao\n\tming ",""]}`), "Xiao ming Wang"},
		{"long", name(`{"given":["` + strings.Repeat("明", 30) + `"]}`), strings.Repeat("明", 21)},
		{"long, one byte each", name(`{"given":["` + strings.Repeat("a", 66) + `"]}`), strings.Repeat("a", 64)},
		{"long, to a space", name(`{"given":["` + strings.Repeat("a", 63) + `","b"]}`), strings.Repeat("a", 63)},
		{"many", name(`{"given":["a"` + strings.Repeat(`,""`, 10000) + `]}`), "a"},
	} {
		got := trust.check([]byte(c.forgery.code(t)), noon)
		if !got.Valid || got.Name != c.holder {
			t.Errorf("%s: got %s, %q, want ok, %q", c.name, got.Reason, got.Name, c.holder)
		}
	}
}

// The attack list. Each is refused for its reason, within 5 ms and 1 MiB.
func TestSHCRefuses(t *testing.T) {
	most := mostOfCheck()
	other := cardKey(2)
	trust := trustingCards(t, map[string]string{
		"hospital.json": jwksFile(hospital, hospitalKey),
		"other.json":    jwksFile("https://other.example", other),
		// The hospital's kid again, with a key of somebody else.
		"collision.json": strings.Replace(jwksFile("https://collision.example", cardKey(3)), cardKeyID(cardKey(3)), cardKeyID(hospitalKey), 1),
	})
	id := cardKeyID(hospitalKey)
	header := func(s string) string { return strings.ReplaceAll(s, "KID", id) }
	good := cardForgery{}.code(t)
	goodToken := cardForgery{}.token(t)
	head, rest, _ := strings.Cut(goodToken, ".")
	body, signature, _ := strings.Cut(rest, ".")
	numeric := func(token string) string { return shcPrefix + issuer.Numeric(token) }
	payload := func(s string) string { return cardForgery{payload: s}.code(t) }
	replaced := func(old, new string) string { return payload(changed(t, old, new)) }
	signed := func(sign func([]byte) []byte) string { return cardForgery{sign: sign}.code(t) }
	issuer := func(url string, key *ecdsa.PrivateKey, kid string) string {
		return cardForgery{
			header: `{"zip":"DEF","alg":"ES256","kid":"` + kid + `"}`, payload: changed(t, hospital, url), sign: signCard(key),
		}.code(t)
	}
	hs256 := func(secret []byte) func([]byte) []byte {
		return func(signed []byte) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write(signed)
			return mac.Sum(nil)
		}
	}
	publicPoint := must(hospitalKey.PublicKey.Bytes())
	immunization := `{"resource":{"resourceType":"Immunization","status":"completed"}},`

	for _, c := range []struct {
		name, code, want string
		states           bool // whom it names can still be read
	}{
		// The numeric form.
		{"nothing", "shc:/", ReasonBadNumeric, false},
		{"a chunk", "shc:/1/3/" + good[len(shcPrefix):], ReasonBadPrefix, false},
		{"the only chunk", "shc:/1/1/" + good[len(shcPrefix):], ReasonBadPrefix, false},
		{"a link", "shc://" + good[len(shcPrefix):], ReasonBadPrefix, false},
		{"an odd digit", good + "5", ReasonBadNumeric, false},
		{"a digit lost", good[:len(good)-1], ReasonBadNumeric, false},
		{"a pair above 77", good + "78", ReasonBadNumeric, false},
		{"99", "shc:/99", ReasonBadNumeric, false},
		{"letters", good + "5a", ReasonBadNumeric, false},
		{"full-width digits", good + "５６", ReasonBadNumeric, false},
		{"a space", good + " ", ReasonBadNumeric, false},
		{"spaces", good + "  ", ReasonBadNumeric, false},
		{"a sign", "shc:/+5-6", ReasonBadNumeric, false},
		{"too long", "shc:/" + strings.Repeat("56", 2046), ReasonTooLong, false},

		// The JWS.
		{"a million dots", "shc:/" + strings.Repeat("01", 1_000_000), ReasonTooLong, false},
		{"as many dots as fit", "shc:/" + strings.Repeat("01", 2045), ReasonBadJWS, false},
		{"no dot", numeric(head), ReasonBadJWS, false},
		{"one dot", numeric(head + "." + body), ReasonBadJWS, false},
		{"three dots", numeric(goodToken + "."), ReasonBadJWS, false},
		{"empty parts", numeric(".."), ReasonBadJWS, false},
		{"base64 with a remainder", numeric(goodToken[:len(goodToken)-1]), ReasonBadJWS, false},
		{"base64 with padding", numeric(goodToken + "=="), ReasonBadJWS, false},
		{"base64 with stray bits", numeric(goodToken[:len(goodToken)-1] + string(nextBase64(goodToken[len(goodToken)-1]))), ReasonBadJWS, false},
		{"standard base64", numeric(head + "." + body + "./" + signature[1:]), ReasonBadJWS, false},
		{"a header that is no JSON", cardForgery{header: "x"}.code(t), ReasonBadJWS, false},
		{"a header that is a list", cardForgery{header: "[]"}.code(t), ReasonBadJWS, false},
		{"a BOM before the header", cardForgery{header: "\ufeff" + soundHeader()}.code(t), ReasonBadJWS, false},
		{"something after the header", cardForgery{header: soundHeader() + "{}"}.code(t), ReasonBadJWS, false},
		{"alg twice", cardForgery{header: header(`{"alg":"none","alg":"ES256","zip":"DEF","kid":"KID"}`)}.code(t), ReasonBadJWS, false},
		{"kid twice", cardForgery{header: header(`{"alg":"ES256","zip":"DEF","kid":"x","kid":"KID"}`)}.code(t), ReasonBadJWS, false},
		{"kid twice, once escaped", cardForgery{header: header(`{"alg":"ES256","zip":"DEF","\u006bid":"x","kid":"KID"}`)}.code(t), ReasonBadJWS, false},
		{"no alg", cardForgery{header: header(`{"zip":"DEF","kid":"KID"}`)}.code(t), ReasonBadJWS, false},
		{"ALG", cardForgery{header: header(`{"ALG":"ES256","zip":"DEF","kid":"KID"}`)}.code(t), ReasonBadJWS, false},
		{"alg a list", cardForgery{header: header(`{"alg":["ES256"],"zip":"DEF","kid":"KID"}`)}.code(t), ReasonBadJWS, false},
		{"no kid", cardForgery{header: `{"alg":"ES256","zip":"DEF"}`}.code(t), ReasonBadJWS, false},
		{"no zip", cardForgery{header: header(`{"alg":"ES256","kid":"KID"}`)}.code(t), ReasonBadJWS, false},
		{"another zip", cardForgery{header: header(`{"alg":"ES256","kid":"KID","zip":"GZIP"}`)}.code(t), ReasonBadJWS, false},
		{"crit", cardForgery{header: header(`{"alg":"ES256","zip":"DEF","kid":"KID","crit":["exp"],"exp":1}`)}.code(t), ReasonBadJWS, false},
		{"crit of nothing", cardForgery{header: header(`{"alg":"ES256","zip":"DEF","kid":"KID","crit":[]}`)}.code(t), ReasonBadJWS, false},
		{"b64", cardForgery{header: header(`{"alg":"ES256","zip":"DEF","kid":"KID","b64":false,"crit":["b64"]}`)}.code(t), ReasonBadJWS, false},
		{"a deep header", cardForgery{header: header(`{"alg":"ES256","zip":"DEF","kid":"KID","x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`)}.code(t), ReasonBadJWS, false},

		// The algorithm and the signature.
		{"none", cardForgery{header: header(`{"alg":"none","zip":"DEF","kid":"KID"}`), sign: func([]byte) []byte { return nil }}.code(t), ReasonWrongAlgorithm, true},
		{"None", cardForgery{header: header(`{"alg":"None","zip":"DEF","kid":"KID"}`)}.code(t), ReasonWrongAlgorithm, true},
		{"es256", cardForgery{header: header(`{"alg":"es256","zip":"DEF","kid":"KID"}`)}.code(t), ReasonWrongAlgorithm, true},
		{"ES384", cardForgery{header: header(`{"alg":"ES384","zip":"DEF","kid":"KID"}`)}.code(t), ReasonWrongAlgorithm, true},
		{"HS256 with the public key", cardForgery{header: header(`{"alg":"HS256","zip":"DEF","kid":"KID"}`), sign: hs256(publicPoint)}.code(t), ReasonWrongAlgorithm, true},
		{"ES256 that is HS256", signed(hs256(publicPoint)), ReasonBadSignature, true},
		{"no signature", signed(func([]byte) []byte { return nil }), ReasonBadSignature, true},
		{"all zeros", signed(func([]byte) []byte { return make([]byte, 64) }), ReasonBadSignature, true},
		{"96 bytes", signed(func(b []byte) []byte { return append(signCard(hospitalKey)(b), make([]byte, 32)...) }), ReasonBadSignature, true},
		{"65 bytes", signed(func(b []byte) []byte { return slices.Insert(signCard(hospitalKey)(b), 32, 0) }), ReasonBadSignature, true},
		{"as DER", signed(func(b []byte) []byte {
			digest := sha256.Sum256(b)
			return must(ecdsa.SignASN1(rand.Reader, hospitalKey, digest[:]))
		}), ReasonBadSignature, true},
		{"r and s the wrong way round", signed(func(b []byte) []byte {
			s := signCard(hospitalKey)(b)
			return append(s[32:], s[:32]...)
		}), ReasonBadSignature, true},
		{"signed by another key", signed(signCard(other)), ReasonBadSignature, true},
		{"a payload changed after signing", numeric(head + "." + strictBase64.EncodeToString(deflate(t, []byte(changed(t, "1951", "1961")), true)) + "." + signature), ReasonBadSignature, true},
		{"a header changed after signing", numeric(strictBase64.EncodeToString([]byte(soundHeader()+" ")) + "." + body + "." + signature), ReasonBadSignature, true},

		// Whose key, and for whom.
		{"a test key nobody trusts", issuer(hospital, cardKey(4), cardKeyID(cardKey(4))), ReasonUnknownSigner, true},
		{"an issuer nobody trusts", issuer("https://nobody.example", cardKey(4), cardKeyID(cardKey(4))), ReasonUnknownSigner, true},
		{"another issuer's key", issuer(hospital, other, cardKeyID(other)), ReasonWrongIssuer, true},
		{"an issuer that is not trusted with the key of one that is", issuer("https://nobody.example", hospitalKey, id), ReasonWrongIssuer, true},
		{"a kid collision", issuer(hospital, cardKey(3), id), ReasonBadSignature, true},
		{"a kid collision, the other way", issuer("https://collision.example", hospitalKey, id), ReasonBadSignature, true},
		{"http", issuer("http://hospital.example/cards", hospitalKey, id), ReasonWrongIssuer, true},
		{"http, no trusted key", issuer("http://hospital.example/cards", cardKey(4), cardKeyID(cardKey(4))), ReasonUnknownSigner, true},
		{"a trailing slash", issuer(hospital+"/", hospitalKey, id), ReasonWrongIssuer, true},
		{"capitals", issuer("https://Hospital.example/cards", hospitalKey, id), ReasonWrongIssuer, true},

		// Compression.
		{"a bomb", cardForgery{zipped: deflate(t, make([]byte, 1_300_000), true)}.code(t), ReasonBadZlib, false},
		{"a bomb of spaces after the payload", payload(soundPayload + strings.Repeat(" ", 1_000_000)), ReasonBadZlib, false},
		{"one byte more than allowed", payload(soundPayload + strings.Repeat(" ", 64<<10+1-len(soundPayload))), ReasonBadZlib, false},
		{"zlib for deflate", cardForgery{zipped: deflate(t, []byte(soundPayload), false)}.code(t), ReasonBadZlib, false},
		{"not compressed", cardForgery{zipped: []byte(soundPayload)}.code(t), ReasonBadZlib, false},
		{"cut off", cardForgery{zipped: deflate(t, []byte(soundPayload), true)[:200]}.code(t), ReasonBadZlib, false},
		{"bytes after the end", cardForgery{zipped: append(deflate(t, []byte(soundPayload), true), 0)}.code(t), ReasonBadZlib, false},
		{"no payload", cardForgery{zipped: []byte{}}.code(t), ReasonBadZlib, false},

		// The payload.
		{"no JSON", payload("x"), ReasonMalformed, false},
		{"a list", payload("[]"), ReasonMalformed, false},
		{"null", payload("null"), ReasonMalformed, false},
		{"a BOM", payload("\ufeff" + soundPayload), ReasonMalformed, false},
		{"UTF-16", payload("\xff\xfe{\x00}\x00"), ReasonMalformed, false},
		{"something after the end", payload(soundPayload + "x"), ReasonMalformed, false},
		{"a second payload", payload(soundPayload + soundPayload), ReasonMalformed, false},
		{"zero bytes after the end", payload(soundPayload + "\x00"), ReasonMalformed, false},
		{"broken UTF-8", replaced("Wang", "W\xffng"), ReasonMalformed, false},
		{"iss twice", replaced(`"nbf"`, `"iss":"https://other.example","nbf"`), ReasonMalformed, false},
		{"nbf twice", replaced(`"exp"`, `"nbf":1,"exp"`), ReasonMalformed, false},
		{"exp twice", replaced(`"exp"`, `"exp":9999999999,"exp"`), ReasonMalformed, false},
		{"exp twice, the same", replaced(`"exp"`, `"exp":1826928000,"exp"`), ReasonMalformed, false},
		{"exp twice, once escaped", replaced(`"exp"`, `"e\u0078p":1826928000,"exp"`), ReasonMalformed, false},
		{"vc twice", replaced(`"vc"`, `"vc":{},"vc"`), ReasonMalformed, false},
		{"a claim that does not matter twice", replaced(`"vc"`, `"a":1,"a":1,"vc"`), ReasonMalformed, false},
		{"the subject twice", replaced(`"credentialSubject"`, `"credentialSubject":{},"credentialSubject"`), ReasonMalformed, false},
		{"the bundle twice", replaced(`"fhirBundle"`, `"fhirBundle":{},"fhirBundle"`), ReasonMalformed, false},
		{"the birth date twice", replaced(`"birthDate"`, `"birthDate":"1950-01-01","birthDate"`), ReasonMalformed, false},
		{"no iss", replaced(`"iss":"`+hospital+`",`, ""), ReasonMalformed, false},
		{"no nbf", replaced(`"nbf":1795392000,`, ""), ReasonMalformed, false},
		{"NBF", replaced(`"nbf"`, `"NBF"`), ReasonMalformed, false},
		{"no vc", replaced(`"vc"`, `"cv"`), ReasonMalformed, false},
		{"another type", replaced("#health-card", "#health-link"), ReasonMalformed, false},
		{"type a string", replaced(`["`+shcType+`"]`, `"`+shcType+`"`), ReasonMalformed, false},
		{"no bundle", replaced(`"fhirBundle"`, `"bundle"`), ReasonMalformed, false},
		{"another resource for a bundle", replaced(`"Bundle"`, `"Patient"`), ReasonMalformed, false},
		{"two people", replaced(`{"fullUrl"`, `{"resource":{"resourceType":"Patient"}},{"fullUrl"`), ReasonMalformed, false},
		{"an issuer with a line end", replaced(hospital, hospital+`\n`), ReasonMalformed, false},
		{"an issuer in other letters", replaced(hospital, `https://hоspital.example/cards`), ReasonMalformed, false},
		{"a long issuer", replaced(hospital, hospital+strings.Repeat("a", 256)), ReasonMalformed, false},
		{"an issuer that is none", replaced(`"`+hospital+`"`, `["`+hospital+`"]`), ReasonMalformed, false},
		{"an rid with a dot", replaced("MKyCxh7p6uQ", "MKyCxh7p6uQ.1"), ReasonMalformed, false},
		{"a long rid", replaced("MKyCxh7p6uQ", strings.Repeat("M", 25)), ReasonMalformed, false},
		{"an empty rid", replaced("MKyCxh7p6uQ", ""), ReasonMalformed, false},
		{"half a dose", replaced(`{"fullUrl"`, `{"resource":{"resourceType":"Immunization","protocolApplied":[{"doseNumberPositiveInt":1.5}]}},{"fullUrl"`), ReasonMalformed, false},

		// Much of it.
		{"33 levels", replaced(`"nbf"`, `"x":`+strings.Repeat("[", 32)+strings.Repeat("]", 32)+`,"nbf"`), ReasonMalformed, false},
		{"30,000 levels", payload(strings.Repeat("[", 30000) + strings.Repeat("]", 30000)), ReasonMalformed, false},
		{"levels of the bundle", replaced(`{"fullUrl"`, strings.Repeat(`{"resource":`, 30)+"{}"+strings.Repeat("}", 30)+`,{"fullUrl"`), ReasonMalformed, false},
		{"objects open to the end", payload(strings.Repeat(`{"a":`, 13000)), ReasonMalformed, false},
		{"a string open to the end", payload(`{"iss":"` + strings.Repeat("a", 65000)), ReasonMalformed, false},
		{"nothing but escapes", payload(`{"iss":"` + strings.Repeat(`\u4e2d`, 10000) + `"}`), ReasonMalformed, false},
		{"10,000 claims", payload("{" + strings.Repeat(`"a":1,`, 10000) + `"b":1}`), ReasonMalformed, false},
		{"10,000 types", replaced(`"type":[`, `"type":[`+strings.Repeat(`"",`, 10000)+`0,`), ReasonMalformed, false},
		{"257 statements", replaced(`{"fullUrl"`, strings.Repeat(immunization, 257)+`{"fullUrl"`), ReasonMalformed, false},
		{"many people", replaced(`{"fullUrl"`, strings.Repeat(`{"resource":{"resourceType":"Patient","name":[{"text":"a"}]}},`, 1000)+`{"fullUrl"`), ReasonMalformed, false},
		{"digits", replaced("1795392000", strings.Repeat("1", 60000)), ReasonMalformed, false},
	} {
		var got Certificate
		spent, allocated := costOfCheck(func() { got = trust.check([]byte(c.code), noon) })
		if got.Valid || got.Reason != c.want || got.Kind != KindSHC || got.Signed {
			t.Errorf("%s: got %s, %s, signed %t, want %s", c.name, got.Kind, got.Reason, got.Signed, c.want)
		}
		if states := got.Name == "Xiaoming Wang" && got.Issuer != "" && len(got.Gaps) == 3; states != c.states {
			t.Errorf("%s: states %v, want %v", c.name, states, c.states)
		}
		if spent > most || allocated > 1<<20 {
			t.Errorf("%s: took %s and %d bytes", c.name, spent, allocated)
		}
	}
	if got := trust.check([]byte(good), noon); !got.Valid {
		t.Errorf("the good one: %s", got.Reason)
	}
}

// As much as a card can hold is read within the bounds as well.
func TestALargeSHCIsReadWithinBounds(t *testing.T) {
	most := mostOfCheck()
	trust := trustingHospital(t)
	for name, entries := range map[string]string{
		"statements": strings.Repeat(`{"resource":{"resourceType":"Immunization","status":"completed","occurrenceDateTime":"2021-01-01"}},`, 256),
		"nothing":    strings.Repeat(`{},`, 20000),
		"unknown":    strings.Repeat(`{"resource":{}},`, 4000),
		"refused":    strings.Repeat(`{"resource":{"resourceType":"Observation","code":{"coding":[{"code":"1"}]}}},`, 700),
		"escapes":    `{"resource":{"\u0061":"` + strings.Repeat(`\n`, 30000) + `"}},`,
	} {
		code := []byte(cardForgery{payload: changed(t, `{"fullUrl"`, entries+`{"fullUrl"`)}.code(t))
		var got Certificate
		spent, allocated := costOfCheck(func() { got = trust.check(code, noon) })
		if !got.Valid || spent > most || allocated > 1<<20 {
			t.Errorf("%s: %s, %s and %d bytes", name, got.Reason, spent, allocated)
		}
	}
}

// mostOfCheck is what a check may cost: four times what decoding as much of plain JSON costs here and now.
func mostOfCheck() time.Duration {
	plain := []byte("[" + strings.Repeat(`{"resource":{"a":"b"}},`, 3000) + "{}]")
	spent, _ := costOfCheck(func() {
		var v any
		if err := json.Unmarshal(plain, &v); err != nil {
			panic(err)
		}
	})
	return 4 * spent
}

// costOfCheck is the least time of the processor and memory of several runs: what the machine does besides is not the
// check's fault.
func costOfCheck(check func()) (spent time.Duration, allocated uint64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var t unix.Timespec
		unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
		return time.Duration(t.Nano())
	}
	var before, after runtime.MemStats
	for i := range 8 {
		runtime.ReadMemStats(&before)
		begin := used()
		check()
		d := used() - begin
		runtime.ReadMemStats(&after)
		n := after.TotalAlloc - before.TotalAlloc
		if i == 0 || d < spent {
			spent = d
		}
		if i == 0 || n < allocated {
			allocated = n
		}
		if i > 0 && spent < time.Millisecond {
			break
		}
	}
	return spent, allocated
}

// nextBase64 returns a character that differs from c in its last bit only.
func nextBase64(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

func TestSHCRevocation(t *testing.T) {
	list := func(kid, rids string) string {
		return fmt.Sprintf(`{"issuer":%q,"kid":%q,"method":"rid","ctr":1,"rids":[%s]}`, hospital, kid, rids)
	}
	id, otherID := cardKeyID(hospitalKey), cardKeyID(cardKey(2))
	files := map[string]string{"hospital.json": jwksFile(hospital, hospitalKey, cardKey(2))}
	// The card's nbf is 1795392000.
	for _, c := range []struct {
		name  string
		lists []string
		want  string
	}{
		{"no list", nil, ReasonOK},
		{"an empty one", []string{list(id, "")}, ReasonOK},
		{"its rid", []string{list(id, `"x","MKyCxh7p6uQ"`)}, ReasonRevoked},
		{"another rid", []string{list(id, `"MKyCxh7p6u","mkycxh7p6uq","MKyCxh7p6uQQ"`)}, ReasonOK},
		{"another key's list", []string{list(otherID, `"MKyCxh7p6uQ"`)}, ReasonOK},
		{"before a moment after its nbf", []string{list(id, `"MKyCxh7p6uQ.1795392001"`)}, ReasonRevoked},
		{"before its nbf", []string{list(id, `"MKyCxh7p6uQ.1795392000"`)}, ReasonOK}, // "nbf is before the timestamp": not the moment itself
		{"before a moment before its nbf", []string{list(id, `"MKyCxh7p6uQ.1795391999"`)}, ReasonOK},
		{"a fraction", []string{list(id, `"MKyCxh7p6uQ.1795392000.5"`)}, ReasonRevoked},
		{"the later of two moments", []string{list(id, `"MKyCxh7p6uQ.1795392001","MKyCxh7p6uQ.1795391999"`)}, ReasonRevoked},
		{"a moment and for good", []string{list(id, `"MKyCxh7p6uQ","MKyCxh7p6uQ.1795391999"`)}, ReasonRevoked},
		{"in two lists", []string{list(id, `"MKyCxh7p6uQ.1795391999"`), list(id, `"MKyCxh7p6uQ"`)}, ReasonRevoked},
	} {
		for i, l := range c.lists {
			files[fmt.Sprintf("crl/%d.json", i)] = l
		}
		trust := trustingCards(t, files)
		for _, at := range []time.Time{noon, start.Add(-1), end} {
			got := trust.check([]byte(cardForgery{}.code(t)), at)
			if c.want == ReasonOK && at != noon {
				continue
			}
			if got.Reason != c.want || got.Valid != (c.want == ReasonOK) || !got.Signed {
				t.Errorf("%s at %s: got %s, want %s", c.name, at, got.Reason, c.want)
			}
		}
		if got := trust.check([]byte(cardForgery{payload: changed(t, `,"rid":"MKyCxh7p6uQ"`, "")}.code(t)), noon); !got.Valid {
			t.Errorf("%s: a card without an rid is %s", c.name, got.Reason)
		}
		for name := range files {
			if strings.HasPrefix(name, "crl/") {
				delete(files, name)
			}
		}
	}
}

func TestSHCTrustForms(t *testing.T) {
	code := []byte(cardForgery{}.code(t))
	jwks := jwksFile(hospital, hospitalKey)
	var set struct{ Keys json.RawMessage }
	if err := json.Unmarshal([]byte(jwks), &set); err != nil {
		t.Fatal(err)
	}
	snapshot := func(issuer, keys, more string) string {
		return `{"directory":"x","time":"2026-08-22T04:43:50Z","issuerInfo":[{"issuer":{"iss":"https://empty.example"},"keys":[]},` +
			`{"issuer":{"iss":"` + issuer + `","name":"H"},"keys":` + keys + more + `}]}`
	}
	keys := string(set.Keys)
	id := cardKeyID(hospitalKey)
	withFirst := func(first string) string { return "[" + first + "," + keys[1:] }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // a reason, or a part of the error
	}{
		{"a JWK set", map[string]string{"a.json": jwks}, ReasonOK},
		{"a JWK set and files of others", map[string]string{"a.json": jwks, "README.md": "x", "b.json.bak": "x"}, ReasonOK},
		{"twice", map[string]string{"a.json": jwks, "b.json": jwks}, ReasonOK},
		{"two keys with one kid", map[string]string{"a.json": strings.ReplaceAll(jwksFile(hospital, cardKey(2)), cardKeyID(cardKey(2)), id), "b.json": jwks}, ReasonOK},
		{"keys of other kinds beside it", map[string]string{"a.json": `{"issuer":"` + hospital + `","keys":` +
			withFirst(`{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-384","kid":"e","x":"","y":""},{"kty":"EC","crv":"P-256","use":"enc","kid":"x"},{"kty":"EC","crv":"P-256","alg":"ES512"},{}`) + `}`}, ReasonOK},
		{"no use, no alg", map[string]string{"a.json": strings.NewReplacer(`"use": "sig",`, "", `"alg": "ES256",`, "").Replace(jwks)}, ReasonOK},
		{"a snapshot", map[string]string{"vci.json": snapshot(hospital, keys, "")}, ReasonOK},
		{"a snapshot with faults", map[string]string{"vci.json": snapshot(hospital, withFirst(`7,{"kty":"EC","crv":"P-256","kid":"k","x":"AA","y":"AA"}`), `,"crls":[7,{"kid":"`+id+`","method":"x","rids":["MKyCxh7p6uQ"]}]`)}, ReasonOK},
		{"a snapshot with a list", map[string]string{"vci.json": snapshot(hospital, keys, `,"crls":[{"kid":"`+id+`","method":"rid","ctr":"1","rids":["?","x.y","MKyCxh7p6uQ"]}]`)}, ReasonRevoked},
		{"a snapshot of others", map[string]string{"vci.json": snapshot("https://other.example", keys, "")}, ReasonWrongIssuer},
		{"no files", map[string]string{"x": ""}, ReasonUnknownSigner},

		{"no issuer", map[string]string{"a.json": `{"keys":` + keys + `}`}, "a.json: issuer"},
		{"an http issuer", map[string]string{"a.json": strings.Replace(jwks, "https:", "http:", 1)}, "a.json: issuer"},
		{"a slash at its end", map[string]string{"a.json": strings.Replace(jwks, hospital, hospital+"/", 1)}, "a.json: issuer"},
		{"a long issuer", map[string]string{"a.json": strings.Replace(jwks, hospital, hospital+strings.Repeat("a", 256), 1)}, "a.json: issuer"},
		{"no host", map[string]string{"a.json": strings.Replace(jwks, hospital, "https:hospital", 1)}, "a.json: issuer"},
		{"a snapshot without a sound issuer", map[string]string{"vci.json": snapshot(hospital+"/", keys, "")}, "vci.json: holds no"},
		{"no JSON", map[string]string{"a.json": "x"}, "a.json: invalid character"},
		{"an empty file", map[string]string{"a.json": ""}, "a.json: unexpected end"},
		{"something else", map[string]string{"a.json": "{}"}, "a.json: want {"},
		{"both forms", map[string]string{"a.json": `{"issuer":"` + hospital + `","keys":` + keys + `,"issuerInfo":[]}`}, "a.json: want {"},
		{"no keys", map[string]string{"a.json": `{"issuer":"` + hospital + `","keys":[]}`}, "a.json: holds no"},
		{"other keys only", map[string]string{"a.json": `{"issuer":"` + hospital + `","keys":[{"kty":"OKP"}]}`}, "a.json: holds no"},
		{"a key not on the curve", map[string]string{"a.json": `{"issuer":"` + hospital + `","keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AA","y":"AQ"}]}`}, "a.json: key 1: k: x and y are no point"},
		{"a key too long", map[string]string{"a.json": `{"issuer":"` + hospital + `","keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"` + strings.Repeat("A", 44) + `","y":"AQ"}]}`}, "a.json: key 1: k: x and y are no coordinates"},
		{"a key in standard base64", map[string]string{"a.json": `{"issuer":"` + hospital + `","keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AA==","y":"AQ"}]}`}, "a.json: key 1: k: x and y are no coordinates"},
		{"a key without kid", map[string]string{"a.json": strings.Replace(jwks, `"kid"`, `"id"`, 1)}, "a.json: key 1: has no kid"},
		{"a private key", map[string]string{"a.json": strings.Replace(jwks, `"kid"`, `"d":"AQ","kid"`, 1)}, "is a private key"},

		{"a list of no trusted key", map[string]string{"a.json": jwks, "crl/b.json": `{"issuer":"` + hospital + `","kid":"x","method":"rid","rids":[]}`}, "b.json: issuer"},
		{"a list without issuer", map[string]string{"a.json": jwks, "crl/b.json": `{"kid":"` + id + `","method":"rid","rids":[]}`}, "b.json: issuer"},
		{"a list by another method", map[string]string{"a.json": jwks, "crl/b.json": `{"issuer":"` + hospital + `","kid":"` + id + `","method":"rid2","rids":[]}`}, "b.json: method"},
		{"a faulty rid", map[string]string{"a.json": jwks, "crl/b.json": `{"issuer":"` + hospital + `","kid":"` + id + `","method":"rid","rids":["a","b c"]}`}, "b.json: rids[1]"},
		{"a faulty timestamp", map[string]string{"a.json": jwks, "crl/b.json": `{"issuer":"` + hospital + `","kid":"` + id + `","method":"rid","rids":["a.x"]}`}, "b.json: rids[0]"},
		{"a list that is none", map[string]string{"a.json": jwks, "crl/b.json": "[]"}, "b.json: json"},
	} {
		trust, err := loadCards(t, c.files)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = trust.check(code, noon).Reason
		}
		if err != nil && !strings.Contains(got, c.want) || err == nil && got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A coordinate whose first byte is zero, written without it as two issuers of the VCI
// directory do.
func TestSHCKeyWithoutLeadingZero(t *testing.T) {
	for n := range uint16(10_000) { // one in 256 has it
		key := must(ecdsa.ParseRawPrivateKey(elliptic.P256(), binary.BigEndian.AppendUint16(make([]byte, 30), n+1)))
		x := must(key.PublicKey.Bytes())[1:33]
		if x[0] != 0 {
			continue
		}
		file := jwksFile(hospital, key)
		short := strings.Replace(file, strictBase64.EncodeToString(x), strictBase64.EncodeToString(x[1:]), 1)
		if short == file {
			t.Fatal("the coordinate was not found in the file")
		}
		text := issueCard(t, key, hospitalCard())
		if got := trustingCards(t, map[string]string{"a.json": short}).check([]byte(text), noon); !got.Valid {
			t.Errorf("got %s", got.Reason)
		}
		return
	}
	t.Fatal("no key has such a coordinate")
}

// go-jose, whose reading of a JWS this package does not use, agrees on what is genuine, but
// for texts that nobody issued.
func TestSHCIsWhatGoJoseTakes(t *testing.T) {
	text := issueCard(t, hospitalKey, hospitalCard())
	token, ok := fromNumeric(text[len(shcPrefix):])
	if !ok {
		t.Fatal("not numeric")
	}
	for name, c := range map[string]struct {
		token         string
		good, lenient bool
	}{
		"issued":             {string(token), true, true},
		"sound":              {cardForgery{}.token(t), true, true},
		"stray bits":         {string(token[:len(token)-1]) + string(nextBase64(token[len(token)-1])), false, true},
		"another key's":      {cardForgery{sign: signCard(cardKey(2))}.token(t), false, false},
		"too long signature": {cardForgery{sign: func(b []byte) []byte { return append(signCard(hospitalKey)(b), 0) }}.token(t), false, false},
		"crit":               {cardForgery{header: strings.Replace(soundHeader(), "{", `{"crit":["x"],"x":1,`, 1)}.token(t), false, false},
		"alg twice":          {cardForgery{header: strings.Replace(soundHeader(), "{", `{"alg":"ES256",`, 1)}.token(t), false, false},
	} {
		theirs := false
		if j, err := jose.ParseSignedCompact(c.token, []jose.SignatureAlgorithm{jose.ES256}); err == nil {
			_, err := j.Verify(&hospitalKey.PublicKey)
			theirs = err == nil
		}
		ours := trustingHospital(t).check([]byte(shcPrefix+issuer.Numeric(c.token)), noon).Valid
		if ours != c.good || theirs != c.lenient {
			t.Errorf("%s: ours %v, theirs %v, want %v, %v", name, ours, theirs, c.good, c.lenient)
		}
	}
}

// FuzzSHC: whatever is read, nothing is valid but what was issued, and what is stated
// can be shown. The text is fuzzed as it is, and then as a JWS and as its payload.
func FuzzSHC(f *testing.F) {
	trust := trustingHospital(f)
	var issued []Certificate // not their texts: each process of the fuzzer signs its own
	for _, text := range []string{issueCard(f, hospitalKey, hospitalCard()), cardForgery{}.code(f)} {
		issued = append(issued, trust.check([]byte(text), noon))
		token, _ := fromNumeric(text[len(shcPrefix):])
		f.Add([]byte(text[len(shcPrefix):]))
		f.Add(token)
		zipped := must(strictBase64.DecodeString(strings.Split(string(token), ".")[1]))
		f.Add(must(inflate(zipped, true, shcInflated)))
	}
	f.Add([]byte(soundPayload))
	f.Add([]byte("1/3/5676"))
	header := strictBase64.EncodeToString([]byte(soundHeader()))
	f.Fuzz(func(t *testing.T, data []byte) {
		codes := []string{shcPrefix + string(data)}
		if bytes.IndexFunc(data, func(r rune) bool { return r < '-' || r > 'z' }) < 0 {
			codes = append(codes, shcPrefix+issuer.Numeric(string(data)))
		}
		if len(data) < 1<<16 {
			codes = append(codes, shcPrefix+issuer.Numeric(header+"."+strictBase64.EncodeToString(deflate(t, data, true))+"."))
		}
		for _, code := range codes {
			c := trust.check([]byte(code), noon)
			if c.Kind != KindSHC || c.Reason == "" || c.Valid != (c.Reason == ReasonOK) {
				t.Fatalf("%q: %+v", code, c)
			}
			if c.Valid && !slices.ContainsFunc(issued, func(i Certificate) bool { return reflect.DeepEqual(i, c) }) {
				t.Fatalf("%q was not issued, and is valid", code)
			}
			if c.Name != "" && !validText(c.Name) || c.Issuer != "" && !plainURL(c.Issuer) || c.BirthDate != "" && fhirDate(c.BirthDate) != c.BirthDate {
				t.Fatalf("%q states %q, %q, %q", code, c.Name, c.Issuer, c.BirthDate)
			}
			for _, h := range c.Health {
				if h.Product != "" && !validText(h.Product) || h.Disease != "" && !validText(h.Disease) || h.Date != "" && fhirDate(h.Date) != h.Date {
					t.Fatalf("%q states %+v", code, h)
				}
			}
			if _, err := json.Marshal(c); err != nil {
				t.Fatalf("%q: %v", code, err)
			}
		}
	})
}
