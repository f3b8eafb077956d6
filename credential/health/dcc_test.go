package health

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/adler32"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"gated/credential/base45"
	"gated/credential/keyfile"
	"gated/demo/issuer"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/veraison/go-cose"
)

// dccSigner is a key with its certificate.
type dccSigner struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newDCCSigner(t testing.TB, key crypto.Signer, country string, kinds ...string) dccSigner {
	t.Helper()
	cert, err := issuer.SignerCertificate(key, country, start, end, kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return dccSigner{key, cert}
}

func newECKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var newRSAKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

func (s dccSigner) keyID() []byte {
	sum := sha256.Sum256(s.cert.Raw)
	return sum[:8]
}

func (s dccSigner) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: s.cert.Raw})
}

// trustingFiles loads a trust directory that holds these files in dcc/.
func trustingFiles(t testing.TB, files map[string][]byte) (*Trust, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dcc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, "dcc", name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return LoadTrust(dir)
}

func trustingSigners(t testing.TB, signers ...dccSigner) *Trust {
	t.Helper()
	files := map[string][]byte{}
	for i, s := range signers {
		files[fmt.Sprintf("%d.pem", i)] = s.pem()
	}
	trust, err := trustingFiles(t, files)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func vaccinated() issuer.DCC {
	return issuer.DCC{
		Given: "Gabriele", Family: "Musterfrau-Gößinger", BirthDate: "1998-02-26",
		ID: "URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813#B", Issued: start, Expires: noon.AddDate(0, 6, 0),
		Statement: issuer.Statement{Kind: Vaccination, Disease: "840539006", Product: "EU/1/20/1528", Dose: 1, Doses: 2, Date: "2021-02-18"},
	}
}

func issueDCC(t testing.TB, s dccSigner, d issuer.DCC) string {
	t.Helper()
	text, err := d.Sign(s.key, s.cert)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// dccForgery is any message at all. What is nil or empty is left as a good one has it.
type dccForgery struct {
	protected, unprotected any // maps, or bytes as they stand
	payload                any // claims, or bytes as they stand
	signature              []byte
	wrap                   func([]byte) []byte // around the array of four
}

// forge signs f as s. A message that says nothing of it has the algorithm and
// the key identifier where they belong.
func (s dccSigner) forge(t testing.TB, f dccForgery) string {
	t.Helper()
	encoded := func(v any) []byte {
		if b, ok := v.([]byte); ok {
			return b
		}
		return encode(t, v)
	}
	own := newSigner(s.cert)
	if f.protected == nil {
		f.protected = fields{1: own.algorithm, 4: s.keyID()}
	}
	if f.unprotected == nil {
		f.unprotected = fields{}
	}
	if f.payload == nil {
		f.payload = dccWith(nil)
	}
	protected, payload := encoded(f.protected), encoded(f.payload)
	if f.signature == nil {
		signer, err := cose.NewSigner(cose.Algorithm(own.algorithm), s.key)
		if err != nil {
			t.Fatal(err)
		}
		if f.signature, err = signer.Sign(rand.Reader, encode(t, []any{"Signature1", protected, []byte{}, payload})); err != nil {
			t.Fatal(err)
		}
	}
	message := encode(t, []any{protected, cbor.RawMessage(encoded(f.unprotected)), payload, f.signature})
	if f.wrap == nil {
		f.wrap = func(b []byte) []byte { return append([]byte{0xd2}, b...) }
	}
	return issuer.PackDCC(f.wrap(message))
}

// dccWith returns the claims of a good certificate, changed.
func dccWith(change fields) fields {
	return merged(fields{
		1: "AT", 4: noon.AddDate(0, 6, 0).Unix(), 6: start.Unix(),
		-260: fields{1: dccContent(nil)},
	}, change)
}

// dccContent returns the content of a good certificate, changed.
func dccContent(change fields) fields {
	return merged(fields{
		"ver": "1.3.0", "dob": "1998-02-26", "nam": fields{"gn": "Gabriele", "fn": "Musterfrau"},
		"t": []any{dccTest(nil)},
	}, change)
}

func dccTest(change fields) fields {
	return merged(fields{
		"ci": "URN:UVCI:01:AT:1", "co": "AT", "is": "Ministry", "tc": "Centre", "tg": "840539006",
		"tt": "LP6464-4", "tr": "260415000", "sc": "2026-11-22T10:00:00Z",
	}, change)
}

func merged(f, change fields) fields {
	for label, v := range change {
		if v == nil {
			delete(f, label)
		} else {
			f[label] = v
		}
	}
	return f
}

func TestDCC(t *testing.T) {
	test := vaccinated()
	test.Statement = issuer.Statement{Kind: Test, Disease: "840539006", Product: "LP6464-4", Result: "negative", Sampled: start.Add(time.Hour)}
	recovered := vaccinated()
	recovered.Statement = issuer.Statement{Kind: Recovery, Disease: "840539006", Date: "2026-10-01", From: "2026-10-15", Until: "2027-04-01"}
	for _, key := range []crypto.Signer{newECKey(t, elliptic.P256()), newRSAKey(), seeded(9)} {
		for _, d := range []issuer.DCC{vaccinated(), test, recovered} {
			s := newDCCSigner(t, key, "AT", d.Statement.Kind)
			want := Certificate{
				Kind: KindDCC, Valid: true, Reason: ReasonOK, Signed: true, Issuer: "AT", Serial: d.ID,
				NotBefore: d.Issued, NotAfter: d.Expires, Name: "Gabriele Musterfrau-Gößinger", BirthDate: d.BirthDate,
				Health: []Statement{Statement(d.Statement)}, Gaps: []string{GapHolder, GapResidence, GapHealth},
			}
			code := issueDCC(t, s, d)
			if len(code) > CodeLimit {
				t.Errorf("%T: %d characters", key, len(code))
			}
			got := trustingSigners(t, s).check([]byte(code), noon)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%T, %s: (-want +got)\n%s", key, d.Statement.Kind, diff)
			}
			// Of a stranger it is only stated.
			want.Valid, want.Reason, want.Signed = false, ReasonUnknownSigner, false
			if diff := cmp.Diff(want, (&Trust{}).check([]byte(code), noon)); diff != "" {
				t.Errorf("%T, %s, not trusted: (-want +got)\n%s", key, d.Statement.Kind, diff)
			}
		}
	}
}

func TestDCCTime(t *testing.T) {
	s := newDCCSigner(t, newECKey(t, elliptic.P256()), "AT")
	trust := trustingSigners(t, s)
	d := vaccinated()
	outlives := vaccinated()
	outlives.Expires = end.AddDate(1, 0, 0)
	backdated := vaccinated()
	backdated.Issued = start.AddDate(-1, 0, 0)
	later := vaccinated()
	later.Issued = noon
	for _, tt := range []struct {
		name string
		d    issuer.DCC
		at   time.Time
		want string
	}{
		{"first second", d, start, ReasonOK},
		{"before", d, start.Add(-1), ReasonNotYetValid},
		{"last second", d, d.Expires, ReasonOK},
		{"after", d, d.Expires.Add(1), ReasonExpired},
		{"signer's last second", outlives, end, ReasonOK},
		{"outlives its signer", outlives, end.Add(1), ReasonExpired},
		{"older than its signer", backdated, start.Add(-1), ReasonOK}, // the EU's apps look at the end only
		{"issued later", later, noon.Add(-1), ReasonNotYetValid},
	} {
		got := trust.check([]byte(issueDCC(t, s, tt.d)), tt.at)
		if got.Reason != tt.want || got.Valid != (tt.want == ReasonOK) || !got.Signed {
			t.Errorf("%s: got %s, signed %t, want %s", tt.name, got.Reason, got.Signed, tt.want)
		}
	}
	notBefore := s.forge(t, dccForgery{payload: dccWith(fields{5: noon.Unix()})})
	for at, want := range map[time.Time]string{noon.Add(-1): ReasonNotYetValid, noon: ReasonOK} {
		if got := trust.check([]byte(notBefore), at); got.Reason != want || !got.NotBefore.Equal(noon) {
			t.Errorf("nbf later than iat, at %s: got %s from %s, want %s", at, got.Reason, got.NotBefore, want)
		}
	}
}

func TestDCCUsageAndIssuer(t *testing.T) {
	test := fields{-260: fields{1: dccContent(nil)}}
	both := fields{-260: fields{1: dccContent(fields{"v": []any{fields{"ci": "1"}}})}}
	for _, tt := range []struct {
		name, country string
		kinds         []string
		claims        fields
		want, issuer  string
	}{
		{"for all", "AT", nil, test, ReasonOK, "AT"},
		{"for tests", "AT", []string{Test}, test, ReasonOK, "AT"},
		{"for vaccinations", "AT", []string{Vaccination}, test, ReasonWrongUsage, "AT"},
		{"for two", "AT", []string{Recovery, Test}, test, ReasonOK, "AT"},
		{"for one of two", "AT", []string{Test}, both, ReasonWrongUsage, "AT"},
		{"for both", "AT", []string{Test, Vaccination}, both, ReasonOK, "AT"},
		{"another country", "DE", nil, test, ReasonWrongIssuer, "AT"},
		{"another country and usage", "DE", []string{Recovery}, test, ReasonWrongIssuer, "AT"},
		{"lower case", "AT", nil, fields{1: "at"}, ReasonOK, "AT"},
		{"lower case of another", "DE", nil, fields{1: "at"}, ReasonWrongIssuer, "AT"},
		{"no issuer", "AT", nil, fields{1: nil}, ReasonOK, "AT"},
		{"a ministry", "GE", nil, fields{1: "Ministry of Health"}, ReasonOK, "GE"},
		{"a number", "AT", nil, fields{1: 7}, ReasonOK, "AT"},
		{"Greece as the EU calls it", "GR", nil, fields{1: "EL"}, ReasonOK, "GR"},
		{"Britain as it calls itself", "UK", nil, fields{1: "GB"}, ReasonOK, "GB"},
		{"a certificate of no country", "", nil, test, ReasonOK, "AT"},
	} {
		s := newDCCSigner(t, newECKey(t, elliptic.P256()), tt.country, tt.kinds...)
		got := trustingSigners(t, s).check([]byte(s.forge(t, dccForgery{payload: dccWith(tt.claims)})), noon)
		if got.Reason != tt.want || got.Issuer != tt.issuer || got.Signed != (tt.want == ReasonOK) {
			t.Errorf("%s: got %s, signed %t, issuer %q, want %s, %q", tt.name, got.Reason, got.Signed, got.Issuer, tt.want, tt.issuer)
		}
	}
}

// What real issuers have done, or may do by the standards.
func TestDCCTolerates(t *testing.T) {
	s := newDCCSigner(t, newECKey(t, elliptic.P256()), "AT")
	other := newDCCSigner(t, newECKey(t, elliptic.P256()), "AT")
	trust := trustingSigners(t, other, s)
	tag := func(n uint64, v any) cbor.Tag { return cbor.Tag{Number: n, Content: v} }
	// {_ "nam": {_ "gn": (_ "Gab" "riele")}, "v": [_ {_ "ci": "1"}]}
	open := []byte("\xbf\x63nam\xbf\x62gn\x7f\x63Gab\x65riele\xff\xff\x61v\x9f\xbf\x62ci\x611\xff\xff\xff")
	openClaims := append([]byte("\xbf\x01\x62AT\x04\xfb"), binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(end.Unix())))...)
	openClaims = append(append(openClaims, "\x39\x01\x03\xbf\x01"...), append(open, 0xff, 0xff)...)
	prefix := func(b ...byte) func([]byte) []byte {
		return func(m []byte) []byte { return append(b, m...) }
	}
	for _, tt := range []struct {
		name string
		f    dccForgery
	}{
		{"nothing odd", dccForgery{}},
		{"no tag", dccForgery{wrap: prefix()}},
		{"CWT tag and COSE tag", dccForgery{wrap: prefix(0xd8, 61, 0xd2)}},
		{"CWT tag alone", dccForgery{wrap: prefix(0xd8, 61)}},
		{"key identifier unprotected", dccForgery{protected: fields{1: -7}, unprotected: fields{4: s.keyID()}}},
		{"key identifier in both, wrong in the unprotected", dccForgery{unprotected: fields{4: []byte("foo")}}},
		{"no key identifier", dccForgery{protected: fields{1: -7}}},
		{"an empty key identifier", dccForgery{protected: fields{1: -7, 4: []byte{}}}},
		{"no algorithm", dccForgery{protected: fields{4: s.keyID()}}},
		{"algorithm unprotected", dccForgery{protected: fields{4: s.keyID()}, unprotected: fields{1: -7}}},
		{"algorithm in both", dccForgery{unprotected: fields{1: -7}}},
		{"all unprotected", dccForgery{protected: []byte{}, unprotected: fields{1: -7, 4: s.keyID()}}},
		{"an empty protected map", dccForgery{protected: []byte{0xa0}, unprotected: fields{4: s.keyID()}}},
		{"content type", dccForgery{protected: fields{1: -7, 3: 61, 4: s.keyID()}}},
		{"critical and understood", dccForgery{protected: fields{1: -7, 2: []any{1}, 4: s.keyID()}}},
		{"headers of others", dccForgery{protected: fields{1: -7, 4: s.keyID(), "x": 1}, unprotected: fields{33: []byte{1}}}},
		{"lengths left open", dccForgery{payload: openClaims}},
		{"protected header in pieces", dccForgery{wrap: func(m []byte) []byte {
			// The byte string of 12 bytes at m[1] becomes two chunks of 6.
			return append([]byte("\x84\x5f\x47"), append(append(append(bytes.Clone(m[2:9]), 0x40|byte(m[1]-0x40-7)), m[9:2+m[1]-0x40]...), append([]byte{0xff}, m[2+m[1]-0x40:]...)...)...)
		}}},
		{"floating-point dates", dccForgery{payload: dccWith(fields{4: float64(end.Unix()) + .5, 6: float64(start.Unix())})}},
		{"tagged dates", dccForgery{payload: dccWith(fields{4: tag(1, end.Unix()), 6: tag(0, "2026-11-23T00:00:00Z")})}},
		{"no time of issue", dccForgery{payload: dccWith(fields{6: nil})}},
		{"extra claims", dccForgery{payload: dccWith(fields{7: []byte{1}, "x": []any{1, 2}, -261: fields{}})}},
		{"extra content", dccForgery{payload: dccWith(fields{-260: fields{1: dccContent(fields{"x": fields{"y": []any{nil}}}), 2: "?"}})}},
		{"no version", dccForgery{payload: dccWith(fields{-260: fields{1: dccContent(fields{"ver": nil})}})}},
		{"null lists", dccForgery{payload: dccWith(fields{-260: fields{1: dccContent(fields{"v": cbor.RawMessage{0xf6}, "r": []any{}})}})}},
		{"numbers as text and text as numbers", dccForgery{payload: dccWith(fields{-260: fields{1: dccContent(fields{
			"dob": 1998, "t": nil, "v": []any{fields{"dn": "1", "sd": 2.0, "tg": 840539006}}})}})}},
		{"text in Latin-1", dccForgery{payload: dccWith(fields{-260: fields{1: dccContent(fields{"nam": fields{
			"gn": cbor.RawMessage("\x63Ren"), "fn": cbor.RawMessage("\x64Ren\xe9")}})}})}},
		{"a key identifier of 300 bytes that is not used", dccForgery{unprotected: fields{4: make([]byte, 300)}}},
	} {
		if got := trust.check([]byte(s.forge(t, tt.f)), noon); !got.Valid || got.Issuer != "AT" || len(got.Health) != 1 {
			t.Errorf("%s: got %s, %+v", tt.name, got.Reason, got)
		}
	}
}

