package roster

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// passColumns are those of a list of passes, as "gated pass issue --list" writes it and "gated pass record" reads it.
const passColumns = "serial,subject,issuer,not_before,not_after"

// WritePasses writes a list of passes.
func WritePasses(w io.Writer, passes []IssuedPass) error {
	out := csv.NewWriter(w)
	out.Write(strings.Split(passColumns, ","))
	for _, p := range passes {
		out.Write([]string{p.Serial, p.Subject, p.Issuer, p.NotBefore.UTC().Format(time.RFC3339), p.NotAfter.UTC().Format(time.RFC3339)})
	}
	out.Flush()
	return out.Error()
}

// ReadPasses reads a list of passes.
func ReadPasses(path string) (passes []IssuedPass, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = 5
	for row := 1; ; row++ {
		rec, err := r.Read()
		if err == io.EOF {
			return passes, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if row == 1 {
			if strings.Join(rec, ",") != passColumns {
				return nil, fmt.Errorf("%s: not the passes.csv of \"gated pass issue --list\"", path)
			}
			continue
		}
		p := IssuedPass{Serial: rec[0], Subject: rec[1], Issuer: rec[2]}
		var err1, err2 error
		p.NotBefore, err1 = time.Parse(time.RFC3339, rec[3])
		p.NotAfter, err2 = time.Parse(time.RFC3339, rec[4])
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%s row %d: %w", path, row, err)
		}
		passes = append(passes, p)
	}
}
