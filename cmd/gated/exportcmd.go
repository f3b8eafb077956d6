package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"gated/box"
	"gated/durable"
	"gated/evidence"
	"gated/evidence/bundle"
	"gated/ledger/file"
	"gated/ledger/tlog"

	"github.com/spf13/cobra"
)

// export is one export under way. Its files get their names together, when all went well: half an export is worse
// than none.
type export struct {
	*evidence.Reader
	evidence.Selection
	out            string // "": standard output
	stdout, stderr io.Writer

	mu       sync.Mutex // of the rest, which a signal removes
	files    []*os.File // under names of their own; the names to be are out and a suffix
	suffixes []string
}

// format is what --format can say.
type format struct {
	about string // for the help
	flags string // what it understands: day or range, events, personal; and whether it needs out, a file or a folder
	write func(*export) error
}

// formats: another one is a line here, and its function.
var formats = map[string]format{
	"bundle": {"one day as evidence: records, tree heads and proofs, to be checked with the gate's public key alone",
		"day personal out", exportBundle},
	"csv": {"one row for each passage (--events: for each event), for a spreadsheet; begins with when the box was not watching",
		"range events personal", exportCSV},
	"jsonl": {"the exact records, one a line; when the box was not watching is told on standard error", "range personal", exportJSONL},
	"xlsx":  {"as csv, every cell text; counts and the tree head on a sheet before", "range events personal out", exportXLSX},
	"tiles": {"the whole ledger as a folder of c2sp.org/tlog-tiles; into an older one it adds what is new", "folder", exportTiles},
}

func exportBundle(x *export) error {
	f, err := x.file("")
	if err != nil {
		return err
	}
	return bundle.Write(f, x.Reader, x.From, x.Personal)
}

func exportCSV(x *export) error {
	w, companion, err := x.both()
	if err != nil {
		return err
	}
	return x.ExportCSV(w, companion, x.Selection)
}

func exportJSONL(x *export) error {
	w, companion, err := x.both()
	if err != nil {
		return err
	}
	days, err := x.ExportJSONL(w, companion, x.Selection)
	for _, d := range days {
		if err == nil {
			err = evidence.WriteGaps(x.stderr, x.Meta, d.Day, d.Gaps)
		}
	}
	return err
}

func exportXLSX(x *export) error {
	w, err := x.main()
	if err != nil {
		return err
	}
	return x.ExportXLSX(w, x.Selection)
}

// exportTiles needs no manifest: the tree head covers every file.
func exportTiles(x *export) error { return tlog.WriteTiles(x.Reader, x.out) }

// both are where the export itself goes, and OUT.personal.jsonl, with which each personal field can be checked against its
// record.
func (x *export) both() (w, companion io.Writer, err error) {
	if w, err = x.main(); err == nil && x.Personal {
		companion, err = x.file(".personal.jsonl")
	}
	return w, companion, err
}

// main is where the export itself goes.
func (x *export) main() (io.Writer, error) {
	if x.out == "" {
		return x.stdout, nil
	}
	return x.file("")
}

// file begins a file that will be called as --out says, with a suffix. Its mode is 0600.
func (x *export) file(suffix string) (*os.File, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f, err := durable.Begin(x.out + suffix)
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	x.files, x.suffixes = append(x.files, f), append(x.suffixes, suffix)
	return f, nil
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
		size, err := x.Size()
		if err != nil {
			return err
		}
		if h.Size < size {
			fmt.Fprintf(x.stderr, "%s.head is of the first %d entries: what came after is signed within a second\n",
				filepath.Base(x.out), h.Size)
		}
		f, err := x.file(".head")
		if err != nil {
			return err
		}
		if _, err := f.Write(h.Note); err != nil {
			return err
		}
	}
	var sums strings.Builder
	for i, f := range x.files {
		h := sha256.New()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", h.Sum(nil), filepath.Base(x.out)+x.suffixes[i])
	}
	f, err := x.file(".sha256")
	if err != nil {
		return err
	}
	_, err = f.WriteString(sums.String())
	return err
}

