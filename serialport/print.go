package serialport

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes a table of ports for people.
func Print(w io.Writer, ports []Info) {
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
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n",
			p.Path, printable(what), usb, printable(cmp.Or(p.Serial, "-")), printable(strings.Join(held, ", ")))
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
