package credential

import (
	"strings"
	"time"
)

// ID is what a Chinese resident ID number says about its holder.
type ID struct {
	Document  string // the number itself: 18 ASCII characters, X in upper case
	BirthDate string // YYYY-MM-DD
	Sex       string // male or female
}

// idError is a stable word, and the whole text of the error: it tells what is
// wrong with a number without repeating the number.
type idError string

func (e idError) Error() string { return string(e) }

// The ways in which a resident ID number can be wrong.
const (
	ErrLength     = idError("bad-length")        // not 18 characters
	ErrDigit      = idError("bad-digit")         // not 17 digits and a digit or X
	ErrDate       = idError(ReasonBadDate)       // no such day, or before 1900
	ErrCheckDigit = idError(ReasonBadCheckDigit) // mistyped or invented
)

// maxIDBytes bounds what may be a number: 18 full-width characters of three bytes
// each, and spaces around.
const maxIDBytes = 96

// earliestBirth is no one's any more who has a number of 18 digits.
const earliestBirth = "1900-01-01"

// beijing is the zone in which birth dates are meant; without daylight saving
// since 1991.
var beijing = time.FixedZone("UTC+8", 8*60*60)

// idWeights and idCheck are those of GB 11643-1999: the sum of the first 17
// digits by weight, modulo 11, picks the check character.
var idWeights = [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}

const idCheck = "10X98765432"

// ResidentID reads a citizen identification number (GB 11643-1999): six digits of
// region, eight of birth date, three of order (odd for men), one check character.
//
// Two other documents have numbers of the same making, and are read as well: the
// residence permit of residents of Hong Kong, Macau and Taiwan, with the regions 810000, 820000
// and 830000 (国办发〔2018〕81号, article 3); and the foreigner's permanent residence
// card since December 2023, whose first digit is 9, then two of the province and three of the
// country (National Immigration Administration, 新版外国人永久居留身份证适配性改造要点, table 1).
//
// Full-width characters, a lower-case x and spaces around are accepted, as people
// type them. The region is not checked: codes are withdrawn over the decades
// and their numbers stay good. Whether the birth date is still to come is for the
// caller, who knows the time.
//
// The error is one of [ErrLength], [ErrDigit], [ErrDate] and [ErrCheckDigit];
// with the latter two the ID still holds what the number says.
func ResidentID(s string) (ID, error) {
	if len(s) > maxIDBytes {
		return ID{}, ErrLength
	}
	number := []rune(strings.TrimSpace(s))
	if len(number) != 18 {
		return ID{}, ErrLength
	}
	sum := 0
	for i, r := range number {
		if '！' <= r && r <= '～' { // full-width forms of ASCII, in the same order
			r -= '！' - '!'
		}
		if r == 'x' {
			r = 'X'
		}
		if (r < '0' || r > '9') && (r != 'X' || i < 17) {
			return ID{}, ErrDigit
		}
		if i < 17 {
			sum += int(r-'0') * idWeights[i]
		}
		number[i] = r
	}
	id := ID{Document: string(number), Sex: "female"}
	if (number[16]-'0')%2 == 1 {
		id.Sex = "male"
	}
	born, err := time.Parse("20060102", id.Document[6:14])
	if err != nil {
		return id, ErrDate
	}
	id.BirthDate = born.Format(time.DateOnly)
	if id.BirthDate < earliestBirth {
		return id, ErrDate
	}
	if idCheck[sum%11] != id.Document[17] {
		return id, ErrCheckDigit
	}
	return id, nil
}
