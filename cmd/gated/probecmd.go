package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"gated/box"
	"gated/scanner"

	"github.com/spf13/cobra"
)

func scannerCommand() *cobra.Command {
	var o probing
	probe := &cobra.Command{
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
	probe.Flags().StringVar(&o.device, "device", "", "listen to this port only (default: all that are free and no console)")
	probe.Flags().StringVar(&o.lane, "lane", "in", "the lane that the scanner is for: the port's name is made of it")
	probe.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "give up after this time")
	probe.Flags().BoolVar(&o.list, "list", false, "list the ports and end")
	probe.Flags().BoolVar(&o.json, "json", false, "print one object, ports and what was found")
	probe.Flags().BoolVar(&o.trigger, "trigger", false, "write the read command of the GM65 family to the ports: only where nothing but such a module is connected")
	return group("scanner", "find out how a scanner is set", probe)
}

var laneForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`) // as lanes[].id in the settings

// probing is one run of the command.
type probing struct {
	device, lane        string
	timeout             time.Duration
	list, json, trigger bool
}

func (o probing) run(ctx context.Context, stdout, stderr io.Writer) error {
	ports, err := scanner.Ports()
	if err != nil {
		return fmt.Errorf("list the serial ports: %w", err)
	}
	if !o.json {
		printPorts(stdout, ports)
	}
	var chosen []scanner.SerialPort
	if !o.list {
		if chosen, err = o.choose(ports, stderr); err != nil {
			return err
		}
	}
	var found *scanner.Probed
	if chosen != nil {
		var best scanner.Probed
		best, err = o.listen(ctx, chosen, stderr)
		if best.Readings > 0 {
			found = &best
		}
	}
	if o.json {
		var advice struct {
			Ports    []scanner.SerialPort `json:"ports"`
			Found    *scanner.Probed      `json:"found"`
			Settings string               `json:"settings,omitempty"`
			Rule     string               `json:"udev_rule,omitempty"`
		}
		advice.Ports, advice.Found = ports, found
		if found != nil {
			device, rule := o.name(found.Device, ports)
			advice.Settings, advice.Rule = settingsFor(*found, device), rule
		}
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return errors.Join(err, out.Encode(advice))
	}
	if found != nil {
		o.print(stdout, *found, ports)
	}
	return err
}

// choose returns the ports to listen to.
func (o probing) choose(ports []scanner.SerialPort, stderr io.Writer) (chosen []scanner.SerialPort, err error) {
	if o.device != "" {
		p := scanner.SerialPort{Path: o.device}
		if real, err := filepath.EvalSymlinks(o.device); err == nil {
			for _, known := range ports {
				if known.Path == real {
					p = known
				}
			}
		}
		return []scanner.SerialPort{p}, nil
	}
	for _, p := range ports {
		switch {
		case p.Console:
			fmt.Fprintf(stderr, "%s is left out: the kernel talks on it (console= of its command line)\n", p.Path)
		case len(p.Held) > 0:
			fmt.Fprintf(stderr, "%s is left out: %s has it open; to probe it, end that (systemctl stop gated, if it is the gate)\n", p.Path, p.Held[0])
		default:
			chosen = append(chosen, p)
		}
	}
	if chosen == nil {
		return nil, errors.New("no serial port is free: plug the scanner in (set to USB serial, not keyboard), or name a port with --device")
	}
	return chosen, nil
}

// listen probes all ports at once until the first is sure.
func (o probing) listen(ctx context.Context, ports []scanner.SerialPort, stderr io.Writer) (best scanner.Probed, err error) {
	var paths []string
	for _, p := range ports {
		paths = append(paths, p.Path)
	}
	fmt.Fprintf(stderr, "listening to %s for %s: hold a code before the scanner, the same one, about once a second; Ctrl-C ends it\n", strings.Join(paths, ", "), o.timeout)
	limited, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	type answer struct {
		scanner.Probed
		err error
	}
	answers := make(chan answer, len(ports)) // also of those that come late
	var say sync.Mutex                       // stderr
	for _, p := range ports {
		probe := scanner.Probe{Device: p.Path, AnyRate: p.AnyRate(), Trigger: o.trigger, Progress: func(baud int, f scanner.Finding) {
			say.Lock()
			defer say.Unlock()
			switch {
			case f.Short:
				fmt.Fprintf(stderr, "%s at %d baud: %d bytes of text, which is too short to be sure: a longer code, such as a pass, is better\n", p.Path, baud, f.Length)
			case f.Readings+f.Garbage > 0:
				fmt.Fprintf(stderr, "%s at %d baud: no text, next rate\n", p.Path, baud)
			}
		}}
		go func() {
			found, err := probe.Run(limited)
			answers <- answer{found, err}
		}()
	}
	var faults []error
	var late <-chan time.Time // set once the time is up: a port whose driver hangs does not keep us
	stopping := limited.Done()
	for left := len(ports); left > 0; {
		select {
		case a := <-answers:
			left--
			if a.Sure && !best.Sure || a.Sure == best.Sure && a.Readings > best.Readings || best.Readings == 0 && a.Readings == 0 && a.Garbage > best.Garbage {
				best = a.Probed
			}
			if a.Sure {
				cancel()
			} else if a.err != nil && limited.Err() == nil {
				faults = append(faults, a.err)
			}
		case <-stopping:
			stopping, late = nil, time.After(3*time.Second)
		case <-late:
			faults = append(faults, fmt.Errorf("%d ports do not let go: unplug them", left))
			left = 0
		}
	}
	switch {
	case best.Sure:
		return best, nil
	case len(faults) == len(ports):
		return best, errors.Join(faults...)
	}
	say.Lock()
	for _, f := range faults {
		fmt.Fprintln(stderr, "gated:", f)
	}
	say.Unlock()
	what := fmt.Sprintf("nothing came in %s: is the scanner set to USB serial or RS-232, not keyboard? does it light up and beep? are RX and TX crossed? (--trigger makes a GM65 module read)", o.timeout)
	switch {
	case ctx.Err() != nil:
		what = "ended before it was sure"
	case best.Short:
		what = "the readings were too short to be sure of the baud rate: hold up a longer code, such as a resident pass"
	case best.Readings > 0:
		what = "there were too few readings to be sure: hold up the same code several times"
	case best.Garbage > 0:
		what = "bytes came, but no text at any rate: is the line RS-232 where the port is TTL, or the ground missing? Reset the scanner with its manual's bar code, and try again"
	}
	return best, box.No{Err: errors.New(what)}
}

func printPorts(w io.Writer, ports []scanner.SerialPort) {
	if len(ports) == 0 {
		fmt.Fprintln(w, "no serial ports")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PORT\tWHAT\tUSB\tSERIAL NUMBER\tIN USE BY")
	for _, p := range ports {
		what := strings.TrimSpace(p.Vendor + " " + p.Product)
		if p.VendorID == "" {
			what = "on the board"
		}
		if p.Driver != "" {
			what = strings.TrimSpace(what + " (" + p.Driver + ")")
		}
		usb := "-"
		if p.VendorID != "" {
			usb = p.VendorID + ":" + p.ProductID + " interface " + p.Interface
		}
		serial := p.Serial
		if serial == "" {
			serial = "-"
		}
		var held []string
		if p.Console {
			held = append(held, "the kernel's console")
		}
		for _, h := range p.Held {
			held = append(held, h.String())
		}
		if held == nil {
			held = []string{"-"}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", p.Path, printable(what), usb, printable(serial), printable(strings.Join(held, ", ")))
		for _, name := range p.Names {
			fmt.Fprintf(t, "  %s\n", name)
		}
	}
	t.Flush()
	fmt.Fprintln(w)
}

// printable keeps what a device says about itself from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || 0x7f <= r && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// name returns the device that the settings should name, and the rule that makes the name; none if it is there already.
func (o probing) name(device string, ports []scanner.SerialPort) (name, rule string) {
	if strings.HasPrefix(device, "/dev/gated") {
		return device, ""
	}
	real, err := filepath.EvalSymlinks(device)
	if err != nil {
		return device, ""
	}
	for _, p := range ports {
		if p.Path != real {
			continue
		}
		for _, n := range p.Names {
			if strings.HasPrefix(n, "/dev/gated") {
				return n, ""
			}
		}
		if rule := scanner.UdevRule(p, ports, "gated-scanner-"+o.lane); rule != "" {
			return "/dev/gated-scanner-" + o.lane, rule
		}
	}
	return device, ""
}

func (o probing) print(w io.Writer, f scanner.Probed, ports []scanner.SerialPort) {
	fmt.Fprintf(w, "%s: %s\n\n", f.Device, describe(f))
	if !f.Sure {
		fmt.Fprintf(w, "This is NOT SURE.\n\n")
	}
	device, rule := o.name(f.Device, ports)
	fmt.Fprintf(w, "In the settings, for the lane %s:\n\n%s", o.lane, settingsFor(f, device))
	if rule != "" {
		fmt.Fprintf(w, "\nIn %s:\n\n%s\nThen: udevadm control --reload && udevadm trigger --subsystem-match=usb --subsystem-match=tty\n", rulesFile, rule)
	}
	for _, note := range notes(f) {
		fmt.Fprintln(w, "\nNote:", note)
	}
}

const rulesFile = "/etc/udev/rules.d/61-gated-ports.rules"

// describe says in words what was found.
func describe(f scanner.Probed) string {
	rate := "any baud rate"
	if f.Baud != 0 {
		rate = fmt.Sprintf("%d baud", f.Baud)
	}
	if f.Parity != "" {
		rate += fmt.Sprintf(", %d data bits, %s parity", f.DataBits, f.Parity)
	}
	around := "no suffix (the longest pause within a reading was " + f.Pause.Round(time.Millisecond).String() + ")"
	if f.End != "" {
		around = "suffix " + controls(f.End)
	}
	if f.Start != "" {
		around += ", prefix " + controls(f.Start)
	}
	if f.AIM {
		around += ", AIM identifier in front"
	}
	if f.CodeID > 0 {
		around += fmt.Sprintf(", code ID of %d letters in front", f.CodeID)
	}
	if f.GM65 {
		around += ", a module of the GM65 family"
	}
	readings := "readings"
	if f.Readings == 1 {
		readings = "reading"
	}
	return fmt.Sprintf("%s; %d %s of up to %d bytes (%s); %s", rate, f.Readings, readings, f.Length, f.Kind, around)
}

func controls(s string) string {
	names := map[byte]string{'\r': "CR", '\n': "LF", '\t': "TAB", 0x01: "SOH", 0x02: "STX", 0x03: "ETX", 0x04: "EOT"}
	var words []string
	for _, b := range []byte(s) {
		if name, ok := names[b]; ok {
			words = append(words, name)
		} else {
			words = append(words, fmt.Sprintf("0x%02X", b))
		}
	}
	return strings.Join(words, " ")
}

// settingsFor returns the lines for the settings file. What is the default is left out, but for what one looks for there.
func settingsFor(f scanner.Probed, device string) string {
	var b strings.Builder
	set := func(key, format string, args ...any) { fmt.Fprintf(&b, "      "+key+": "+format+"\n", args...) }
	b.WriteString("    scanner:\n")
	if abs, err := filepath.Abs(device); err == nil {
		device = abs
	}
	if plainPath.MatchString(device) {
		set("device", "%s", device)
	} else {
		set("device", "%q", device)
	}
	if f.Baud != 0 {
		set("baud", "%d", f.Baud)
	}
	if f.Parity != "" {
		set("data_bits", "%d", f.DataBits)
		set("parity", "%s", f.Parity)
	}
	switch {
	case f.End != "":
		set("end_bytes", "%s", quoted(unique(f.End)))
	case f.Pause > 50*time.Millisecond:
		set("end_gap", "200ms")
	default:
		set("end_gap", "100ms")
	}
	if f.Start != "" {
		set("start_bytes", "%s", quoted(f.Start))
	}
	if f.AIM {
		set("aim", "true")
	}
	if f.CodeID > 0 {
		set("code_id", "%d", f.CodeID)
	}
	if f.Encoding == "gb18030" {
		set("encoding", "gb18030")
	}
	if f.GM65 {
		set("profile", "gm65")
	}
	if f.Length > 4096 {
		set("max", "%d", min(1<<16, 2*f.Length))
	}
	return b.String()
}

var plainPath = regexp.MustCompile(`^[A-Za-z0-9_./:@+-]+$`) // that YAML takes without quotes

// unique keeps the first of each byte: each of end_bytes ends a code.
func unique(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(s, s[i]) == i {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// quoted writes control characters as YAML reads them in double quotes.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch c {
		case '\r':
			b.WriteString(`\r`)
		case '\n':
			b.WriteString(`\n`)
		case '\t':
			b.WriteString(`\t`)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// notes are what whoever sets up the scanner may want to change on it.
func notes(f scanner.Probed) (all []string) {
	if f.Baud != 0 && f.Baud < 57600 {
		all = append(all, fmt.Sprintf("at %d baud a health card of 2,400 digits takes %.1f s. Set the scanner to 115200 with its manual's bar code, if it can, and probe again.", f.Baud, 24000/float64(f.Baud)))
	}
	if f.End == "" {
		all = append(all, "without a suffix a code ends with a pause, which costs its time at every code. Set the scanner to end codes with CR.")
	}
	if f.OwnBreaks {
		all = append(all, "the code has line breaks or tabs of its own; where they are the suffix, too, it is cut there.")
	}
	if f.Garbage > 0 {
		all = append(all, fmt.Sprintf("%d readings at this rate were no text: look at the cable and its ground.", f.Garbage))
	}
	return append(all, "disable the scanner's setting bar codes now, or anybody can change it with a printed page.")
}
