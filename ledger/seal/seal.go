// Package seal seals personal data, and forgets it.
//
// Personal data stands in an entry of the ledger only sealed: encrypted under a key that is made from the master key and from
// random bytes of this entry alone, its slot. Zeros over the slot make it unreadable for ever, wherever copies of the ledger
// lie, and no byte of the ledger changes (cryptographic erasure: NIST SP 800-88, 2.6). docs/formats.md has the bytes.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxSealed bounds what the personal fields of one entry take before they are encrypted.
const maxSealed = 1 << 18

// maxName bounds the name of a field, which stands behind one byte of length.
const maxName = 255

// What a field begins with.
const (
	fieldKept   = 1 // name, salt and value follow
	fieldErased = 2 // name and hash follow: salt and value were erased, and the commitment still holds
)

// Encode writes the fields of an entry, which are in order of their names. Equal fields have equal bytes.
func Encode(rows []Row) []byte {
	var b []byte
	for i := range rows {
		r := &rows[i]
		tag := byte(fieldKept)
		if r.Erased {
			tag = fieldErased
		}
		b = append(append(b, tag, byte(len(r.Name))), r.Name...)
		if r.Erased {
			b = append(b, r.Hash[:]...)
			continue
		}
		b = append(b, r.Salt[:]...)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(r.Value))), r.Value...)
	}
	return b
}

// errFields: what was decrypted is not what Encode writes.
var errFields = errors.New("not a list of personal fields")

// decode reads what Encode writes, and nothing else: a second spelling of the same fields is an error.
func decode(b []byte) (rows []Row, err error) {
	if len(b) > maxSealed {
		return nil, errFields
	}
	next := func(n int) (piece []byte) {
		if n > len(b) {
			err, b = errFields, nil
			return make([]byte, n)
		}
		piece, b = b[:n], b[n:]
		return piece
	}
	for len(b) > 0 {
		var r Row
		tag := next(1)[0]
		r.Name = string(next(int(next(1)[0])))
		switch tag {
		case fieldKept:
			copy(r.Salt[:], next(len(r.Salt)))
			r.Value = string(next(int(binary.BigEndian.Uint16(next(2)))))
			r.Hash = FieldHash(r.Salt, r.Field)
		case fieldErased:
			copy(r.Hash[:], next(len(r.Hash)))
			r.Erased = true
		default:
			return nil, errFields
		}
		if err != nil {
			return nil, err
		}
		if r.Name == "" || strings.ContainsRune(r.Name, 0) || !utf8.ValidString(r.Name) || !utf8.ValidString(r.Value) {
			return nil, errFields
		}
		if n := len(rows); n > 0 && rows[n-1].Name >= r.Name {
			return nil, errFields
		}
		rows = append(rows, r)
	}
	if rows == nil {
		return nil, errFields // an entry without personal fields has nothing sealed
	}
	return rows, nil
}

// Sealer encrypts and decrypts the personal fields of one epoch.
type Sealer struct {
	Master *Master // nil: the keys come from who has it
	Origin string
	Epoch  int
}

// errSealed: not what was sealed for this entry under this slot and master key.
var errSealed = errors.New("its personal data does not open with its slot and the master key")

// Key is that of one entry. It is used once, or twice when a commit failed and the seq is given out again: far below the
// 2^32 uses of a key that random nonces are good for (NIST SP 800-38D, 8.3).
func (s *Sealer) Key(seq int64, own Slot) ([]byte, error) {
	if own == (Slot{}) {
		return nil, fmt.Errorf("the slot of entry %d is all zeros", seq)
	}
	h := hmac.New(sha256.New, s.Master[:])
	h.Write(own[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(seq)))
	return h.Sum(nil), nil
}

func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is what the ciphertext is bound to: it opens nowhere else and with no other record.
func (s *Sealer) bound(seq int64, committed string) ([]byte, error) {
	sum, err := hex.DecodeString(committed)
	if err != nil || len(sum) != sha256.Size {
		return nil, fmt.Errorf("entry %d: %q is not a commitment to personal fields", seq, committed)
	}
	b := append(append([]byte("gated personal fields 1\n"), s.Origin...), 0)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Epoch))
	return append(binary.BigEndian.AppendUint64(b, uint64(seq)), sum...), nil
}

// Seal encrypts the fields for an entry: 12 random bytes, the ciphertext, and 16 bytes that authenticate both.
// The slot must be on the disk already: what was sealed under one that a power cut takes is lost.
func (s *Sealer) Seal(seq int64, own Slot, committed string, fields []byte) ([]byte, error) {
	key, err := s.Key(seq, own)
	if err != nil {
		return nil, err
	}
	a, err := aead(key)
	if err != nil {
		return nil, err
	}
	bound, err := s.bound(seq, committed)
	if err != nil {
		return nil, err
	}
	return a.Seal(make([]byte, 0, len(fields)+a.Overhead()), nil, fields, bound), nil
}

// Open decrypts the fields of an entry and compares them with the commitment in its record.
func (s *Sealer) Open(seq int64, key []byte, committed string, sealed []byte) ([]Row, error) {
	a, err := aead(key)
	if err != nil {
		return nil, err
	}
	bound, err := s.bound(seq, committed)
	if err != nil {
		return nil, err
	}
	b, err := a.Open(nil, nil, sealed, bound)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", seq, errSealed)
	}
	rows, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", seq, err)
	}
	if Commitment(rows) != committed {
		return nil, fmt.Errorf("entry %d: its personal fields are not those that its record committed to", seq)
	}
	return rows, nil
}

// Without is the fields with one of them erased: its name and hash stay, so that the commitment holds.
func Without(rows []Row, name string) (left []Row, found bool) {
	left = slices.Clone(rows)
	for i := range left {
		if r := &left[i]; r.Name == name && !r.Erased {
			*r, found = Row{Field: Field{Name: name}, Hash: r.Hash, Erased: true}, true
		}
	}
	return left, found
}
