package register

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"gated/ledger"
)

// key stands for a personal value: a keyed hash, so that the index tells nobody's name to who has not the box's key.
type key int64

// hasher makes keys, with a key of its own that is derived from the box's.
type hasher []byte

func newHasher(box []byte) hasher {
	m := hmac.New(sha256.New, box)
	m.Write([]byte("gated register"))
	return m.Sum(nil)
}

func (h hasher) key(kind, normal string) key {
	m := hmac.New(sha256.New, h)
	m.Write([]byte(kind + "\x00" + normal))
	return key(binary.BigEndian.Uint64(m.Sum(nil)))
}

// fingerprint tells keys of two boxes apart.
func (h hasher) fingerprint() key { return h.key("fingerprint", "") }

// Kinds of personal values by which passages are found.
const (
	OfSubject   = "subject" // roster ID
	OfHousehold = "household"
	OfName      = "name"
	OfDocument  = "document"
	OfPhone     = "phone"
	OfPlate     = "plate"
	OfPlateEnd  = "plate-end" // the last four of a plate
)

// kindOf says of what kind the value of a personal field is.
var kindOf = map[string]string{
	"subject": OfSubject, "stated_subject": OfSubject, "household": OfHousehold,
	"name": OfName, "stated_name": OfName, "sighted_name": OfName,
	"document": OfDocument, "stated_document": OfDocument, "sighted_document": OfDocument,
	"phone": OfPhone, "plate": OfPlate, "stated_plate": OfPlate,
}

var (
	plateMarks = strings.NewReplacer("·", "", "•", "", "・", "", ".", "", "-", "")
	phoneMarks = strings.NewReplacer("-", "", "(", "", ")", "", "‐", "", "–", "", "+", "00")
)

// normal is the one form in which a value of a kind is looked up.
func normal(kind, value string) string {
	s := strings.Join(strings.Fields(strings.ToUpper(norm.NFKC.String(strings.ToValidUTF8(value, "\ufffd")))), " ")
	switch kind {
	case OfName:
		return s
	case OfSubject:
		return value
	}
	s = strings.ReplaceAll(s, " ", "")
	switch kind {
	case OfPlate, OfPlateEnd:
		s = plateMarks.Replace(s)
	case OfPhone:
		if s = phoneMarks.Replace(s); len(s) == 15 { // 0086 and a mobile number
			s = strings.TrimPrefix(s, "0086")
		}
	}
	return s
}

// end is the last four characters of a normal plate, "" if it has no more.
func end(plate string) string {
	r := []rune(plate)
	if len(r) <= 4 {
		return ""
	}
	return string(r[len(r)-4:])
}

// personal is the key of a personal field of the entry, and whether it has one.
func (h hasher) personal(e *ledger.Entry, field string) (key, bool) {
	v := e.Personally(field)
	if v == "" || h == nil {
		return 0, false
	}
	return h.key(kindOf[field], normal(kindOf[field], v)), true
}

// terms are the keys by which an entry is found, each once.
func (h hasher) terms(e *ledger.Entry) (keys []key) {
	if h == nil {
		return nil
	}
	for _, f := range e.Personal {
		kind := kindOf[f.Name]
		if kind == "" || f.Value == "" {
			continue
		}
		n := normal(kind, f.Value)
		keys = append(keys, h.key(kind, n))
		if kind == OfPlate && end(n) != "" {
			keys = append(keys, h.key(OfPlateEnd, end(n)))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
