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
	"gated/register/blind"

	"github.com/spf13/cobra"
)

func ledgerCommand() *cobra.Command {
	return group("ledger", "count, search, export and verify what was recorded", ledgerStats(), ledgerSearch(), ledgerExport(),
		ledgerVerify(), ledgerHead(), ledgerBackup(), ledgerRebuild(), ledgerSubject(), ledgerErase(), ledgerKeep(), ledgerBegin())
}

// openLedger opens the state directory's ledger for reading and says what time it is there.
func openLedger(c *cobra.Command) (*evidence.Reader, time.Time, error) {
	now := time.Now()
	dir, err := existing(c)
	if err != nil {
		return nil, now, err
	}
	r, err := evidence.OpenReader(dir)
	if err != nil {
		return nil, now, err
	}
	return r, now.In(r.Zone), nil
}

func ledgerStats() *cobra.Command {
	var day string
	c := &cobra.Command{Use: "stats --day D", Args: cobra.NoArgs, Short: "count a day's entries and passages",
		RunE: func(c *cobra.Command, _ []string) error {
			r, now, err := openLedger(c)
			if err != nil {
				return err
			}
			defer r.Close()
			if day, err = evidence.Date("--day", day, now); err != nil {
				return err
			}
			s, err := r.Stats(day, now)
			if err != nil {
				return err
			}
			return printed(c, s, func(w io.Writer, s evidence.Stats) error { return export.PrintStats(w, r, s) })
		}}
	c.Flags().StringVar(&day, "day", "today", "the day: 2026-11-23, today or yesterday")
	c.Flags().Bool("json", false, "print an object")
	return c
}

func ledgerSearch() *cobra.Command {
	var a box.Finding
	f := &a.Filter
	var day, part, kindOf string
	values := map[string]*string{}
	c := &cobra.Command{Use: "search", Short: "list passages by day, verdict, reason, class or lane, or by who it was, the newest first",
		Args: cobra.NoArgs,
		RunE: inState(func(c *cobra.Command, dir string, _ []string) error {
			if f.Limit < 1 || f.Limit > 1_000_000 {
				return fmt.Errorf("--limit %d: write 1 to 1000000", f.Limit)
			}
			r, now, err := openLedger(c)
			if err != nil {
				return err
			}
			defer r.Close()
			if day, err = evidence.Date("--day", day, now); err != nil {
				return err
			}
			if kindOf != "" {
				if f.Day = day; !c.Flags().Changed("limit") {
					f.Limit = 0
				}
				of, err := export.Kind(c.OutOrStdout(), r, kindOf, *f)
				if of == 0 {
					say(c.ErrOrStderr(), err, "no entries of the kind %s on %s\n", kindOf, day)
				}
				return err
			}
			if a.From != "" && part == "" {
				return errors.New("--from and --to go with --name-part: name one day with --day, or search by who it was over all time")
			}
			for kind, v := range values {
				if *v != "" {
					a.Kind, a.Value = kind, *v
				}
			}
			switch {
			case part != "":
				a.Kind, a.Value = blind.OfName, part
				if a.From == "" && a.To == "" {
					a.From, a.To = day, day
				}
			case a.Kind == "" || c.Flags().Changed("day"):
				f.Day = day
			}
			found, err := box.Search(c.Context(), dir, a)
			if err != nil {
				return err
			}
			return export.PrintPassages(c.OutOrStdout(), found)
		})}
	c.Flags().StringVar(&kindOf, "kind", "", "list the day's entries of this kind instead, such as query, notice, level, mark, alarm")
	c.Flags().StringVar(&day, "day", "today", "the day: 2026-11-23, today or yesterday")
	c.Flags().StringVar(&f.Verdict, "verdict", "", "admit, refuse, hold or undecided")
	c.Flags().StringVar(&f.Reason, "reason", "", "a reason such as expired")
	c.Flags().StringVar(&f.Class, "class", "", "a class such as resident")
	c.Flags().StringVar(&f.Lane, "lane", "", "a lane")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many; entries of a kind: all unless you say")
	exclusive := []string{"name-part"}
	for _, v := range []struct{ kind, flag, usage string }{
		{blind.OfName, "name", "a whole name"},
		{blind.OfHousehold, "household", "a household such as 3-2-501"},
		{blind.OfDocument, "document", "the number of a document"},
		{blind.OfPhone, "phone", "a telephone number"},
		{blind.OfPlate, "plate", "a plate, or its last four"},
		{blind.OfSubject, "subject", "a roster ID"},
	} {
		values[v.kind] = c.Flags().String(v.flag, "", v.usage)
		exclusive = append(exclusive, v.flag)
	}
	c.Flags().StringVar(&part, "name-part", "", "a part of a name, in the days --from to --to")
	c.Flags().StringVar(&a.From, "from", "", "with --name-part: the first day")
	c.Flags().StringVar(&a.To, "to", "", "with --name-part: the last day")
	c.Flags().StringVar(&a.Why, "why", "", "why you look for somebody, in your own words")
	c.MarkFlagsMutuallyExclusive(exclusive...)
	for _, of := range append(exclusive, "from", "why") { // of passages
		c.MarkFlagsMutuallyExclusive("kind", of)
	}
	c.MarkFlagsRequiredTogether("from", "to")
	return c
}

func ledgerBegin() *cobra.Command {
	var why string
	c := &cobra.Command{Use: "begin --reason R", Short: "put the ledger aside and begin a new epoch, behind a finding",
		Args: cobra.NoArgs,
		RunE: inState(func(c *cobra.Command, dir string, _ []string) error {
			set, err := anySettings(c)
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
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "origin=%s\n", m.Origin)
			if found != "" {
				fmt.Fprintf(c.ErrOrStderr(), "the first entry names what was found: %s\n", found)
			}
			fmt.Fprintln(c.ErrOrStderr(), "let an auditor have the new key: gated key show --ledger")
			return nil
		})}
	c.Flags().StringVar(&why, "reason", "", "why, in your own words")
	c.MarkFlagRequired("reason")
	return c
}