func TestDCCText(t *testing.T) {
	s := newDCCSigner(t, newECKey(t, elliptic.P256()), "AT")
	trust := trustingSigners(t, s)
	for _, tt := range []struct {
		name fields
		want string
	}{
		{fields{"gn": "Céline", "fn": "Rochat"}, "Céline Rochat"},
		{fields{"gn": "Ce\u0301line", "fn": "Rochat"}, "Céline Rochat"}, // composed
		{fields{"gnt": "PETER<PAUL<MARIA", "fnt": "DI<CAPRIO"}, "PETER PAUL MARIA DI CAPRIO"},
		{fields{"gn": "", "gnt": "PETER", "fn": "Ebraert", "fnt": "EBRAERT"}, "PETER Ebraert"},
		{fields{"fn": "Sukarno"}, "Sukarno"},
		{fields{"gn": "  A\t \nB ", "fn": " C  D"}, "A B C D"},
		{fields{"gn": "A\u202eB\u200b\u0000C", "fn": "\x1b[31mD\x7f"}, "ABC [31mD"},
		{fields{"gn": strings.Repeat("ß", 200), "fn": strings.Repeat("x", 200)}, strings.Repeat("ß", 80) + " " + strings.Repeat("x", 80)},
		{fields{"gn": []any{"A"}, "fn": fields{}}, ""},
		{fields{}, ""},
	} {
		code := s.forge(t, dccForgery{payload: dccWith(fields{-260: fields{1: dccContent(fields{"nam": tt.name})}})})
		if got := trust.check([]byte(code), noon); !got.Valid || got.Name != tt.want {
			t.Errorf("%q: got %s, %q, want %q", tt.name, got.Reason, got.Name, tt.want)
		}
	}
	for in, want := range map[string]string{
		"1998-02-26": "1998-02-26", "1998-02": "1998-02", "1998": "1998", "": "", " 1998 ": "1998",
		"1998-02-26T00:00:00Z": "1998-02-26", "1998-02-26 00:00": "1998-02-26",
		"1998-02-30": "", "26.02.1998": "", "1998-02-26<script>": "", "98": "",
	} {
		code := s.forge(t, dccForgery{payload: dccWith(fields{-260: fields{1: dccContent(fields{"dob": in})}})})
		if got := trust.check([]byte(code), noon); !got.Valid || got.BirthDate != want {
			t.Errorf("dob %q: got %s, %q, want %q", in, got.Reason, got.BirthDate, want)
		}
	}
	sampled := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		in   any
		want time.Time
	}{
		{"2026-11-22T10:00:00Z", sampled},
		{"2026-11-22T18:00:00+08:00", sampled},
		{"2026-11-22T18:00:00+0800", sampled},
		{"2026-11-22T11:00:00+01", sampled},
		{"2026-11-22T10:00:00.500Z", sampled.Add(500 * time.Millisecond)},
		{"2026-11-22T10:00Z", sampled},
		{"2026-11-22T10:00:00", sampled.Add(-14 * time.Hour)}, // of no zone: the earliest that it can be
		{"2026-11-22 10:00:00", sampled.Add(-14 * time.Hour)},
		{"2026-11-22", sampled.Add(-24 * time.Hour)},
		{sampled.Unix(), sampled},
		{cbor.Tag{Number: 0, Content: "2026-11-22T10:00:00Z"}, sampled},
		{cbor.Tag{Number: 1, Content: sampled.Unix()}, sampled},
		{"yesterday", time.Time{}},
		{"", time.Time{}},
		{math.NaN(), time.Time{}},
		{-1, time.Time{}},
		{[]any{1}, time.Time{}},
	} {
		code := s.forge(t, dccForgery{payload: dccWith(fields{-260: fields{1: dccContent(fields{"t": []any{dccTest(fields{"sc": tt.in})}})}})})
		if got := trust.check([]byte(code), noon); !got.Valid || !got.Health[0].Sampled.Equal(tt.want) {
			t.Errorf("sc %v: got %s, %s, want %s", tt.in, got.Reason, got.Health[0].Sampled, tt.want)
		}
	}
}

