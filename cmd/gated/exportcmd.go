package main

import (
	"fmt"
	"time"

	"gated/backup"
	"gated/box"
	"gated/evidence"
	"gated/evidence/export"

	"github.com/spf13/cobra"
)

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
				if want.Out != "" && backup.Inside(want.Out, dir) {
					return fmt.Errorf("--out %s is in the state directory, whose files an export could replace: choose another place",
						want.Out)
				}
				if want.Personal {
					hidden, err := box.BeginExport(c.Context(), dir, r.Reader.Reader,
						box.Export{Format: want.Format, From: want.From, To: want.To, Reason: reason})
					if hidden != nil {
						fmt.Fprintf(c.ErrOrStderr(), "not all personal data can be read: %v\n", hidden)
					}
					if err != nil {
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