// end gives the files their names, the manifest last; or removes them all.
func (x *export) end(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.files {
		if err == nil {
			err = f.Sync()
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	for i, f := range x.files {
		if err == nil {
			err = os.Rename(f.Name(), x.out+x.suffixes[i])
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}
	return err
}

// breakOff has a signal remove what is half done, which may be full of personal data, before it ends the process.
func (x *export) breakOff() (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case s := <-signals:
			x.mu.Lock() // and keep it: nothing gets a name any more
			for _, f := range x.files {
				os.Remove(f.Name())
			}
			signal.Reset(s)
			syscall.Kill(os.Getpid(), s.(syscall.Signal))
		case <-done:
		}
	})
	return func() { signal.Stop(signals); close(done); waiting.Wait() }
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
	understands := func(what string) bool { return slices.Contains(strings.Fields(f.flags), what) }
	switch {
	case x.format == "sqlite": // as it was called; scripts have it
		return errors.New("--format sqlite is no export any more: \"gated ledger backup\" copies the whole ledger")
	case !ok:
		return fmt.Errorf("--format %q: want one of %s", x.format, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	case x.ranged && x.dated, (x.from == "") != (x.to == ""):
		return errors.New("name one day with --day, or the first and the last with --from and --to")
	case x.ranged && understands("day"):
		return fmt.Errorf("--format %s is of one day: name it with --day", x.format)
	case (x.ranged || x.dated) && !understands("range") && !understands("day"):
		return fmt.Errorf("--format %s is the whole ledger: leave out --day, --from and --to", x.format)
	case x.events && !understands("events"):
		return fmt.Errorf("--events is not for --format %s: it is for csv and xlsx", x.format)
	case x.personal && !understands("personal"):
		return fmt.Errorf("--with-personal is not for --format %s", x.format)
	case x.personal && x.out == "":
		return errors.New("--with-personal: name the file with --out: personal data does not go to a terminal or a pipe")
	case x.out == "" && understands("out"):
		return fmt.Errorf("--format %s: name the file with --out", x.format)
	case x.out == "" && understands("folder"):
		return fmt.Errorf("--format %s: name the folder with --out", x.format)
	case strings.ContainsAny(filepath.Base(x.out), "\n\r\\"):
		return fmt.Errorf("--out %q: sha256sum cannot name such a file: leave out line breaks and backslashes", x.out)
	}
	if st, err := os.Stat(x.out); x.out != "" && err == nil && st.IsDir() != understands("folder") {
		if understands("folder") {
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
	if s.From, err = date(flag, from, s.Now); err != nil {
		return err
	}
	if s.To, err = date("--to", to, s.Now); err != nil {
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
		RunE: func(c *cobra.Command, _ []string) (err error) {
			given := c.Flags().Changed
			want.ranged, want.dated, want.personal = given("from") || given("to"), given("day"), given("with-personal")
			if err := want.check(); err != nil {
				return err
			}
			r, _, now, err := openLedger(c, "today")
			if err != nil {
				return err
			}
			defer r.Close()
			days := evidence.Selection{Events: want.events, Personal: want.personal, Now: now, Temp: folder(want.out)}
			if err := want.days(&days); err != nil {
				return err
			}
			if want.personal {
				dir, err := existing(c)
				if err != nil {
					return err
				}
				if err := withMaster(c, dir, r.Reader.Reader); err != nil {
					return err
				}
				record := box.Export{Format: want.format, From: days.From, To: days.To, Reason: want.reason}
				if _, err := box.Perform(c.Context(), dir, box.RecordExport, record); err != nil {
					return fmt.Errorf("an export with personal data is recorded first: %w", err)
				}
			}
			w := bufio.NewWriterSize(c.OutOrStdout(), 64<<10)
			x := &export{Reader: r, Selection: days, out: want.out, stdout: w, stderr: c.ErrOrStderr()}
			defer x.breakOff()()
			defer func() { err = x.end(err) }()
			if err := formats[want.format].write(x); err != nil {
				return err
			}
			if len(x.files) > 0 {
				return x.manifest()
			}
			return w.Flush()
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

// withMaster sees to it that the personal data of a ledger can be opened: an export that only looks as if nobody had passed
// would be worse than none.
func withMaster(c *cobra.Command, dir string, r *file.Reader) error {
	if ask := box.AskKeys(c.Context(), dir); ask != nil {
		r.AskKeys(ask)
		return nil
	}
	if !r.HasMaster() {
		return fmt.Errorf("the personal data cannot be opened here: %w", r.Hidden())
	}
	if err := r.Hidden(); err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "not all personal data can be read: %v\n", err)
	}
	return nil
}

// folder is where an export keeps what it needs on the way: beside what it writes, or where the system has it.
func folder(out string) string {
	if out == "" {
		return ""
	}
	return filepath.Dir(out)
}
