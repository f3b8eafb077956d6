package main

import (
	"io"

	"gated/box"
	"gated/gate/query"

	"github.com/spf13/cobra"
)

func emergencyCommand() *cobra.Command {
	var p box.Press
	told := func(w io.Writer, said string) error { return say(w, nil, "lane %s: %s\n", p.Lane, said) }
	c := &cobra.Command{Use: "emergency LANE", Args: cobra.ExactArgs(1), RunE: performs(box.Emergency, &p, told, &p.Lane),
		Short: "open a lane and hold it open, as the emergency key does, where the page cannot be reached"}
	c.Flags().BoolVar(&p.Close, "close", false, "close it again")
	return c
}

func clockCommand() *cobra.Command {
	confirm := &cobra.Command{Use: "confirm", Short: "tell the running gate that the box's clock is right", Args: cobra.NoArgs,
		RunE: performs(box.ConfirmClock, &struct{}{}, line[string]("confirmed: %s\n"))}
	return group("clock", "confirm the clock", confirm)
}

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
	said := func(w io.Writer, _ bool) error { return say(w, nil, "%s: %s\n", a.What, a.Passage) }
	became := &cobra.Command{Use: "became PASSAGE went-through|turned-away|unseen --reason R", Args: cobra.ExactArgs(2),
		Short:   "record what became of somebody on whom nobody had decided, whatever a guard said",
		Long:    help("passage"),
		Example: `  gated passage became k3v5w7x2y4z6a2b3 turned-away --reason "seen on camera 2"`,
		RunE:    performs(box.BecamePassage, &a, said, &a.Passage, &a.What)}
	reason(annul, &a.Why)
	reason(correct, &a.Why)
	reason(became, &a.Why)
	return group("passage", "put right what was admitted, or left undecided", annul, correct, became)
}

func tripsCommand() *cobra.Command {
	var overdue bool
	c := &cobra.Command{Use: "trips", Short: "list who is out and is to be back by a time", Args: cobra.NoArgs,
		RunE: performs(box.Trips, &overdue, query.PrintTrips)}
	c.Flags().BoolVar(&overdue, "overdue", false, "only who was to be back by now")
	c.Flags().Bool("json", false, "print a JSON array")
	return c
}
