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
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i, row := range rows {
		if i == 0 {
			if strings.Join(row, ",") != passColumns {
				return nil, fmt.Errorf("%s: not the passes.csv of \"gated pass issue --list\"", path)
			}
			continue
		}
		p := IssuedPass{Serial: row[0], Subject: row[1], Issuer: row[2]}
		var err1, err2 error
		p.NotBefore, err1 = time.Parse(time.RFC3339, row[3])
		p.NotAfter, err2 = time.Parse(time.RFC3339, row[4])
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%s row %d: %w", path, i+1, err)
		}
		passes = append(passes, p)
	}
	return passes, nil
}