// The attack list. Each is refused for its reason, within 5 ms and 1 MiB.
func TestDCCRefuses(t *testing.T) {
	s := newDCCSigner(t, newECKey(t, elliptic.P256()), "AT")
	rsaSigner := newDCCSigner(t, newRSAKey(), "AT")
	edSigner := newDCCSigner(t, seeded(9), "AT")
	stranger := newDCCSigner(t, newECKey(t, elliptic.P256()), "AT")
	german := newDCCSigner(t, newECKey(t, elliptic.P256()), "DE")
	p384 := newDCCSigner(t, newECKey(t, elliptic.P384()), "AT")
	trusted := []dccSigner{s, rsaSigner, edSigner, german, p384}
	for range 40 {
		trusted = append(trusted, newDCCSigner(t, newECKey(t, elliptic.P256()), "XX"))
	}
	trust := trustingSigners(t, trusted...)

	good := issueDCC(t, s, vaccinated())
	data, err := base45.Decode(good[4:])
	if err != nil {
		t.Fatal(err)
	}
	message, err := inflate(data, false, dccLimit)
	if err != nil {
		t.Fatal(err)
	}
	repack := func(b []byte) string { return dccPrefix + base45.Encode(b) }
	flipped := func(i int) string {
		b := bytes.Clone(message)
		b[(i+len(b))%len(b)] ^= 1
		return issuer.PackDCC(b)
	}
	claims := func(change fields) string { return s.forge(t, dccForgery{payload: dccWith(change)}) }
	content := func(change fields) string { return claims(fields{-260: fields{1: dccContent(change)}}) }
	signed := func(b []byte) string { return s.forge(t, dccForgery{signature: b}) }
	deep := func(n int, b byte) []byte { return append(bytes.Repeat([]byte{b}, n), 0) }
	duplicate := func(key byte, first, second uint32) []byte {
		b := bytes.Clone(encode(t, dccWith(fields{int(key): nil})))
		b[0] += 2
		b = append(binary.BigEndian.AppendUint32(append(b, key, 0x1a), first), key, 0x1a)
		return binary.BigEndian.AppendUint32(b, second)
	}

	// What is refused takes no longer than what may honestly have to be tried, whatever this machine is and does besides.
	key, hash := newECKey(t, elliptic.P256()), make([]byte, 32)
	signature, err := key.Sign(rand.Reader, hash, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	floor, _ := measure(0, func() {
		for range signerLimit {
			ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), hash, signature)
		}
	})

	for _, tt := range []struct {
		name, code, want string
	}{
		{"empty", "HC1:", ReasonBadZlib},
		{"version 2", "HC2:" + good[4:], ReasonBadPrefix},
		{"version 10", "HC10:" + good[4:], ReasonBadPrefix},
		{"too long", good + strings.Repeat("0", CodeLimit+1-len(good)), ReasonTooLong},
		{"a million characters", "HC1:" + strings.Repeat("0", 1_000_000), ReasonTooLong},
		{"a million characters of version 2", "HC2:" + strings.Repeat("0", 1_000_000), ReasonTooLong},
		{"lower case", "HC1:" + strings.ToLower(good[4:]), ReasonBadBase45},
		{"base45 alone at the end", good + pad(good), ReasonBadBase45},
		{"a tab", good[:50] + "\t" + good[51:], ReasonBadBase45},
		{"a line end within", good[:50] + "\n" + good[50:], ReasonBadBase45},
		{"not compressed", repack(message), ReasonBadZlib},
		{"cut off", repack(data[:len(data)-1]), ReasonBadZlib},
		{"trailing byte", repack(append(bytes.Clone(data), 0)), ReasonBadZlib},
		{"two streams", repack(append(bytes.Clone(data), data...)), ReasonBadZlib},
		{"wrong checksum", repack(append(bytes.Clone(data[:len(data)-1]), ^data[len(data)-1])), ReasonBadZlib},
		{"zlib bomb of 2.9 MB", repack(deflate(t, make([]byte, 2_900_000), false)), ReasonTooLong},
		{"zlib bomb of 2.6 MB", repack(deflate(t, make([]byte, 2_600_000), false)), ReasonBadZlib},
		{"zlib of one byte too many", repack(deflate(t, make([]byte, dccLimit+1), false)), ReasonBadZlib},
		{"zlib of nothing", repack(deflate(t, nil, false)), ReasonBadCBOR},
		{"16 KiB of zeros", issuer.PackDCC(make([]byte, dccLimit)), ReasonBadCBOR},
		{"trailing byte in CBOR", issuer.PackDCC(append(bytes.Clone(message), 0)), ReasonBadCBOR},
		{"CBOR cut off", issuer.PackDCC(message[:len(message)-1]), ReasonBadCBOR},
		{"nested arrays", issuer.PackDCC(deep(16000, 0x81)), ReasonBadCBOR},
		{"nested open arrays", issuer.PackDCC(deep(16000, 0x9f)), ReasonBadCBOR},
		{"nested maps", issuer.PackDCC(deep(16000, 0xa1)), ReasonBadCBOR},
		{"nested tags", issuer.PackDCC(deep(16000, 0xd2)), ReasonBadCBOR},
		{"nested CWT tags", issuer.PackDCC(bytes.Repeat([]byte{0xd8, 61}, 8000)), ReasonBadCBOR},
		{"array of 4 billion", issuer.PackDCC([]byte{0x9b, 0, 0, 0, 1, 0, 0, 0, 0}), ReasonBadCBOR},
		{"array of 2^63", issuer.PackDCC([]byte{0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0}), ReasonBadCBOR},
		{"map of 2^63", issuer.PackDCC([]byte{0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0}), ReasonBadCBOR},
		{"bytes of 2^62", issuer.PackDCC([]byte{0x84, 0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0}), ReasonBadCBOR},
		{"text of 2^62", issuer.PackDCC([]byte{0x7b, 0x40, 0, 0, 0, 0, 0, 0, 0}), ReasonBadCBOR},
		{"a tag and nothing", issuer.PackDCC([]byte{0xd2}), ReasonBadCBOR},
		{"a number", issuer.PackDCC([]byte{0}), ReasonBadCOSE},
		{"a map", issuer.PackDCC([]byte{0xa0}), ReasonBadCOSE},
		{"three elements", issuer.PackDCC([]byte("\xd2\x83\x40\xa0\x40")), ReasonBadCOSE},
		{"five elements", issuer.PackDCC([]byte("\xd2\x85\x40\xa0\x41\x00\x40\x00")), ReasonBadCOSE},
		{"payload detached", issuer.PackDCC([]byte("\xd2\x84\x40\xa0\xf6\x40")), ReasonBadCOSE},
		{"numbers for bytes", issuer.PackDCC([]byte("\xd2\x84\x80\xa0\x81\x00\x80")), ReasonBadCOSE},
		{"COSE_Sign", s.forge(t, dccForgery{wrap: func(m []byte) []byte { return append([]byte{0xd8, 98}, m...) }}), ReasonBadCOSE},
		{"COSE_Mac0", s.forge(t, dccForgery{wrap: func(m []byte) []byte { return append([]byte{0xd1}, m...) }}), ReasonBadCOSE},
		{"tagged twice", s.forge(t, dccForgery{wrap: func(m []byte) []byte { return append([]byte{0xd2, 0xd2}, m...) }}), ReasonBadCOSE},
		{"protected header no map", s.forge(t, dccForgery{protected: []byte{0x80}}), ReasonBadCOSE},
		{"protected header with more after it", s.forge(t, dccForgery{protected: append(encode(t, fields{1: -7, 4: s.keyID()}), 0)}), ReasonBadCOSE},
		{"algorithm twice", s.forge(t, dccForgery{protected: []byte("\xa2\x01\x26\x01\x38\x24")}), ReasonBadCOSE},
		{"algorithm twice, unprotected", s.forge(t, dccForgery{unprotected: []byte("\xa2\x01\x26\x01\x26")}), ReasonBadCOSE},
		{"critical and unknown", s.forge(t, dccForgery{protected: fields{1: -7, 2: []any{99}, 4: s.keyID(), 99: 1}}), ReasonBadCOSE},
		{"critical and unknown, text", s.forge(t, dccForgery{protected: fields{1: -7, 2: []any{1, "exp"}, 4: s.keyID()}}), ReasonBadCOSE},
		{"critical and empty", s.forge(t, dccForgery{protected: fields{1: -7, 2: []any{}, 4: s.keyID()}}), ReasonBadCOSE},
		{"critical but unprotected", s.forge(t, dccForgery{unprotected: fields{2: []any{1}}}), ReasonBadCOSE},

		{"not in the trust list", issueDCC(t, stranger, vaccinated()), ReasonUnknownSigner},
		{"not in the trust list, with a trusted key's name", stranger.forge(t, dccForgery{protected: fields{1: -7, 4: s.keyID()}}), ReasonBadSignature},
		{"not in the trust list, without a name", stranger.forge(t, dccForgery{protected: fields{1: -7}}), ReasonBadSignature},
		{"no name and no country", stranger.forge(t, dccForgery{protected: fields{1: -7}, payload: dccWith(fields{1: nil})}), ReasonUnknownSigner},
		{"no name and a country of 40 certificates", s.forge(t, dccForgery{protected: fields{1: -7}, payload: dccWith(fields{1: "XX"})}), ReasonBadSignature},
		{"name as text", s.forge(t, dccForgery{protected: fields{1: -7, 4: string(s.keyID())}}), ReasonUnknownSigner},
		{"name too long", s.forge(t, dccForgery{protected: fields{1: -7, 4: append(s.keyID(), 0)}}), ReasonUnknownSigner},
		{"wrong name protected, right name unprotected", s.forge(t, dccForgery{protected: fields{1: -7, 4: []byte("foo")}, unprotected: fields{4: s.keyID()}}), ReasonUnknownSigner},
		{"key of another country", german.forge(t, dccForgery{}), ReasonWrongIssuer},

		{"algorithm of RSA with a key of ECDSA", s.forge(t, dccForgery{protected: fields{1: -37, 4: s.keyID()}}), ReasonWrongAlgorithm},
		{"algorithm of ECDSA with a key of RSA", rsaSigner.forge(t, dccForgery{protected: fields{1: -7, 4: rsaSigner.keyID()}}), ReasonWrongAlgorithm},
		{"algorithm of ECDSA with a key of Ed25519", edSigner.forge(t, dccForgery{protected: fields{1: -7, 4: edSigner.keyID()}}), ReasonWrongAlgorithm},
		{"HMAC with the public key", s.forge(t, dccForgery{protected: fields{1: 5, 4: s.keyID()}}), ReasonWrongAlgorithm},
		{"algorithm none", s.forge(t, dccForgery{protected: fields{1: 0, 4: s.keyID()}}), ReasonWrongAlgorithm},
		{"algorithm as text", s.forge(t, dccForgery{protected: fields{1: "ES256", 4: s.keyID()}}), ReasonWrongAlgorithm},
		{"algorithm a list", s.forge(t, dccForgery{protected: fields{1: []any{-7}, 4: s.keyID()}}), ReasonWrongAlgorithm},
		{"algorithms that contradict each other", s.forge(t, dccForgery{unprotected: fields{1: -37}}), ReasonWrongAlgorithm},
		{"algorithms that contradict each other, the other way round", s.forge(t, dccForgery{protected: fields{1: -37, 4: s.keyID()}, unprotected: fields{1: -7}}), ReasonWrongAlgorithm},
		{"unprotected algorithm wrong", s.forge(t, dccForgery{protected: fields{4: s.keyID()}, unprotected: fields{1: -37}}), ReasonWrongAlgorithm},
		{"key of P-384", p384.forge(t, dccForgery{protected: fields{1: -7, 4: p384.keyID()}, signature: make([]byte, 96)}), ReasonWrongAlgorithm},

		{"signature of zeros", signed(make([]byte, 64)), ReasonBadSignature},
		{"signature of ones", signed(bytes.Repeat([]byte{0xff}, 64)), ReasonBadSignature},
		{"signature of 96 bytes", signed(make([]byte, 96)), ReasonBadSignature},
		{"signature of 96 bytes with zeros between its halves", issuer.PackDCC(slices.Concat(message[:len(message)-65], []byte{96},
			message[len(message)-64:len(message)-32], make([]byte, 32), message[len(message)-32:])), ReasonBadSignature},
		{"signature of 63 bytes", signed(message[len(message)-63:]), ReasonBadSignature},
		{"no signature", signed([]byte{}), ReasonBadSignature},
		{"signature in ASN.1", signed(must(s.key.Sign(rand.Reader, make([]byte, 32), crypto.SHA256))), ReasonBadSignature},
		{"signature of 12 KB", signed(make([]byte, 12_000)), ReasonBadSignature},
		{"RSA signature of zeros", rsaSigner.forge(t, dccForgery{signature: make([]byte, 256)}), ReasonBadSignature},
		{"RSA signature of 12 KB", rsaSigner.forge(t, dccForgery{signature: make([]byte, 12_000)}), ReasonBadSignature},
		{"Ed25519 signature of zeros", edSigner.forge(t, dccForgery{signature: make([]byte, 64)}), ReasonBadSignature},
		{"altered signature", flipped(-1), ReasonBadSignature},
		{"altered payload", flipped(len(message) - 100), ReasonBadSignature},
		{"another's payload", s.forge(t, dccForgery{payload: dccWith(fields{1: "DE"}), signature: message[len(message)-64:]}), ReasonBadSignature},

		// From here on, all are signed by a trusted key: issuers err, too.
		{"payload no CBOR", s.forge(t, dccForgery{payload: []byte("hello")}), ReasonMalformed},
		{"payload with more after it", s.forge(t, dccForgery{payload: append(encode(t, dccWith(nil)), 0)}), ReasonMalformed},
		{"payload nested", s.forge(t, dccForgery{payload: deep(12_000, 0x81)}), ReasonMalformed},
		{"payload of giant array", s.forge(t, dccForgery{payload: []byte{0x9b, 0, 0, 0, 1, 0, 0, 0, 0}}), ReasonMalformed},
		{"payload a list", s.forge(t, dccForgery{payload: []byte{0x80}}), ReasonMalformed},
		{"exp twice", s.forge(t, dccForgery{payload: duplicate(4, 1, uint32(end.Unix()))}), ReasonMalformed},
		{"exp twice, the other way round", s.forge(t, dccForgery{payload: duplicate(4, uint32(end.Unix()), 1)}), ReasonMalformed},
		{"an unknown claim twice", s.forge(t, dccForgery{payload: duplicate(23, 1, 2)}), ReasonMalformed},
		{"exp NaN", claims(fields{4: math.NaN()}), ReasonMalformed},
		{"exp infinite", claims(fields{4: math.Inf(1)}), ReasonMalformed},
		{"exp minus infinite", claims(fields{4: math.Inf(-1)}), ReasonMalformed},
		{"exp 1e300", claims(fields{4: 1e300}), ReasonMalformed},
		{"exp 2^64-1", claims(fields{4: uint64(math.MaxUint64)}), ReasonMalformed},
		{"exp negative", claims(fields{4: -1}), ReasonMalformed},
		{"exp in milliseconds", claims(fields{4: end.UnixMilli()}), ReasonMalformed},
		{"exp a bignum", claims(fields{4: cbor.Tag{Number: 2, Content: []byte{0x6a, 0, 0, 0}}}), ReasonMalformed},
		{"exp a list", claims(fields{4: []any{1}}), ReasonMalformed},
		{"no exp", claims(fields{4: nil}), ReasonMalformed},
		{"iat NaN", claims(fields{6: math.NaN()}), ReasonMalformed},
		{"iat infinite", claims(fields{6: math.Inf(-1)}), ReasonMalformed},
		{"nbf NaN", claims(fields{5: math.NaN()}), ReasonMalformed},
		{"nbf a map", claims(fields{5: fields{}}), ReasonMalformed},
		{"no health claim", claims(fields{-260: nil}), ReasonMalformed},
		{"health claim of version 2", claims(fields{-260: fields{2: dccContent(nil)}}), ReasonMalformed},
		{"health claim in bytes", claims(fields{-260: fields{1: encode(t, dccContent(nil))}}), ReasonMalformed},
		{"no statement", content(fields{"t": nil}), ReasonMalformed},
		{"empty statements", content(fields{"t": []any{}, "v": []any{}}), ReasonMalformed},
		{"nine statements", content(fields{"t": []any{1, 2, 3, 4, 5, 6, 7, 8, 9}}), ReasonMalformed},
		{"sixty statements", content(fields{"t": repeat(dccTest(nil), 20), "v": repeat(dccTest(nil), 20), "r": repeat(dccTest(nil), 20)}), ReasonMalformed},
		{"ten thousand statements", content(fields{"t": repeat(fields{}, 10_000)}), ReasonMalformed},
		{"names nested", content(fields{"nam": fields{"gn": cbor.RawMessage(deep(200, 0x81))}}), ReasonMalformed},
	} {
		var got Certificate
		spent, allocated := measure(3*floor, func() { got = trust.check([]byte(tt.code), noon) })
		if got.Reason != tt.want || got.Valid || got.Kind != KindDCC || got.Signed {
			t.Errorf("%s: got %s, valid %t, %s, signed %t, want %s", tt.name, got.Reason, got.Valid, got.Kind, got.Signed, tt.want)
		}
		if spent > 3*floor || allocated > 1<<20 {
			t.Errorf("%s: took %s and %d bytes; %d signatures take %s", tt.name, spent, allocated, signerLimit, floor)
		}
		if stated := tt.want == ReasonBadSignature || tt.want == ReasonWrongAlgorithm; stated && got.Name == "" {
			t.Errorf("%s: the guard does not learn who is meant", tt.name)
		}
	}
	if n := len(trust.dcc.candidates(scalar{}, "XX")); n != signerLimit {
		t.Errorf("%d signatures are tried for one code", n)
	}
	for _, code := range []string{"HL0:" + good[4:], good[4:], "HC1", "HC1" + good[4:], "hc1:" + good[4:], "HC-1:", "HC:", "HC123:", "\ufeff" + good} {
		if got := trust.check([]byte(code), noon); got.Reason != reasonUnknownCode || got.Kind != "unknown" {
			t.Errorf("%.12q: got %s, %s", code, got.Kind, got.Reason)
		}
	}
}

