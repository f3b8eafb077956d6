package main

import (
	"fmt"
	"time"

	"gated/box"
	"gated/credential"
	"gated/scanner/qr"

	"github.com/spf13/cobra"
)

func codeCommand() *cobra.Command { return group("code", "check codes", codeCheck(), codeRead()) }

func codeCheck() *cobra.Command {
	var trust, at string
	c := &cobra.Command{Use: "check --trust DIR -", Short: "say what codes prove, one JSON line each", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != "-" {
				return fmt.Errorf("code check %s: codes are read from standard input only: write -", args[0])
			}
			keys, err := credential.LoadTrust(trust)
			if err != nil {
				return err
			}
			when := time.Now()
			if at != "" {
				if when, err = time.Parse(time.RFC3339, at); err != nil {
					return fmt.Errorf("--at %q: write a time as 2026-11-23T08:00:00+08:00", at)
				}
			}
			n, bad, err := keys.PrintLines(c.OutOrStdout(), c.InOrStdin(), when)
			if err == nil && n == 0 {
				err = fmt.Errorf("code check: no code on standard input")
			} else if err == nil && bad > 0 {
				err = box.No{Err: fmt.Errorf("%d of %d codes are not valid", bad, n)}
			}
			return err
		}}
	c.Flags().StringVar(&trust, "trust", "", "directory of trusted keys, with pass/, dcc/ and shc/")
	c.Flags().StringVar(&at, "at", "", "judge by this time instead of now (RFC 3339)")
	c.MarkFlagRequired("trust")
	return c
}

func codeRead() *cobra.Command {
	var asJSON bool
	var limit time.Duration
	c := &cobra.Command{Use: "read [--json] [--within T] IMAGE...", Short: "read the QR codes in pictures", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			without, err := qr.PrintPaths(c.Context(), c.OutOrStdout(), files, limit, asJSON)
			if err == nil && without > 0 {
				err = box.No{Err: fmt.Errorf("no QR code in %d of %d pictures", without, len(files))}
			}
			return err
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "print an object for each picture")
	c.Flags().DurationVar(&limit, "within", qr.Limit, "how long to look at each picture at most; a gate looks no longer than this")
	return c
}
