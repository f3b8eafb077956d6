package main

import (
	"io"

	"gated/box"

	"github.com/spf13/cobra"
)

func passageCommand() *cobra.Command {
	var a box.Amendment
	annulled := func(w io.Writer, _ bool) error { return say(w, nil, "annulled: %s\n", a.Passage) }
	corrected := func(w io.Writer, right string) error {
		return say(w, nil, "annulled: %s\nrecorded: %s\n", a.Passage, right)
	}
	annul := &cobra.Command{Use: "annul PASSAGE --reason R", Short: "record that somebody who was admitted did not go through",
		Long:    help("passage"),
		Example: `  gated passage annul k3v5w7x2y4z6a2b3 --reason "turned back at the barrier, seen on camera 2"`,
		Args:    cobra.ExactArgs(1), RunE: performs(box.AnnulPassage, &a, annulled, &a.Passage)}
	correct := &cobra.Command{Use: "correct PASSAGE --lane L [--person ID] --reason R",
		Short:   "record who went through instead of whom was admitted, or in which direction",
		Long:    help("passage"),
		Example: `  gated passage correct k3v5w7x2y4z6a2b3 --lane out --person r-000217 --reason "his brother, seen on camera 2"`,
		Args:    cobra.ExactArgs(1), RunE: performs(box.CorrectPassage, &a, corrected, &a.Passage)}
	correct.Flags().StringVar(&a.Lane, "lane", "", "a lane of the right direction")
	correct.Flags().StringVar(&a.Person, "person", "", "roster ID of the right person (default: the same)")
	correct.MarkFlagRequired("lane")
	reason(annul, &a.Why)
	reason(correct, &a.Why)
	return group("passage", "put right what was admitted", annul, correct)
}
