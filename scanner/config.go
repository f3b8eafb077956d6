package scanner

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/serialport"
)

// Config says how one serial port is opened and how its bytes are cut into
// codes. Zero fields take the values of Default.
type Config struct {
	// Device is the path of the port. It is resolved anew at each open, so
	// give a name that stays: one under /dev/serial/by-path or from a udev rule.
	// (by-id is shared by identical CH340 and PL2303 adapters.)
	Device string

	Baud     int    // bits per second
	DataBits int    // 7 or 8
	Parity   string // "none", "odd" or "even"
	StopBits int    // 1 or 2

	// EndBytes are control characters, each of which ends a code. Nothing lies
	// between the CR and the LF of a CRLF, and nothing is no code.
	EndBytes string

	// StartBytes are control characters, each of which begins a code anew, such
	// as "\x02" (STX). Without any, a code begins with its first byte.
	StartBytes string

	// EndGap is the silence that ends a code, for scanners that send no end byte.
	// Zero: only an end byte does. A code that is cut in two is worse than one
	// that comes late.
	EndGap time.Duration

	// Min and Max bound the length of a code in bytes, without its end byte.
	// A SMART Health Card has about 2,400.
	Min, Max int

	// Gap is how long after its last byte a half code is dropped.
	Gap time.Duration

	// AIM says that the scanner may put an AIM identifier before a code
	// (ISO/IEC 15424, such as ]Q1 for a QR code): it is taken off.
	AIM bool

	// CodeID is the length in bytes of the scanner's own mark of the symbology
	// before each code, after an AIM identifier: it is taken off.
	CodeID int

	// Encoding of what is not ASCII: UTF8 (default; what is no UTF-8 is read as
	// GB18030) or GB18030.
	Encoding string

	// Profile is the make of the scanner: Generic (default), which is only
	// listened to, or GM65, whose module is asked whether it lives.
	Profile string

	// SilentAfter is how long by day (7 to 22 h) a scanner of which nothing can
	// be asked may send nothing before it is called silent. Zero: for ever.
	SilentAfter time.Duration
}

// Encodings and profiles.
const (
	UTF8    = "utf-8"
	GB18030 = "gb18030"

	Generic = "generic"
	GM65    = "gm65" // GROW GM65 and GM8xx
)

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
		Encoding: UTF8,
		Profile:  Generic,
	}
}

const (
	longest = 1 << 16                // no code of any standard comes near; bounds Config.Max
	minGap  = 50 * time.Millisecond  // shorter ones would cut codes that USB adapters deliver in slices
	maxGap  = 5 * time.Second        // longer ones would glue the next person's code to a half one
	minEnd  = 100 * time.Millisecond // a code cut in two is no code, or another
	maxEnd  = time.Second            // longer ones people take for a dead scanner
	longID  = 8                      // no scanner marks the symbology with more
	minDead = 10 * time.Minute
)

// Validate reports every fault joined, each as "field value: what is wanted".
func (c Config) Validate() error {
	c = c.filled()
	faults := []error{c.port().Validate()}
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	want(control(c.EndBytes),
		`end_bytes %q: want control characters only, such as "\r\n" or "\t"; others stand in codes and would cut them`, c.EndBytes)
	want(control(c.StartBytes),
		`start_bytes %q: want control characters only, such as "\x02"; others stand in codes and would cut them`, c.StartBytes)
	want(!strings.ContainsAny(c.StartBytes, c.EndBytes),
		"start_bytes %q: one of them is among the end_bytes %q; a byte begins a code or ends one", c.StartBytes, c.EndBytes)
	want(c.EndGap == 0 || minEnd <= c.EndGap && c.EndGap <= maxEnd, "end_gap %v: want 0s, or %v to %v", c.EndGap, minEnd, maxEnd)
	want(c.Min >= 1, "min %d: want at least 1 byte", c.Min)
	want(c.Max <= longest, "max %d: want at most %d bytes", c.Max, longest)
	want(c.Max >= c.Min, "max %d: want at least min, which is %d", c.Max, c.Min)
	want(minGap <= c.Gap && c.Gap <= maxGap, "gap %v: want %v to %v", c.Gap, minGap, maxGap)
	if slices.Contains(serialport.Rates, c.Baud) {
		least := LeastGap(c.Baud)
		want(c.Gap < minGap || c.Gap >= least, "gap %v: want at least %v at %d baud", c.Gap, least, c.Baud)
		want(c.EndGap < minEnd || c.EndGap >= least, "end_gap %v: want at least %v at %d baud", c.EndGap, least, c.Baud)
	}
	want(0 <= c.CodeID && c.CodeID <= longID, "code_id %d: want 0 to %d bytes", c.CodeID, longID)
	want(c.Encoding == UTF8 || c.Encoding == GB18030, "encoding %q: want utf-8 or gb18030", c.Encoding)
	want(c.Profile == Generic || c.Profile == GM65, "profile %q: want generic or gm65", c.Profile)
	want(c.SilentAfter == 0 || minDead <= c.SilentAfter, "silent_after %v: want 0s, or at least %v", c.SilentAfter, minDead)
	return errors.Join(faults...)
}

// port is how the port is opened.
func (c Config) port() serialport.Config {
	return serialport.Config{Device: c.Device, Baud: c.Baud, DataBits: c.DataBits, Parity: c.Parity, StopBits: c.StopBits}
}

// LeastGap is the shortest silence that is one at a baud rate: a UART keeps bytes back until its buffer of 16 is full, or
// for some bytes' time.
func LeastGap(baud int) time.Duration {
	const bits = 20 * 12 // a byte has 8 of 12 at most: start, parity and two stop bits are the others
	return (bits * time.Second / time.Duration(baud)).Truncate(10*time.Millisecond) + 10*time.Millisecond
}

func control(s string) bool {
	for _, b := range []byte(s) {
		if b >= 0x20 && b != 0x7f {
			return false
		}
	}
	return true
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
	if c.Encoding == "" {
		c.Encoding = d.Encoding
	}
	if c.Profile == "" {
		c.Profile = d.Profile
	}
	return c
}
