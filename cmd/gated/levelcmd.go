package main

import (
	"cmp"
	"fmt"
	"strconv"

	"gated/box"
	"gated/gate/query"
	"gated/gate/view"
	"gated/register/levels"

	"github.com/spf13/cobra"
)

func levelCommand() *cobra.Command {
	return group("level", "put a level into force, by a notice or an oral order", levelShow(), levelPlan(),
		announce("set LEVEL (--number N --issuer I | --ordered-by X --taken-by Y)", "put a level into force, now or at its time",
			levels.Announced, "place", "from", "until", "number", "issuer", "text", "ordered-by", "taken-by"),
		announce("prepare LEVEL", "have a level lie ready, to be started with one command", levels.Prepared,
			"place", "number", "issuer", "text"),
		announce("start ENTRY", "put a prepared level into force", levels.Started,
			"from", "until", "number", "issuer", "text", "ordered-by", "taken-by"),
		announce("complete ENTRY", "add number and issuer of the notice to an oral order, or another end", levels.Completed,
			"number", "issuer", "text", "until"),
		announce("end ENTRY", "end what a notice puts into force, or withdraw it", levels.Ended, "until"))
}

func levelShow() *cobra.Command {
	c := &cobra.Command{Use: "show", Short: "tell which level counts where, what is announced and what is prepared", Args: cobra.NoArgs,
		RunE: performs(box.Levels, &struct{}{}, view.PrintLevels)}
	c.Flags().Bool("json", false, "print a JSON array")
	return c
}

func levelPlan() *cobra.Command {
	var a box.Planning
	c := &cobra.Command{Use: "plan LEVEL", Short: "tell what a level would overturn, and who is to be called", Args: cobra.ExactArgs(1),
		RunE: performs(box.PlanLevel, &a, query.PrintPlan, &a.Level)}
	c.Flags().StringVar(&a.Place, "place", "", "of those who live in a building such as 3 or a unit such as 3-2 (default: the compound)")
	c.Flags().StringVar(&a.At, "at", "", "when it begins, such as \"2026-11-29 06:00\" (default: now)")
	return c
}

// announce is what the subcommands that record something share: their flags, and telling the entry.
func announce(use, short, what string, flags ...string) *cobra.Command {
	n := &box.Notice{}
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)}
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if n.What = cmp.Or(n.What, what); what == levels.Announced || what == levels.Prepared {
			n.Level = args[0]
		} else if n.Ref, err = strconv.ParseInt(args[0], 10, 64); err != nil || n.Ref < 1 {
			return fmt.Errorf("%q: write the number of the notice's entry, as \"gated level show\" has it", args[0])
		}
		if what == levels.Announced && n.OrderedBy+n.TakenBy != "" {
			n.What = levels.Ordered
		}
		done, err := perform(c, box.Announce, *n)
		fmt.Fprint(c.ErrOrStderr(), done.Then)
		return say(c.OutOrStdout(), err, "entry=%d\n", done.Entry)
	}
	for _, f := range []struct {
		to          *string
		name, usage string
	}{{&n.Place, "place", "of a building such as 3 or a unit such as 3-2 (default: the compound)"},
		{&n.From, "from", "when it begins, such as \"2026-11-29 06:00\" (default: now)"},
		{&n.Until, "until", "when it ends: a day, to its last second, or a day and a time"},
		{&n.Number, "number", "of the notice"}, {&n.Issuer, "issuer", "of the notice"},
		{&n.Text, "text", "of the notice, or of the order as it was taken down"},
		{&n.OrderedBy, "ordered-by", "who gave an oral order"}, {&n.TakenBy, "taken-by", "who took the call"}} {
		for _, has := range flags {
			if has == f.name {
				c.Flags().StringVar(f.to, f.name, "", f.usage)
			}
		}
	}
	if what != levels.Ended && what != levels.Prepared {
		c.Flags().BoolVar(&n.Replace, "replace", false, "end the notices that count at its time")
	}
	return c
}
