package health

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/text/unicode/norm"
)

// scalar is one value of a certificate, of whatever type its issuer gave it: a
// test time has been seen as text, tagged text, and number. Types that hold no
// single value are kept as such, so that they are never taken for absent.
type scalar struct {
	kind   byte
	number float64
	text   string // or bytes
}

// The kinds of scalar.
const (
	isAbsent byte = iota
	isNumber
	isText
	isBytes
	isOther
)

// UnmarshalCBOR takes one well-formed item. It never fails: a value of an odd type in
// a field that nobody asks for must not make a certificate unreadable.
func (s *scalar) UnmarshalCBOR(data []byte) error {
	*s = scalar{kind: isOther}
	var tag cbor.RawTag // of dates: 0, 1, 100 and 1004
	for lenient.Unmarshal(data, &tag) == nil {
		data = tag.Content
	}
	var value any
	if lenient.Unmarshal(data, &value) != nil {
		return nil
	}
	switch value := value.(type) {
	case nil: // null, undefined
		s.kind = isAbsent
	case uint64:
		s.kind, s.number = isNumber, float64(value)
	case int64:
		s.kind, s.number = isNumber, float64(value)
	case float64:
		s.kind, s.number = isNumber, value
	case string:
		s.kind, s.text = isText, value
	case []byte:
		s.kind, s.text = isBytes, string(value)
	}
	return nil
}

// contradicts says whether s states an algorithm, and another one than want.
func (s scalar) contradicts(want int) bool {
	return s.kind != isAbsent && (s.kind != isNumber || s.number != float64(want))
}

// raw returns the value as text, as it was written.
func (s scalar) raw() string {
	switch s.kind {
	case isText:
		return s.text
	case isNumber:
		if s.number == math.Trunc(s.number) && math.Abs(s.number) < 1<<53 {
			return strconv.FormatInt(int64(s.number), 10)
		}
	}
	return ""
}

// print returns the value as text that may stand on a guard's page, no longer than textLimit.
func (s scalar) print() string {
	raw := s.raw()
	text := oneLine(raw[:min(len(raw), 8*textLimit)]) // whoever composes unbounded text can be kept busy by it
	if r := []rune(text); len(r) > textLimit {
		text = strings.TrimSpace(string(r[:textLimit]))
	}
	return text
}

// oneLine is a text that may stand on a guard's page: composed (hcert 3.3.7 wants NFC), one line, without control, invisible or
// direction-changing characters.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, norm.NFC.String(s))), " ")
}

// or returns a name, or where there is none its form in passport letters, in which
// < stands between words (ICAO 9303, part 3).
func (s scalar) or(plain scalar) string {
	if name := s.print(); name != "" {
		return name
	}
	return strings.TrimSpace(strings.ReplaceAll(plain.print(), "<", " "))
}

// count returns a small number: which dose, or of how many.
func (s scalar) count() int {
	n, err := strconv.Atoi(s.raw())
	if err != nil || n < 0 || n > 99 {
		return 0
	}
	return n
}

// day returns a date as YYYY-MM-DD, YYYY-MM or YYYY, without any time of day, or
// nothing.
func (s scalar) day() string {
	date := strings.TrimSpace(s.raw())
	if len(date) > 10 && (date[10] == 'T' || date[10] == ' ') {
		date = date[:10]
	}
	return partialDate(date)
}

// partialDate is a day, a month or a year as it stands, or nothing.
func partialDate(s string) string {
	for _, layout := range []string{time.DateOnly, "2006-01", "2006"} {
		if _, err := time.Parse(layout, s); err == nil {
			return s
		}
	}
	return ""
}

// timeLayouts are those of RFC 3339 and what has been seen of others. A time that
// names no zone is taken for UTC, a day for its beginning.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", time.DateOnly,
}

// sampled returns when a sample was taken. One that names no zone, or only a day, may be from anywhere: it is taken for the
// earliest moment that it can mean, so that no sample seems younger than it is.
func (s scalar) sampled() time.Time {
	t, _ := s.time()
	if s.kind == isText && !t.IsZero() {
		text := strings.TrimSpace(s.text)
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
			if _, err := time.Parse(layout, text); err == nil {
				return t.Add(-earliestZone)
			}
		}
	}
	return t
}

// time returns a moment between 1970 and 9999: a NumericDate (RFC 8392, section 2),
// which may have a fraction, or text. Infinity and not-a-number are none.
func (s scalar) time() (time.Time, bool) {
	switch s.kind {
	case isNumber:
		// Comparisons with NaN are false.
		if s.number >= 0 && s.number < 253402300800 {
			whole, fraction := math.Modf(s.number)
			return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true
		}
	case isText:
		text := strings.TrimSpace(s.text)
		for _, layout := range timeLayouts {
			if t, err := time.Parse(layout, text); err == nil && t.Unix() >= 0 {
				return t.UTC(), true
			}
		}
	}
	return time.Time{}, false
}
