package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/ledger/tlog"
	"gated/scanner"
)

// complete fills in what follows from other settings.
func (s *Settings) complete() {
	if s.Gate.Origin == "" {
		s.Gate.Origin = slug(s.Gate.Name)
		s.from["gate.origin"] = "from gate.name"
	}
}

// slug keeps the ASCII letters and digits of a name, in lower case, with hyphens
// for what was between.
func slug(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9')
	}), "-")
}

// resolve makes relative paths count from the settings file's directory.
func (s *Settings) resolve(dir string) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	for _, path := range []*string{&s.StateDir, &s.Policy.File, &s.Trust.Dir} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}

// The kernel's usual rates that tarm/serial knows (14400 and 250000 it does not).
var bauds = []string{"1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200", "230400", "460800", "921600"}

var (
	wordForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	hostForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// check records every value that is impossible, by itself or with others.
func (l *loader) check(s *Settings) {
	for key, path := range map[string]string{"state_dir": s.StateDir, "policy.file": s.Policy.File, "trust.dir": s.Trust.Dir} {
		l.text(key, path, 4096)
	}

	g := s.Gate
	l.text("gate.name", g.Name, 64)
	if strings.TrimSpace(g.Name) == "" {
		l.fault("gate.name", "is required: write what the gate is called, such as South Gate")
	}
	l.text("gate.origin", g.Origin, 64)
	if g.Origin == "" && l.faulty["gate.name"] {
		// with a good name there may be one
	} else if g.Origin == "" {
		l.fault("gate.origin", "is required here, because gate.name %q has no Latin letters or digits to make it from: write one such as south-gate", g.Name)
	} else if strings.ContainsFunc(g.Origin, unicode.IsSpace) || strings.Contains(g.Origin, "+") {
		l.fault("gate.origin", "%q has a space or a plus: write it with hyphens, such as south-gate", g.Origin)
	}
	if _, err := time.LoadLocation(g.TimeZone); err != nil || g.TimeZone == "" || g.TimeZone == "Local" {
		l.fault("gate.time_zone", "%q is not a time zone: write an IANA name such as Asia/Shanghai or UTC", g.TimeZone)
	}
	if g.Level != "" && (!wordForm.MatchString(g.Level) || len(g.Level) > 40) {
		l.fault("gate.level", "%q is not a level: write one of the policy's, such as guarded", g.Level)
	}
	l.duration("gate.hold_limit", g.HoldLimit, 10*time.Second, time.Hour)
	l.duration("gate.repeat_window", g.RepeatWindow, 0, 30*time.Second)

	if len(s.Lanes) == 0 {
		l.fault("lanes", "at least one lane is required: write `lanes:` and below it `- id: in`, its direction and scanner.device")
	}
	ids, devices, relays := map[string]int{}, map[string]int{}, map[string]int{}
	for i, lane := range s.Lanes {
		at := func(key string) string { return fmt.Sprintf("lanes[%d].%s", i, key) }
		if !wordForm.MatchString(lane.ID) || len(lane.ID) > 32 {
			l.fault(at("id"), "%q: write lower-case letters, digits and hyphens, at most 32, such as in", lane.ID)
		} else if j, taken := ids[lane.ID]; taken {
			l.fault(at("id"), "%q is already the id of lanes[%d]: give each lane its own", lane.ID, j)
		} else {
			ids[lane.ID] = i
		}
		l.oneOf(at("direction"), lane.Direction, "in", "out")
		l.scanner(at, lane.Scanner)
		device := filepath.Clean(lane.Scanner.Device)
		if j, taken := devices[device]; taken && lane.Scanner.Device != "" {
			l.fault(at("scanner.device"), "%q is already the scanner of lanes[%d]: two readers of one port get half a code each", lane.Scanner.Device, j)
		} else {
			devices[device] = i
		}
		l.barrier(at, lane.Barrier)
		l.sensor(at, lane)
	}
	for i, lane := range s.Lanes { // when all scanners are known
		device := filepath.Clean(lane.Barrier.Device)
		if lane.Barrier.Device == "" {
			continue
		}
		key := fmt.Sprintf("lanes[%d].barrier.device", i)
		if j, taken := devices[device]; taken {
			l.fault(key, "%q is already the scanner of lanes[%d]: the relay has a port of its own", lane.Barrier.Device, j)
		} else if j, taken := relays[device]; taken {
			l.fault(key, "%q is already the relay of lanes[%d]: give each lane a board of its own", lane.Barrier.Device, j)
		}
		relays[device] = i
	}
	l.cardReaders(s.Lanes)

	l.listen(s.Console.Listen)
	for i, host := range s.Console.Hosts {
		key := fmt.Sprintf("console.hosts[%d]", i)
		if name, port, err := net.SplitHostPort(host); err == nil && validPort(port) && port != "0" {
			host = name
		}
		if len(host) > 253 || net.ParseIP(host) == nil && !hostForm.MatchString(host) {
			l.fault(key, "%q is not a host name: write it in lower case without http:// and path, such as gate.example.org", host)
		} else if slices.Index(s.Console.Hosts, s.Console.Hosts[i]) < i {
			l.fault(key, "%q is written twice: keep one", host)
		}
	}
	l.oneOf("console.language", s.Console.Language, "zh", "en")
	l.text("console.call", s.Console.Call, 100)
	l.oneOf("log.level", s.Log.Level, "debug", "info", "warn", "error")
	l.oneOf("log.format", s.Log.Format, "text", "json")
	if free := s.Ledger.MinFree; free < 1<<20 || free > 1<<40 {
		l.fault("ledger.min_free", "%v is out of range: write 1MiB to 1TiB", free)
	}
	if address := s.Ledger.TlogListen; address != "" {
		host, port, err := net.SplitHostPort(address)
		if err != nil || !validPort(port) || host != "" && net.ParseIP(host) == nil && !hostForm.MatchString(host) {
			l.fault("ledger.tlog_listen", "%q: write address and port (0 to 65535), such as 192.0.2.7:8481 or :8481", address)
		} else if address == s.Console.Listen && port != "0" {
			l.fault("ledger.tlog_listen", "%q is console.listen already: write another port", address)
		}
	}
	names := map[string]int{}
	for i, w := range s.Ledger.Witnesses {
		at := func(key string) string { return fmt.Sprintf("ledger.witnesses[%d].%s", i, key) }
		u, err := url.Parse(w.URL)
		shown := w.URL
		if err == nil {
			shown = u.Redacted()
		}
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			l.fault(at("url"), "%q is not the address of a witness: write it as https://witness.example.org/path, without password, ? and #", shown)
		}
		if name, err := tlog.WitnessName(w.Key); err != nil {
			l.fault(at("key"), "%v", err)
		} else if name == s.Gate.Origin || strings.HasPrefix(name, s.Gate.Origin+"/") {
			l.fault(at("key"), "%q is named as the gate's own key (gate.origin): a witness needs a name of its own", name)
		} else if j, taken := names[name]; taken {
			l.fault(at("key"), "%q is the name of ledger.witnesses[%d] already: write each witness once", name, j)
		} else {
			names[name] = i
		}
	}
	if n := s.Ledger.WitnessEvery; n < 0 || n > 1000000 {
		l.fault("ledger.witness_every", "%d is out of range: write 0 to 1000000", n)
	}
	classes := map[string]int{}
	for i, r := range s.Ledger.Retention {
		key := fmt.Sprintf("ledger.retention[%d]", i)
		l.oneOf(key+".class", r.Class, "resident", "staff", "volunteer", "courier", "visitor", "emergency-vehicle", "vehicle", "unknown", "*")
		if j, taken := classes[r.Class]; taken {
			l.fault(key+".class", "%q is the class of ledger.retention[%d] already: write each class once", r.Class, j)
		}
		classes[r.Class] = i
		if r.Days < 1 || r.Days > 36500 {
			l.fault(key+".days", "%d is out of range: write 1 to 36500", r.Days)
		}
	}
}

