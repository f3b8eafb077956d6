package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gated/box"
	"gated/scanner/qr"

	"github.com/spf13/cobra"
)

func codeReadCommand() *cobra.Command {
	var asJSON bool
	var limit time.Duration
	read := &cobra.Command{Use: "read [--json] [--within T] IMAGE...", Short: "read the QR codes in pictures",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			out := json.NewEncoder(c.OutOrStdout())
			out.SetEscapeHTML(false)
			var faults []error
			without := 0
			for _, file := range files {
				p, err := qr.ReadPath(c.Context(), file, limit)
				if err != nil {
					faults = append(faults, fmt.Errorf("code read %s: %w", file, err))
					continue
				}
				if len(p.Codes) == 0 {
					without++
				}
				if asJSON {
					err = out.Encode(p)
				} else {
					for _, text := range p.Codes {
						_, err = fmt.Fprintln(c.OutOrStdout(), text)
					}
				}
				if err != nil {
					return err
				}
			}
			switch {
			case len(faults) > 0:
				return errors.Join(faults...)
			case without > 0:
				return box.No{Err: fmt.Errorf("no QR code in %d of %d pictures", without, len(files))}
			}
			return nil
		}}
	read.Flags().BoolVar(&asJSON, "json", false, "print an object for each picture")
	read.Flags().DurationVar(&limit, "within", qr.Limit, "how long to look at each picture at most; a gate looks no longer than this")
	return read
}
