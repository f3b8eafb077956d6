// Package blind turns personal values into keyed hashes by which their entries are found (a blind index), so that an index
// tells nobody's name to who has not the box's key.
package blind

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"gated/ledger"
)

// Key stands for a personal value: the first 64 bits of a keyed hash of its normal form.
type Key int64

// Hasher makes keys, with a key of its own that is derived from the box's. A nil one makes none.
type Hasher []byte

// New derives the hasher of a box from its key.
func New(box []byte) Hasher {
	m := hmac.New(sha256.New, box)
	m.Write([]byte("gated register"))
	return m.Sum(nil)
}

// Key is the key of a value of a kind.
func (h Hasher) Key(kind, value string) Key { return h.hash(kind, Normal(kind, value)) }

func (h Hasher) hash(kind, normal string) Key {
	m := hmac.New(sha256.New, h)
	m.Write([]byte(kind + "\x00" + normal))
	return Key(binary.BigEndian.Uint64(m.Sum(nil)))
}

// Fingerprint tells keys of two boxes apart.
func (h Hasher) Fingerprint() Key { return h.hash("fingerprint", "") }

// Kinds of personal values by which passages are found.
const (
	OfSubject   = "subject" // roster ID
	OfHousehold = "household"
	OfName      = "name"
	OfDocument  = "document"
	OfPhone     = "phone"
	OfPlate     = "plate"
	OfHost      = "host"      // household or body whom somebody visits; of a field with several each
	OfDigits    = "digits"    // of a visit
	OfPass      = "pass"      // the serial of a visit's pass
	ofPlateEnd  = "plate-end" // the last four of a plate
)

// KindOf says of what kind the value of a personal field is; "" for those by which nothing is found.
func KindOf(field string) string { return kindOf[field] }

var kindOf = map[string]string{
	"subject": OfSubject, "stated_subject": OfSubject, "household": OfHousehold,
	"name": OfName, "stated_name": OfName, "sighted_name": OfName,
	"document": OfDocument, "stated_document": OfDocument, "sighted_document": OfDocument,
	"phone": OfPhone, "plate": OfPlate, "stated_plate": OfPlate, "host": OfHost,
}

var (
	plateMarks = strings.NewReplacer("·", "", "•", "", "・", "", ".", "", "-", "")
	phoneMarks = strings.NewReplacer("-", "", "(", "", ")", "", "‐", "", "–", "", "+", "00")
)

// Normal is the one form in which a value of a kind is looked up.
func Normal(kind, value string) string {
	s := strings.Join(strings.Fields(strings.ToUpper(norm.NFKC.String(strings.ToValidUTF8(value, "\ufffd")))), " ")
	switch kind {
	case OfName:
		return s
	case OfSubject:
		return value
	}
	s = strings.ReplaceAll(s, " ", "")
	switch kind {
	case OfPlate:
		s = plateMarks.Replace(s)
	case OfPhone:
		if s = phoneMarks.Replace(s); len(s) == 15 { // 0086 and a mobile number
			s = strings.TrimPrefix(s, "0086")
		}
	}
	return s
}

// plateEnd is the last four characters of a normal plate, "" if it has no more.
func plateEnd(plate string) string {
	r := []rune(plate)
	if len(r) <= 4 {
		return ""
	}
	return string(r[len(r)-4:])
}

// Wanted is the key by which a search for a value finds it: four characters of a plate are looked for as its end.
func (h Hasher) Wanted(kind, value string) Key {
	n := Normal(kind, value)
	if kind == OfPlate && plateEnd(n) == "" {
		kind = ofPlateEnd
	}
	return h.hash(kind, n)
}

// Field is the key of a personal field of the entry, and whether it has one.
func (h Hasher) Field(e *ledger.Entry, field string) (Key, bool) {
	v := e.Personally(field)
	if v == "" || h == nil {
		return 0, false
	}
	return h.Key(kindOf[field], v), true
}

// Terms are the keys by which an entry is found, each once.
func (h Hasher) Terms(e *ledger.Entry) (keys []Key) {
	if h == nil {
		return nil
	}
	for _, f := range e.Personal {
		kind := kindOf[f.Name]
		if kind == "" || f.Value == "" {
			continue
		}
		if kind == OfHost {
			for host := range strings.FieldsSeq(f.Value) {
				keys = append(keys, h.Key(kind, host))
			}
			continue
		}
		n := Normal(kind, f.Value)
		keys = append(keys, h.hash(kind, n))
		if kind == OfPlate && plateEnd(n) != "" {
			keys = append(keys, h.hash(ofPlateEnd, plateEnd(n)))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
