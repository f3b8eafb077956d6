package main

import (
	"fmt"
	"os"

	"gated/box"
	"gated/register/paper"

	"github.com/spf13/cobra"
)

func registerCommand() *cobra.Command {
	return group("register", "the handover book on paper: print blank pages, enter what was written", registerPrint())
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
