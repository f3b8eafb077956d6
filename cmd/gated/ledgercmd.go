package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"gated/box"
	"gated/evidence"
	"gated/evidence/export"
	"gated/ledger"
	"gated/ledger/file"
	"gated/progress"
	"gated/register"
	"gated/register/blind"

	"github.com/spf13/cobra"
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
