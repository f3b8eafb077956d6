package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"gated/box"
	"gated/config"
	"gated/scanner/probe"
	"gated/serialport"

	"github.com/spf13/cobra"
)

func scannerCommand() *cobra.Command {
	var o probing
	command := &cobra.Command{
		Use:   "probe [--device PATH]",
		Short: "find out how a scanner is set, and print the settings and the udev rule for it",
		Long:  help("scanner"),
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Timeout <= 0 {
				return fmt.Errorf("--timeout %s: want a time to listen, such as 60s", o.Timeout)
			}
			if !config.IsLane(o.lane) {
				return fmt.Errorf("--lane %q: want the id of a lane: lower-case letters, digits and hyphens, such as in", o.lane)
			}
			ctx, stop := untilSignalled(c.Context())
			defer stop()
			return o.run(ctx, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	command.Flags().StringVar(&o.device, "device", "", "listen to this port only (default: all that are free and no console)")
	command.Flags().StringVar(&o.lane, "lane", "in", "the lane that the scanner is for: the port's name is made of it")
	command.Flags().DurationVar(&o.Timeout, "timeout", time.Minute, "give up after this time")
	command.Flags().BoolVar(&o.list, "list", false, "list the ports and end")
	command.Flags().BoolVar(&o.json, "json", false, "print one object, ports and what was found")
	command.Flags().BoolVar(&o.Trigger, "trigger", false,
		"write the read command of the GM65 family to the ports: only where nothing but such a module is connected")
	return group("scanner", "find out how a scanner is set", command)
}

// probing is one run of the command.
type probing struct {
	probe.Options
	device, lane string
	list, json   bool
}

func (o probing) run(ctx context.Context, stdout, stderr io.Writer) error {
	ports, err := serialport.List()
	if err != nil {
		return fmt.Errorf("list the serial ports: %w", err)
	}
	if !o.json {
		serialport.Print(stdout, ports)
	}
	var chosen []serialport.Info
	if !o.list {
		if chosen, err = probe.Choose(ports, o.device, func(why string) { fmt.Fprintln(stderr, why) }); err != nil {
			return err
		}
	}
	var found *probe.Found
	var advice probe.Advice
	if chosen != nil {
		var best probe.Found
		best, err = probe.Listen(ctx, chosen, o.Options, stderr)
		if errors.As(err, new(probe.NotSure)) {
			err = box.No{Err: err}
		}
		if best.Readings > 0 {
			found, advice = &best, best.Advice(o.lane, ports)
		}
	}
	if o.json {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return errors.Join(err, out.Encode(struct {
			Ports []serialport.Info `json:"ports"`
			Found *probe.Found      `json:"found"`
			probe.Advice
		}{ports, found, advice}))
	}
	if found != nil {
		found.Print(stdout, o.lane, advice)
	}
	return err
}
