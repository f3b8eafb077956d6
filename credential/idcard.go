package credential

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// IDCardLen is how many bytes of text a card holds.
const IDCardLen = 256

// IDCard is what stands on a resident ID card or one made like it.
type IDCard struct {
	Kind      string // KindIDCard, KindForeigner or KindPermit
	Name      string
	Sex       string // male or female
	BirthDate string // YYYY-MM-DD
	Document  string
	From, To  string // YYYY-MM-DD, the days on which it is good, the last one included; To empty: for good
}

// A field is where something stands in a card's text, which is UTF-16, the low byte first, filled up with spaces.
type field struct{ at, len int }

// The layouts, in the order of the text's bytes. What no layout here names is not looked at: nation, address, issuer,
// nationality, the number of the travel permit.
//
// The resident's is that of GA/T 448-2013 (居民身份证机读信息规范). The residence permit of residents of Hong Kong, Macau and
// Taiwan has the same fields (港澳台居民居住证机读信息规范, 2018). The foreigner's permanent residence card has one layout of 2017 and one
// of December 2023, which is nearer the resident's. All but the resident's name their type at byte 248.
var (
	validFrom = field{188, 16}
	validTo   = field{204, 16}
	typeMark  = field{248, 2}

	residentName, residentSex, residentBirth, residentNumber = field{0, 30}, field{30, 2}, field{36, 16}, field{122, 36}

	foreignName, foreignSex, foreignNumber = field{0, 120}, field{120, 2}, field{122, 30}
	foreignChinese, foreignBirth           = field{158, 30}, field{220, 16}

	// Of the foreigner's of 2023; for the rest it is the resident's, its name the Chinese one.
	latinName, latinRest = field{52, 70}, field{220, 22}
)

const (
	markForeigner2017 = "I"
	markForeigner2023 = "Y"
	markPermit        = "J"
)

// forGood stands in place of the last day.
const forGood = "长期"

// ReadIDCard tells what the text of a card proves at a given time, as a reader with a security module read it:
// such a reader returns nothing that the card's issuer did not sign. Text is nil for a card that could not be read.
// Nothing that it holds makes it fail. The claim shares no memory with text.
func ReadIDCard(text []byte, at time.Time) Claim {
	switch {
	case len(text) == 0:
		return Claim{Kind: KindUnknown, Reason: ReasonUnreadableCard, Proof: Stated}
	case len(text) != IDCardLen:
		return Claim{Kind: KindUnknown, Reason: ReasonMalformed, Proof: Stated}
	}
	c := Claim{Proof: Stated, Gaps: []string{GapHolder, GapResidence}}
	number, birth, sex, name := residentNumber, residentBirth, residentSex, residentName.read(text)
	issued := func(string) bool { return true } // whether a number is one of this kind of card
	switch typeMark.read(text) {
	case "":
		c.Kind = KindIDCard
	case markPermit:
		c.Kind = KindPermit
		issued = func(n string) bool {
			return strings.HasPrefix(n, "810000") || strings.HasPrefix(n, "820000") || strings.HasPrefix(n, "830000")
		}
	case markForeigner2023:
		c.Kind = KindForeigner
		issued = func(n string) bool { return strings.HasPrefix(n, "9") }
		if name == "" {
			name = trimmed(latinName.runes(text) + latinRest.runes(text))
		}
	case markForeigner2017:
		c.Kind = KindForeigner
		number, birth, sex = foreignNumber, foreignBirth, foreignSex
		if name = foreignChinese.read(text); name == "" {
			name = foreignName.read(text)
		}
		issued = oldForeigner
	default:
		return Claim{Kind: KindUnknown, Reason: ReasonUnknownCard, Proof: Stated}
	}

	n := number.read(text)
	born, bornOK := day(birth.read(text))
	from, fromOK := day(validFrom.read(text))
	to, toOK := day(validTo.read(text))
	if validTo.read(text) == forGood && c.Kind == KindIDCard {
		to, toOK = time.Time{}, true
	}
	// What cannot be right was not written by an issuer: the line that brought it has only one byte of check.
	fault := ""
	if number != foreignNumber {
		id, err := ResidentID(n)
		if err != nil {
			fault = err.Error()
		} else if id.Document != n || bornOK && id.BirthDate != born.Format(time.DateOnly) {
			fault = ReasonMalformed
		}
	}
	switch {
	case fault != "":
	case !issued(n) || !bornOK || !fromOK || !toOK || name == "" || strings.ContainsFunc(name+n, unseen),
		born.After(from), !to.IsZero() && to.Before(from):
		fault = ReasonMalformed
	}
	if fault != "" {
		// Neither whose it is nor how long it is good can be relied on. The number is kept where it is one to look at.
		c.Reason = fault
		if fault == ReasonBadCheckDigit || fault == ReasonBadDate {
			c.Document = n
		}
		return c
	}

	c.Proof = Sighted
	c.Document, c.Name, c.BirthDate = n, name, born.Format(time.DateOnly)
	c.Sex = map[string]string{"1": "male", "2": "female"}[sex.read(text)] // GB/T 2261.1
	c.NotBefore = from.UTC()
	if !to.IsZero() {
		c.NotAfter = to.AddDate(0, 0, 1).UTC()
	}
	switch {
	case at.Before(c.NotBefore):
		c.Reason = ReasonNotYetValid
	case !to.IsZero() && !at.Before(c.NotAfter):
		c.Reason = ReasonExpired
	default:
		c.Valid, c.Reason = true, ReasonOK
	}
	return c
}

