package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"gated/backup"
	"gated/box"
	"gated/evidence"
	"gated/evidence/export"
	"gated/evidence/verify"
	"gated/ledger"
	"gated/ledger/file"
	"gated/progress"
	"gated/register"
	"gated/register/blind"
	"gated/register/erasure"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func ledgerCommand() *cobra.Command {
	return group("ledger", "count, search, export and verify what was recorded", ledgerStats(), ledgerSearch(), ledgerExport(),
		ledgerVerify(), ledgerHead(), ledgerBackup(), ledgerRebuild(), ledgerSubject(), ledgerErase(), ledgerKeep(), ledgerBegin())
}

// inLedger makes of run what a command does with its state directory's ledger, which is open for reading, and the time there.
func inLedger(run func(c *cobra.Command, dir string, r *evidence.Reader, now time.Time) error) func(*cobra.Command, []string) error {
	return inState(func(c *cobra.Command, dir string, _ []string) error {
		now := time.Now()
		r, err := evidence.OpenReader(dir)
		if err != nil {
			return err
		}
		defer r.Close()
		return run(c, dir, r, now.In(r.Zone))
	})
}

func ledgerStats() *cobra.Command {
	var day string
	c := &cobra.Command{Use: "stats --day D", Args: cobra.NoArgs, Short: "count a day's entries and passages",
		RunE: inLedger(func(c *cobra.Command, _ string, r *evidence.Reader, now time.Time) (err error) {
			if day, err = evidence.Date("--day", day, now); err != nil {
				return err
			}
			s, err := r.Stats(day, now)
			if err != nil {
				return err
			}
			return printed(c, s, func(w io.Writer, s evidence.Stats) error { return export.PrintStats(w, r, s) })
		})}
	c.Flags().StringVar(&day, "day", "today", "the day: 2026-11-23, today or yesterday")
	c.Flags().Bool("json", false, "print an object")
	return c
}

// whom are the flags of a search for somebody, by what they are searched by.
var whom = []struct{ kind, flag, usage string }{
	{blind.OfName, "name-part", "a part of a name, in the days --from to --to"},
	{blind.OfName, "name", "a whole name"},
	{blind.OfHousehold, "household", "a household such as 3-2-501"},
	{blind.OfDocument, "document", "the number of a document"},
	{blind.OfPhone, "phone", "a telephone number"},
	{blind.OfPlate, "plate", "a plate, or its last four"},
	{blind.OfSubject, "subject", "a roster ID"},
}

func ledgerSearch() *cobra.Command {
	var a box.Finding
	var day, kind string
	f := &a.Filter
	c := &cobra.Command{Use: "search", Short: "list passages by day, verdict, reason, class or lane, or by who it was, the newest first",
		Args: cobra.NoArgs,
		RunE: inState(func(c *cobra.Command, _ string, args []string) error {
			if f.Limit < 1 || f.Limit > 1_000_000 {
				return fmt.Errorf("--limit %d: write 1 to 1000000", f.Limit)
			}
			return inLedger(func(c *cobra.Command, dir string, r *evidence.Reader, now time.Time) (err error) {
				if day, err = evidence.Date("--day", day, now); err != nil {
					return err
				}
				if kind != "" {
					return searchKind(c, r, kind, day, *f)
				}
				part := c.Flags().Changed("name-part")
				if a.From != "" && !part {
					return errors.New("--from and --to go with --name-part: name one day with --day, or search by who it was over all time")
				}
				for _, w := range whom {
					if c.Flags().Changed(w.flag) {
						a.Kind, a.Value = w.kind, c.Flag(w.flag).Value.String()
					}
				}
				if part && a.From == "" {
					a.From, a.To = day, day
				} else if !part && (a.Kind == "" || c.Flags().Changed("day")) {
					f.Day = day
				}
				found, err := box.Search(c.Context(), dir, a)
				if err != nil {
					return err
				}
				return export.PrintPassages(c.OutOrStdout(), found)
			})(c, args)
		})}
	c.Flags().StringVar(&kind, "kind", "", "list the day's entries of this kind instead, such as query, notice, level, mark, alarm")
	c.Flags().StringVar(&day, "day", "today", "the day: 2026-11-23, today or yesterday")
	c.Flags().StringVar(&f.Verdict, "verdict", "", "admit, refuse, hold or undecided")
	c.Flags().StringVar(&f.Reason, "reason", "", "a reason such as expired")
	c.Flags().StringVar(&f.Class, "class", "", "a class such as resident")
	c.Flags().StringVar(&f.Lane, "lane", "", "a lane")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many; entries of a kind: all unless you say")
	c.Flags().StringVar(&a.From, "from", "", "with --name-part: the first day")
	c.Flags().StringVar(&a.To, "to", "", "with --name-part: the last day")
	c.Flags().StringVar(&a.Why, "why", "", "why you look for somebody, in your own words")
	var exclusive []string
	for _, w := range whom {
		c.Flags().String(w.flag, "", w.usage)
		exclusive = append(exclusive, w.flag)
	}
	c.MarkFlagsMutuallyExclusive(exclusive...)
	for _, of := range append(exclusive, "from", "why") { // of passages
		c.MarkFlagsMutuallyExclusive("kind", of)
	}
	c.MarkFlagsRequiredTogether("from", "to")
	return c
}