// pad returns what leaves a last character alone.
func pad(code string) string { return strings.Repeat("0", (4-(len(code)-4)%3)%3) }

func repeat(v any, n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = v
	}
	return list
}

// measure returns the least that f took of several times, of more while that is over the limit: what more there was, others
// took.
func measure(limit time.Duration, f func()) (spent time.Duration, allocated uint64) {
	spent, allocated = time.Hour, math.MaxUint64
	var before, after runtime.MemStats
	for n := 0; n < 5 || n < 50 && limit > 0 && spent > limit; n++ {
		runtime.ReadMemStats(&before)
		begin := time.Now()
		f()
		spent = min(spent, time.Since(begin))
		runtime.ReadMemStats(&after)
		allocated = min(allocated, after.TotalAlloc-before.TotalAlloc)
	}
	return spent, allocated
}

// The first eight bytes of a hash can be alike by chance or malice.
func TestDCCKeyIDCollision(t *testing.T) {
	right := newDCCSigner(t, newECKey(t, elliptic.P256()), "AT")
	wrong := newDCCSigner(t, newECKey(t, elliptic.P256()), "DE")
	other := newDCCSigner(t, newRSAKey(), "IT")
	code := []byte(issueDCC(t, right, vaccinated()))
	id := string(right.keyID())
	for _, tt := range []struct {
		name    string
		signers []dccSigner
		want    string
	}{
		{"last", []dccSigner{other, wrong, right}, ReasonOK},
		{"first", []dccSigner{right, wrong, other}, ReasonOK},
		{"others only", []dccSigner{other, wrong}, ReasonBadSignature},
		{"another algorithm only", []dccSigner{other}, ReasonWrongAlgorithm},
		{"same key, another country", []dccSigner{newDCCSigner(t, right.key, "DE"), right}, ReasonOK},
		{"same key, another usage", []dccSigner{right, newDCCSigner(t, right.key, "AT", Test)}, ReasonOK},
		{"same key, both wrong", []dccSigner{wrong, newDCCSigner(t, right.key, "DE"), newDCCSigner(t, right.key, "AT", Test)}, ReasonWrongIssuer},
	} {
		trust := &Trust{dcc: dccTrust{byKeyID: map[string][]*signer{}}}
		for _, s := range tt.signers {
			trust.dcc.byKeyID[id] = append(trust.dcc.byKeyID[id], newSigner(s.cert))
		}
		if got := trust.check(code, noon); got.Reason != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got.Reason, tt.want)
		}
	}

	// What one certificate makes of an issuer without a country is nothing to the next.
	ministry := right.forge(t, dccForgery{payload: dccWith(fields{1: "Ministry", -260: fields{1: dccContent(nil)}})})
	trust := &Trust{dcc: dccTrust{byKeyID: map[string][]*signer{id: {
		newSigner(newDCCSigner(t, right.key, "DE", Recovery).cert), newSigner(right.cert),
	}}}}
	if got := trust.check([]byte(ministry), noon); !got.Valid || got.Issuer != "AT" {
		t.Errorf("a ministry: got %s, %q", got.Reason, got.Issuer)
	}
}