// unseen are characters that no card has and that would change how others look on the page.
func unseen(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// oldForeigner tells whether a number is one of those that permanent residence cards had until December 2023: three
// letters of the country and twelve digits. How its last digit checks the others was not published.
func oldForeigner(n string) bool {
	if len(n) != 15 {
		return false
	}
	for i, r := range n {
		if i < 3 && (r < 'A' || r > 'Z') || i >= 3 && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

// day reads YYYYMMDD as the beginning of that day in Beijing.
func day(s string) (time.Time, bool) {
	t, err := time.ParseInLocation("20060102", s, beijing)
	return t, err == nil && t.Year() >= 1900
}

func (f field) runes(text []byte) string {
	units := make([]uint16, f.len/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(text[f.at+2*i:])
	}
	return string(utf16.Decode(units))
}

func (f field) read(text []byte) string { return trimmed(f.runes(text)) }

// trimmed is without what fills up fields: spaces; NUL on some cards.
func trimmed(s string) string { return strings.Trim(s, " \x00\u3000") }

// Text is what a reader reads from such a card, a foreigner's in the layout of the year its number is of. It is made
// for tests and demonstrations: nothing but a module of the issuer's makes a card.
func (c IDCard) Text() ([]byte, error) {
	text := []byte(strings.Repeat(" \x00", IDCardLen/2))
	var err error
	put := func(f field, s string) {
		units := utf16.Encode([]rune(s))
		if len(units) > f.len/2 {
			err = fmt.Errorf("%d characters do not fit into a field of %d", len(units), f.len/2)
			return
		}
		for i, u := range units {
			binary.LittleEndian.PutUint16(text[f.at+2*i:], u)
		}
	}
	number, birth, sex, name := residentNumber, residentBirth, residentSex, residentName
	switch {
	case c.Kind == KindIDCard:
	case c.Kind == KindPermit:
		put(typeMark, markPermit)
	case c.Kind == KindForeigner && len(c.Document) == 15:
		put(typeMark, markForeigner2017)
		number, birth, sex, name = foreignNumber, foreignBirth, foreignSex, foreignName
	case c.Kind == KindForeigner:
		put(typeMark, markForeigner2023)
		name = latinName
	default:
		return nil, fmt.Errorf("kind %q is no card", c.Kind)
	}
	plain := func(date string) string { return strings.ReplaceAll(date, "-", "") }
	put(name, c.Name)
	put(sex, map[string]string{"male": "1", "female": "2"}[c.Sex])
	put(birth, plain(c.BirthDate))
	put(number, c.Document)
	put(validFrom, plain(c.From))
	if put(validTo, plain(c.To)); c.To == "" {
		put(validTo, forGood)
	}
	return text, err
}
