package barrier

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Config says what opens the lane. New gives zero fields the values of Default.
type Config struct {
	Driver  string `mapstructure:"driver"`  // none, lcus (a USB relay board) or exec (a program); default none
	Device  string `mapstructure:"device"`  // lcus only: full path of the board's port, one for each lane; resolved anew at each open
	Channel int    `mapstructure:"channel"` // lcus only: of the board, 1 to 8; default 1

	// Answers, lcus only: the board tells its state, so that its silence at the start is a fault. Default: found out.
	Answers bool `mapstructure:"answers"`

	// Command, exec only: full path of the program, then its arguments; the action comes after them. What it starts ends with it.
	Command []string `mapstructure:"command"`

	Pulse   time.Duration `mapstructure:"pulse"`   // length of the opening pulse, default 500ms, from 100ms to 5s
	Spacing time.Duration `mapstructure:"spacing"` // least time from the end of a pulse to the next, default 200ms, up to 5s
	Timeout time.Duration `mapstructure:"timeout"` // for program or relay, beyond the pulse; default 3s, from 100ms to 4s
	Sensor  SensorConfig  `mapstructure:"sensor"`
}

// SensorConfig says how a contact on a modem-status line is wired, which tells what became of an opening.
type SensorConfig struct {
	// Device is the full path of the port that the contact is wired to: the relay's, the lane's
	// scanner's, or one of its own. Empty: the relay's.
	Device string `mapstructure:"device"`

	Line     string        `mapstructure:"line"`     // cts, dsr, dcd or ri; empty: there is no sensor
	Means    string        `mapstructure:"means"`    // of the active line: open (the barrier is) or passed (somebody is in the light beam)
	Inverted bool          `mapstructure:"inverted"` // the line is active while the contact is open; default false
	Debounce time.Duration `mapstructure:"debounce"` // shorter changes count for nothing; default 60ms, from 20ms to 2s

	// Within so long of an opening, what the sensor tells belongs to it; a person who has not passed by then has turned back.
	// Default 15s, from 2s to 2m.
	Within time.Duration `mapstructure:"within"`
}

// Default returns the settings of a lane whose barrier is worked by hand.
func Default() Config {
	return Config{Driver: None, Channel: 1, Pulse: 500 * time.Millisecond, Spacing: 200 * time.Millisecond, Timeout: 3 * time.Second,
		Sensor: SensorConfig{Means: MeansPassed, Debounce: 60 * time.Millisecond, Within: 15 * time.Second}}
}

// filled is c with the defaults of what cannot be zero. A Spacing of zero is one.
func (c Config) filled() Config {
	d := Default()
	c.Driver, c.Channel = cmp.Or(c.Driver, d.Driver), cmp.Or(c.Channel, d.Channel)
	c.Pulse, c.Timeout = cmp.Or(c.Pulse, d.Pulse), cmp.Or(c.Timeout, d.Timeout)
	return c
}

// Validate reports every fault joined, each as "key: what is wrong, and what to write".
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Driver != None && c.Driver != LCUS && c.Driver != Exec {
		fault("driver: %q is not known: write none or lcus or exec", c.Driver)
	}
	switch {
	case c.Driver != Exec && len(c.Command) > 0:
		fault("command: is not used by driver %s: write `driver: exec`, or remove it", c.Driver)
	case c.Driver == Exec && len(c.Command) == 0:
		fault("command: is required by driver exec: write [/full/path/of/program, argument, …]")
	case c.Driver == Exec && !filepath.IsAbs(c.Command[0]):
		fault("command[0]: %q is not a full path: write the program's path from the root", c.Command[0])
	}
	for i, arg := range c.Command {
		checkText(fault, fmt.Sprintf("command[%d]", i), arg)
	}
	checkText(fault, "device", c.Device)
	switch {
	case c.Driver != LCUS && c.Device != "":
		fault("device: is not used by driver %s: write `driver: lcus`, or remove it", c.Driver)
	case c.Driver == LCUS && c.Device == "":
		fault("device: is required by driver lcus: write the full path of the board's port, such as /dev/gated-relay-in")
	case c.Driver == LCUS && !filepath.IsAbs(c.Device):
		fault("device: %q is not a full path: write it from the root, such as /dev/%s", c.Device, c.Device)
	}
	if c.Channel < 1 || c.Channel > 8 {
		fault("channel: %d is out of range: write 1 to 8", c.Channel)
	}
	if c.Pulse < 100*time.Millisecond || c.Pulse > maxPulse {
		fault("pulse: %v is out of range: write 100ms to 5s", c.Pulse)
	}
	if c.Spacing < 0 || c.Spacing > 5*time.Second {
		fault("spacing: %v is out of range: write 0s to 5s", c.Spacing)
	}
	// Close waits so long, and the daemon has to end within 5 s of SIGTERM.
	if c.Timeout < 100*time.Millisecond || c.Timeout > 4*time.Second {
		fault("timeout: %v is out of range: write 100ms to 4s", c.Timeout)
	}
	c.Sensor.check(c.Driver, fault)
	return errors.Join(faults...)
}

func (s SensorConfig) check(driver string, fault func(format string, args ...any)) {
	checkText(fault, "sensor.device", s.Device)
	switch {
	case s.Line == "" && (s.Device != "" || s.Inverted):
		fault("sensor.line: is required by a sensor: write the line that the contact is wired to: cts, dsr, dcd or ri")
	case s.Line == "":
		return
	case s.Device == "" && driver != LCUS:
		fault("sensor.device: is required without a relay: write the full path of the port that the contact is wired to, " +
			"such as the scanner's")
	case s.Device != "" && !filepath.IsAbs(s.Device):
		fault("sensor.device: %q is not a full path: write it from the root, such as /dev/%s", s.Device, s.Device)
	}
	if _, known := lineBits[s.Line]; !known {
		fault("sensor.line: %q is not known: write cts, dsr, dcd or ri", s.Line)
	}
	if s.Means != MeansOpen && s.Means != MeansPassed {
		fault("sensor.means: %q is not known: write open or passed", s.Means)
	}
	if s.Debounce < 20*time.Millisecond || s.Debounce > 2*time.Second {
		fault("sensor.debounce: %v is out of range: write 20ms to 2s", s.Debounce)
	}
	if s.Within < 2*time.Second || s.Within > 2*time.Minute {
		fault("sensor.within: %v is out of range: write 2s to 2m", s.Within)
	}
}

// checkText refuses control characters, which would break logs and paths and cannot be handed to a program, and what is
// too long for a path.
func checkText(fault func(format string, args ...any), key, text string) {
	if n := utf8.RuneCountInString(text); n > 4096 {
		fault("%s: has %d characters: want at most 4096", key, n)
	} else if strings.ContainsFunc(text, unicode.IsControl) {
		fault("%s: %q has control characters: remove them", key, text)
	}
}
