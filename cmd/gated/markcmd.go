package main

import (
	"fmt"
	"strconv"

	"gated/box"
	"gated/register/marks"

	"github.com/spf13/cobra"
)

func exemptCommand() *cobra.Command {
	return markCommand("exempt", "exempt somebody from a rule for a while", marks.Exempt)
}

func watchCommand() *cobra.Command {
	return markCommand("watch", "have guards look closely at somebody for a while", marks.Watch)
}

// markCommand is of what marks somebody: add, list and end.
func markCommand(use, short, what string) *cobra.Command {
	m := box.Mark{What: what}
	add := &cobra.Command{Use: "add WHO WORD --until T --approved-by X", Short: short, Args: cobra.ExactArgs(2),
		RunE: performs(box.MarkSomebody, &m, line[int64]("entry=%d\n"), &m.Who, &m.Word)}
	add.Flags().StringVar(&m.From, "from", "", "when it begins, such as \"2026-11-29 06:00\" (default: now)")
	add.Flags().StringVar(&m.Until, "until", "", "when it ends: a day, to its last second, or a day and a time")
	add.Flags().StringVar(&m.By, "approved-by", "", "who approved or ordered it")
	add.Flags().StringVar(&m.Why, "note", "", "what more is to be said")
	if what == marks.Exempt {
		add.Flags().StringVar(&m.Times, "times", "", "at which times of the day, such as \"06:00-09:30,16:00-18:00\" (default: all day)")
		add.Flags().StringVar(&m.Days, "days", "", "on which days, such as \"mon,tue,wed,thu,fri\" (default: every day)")
	}
	end := &cobra.Command{Use: "end ENTRY", Short: "end it before its time", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || n < 1 {
				return fmt.Errorf("%q: write the number of the entry, as the list has it", args[0])
			}
			return show(c, box.MarkSomebody, box.Mark{What: marks.Ended, Ref: n, Of: what}, line[int64]("entry=%d\n"))
		}}
	listing := box.Listing{What: what}
	list := &cobra.Command{Use: "list --reason R", Short: "list whom it counts for, or will", Args: cobra.NoArgs,
		RunE: performs(box.Marks, &listing, marks.Print)}
	list.Flags().StringVar(&listing.Why, "reason", "", "why you look, in your own words: it is recorded")
	list.MarkFlagRequired("reason")
	return group(use, short, add, list, end)
}
