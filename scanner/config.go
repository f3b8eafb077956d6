package scanner

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/serialport"
)

// Config says how one serial port is opened and how its bytes are cut into
// codes. NewReader gives zero fields the values of Default, where zero is not allowed.
type Config struct {
	// Device is the full path of the port, unique. Required. It is resolved anew at
	// each open, so give a name that stays: one under /dev/serial/by-path or from a
	// udev rule. (by-id is shared by identical CH340 and PL2303 adapters.)
	Device string `mapstructure:"device"`

	Baud     int    `mapstructure:"baud"`      // bits per second, default 9600
	DataBits int    `mapstructure:"data_bits"` // 7 or 8, default 8
	Parity   string `mapstructure:"parity"`    // none, odd or even; default none
	StopBits int    `mapstructure:"stop_bits"` // 1 or 2, default 1

	// EndBytes are the control characters that each end a code, in double quotes
	// so that YAML reads the escapes. Default "\r\n": nothing lies between the CR
	// and the LF of a CRLF, and nothing is no code.
	EndBytes string `mapstructure:"end_bytes"`

	// StartBytes are the control characters that each begin a code anew, such as
	// "\x02" (STX). Default "": a code begins with its first byte.
	StartBytes string `mapstructure:"start_bytes"`

	// EndGap is the silence that ends a code, for scanners that send no end byte.
	// Default 0s: only an end byte does; else 100ms to 1s. A code that is cut in two
	// is worse than one that comes late.
	EndGap time.Duration `mapstructure:"end_gap"`

	// Min and Max bound the length of a code in bytes, without its end byte. Default
	// 4 and 4096, up to 65536. A SMART Health Card has about 2,400.
	Min int `mapstructure:"min"`
	Max int `mapstructure:"max"`

	// Gap after its last byte, when a half code is dropped. Default 500ms, from 50ms to 5s.
	Gap time.Duration `mapstructure:"gap"`

	// CodesApart is the silence between two different codes, at least. Those that come closer are one reading of several
	// codes, of which none counts, except one that was answered before the next began: each waits for LeastGap, or
	// CodesApart if that is shorter. Default 100ms; 0s: each counts, at once; up to 1s.
	CodesApart time.Duration `mapstructure:"codes_apart"`

	// AIM says that the scanner may put an AIM identifier before a code
	// (ISO/IEC 15424, such as ]Q1 for a QR code): it is taken off. Default false.
	AIM bool `mapstructure:"aim"`

	// CodeID is the length in bytes of the scanner's own mark of the symbology
	// before each code, after an AIM identifier: it is taken off. Default 0, up to 8.
	CodeID int `mapstructure:"code_id"`

	// Encoding of what is not ASCII: utf-8 (what is none is tried as gb18030) or
	// gb18030. Default utf-8.
	Encoding string `mapstructure:"encoding"`

	// Profile is the make of the scanner: generic, which is only listened to, or
	// gm65, whose module is asked every ten seconds whether it lives. Default generic.
	Profile string `mapstructure:"profile"`

	// SilentAfter is how long a generic scanner may send nothing from 7 to 22 h
	// before the page says so. Default 0s: for ever; else 10m to 168h.
	SilentAfter time.Duration `mapstructure:"silent_after"`
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
		Baud:       9600,
		DataBits:   8,
		Parity:     "none",
		StopBits:   1,
		EndBytes:   "\r\n",
		Min:        4,
		Max:        4096,
		Gap:        500 * time.Millisecond,
		CodesApart: 100 * time.Millisecond,
		Encoding:   UTF8,
		Profile:    Generic,
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
	maxDead = 7 * 24 * time.Hour

	mostEnds = 8 // start or end bytes
)

// Validate reports every fault joined, each as "key: what is wrong, and what to write".
func (c Config) Validate() error {
	faults := []error{c.port().Validate()}
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	want(c.EndBytes != "" && len(c.EndBytes) <= mostEnds && control(c.EndBytes),
		`end_bytes: %q: want 1 to %d control characters in double quotes, such as "\r\n" or "\t" `+
			"(in single quotes YAML takes the backslash itself)", c.EndBytes, mostEnds)
	want(len(c.StartBytes) <= mostEnds && control(c.StartBytes),
		`start_bytes: %q: want at most %d control characters in double quotes, such as "\x02" `+
			"(in single quotes YAML takes the backslash itself)",
		c.StartBytes, mostEnds)
	want(!strings.ContainsAny(c.StartBytes, c.EndBytes),
		"start_bytes: %q has a character of end_bytes %q: a character begins a code or ends one", c.StartBytes, c.EndBytes)
	want(c.EndGap == 0 || minEnd <= c.EndGap && c.EndGap <= maxEnd, "end_gap: %v is out of range: write 100ms to 1s, or 0s", c.EndGap)
	want(c.Min >= 1, "min: %d: want at least 1 byte", c.Min)
	want(c.Max <= longest, "max: %d: want at most %d bytes", c.Max, longest)
	want(c.Max >= c.Min, "max: %d is less than min, which is %d: no code could be read", c.Max, c.Min)
	want(minGap <= c.Gap && c.Gap <= maxGap, "gap: %v is out of range: write 50ms to 5s", c.Gap)
	if slices.Contains(serialport.Rates, c.Baud) {
		const short = "%s: %v is too short for %d baud, at which a serial port may hand over 16 bytes only each %v: write at least that"
		least := LeastGap(c.Baud)
		want(c.Gap < minGap || c.Gap >= least, short, "gap", c.Gap, c.Baud, least)
		want(c.EndGap < minEnd || c.EndGap >= least, short, "end_gap", c.EndGap, c.Baud, least)
	}
	want(0 <= c.CodesApart && c.CodesApart <= time.Second, "codes_apart: %v is out of range: write 0s to 1s", c.CodesApart)
	want(0 <= c.CodeID && c.CodeID <= longID, "code_id: %d is out of range: write 0 to %d bytes", c.CodeID, longID)
	want(c.Encoding == UTF8 || c.Encoding == GB18030, "encoding: %q is not known: write utf-8 or gb18030", c.Encoding)
	want(c.Profile == Generic || c.Profile == GM65, "profile: %q is not known: write generic or gm65", c.Profile)
	want(c.SilentAfter == 0 || minDead <= c.SilentAfter && c.SilentAfter <= maxDead,
		"silent_after: %v is out of range: write 10m to 168h, or 0s", c.SilentAfter)
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
	c.Baud, c.DataBits = cmp.Or(c.Baud, d.Baud), cmp.Or(c.DataBits, d.DataBits)
	c.Parity, c.StopBits = cmp.Or(c.Parity, d.Parity), cmp.Or(c.StopBits, d.StopBits)
	c.EndBytes, c.Gap = cmp.Or(c.EndBytes, d.EndBytes), cmp.Or(c.Gap, d.Gap)
	c.Min, c.Max = cmp.Or(c.Min, d.Min), cmp.Or(c.Max, d.Max)
	c.Encoding, c.Profile = cmp.Or(c.Encoding, d.Encoding), cmp.Or(c.Profile, d.Profile)
	return c
}
