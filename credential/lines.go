package credential

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// CheckLines checks one code a line, as [Trust.Check] does, and calls f with each claim until that returns an error. An error of r is one.
func (t *Trust) CheckLines(r io.Reader, now time.Time, f func(Claim) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		for long := errors.Is(err, bufio.ErrBufferFull); long; long = errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n') // far too long to be a code; what was read says so
		}
		if line = bytes.Trim(line, "\r\n"); len(line) > 0 {
			if err := f(t.Check(line, now)); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// PrintLines writes what each code proves as a line of JSON, and tells how many codes there are and how many of them are not valid.
func (t *Trust) PrintLines(w io.Writer, r io.Reader, now time.Time) (codes, bad int, err error) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	err = t.CheckLines(r, now, func(c Claim) error {
		codes++
		if !c.Valid {
			bad++
		}
		return out.Encode(c)
	})
	return codes, bad, err
}
