package ledger

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
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

// Disclose calls f for every personal field of the entries from..to, and checks each of them against its record before.
func (r *Reader) Disclose(from, to int64, f func(Disclosure) error) error {
	rows := map[int64][]personalRow{}
	have := from - 1
	return r.Entries(from, to, false, func(e *Entry) error {
		if e.Seq > have {
			clear(rows)
			have = min(e.Seq+piece-1, to)
			if err := r.personalRows(e.Seq, have, rows); err != nil {
				return err
			}
		}
		own := rows[e.Seq]
		if len(own) == 0 && e.Record.Personal == "" {
			return nil
		}
		if commitment(own) != e.Record.Personal {
			return fmt.Errorf("entry %d: its personal fields are not those that its record committed to", e.Seq)
		}
		for i := range own {
			if err := f(own[i].disclosed(e.Seq)); err != nil {
				return err
			}
		}
		return nil
	})
}

// FieldNames lists the personal fields that the entries from..to still have, each name once.
func (r *Reader) FieldNames(from, to int64) (names []string, err error) {
	err = r.c.query(func(v []driver.Value) error { names = append(names, text(v[0])); return nil },
		"SELECT DISTINCT field FROM personal WHERE seq BETWEEN ? AND ? AND value IS NOT NULL ORDER BY field", from, to)
	return names, err
}
