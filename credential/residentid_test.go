package credential

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// checked returns the number with its check character, after GB 11643's own
// formula: the sum of a[i] · (2^(i-1) mod 11), counted from the right, is 1 mod 11.
func checked(first17 string) string {
	sum, weight := 0, 1
	for i := 16; i >= 0; i-- {
		weight = weight * 2 % 11
		sum += int(first17[i]-'0') * weight
	}
	c := (12 - sum%11) % 11
	if c == 10 {
		return first17 + "X"
	}
	return fmt.Sprint(first17, c)
}

func TestResidentID(t *testing.T) {
	for _, c := range []struct {
		in   string
		want ID
		err  error
	}{
		// The two examples of the standard.
		{"11010519491231002X", ID{"11010519491231002X", "1949-12-31", "female"}, nil},
		{"440524188001010014", ID{"440524188001010014", "1880-01-01", "male"}, ErrDate},

		{"11010519491231002x", ID{"11010519491231002X", "1949-12-31", "female"}, nil},
		{"１１０１０５１９４９１２３１００２Ｘ", ID{"11010519491231002X", "1949-12-31", "female"}, nil},
		{"１１０１０５１９４９１２３１００２ｘ", ID{"11010519491231002X", "1949-12-31", "female"}, nil},
		{" 11010519491231002X\u3000", ID{"11010519491231002X", "1949-12-31", "female"}, nil},
		{checked("11010520000229003"), ID{checked("11010520000229003"), "2000-02-29", "male"}, nil},
		{checked("11010519000101001"), ID{checked("11010519000101001"), "1900-01-01", "male"}, nil},

		// Residence permits of residents of Hong Kong, Macau and Taiwan; the first and second
		// are the specimens that the police show.
		{"810000199408230021", ID{"810000199408230021", "1994-08-23", "female"}, nil},
		{"830000199201300022", ID{"830000199201300022", "1992-01-30", "female"}, nil},
		{checked("82000019850615003"), ID{checked("82000019850615003"), "1985-06-15", "male"}, nil},
		{checked("83000019770101002"), ID{checked("83000019770101002"), "1977-01-01", "female"}, nil},
		{"810000199408230022", ID{"810000199408230022", "1994-08-23", "female"}, ErrCheckDigit},
		{checked("83000019770230002"), ID{checked("83000019770230002"), "", "female"}, ErrDate},
		// Permanent residence cards of foreigners: the two examples of the authority.
		{"932682198501010017", ID{"932682198501010017", "1985-01-01", "male"}, nil},
		{"911124198108030024", ID{"911124198108030024", "1981-08-03", "female"}, nil},
		{"911124198108030023", ID{"911124198108030023", "1981-08-03", "female"}, ErrCheckDigit},
		{"CAN110019810803", ID{}, ErrLength}, // the 15 characters used until 2023

		{checked("11010518991231001"), ID{checked("11010518991231001"), "1899-12-31", "male"}, ErrDate},
		{checked("11010519000229001"), ID{checked("11010519000229001"), "", "male"}, ErrDate},
		{checked("11010519990431001"), ID{checked("11010519990431001"), "", "male"}, ErrDate},
		{checked("11010519991301001"), ID{checked("11010519991301001"), "", "male"}, ErrDate},
		{checked("11010519990001001"), ID{checked("11010519990001001"), "", "male"}, ErrDate},
		{"110105194912310021", ID{"110105194912310021", "1949-12-31", "female"}, ErrCheckDigit},
		{"11010519491321002X", ID{"11010519491321002X", "", "female"}, ErrDate}, // also a wrong check character

		{"", ID{}, ErrLength},
		{"110105491231002", ID{}, ErrLength}, // the 15 digits used until 2013
		{"11010519491231002X1", ID{}, ErrLength},
		{strings.Repeat("1", 1<<20), ID{}, ErrLength},
		{"1101051949123100X2", ID{}, ErrDigit},
		{"11010519491231002Y", ID{}, ErrDigit},
		{"11010519491231 02X", ID{}, ErrDigit},
		{"-1010519491231002X", ID{}, ErrDigit},
		{"١١٠١٠٥١٩٤٩١٢٣١٠٠٢X", ID{}, ErrDigit},
		{"\xff1010519491231002X", ID{}, ErrDigit},
	} {
		got, err := ResidentID(c.in)
		if err != c.err || got != c.want {
			t.Errorf("%.40q: got %+v, %v, want %+v, %v", c.in, got, err, c.want, c.err)
		}
	}
}

