package evidence

import (
	"bufio"
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

// spool keeps the rows of a table until it is known what stands before them, in a file without a name: whatever ends the
// export, nothing of it is left behind.
type spool struct {
	file *os.File
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
	w := bufio.NewWriter(f)
	return &spool{f, w, gob.NewEncoder(w)}, nil
}

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
	rows := gob.NewDecoder(bufio.NewReader(s.file))
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
