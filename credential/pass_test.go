package credential

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"flag"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gated/credential/base45"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/veraison/go-cose"
)

var update = flag.Bool("update", false, "write testdata/passes.json anew")

var (
	start = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	end   = time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC)
	noon  = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
)

// seeded returns the key whose seed is 32 times b.
func seeded(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

var longshanKey = seeded(1)

func longshanPass() Pass {
	return Pass{
		Issuer: "longshan", Subject: "r-004217", Kind: "resident",
		NotBefore: start, NotAfter: end, Serial: [8]byte{1, 2, 3, 4, 5, 6, 7, 8},
	}
}

// trusting loads a trust directory that holds these files.
func trusting(t testing.TB, files map[string][]byte) *Trust {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "pass"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, "pass", name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	trust, err := LoadTrust(dir)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func trustingLongshan(t testing.TB) *Trust {
	return trusting(t, map[string][]byte{"longshan.pub": MarshalPublicKey(public(longshanKey))})
}

func issue(t testing.TB, key ed25519.PrivateKey, p Pass) string {
	t.Helper()
	text, err := Issue(key, p)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// message returns the COSE bytes of a pass.
func message(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base45.Decode(strings.TrimPrefix(text, passPrefix))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := deterministic.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type fields = map[any]any

// with returns the claims of longshanPass, changed.
func with(change fields) fields {
	f := fields{
		1: "longshan", 2: "r-004217", 4: end.Unix(), 5: start.Unix(),
		7: []byte{1, 2, 3, 4, 5, 6, 7, 8}, -70001: fields{1: "resident"},
	}
	for label, v := range change {
		if v == nil {
			delete(f, label)
		} else {
			f[label] = v
		}
	}
	return f
}

// forge signs anything at all: what a careless or hostile issuer might send.
func forge(t testing.TB, key ed25519.PrivateKey, protected, payload []byte) string {
	t.Helper()
	signature := ed25519.Sign(key, encode(t, []any{"Signature1", protected, []byte{}, payload}))
	return passPrefix + base45.Encode(encode(t, cbor.Tag{Number: 18, Content: []any{protected, fields{}, payload, signature}}))
}

func protectedBy(t testing.TB, key ed25519.PrivateKey, alg any) []byte {
	id := KeyID(public(key))
	return encode(t, fields{1: alg, 4: id[:]})
}

func forgeClaims(t testing.TB, payload any) string {
	raw, ok := payload.([]byte)
	if !ok {
		raw = encode(t, payload)
	}
	return forge(t, longshanKey, protectedBy(t, longshanKey, -8), raw)
}

func TestAPassIsGoodFromItsFirstSecondToBeforeItsLast(t *testing.T) {
	trust := trustingLongshan(t)
	text := issue(t, longshanKey, longshanPass())
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{start.Add(-time.Nanosecond), ReasonNotYetValid},
		{start, ReasonOK},
		{noon.In(beijing), ReasonOK},
		{end.Add(-time.Nanosecond), ReasonOK},
		{end, ReasonExpired},
		{end.AddDate(70, 0, 0), ReasonExpired},
		{time.Time{}, ReasonNotYetValid},
	} {
		want := Claim{
			Kind: KindPass, Valid: c.want == ReasonOK, Reason: c.want, Proof: Signed,
			Issuer: "longshan", Subject: "r-004217", Serial: "0102030405060708",
			SubjectKind: "resident", NotBefore: start, NotAfter: end,
		}
		if diff := cmp.Diff(want, trust.Check([]byte(text), c.at)); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", c.at, diff)
		}
	}
}

func TestLineEndsAroundACodeAreIgnoredAndSpacesInsideAreNot(t *testing.T) {
	trust := trustingLongshan(t)
	text := issue(t, longshanKey, longshanPass())
	for code, want := range map[string]string{
		text + "\r\n":       ReasonOK,
		"\n" + text:         ReasonOK,
		text + "\n\r\r":     ReasonOK,
		"GP1: " + text[4:]:  ReasonBadBase45,
		"GP1:\t" + text[4:]: ReasonBadBase45,
	} {
		if got := trust.Check([]byte(code), noon).Reason; got != want {
			t.Errorf("%q: got %s, want %s", code, got, want)
		}
	}
}

func TestNoFlippedBitIsGood(t *testing.T) {
	trust := trustingLongshan(t)
	p := longshanPass()
	p.Scope = "3-2"
	good := message(t, issue(t, longshanKey, p))
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		c := trust.Check([]byte(passPrefix+base45.Encode(bad)), noon)
		if c.Valid || c.Proof != Stated || c.Reason == ReasonOK {
			t.Errorf("bit %d flipped: %+v", bit, c)
		}
	}
}

func TestNoChangedCharacterIsGood(t *testing.T) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:" // of base45
	trust := trustingLongshan(t)
	good := issue(t, longshanKey, longshanPass())
	for i := range good {
		// Each character in turn becomes its neighbours in the alphabet, one
		// far from it, and some that are not in it.
		n := strings.IndexByte(alphabet, good[i])
		for _, ch := range []byte{alphabet[(n+1)%45], alphabet[(n+22)%45], alphabet[(n+44)%45], 'a', '\n', 0, 0xff} {
			bad := []byte(good)
			bad[i] = ch
			if c := trust.Check(bad, noon); c.Valid || c.Proof != Stated || c.Reason == ReasonOK {
				t.Errorf("character %d made %q: %+v", i, ch, c)
			}
		}
	}
	for i := range good { // lost and doubled characters
		for _, bad := range []string{good[:i] + good[i+1:], good[:i] + good[i:i+1] + good[i:], good[:i]} {
			if c := trust.Check([]byte(bad), noon); c.Valid && bad != good {
				t.Errorf("character %d lost or doubled: valid", i)
			}
		}
	}
}

