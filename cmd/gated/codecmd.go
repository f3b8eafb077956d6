package main

import (
	"encoding/json"
	"fmt"
	"time"

	"gated/box"
	"gated/credential"

	"github.com/spf13/cobra"
)

func codeCommand() *cobra.Command {
	var trust, at string
	check := &cobra.Command{Use: "check --trust DIR -", Short: "say what codes prove, one JSON line each", Args: cobra.ExactArgs(1),
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
			out := json.NewEncoder(c.OutOrStdout())
			out.SetEscapeHTML(false)
			bad, n := 0, 0
			err = keys.CheckLines(c.InOrStdin(), when, func(claim credential.Claim) error {
				n++
				if !claim.Valid {
					bad++
				}
				return out.Encode(claim)
			})
			switch {
			case err != nil:
				return err
			case n == 0:
				return fmt.Errorf("code check: no code on standard input")
			case bad > 0:
				return box.No{Err: fmt.Errorf("%d of %d codes are not valid", bad, n)}
			}
			return nil
		}}
	check.Flags().StringVar(&trust, "trust", "", "directory of trusted keys, with pass/, dcc/ and shc/")
	check.Flags().StringVar(&at, "at", "", "judge by this time instead of now (RFC 3339)")
	check.MarkFlagRequired("trust")
	return group("code", "check codes", check, codeReadCommand())
}
