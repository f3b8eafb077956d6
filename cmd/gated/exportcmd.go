package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gated/box"
	"gated/durable"
	"gated/evidence"
	"gated/evidence/bundle"
	"gated/ledger/tlog"

	"github.com/spf13/cobra"
)

// export is one export under way.
type export struct {
	*evidence.Reader
	evidence.Selection
	out            string // "": standard output
	files          *durable.Files
	stdout, stderr io.Writer
}

// format is what --format can say.
type format struct {
	about string // for the help
	flags string // what it understands: day or range, events, personal; whether it needs out, a file or a folder; if it has a companion
	// write writes it to w and, where it has personal fields, what checks each to the companion.
	write func(x *export, w, companion io.Writer) error
}

func (f format) has(flag string) bool { return slices.Contains(strings.Fields(f.flags), flag) }

// formats: another one is a line here.
var formats = map[string]format{
	"bundle": {"one day as evidence: records, tree heads and proofs, to be checked with the gate's public key alone",
		"day personal out", func(x *export, w, _ io.Writer) error { return bundle.Write(w, x.Reader, x.From, x.Personal) }},
	"csv": {"one row for each passage (--events: for each event), for a spreadsheet; begins with when the box was not watching",
		"range events personal companion", func(x *export, w, companion io.Writer) error { return x.ExportCSV(w, companion, x.Selection) }},
	"jsonl": {"the exact records, one a line; when the box was not watching is told on standard error",
		"range personal companion", exportJSONL},
	"xlsx": {"as csv, every cell text; counts and the tree head on a sheet before",
		"range events personal out", func(x *export, w, _ io.Writer) error { return x.ExportXLSX(w, x.Selection) }},
	"tiles": {"the whole ledger as a folder of c2sp.org/tlog-tiles; into an older one it adds what is new",
		"folder", func(x *export, _, _ io.Writer) error { return tlog.WriteTiles(x.Reader, x.out) }},
}

func exportJSONL(x *export, w, companion io.Writer) error {
	days, err := x.ExportJSONL(w, companion, x.Selection)
	for _, d := range days {
		if err == nil {
			err = x.WriteGaps(x.stderr, d)
		}
	}
	return err
}