func (l *loader) scanner(at func(string) string, c Scanner) {
	l.text(at("scanner.device"), c.Device, 4096)
	if c.Device == "" {
		l.fault(at("scanner.device"), "is required: write the full path of the port, such as /dev/serial/by-path/…")
	} else if !filepath.IsAbs(c.Device) {
		l.fault(at("scanner.device"), "%q is not a full path: write it from the root, such as /dev/%s", c.Device, c.Device)
	}
	l.oneOf(at("scanner.baud"), strconv.Itoa(c.Baud), bauds...)
	l.oneOf(at("scanner.data_bits"), strconv.Itoa(c.DataBits), "7", "8")
	l.oneOf(at("scanner.parity"), c.Parity, "none", "odd", "even")
	l.oneOf(at("scanner.stop_bits"), strconv.Itoa(c.StopBits), "1", "2")
	if c.EndBytes == "" || len(c.EndBytes) > 8 || strings.ContainsFunc(c.EndBytes, func(r rune) bool { return r >= 0x20 && r != 0x7f }) {
		l.fault(at("scanner.end_bytes"), `%q: want 1 to 8 control characters in double quotes, such as "\r\n" or "\t" (in single quotes YAML takes the backslash itself)`, c.EndBytes)
	}
	if len(c.StartBytes) > 8 || strings.ContainsFunc(c.StartBytes, func(r rune) bool { return r >= 0x20 && r != 0x7f }) {
		l.fault(at("scanner.start_bytes"), `%q: want at most 8 control characters in double quotes, such as "\x02" (in single quotes YAML takes the backslash itself)`, c.StartBytes)
	} else if strings.ContainsAny(c.StartBytes, c.EndBytes) {
		l.fault(at("scanner.start_bytes"), "%q has a character of end_bytes %q: a character begins a code or ends one", c.StartBytes, c.EndBytes)
	}
	if c.EndGap != 0 {
		l.duration(at("scanner.end_gap"), c.EndGap, 100*time.Millisecond, time.Second)
	}
	if c.Min < 1 {
		l.fault(at("scanner.min"), "%d: want at least 1 byte", c.Min)
	}
	if c.Max > 1<<16 {
		l.fault(at("scanner.max"), "%d: want at most 65536 bytes", c.Max)
	} else if c.Max < c.Min {
		l.fault(at("scanner.max"), "%d is less than min, which is %d: no code could be read", c.Max, c.Min)
	}
	l.duration(at("scanner.gap"), c.Gap, 50*time.Millisecond, 5*time.Second)
	if slices.Contains(bauds, strconv.Itoa(c.Baud)) {
		least := scanner.LeastGap(c.Baud)
		for _, gap := range []struct {
			key string
			d   time.Duration
		}{{"gap", c.Gap}, {"end_gap", c.EndGap}} {
			if gap.d >= 50*time.Millisecond && gap.d < least {
				l.fault(at("scanner."+gap.key), "%s is too short for %d baud, at which a serial port may hand over 16 bytes only each %s: write at least that", formatDuration(gap.d), c.Baud, formatDuration(least))
			}
		}
	}
	if c.CodeID < 0 || c.CodeID > 8 {
		l.fault(at("scanner.code_id"), "%d is out of range: write 0 to 8 bytes", c.CodeID)
	}
	l.oneOf(at("scanner.encoding"), c.Encoding, scanner.UTF8, scanner.GB18030)
	l.oneOf(at("scanner.profile"), c.Profile, scanner.Generic, scanner.GM65)
	if c.SilentAfter != 0 {
		l.duration(at("scanner.silent_after"), c.SilentAfter, 10*time.Minute, 7*24*time.Hour)
	}
}

