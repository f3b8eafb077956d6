package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Field is one piece of personal data.
type Field struct{ Name, Value string }

// Row is a field with its commitment.
type Row struct {
	Field
	Salt, Hash [32]byte
	Erased     bool // salt and value are gone
}

// FieldHash commits to one field: HMAC-SHA-256(salt, name ‖ 0 ‖ value).
func FieldHash(salt [32]byte, f Field) (sum [32]byte) {
	h := hmac.New(sha256.New, salt[:])
	h.Write(append(append([]byte(f.Name), 0), f.Value...))
	h.Sum(sum[:0])
	return sum
}

// commit salts every field and returns the rows, in order of their names, with the commitment that goes into the record.
func Commit(fields []Field) ([]Row, string) {
	if len(fields) == 0 {
		return nil, ""
	}
	rows := make([]Row, len(fields))
	salts := make([]byte, 32*len(fields))
	rand.Read(salts) // never fails: the process ends first
	for i, f := range fields {
		f.Value = text(f.Value)
		rows[i].Field, rows[i].Salt = f, [32]byte(salts[32*i:])
		rows[i].Hash = FieldHash(rows[i].Salt, f)
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Name, b.Name) })
	return rows, Commitment(rows)
}

// text makes a text of a value: bytes that are none could not be shown again with their hash.
func text(value string) string { return strings.ToValidUTF8(value, "\ufffd") }

// Commitment is what goes into the record: hexadecimal SHA-256 over the sorted hashes.
func Commitment(rows []Row) string {
	hashes := make([][]byte, len(rows))
	for i := range rows {
		hashes[i] = rows[i].Hash[:]
	}
	slices.SortFunc(hashes, bytes.Compare)
	sum := sha256.Sum256(bytes.Join(hashes, nil))
	return hex.EncodeToString(sum[:])
}

// MaxValue is the largest value of a field in bytes, which stands behind two bytes of length.
const MaxValue = 65535

// Check says why fields cannot be kept with an entry.
func Check(fields []Field) error {
	seen, size := map[string]bool{}, 0
	for _, f := range fields {
		if f.Name == "" || seen[f.Name] {
			return fmt.Errorf("personal field %q is named twice or not at all", f.Name)
		}
		if strings.ContainsRune(f.Name, 0) || !utf8.ValidString(f.Name) || len(f.Name) > maxName || len(text(f.Value)) > MaxValue {
			return fmt.Errorf("personal field %q: a name has at most %d bytes of UTF-8 without NUL, a value at most %d",
				f.Name, maxName, MaxValue)
		}
		seen[f.Name] = true
		size += len(f.Name) + len(text(f.Value)) + 64
	}
	if size > maxSealed {
		return fmt.Errorf("personal fields of %d bytes: at most %d can be kept with an entry", size, maxSealed)
	}
	return nil
}