func TestAnotherSWithTheSameSignatureIsRefused(t *testing.T) {
	// S + L verifies in the equation but is not canonical (RFC 8032, 5.1.7).
	order, _ := hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	good := message(t, issue(t, longshanKey, longshanPass()))
	bad, carry := bytes.Clone(good), 0
	for i, s := 0, bad[len(bad)-32:]; i < 32; i++ {
		sum := int(s[i]) + int(order[i]) + carry
		s[i], carry = byte(sum), sum>>8
	}
	if got := trustingLongshan(t).Check([]byte(passPrefix+base45.Encode(bad)), noon); got.Reason != ReasonBadSignature {
		t.Errorf("got %+v, want bad-signature", got)
	}
}

func TestABadPassIsRefusedWithItsReasonAndStillSaysWhoIsMeant(t *testing.T) {
	trust := trusting(t, map[string][]byte{
		"longshan.pub": MarshalPublicKey(public(longshanKey)),
		"yunshan.pub":  MarshalPublicKey(public(seeded(2))),
		"README":       []byte("no key"),
	})
	good := message(t, issue(t, longshanKey, longshanPass()))
	altered := bytes.Clone(good)
	altered[len(altered)-1] ^= 1
	id := KeyID(public(longshanKey))
	payload := encode(t, with(nil))
	array := func(parts ...any) string {
		return passPrefix + base45.Encode(append([]byte{tagSign1}, encode(t, parts)...))
	}
	raw := func(b ...byte) string { return passPrefix + base45.Encode(b) }
	protected := protectedBy(t, longshanKey, -8)
	header := func(f fields) string { return forge(t, longshanKey, encode(t, f), payload) }

	for name, c := range map[string]struct{ code, want, subject string }{
		"altered":                {passPrefix + base45.Encode(altered), ReasonBadSignature, "r-004217"},
		"signed by another":      {forge(t, seeded(3), protected, payload), ReasonBadSignature, "r-004217"},
		"key not trusted":        {issue(t, seeded(3), longshanPass()), ReasonUnknownSigner, "r-004217"},
		"no key named":           {header(fields{1: -8}), ReasonUnknownSigner, "r-004217"},
		"key ID cut short":       {header(fields{1: -8, 4: id[:4]}), ReasonUnknownSigner, "r-004217"},
		"key ID as array":        {header(fields{1: -8, 4: []int{1, 2, 3, 4, 5, 6, 7, 8}}), ReasonBadCOSE, ""},
		"other issuer's key":     {issue(t, seeded(2), longshanPass()), ReasonWrongIssuer, "r-004217"},
		"ES256":                  {header(fields{1: -7, 4: id[:]}), ReasonWrongAlgorithm, "r-004217"},
		"no algorithm":           {header(fields{4: id[:]}), ReasonWrongAlgorithm, "r-004217"},
		"algorithm as text":      {header(fields{1: "EdDSA", 4: id[:]}), ReasonBadCOSE, ""},
		"algorithm as float":     {header(fields{1: -8.0, 4: id[:]}), ReasonBadCOSE, ""},
		"algorithm as array":     {header(fields{1: []int{-8}, 4: id[:]}), ReasonBadCOSE, ""},
		"critical header":        {header(fields{1: -8, 2: []int{99}, 4: id[:], 99: 1}), ReasonBadCOSE, ""},
		"header twice":           {forge(t, longshanKey, append([]byte{0xa3, 1, 0x27, 1, 0x27, 4, 0x48}, id[:]...), payload), ReasonBadCOSE, ""},
		"header after header":    {forge(t, longshanKey, append(protected, 0xa0), payload), ReasonBadCOSE, ""},
		"byte string label":      {forge(t, longshanKey, append([]byte{0xa3, 1, 0x27, 0x41, 9, 1, 4, 0x48}, id[:]...), payload), ReasonBadCOSE, ""},
		"empty header":           {forge(t, longshanKey, nil, payload), ReasonBadCOSE, ""},
		"unsigned header":        {array(protected, fields{4: id[:]}, payload, good[len(good)-64:]), ReasonBadCOSE, ""},
		"header list null":       {array(protected, nil, payload, good[len(good)-64:]), ReasonBadCOSE, ""},
		"protected as array":     {array([]int{0xa0}, fields{}, payload, good[len(good)-64:]), ReasonBadCOSE, ""},
		"no signature":           {array(protected, fields{}, payload, []byte{}), ReasonBadSignature, "r-004217"},
		"signature and a byte":   {array(protected, fields{}, payload, append(good[len(good)-64:], 0)), ReasonBadSignature, "r-004217"},
		"detached payload":       {array(protected, fields{}, nil, make([]byte, 64)), ReasonBadCOSE, ""},
		"three parts":            {array(protected, fields{}, payload), ReasonBadCOSE, ""},
		"five parts":             {array(protected, fields{}, payload, make([]byte, 64), 1), ReasonBadCOSE, ""},
		"a number":               {raw(0x01), ReasonBadCOSE, ""},
		"nothing":                {passPrefix, ReasonBadCBOR, ""},
		"only the tag":           {raw(0xd2), ReasonBadCBOR, ""},
		"tag twice":              {passPrefix + base45.Encode(append([]byte{0xd2}, good...)), ReasonBadCBOR, ""},
		"another tag":            {passPrefix + base45.Encode(append([]byte{0xd1}, good[1:]...)), ReasonBadCBOR, ""},
		"trailing byte":          {passPrefix + base45.Encode(append(bytes.Clone(good), 0)), ReasonAddedCharacters, ""},
		"altered, trailing byte": {passPrefix + base45.Encode(append(bytes.Clone(altered), 0)), ReasonBadCBOR, ""},
		"indefinite array":       {passPrefix + base45.Encode(append(append([]byte{0xd2, 0x9f}, good[2:]...), 0xff)), ReasonBadCBOR, ""},
		"cut short":              {passPrefix + base45.Encode(good[:len(good)-1]), ReasonBadCBOR, ""},
		"claims of 2^63 pieces":  {raw(0x84, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ReasonBadCBOR, ""},
		"lower case, no pass":    {strings.ToLower(array(1)[4:]), ReasonUnknownCode, ""},
		"bad character":          {"GP1:AB,", ReasonBadBase45, ""},
		"too large a group":      {"GP1::::", ReasonBadBase45, ""},
		"too long":               {passPrefix + strings.Repeat("0", CodeLimit), ReasonTooLong, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := trust.Check([]byte(c.code), noon)
			if got.Valid || got.Reason != c.want || got.Proof != Stated || got.Subject != c.subject {
				t.Errorf("got %+v, want reason %s and subject %q, stated", got, c.want, c.subject)
			}
		})
	}
}

