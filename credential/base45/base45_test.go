package base45

import (
	"bytes"
	"strings"
	"testing"
)

func TestBase45IsThatOfTheRFC(t *testing.T) {
	for plain, text := range map[string]string{ // RFC 9285, sections 4.3 and 4.4
		"AB": "BB8", "Hello!!": "%69 VD92EX0", "base-45": "UJCLQE7W581", "ietf!": "QED8WEX0",
		"": "", "\x00": "00", "\xff": "U5", "\x00\x00": "000", "\xff\xff": "FGW",
	} {
		if got := Encode([]byte(plain)); got != text {
			t.Errorf("encode %q: got %q, want %q", plain, got, text)
		}
		if got, err := Decode(text); err != nil || string(got) != plain {
			t.Errorf("decode %q: got %q, %v, want %q", text, got, err, plain)
		}
	}
}

func TestBase45RefusesEverythingElse(t *testing.T) {
	for text, want := range map[string]string{
		"A": "alone", "BB8B": "alone",
		"GGW": "too large", ":::": "too large", "V5": "too large", "::": "too large", "BB8::": "too large",
		"bb8": "character 1", "BB8B,8": "character 5", "BB\n": "character 3", "é": "character 1", "\x00\x00": "character 1", "0_": "character 2",
	} {
		b, err := Decode(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %x, %v, want an error with %q", text, b, err, want)
		}
	}
}

func TestBase45RoundTrip(t *testing.T) {
	for n := range 1 << 16 {
		for _, b := range [][]byte{{byte(n >> 8), byte(n)}, {1, 2, byte(n)}} {
			got, err := Decode(Encode(b))
			if err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%x: got %x, %v", b, got, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add("QED8WEX0")
	f.Add(":::")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := Decode(text)
		if err == nil && Encode(b) != text {
			t.Errorf("%q decodes to %x, which encodes to %q", text, b, Encode(b))
		}
	})
}
