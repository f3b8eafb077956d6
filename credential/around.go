package credential

import (
	"bytes"
	"regexp"
	"time"
)

// added is what scanners, and programs behind them, put around a code and what means nothing: white space; control and
// invisible characters, such as STX and a byte order mark, also one that was read as Latin-1; an AIM identifier
// (ISO/IEC 15424); an ECI designator (AIM ITS/04-023).
const added = `(?:[\pZ\pC]|(?i:ï»¿)|\][A-Za-z][0-9A-Za-z]|\\[0-9]{6})`

var (
	addedBefore = regexp.MustCompile(`^` + added + `+`)
	addedBehind = regexp.MustCompile(added + `+$`)
	addedAlone  = regexp.MustCompile(`^` + added + `*$`)

	head = regexp.MustCompile(`(?i)GP1:|HC1:|shc:/`)
	// typedHead is a head as it arrives where the scanner presses keys of another layout than the program behind it takes them
	// for: AZERTY, QWERTZ and those of other countries, JIS, Dvorak, Cyrillic, or a Chinese input method.
	typedHead = regexp.MustCompile(`(?i)^(?:(?:gp|hc|пз|рс|il|dj|ｇｐ|ｈｃ)[1!&+１]|(?:shc|ырс|odj|ｓｈｃ))[möñçåæøşéжs+>."'：]`)
)

const (
	mostAdded = 32 // bytes behind a code, a date and time among them
	leastCode = 60 // bytes of a signed code: a shorter text that begins like one is something else
)

// within looks for the code within what a scanner added to it: c, what the whole is, unless there is one. The signature
// decides where it ends. Base45 has capitals only: small letters alone are the scanner's doing.
func (t *Trust) within(code []byte, c Claim, at time.Time) Claim {
	found := head.FindIndex(code)
	if found == nil {
		bare := addedBefore.ReplaceAll(code, nil)
		if len(bare) >= leastCode && typedHead.Match(bare) {
			return Claim{Kind: KindUnknown, Reason: ReasonKeyboardLayout, Proof: Stated}
		}
		if bare = addedBehind.ReplaceAll(bare, nil); len(bare) < len(code) {
			return t.read(bare, at)
		}
		return c
	}
	before, text := code[:found[0]], code[found[0]:]
	if body := addedBehind.ReplaceAll(text, nil); text[0]|0x20 == 's' {
		text = append([]byte("shc:/"), code[found[1]:]...)
	} else if bytes.Equal(body, bytes.ToLower(body)) {
		text = bytes.ToUpper(text)
	}
	clean := addedAlone.Match(before)
	for cut := 0; cut <= mostAdded && cut < len(text); cut++ {
		end := len(text) - cut
		switch got := t.read(text[:end], at); {
		case got.Proof == Signed && clean && addedAlone.Match(text[end:]):
			return got
		case got.Proof == Signed:
			return Claim{Kind: got.Kind, Reason: ReasonAddedCharacters, Proof: Stated}
		}
	}
	if clean {
		return t.read(addedBehind.ReplaceAll(text, nil), at)
	}
	return c
}
