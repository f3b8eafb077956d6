package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gated/backup"
	"gated/box"
	"gated/evidence"
	"gated/evidence/report"
	"gated/roster"

	"github.com/spf13/cobra"
)

func reportCommand() *cobra.Command {
	var all []*cobra.Command
	for _, k := range report.Kinds {
		all = append(all, reportOf(k))
	}
	return group("report", "sum up days for those who run the place", all...)
}

func reportOf(k report.Kind) *cobra.Command {
	x := report.Request{Report: k.Name}
	c := &cobra.Command{Use: k.Use(), Short: k.About, Long: help("report"), Args: cobra.RangeArgs(k.Args()),
		RunE: func(c *cobra.Command, args []string) error {
			x.Of = strings.Join(args, "")
			return inLedger(written(k, &x))(c, args)
		}}
	x.Language = language()
	x.Flags(c.Flags())
	return c
}

// written is what a report does: where it has personal data that is recorded first.
func written(k report.Kind, x *report.Request) func(*cobra.Command, string, *evidence.Reader, time.Time) error {
	return func(c *cobra.Command, dir string, r *evidence.Reader, now time.Time) error {
		if err := x.Check(now); err != nil {
			return err
		}
		if err := backup.NotInside(x.Out, dir); err != nil {
			return err
		}
		x.People = func() (*roster.Snapshot, error) { return box.Roster(dir) }
		x.PublicHealth = func(level string) (bool, error) { return publicHealth(c, level) }
		if k.Personal {
			err := box.BeginExport(c.Context(), dir, r.Reader.Reader, box.Export{Format: x.Format, From: x.From, To: x.To,
				Reason: x.Why, Report: k.Name, Of: x.Of, For: x.For}, c.ErrOrStderr())
			if err != nil && !k.Anyway {
				return err
			} else if err != nil {
				fmt.Fprintf(c.ErrOrStderr(), "not all personal data can be read, or it is not recorded: %v\n", err)
			}
		}
		if x.Dispute != "" {
			entry, err := x.Disputed(r, now)
			if err == nil {
				d := box.Dispute{Passage: x.Dispute, Entry: entry, Host: x.Of, Why: x.Why}
				_, err = box.Perform(c.Context(), dir, box.DisputePassage, d)
			}
			return say(c.OutOrStdout(), no(err), "disputed: %s\n", x.Dispute)
		}
		return no(x.Write(r, now, c.OutOrStdout()))
	}
}

// no makes an answer of a report that there is not.
func no(err error) error {
	if errors.Is(err, report.ErrNo) {
		return box.No{Err: err}
	}
	return err
}

// publicHealth tells whether the basis of a level is public health, by the policy that the settings name, else the shipped one.
func publicHealth(c *cobra.Command, level string) (bool, error) {
	_, p, err := place(c).Rules()
	return err == nil && p.AsksHealth(level), err
}
