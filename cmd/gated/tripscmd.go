package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"gated/box"

	"github.com/spf13/cobra"
)

func tripsCommand() *cobra.Command {
	var overdue, asJSON bool
	c := &cobra.Command{Use: "trips", Short: "list who is out and is to be back by a time", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := perform(c, box.Trips, overdue)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(list)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ENTRY\tHOUSEHOLD\tNAME\tOUT\tDUE\tOVERDUE")
			late := 0
			for _, o := range list {
				over := "-"
				if o.Overdue {
					over = fmt.Sprintf("%d h %02d min", o.Minutes/60, o.Minutes%60)
					late++
				}
				fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", o.Entry, o.Household, o.Name, minute(o.Out), minute(o.Due), over)
			}
			w.Flush()
			return say(c.OutOrStdout(), nil, "out=%d overdue=%d\n", len(list), late)
		}}
	c.Flags().BoolVar(&overdue, "overdue", false, "only who was to be back by now")
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return c
}