func TestResidentIDErrorsAreStableWords(t *testing.T) {
	for in, want := range map[string]string{
		"1": "bad-length", "11010519491231002Y": "bad-digit", "11010519490230002X": "bad-date", "110105194912310020": "bad-check-digit",
	} {
		if _, err := ResidentID(in); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

func TestOneWrongDigitOrTwoSwappedAreNoticed(t *testing.T) {
	const good = "11010519491231002X"
	for i := range 17 {
		for d := byte('0'); d <= '9'; d++ {
			bad := []byte(good)
			bad[i] = d
			if _, err := ResidentID(string(bad)); err == nil && string(bad) != good {
				t.Errorf("%s accepted", bad)
			}
		}
		bad := []byte(good)
		bad[i], bad[i+1] = bad[i+1], bad[i]
		if _, err := ResidentID(string(bad)); err == nil && string(bad) != good {
			t.Errorf("%s accepted", bad)
		}
	}
}

func TestAResidentIDNumberIdentifiesAndProvesNothing(t *testing.T) {
	late := time.Date(2026, 11, 23, 15, 59, 59, 0, time.UTC) // a second to midnight in Beijing
	tomorrow := checked("44052420261124001")
	id := func(number, reason, born, sex string) Claim {
		return Claim{Kind: KindResidentID, Valid: reason == ReasonOK, Reason: reason, Proof: Stated, Document: number, BirthDate: born, Sex: sex, Gaps: []string{GapIdentity}}
	}
	for _, c := range []struct {
		code string
		at   time.Time
		want Claim
	}{
		{"11010519491231002X\r\n", noon, id("11010519491231002X", ReasonOK, "1949-12-31", "female")},
		{"810000199408230021", noon, id("810000199408230021", ReasonOK, "1994-08-23", "female")},
		{"９１１１２４１９８１０８０３００２４", noon, id("911124198108030024", ReasonOK, "1981-08-03", "female")},
		{"11010519491231002x", noon, id("11010519491231002X", ReasonOK, "1949-12-31", "female")},
		{"440524194912310021", noon, id("440524194912310021", ReasonBadCheckDigit, "1949-12-31", "female")},
		{checked("44052419490230001"), noon, id(checked("44052419490230001"), ReasonBadDate, "", "male")},
		{"11010519490230002X", noon, id("11010519490230002X", ReasonBadDate, "", "female")},
		{tomorrow, late, id(tomorrow, ReasonBadDate, "2026-11-24", "male")},
		{tomorrow, late.Add(time.Second), id(tomorrow, ReasonOK, "2026-11-24", "male")},
	} {
		if diff := cmp.Diff(c.want, new(Trust).Check([]byte(c.code), c.at)); diff != "" {
			t.Errorf("%q at %s (-want +got):\n%s", c.code, c.at, diff)
		}
	}
}

// The payment codes of WeChat and Alipay that have 18 digits are no ID numbers, whatever their beginning, and not one is a hold for it.
func TestAPaymentCodeIsNoIDNumber(t *testing.T) {
	t.Parallel()
	payment := Claim{Kind: KindUnknown, Reason: ReasonUnknownCode, Proof: Stated}
	for _, code := range []string{"134567890123456789", "101234567890123456", "152345678901234567", "281234567890123456", "301234567890123456",
		"110105194912310021",                                                                     // of Beijing, but for its check digit
		checked("11010519490230001"),                                                             // and for its date
		checked("10010519491231003"), checked("25010519491231001"), checked("30010519491231001"), // of no region
		"2812345678901234", "281234567890123456789012"} {
		if got := new(Trust).Check([]byte(code+"\r"), noon); !cmp.Equal(got, payment) {
			t.Errorf("%s: got %+v", code, got)
		}
	}
	for _, code := range []string{"11010519491231002X", checked("15010519491231001"), checked("31010519491231001"), "810000199408230021"} {
		if got := new(Trust).Check([]byte(code), noon); got.Kind != KindResidentID || !got.Valid {
			t.Errorf("%s: got %+v", code, got)
		}
	}
}
