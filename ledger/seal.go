package ledger

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

// Personal data stands in an entry only sealed: encrypted under a key that is made from the master key and from random
// bytes of this entry alone, its slot. Zeros over the slot make it unreadable for ever, wherever copies of the ledger lie,
// and no byte of the ledger changes (cryptographic erasure: NIST SP 800-88, 2.6). docs/formats.md has the bytes.

// maxSealed bounds what the personal fields of one entry take before they are encrypted.
const maxSealed = 1 << 18

// maxName bounds the name of a field, which stands behind one byte of length.
const maxName = 255

// What a field begins with.
const (
	fieldKept   = 1 // name, salt and value follow
	fieldErased = 2 // name and hash follow: salt and value were erased, and the commitment still holds
)

// encodeFields writes the fields of an entry, which are in order of their names. Equal fields have equal bytes.
func encodeFields(rows []personalRow) []byte {
	var b []byte
	for i := range rows {
		r := &rows[i]
		tag := byte(fieldKept)
		if r.erased {
			tag = fieldErased
		}
		b = append(append(b, tag, byte(len(r.Name))), r.Name...)
		if r.erased {
			b = append(b, r.hash[:]...)
			continue
		}
		b = append(b, r.salt[:]...)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(r.Value))), r.Value...)
	}
	return b
}

// errFields: what was decrypted is not what encodeFields writes.
var errFields = errors.New("not a list of personal fields")

// decodeFields reads what encodeFields writes, and nothing else: a second spelling of the same fields is an error.
func decodeFields(b []byte) (rows []personalRow, err error) {
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
		var r personalRow
		tag := next(1)[0]
		r.Name = string(next(int(next(1)[0])))
		switch tag {
		case fieldKept:
			copy(r.salt[:], next(len(r.salt)))
			r.Value = string(next(int(binary.BigEndian.Uint16(next(2)))))
			r.hash = fieldHash(r.salt, r.Field)
		case fieldErased:
			copy(r.hash[:], next(len(r.hash)))
			r.erased = true
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

// seals encrypts and decrypts the personal fields of one epoch.
type seals struct {
	master *master
	origin string
	epoch  int
}

// errSealed: not what was sealed for this entry under this slot and master key.
var errSealed = errors.New("its personal data does not open with its slot and the master key")

// aead is the cipher of one entry. Its key is used once, or twice when a commit failed and the seq is given out again: far
// below the 2^32 uses of a key that random nonces are good for (NIST SP 800-38D, 8.3).
func (s *seals) aead(seq int64, key slot) (cipher.AEAD, error) {
	if key == (slot{}) {
		return nil, fmt.Errorf("the slot of entry %d is all zeros", seq)
	}
	h := hmac.New(sha256.New, s.master[:])
	h.Write(key[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(seq)))
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is what the ciphertext is bound to: it opens nowhere else and with no other record.
func (s *seals) bound(seq int64, committed string) ([]byte, error) {
	sum, err := hex.DecodeString(committed)
	if err != nil || len(sum) != sha256.Size {
		return nil, fmt.Errorf("entry %d: %q is not a commitment to personal fields", seq, committed)
	}
	b := append(append([]byte("gated personal fields 1\n"), s.origin...), 0)
	b = binary.BigEndian.AppendUint64(b, uint64(s.epoch))
	return append(binary.BigEndian.AppendUint64(b, uint64(seq)), sum...), nil
}

// seal encrypts the fields for an entry: 12 random bytes, the ciphertext, and 16 bytes that authenticate both.
// The slot must be on the disk already: what was sealed under one that a power cut takes is lost.
func (s *seals) seal(seq int64, key slot, committed string, fields []byte) ([]byte, error) {
	a, err := s.aead(seq, key)
	if err != nil {
		return nil, err
	}
	bound, err := s.bound(seq, committed)
	if err != nil {
		return nil, err
	}
	return a.Seal(make([]byte, 0, len(fields)+a.Overhead()), nil, fields, bound), nil
}

// open decrypts the fields of an entry and compares them with the commitment in its record.
func (s *seals) open(seq int64, key slot, committed string, sealed []byte) ([]personalRow, error) {
	a, err := s.aead(seq, key)
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
	rows, err := decodeFields(b)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", seq, err)
	}
	if commitment(rows) != committed {
		return nil, fmt.Errorf("entry %d: its personal fields are not those that its record committed to", seq)
	}
	return rows, nil
}

// withoutField is the fields with one of them erased: its name and hash stay, so that the commitment holds.
func withoutField(rows []personalRow, name string) (left []personalRow, found bool) {
	left = slices.Clone(rows)
	for i := range left {
		if r := &left[i]; r.Name == name && !r.erased {
			*r, found = personalRow{Field: Field{Name: name}, hash: r.hash, erased: true}, true
		}
	}
	return left, found
}
