package file

import (
	"encoding/hex"
	"fmt"

	"gated/ledger/entry"
	"gated/ledger/seal"
)

// Disclosure is one personal field with what is needed to check it: Hash is HMAC-SHA-256(Salt, Field ‖ 0 ‖ Value), and the
// record of entry Seq has as its personal the SHA-256 over the hashes of all its fields, sorted. Of an erased field only
// the hash is left.
type Disclosure struct {
	Seq   int64   `json:"seq"`
	Field string  `json:"field"`
	Salt  string  `json:"salt,omitempty"` // hex
	Value *string `json:"value,omitempty"`
	Hash  string  `json:"hash"` // hex
}

// ScanDisclosed is Scan with what is needed to check the personal fields, also of a field that was erased alone. Of an entry
// whose personal data was erased whole there is nothing.
func (r *Reader) ScanDisclosed(from, to int64, f func(e *entry.Entry, fields []Disclosure) error) error {
	return r.c.open(r.Zone, from, to, r.personal(), func(e *entry.Entry, got personal) error {
		e.Personal = got.shown(e)
		if e.Kind == entry.Carried {
			return f(e, nil)
		}
		fields := make([]Disclosure, len(got.rows))
		for i := range got.rows {
			p := &got.rows[i]
			fields[i] = Disclosure{Seq: e.Seq, Field: p.Name, Hash: hex.EncodeToString(p.Hash[:])}
			if !p.Erased {
				fields[i].Salt, fields[i].Value = hex.EncodeToString(p.Salt[:]), &p.Value
			}
		}
		return f(e, fields)
	})
}

// CheckDisclosed checks the fields of one entry, each against its hash, and returns what the record must have as its
// personal.
func CheckDisclosed(fields []Disclosure) (commits string, err error) {
	rows := make([]seal.Row, len(fields))
	for i, d := range fields {
		row := &rows[i]
		row.Name = d.Field
		if err := unhex(row.Hash[:], d.Hash); err != nil {
			return "", fmt.Errorf("entry %d, field %q: its hash %w", d.Seq, d.Field, err)
		}
		if d.Value == nil && d.Salt == "" {
			continue // erased, or left out
		}
		if d.Value != nil {
			row.Value = *d.Value
		}
		if err := unhex(row.Salt[:], d.Salt); err != nil || seal.FieldHash(row.Salt, row.Field) != row.Hash {
			return "", fmt.Errorf("entry %d: personal field %q is not what was recorded", d.Seq, d.Field)
		}
	}
	return seal.Commitment(rows), nil
}

func unhex(to []byte, text string) error {
	if n, err := hex.Decode(to, []byte(text[:min(len(text), 2*len(to))])); err != nil || len(text) != 2*len(to) || n != len(to) {
		return fmt.Errorf("has not %d hexadecimal digits", 2*len(to))
	}
	return nil
}