// cardReaders looks at all lanes, because each port is for one device.
func (l *loader) cardReaders(lanes []Lane) {
	taken := map[string]string{}
	for i, lane := range lanes {
		if lane.Scanner.Device != "" {
			taken[filepath.Clean(lane.Scanner.Device)] = fmt.Sprintf("scanner of lanes[%d]", i)
		}
		if lane.Barrier.Device != "" {
			taken[filepath.Clean(lane.Barrier.Device)] = fmt.Sprintf("relay of lanes[%d]", i)
		}
	}
	for i, lane := range lanes {
		c, key := lane.CardReader, fmt.Sprintf("lanes[%d].card_reader", i)
		l.text(key+".device", c.Device, 4096)
		l.oneOf(key+".baud", strconv.Itoa(c.Baud), "9600", "19200", "38400", "57600", "115200")
		if c.Device == "" {
			if l.lines[key+".device"] == 0 && l.lines[key+".baud"] != 0 {
				l.fault(key+".device", "is required by a card reader: write the full path of its port, such as /dev/gated-card-in, or remove card_reader")
			}
			continue
		}
		device := filepath.Clean(c.Device)
		if !filepath.IsAbs(c.Device) {
			l.fault(key+".device", "%q is not a full path: write it from the root, such as /dev/%s", c.Device, c.Device)
		} else if other, is := taken[device]; is {
			l.fault(key+".device", "%q is already the %s: each has a port of its own", c.Device, other)
		}
		taken[device] = fmt.Sprintf("card reader of lanes[%d]", i)
	}
}

