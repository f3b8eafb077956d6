// Package export writes days of a ledger into the files that somebody asked for.
package export

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gated/durable"
	"gated/evidence"
	"gated/evidence/bundle"
	"gated/ledger/tlog"
)

// Request is what is asked for, as the flags say it.
type Request struct {
	evidence.Selection        // its days as --from and --to say them, until Resolve
	Day, Format        string // Day counts without --from and --to
	Out                string // file or folder; "": standard output
	Dated              bool   // --day is there
}

// format is what --format can say.
type format struct {
	about string // for the help
	flags string // what it understands: day or range, events, personal; if it needs out, a file or folder; if it has a companion
	// write writes it to w and, where it has personal fields, what checks each to the companion.
	write func(x *writing, w, companion io.Writer) error
}

func (f format) has(flag string) bool { return slices.Contains(strings.Fields(f.flags), flag) }

// formats: another one is a line here.
var formats = map[string]format{
	"bundle": {"one day as evidence: records, tree heads and proofs, to be checked with the gate's public key alone",
		"day personal out", func(x *writing, w, _ io.Writer) error { return bundle.Write(w, x.Reader, x.From, x.Personal) }},
	"csv": {"one row for each passage (--events: for each event), for a spreadsheet; begins with when the box was not watching",
		"range events personal companion",
		func(x *writing, w, companion io.Writer) error { return x.ExportCSV(w, companion, x.Selection) }},
	"jsonl": {"the exact records, one a line; when the box was not watching is told on standard error",
		"range personal companion", jsonl},
	"tiles": {"the whole ledger as a folder of c2sp.org/tlog-tiles; into an older one it adds what is new",
		"folder", func(x *writing, _, _ io.Writer) error { return tlog.WriteTiles(x.Reader, x.Out) }},
	"xlsx": {"as csv, every cell text; counts and the tree head on a sheet before",
		"range events personal out", func(x *writing, w, _ io.Writer) error { return x.ExportXLSX(w, x.Selection) }},
}

func jsonl(x *writing, w, companion io.Writer) error {
	days, err := x.ExportJSONL(w, companion, x.Selection)
	for _, d := range days {
		if err == nil {
			err = x.WriteGaps(x.stderr, d)
		}
	}
	return err
}

// Formats are the names of all formats.
func Formats() string { return strings.Join(slices.Sorted(maps.Keys(formats)), ", ") }

// About says what each format is, a line each.
func About() (lines string) {
	for _, n := range slices.Sorted(maps.Keys(formats)) {
		lines += fmt.Sprintf("%-7s %s\n", n, formats[n].about)
	}
	return lines
}

// Check refuses what does not go together.
func (x Request) Check() error {
	f, ok := formats[x.Format]
	ranged := x.From != "" || x.To != ""
	switch {
	case x.Format == "sqlite": // as it was called; scripts have it
		return errors.New("--format sqlite is no export any more: \"gated ledger backup\" copies the whole ledger")
	case !ok:
		return fmt.Errorf("--format %q: want one of %s", x.Format, Formats())
	case ranged && x.Dated, (x.From == "") != (x.To == ""):
		return errors.New("name one day with --day, or the first and the last with --from and --to")
	case ranged && f.has("day"):
		return fmt.Errorf("--format %s is of one day: name it with --day", x.Format)
	case (ranged || x.Dated) && !f.has("range") && !f.has("day"):
		return fmt.Errorf("--format %s is the whole ledger: leave out --day, --from and --to", x.Format)
	case x.Events && !f.has("events"):
		return fmt.Errorf("--events is not for --format %s: it is for csv and xlsx", x.Format)
	case x.Personal && !f.has("personal"):
		return fmt.Errorf("--with-personal is not for --format %s", x.Format)
	case x.Personal && x.Out == "":
		return errors.New("--with-personal: name the file with --out: personal data does not go to a terminal or a pipe")
	case x.Out == "" && f.has("out"):
		return fmt.Errorf("--format %s: name the file with --out", x.Format)
	case x.Out == "" && f.has("folder"):
		return fmt.Errorf("--format %s: name the folder with --out", x.Format)
	case strings.ContainsAny(filepath.Base(x.Out), "\n\r\\"):
		return fmt.Errorf("--out %q: sha256sum cannot name such a file: leave out line breaks and backslashes", x.Out)
	}
	if st, err := os.Stat(x.Out); x.Out != "" && err == nil && st.IsDir() != f.has("folder") {
		if f.has("folder") {
			return fmt.Errorf("--out %s is a file: name a folder", x.Out)
		}
		return fmt.Errorf("--out %s is a directory: name a file", x.Out)
	}
	return nil
}

// Resolve says which days are meant, in the zone of now.
func (x *Request) Resolve(now time.Time) (err error) {
	x.Now = now
	if x.Out != "" {
		x.Temp = filepath.Dir(x.Out)
	}
	flag := "--from"
	if x.From == "" {
		flag, x.From, x.To = "--day", x.Day, x.Day
	}
	if x.From, err = evidence.Date(flag, x.From, now); err != nil {
		return err
	}
	if x.To, err = evidence.Date("--to", x.To, now); err != nil {
		return err
	}
	if _, err = x.Days(); err != nil {
		err = fmt.Errorf("--%w", err)
	}
	return err
}

// Write writes the export, and OUT.personal.jsonl, with which each personal field can be checked against its record. Its files get
// their names when all of them are whole.
func (x Request) Write(r *evidence.Reader, stdout, stderr io.Writer) error {
	files := durable.NewFiles(x.Out)
	defer files.RemoveAtSignal()()
	w := &writing{x, r, files, stderr}
	return files.End(w.run(stdout))
}

// writing is one export under way.
type writing struct {
	Request
	*evidence.Reader
	files  *durable.Files
	stderr io.Writer
}

func (x *writing) run(stdout io.Writer) (err error) {
	f := formats[x.Format]
	if x.Out == "" || f.has("folder") { // which needs no manifest: the tree head covers every file
		return f.write(x, stdout, nil)
	}
	var w, companion io.Writer
	if w, err = x.file(""); err == nil && x.Personal && f.has("companion") {
		companion, err = x.file(".personal.jsonl")
	}
	if err == nil {
		err = f.write(x, w, companion)
	}
	if err == nil {
		err = x.manifest()
	}
	return err
}

// file begins a file that will be called as --out says, with a suffix.
func (x *writing) file(suffix string) (*os.File, error) {
	f, err := x.files.Begin(suffix)
	if err != nil {
		err = fmt.Errorf("--out: %w", err)
	}
	return f, err
}

// manifest adds the newest tree head, and the SHA-256 of every file in the form of sha256sum.
func (x *writing) manifest() error {
	h, err := x.Head()
	switch {
	case errors.Is(err, tlog.ErrNoHead):
		fmt.Fprintln(x.stderr, "no tree head beside the export:", err)
	case err != nil:
		return err
	default:
		if size, err := x.Size(); err != nil {
			return err
		} else if h.Size < size {
			fmt.Fprintf(x.stderr, "%s.head is of the first %d entries: what came after is signed within a second\n",
				filepath.Base(x.Out), h.Size)
		}
		if err := x.add(".head", h.Note); err != nil {
			return err
		}
	}
	sums, err := x.files.Sums()
	if err != nil {
		return err
	}
	return x.add(".sha256", sums)
}

func (x *writing) add(suffix string, b []byte) error {
	f, err := x.file(suffix)
	if err == nil {
		_, err = f.Write(b)
	}
	return err
}
