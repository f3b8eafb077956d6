package credential

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/credential/base45"
	"gated/demo/issuer"
)

// longer writes the head of a CBOR item at i with one more byte than it needs, or two, four or eight.
func longer(b []byte, i int, size int) []byte {
	major, n := b[i]&0xe0, int(b[i]&31)
	rest := i + 1
	if n == 24 {
		n, rest = int(b[i+1]), i+2
	}
	head := []byte{major | map[int]byte{1: 24, 2: 25, 4: 26, 8: 27}[size]}
	for k := size - 1; k >= 0; k-- {
		head = append(head, byte(uint64(n)>>(8*k)))
	}
	return append(append(bytes.Clone(b[:i]), head...), b[rest:]...)
}

// A pass has one text: whoever holds one must not be able to write it in a hundred other ways, each a fresh code.
func TestASignedPassHasOneText(t *testing.T) {
	trust := trustingLongshan(t)
	text := issue(t, longshanKey, longshanPass())
	good := message(t, text)
	// Heads: array at 1, protected at 2, unprotected and payload and signature behind.
	protected := int(good[2] & 31)
	empty := 3 + protected
	payload := empty + 1
	signature := len(good) - 66
	others := map[string][]byte{"no tag": good[1:], "tag in two bytes": longer(good, 0, 1),
		"null for the header": bytes.Replace(good, []byte{0xa0}, []byte{0xf6}, 1)}
	for name, at := range map[string]int{"array": 1, "protected": 2, "unprotected": empty, "payload": payload, "signature": signature} {
		for _, size := range []int{1, 2, 4, 8} {
			if b := longer(good, at, size); !bytes.Equal(b, good) {
				others[name+" "+string(rune('0'+size))] = b
				others[name+" untagged "+string(rune('0'+size))] = b[1:]
			}
		}
	}
	if len(others) < 30 {
		t.Fatalf("only %d other texts", len(others))
	}
	for name, b := range others {
		if c := trust.Check([]byte(passPrefix+base45.Encode(b)), noon); c.Valid || c.Proof != Stated {
			t.Errorf("%s: %+v", name, c)
		}
	}
	// Nor may the issuer's own key sign what this program would not write.
	for name, code := range map[string]string{
		"a claim that we do not know": forgeClaims(t, with(fields{6: start.Unix()})),
		"an empty scope":              forgeClaims(t, with(fields{-70001: fields{1: "resident", 2: ""}})),
		"a longer number":             forgeClaims(t, bytes.Replace(encode(t, with(nil)), []byte{0x68, 'l', 'o'}, []byte{0x78, 8, 'l', 'o'}, 1)),
	} {
		if c := trust.Check([]byte(code), noon); c.Valid || c.Reason != ReasonMalformed {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// The same is known again whatever its text, and nothing else is taken for it.
func TestTheSameIsKnownAgainWhateverItsText(t *testing.T) {
	const clinic = "https://hospital.example/cards"
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	dir := t.TempDir()
	for path, data := range map[string][]byte{
		"shc/clinic.json":   must(issuer.SHCKeys(clinic, &key.PublicKey)),
		"pass/longshan.pub": MarshalPublicKey(public(longshanKey)),
		"pass/yunshan.pub":  MarshalPublicKey(public(seeded(2))),
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	trust := must(LoadTrust(dir))
	card := must(issuer.SHC{Issuer: clinic, NotBefore: start, NotAfter: end, Given: []string{"Xiaoming"}, Family: "Wang", BirthDate: "1951-01-20",
		Health: []issuer.Statement{{Kind: Vaccination, Product: "208", Date: "2026-10-29"}}}.Sign(key))
	pass := issue(t, longshanKey, longshanPass())
	again := longshanPass()
	again.NotAfter = end.AddDate(0, 0, 1)
	foreign := longshanPass()
	foreign.Issuer = "yunshan"
	same := func(code string) string { return string(trust.Check([]byte(code), noon).Same([]byte(code))) }
	for name, texts := range map[string][]string{
		"a pass":           {pass, pass + "\n", "\t" + pass, strings.ToLower(pass), issue(t, longshanKey, again)},
		"an ID number":     {"11010519491231002X", "11010519491231002x", "１１０１０５１９４９１２３１００２ｘ", " 11010519491231002X "},
		"a plate":          {"粤B12345", "粤b·12345", "粤B 12345"},
		"a health card":    {card, otherS(t, card)},
		"an unknown code":  {"6901234567892", "6901234567892\r\n"},
		"of another's key": {issue(t, seeded(2), foreign)},
	} {
		for _, text := range texts {
			if c := trust.Check([]byte(text), noon); !c.Valid && name != "an unknown code" {
				t.Errorf("%s: %.60q is %+v", name, text, c)
			}
			if same(text) != same(texts[0]) {
				t.Errorf("%s: %.60q is known as another", name, text)
			}
		}
		if name != "a pass" && same(texts[0]) == same(pass) {
			t.Errorf("%s is taken for the pass", name)
		}
	}
	claims := trust.Check([]byte(pass), noon)
	if code := string(claims.Same(nil)); same(code) == code {
		t.Error("who writes what a pass is known by is taken for its holder")
	}
}

// otherS is the card with the other S that verifies, too: with ECDSA there always is one.
func otherS(t *testing.T, card string) string {
	t.Helper()
	var token []byte
	for digits := strings.TrimPrefix(card, "shc:/"); digits != ""; digits = digits[2:] {
		token = append(token, 10*(digits[0]-'0')+digits[1]-'0'+45)
	}
	dot := bytes.LastIndexByte(token, '.')
	sig := must(unbase64(token[dot+1:]))
	s := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(sig[32:]))
	s.FillBytes(sig[32:])
	var b strings.Builder
	b.WriteString("shc:/")
	for _, c := range append(token[:dot+1], tobase64(sig)...) {
		b.WriteByte('0' + (c-45)/10)
		b.WriteByte('0' + (c-45)%10)
	}
	return b.String()
}

func unbase64(b []byte) ([]byte, error) { return base64.RawURLEncoding.DecodeString(string(b)) }
func tobase64(b []byte) []byte          { return []byte(base64.RawURLEncoding.EncodeToString(b)) }