func TestLoadDCCTrust(t *testing.T) {
	a := newDCCSigner(t, newECKey(t, elliptic.P256()), "AT")
	b := newDCCSigner(t, newRSAKey(), "DE")
	c := newDCCSigner(t, seeded(9), "FR")
	pss := dccSigner{key: newRSAKey(), cert: parse(t, markPSS(t, b.cert.Raw))}
	trust, err := trustingFiles(t, map[string][]byte{
		"a.cer": a.cert.Raw, "again.pem": a.pem(), "both.PEM": append(append([]byte("a list\n"), b.pem()...), c.pem()...),
		"pss.cer": pss.cert.Raw, "README": []byte("x"), "a.txt": []byte("x"), "b.crl": []byte("x"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []dccSigner{a, b, c, pss} {
		if got := trust.check([]byte(issueDCC(t, s, vaccinated())), noon); !got.Valid {
			t.Errorf("%s: got %s", s.cert.Subject.Country, got.Reason)
		}
		if n := len(trust.dcc.byKeyID[string(s.keyID())]); n != 1 {
			t.Errorf("%s: kept %d times", s.cert.Subject.Country, n)
		}
	}
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	if trust, err = trustingFiles(t, map[string][]byte{"weak.cer": newDCCSigner(t, weak, "AT").cert.Raw}); err != nil {
		t.Fatal(err)
	}
	for _, s := range trust.dcc.byCountry["AT"] {
		if s.algorithm != 0 {
			t.Error("a key of 1024 bits counts")
		}
	}

	key := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b.cert.RawSubjectPublicKeyInfo})
	for name, data := range map[string][]byte{
		"empty.pem": nil, "text.cer": []byte("hello"), "key.pem": key, "after.pem": append(a.pem(), key...),
		"cut.pem": a.pem()[:100], "cut.cer": a.cert.Raw[:100], "more.cer": append(bytes.Clone(a.cert.Raw), 0),
		"damaged.pem": append(a.pem(), b.pem()[:200]...), "large.pem": make([]byte, keyfile.Limit+1),
	} {
		if _, err := trustingFiles(t, map[string][]byte{"good.pem": b.pem(), name: data}); err == nil || !strings.Contains(err.Error(), filepath.Join("dcc", name)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// markPSS marks the RSA key of a certificate as one for PSS only, as some
// countries do. The signature of the certificate is then wrong; nobody looks at it.
func markPSS(t *testing.T, der []byte) []byte {
	t.Helper()
	rsaEncryption := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}
	i := bytes.Index(der, rsaEncryption)
	if i < 0 {
		t.Fatal("no RSA key")
	}
	der = bytes.Clone(der)
	der[i+8] = 10
	return der
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// storedDCC is issuer.PackDCC without compression, which is quicker.
func storedDCC(message []byte) string {
	b := []byte{0x78, 0x01, 0x01}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(message)))
	b = binary.LittleEndian.AppendUint16(b, ^uint16(len(message)))
	b = append(b, message...)
	return dccPrefix + base45.Encode(binary.BigEndian.AppendUint32(b, adler32.Checksum(message)))
}

// FuzzDCC tries the same bytes as a code, as the message in a code, and as
// the payload of a message with a good signature, so that every decoder sees them.
func FuzzDCC(f *testing.F) {
	s := newDCCSigner(f, seeded(9), "AT")
	trust := trustingSigners(f, s)
	good := issueDCC(f, s, vaccinated())
	f.Add([]byte(good))
	f.Add([]byte(s.forge(f, dccForgery{})))
	data, err := base45.Decode(good[4:])
	if err != nil {
		f.Fatal(err)
	}
	message, err := inflate(data, false, dccLimit)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	f.Add(encode(f, dccWith(nil)))
	f.Add(encode(f, dccWith(fields{4: 1e9, 5: cbor.Tag{Number: 1, Content: 1.5e9}})))
	f.Add([]byte("\xbf\x01\x62AT\x04\x1a\x7f\xff\xff\xff\x39\x01\x03\xbf\x01\xbf\x61v\x9f\xbf\xff\xff\xff\xff\xff"))
	want := trust.check([]byte(good), noon)

	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			return
		}
		protected := encode(t, fields{1: algEdDSA, 4: s.keyID()})
		signature := ed25519.Sign(s.key.(ed25519.PrivateKey), encode(t, []any{"Signature1", protected, []byte{}, data}))
		for i, code := range []string{
			string(data), storedDCC(data),
			storedDCC(encode(t, []any{protected, fields{}, data, signature})),
		} {
			c := trust.check([]byte(code), noon)
			if c.Valid != (c.Reason == ReasonOK) || c.Reason == "" {
				t.Fatalf("got %+v", c)
			}
			if i < 2 && c.Valid && c.Kind == KindDCC && c.Serial != "URN:UVCI:01:AT:1" && !cmp.Equal(c, want) {
				t.Fatalf("never signed: %+v", c)
			}
			if c.Valid && c.Kind == KindDCC && (len(c.Health) == 0 || c.Issuer != "AT" || c.NotAfter.Before(noon)) {
				t.Fatalf("valid for nothing: %+v", c)
			}
			for _, text := range []string{c.Issuer, c.Name, c.Serial, c.BirthDate} {
				if len([]rune(text)) > 2*textLimit+1 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Fatalf("not printable: %q", text)
				}
			}
			if _, err := json.Marshal(c); err != nil {
				t.Fatal(err)
			}
		}
	})
}
