package main

import (
	"errors"
	"fmt"
	"time"

	"gated/box"
	"gated/config"
	"gated/scanner/probe"

	"github.com/spf13/cobra"
)

func scannerCommand() *cobra.Command {
	var o probe.Options
	command := &cobra.Command{Use: "probe [--device PATH]",
		Short: "find out how a scanner is set, and print the settings and the udev rule for it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Timeout <= 0 {
				return fmt.Errorf("--timeout %s: want a time to listen, such as 60s", o.Timeout)
			}
			if !config.IsLane(o.Lane) {
				return fmt.Errorf("--lane %q: want the id of a lane: lower-case letters, digits and hyphens, such as in", o.Lane)
			}
			ctx, stop := untilSignalled(c.Context())
			defer stop()
			err := probe.Run(ctx, o, c.OutOrStdout(), c.ErrOrStderr())
			if errors.As(err, new(probe.NotSure)) {
				err = box.No{Err: err}
			}
			return err
		}}
	command.Flags().StringVar(&o.Device, "device", "", "listen to this port only (default: all that are free and no console)")
	command.Flags().StringVar(&o.Lane, "lane", "in", "the lane that the scanner is for: the port's name is made of it")
	command.Flags().DurationVar(&o.Timeout, "timeout", time.Minute, "give up after this time")
	command.Flags().BoolVar(&o.List, "list", false, "list the ports and end")
	command.Flags().BoolVar(&o.JSON, "json", false, "print one object, ports and what was found")
	command.Flags().BoolVar(&o.Trigger, "trigger", false,
		"write the read command of the GM65 family to the ports: only where nothing but such a module is connected")
	return group("scanner", "find out how a scanner is set", command)
}
