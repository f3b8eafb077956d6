package main

import (
	"gated/box"
	"gated/gate/query"

	"github.com/spf13/cobra"
)

func tripsCommand() *cobra.Command {
	var overdue bool
	c := &cobra.Command{Use: "trips", Short: "list who is out and is to be back by a time", Args: cobra.NoArgs,
		RunE: performs(box.Trips, &overdue, query.PrintTrips)}
	c.Flags().BoolVar(&overdue, "overdue", false, "only who was to be back by now")
	c.Flags().Bool("json", false, "print a JSON array")
	return c
}
