package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"gated/box"
	"gated/box/pages"
	"gated/register/paper"
	"gated/roster/sheet"

	"github.com/spf13/cobra"
)

func registerCommand() *cobra.Command {
	return group("register", "the handover book on paper: print blank pages, enter what was written", registerPrint(), registerEnter())
}

func registerPrint() *cobra.Command {
	var p paper.Print
	var out string
	c := &cobra.Command{Use: "print --day D --pages N [--out FILE.html]", Short: "print blank pages of the handover book, with numbers",
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			w := c.OutOrStdout()
			if out != "" { // before a number is given
				f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
				if err != nil {
					return fmt.Errorf("--out: %w", err)
				}
				defer f.Close()
				w = f
			}
			blank, err := perform(c, box.PrintPaper, p)
			if err == nil {
				err = blank.Write(w)
			}
			if err != nil && out != "" {
				os.Remove(out)
			}
			return say(c.ErrOrStderr(), err, "pages %d to %d\n", blank.First, blank.First+blank.Pages-1)
		}}
	c.Flags().StringVar(&p.Day, "day", "", "the day for which they are, as 2026-11-23")
	c.Flags().IntVar(&p.Pages, "pages", 1, "how many")
	c.Flags().StringVar(&out, "out", "", "file to write, to be opened in a browser and printed on A4 (default: standard output)")
	c.MarkFlagRequired("day")
	return c
}

func registerEnter() *cobra.Command {
	f := pages.File{}
	c := &cobra.Command{Use: "enter FILE.csv", Short: "enter what was written on pages of the handover book (CSV or XLSX)",
		Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) (err error) {
			f.Language = language()
			if f.Lines, err = pages.ReadFile(args[0], f.Language); err != nil {
				return box.No{Err: err}
			}
			r, err := perform(c, box.EnterPaper, f)
			if err == nil {
				err = printed(c, r, func(w io.Writer, r pages.Report) error { return r.Print(w, f.DryRun, f.Language) })
			}
			if err == nil && len(r.Faults) > 0 {
				err = box.No{Err: errors.New(sheet.Pick(f.Language, "nothing was entered", "未补录任何内容"))}
			}
			return err
		}}
	c.Flags().BoolVar(&f.DryRun, "dry-run", false, "only show what is wrong, and what would be entered")
	c.Flags().BoolVar(&f.Anyway, "anyway", false, "enter also pages that were never printed or told of, and more lines than were told")
	c.Flags().Bool("json", false, "print a JSON object")
	return c
}
