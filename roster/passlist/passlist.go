// Package passlist makes, reads and writes lists of passes.
package passlist

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gated/credential"
	"gated/durable"
	"gated/roster"
	"gated/roster/sheet"
	"gated/table"
)

// passColumns are those of a list of passes, as "gated pass issue --list" writes it and "gated pass record" reads it.
const passColumns = "serial,subject,issuer,not_before,not_after"

// Issue makes a pass like p for each bearer. It writes what [credential.Print] does and the list, passes.csv, into a new directory,
// which only its owner may read. done is told how many passes are made.
func Issue(dir string, key ed25519.PrivateKey, p credential.Pass, bearers []sheet.Bearer, done func(n int)) error {
	var printed []credential.Printed
	var passes []roster.IssuedPass
	for _, b := range bearers {
		p.Subject, p.Kind = b.ID, b.Kind
		rand.Read(p.Serial[:])
		printed = append(printed, credential.Printed{Pass: p, Room: b.Room, Name: b.Name})
		passes = append(passes, roster.IssuedPass{Serial: fmt.Sprintf("%x", p.Serial), Subject: p.Subject, Issuer: p.Issuer,
			NotBefore: p.NotBefore, NotAfter: p.NotAfter})
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("--out: %w: name a directory that does not exist yet", err)
	}
	if err := credential.Print(dir, key, printed, done); err != nil {
		return err
	}
	var list bytes.Buffer
	Write(&list, passes) // memory takes it
	return durable.Create(filepath.Join(dir, "passes.csv"), list.Bytes(), 0o600)
}

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
	f, err := durable.Open(path, os.O_RDONLY)
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
	if len(rows) == 0 {
		rows = [][]string{nil}
	}
	for i, row := range rows {
		if i == 0 {
			if strings.Join(row, ",") != passColumns {
				return nil, fmt.Errorf("%s: no headings %s: it is not the passes.csv of \"gated pass issue --list\"", path, passColumns)
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
	word := func(s string) string { return cmp.Or(s, "-") }
	t := table.New(w, "SERIAL\tSUBJECT\tISSUER\tFROM\tUNTIL\tREVOKED")
	for _, p := range list {
		if p.Revoked != "" || !revoked {
			t.Row(p.Serial, word(p.Subject), word(p.Issuer), when(p.NotBefore), when(p.NotAfter), word(p.Revoked))
		}
	}
	for _, h := range slices.Sorted(maps.Keys(before)) {
		t.Row("all others", h, "-", "before "+when(before[h]), "-", "household")
	}
	return t.Flush()
}

// Request says which passes are to be issued, as flags do: one, or one for everybody on a list.
type Request struct {
	credential.Pass
	Key         string // file of the private key
	From, Until string // as [credential.PassTime] reads them
	PNG         string // file of the one pass's picture; "": none
	List, Out   string // an exported roster, and a new directory
}

// Resolve reads when the passes begin and end, in a zone, and the key, and refuses what does not go together.
func (q *Request) Resolve(zone *time.Location) (key ed25519.PrivateKey, err error) {
	if q.NotBefore, err = credential.PassTime("from", q.From, zone, false); err != nil {
		return nil, err
	}
	if q.NotAfter, err = credential.PassTime("until", q.Until, zone, true); err != nil {
		return nil, err
	}
	if key, err = credential.ReadPrivateKey(q.Key); err != nil {
		return nil, err
	}
	if q.List != "" && (q.Subject != "" || q.Kind != "" || q.PNG != "" || q.Out == "") {
		return nil, errors.New("pass issue --list: give --out DIR, and none of --sub, --kind and --png")
	}
	if q.List == "" && (q.Subject == "" || q.Kind == "") {
		return nil, errors.New("pass issue: give --sub and --kind, or --list and --out")
	}
	return key, nil
}

// Sign issues the one pass, and makes its picture.
func (q *Request) Sign(key ed25519.PrivateKey) (text string, err error) {
	text, err = credential.Issue(key, q.Pass)
	if err == nil && q.PNG != "" {
		err = credential.WritePNG(q.PNG, text)
	}
	return text, err
}

// SignAll issues a pass for each row of the list, as Issue does, and tells how many; done is told how many of all are made.
func (q *Request) SignAll(key ed25519.PrivateKey, list *sheet.List, done func(n, of int)) (int, error) {
	all, err := list.Bearers()
	if err != nil {
		return 0, fmt.Errorf("%s %w", q.List, err)
	}
	return len(all), Issue(q.Out, key, q.Pass, all, func(n int) { done(n, len(all)) })
}
