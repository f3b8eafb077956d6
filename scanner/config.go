package scanner

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tarm/serial"
)

// Config says how one serial port is opened and how its bytes are cut into
// codes. Zero fields take the values of Default.
type Config struct {
	// Device is the path of the port. It is resolved anew at each open, so
	// give a name that stays: one under /dev/serial/by-path or from a udev rule.
	// (by-id is shared by identical CH340 and PL2303 adapters.)
	Device string

	Baud     int    // bits per second
	DataBits int    // 5 to 8
	Parity   string // "none", "odd" or "even"
	StopBits int    // 1 or 2

	// EndBytes are control characters, each of which ends a code. Nothing lies
	// between the CR and the LF of a CRLF, and nothing is no code.
	EndBytes string

	// Min and Max bound the length of a code in bytes, without its end byte.
	// A SMART Health Card has about 2,400.
	Min, Max int

	// Gap is how long after its last byte a half code is dropped.
	Gap time.Duration
}

// Default returns the settings in which the GM65 family leaves the factory.
func Default() Config {
	return Config{
		Baud:     9600,
		DataBits: 8,
		Parity:   "none",
		StopBits: 1,
		EndBytes: "\r\n",
		Min:      4,
		Max:      4096,
		Gap:      500 * time.Millisecond,
	}
}

// rates are those of tarm/serial, without the ones below 1200, at which a
// single byte takes about as long as settleTime.
var rates = []int{
	1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600,
	1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
}

var parities = map[string]serial.Parity{
	"none": serial.ParityNone,
	"odd":  serial.ParityOdd,
	"even": serial.ParityEven,
}

const (
	longest = 1 << 16          // no code of any standard comes near; bounds Config.Max
	minGap  = settleTime       // shorter ones would cut codes that USB adapters deliver in slices
	maxGap  = 10 * time.Second // longer ones would glue the next person's code to a half one
)

// Validate reports every fault joined, each as "field value: what is wanted".
func (c Config) Validate() error {
	c = c.filled()
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	want(filepath.IsAbs(c.Device) && !strings.ContainsRune(c.Device, 0),
		"device %q: want the full path of the port, such as /dev/serial/by-path/…", c.Device)
	want(slices.Contains(rates, c.Baud), "baud %d: want one of %s", c.Baud, strings.Trim(fmt.Sprint(rates), "[]"))
	want(5 <= c.DataBits && c.DataBits <= 8, "data_bits %d: want 5 to 8", c.DataBits)
	_, known := parities[c.Parity]
	want(known, "parity %q: want none, odd or even", c.Parity)
	want(c.StopBits == 1 || c.StopBits == 2, "stop_bits %d: want 1 or 2", c.StopBits)
	for _, b := range []byte(c.EndBytes) {
		if b >= 0x20 && b != 0x7f {
			want(false, `end_bytes %q: want control characters only, such as "\r\n" or "\t"; others stand in codes and would cut them`, c.EndBytes)
			break
		}
	}
	want(c.Min >= 1, "min %d: want at least 1 byte", c.Min)
	want(c.Max <= longest, "max %d: want at most %d bytes", c.Max, longest)
	want(c.Max >= c.Min, "max %d: want at least min, which is %d", c.Max, c.Min)
	want(minGap <= c.Gap && c.Gap <= maxGap, "gap %v: want %v to %v", c.Gap, minGap, maxGap)
	return errors.Join(faults...)
}

func (c Config) filled() Config {
	d := Default()
	if c.Baud == 0 {
		c.Baud = d.Baud
	}
	if c.DataBits == 0 {
		c.DataBits = d.DataBits
	}
	if c.Parity == "" {
		c.Parity = d.Parity
	}
	if c.StopBits == 0 {
		c.StopBits = d.StopBits
	}
	if c.EndBytes == "" {
		c.EndBytes = d.EndBytes
	}
	if c.Min == 0 {
		c.Min = d.Min
	}
	if c.Max == 0 {
		c.Max = d.Max
	}
	if c.Gap == 0 {
		c.Gap = d.Gap
	}
	return c
}