// run writes the export, and OUT.personal.jsonl, with which each personal field can be checked against its record.
func (x *export) run(f format) (err error) {
	if x.out == "" || f.has("folder") { // which needs no manifest: the tree head covers every file
		return f.write(x, x.stdout, nil)
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
func (x *export) file(suffix string) (*os.File, error) {
	f, err := x.files.Begin(suffix)
	if err != nil {
		err = fmt.Errorf("--out: %w", err)
	}
	return f, err
}

// manifest adds the newest tree head, and the SHA-256 of every file in the form of sha256sum.
func (x *export) manifest() error {
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
				filepath.Base(x.out), h.Size)
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

func (x *export) add(suffix string, b []byte) error {
	f, err := x.file(suffix)
	if err == nil {
		_, err = f.Write(b)
	}
	return err
}

// wanted is what the flags of an export ask for.
type wanted struct {
	day, from, to, format, out, reason string
	events                             bool
	ranged, dated, personal            bool // --from or --to, --day, --with-personal are there
}

// check refuses flags that do not go together.
func (x *wanted) check() error {
	f, ok := formats[x.format]
	switch {
	case x.format == "sqlite": // as it was called; scripts have it
		return errors.New("--format sqlite is no export any more: \"gated ledger backup\" copies the whole ledger")
	case !ok:
		return fmt.Errorf("--format %q: want one of %s", x.format, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	case x.ranged && x.dated, (x.from == "") != (x.to == ""):
		return errors.New("name one day with --day, or the first and the last with --from and --to")
	case x.ranged && f.has("day"):
		return fmt.Errorf("--format %s is of one day: name it with --day", x.format)
	case (x.ranged || x.dated) && !f.has("range") && !f.has("day"):
		return fmt.Errorf("--format %s is the whole ledger: leave out --day, --from and --to", x.format)
	case x.events && !f.has("events"):
		return fmt.Errorf("--events is not for --format %s: it is for csv and xlsx", x.format)
	case x.personal && !f.has("personal"):
		return fmt.Errorf("--with-personal is not for --format %s", x.format)
	case x.personal && x.out == "":
		return errors.New("--with-personal: name the file with --out: personal data does not go to a terminal or a pipe")
	case x.out == "" && f.has("out"):
		return fmt.Errorf("--format %s: name the file with --out", x.format)
	case x.out == "" && f.has("folder"):
		return fmt.Errorf("--format %s: name the folder with --out", x.format)
	case strings.ContainsAny(filepath.Base(x.out), "\n\r\\"):
		return fmt.Errorf("--out %q: sha256sum cannot name such a file: leave out line breaks and backslashes", x.out)
	}
	if st, err := os.Stat(x.out); x.out != "" && err == nil && st.IsDir() != f.has("folder") {
		if f.has("folder") {
			return fmt.Errorf("--out %s is a file: name a folder", x.out)
		}
		return fmt.Errorf("--out %s is a directory: name a file", x.out)
	}
	if x.personal {
		return box.CheckReason(x.reason)
	}
	return nil
}

// days says which days are meant, in the gate's zone.
func (x *wanted) days(s *evidence.Selection) (err error) {
	flag, from, to := "--from", x.from, x.to
	if !x.ranged {
		flag, from, to = "--day", x.day, x.day
	}
	if s.From, err = evidence.Date(flag, from, s.Now); err != nil {
		return err
	}
	if s.To, err = evidence.Date("--to", to, s.Now); err != nil {
		return err
	}
	if _, err := s.Days(); err != nil {
		return fmt.Errorf("--%w", err)
	}
	return nil
}

func ledgerExport() *cobra.Command {
	var want wanted
	long := "export writes days in the gate's time zone.\n\n"
	for _, n := range slices.Sorted(maps.Keys(formats)) {
		long += fmt.Sprintf("%-7s %s\n", n, formats[n].about)
	}
	c := &cobra.Command{
		Use:   "export (--day D | --from A --to B) --format F",
		Short: "write days for the auditor",
		Long: long + `
With --out F there is F.sha256, for sha256sum -c, and F.head, the newest signed tree head.

Nothing in an export names a person, unless --with-personal says why it must. Then the export is
recorded in the ledger first, with who asked and the reason, and each field can be checked: with
F.personal.jsonl beside csv and jsonl, on the sheet "personal" of xlsx. Such files have mode 0600.`,
		Example: "  gated ledger export --day yesterday --format xlsx --out day.xlsx\n" +
			"  gated ledger export --from 2026-11-01 --to 2026-11-30 --format jsonl --out november.jsonl",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			given := c.Flags().Changed
			want.ranged, want.dated, want.personal = given("from") || given("to"), given("day"), given("with-personal")
			if err := want.check(); err != nil {
				return err
			}
			r, now, err := openLedger(c)
			if err != nil {
				return err
			}
			defer r.Close()
			days := evidence.Selection{Events: want.events, Personal: want.personal, Now: now}
			if want.out != "" {
				days.Temp = filepath.Dir(want.out)
			}
			if err := want.days(&days); err != nil {
				return err
			}
			if want.personal {
				dir, err := existing(c)
				if err != nil {
					return err
				}
				hidden, err := box.BeginExport(c.Context(), dir, r.Reader.Reader,
					box.Export{Format: want.format, From: days.From, To: days.To, Reason: want.reason})
				if hidden != nil {
					fmt.Fprintf(c.ErrOrStderr(), "not all personal data can be read: %v\n", hidden)
				}
				if err != nil {
					return err
				}
			}
			files := durable.NewFiles(want.out)
			defer files.RemoveAtSignal()()
			x := &export{r, days, want.out, files, c.OutOrStdout(), c.ErrOrStderr()}
			return files.End(x.run(formats[want.format]))
		}}
	f := c.Flags()
	f.StringVar(&want.day, "day", "today", "the day: 2026-11-23, today or yesterday")
	f.StringVar(&want.from, "from", "", "the first of several days")
	f.StringVar(&want.to, "to", "", "the last of several days")
	f.StringVar(&want.format, "format", "", strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	f.StringVar(&want.out, "out", "", "file to write, or folder for tiles; it appears only when it is whole (default: standard output)")
	f.BoolVar(&want.events, "events", false, "one row for each event instead of each passage")
	f.StringVar(&want.reason, "with-personal", "", "put the personal fields in, and record this `reason`")
	c.MarkFlagRequired("format")
	return c
}
