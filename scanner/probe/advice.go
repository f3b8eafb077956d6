package probe

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"gated/scanner"
	"gated/serialport"
)

// Advice is what to write for the scanner of a lane.
type Advice struct {
	Settings string `json:"settings,omitempty"`
	Rule     string `json:"udev_rule,omitempty"` // that makes the device's name; empty: the name is there already
}

// Advice is for the lane, and for the device among ports.
func (f Found) Advice(lane string, ports []serialport.Info) Advice {
	device, rule := name(lane, f.Device, ports)
	return Advice{f.settings(device), rule}
}

// Print writes for people what was found, and the advice for the lane.
func (f Found) Print(w io.Writer, lane string, advice Advice) {
	fmt.Fprintf(w, "%s: %s\n\n", f.Device, f)
	if !f.Sure {
		fmt.Fprintf(w, "This is NOT SURE.\n\n")
	}
	fmt.Fprintf(w, "In the settings, for the lane %s:\n\n%s", lane, advice.Settings)
	if advice.Rule != "" {
		fmt.Fprintf(w, "\nIn %s:\n\n%s\nThen: udevadm control --reload && udevadm trigger --subsystem-match=usb --subsystem-match=tty\n",
			"/etc/udev/rules.d/61-gated-ports.rules", advice.Rule)
	}
	for _, note := range f.Notes() {
		fmt.Fprintln(w, "\nNote:", note)
	}
}

// name returns the name that the settings of the lane should have for the device, one of ports, and the udev rule that
// makes the name; none if the name is there already.
func name(lane, device string, ports []serialport.Info) (name, rule string) {
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
		if rule := serialport.UdevRule(p, ports, "gated-scanner-"+lane); rule != "" {
			return "/dev/gated-scanner-" + lane, rule
		}
	}
	return device, ""
}

// String says in words what was found.
func (f Found) String() string {
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
	if f.Harmless != "" {
		around += ", " + f.Harmless + " around"
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

// settings returns the lines for the settings file, with the device under the name given. What is the default is left out,
// but for what one looks for there.
func (f Found) settings(device string) string {
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
		set("end_bytes", "%q", unique(f.End)) // Go's escapes are YAML's
	case f.Pause > 50*time.Millisecond:
		set("end_gap", "200ms")
	default:
		set("end_gap", "100ms")
	}
	if f.Start != "" {
		set("start_bytes", "%q", f.Start)
	}
	if f.AIM {
		set("aim", "true")
	}
	if f.CodeID > 0 {
		set("code_id", "%d", f.CodeID)
	}
	if f.Encoding == scanner.GB18030 {
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

// Notes are what whoever sets up the scanner may want to change on it.
func (f Found) Notes() (all []string) {
	if f.Baud != 0 && f.Baud < 57600 {
		all = append(all, fmt.Sprintf("at %d baud a health card of 2,400 digits takes %.1f s. Set the scanner to 115200 with "+
			"its manual's bar code, if it can, and probe again.", f.Baud, 24000/float64(f.Baud)))
	}
	if f.End == "" {
		all = append(all, "without a suffix a code ends with a pause, which costs its time at every code. "+
			"Set the scanner to end codes with CR.")
	}
	if f.OwnBreaks {
		all = append(all, "the code has line breaks or tabs of its own; where they are the suffix, too, it is cut there.")
	}
	if f.Harmless != "" {
		all = append(all, "around the codes stands "+f.Harmless+", which does no harm: the gate takes it off.")
	}
	if f.Garbage > 0 {
		all = append(all, fmt.Sprintf("%d readings at this rate were no text: look at the cable and its ground.", f.Garbage))
	}
	return append(all, "disable the scanner's setting bar codes now, or anybody can change it with a printed page.")
}
