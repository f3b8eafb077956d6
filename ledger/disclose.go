package ledger

import (
	"encoding/hex"
	"maps"
	"slices"
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

func (p *personalRow) disclosed(seq int64) Disclosure {
	d := Disclosure{Seq: seq, Field: p.Name, Hash: hex.EncodeToString(p.hash[:])}
	if !p.erased {
		d.Salt, d.Value = hex.EncodeToString(p.salt[:]), &p.Value
	}
	return d
}

// Disclose calls f for every personal field of the entries from..to that can be read, and checks each of them against its
// record before. Of one that was erased alone the hash is told. Of an entry whose data was erased whole there is nothing.
func (r *Reader) Disclose(from, to int64, f func(Disclosure) error) error {
	return r.opened(from, to, func(e *Entry, got personal) error {
		if e.Kind == Carried {
			return nil
		}
		for i := range got.rows {
			if err := f(got.rows[i].disclosed(e.Seq)); err != nil {
				return err
			}
		}
		return nil
	})
}

// FieldNames lists the personal fields that the entries from..to still have, each name once.
func (r *Reader) FieldNames(from, to int64) ([]string, error) {
	names := map[string]bool{}
	err := r.Scan(from, to, true, func(e *Entry) error {
		for _, f := range e.Personal {
			names[f.Name] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(names)), err
}
