package evidence

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"

	"gated/ledger/entry"
)

// row is a row of a table whose columns for personal fields are known when all rows are.
type row struct {
	Cells    []string
	Personal []entry.Field
}

// spool keeps the rows of a table until it is known what stands before them, in a file without a name, encrypted under a key
// that is in memory only: whatever ends the export, nothing that can be read is left behind, not even in blocks of the disk
// that no file has any more.
type spool struct {
	file *os.File
	key  cipher.Block
	w    *bufio.Writer
	rows *gob.Encoder
}

func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, ".rows-*") // mode 0600
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	key := make([]byte, 32)
	rand.Read(key)                 // never fails: the process ends first
	block, _ := aes.NewCipher(key) // fails for other lengths
	s := &spool{file: f, key: block}
	s.w = bufio.NewWriter(cipher.StreamWriter{S: s.stream(), W: f})
	s.rows = gob.NewEncoder(s.w)
	return s, nil
}

// stream encrypts the file from its beginning, or decrypts it. The key is of this file alone, which is written once.
func (s *spool) stream() cipher.Stream { return cipher.NewCTR(s.key, make([]byte, aes.BlockSize)) }

func (s *spool) Close() error { return s.file.Close() }

func (s *spool) add(r row) error { return s.rows.Encode(r) }

// each hands the rows on, in order.
func (s *spool) each(f func(row) error) error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	rows := gob.NewDecoder(bufio.NewReader(cipher.StreamReader{S: s.stream(), R: s.file}))
	for {
		var r row
		switch err := rows.Decode(&r); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("read back the rows: %w", err)
		}
		if err := f(r); err != nil {
			return err
		}
	}
}
