package main

import (
	"errors"

	"gated/box"
	"gated/evidence"
	"gated/ledger"
	"gated/register/erasure"

	"github.com/spf13/cobra"
)

func ledgerErase() *cobra.Command {
	var a box.Erasure
	c := &cobra.Command{Use: "erase --before DATE|--subject ID|--seq N --reason R",
		Short: "erase personal data for good, of older days, of one person or of one entry",
		Args:  cobra.NoArgs,
		RunE:  performs(box.Erase, &a, erasure.PrintErased)}
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
		Short: "forbid to erase some days, such as for a court, until that is lifted",
		Args:  cobra.NoArgs,
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
			return box.TellSubject(c.Context(), dir, a, func(e *ledger.Entry) error {
				return evidence.PrintEntry(c.OutOrStdout(), e, asJSON)
			})
		})}
	reason(c, &a.Why)
	c.Flags().BoolVar(&asJSON, "json", false, "print an object a line: the exact record, and the personal fields")
	return c
}
