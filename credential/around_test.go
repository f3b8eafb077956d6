package credential

import (
	"bytes"
	"compress/zlib"
	"strings"
	"testing"
	"time"

	"gated/credential/base45"
)

// A scanner that was swapped puts something around each code. What means nothing is taken off, and the signature decides.
func TestWhatAScannerAddsIsTakenOff(t *testing.T) {
	trust := trustingLongshan(t)
	text := issue(t, longshanKey, longshanPass())
	around := []string{" ", "\t", "\x02", "\x03", "\x1d", "\ufeff", "\u00a0", "\u200b", "]Q1", "]C0", `\000026`, `]Q2\000026`, "\ufeff \t", "ï»¿"}
	for _, a := range around {
		for name, code := range map[string]string{
			"before": a + text, "behind": text + a, "both": a + text + a, "in lower case": a + strings.ToLower(text) + a,
			"twice": a + a + text + a + a,
		} {
			if c := trust.Check([]byte(code), noon); !c.Valid || c.Subject != "r-004217" {
				t.Errorf("%q %s: %+v", a, name, c)
			}
		}
		if c := trust.Check([]byte(a+"11010519491231002X"+a), noon); !c.Valid || c.Kind != KindResidentID {
			t.Errorf("%q around an ID number: %+v", a, c)
		}
		if c := trust.Check([]byte(a+"粤B12345"+a), noon); !c.Valid || c.Kind != KindPlate {
			t.Errorf("%q around a plate: %+v", a, c)
		}
		forged := text[:len(text)-1] + string(text[len(text)-1]^1)
		if c := trust.Check([]byte(a+forged), noon); c.Valid || c.Proof != Stated || c.Kind != KindPass {
			t.Errorf("%q before a forged pass: %+v", a, c)
		}
	}
}

// What may mean something is left, but people learn that it is the scanner's doing.
func TestWhatElseAScannerDoesHasAReasonOfItsOwn(t *testing.T) {
	trust := trustingLongshan(t)
	text := issue(t, longshanKey, longshanPass())
	typed := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
	for name, c := range map[string]struct{ code, want string }{
		"a code ID":                     {"Q" + text, ReasonAddedCharacters},
		"a maker's mark and a count":    {"QR0042" + text, ReasonAddedCharacters},
		"a mark and white space":        {"\tQ " + text + "\t", ReasonAddedCharacters},
		"a mark behind":                 {text + "#", ReasonAddedCharacters},
		"characters of base45 behind":   {text + "AB", ReasonAddedCharacters},
		"a date behind":                 {text + " 2026-11-23 12:00:00", ReasonAddedCharacters},
		"typed on AZERTY":               {typed("1", "&", ":", "M", "A", "Q", "Q", "A"), ReasonKeyboardLayout},
		"typed on AZERTY, caps lock":    {strings.ToLower(typed("1", "&", ":", "M")), ReasonKeyboardLayout},
		"typed by AZERTY":               {typed("1", "!", ":", "."), ReasonKeyboardLayout},
		"typed on QWERTZ":               {typed(":", "Ö", "Y", "Z", "Z", "Y"), ReasonKeyboardLayout},
		"typed by QWERTZ":               {typed(":", ">", "Y", "Z", "Z", "Y"), ReasonKeyboardLayout},
		"typed with Chinese characters": {typed(":", "：", "$", "￥"), ReasonKeyboardLayout},
		"typed on JIS":                  {typed(":", "+"), ReasonKeyboardLayout},
		"typed in Cyrillic":             {typed("G", "П", "P", "З", ":", "Ж"), ReasonKeyboardLayout},
		"typed on Dvorak, and added to": {"\t" + typed("G", "I", "P", "L", ":", "S"), ReasonKeyboardLayout},
		"a link with a forged pass":     {"https://example.com/?GP1:" + text[4:len(text)-3] + "AAA", ReasonUnknownCode},
		"a word of a shop":              {"GP1>", ReasonUnknownCode},
	} {
		got := trust.Check([]byte(c.code), noon)
		if got.Reason != c.want || got.Valid || got.Proof != Stated || got.Subject != "" {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

// Several codes that were read as one are none of them.
func TestSeveralCodesAreRefusedAsSuch(t *testing.T) {
	trust := trustingLongshan(t)
	text := issue(t, longshanKey, longshanPass())
	for _, code := range []string{text + "\r" + text, text + "\n\n" + "GP1:BB8", "a\nb", strings.Repeat("GP1:BB8\r", 30) + "x", "\n" + text + "\r\n69\n"} {
		if c := trust.Check([]byte(code), noon); c.Reason != ReasonSeveralCodes || c.Kind != KindUnknown || c.Valid || c.Subject != "" {
			t.Errorf("%.20q…: %+v", code, c)
		}
	}
}

// A pass of another compound names nobody of this one.
func TestAnotherCompoundsPassNamesNobody(t *testing.T) {
	trust := trustingLongshan(t)
	foreign := longshanPass()
	foreign.Issuer = "elsewhere"
	got := trust.Check([]byte(issue(t, seeded(3), foreign)), noon)
	if got.Reason != ReasonOtherIssuer || got.Issuer != "elsewhere" || got.Subject != "" || got.Serial != "" || got.SubjectKind != "" {
		t.Errorf("%+v", got)
	}
	if got := trust.Check([]byte(issue(t, seeded(3), longshanPass())), noon); got.Reason != ReasonUnknownSigner {
		t.Errorf("in our own issuer's name: %+v", got)
	}
}

// Looking for a code within others costs no more than people notice, whatever stands there.
func TestHostileCodesAreJudgedInTime(t *testing.T) {
	trust := trustingLongshan(t)
	var bomb bytes.Buffer
	z := zlib.NewWriter(&bomb)
	z.Write(make([]byte, 2500<<10))
	z.Close()
	text := issue(t, longshanKey, longshanPass())
	for name, code := range map[string]string{
		"a certificate that inflates": "HC1:" + base45.Encode(bomb.Bytes()), "that inflates, in small letters": strings.ToLower("HC1:" + base45.Encode(bomb.Bytes())),
		"a long pass": "GP1:" + strings.Repeat("BB8", CodeLimit/3-2), "heads": strings.Repeat("GP1:", CodeLimit/4), "a card": "shc:/" + strings.Repeat("56", CodeLimit/2-3),
		"a pass and much behind": text + strings.Repeat("A", CodeLimit-len(text)), "designators": strings.Repeat(`\000026`, CodeLimit/7), "spaces": strings.Repeat(" ", CodeLimit),
		"spaces around a pass": strings.Repeat(" ", 1000) + text + strings.Repeat(" ", 1000),
	} {
		if len(code) > CodeLimit {
			t.Errorf("%s: %d bytes", name, len(code))
		}
		began := time.Now()
		c := trust.Check([]byte(code), noon)
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("%s: %s, %s", name, took, c.Reason)
		} else {
			t.Logf("%s: %s, %s", name, took, c.Reason)
		}
	}
}
