package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gated/box"
	"gated/evidence"
	"gated/evidence/bundle"
	"gated/ledger/file"
	"gated/ledger/tlog"
	"gated/progress"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func ledgerVerify() *cobra.Command {
	var keys, witnesses, shortRoots []string
	var since string
	c := &cobra.Command{
		Use:   "verify [PATH]",
		Short: "check that nothing was changed, and say what that proves",
		Long:  help("ledger-verify"),
		Example: `  gated ledger verify --state /var/lib/gated
  gated ledger verify --state /var/lib/gated --key gate.pub --since kept.head --short-root 20123:QX4TZK2MBNA6PDLR
  gated ledger verify day.zip --key gate.pub`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var g evidence.Given
			var err error
			if g.Keys, err = tlog.ReadVerifiers("--key", keys); err != nil {
				return err
			}
			if g.Witnesses, err = tlog.ReadVerifiers("--witness", witnesses); err != nil {
				return err
			}
			for _, s := range shortRoots {
				p, err := evidence.ParseShortRoot(s)
				if err != nil {
					return fmt.Errorf("--short-root %w", err)
				}
				g.ShortRoots = append(g.ShortRoots, p)
			}
			if since != "" {
				b, err := os.ReadFile(since)
				if err != nil {
					return fmt.Errorf("--since: %w", err)
				}
				h, err := tlog.ParseHead(b)
				if err != nil {
					return fmt.Errorf("--since %s: %w: \"gated ledger head\" prints one to keep", since, err)
				}
				g.Since = &h
			}
			g.Progress = func(done, of int64) { progress.Bar(c.ErrOrStderr(), "entries", int(done), int(of)) }
			out := c.OutOrStdout()
			if len(args) == 1 {
				kind, err := evidence.WhatIs(args[0])
				switch {
				case err != nil:
					return err
				case kind != "ledger" && (g.Since != nil || len(g.ShortRoots) > 0):
					return fmt.Errorf("--since and --short-root are for a whole ledger, %s is %s", args[0], kind)
				case kind != "ledger" && len(g.Keys) == 0:
					return fmt.Errorf("%s is %s: it proves something only to who has the gate's public key: name it with --key",
						args[0], kind)
				case kind == "ledger":
					return verifyLedger(out, args[0], g)
				case kind == "an audit bundle":
					err = bundle.Verify(args[0], append(g.Keys, g.Witnesses...), out)
				default:
					err = evidence.VerifyTiles(args[0], g, out)
				}
				if err != nil { // an answer: the exit status is 1
					err = box.No{Err: err}
				}
				return err
			}
			dir, err := existing(c)
			if err != nil {
				return err
			}
			g.Unseal, g.Known = box.AskKeys(c.Context(), dir), box.Known(dir)
			return verifyLedger(out, filepath.Join(dir, "ledger.db"), g)
		},
	}
	c.Flags().StringArrayVar(&keys, "key", nil,
		"the gate's public key, or a file of it, as \"gated key show --ledger\" printed it when you trusted the box")
	c.Flags().StringArrayVar(&witnesses, "witness", nil, "a witness's public key, or a file of it")
	c.Flags().StringVar(&since, "since", "",
		"an older tree head, as \"gated ledger head\" printed it: prove that nothing before it was changed")
	c.Flags().StringArrayVar(&shortRoots, "short-root", nil, "SIZE:CHARS from the handover book")
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "paper" { // as it was called; scripts have it
			name = "short-root"
		}
		return pflag.NormalizedName(name)
	})
	return c
}

// verifyLedger verifies a whole ledger, with the epochs before it.
func verifyLedger(w io.Writer, path string, g evidence.Given) error {
	began := time.Now()
	reports, err := evidence.VerifyChain(path, g)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			return err
		}
		return box.No{Err: err}
	}
	for _, r := range reports {
		fmt.Fprintf(w, "entries=%d root=%s seconds=%.3f origin=%s heads=%d personal=%d erased=%d hidden=%d\n",
			r.Entries, r.Root, time.Since(began).Seconds(), r.Meta.Origin, r.Heads, r.Personal, r.Erased, r.Hidden)
	}
	for _, line := range evidence.Proved(reports) {
		fmt.Fprintln(w, line)
	}
	return nil
}

func ledgerHead() *cobra.Command {
	return &cobra.Command{
		Use:   "head",
		Short: "print the newest tree head, to be kept away from the box",
		Long: `head prints the newest tree head on standard output, for "gated ledger verify --since", and on
standard error its size and sixteen characters, for the handover book and "--short-root".`,
		Args: cobra.NoArgs,
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
		}),
	}
}
