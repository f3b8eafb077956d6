// Package passlist reads and writes lists of passes.
package passlist

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gated/roster"
)

// passColumns are those of a list of passes, as "gated pass issue --list" writes it and "gated pass record" reads it.
const passColumns = "serial,subject,issuer,not_before,not_after"

// Write writes the passes that an issuer made.
func Write(w io.Writer, passes []roster.IssuedPass) error {
	out := csv.NewWriter(w)
	out.Write(strings.Split(passColumns, ","))
	for _, p := range passes {
		out.Write([]string{p.Serial, p.Subject, p.Issuer, p.NotBefore.UTC().Format(time.RFC3339), p.NotAfter.UTC().Format(time.RFC3339)})
	}
	out.Flush()
	return out.Error()
}

// Read reads what Write wrote.
func Read(path string) (passes []roster.IssuedPass, err error) {
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
		p := roster.IssuedPass{Serial: row[0], Subject: row[1], Issuer: row[2]}
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

// Print prints the passes that the roster at a path knows, the revoked ones alone if told so.
func Print(w io.Writer, path string, revoked bool) error {
	list, before, err := roster.ListPasses(path)
	if err != nil {
		return err
	}
	when := func(t time.Time) string {
		if t.UnixMicro() == 0 {
			return "-"
		}
		return t.Format(time.RFC3339)
	}
	word := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERIAL\tSUBJECT\tISSUER\tFROM\tUNTIL\tREVOKED")
	for _, p := range list {
		if p.Revoked != "" || !revoked {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Serial, word(p.Subject), word(p.Issuer), when(p.NotBefore), when(p.NotAfter),
				word(p.Revoked))
		}
	}
	for _, h := range slices.Sorted(maps.Keys(before)) {
		fmt.Fprintf(t, "all others\t%s\t-\tbefore %s\t-\thousehold\n", h, when(before[h]))
	}
	return t.Flush()
}
