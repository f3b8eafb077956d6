package main

import (
	"gated/box"

	"github.com/spf13/cobra"
)

func passageCommand() *cobra.Command {
	var a box.Amendment
	annul := &cobra.Command{Use: "annul PASSAGE --reason R", Args: cobra.ExactArgs(1),
		Short:   "record that somebody who was admitted did not go through",
		Long:    help("passage"),
		Example: `  gated passage annul k3v5w7x2y4z6a2b3 --reason "turned back at the barrier, seen on camera 2"`,
		RunE: func(c *cobra.Command, args []string) error {
			a.Passage = args[0]
			_, err := perform(c, box.AnnulPassage, a)
			return say(c.OutOrStdout(), err, "annulled: %s\n", a.Passage)
		}}
	correct := &cobra.Command{Use: "correct PASSAGE --lane L [--person ID] --reason R", Args: cobra.ExactArgs(1),
		Short:   "record who went through instead of whom was admitted, or in which direction",
		Long:    help("passage"),
		Example: `  gated passage correct k3v5w7x2y4z6a2b3 --lane out --person r-000217 --reason "his brother, seen on camera 2"`,
		RunE: func(c *cobra.Command, args []string) error {
			a.Passage = args[0]
			right, err := perform(c, box.CorrectPassage, a)
			return say(c.OutOrStdout(), err, "annulled: %s\nrecorded: %s\n", a.Passage, right)
		}}
	correct.Flags().StringVar(&a.Lane, "lane", "", "a lane of the right direction")
	correct.Flags().StringVar(&a.Person, "person", "", "roster ID of the right person (default: the same)")
	correct.MarkFlagRequired("lane")
	for _, c := range []*cobra.Command{annul, correct} {
		c.Flags().StringVar(&a.Why, "reason", "", "why, in your own words")
		c.MarkFlagRequired("reason")
	}
	return group("passage", "put right what was admitted", annul, correct)
}
