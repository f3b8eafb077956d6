package serialport

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/tarm/serial"
)

// Config says how a port is opened. Zero fields make 9600 8N1.
type Config struct {
	// Device is the path of the port. It is resolved anew at each open, so
	// give a name that stays: one under /dev/serial/by-path or from a udev rule.
	// (by-id is shared by identical CH340 and PL2303 adapters.)
	Device string

	Baud     int    // bits per second
	DataBits int    // 7 or 8
	Parity   string // "none", "odd" or "even"
	StopBits int    // 1 or 2
}

// Rates are the baud rates of tarm/serial, without the ones below 1200, at which a
// single byte takes about as long as a silence.
var Rates = []int{
	1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600,
	1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
}

var parities = map[string]serial.Parity{
	"none": serial.ParityNone,
	"odd":  serial.ParityOdd,
	"even": serial.ParityEven,
}

// Validate reports every fault joined, each as "key: what is wrong, and what to write".
func (c Config) Validate() error {
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	switch {
	case c.Device == "":
		want(false, "device: is required: write the full path of the port, such as /dev/serial/by-path/…")
	case strings.ContainsFunc(c.Device, unicode.IsControl):
		want(false, "device: %q has control characters: remove them", c.Device)
	case !filepath.IsAbs(c.Device):
		want(false, "device: %q is not a full path: write it from the root, such as /dev/%s", c.Device, c.Device)
	}
	want(slices.Contains(Rates, c.Baud), "baud: %d is not known: write one of %s", c.Baud, strings.Trim(fmt.Sprint(Rates), "[]"))
	want(c.DataBits == 7 || c.DataBits == 8, "data_bits: %d is not known: write 7 or 8; no letter comes through fewer", c.DataBits)
	_, known := parities[c.Parity]
	want(known, "parity: %q is not known: write none, odd or even", c.Parity)
	want(c.StopBits == 1 || c.StopBits == 2, "stop_bits: %d is not known: write 1 or 2", c.StopBits)
	return errors.Join(faults...)
}
