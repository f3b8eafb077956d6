package main

import (
	"gated/box"

	"github.com/spf13/cobra"
)

func emergencyCommand() *cobra.Command {
	c := &cobra.Command{Use: "emergency LANE", Args: cobra.ExactArgs(1),
		Short: "open a lane and hold it open, as the emergency key does, where the page cannot be reached"}
	end := c.Flags().Bool("close", false, "close it again")
	c.RunE = func(c *cobra.Command, args []string) error {
		said, err := perform(c, box.Emergency, box.Press{Lane: args[0], Close: *end})
		return say(c.OutOrStdout(), err, "lane %s: %s\n", args[0], said)
	}
	return c
}

func clockCommand() *cobra.Command {
	confirm := &cobra.Command{Use: "confirm", Short: "tell the running gate that the box's clock is right", Args: cobra.NoArgs,
		RunE: performs(box.ConfirmClock, &struct{}{}, line[string]("confirmed: %s\n"))}
	return group("clock", "confirm the clock", confirm)
}