// searchKind lists a day's entries of a kind: all that match, unless --limit says how many.
func searchKind(c *cobra.Command, r *evidence.Reader, kind, day string, f register.Filter) error {
	if f.Day = day; !c.Flags().Changed("limit") {
		f.Limit = 0
	}
	of, err := export.Kind(c.OutOrStdout(), r, kind, f)
	if of == 0 {
		return say(c.ErrOrStderr(), err, "no entries of the kind %s on %s\n", kind, day)
	}
	return err
}

func ledgerBegin() *cobra.Command {
	var why string
	c := &cobra.Command{Use: "begin --reason R", Short: "put the ledger aside and begin a new epoch, behind a finding",
		Args: cobra.NoArgs,
		RunE: inState(func(c *cobra.Command, dir string, _ []string) error {
			set, err := place(c).Any()
			if err != nil {
				return err
			}
			var opt *ledger.Options
			if set != nil {
				opt = &ledger.Options{Gate: set.Gate.Name, Origin: set.Gate.Origin, TimeZone: set.Gate.TimeZone}
			}
			bar := func(done, of int64) { progress.Bar(c.ErrOrStderr(), "entries", int(done), int(of)) }
			m, found, err := box.BeginEpoch(dir, opt, why, func(old *file.Reader) error {
				return evidence.Holds(old, evidence.Given{Known: box.Known(dir), Progress: bar})
			})
			err = say(c.OutOrStdout(), err, "origin=%s\n", m.Origin)
			if found != "" {
				err = say(c.ErrOrStderr(), err, "the first entry names what was found: %s\n", found)
			}
			return say(c.ErrOrStderr(), err, "let an auditor have the new key: gated key show --ledger\n")
		})}
	reason(c, &why)
	return c
}

func ledgerExport() *cobra.Command {
	var want export.Request
	var reason string
	c := &cobra.Command{Use: "export (--day D | --from A --to B) --format F", Short: "write days for the auditor",
		Long: "export writes days in the gate's time zone.\n\n" + export.About() + "\n" + help("ledger-export"), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			want.Dated, want.Personal = c.Flags().Changed("day"), c.Flags().Changed("with-personal")
			err := want.Check()
			if err == nil && want.Personal {
				err = box.CheckReason(reason)
			}
			if err != nil {
				return err
			}
			return inLedger(func(c *cobra.Command, dir string, r *evidence.Reader, now time.Time) error {
				if err := want.Resolve(now); err != nil {
					return err
				}
				if err := backup.NotInside(want.Out, dir); err != nil {
					return err
				}
				if want.Personal {
					x := box.Export{Format: want.Format, From: want.From, To: want.To, Reason: reason}
					if err := box.BeginExport(c.Context(), dir, r.Reader.Reader, x, c.ErrOrStderr()); err != nil {
						return err
					}
				}
				return want.Write(r, c.OutOrStdout(), c.ErrOrStderr())
			})(c, args)
		}}
	f := c.Flags()
	f.StringVar(&want.Day, "day", "today", "the day: 2026-11-23, today or yesterday")
	f.StringVar(&want.From, "from", "", "the first of several days")
	f.StringVar(&want.To, "to", "", "the last of several days")
	f.StringVar(&want.Format, "format", "", export.Formats())
	f.StringVar(&want.Out, "out", "", "file to write, or folder for tiles; it appears only when it is whole (default: standard output)")
	f.BoolVar(&want.Events, "events", false, "one row for each event instead of each passage")
	f.StringVar(&reason, "with-personal", "", "put the personal fields in, and record this `reason`")
	c.MarkFlagRequired("format")
	return c
}

