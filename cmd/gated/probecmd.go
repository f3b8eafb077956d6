package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"regexp"
	"strings"
	"time"

	"gated/box"
	"gated/scanner/probe"
	"gated/serialport"

	"github.com/spf13/cobra"
)

func scannerCommand() *cobra.Command {
	var o probing
	command := &cobra.Command{
		Use:   "probe [--device PATH]",
		Short: "find out how a scanner is set, and print the settings and the udev rule for it",
		Long: `probe lists the serial ports of the box and listens to all of them that are free, or to the one named,
while you hold a code before the scanner: any code, the same one, again and again, about once a second.
It tries the usual baud rates until the readings are text, tells what the scanner sends before and after
each, and prints the settings and the udev rule to paste.

Nothing of the code is printed or kept but its length and the kind of its characters. Nothing is written to a
port, unless --trigger says so. It ends by itself after --timeout, and at once with Ctrl-C.
The exit status is 0 when the scanner is known for sure, 1 when not, 2 if no port can be listened to.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.timeout <= 0 {
				return fmt.Errorf("--timeout %s: want a time to listen, such as 60s", o.timeout)
			}
			if !laneForm.MatchString(o.lane) || len(o.lane) > 32 {
				return fmt.Errorf("--lane %q: want the id of a lane: lower-case letters, digits and hyphens, such as in", o.lane)
			}
			ctx, stop := untilSignalled(c.Context())
			defer stop()
			return o.run(ctx, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	command.Flags().StringVar(&o.device, "device", "", "listen to this port only (default: all that are free and no console)")
	command.Flags().StringVar(&o.lane, "lane", "in", "the lane that the scanner is for: the port's name is made of it")
	command.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "give up after this time")
	command.Flags().BoolVar(&o.list, "list", false, "list the ports and end")
	command.Flags().BoolVar(&o.json, "json", false, "print one object, ports and what was found")
	command.Flags().BoolVar(&o.trigger, "trigger", false,
		"write the read command of the GM65 family to the ports: only where nothing but such a module is connected")
	return group("scanner", "find out how a scanner is set", command)
}

var laneForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`) // as lanes[].id in the settings

// probing is one run of the command.
type probing struct {
	device, lane        string
	timeout             time.Duration
	list, json, trigger bool
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
	if chosen != nil {
		var best probe.Found
		best, err = o.listen(ctx, chosen, stderr)
		if best.Readings > 0 {
			found = &best
		}
	}
	var advice probe.Advice
	if found != nil {
		advice = found.Advice(o.lane, ports)
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
		o.print(stdout, *found, advice)
	}
	return err
}

// listen probes all ports at once until the first is sure.
func (o probing) listen(ctx context.Context, ports []serialport.Info, stderr io.Writer) (best probe.Found, err error) {
	var paths []string
	for _, p := range ports {
		paths = append(paths, p.Path)
	}
	fmt.Fprintf(stderr, "listening to %s for %s: hold a code before the scanner, the same one, about once a second; Ctrl-C ends it\n",
		strings.Join(paths, ", "), o.timeout)
	limited, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	say := log.New(stderr, "", 0) // several ports at once
	best, faults := probe.First(limited, ports, o.trigger, func(what string) { say.Print(what) })
	switch {
	case best.Sure:
		return best, nil
	case len(faults) == len(ports):
		return best, errors.Join(faults...)
	}
	for _, f := range faults {
		say.Print("gated: ", f)
	}
	if ctx.Err() != nil {
		return best, box.No{Err: errors.New("ended before it was sure")}
	}
	return best, box.No{Err: errors.New(best.Doubt(o.timeout))}
}

func (o probing) print(w io.Writer, f probe.Found, advice probe.Advice) {
	fmt.Fprintf(w, "%s: %s\n\n", f.Device, f)
	if !f.Sure {
		fmt.Fprintf(w, "This is NOT SURE.\n\n")
	}
	fmt.Fprintf(w, "In the settings, for the lane %s:\n\n%s", o.lane, advice.Settings)
	if advice.Rule != "" {
		fmt.Fprintf(w, "\nIn %s:\n\n%s\nThen: udevadm control --reload && udevadm trigger --subsystem-match=usb --subsystem-match=tty\n",
			"/etc/udev/rules.d/61-gated-ports.rules", advice.Rule)
	}
	for _, note := range f.Notes() {
		fmt.Fprintln(w, "\nNote:", note)
	}
}
