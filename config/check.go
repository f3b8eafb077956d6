package config

import (
	"fmt"
	"maps"
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
	"gated/policy"
	"gated/register/retention"
)

// complete fills in what follows from other settings.
func (s *Settings) complete() {
	if s.Gate.Origin == "" {
		s.Gate.Origin = slug(s.Gate.Name)
		s.from["gate.origin"] = "from gate.name"
	}
	if s.Console.Users == nil {
		s.Console.Users = Default().Console.Users
	}
	if s.Ledger.Retention == nil {
		s.Ledger.Retention = Default().Ledger.Retention
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

var (
	wordForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	userForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)
	timeForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	hostForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// IsLane says whether lanes[].id may be so.
func IsLane(id string) bool { return wordForm.MatchString(id) && len(id) <= 32 }

// check records every value that is impossible, by itself or with others.
func (l *loader) check(s *Settings) {
	for key, path := range map[string]string{"state_dir": s.StateDir, "policy.file": s.Policy.File, "trust.dir": s.Trust.Dir} {
		l.text(key, path, 4096)
	}
	l.gate(s.Gate)
	l.lanes(s.Lanes, s.Scanner.Keyboard)
	if lane := s.Scanner.Keyboard; lane != "" && !slices.ContainsFunc(s.Lanes, func(l Lane) bool { return l.ID == lane }) {
		l.fault("scanner.keyboard", "%q is no lane: write the id of the one that codes typed into the page are for, or remove it", lane)
	}
	l.console(s.Console)
	l.oneOf("log.level", s.Log.Level, "debug", "info", "warn", "error")
	l.oneOf("log.format", s.Log.Format, "text", "json")
	l.ledger(s)
	l.hosts(s.Hosts)
	l.privacy(s.Privacy)
}

// Bodies are the hosts that are no household, and consents how they agree.
var (
	Bodies   = []string{"office", "committee", "parcels", "shop", "kindergarten", "compound"}
	consents = []string{"asked", "open"}
)

func (l *loader) hosts(hosts []Host) {
	bodies := map[string]int{}
	for i, h := range hosts {
		key := fmt.Sprintf("hosts[%d]", i)
		l.oneOf(key+".body", h.Body, Bodies...)
		if j, taken := bodies[h.Body]; taken {
			l.fault(key+".body", "%q is the body of hosts[%d] already: write each once", h.Body, j)
		}
		bodies[h.Body] = i
		if h.Consent != "" {
			l.oneOf(key+".consent", h.Consent, consents...)
		}
		for k, p := range h.People {
			at := fmt.Sprintf("%s.people[%d]", key, k)
			if l.text(at+".name", p.Name, 64); strings.TrimSpace(p.Name) == "" {
				l.fault(at+".name", "is required: write who answers")
			}
			if len(p.Telephone) > 30 || !strings.ContainsAny(p.Telephone, "0123456789") ||
				strings.Trim(p.Telephone, "0123456789+-() ") != "" {
				l.fault(at+".telephone", "%q: write digits, such as \"0755-8210000\", in quotes", p.Telephone)
			}
		}
	}
}

func (l *loader) privacy(p Privacy) {
	l.text("privacy.who", p.Who, 100)
	l.text("privacy.contact", p.Contact, 200)
	l.text("privacy.purpose", p.Purpose, 500)
	l.text("privacy.purpose_en", p.PurposeEN, 500)
}

func (l *loader) gate(g Gate) {
	l.text("gate.name", g.Name, 64)
	if strings.TrimSpace(g.Name) == "" {
		l.fault("gate.name", "is required: write what the gate is called, such as South Gate")
	}
	l.text("gate.origin", g.Origin, 64)
	if g.Origin == "" && l.faulty["gate.name"] {
		// with a good name there may be one
	} else if g.Origin == "" {
		l.fault("gate.origin", "is required here, because gate.name %q has no Latin letters or digits to make it from: "+
			"write one such as south-gate", g.Name)
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
	l.oneOf("gate.pins", g.PINs, "off", "required")
	if g.InsideFor != 0 {
		l.duration("gate.inside_for", g.InsideFor, time.Hour, 8760*time.Hour)
	}
	if n := g.CallBacks; n < 0 || n > 50 {
		l.fault("gate.call_backs", "%d is out of range: write 0 to 50", n)
	}
	for i, at := range g.Shifts {
		key := fmt.Sprintf("gate.shifts[%d]", i)
		switch {
		case !timeForm.MatchString(at):
			l.fault(key, "%q is no time of a day: write it with four digits and in quotes, such as \"07:00\"", at)
		case i > 0 && at <= g.Shifts[i-1]:
			l.fault(key, "%q is not after %q: write them in the order of the day, each once", at, g.Shifts[i-1])
		case i == mostShifts:
			l.fault(key, "a day has at most %d changes of shift: remove the others", mostShifts)
		}
	}
}

// mostShifts is how many changes of shift a day has at most.
const mostShifts = 8

func (l *loader) lanes(lanes []Lane, keyboard string) {
	if len(lanes) == 0 {
		l.fault("lanes", "at least one lane is required: write `lanes:` and below it `- id: in`, its direction and scanner.device")
	}
	ids := map[string]int{}
	for i, lane := range lanes {
		at := func(key string) string { return fmt.Sprintf("lanes[%d].%s", i, key) }
		if !IsLane(lane.ID) {
			l.fault(at("id"), "%q: write lower-case letters, digits and hyphens, at most 32, such as in", lane.ID)
		} else if j, taken := ids[lane.ID]; taken {
			l.fault(at("id"), "%q is already the id of lanes[%d]: give each lane its own", lane.ID, j)
		} else {
			ids[lane.ID] = i
		}
		l.oneOf(at("direction"), lane.Direction, "in", "out")
		if lane.ID != keyboard || lane.Scanner.Device != "" { // else its codes are typed into the page
			l.ask(at("scanner"), lane.Scanner.Validate())
		}
		l.ask(at("barrier"), lane.Barrier.Validate())
		if key := at("card_reader"); lane.CardReader.Device != "" {
			l.ask(key, lane.CardReader.Validate())
		} else if l.lines[key+".device"] == 0 && l.lines[key+".baud"] != 0 {
			l.fault(key+".device", "is required by a card reader: write the full path of its port, such as /dev/gated-card-in, "+
				"or remove card_reader")
		}
	}
	l.ports(lanes)
}

// ports sees to it that each port is for one device: two readers of one port get half a code each.
func (l *loader) ports(lanes []Lane) {
	taken := map[string]string{}
	for _, kind := range []struct {
		name, key string
		device    func(Lane) string
	}{
		{"scanner", "scanner.device", func(l Lane) string { return l.Scanner.Device }},
		{"relay", "barrier.device", func(l Lane) string { return l.Barrier.Device }},
		{"card reader", "card_reader.device", func(l Lane) string { return l.CardReader.Device }},
	} {
		for i, lane := range lanes {
			device := kind.device(lane)
			if device == "" {
				continue
			}
			if other, is := taken[filepath.Clean(device)]; is {
				l.fault(fmt.Sprintf("lanes[%d].%s", i, kind.key), "%q is already the %s: each has a port of its own", device, other)
				continue
			}
			taken[filepath.Clean(device)] = fmt.Sprintf("%s of lanes[%d]", kind.name, i)
		}
	}
}

func (l *loader) console(c Console) {
	l.listen(c.Listen)
	for i, host := range c.Hosts {
		key := fmt.Sprintf("console.hosts[%d]", i)
		if name, port, err := net.SplitHostPort(host); err == nil && validPort(port) && port != "0" {
			host = name
		}
		if len(host) > 253 || net.ParseIP(host) == nil && !hostForm.MatchString(host) {
			l.fault(key, "%q is not a host name: write it in lower case without http:// and path, such as gate.example.org", host)
		} else if slices.Index(c.Hosts, c.Hosts[i]) < i {
			l.fault(key, "%q is written twice: keep one", host)
		}
	}
	for i, user := range c.Users {
		key := fmt.Sprintf("console.users[%d]", i)
		if !userForm.MatchString(user) {
			l.fault(key, "%q is not a user: write a name of this box, such as gated-kiosk, or a number", user)
		} else if slices.Index(c.Users, user) < i {
			l.fault(key, "%q is written twice: keep one", user)
		}
	}
	l.oneOf("console.language", c.Language, "zh", "en")
	l.text("console.call", c.Call, 100)
}

func (l *loader) ledger(s *Settings) {
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
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" ||
			u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			l.fault(at("url"), "%q is not the address of a witness: write it as https://witness.example.org/path, "+
				"without password, ? and #", shown)
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
	l.kept("ledger.retention", s.Ledger.Retention)
	l.kept("ledger.keep_at_least", s.Ledger.KeepAtLeast)
	short := retention.Conflicts(s.Ledger.Retention, s.Ledger.KeepAtLeast, policy.Classes())
	for _, rule := range slices.Sorted(maps.Keys(short)) {
		kept := short[rule]
		keep := s.Ledger.KeepAtLeast[kept]
		l.fault(fmt.Sprintf("ledger.retention[%d].days", rule), "%d is less than ledger.keep_at_least[%d].days, %d, of %q: write "+
			"that or more", s.Ledger.Retention[rule].Days, kept, keep.Days, keep.Class)
	}
}

// kept checks a list of how long what is kept.
func (l *loader) kept(list string, rules []retention.Rule) {
	classes := map[string]int{}
	for i, r := range rules {
		key := fmt.Sprintf("%s[%d]", list, i)
		l.oneOf(key+".class", r.Class, append(policy.Classes(), retention.Words...)...)
		if j, taken := classes[r.Class]; taken {
			l.fault(key+".class", "%q is the class of %s[%d] already: write each class once", r.Class, list, j)
		}
		classes[r.Class] = i
		if r.Days < 1 || r.Days > 36500 { // trips are counted by the day, and no hold waits longer than an hour
			l.fault(key+".days", "%d is out of range: write 1 to 36500: what is younger still counts, as trips and open holds do", r.Days)
		}
	}
}

// ask takes over what a section says of itself: its Validate joins faults of the form "key: what is wrong".
func (l *loader) ask(section string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			l.ask(section, err)
		}
	} else if err != nil {
		key, text, _ := strings.Cut(err.Error(), ": ")
		l.fault(section+"."+key, "%s", text)
	}
}

// listen allows loopback only: there is no sign-on yet that could guard more.
func (l *loader) listen(address string) {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil || !validPort(port):
		l.fault("console.listen", "%q: write address and port (0 to 65535), such as 127.0.0.1:8480", address)
	case host != "localhost" && !net.ParseIP(host).IsLoopback():
		l.fault("console.listen", "%q can be reached from outside the box: only loopback is allowed for now, such as 127.0.0.1:%s",
			address, port)
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
		l.fault(key, "%q is not known%s: write %s", word, policy.Nearest(word, words), strings.Join(words, " or "))
	}
}
