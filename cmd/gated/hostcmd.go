package main

import (
	"errors"
	"strconv"

	"gated/box"
	"gated/gate"
	"gated/register/hosts"

	"github.com/spf13/cobra"
)

// hostCommand is of what hosts say of whoever comes to see them: set, list and end.
func hostCommand() *cobra.Command {
	var a gate.Hosting
	var none, call bool
	set := &cobra.Command{Use: "set ROOM --no-visitors | --call-first | --always-admit NAME", Args: cobra.ExactArgs(1),
		Short: "record what a household, or a body such as office, says of whoever comes",
		RunE: func(c *cobra.Command, args []string) error {
			a.Room = args[0]
			for what, is := range map[string]bool{hosts.NoVisitors: none, hosts.CallFirst: call, hosts.AlwaysAdmit: a.Name != ""} {
				if is && a.What != "" {
					return errors.New("host set: say one of --no-visitors, --call-first and --always-admit")
				} else if is {
					a.What = what
				}
			}
			return show(c, box.InstructHost, a, line[int64]("entry=%d\n"))
		}}
	set.Flags().BoolVar(&none, "no-visitors", false, "nobody; nor is it confirmed that they live here")
	set.Flags().BoolVar(&call, "call-first", false, "they are called each time")
	set.Flags().StringVar(&a.Name, "always-admit", "", "whoever has this name need not be asked for")
	end := &cobra.Command{Use: "end ENTRY", Short: "have it count no more", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || n < 1 {
				return errors.New("host end: write the number of the entry, as the list has it")
			}
			return show(c, box.InstructHost, gate.Hosting{Ref: n}, line[int64]("entry=%d\n"))
		}}
	why := ""
	list := &cobra.Command{Use: "list --reason R", Short: "list what hosts say", Args: cobra.NoArgs,
		RunE: performs(box.HostInstructions, &why, hosts.Print)}
	list.Flags().StringVar(&why, "reason", "", "why you look, in your own words: it is recorded")
	list.MarkFlagRequired("reason")
	return group("host", "what households and bodies say of whoever comes to see them", set, list, end)
}
