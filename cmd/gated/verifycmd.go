package main

import (
	"fmt"

	"gated/box"
	"gated/evidence/verify"
	"gated/ledger/file"
	"gated/progress"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

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