func (l *loader) barrier(at func(string) string, c Barrier) {
	l.oneOf(at("barrier.driver"), c.Driver, "none", "lcus", "exec")
	switch {
	case c.Driver != "exec" && len(c.Command) > 0:
		l.fault(at("barrier.command"), "is not used by driver %s: write `driver: exec`, or remove it", c.Driver)
	case c.Driver == "exec" && len(c.Command) == 0:
		l.fault(at("barrier.command"), "is required by driver exec: write [/full/path/of/program, argument, …]")
	case c.Driver == "exec" && !filepath.IsAbs(c.Command[0]):
		l.fault(at("barrier.command[0]"), "%q is not a full path: write the program's path from the root", c.Command[0])
	}
	l.text(at("barrier.device"), c.Device, 4096)
	switch {
	case c.Driver != "lcus" && c.Device != "":
		l.fault(at("barrier.device"), "is not used by driver %s: write `driver: lcus`, or remove it", c.Driver)
	case c.Driver == "lcus" && c.Device == "":
		l.fault(at("barrier.device"), "is required by driver lcus: write the full path of the board's port, such as /dev/gated-relay-in")
	case c.Driver == "lcus" && !filepath.IsAbs(c.Device):
		l.fault(at("barrier.device"), "%q is not a full path: write it from the root, such as /dev/%s", c.Device, c.Device)
	}
	if c.Channel < 1 || c.Channel > 8 {
		l.fault(at("barrier.channel"), "%d is out of range: write 1 to 8", c.Channel)
	}
	l.duration(at("barrier.spacing"), c.Spacing, 0, 5*time.Second)
	for i, arg := range c.Command {
		l.text(at(fmt.Sprintf("barrier.command[%d]", i)), arg, 4096)
	}
	l.duration(at("barrier.pulse"), c.Pulse, 100*time.Millisecond, 5*time.Second)
	l.duration(at("barrier.timeout"), c.Timeout, 100*time.Millisecond, 4*time.Second)
}

func (l *loader) sensor(at func(string) string, lane Lane) {
	c := lane.Barrier.Sensor
	l.text(at("barrier.sensor.device"), c.Device, 4096)
	switch {
	case c.Line == "" && (c.Device != "" || c.Inverted):
		l.fault(at("barrier.sensor.line"), "is required by a sensor: write the line that the contact is wired to: cts, dsr, dcd or ri")
	case c.Line == "":
		return
	case c.Device == "" && lane.Barrier.Driver != "lcus":
		l.fault(at("barrier.sensor.device"), "is required without a relay: write the full path of the port that the contact is wired to, such as the scanner's")
	case c.Device != "" && !filepath.IsAbs(c.Device):
		l.fault(at("barrier.sensor.device"), "%q is not a full path: write it from the root, such as /dev/%s", c.Device, c.Device)
	}
	l.oneOf(at("barrier.sensor.line"), c.Line, "cts", "dsr", "dcd", "ri")
	l.oneOf(at("barrier.sensor.means"), c.Means, "open", "passed")
	l.duration(at("barrier.sensor.debounce"), c.Debounce, 20*time.Millisecond, 2*time.Second)
	l.duration(at("barrier.sensor.within"), c.Within, 2*time.Second, 2*time.Minute)
}

// listen allows loopback only: there is no sign-on yet that could guard more.
func (l *loader) listen(address string) {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil || !validPort(port):
		l.fault("console.listen", "%q: write address and port (0 to 65535), such as 127.0.0.1:8480", address)
	case host != "localhost" && !net.ParseIP(host).IsLoopback():
		l.fault("console.listen", "%q can be reached from outside the box: only loopback is allowed for now, such as 127.0.0.1:%s", address, port)
	}
}

func validPort(port string) bool {
	n, err := strconv.Atoi(port)
	return err == nil && 0 <= n && n <= 65535 && strconv.Itoa(n) == port
}

// text refuses control characters, which would break pages, logs and paths.
func (l *loader) text(key, text string, most int) {
	if n := utf8.RuneCountInString(text); n > most {
		l.fault(key, "has %d characters: want at most %d", n, most)
	} else if strings.ContainsFunc(text, unicode.IsControl) {
		l.fault(key, "%q has control characters: remove them", text)
	}
}

func (l *loader) duration(key string, d, least, most time.Duration) {
	if d < least || d > most {
		l.fault(key, "%s is out of range: write %s to %s", formatDuration(d), formatDuration(least), formatDuration(most))
	}
}

func (l *loader) oneOf(key, word string, words ...string) {
	if word == "" {
		l.fault(key, "is required: write %s", strings.Join(words, " or "))
	} else if !slices.Contains(words, word) {
		l.fault(key, "%q is not known%s: write %s", word, nearest(word, words), strings.Join(words, " or "))
	}
}