func TestSignedNonsenseIsMalformed(t *testing.T) {
	trust := trustingLongshan(t)
	good := encode(t, with(nil))
	for name, payload := range map[string]any{
		"no claims":             []byte{},
		"not CBOR":              []byte{0xff},
		"an array":              []int{1, 2},
		"trailing byte":         append(bytes.Clone(good), 0),
		"claim twice":           append(append([]byte{good[0] + 1}, good[1:]...), 2, 0x61, 'x'),
		"unknown claim twice":   append(append([]byte{good[0] + 2}, good[1:]...), 9, 1, 9, 2),
		"indefinite map":        append(append([]byte{0xbf}, good[1:]...), 0xff),
		"iss missing":           with(fields{1: nil}),
		"iss empty":             with(fields{1: ""}),
		"iss under text label":  with(fields{1: nil, "1": "longshan"}),
		"iss as bytes":          with(fields{1: []byte("longshan")}),
		"iss climbs":            with(fields{1: "../longshan"}),
		"sub missing":           with(fields{2: nil}),
		"sub a number":          with(fields{2: 4217}),
		"sub not UTF-8":         bytes.Replace(good, []byte("r-004217"), []byte("r-00421\xff"), 1),
		"label not UTF-8":       append(append([]byte{good[0] + 1}, good[1:]...), 0x61, 0xff, 9),
		"iss hidden":            with(fields{1: ".longshan"}),
		"sub with line end":     with(fields{2: "r-1\nadmit"}),
		"sub reversed":          with(fields{2: "r-\u202e1"}),
		"sub too long":          with(fields{2: strings.Repeat("r", 65)}),
		"sub a space":           with(fields{2: " "}),
		"for another reader":    with(fields{3: "pool"}),
		"exp missing":           with(fields{4: nil}),
		"exp null":              with(fields{4: cbor.RawMessage{0xf6}}),
		"exp a fraction":        with(fields{4: float64(end.Unix()) + 0.5}),
		"exp a whole float":     with(fields{4: float64(end.Unix())}),
		"exp NaN":               with(fields{4: math.NaN()}),
		"exp infinite":          with(fields{4: math.Inf(1)}),
		"exp as text":           with(fields{4: "2027-11-23T00:00:00Z"}),
		"exp tagged":            with(fields{4: cbor.Tag{Number: 1, Content: end.Unix()}}),
		"exp a bignum":          with(fields{4: cbor.Tag{Number: 2, Content: []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}}}),
		"exp above int64":       with(fields{4: uint64(math.MaxUint64)}),
		"exp in year 292277":    with(fields{4: int64(math.MaxInt64)}),
		"exp in year 2200":      with(fields{4: lastSecond + 1}),
		"nbf missing":           with(fields{5: nil}),
		"nbf negative":          with(fields{5: -1}),
		"nbf in 1999":           with(fields{5: firstSecond - 1}),
		"nbf NaN":               with(fields{5: math.NaN()}),
		"exp is nbf":            with(fields{4: start.Unix()}),
		"exp before nbf":        with(fields{4: start.Unix() - 1}),
		"cti missing":           with(fields{7: nil}),
		"cti short":             with(fields{7: make([]byte, 7)}),
		"cti long":              with(fields{7: make([]byte, 9)}),
		"cti as text":           with(fields{7: "12345678"}),
		"cti as array":          with(fields{7: []int{1, 2, 3, 4, 5, 6, 7, 8}}),
		"kind missing":          with(fields{-70001: fields{}}),
		"grant missing":         with(fields{-70001: nil}),
		"grant not a map":       with(fields{-70001: "resident"}),
		"kind unknown":          with(fields{-70001: fields{1: "mayor"}}),
		"scope a number":        with(fields{-70001: fields{1: "resident", 2: 3}}),
		"scope with NUL":        with(fields{-70001: fields{1: "resident", 2: "a\x00"}}),
		"claim of nested depth": with(fields{9: nested(9)}),
		"byte string label":     append(append([]byte{good[0] + 1}, good[1:]...), 0x41, 9, 1),
		"float label":           with(fields{1.5: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			got := trust.Check([]byte(forgeClaims(t, payload)), noon)
			if diff := cmp.Diff(Claim{Kind: KindPass, Reason: ReasonMalformed, Proof: Stated}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// nested returns n arrays, one inside the other.
func nested(n int) any {
	v := any(0)
	for range n {
		v = []any{v}
	}
	return v
}

// The standards allow more than one way to write a pass; more than one way would be more than one code.
func TestWhatTheStandardsAllowAndIssueDoesNotWriteIsRefused(t *testing.T) {
	trust := trustingLongshan(t)
	good := message(t, issue(t, longshanKey, longshanPass()))
	id := KeyID(public(longshanKey))
	for name, code := range map[string]string{
		"no tag":               passPrefix + base45.Encode(good[1:]),
		"unknown claims":       forgeClaims(t, with(fields{6: start.Unix(), 99: []int{1}, "note": "x", -70001: fields{1: "resident", 9: 9}})),
		"unknown header":       forge(t, longshanKey, encode(t, fields{1: -8, 4: id[:], 16: "application/cwt"}), encode(t, with(nil))),
		"integer in long form": forge(t, longshanKey, append([]byte{0xa2, 0x18, 1, 0x38, 7, 4, 0x48}, id[:]...), encode(t, with(nil))),
	} {
		if got := trust.Check([]byte(code), noon); got.Valid || got.Proof != Stated || got.Subject != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestDeepNestingIsRefusedAtOnce(t *testing.T) {
	trust := trustingLongshan(t)
	deep := bytes.Repeat([]byte{0x81}, 10000)
	begin := time.Now()
	if _, _, reason := parseSign1(deep); reason != ReasonBadCBOR {
		t.Errorf("10,000 arrays: %s", reason)
	}
	if _, _, reason := parseSign1(bytes.Repeat([]byte{0xa1, 0x01}, 5000)); reason != ReasonBadCBOR {
		t.Errorf("5,000 maps: %s", reason)
	}
	if got := trust.Check([]byte(passPrefix+base45.Encode(deep)), noon).Reason; got != ReasonTooLong {
		t.Errorf("as a code: %s", got)
	}
	if got := trust.Check([]byte(passPrefix+base45.Encode(deep[:2700])), noon).Reason; got != ReasonBadCBOR {
		t.Errorf("as a code that is short enough: %s", got)
	}
	if got := trust.Check([]byte(forgeClaims(t, deep[:2000])), noon).Reason; got != ReasonMalformed {
		t.Errorf("inside the claims: %s", got)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("took %s", d)
	}
}

func TestAllKeysThatShareAnIDAreTried(t *testing.T) {
	id := KeyID(public(longshanKey))
	trust := &Trust{pass: passTrust{keys: map[string][]trustedKey{string(id[:]): {
		{"yunshan", public(seeded(2)), false}, {"yunshan", public(longshanKey), false}, {"longshan", public(longshanKey), false},
	}}}}
	if got := trust.Check([]byte(issue(t, longshanKey, longshanPass())), noon); !got.Valid {
		t.Errorf("%+v", got)
	}
}

func TestTheZeroTrustTrustsNobody(t *testing.T) {
	got := new(Trust).Check([]byte(issue(t, longshanKey, longshanPass())), noon)
	if got.Valid || got.Reason != ReasonOtherIssuer || got.Subject != "" {
		t.Errorf("%+v", got)
	}
}

func TestOtherCodesAreUnknown(t *testing.T) {
	trust := trustingLongshan(t)
	want := Claim{Kind: KindUnknown, Reason: ReasonUnknownCode, Proof: Stated}
	for _, code := range []string{
		"", "\r\n", "\x00", strings.Repeat("\x00", 5000), strings.Repeat("\xff", 300), "GP2:BB8", "GP1",
		"https://example.com/", "中文", "1101051949123100", "6901234567892",
		"11010519491231002A", "1101051949123100X2", strings.Repeat("1", 1<<20), "\xef\xbc", "123456789012345",
	} {
		if diff := cmp.Diff(want, trust.Check([]byte(code), noon)); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", code, diff)
		}
	}
}

func TestIssueRefusesWhatNoGateWouldAccept(t *testing.T) {
	for name, change := range map[string]func(*Pass){
		"issuer": func(p *Pass) { p.Issuer = "a/b" }, "no subject": func(p *Pass) { p.Subject = "" },
		"subject": func(p *Pass) { p.Subject = "r\t1" }, "kind": func(p *Pass) { p.Kind = "mayor" },
		"scope": func(p *Pass) { p.Scope = strings.Repeat("x", 65) }, "order": func(p *Pass) { p.NotAfter = p.NotBefore },
		"half a second": func(p *Pass) { p.NotAfter = p.NotBefore.Add(time.Second / 2) },
		"no times":      func(p *Pass) { p.NotBefore, p.NotAfter = time.Time{}, time.Time{} },
		"far future":    func(p *Pass) { p.NotAfter = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) },
		"not UTF-8":     func(p *Pass) { p.Subject = "\xff" },
	} {
		p := longshanPass()
		change(&p)
		if text, err := Issue(longshanKey, p); err == nil {
			t.Errorf("%s: issued %s", name, text)
		}
	}
	if _, err := Issue(nil, longshanPass()); err == nil {
		t.Error("issued without a key")
	}
}

func TestEachPassHasASerialOfItsOwn(t *testing.T) {
	trust := trustingLongshan(t)
	p := longshanPass()
	p.Serial = [8]byte{}
	a := trust.Check([]byte(issue(t, longshanKey, p)), noon)
	b := trust.Check([]byte(issue(t, longshanKey, p)), noon)
	if !a.Valid || !b.Valid || a.Serial == b.Serial || len(a.Serial) != 16 {
		t.Errorf("serials %q and %q", a.Serial, b.Serial)
	}
}

func TestGoCoseVerifiesOurPass(t *testing.T) {
	p := longshanPass()
	p.Scope = "3-2"
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(message(t, issue(t, longshanKey, p))); err != nil {
		t.Fatal(err)
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmEdDSA, public(longshanKey))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(nil, verifier); err != nil {
		t.Error(err)
	}
	id := KeyID(public(longshanKey))
	if got := m.Headers.Protected[cose.HeaderLabelKeyID]; !cmp.Equal(got, id[:]) {
		t.Errorf("kid: got %x, want %x", got, id)
	}
	var got fields
	if err := cbor.Unmarshal(m.Payload, &got); err != nil {
		t.Fatal(err)
	}
	want := fields{
		uint64(1): "longshan", uint64(2): "r-004217", uint64(4): uint64(end.Unix()), uint64(5): uint64(start.Unix()),
		uint64(7): []byte{1, 2, 3, 4, 5, 6, 7, 8}, int64(-70001): fields{uint64(1): "resident", uint64(2): "3-2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestWeVerifyGoCosesPass(t *testing.T) {
	signer, err := cose.NewSigner(cose.AlgorithmEdDSA, longshanKey)
	if err != nil {
		t.Fatal(err)
	}
	id := KeyID(public(longshanKey))
	headers := cose.Headers{Protected: cose.ProtectedHeader{
		cose.HeaderLabelAlgorithm: cose.AlgorithmEdDSA, cose.HeaderLabelKeyID: id[:],
	}}
	payload := encode(t, with(nil))
	tagged, err := cose.Sign1(nil, signer, headers, payload, nil)
	if err != nil {
		t.Fatal(err)
	}
	untagged, err := cose.Sign1Untagged(nil, signer, headers, payload, nil)
	if err != nil {
		t.Fatal(err)
	}
	trust := trustingLongshan(t)
	if got := trust.Check([]byte(passPrefix+base45.Encode(tagged)), noon); !got.Valid || got.Subject != "r-004217" {
		t.Errorf("%+v", got)
	}
	if got := trust.Check([]byte(passPrefix+base45.Encode(untagged)), noon); got.Valid || got.Reason != ReasonBadCOSE {
		t.Errorf("a second text of the same pass: %+v", got)
	}
	bound, err := cose.Sign1(nil, signer, headers, payload, []byte("external data"))
	if err != nil {
		t.Fatal(err)
	}
	if got := trust.Check([]byte(passPrefix+base45.Encode(bound)), noon).Reason; got != ReasonBadSignature {
		t.Errorf("signed with external data: %s", got)
	}
}

// golden is testdata/passes.json: with it others can check a reader or issuer of
// their own without this code.
type golden struct {
	About   string            `json:"about"`
	Seed    string            `json:"ed25519_seed"` // of the issuer's key, hexadecimal
	Trusted map[string]string `json:"trusted"`      // issuer: PEM
	Vectors []vector          `json:"vectors"`
}

type vector struct {
	Name string          `json:"name"`
	Text string          `json:"text"`
	COSE string          `json:"cose,omitempty"` // hexadecimal
	At   time.Time       `json:"at"`
	Want json.RawMessage `json:"want"`
}

func goldenCodes(t *testing.T) []vector {
	p := longshanPass()
	text := issue(t, longshanKey, p)
	forged := message(t, text)
	forged[len(forged)-1] ^= 1
	vehicle := p
	vehicle.Subject, vehicle.Kind, vehicle.Scope, vehicle.Serial = "v-0007", "vehicle", "急救", [8]byte{0xff, 0, 0xee}
	foreign := p
	foreign.Issuer = "yunshan"
	return []vector{
		{Name: "good", Text: text, At: noon},
		{Name: "good in its first second", Text: text, At: start},
		{Name: "good in its last second", Text: text, At: end.Add(-time.Second)},
		{Name: "good, vehicle with a scope", Text: issue(t, longshanKey, vehicle), At: noon},
		{Name: "without COSE tag", Text: passPrefix + base45.Encode(message(t, text)[1:]), At: noon},
		{Name: "with a claim that we do not know", Text: forgeClaims(t, with(fields{6: start.Unix()})), At: noon},
		{Name: "a second early", Text: text, At: start.Add(-time.Second)},
		{Name: "at its end", Text: text, At: end},
		{Name: "last bit of the signature flipped", Text: passPrefix + base45.Encode(forged), At: noon},
		{Name: "for an issuer that is not the key's", Text: issue(t, longshanKey, foreign), At: noon},
		{Name: "key not trusted", Text: issue(t, seeded(3), p), At: noon},
		{Name: "of an issuer that is not trusted", Text: issue(t, seeded(3), foreign), At: noon},
		{Name: "names ES256", Text: forge(t, longshanKey, protectedBy(t, longshanKey, -7), encode(t, with(nil))), At: noon},
		{Name: "exp is not a number", Text: forgeClaims(t, with(fields{4: math.NaN()})), At: noon},
		{Name: "no serial", Text: forgeClaims(t, with(fields{7: nil})), At: noon},
		{Name: "a byte after the message", Text: passPrefix + base45.Encode(append(message(t, text), 0)), At: noon},
		{Name: "no COSE_Sign1", Text: passPrefix + base45.Encode([]byte{0x80}), At: noon},
		{Name: "not base45", Text: strings.Replace(text, text[:6], text[:5]+",", 1), At: noon},
		{Name: "good, and the scanner adds to it", Text: "\ufeff]Q1" + text + "\t", At: noon},
		{Name: "good, in lower case", Text: strings.ToLower(text), At: noon},
		{Name: "the scanner adds what may mean something", Text: "Q" + text, At: noon},
		{Name: "two codes at one moment", Text: text + "\r" + text, At: noon},
		{Name: "example of GB 11643", Text: "11010519491231002X", At: noon},
		{Name: "wrong check character", Text: "440524194912310021", At: noon},
		{Name: "a payment code of WeChat, which begins as ID numbers of Hebei do", Text: "134567890123456789", At: noon},
	}
}

func TestGoldenVectors(t *testing.T) {
	const path = "testdata/passes.json"
	if *update {
		g := golden{
			About: "GP1 passes and resident ID numbers, and what a gate that trusts exactly these keys says of them at the time given. " +
				"The key in use is trusted[\"longshan\"]; its private key is the seed (RFC 8032).",
			Seed:    hex.EncodeToString(longshanKey.Seed()),
			Trusted: map[string]string{"longshan": string(MarshalPublicKey(public(longshanKey)))},
			Vectors: goldenCodes(t),
		}
		trust := trustingLongshan(t)
		for i := range g.Vectors {
			v := &g.Vectors[i]
			v.Want = json.RawMessage(encodeJSON(t, trust.Check([]byte(v.Text), v.At)))
			if b, err := base45.Decode(strings.TrimPrefix(v.Text, passPrefix)); err == nil && strings.HasPrefix(v.Text, passPrefix) {
				v.COSE = hex.EncodeToString(b)
			}
		}
		b, err := json.MarshalIndent(g, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for issuer, key := range g.Trusted {
		files[issuer+".pub"] = []byte(key)
	}
	trust := trusting(t, files)
	issued := goldenCodes(t)
	if len(issued) != len(g.Vectors) {
		t.Fatalf("%d vectors in the file, %d in the test", len(g.Vectors), len(issued))
	}
	for i, v := range g.Vectors {
		if v.Text != issued[i].Text {
			t.Errorf("%s: we now write %s", v.Name, issued[i].Text)
		}
		if v.COSE != "" && passPrefix+base45.Encode(unhex(t, v.COSE)) != v.Text {
			t.Errorf("%s: text and message differ", v.Name)
		}
		var want bytes.Buffer
		if err := json.Compact(&want, v.Want); err != nil {
			t.Fatal(err)
		}
		if got := encodeJSON(t, trust.Check([]byte(v.Text), v.At)); got != want.String() {
			t.Errorf("%s:\n got %s\nwant %s", v.Name, got, &want)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encodeJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAClaimPrintsAsCodeCheckPromises(t *testing.T) {
	trust := trustingLongshan(t)
	for code, want := range map[string]string{
		"?": `{"kind":"unknown","valid":false,"reason":"unknown-code","claims":{"proof":"stated"}}`,
		"11010519491231002x": `{"kind":"cn-resident-id","valid":true,"reason":"ok","claims":` +
			`{"proof":"stated","document":"11010519491231002X","birth_date":"1949-12-31","sex":"female","does_not_prove":["identity"]}}`,
		"粤z·f023澳": `{"kind":"plate","valid":true,"reason":"ok","claims":` +
			`{"proof":"stated","plate":"粤ZF023澳","plate_class":"macau","does_not_prove":["identity"]}}`,
		issue(t, longshanKey, longshanPass()): `{"kind":"gated-pass","valid":true,"reason":"ok","claims":{"proof":"signed",` +
			`"issuer":"longshan","subject":"r-004217","serial":"0102030405060708","subject_kind":"resident",` +
			`"not_before":"2026-11-23T00:00:00Z","not_after":"2027-11-23T00:00:00Z"}}`,
	} {
		if got := encodeJSON(t, trust.Check([]byte(code), noon)); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

func TestALoggedClaimNamesNobody(t *testing.T) {
	var log bytes.Buffer
	trust := trustingLongshan(t)
	for _, code := range []string{"11010519491231002X", issue(t, longshanKey, longshanPass())} {
		slog.New(slog.NewJSONHandler(&log, nil)).Info("checked", "claim", trust.Check([]byte(code), noon))
		slog.New(slog.NewTextHandler(&log, nil)).Info("checked", "claim", trust.Check([]byte(code), noon))
	}
	for _, personal := range []string{"110105", "1949", "r-004217", "01020304"} {
		if strings.Contains(log.String(), personal) {
			t.Errorf("the log holds %q: %s", personal, &log)
		}
	}
}

func FuzzCheck(f *testing.F) {
	trust := trustingLongshan(f)
	good := issue(f, longshanKey, longshanPass())
	for _, seed := range []string{good, good[:100], "GP1:", "GP1:BB8", "11010519491231002X", "１１０１０５１９４９１２３１００２ｘ", "\x00", forgeClaims(f, with(nil)),
		"\ufeff]Q1" + good + "\t", "Q" + good, good + "\r" + good, strings.ToLower(good), strings.Replace(good, ":", "Ö", 1)} {
		f.Add([]byte(seed))
	}
	signed := trust.Check([]byte(good), noon)
	f.Fuzz(func(t *testing.T, code []byte) {
		c := trust.Check(code, noon)
		if c.Valid != (c.Reason == ReasonOK) {
			t.Errorf("valid %t for reason %q", c.Valid, c.Reason)
		}
		if c.Proof == Signed && !reflect.DeepEqual(c, signed) { // the fuzzer has no key
			t.Errorf("forged: %q", code)
		}
		if c.Proof == Stated && bytes.Equal(c.Same(code), signed.Same(nil)) {
			t.Errorf("known as the pass: %q", code)
		}
		if _, err := json.Marshal(c); err != nil {
			t.Error(err)
		}
	})
}

// A day is good until its last second, also where the clock is set forward at midnight.
func TestPassTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, zone string
		end        bool
		want, last string
	}{
		{"2027-05-31", "Asia/Shanghai", true, "2027-06-01T00:00:00+08:00", "2027-05-31"},
		{"2027-05-31", "Asia/Shanghai", false, "2027-05-31T00:00:00+08:00", ""},
		{"2018-11-03", "America/Sao_Paulo", true, "2018-11-04T01:00:00-02:00", "2018-11-03"}, // 23:59:59 is the second before
		{"2018-11-04", "America/Sao_Paulo", false, "2018-11-04T01:00:00-02:00", ""},
		{"2018-11-04", "America/Sao_Paulo", true, "2018-11-05T00:00:00-02:00", "2018-11-04"},
		{"2024-04-25", "Africa/Cairo", true, "2024-04-26T01:00:00+03:00", "2024-04-25"},
		{"2027-05-31T18:00:00+08:00", "UTC", true, "2027-05-31T18:00:00+08:00", "2027-05-31"},
		{"2027-05-31 24:00", "Asia/Shanghai", true, "2027-06-01T00:00:00+08:00", "2027-05-31"},
		{"2027-05-31 24:00", "Asia/Shanghai", false, "2027-06-01T00:00:00+08:00", ""},
		{"2018-11-03 24:00", "America/Sao_Paulo", true, "2018-11-04T01:00:00-02:00", "2018-11-03"},
		{"2027-05-31T24:00:00+08:00", "UTC", true, "2027-06-01T00:00:00+08:00", "2027-05-31"},
		{"2027-05-31T24:00:01+08:00", "UTC", true, "", ""},
		{"24:00", "UTC", true, "", ""},
		{"31.5.2027", "UTC", true, "", ""},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := PassTime("until", c.text, zone, c.end)
		if got := at.Format(time.RFC3339); (err == nil) != (c.want != "") || err == nil && got != c.want {
			t.Errorf("%s in %s: %s, %v; want %s", c.text, c.zone, got, err, c.want)
		}
		if last := (Printed{Pass: Pass{NotAfter: at}}).LastDay(); c.last != "" && last != c.last {
			t.Errorf("%s in %s: printed as good until %s, want %s", c.text, c.zone, last, c.last)
		}
	}
}