func ledgerVerify() *cobra.Command {
	var with verify.Brought
	c := &cobra.Command{Use: "verify [PATH]", Short: "check that nothing was changed, and say what that proves",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			g, err := with.Given()
			if err != nil {
				return err
			}
			g.Progress = func(done, of int64) { progress.Bar(c.ErrOrStderr(), "entries", int(done), int(of)) }
			broken := false
			if len(args) == 1 {
				broken, err = verify.Path(c.OutOrStdout(), args[0], g)
			} else if dir, gone := existing(c); gone != nil {
				err = gone
			} else {
				g.Unseal, g.Known = box.AskKeys(c.Context(), dir), box.Known(dir)
				broken, err = verify.State(c.OutOrStdout(), dir, g)
			}
			if broken {
				return box.No{Err: err} // an answer: the exit status is 1
			}
			return err
		}}
	c.Flags().StringArrayVar(&with.Keys, "key", nil,
		"the gate's public key, or a file of it, as \"gated key show --ledger\" printed it when you trusted the box")
	c.Flags().StringArrayVar(&with.Witnesses, "witness", nil, "a witness's public key, or a file of it")
	c.Flags().StringVar(&with.Since, "since", "",
		"an older tree head, as \"gated ledger head\" printed it: prove that nothing before it was changed")
	c.Flags().StringArrayVar(&with.ShortRoots, "short-root", nil, "SIZE:CHARS from the handover book")
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "paper" { // as it was called; scripts have it
			name = "short-root"
		}
		return pflag.NormalizedName(name)
	})
	return c
}

func ledgerHead() *cobra.Command {
	return &cobra.Command{Use: "head", Short: "print the newest tree head, to be kept away from the box", Args: cobra.NoArgs,
		RunE: inState(func(c *cobra.Command, dir string, _ []string) error {
			r, err := file.OpenReader(dir)
			if err != nil {
				return err
			}
			defer r.Close()
			h, err := r.Head()
			if err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "for the handover book: %d:%s\n", h.Size, h.ShortRoot())
			_, err = c.OutOrStdout().Write(h.Note)
			return err
		})}
}

func ledgerErase() *cobra.Command {
	var a box.Erasure
	c := &cobra.Command{Use: "erase --before DATE|--subject ID|--seq N --reason R",
		Short: "erase personal data for good, of older days, of one person or of one entry", Args: cobra.NoArgs,
		RunE: performs(box.Erase, &a, erasure.PrintErased)}
	c.Flags().StringVar(&a.Before, "before", "", "erase the entries of days before this date, in the gate's zone")
	c.Flags().StringVar(&a.Class, "class", "", "with --before: only of passages of this class, such as courier")
	c.Flags().StringVar(&a.Subject, "subject", "", "erase all about this person or vehicle, by roster ID")
	c.Flags().Int64Var(&a.Seq, "seq", 0, "erase this entry's fields")
	c.Flags().IntVar(&a.Epoch, "epoch", 0, "with --seq: the number of an older epoch, such as 1 for ledger-1.db")
	c.Flags().StringVar(&a.Field, "field", "", "with --seq: only this field, such as name")
	reason(c, &a.Why)
	return c
}

func ledgerKeep() *cobra.Command {
	var a box.Keeping
	var list bool
	c := &cobra.Command{Use: "keep --from D --to D --reason R | --lift N --reason R | --list",
		Short: "forbid to erase some days, such as for a court, until that is lifted", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !list {
				if (a.From != "" && a.To != "") == (a.Lift != 0) || a.Lift != 0 && a.From+a.To != "" {
					return errors.New("say which days by --from D --to D, or what to end by --lift N, or --list")
				}
				return show(c, box.Keep, a, line[int64]("entry=%d\n"))
			}
			return show(c, box.Keeps, struct{}{}, erasure.PrintKept)
		}}
	c.Flags().StringVar(&a.From, "from", "", "first day to keep, such as 2026-11-23")
	c.Flags().StringVar(&a.To, "to", "", "last day to keep")
	c.Flags().Int64Var(&a.Lift, "lift", 0, "end what this keep entry forbids")
	c.Flags().StringVar(&a.Why, "reason", "", "why, in your own words")
	c.Flags().BoolVar(&list, "list", false, "list the days that are kept")
	c.MarkFlagsMutuallyExclusive("list", "reason")
	c.MarkFlagsOneRequired("list", "reason")
	return c
}

func ledgerSubject() *cobra.Command {
	var a box.Subject
	var asJSON bool
	c := &cobra.Command{Use: "subject ID --reason R", Short: "print all that the ledger keeps about a person or vehicle",
		Args: cobra.ExactArgs(1),
		RunE: inState(func(c *cobra.Command, dir string, args []string) error {
			a.ID = args[0]
			return box.TellSubject(c.Context(), dir, a, false, func(e *ledger.Entry) error {
				return evidence.PrintEntry(c.OutOrStdout(), e, asJSON)
			})
		})}
	reason(c, &a.Why)
	c.Flags().BoolVar(&asJSON, "json", false, "print an object a line: the exact record, and the personal fields")
	return c
}
