package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"gated/barrier"
	"gated/register/retention"
	"gated/scanner"
)

// small is the least that loads.
const small = `gate:
  name: South Gate
lanes:
  - id: in
    direction: in
    scanner:
      device: /dev/scanner
`

func write(t *testing.T, source string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gated.yaml")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, source string, environ ...string) *Settings {
	t.Helper()
	s, err := Load(write(t, source), environ)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const witnessKey = "witness.example/w1+ffcf80a8+BNanzSpzcbGhXVQxlpef90/bAnAj6/GH1dMpvhEFXHf9"

var equal = cmp.Options{cmpopts.IgnoreUnexported(Settings{}), cmpopts.EquateEmpty()}

func TestLoadFillsInDefaults(t *testing.T) {
	want := Default()
	want.Gate.Name, want.Gate.Origin = "South Gate", "south-gate"
	lane := DefaultLane()
	lane.ID, lane.Direction, lane.Scanner.Device = "in", "in", "/dev/scanner"
	want.Lanes = []Lane{lane}
	if diff := cmp.Diff(want, load(t, small), equal); diff != "" {
		t.Error(diff)
	}
}

func TestLoadReadsEveryKey(t *testing.T) {
	path := write(t, `
state_dir: state
gate: {name: 南门, origin: compound.example/south, time_zone: UTC, level: sealed, hold_limit: 1m30s, repeat_window: 0s, inside_for: 24h, pins: required, shifts: ["06:30", 14:30, "22:30"], call_backs: 7}
lanes:
  - id: in-1
    direction: in
    scanner: {device: /dev/a, baud: 115200, data_bits: 7, parity: even, stop_bits: 2, end_bytes: "\t\r", start_bytes: "\x02", end_gap: 150ms, min: 8, max: 9000, gap: 1s, codes_apart: 50ms, aim: true, code_id: 2, encoding: gb18030, profile: gm65, silent_after: 4h}
    barrier: {driver: exec, command: [/bin/relay, --on, "0123"], pulse: 1s, spacing: 0s, timeout: 4s}
  - id: out
    direction: out
    scanner: {device: /dev/b}
    barrier: {driver: lcus, device: /dev/c, channel: 8, answers: true, sensor: {device: /dev/d, line: dcd, means: open, inverted: true, debounce: 1s, within: 1m}}
    card_reader: {device: /dev/e, baud: 57600}
scanner: {keyboard: out}
policy: {file: rules/policy.yaml}
trust: {dir: /srv/trust}
console: {listen: "[::1]:0", hosts: [gate.example.org, 192.0.2.7, "gate:8480"], users: [prometheus, "1000"], language: en, call: 物业 8210}
log: {level: debug, format: json}
ledger: {min_free: 2GiB, tlog_listen: ":8481", witnesses: [{url: "https://witness.example/gate", key: `+witnessKey+`}], witness_every: 60, retention: [{class: resident, days: 30}, {class: "*", days: 90}]}
hosts: [{body: office, people: [{name: 前台, telephone: "0755-8210000"}]}, {body: shop, consent: open}]
privacy: {who: 春江物业, contact: "0755-1", purpose: 用途, purpose_en: purpose}
`)
	got, err := Load(path, []string{"PATH=/bin", "GATED_CONFIG=x", "GATED_STATE="})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	out := DefaultLane()
	out.ID, out.Direction, out.Scanner.Device, out.CardReader = "out", "out", "/dev/b", scanner.CardConfig{Device: "/dev/e", Baud: 57600}
	out.Barrier.Driver, out.Barrier.Device, out.Barrier.Channel, out.Barrier.Answers = "lcus", "/dev/c", 8, true
	out.Barrier.Sensor = barrier.SensorConfig{Device: "/dev/d", Line: "dcd", Means: "open", Inverted: true, Debounce: time.Second, Within: time.Minute}
	want := &Settings{
		StateDir: filepath.Join(dir, "state"),
		Gate:     Gate{"南门", "compound.example/south", "UTC", "sealed", 90 * time.Second, 0, 24 * time.Hour, "required", []string{"06:30", "14:30", "22:30"}, 7},
		Lanes: []Lane{{
			"in-1", "in",
			scanner.Config{Device: "/dev/a", Baud: 115200, DataBits: 7, Parity: "even", StopBits: 2, EndBytes: "\t\r", StartBytes: "\x02",
				EndGap: 150 * time.Millisecond, Min: 8, Max: 9000, Gap: time.Second, CodesApart: 50 * time.Millisecond, AIM: true, CodeID: 2, Encoding: "gb18030", Profile: "gm65",
				SilentAfter: 4 * time.Hour},
			barrier.Config{Driver: "exec", Channel: 1, Command: []string{"/bin/relay", "--on", "0123"}, Pulse: time.Second, Timeout: 4 * time.Second,
				Sensor: DefaultLane().Barrier.Sensor},
			DefaultLane().CardReader,
		}, out},
		Scanner: Scanner{"out"},
		Policy:  Policy{filepath.Join(dir, "rules/policy.yaml")},
		Trust:   Trust{"/srv/trust"},
		Console: Console{"[::1]:0", []string{"gate.example.org", "192.0.2.7", "gate:8480"}, []string{"prometheus", "1000"}, "en", "物业 8210"},
		Log:     Log{"debug", "json"},
		Ledger:  Ledger{MinFree: 2 << 30, TlogListen: ":8481", Witnesses: []Witness{{"https://witness.example/gate", witnessKey}}, WitnessEvery: 60, Retention: []retention.Rule{{Class: "resident", Days: 30}, {Class: "*", Days: 90}}},
		Hosts:   []Host{{"office", "", []Called{{"前台", "0755-8210000"}}}, {"shop", "open", nil}},
		Privacy: Privacy{"春江物业", "0755-1", "用途", "purpose"},
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Error(diff)
	}
}

// Each of these viper takes without a word, see also the environment below.
func TestLaxnessOfTheReaderIsClosed(t *testing.T) {
	with := func(section, line string) string {
		return strings.Replace(small, section+":\n", section+":\n"+line+"\n", 1)
	}
	for _, tt := range []struct{ name, source, want string }{
		{"typo key", with("gate", "  hold_limt: 3m"), "line 2: gate.hold_limt: unknown key (did you mean hold_limit?); the keys here are name, origin"},
		{"privacy with a line break", small + "privacy: {who: \"a\\nb\", contact: c}\n", "privacy.who: \"a\\nb\" has control characters"},
		{"typo section", small + "consol: {language: zh}\n", "line 8: consol: unknown key (did you mean console?)"},
		{"typo in a list", with("    scanner", "      buad: 9600"), "line 7: lanes[0].scanner.buad: unknown key (did you mean baud?)"},
		{"upper-case key", with("gate", "  Hold_Limit: 3m"), "gate.Hold_Limit: unknown key (did you mean hold_limit?)"},
		{"dotted key", small + "console.language: en\n", "line 8: console.language: unknown key"},
		{"dotted key in a section", with("gate", "  hold.limit: 3m"), "gate.hold.limit: unknown key"},
		{"key twice", with("gate", "  name: North Gate"), "line 3: gate.name: written twice, first in line 2"},
		{"section twice", small + "gate: {name: b}\n", "line 8: gate: written twice, first in line 1"},
		{"duration without unit", with("gate", "  hold_limit: 3"), `line 2: gate.hold_limit: "3" has no unit: write 3ms, 3s or 3m`},
		{"quoted duration without unit", with("gate", `  hold_limit: "3"`), `gate.hold_limit: "3" has no unit`},
		{"fraction without unit", with("gate", `  hold_limit: 1.5`), `gate.hold_limit: "1.5" has no unit`},
		{"zero without unit", with("gate", "  repeat_window: 0"), `gate.repeat_window: "0" has no unit: write 0s`},
		{"unknown unit", with("gate", "  hold_limit: 1 day"), `gate.hold_limit: "1 day" is not a duration`},
		{"bool for a number", with("    scanner", "      baud: true"), `line 7: lanes[0].scanner.baud: "true" is not a whole number`},
		{"fraction for a number", with("    scanner", "      min: 3.9"), `lanes[0].scanner.min: "3.9" is not a whole number`},
		{"exponent", with("    scanner", "      baud: 9.6e3"), `"9.6e3" is not a whole number`},
		{"octal number", with("    scanner", "      min: 010"), `"010" is not a whole number`},
		{"hexadecimal", with("    scanner", "      min: 0x10"), `"0x10" is not a whole number`},
		{"text for a number", with("    scanner", `      baud: "9600"`), `"9600" is text: write 9600 without quotes`},
		{"number for a bool", small + "    barrier: {answers: 1}\n", `lanes[0].barrier.answers: "1" is neither true nor false`},
		{"word for a bool", small + "    barrier: {answers: yes}\n", `lanes[0].barrier.answers: "yes" is neither true nor false`},
		{"too large for a number", with("    scanner", `      max: 99999999999999999999`), `is not a whole number`},
		{"number for text", strings.Replace(small, "South Gate", "0123", 1), `line 2: gate.name: 0123 is read as a number: put it in quotes`},
		{"bool for text", strings.Replace(small, "South Gate", "true", 1), `gate.name: true is read as true or false: put it in quotes`},
		{"date for text", strings.Replace(small, "South Gate", "2026-11-23", 1), `is read as a date: put it in quotes`},
		{"section for text", strings.Replace(small, "South Gate", "{a: b}", 1), "gate.name: takes one value"},
		{"text for a section", small + "console: zh\n", "console: is a section"},
		{"list for a section", small + "console: [zh]\n", "console: is a section"},
		{"text for a list", small + "console: {hosts: a}\n", "console.hosts: is a list"},
		{"section for a list", "gate: {name: a}\nlanes: {in: {}}\n", "lanes: is a list"},
		{"text for a lane", "gate: {name: a}\nlanes: [in]\n", "lanes[0]: is a section"},
		{"number in a list of texts", small + "console: {hosts: [1]}\n", "console.hosts[0]: 1 is read as a number"},
		{"no value", with("gate", "  origin:"), "line 2: gate.origin: has no value: give one or remove the line"},
		{"size without unit", small + "ledger: {min_free: 64}\n", `ledger.min_free: "64" has no unit: write 64MiB or 64GiB`},
		{"size with another unit", small + "ledger: {min_free: 64MB}\n", `"64MB" has the unit "MB": write KiB, MiB`},
		{"size overflows", small + "ledger: {min_free: 9999999999TiB}\n", `ledger.min_free: "9999999999TiB"`},
		{"size of nothing", small + "ledger: {min_free: MiB}\n", `"MiB" is not a size`},
		{"alias", small + "policy: &p {file: a}\ntrust: *p\n", "trust: & and * are not used"},
		{"merge key", small + "policy: {<<: {file: a}}\n", "policy.<<: unknown key"},
		{"empty file", "", "the file is empty"},
		{"only comments", "# gate:\n", "the file is empty"},
		{"only null", "~\n", "want lines of the form"},
		{"two documents", small + "---\n" + small, "more than one document"},
		{"not YAML", "gate:\n\tname: a\n", "check indentation"},
		{"not UTF-8", "gate: {name: \xc4\xcf\xc3\xc5}\n", "save the file with the encoding UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(write(t, tt.source), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestImpossibleValues(t *testing.T) {
	long := strings.Repeat("a", 101)
	for _, tt := range []struct{ old, new, want string }{
		{"name: South Gate", `name: ""`, `gate.name: is required`},
		{"name: South Gate", `level: sealed`, `line 1: gate.name: is required`},
		{"name: South Gate", `name: " "`, `gate.name: is required`},
		{"name: South Gate", `name: "a\x07"`, `gate.name: "a\a" has control characters`},
		{"name: South Gate", `name: ` + long, `gate.name: has 101 characters: want at most 64`},
		{"name: South Gate", `name: 南门`, `gate.origin: is required here, because gate.name "南门" has no Latin letters`},
		{"name: South Gate", "name: a\n  origin: a b", `gate.origin: "a b" has a space or a plus`},
		{"name: South Gate", "name: a\n  origin: a+b", `gate.origin: "a+b" has a space or a plus`},
		{"name: South Gate", "name: a\n  time_zone: Asia/Beijing", `gate.time_zone: "Asia/Beijing" is not a time zone`},
		{"name: South Gate", "name: a\n  time_zone: Local", `gate.time_zone: "Local"`},
		{"name: South Gate", "name: a\n  time_zone: ''", `gate.time_zone: ""`},
		{"name: South Gate", "name: a\n  level: Very High", `gate.level: "Very High" is not a level`},
		{"name: South Gate", "name: a\n  hold_limit: 9s", `line 3: gate.hold_limit: 9s is out of range: write 10s to 1h`},
		{"name: South Gate", "name: a\n  hold_limit: 61m", `gate.hold_limit: 1h1m is out of range`},
		{"name: South Gate", "name: a\n  pins: always", `gate.pins: "always" is not known: write off or required`},
		{"name: South Gate", "name: a\n  call_backs: 51", "gate.call_backs: 51 is out of range: write 0 to 50"},
		{"name: South Gate", "name: a\n  inside_for: 30m", `gate.inside_for: 30m is out of range: write 1h to 8760h`},
		{"name: South Gate", "name: a\n  shifts: ['07:00', '7pm']", `gate.shifts[1]: "7pm" is no time of a day: write it with four digits and in quotes`},
		{"name: South Gate", "name: a\n  shifts: ['24:00']", `gate.shifts[0]: "24:00" is no time of a day`},
		{"name: South Gate", "name: a\n  shifts: ['19:00', '07:00']", `gate.shifts[1]: "07:00" is not after "19:00": write them in the order of the day`},
		{"name: South Gate", "name: a\n  shifts: ['07:00', '07:00']", `gate.shifts[1]: "07:00" is not after "07:00"`},
		{"name: South Gate", "name: a\n  shifts: ['01:00', '02:00', '03:00', '04:00', '05:00', '06:00', '07:00', '08:00', '09:00']", `gate.shifts[8]: a day has at most 8 changes`},
		{"name: South Gate", "name: a\n  repeat_window: -1s", `gate.repeat_window: -1s is out of range: write 0s to 30s`},
		{"id: in", "id: In", `lanes[0].id: "In": write lower-case letters`},
		{"- id: in", "- # no id", `line 5: lanes[0].id: "": write lower-case`},
		{"direction: in", "direction: inn", `lanes[0].direction: "inn" is not known (did you mean in?): write in or out`},
		{"    direction: in\n", "", `lanes[0].direction: is required: write in or out`},
		{"device: /dev/scanner", "device: ttyUSB0", `line 7: lanes[0].scanner.device: "ttyUSB0" is not a full path: write it from the root, such as /dev/ttyUSB0`},
		{"device: /dev/scanner", "baud: 9600", `line 6: lanes[0].scanner.device: is required`},
		{"/dev/scanner", "/dev/scanner\n      baud: 14400", `lanes[0].scanner.baud: 14400 is not known`},
		{"/dev/scanner", "/dev/scanner\n      data_bits: 6", `lanes[0].scanner.data_bits: 6 is not known: write 7 or 8`},
		{"/dev/scanner", "/dev/scanner\n      parity: mark", `lanes[0].scanner.parity: "mark" is not known`},
		{"/dev/scanner", "/dev/scanner\n      stop_bits: 3", `lanes[0].scanner.stop_bits: 3 is not known`},
		{"/dev/scanner", "/dev/scanner\n      end_bytes: '\\r\\n'", `lanes[0].scanner.end_bytes: "\\r\\n": want 1 to 8 control characters in double quotes`},
		{"/dev/scanner", "/dev/scanner\n      end_bytes: ''", `lanes[0].scanner.end_bytes: ""`},
		{"/dev/scanner", "/dev/scanner\n      min: 0", `lanes[0].scanner.min: 0: want at least 1`},
		{"/dev/scanner", "/dev/scanner\n      max: 3", `lanes[0].scanner.max: 3 is less than min, which is 4`},
		{"/dev/scanner", "/dev/scanner\n      max: 65537", `lanes[0].scanner.max: 65537: want at most 65536`},
		{"/dev/scanner", "/dev/scanner\n      start_bytes: STX", `lanes[0].scanner.start_bytes: "STX": want at most 8 control characters`},
		{"/dev/scanner", "/dev/scanner\n      start_bytes: \"\\r\"", `lanes[0].scanner.start_bytes: "\r" has a character of end_bytes`},
		{"/dev/scanner", "/dev/scanner\n      end_gap: 50ms", `lanes[0].scanner.end_gap: 50ms is out of range: write 100ms to 1s`},
		{"/dev/scanner", "/dev/scanner\n      aim: yes", `lanes[0].scanner.aim: "yes" is neither true nor false`},
		{"/dev/scanner", "/dev/scanner\n      aim: 1", `lanes[0].scanner.aim: "1" is neither true nor false`},
		{"/dev/scanner", "/dev/scanner\n      aim: \"true\"", `lanes[0].scanner.aim: "true" is text: write true without quotes`},
		{"/dev/scanner", "/dev/scanner\n      code_id: 9", `lanes[0].scanner.code_id: 9 is out of range`},
		{"/dev/scanner", "/dev/scanner\n      encoding: gbk", `lanes[0].scanner.encoding: "gbk" is not known`},
		{"/dev/scanner", "/dev/scanner\n      profile: gm66", `lanes[0].scanner.profile: "gm66" is not known`},
		{"/dev/scanner", "/dev/scanner\n      silent_after: 1m", `lanes[0].scanner.silent_after: 1m0s is out of range`},
		{"/dev/scanner", "/dev/scanner\n      baud: 1200\n      end_gap: 100ms", `lanes[0].scanner.end_gap: 100ms is too short for 1200 baud`},
		{"/dev/scanner", "/dev/scanner\n      baud: 1200\n      gap: 60ms", `lanes[0].scanner.gap: 60ms is too short for 1200 baud`},
		{"/dev/scanner", "/dev/scanner\n      gap: 49ms", `lanes[0].scanner.gap: 49ms is out of range: write 50ms to 5s`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: relay}", `lanes[0].barrier.driver: "relay" is not known: write none or lcus or exec`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {command: [/bin/true]}", `lanes[0].barrier.command: is not used by driver none`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: exec}", `lanes[0].barrier.command: is required by driver exec`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: exec, command: [relay]}", `lanes[0].barrier.command[0]: "relay" is not a full path`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: exec, command: [/bin/a, \"\\0\"]}", `lanes[0].barrier.command[1]: "\x00" has control`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: lcus}", `lanes[0].barrier.device: is required by driver lcus`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: lcus, device: ttyUSB1}", `lanes[0].barrier.device: "ttyUSB1" is not a full path`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: exec, command: [/bin/a], device: /dev/r}", `lanes[0].barrier.device: is not used by driver exec`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: lcus, device: /dev/r, command: [/bin/a]}", `lanes[0].barrier.command: is not used by driver lcus`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: lcus, device: /dev/r, channel: 9}", `lanes[0].barrier.channel: 9 is out of range: write 1 to 8`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: lcus, device: /dev/../dev/scanner}", `lanes[0].barrier.device: "/dev/../dev/scanner" is already the scanner of lanes[0]`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {driver: lcus, device: /dev/r}\n  - {id: b, direction: out, scanner: {device: /dev/b}, barrier: {driver: lcus, device: /dev/r, channel: 2}}", `lanes[1].barrier.device: "/dev/r" is already the relay of lanes[0]`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {spacing: 6s}", `lanes[0].barrier.spacing: 6s is out of range`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {sensor: {device: /dev/s}}", `lanes[0].barrier.sensor.line: is required by a sensor`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {sensor: {line: dsr}}", `lanes[0].barrier.sensor.device: is required without a relay`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {sensor: {device: s, line: dsr}}", `lanes[0].barrier.sensor.device: "s" is not a full path`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {sensor: {device: /dev/s, line: rts}}", `lanes[0].barrier.sensor.line: "rts" is not known`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {sensor: {device: /dev/s, line: dsr, means: closed}}", `lanes[0].barrier.sensor.means: "closed" is not known`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {sensor: {device: /dev/s, line: dsr, debounce: 5ms}}", `lanes[0].barrier.sensor.debounce: 5ms is out of range`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {sensor: {device: /dev/s, line: dsr, within: 1s}}", `lanes[0].barrier.sensor.within: 1s is out of range`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {pulse: 6s}", `lanes[0].barrier.pulse: 6s is out of range`},
		{"/dev/scanner", "/dev/scanner\n    barrier: {timeout: 1ms}", `lanes[0].barrier.timeout: 1ms is out of range`},
		{"/dev/scanner", "/dev/scanner\n  - {id: in, direction: out, scanner: {device: /dev/b}}", `line 8: lanes[1].id: "in" is already the id of lanes[0]`},
		{"/dev/scanner", "/dev/scanner\n  - {id: out, direction: out, scanner: {device: /dev/./scanner}}", `lanes[1].scanner.device: "/dev/./scanner" is already the scanner of lanes[0]`},
		{"/dev/scanner", "/dev/scanner\n    card_reader: {device: ttyUSB2}", `line 8: lanes[0].card_reader.device: "ttyUSB2" is not a full path: write it from the root, such as /dev/ttyUSB2`},
		{"/dev/scanner", "/dev/scanner\n    card_reader: {baud: 9600}", `lanes[0].card_reader.device: is required by a card reader`},
		{"/dev/scanner", "/dev/scanner\n    card_reader: {device: /dev/c, baud: 1200}", `lanes[0].card_reader.baud: 1200 is not known: write 9600, 19200`},
		{"/dev/scanner", "/dev/scanner\n    card_reader: {device: /dev/c, bits: 8}", `lanes[0].card_reader.bits: unknown key`},
		{"/dev/scanner", "/dev/scanner\n    card_reader: {device: /dev/../dev/scanner}", `lanes[0].card_reader.device: "/dev/../dev/scanner" is already the scanner of lanes[0]: each has a port of its own`},
		{"/dev/scanner", "/dev/scanner\n    card_reader: {device: /dev/b}\n  - {id: b, direction: out, scanner: {device: /dev/b}}", `lanes[0].card_reader.device: "/dev/b" is already the scanner of lanes[1]`},
		{"/dev/scanner", "/dev/scanner\n    card_reader: {device: /dev/c}\n  - {id: b, direction: out, scanner: {device: /dev/b}, card_reader: {device: /dev/c}}", `lanes[1].card_reader.device: "/dev/c" is already the card reader of lanes[0]`},
		{small[strings.Index(small, "lanes"):], "", `lanes: at least one lane is required`},
		{small[strings.Index(small, "lanes"):], "lanes: []\n", `line 3: lanes: at least one lane is required`},
		{"lanes:", "console: {listen: ':8480'}\nlanes:", `console.listen: ":8480" can be reached from outside the box: only loopback is allowed for now, such as 127.0.0.1:8480`},
		{"lanes:", "console: {listen: '0.0.0.0:8480'}\nlanes:", `can be reached from outside`},
		{"lanes:", "console: {listen: 'gate.example.org:80'}\nlanes:", `can be reached from outside`},
		{"lanes:", "console: {listen: '8480'}\nlanes:", `console.listen: "8480": write address and port`},
		{"lanes:", "console: {listen: '127.0.0.1:65536'}\nlanes:", `console.listen: "127.0.0.1:65536": write address and port`},
		{"lanes:", "console: {listen: '127.0.0.1:-1'}\nlanes:", `console.listen: "127.0.0.1:-1": write address and port`},
		{"lanes:", "console: {listen: '127.0.0.1:http'}\nlanes:", `console.listen: "127.0.0.1:http": write address and port`},
		{"lanes:", "console: {language: fr}\nlanes:", `console.language: "fr" is not known: write zh or en`},
		{"lanes:", "console: {call: " + long + "}\nlanes:", `console.call: has 101 characters`},
		{"lanes:", "scanner: {keyboard: exit}\nlanes:", `scanner.keyboard: "exit" is no lane: write the id of the one`},
		{"    scanner:\n      device: /dev/scanner", "", `lanes[0].scanner.device: is required`},
		{"lanes:", "scanner: {device: /dev/a}\nlanes:", `scanner.device: unknown key`},
		{"lanes:", "console: {hosts: ['http://gate']}\nlanes:", `console.hosts[0]: "http://gate" is not a host name`},
		{"lanes:", "console: {hosts: [gate, gate]}\nlanes:", `console.hosts[1]: "gate" is written twice`},
		{"lanes:", "console: {users: ['the kiosk']}\nlanes:", `console.users[0]: "the kiosk" is not a user: write a name of this box`},
		{"lanes:", "console: {users: [a, a]}\nlanes:", `console.users[1]: "a" is written twice`},
		{"lanes:", "log: {level: warning}\nlanes:", `log.level: "warning" is not known: write debug or info or warn or error`},
		{"lanes:", "log: {format: logfmt}\nlanes:", `log.format: "logfmt" is not known`},
		{"lanes:", "ledger: {min_free: 1023KiB}\nlanes:", `ledger.min_free: 1023KiB is out of range: write 1MiB to 1TiB`},
		{"lanes:", "ledger: {min_free: 2TiB}\nlanes:", `ledger.min_free: 2TiB is out of range`},
		{"lanes:", "ledger: {tlog_listen: '8481'}\nlanes:", `ledger.tlog_listen: "8481": write address and port (0 to 65535), such as 192.0.2.7:8481 or :8481`},
		{"lanes:", "ledger: {tlog_listen: ':65536'}\nlanes:", `ledger.tlog_listen: ":65536": write address and port`},
		{"lanes:", "ledger: {tlog_listen: 'http://a:80'}\nlanes:", `ledger.tlog_listen: "http://a:80": write address and port`},
		{"lanes:", "ledger: {tlog_listen: '127.0.0.1:8480'}\nlanes:", `ledger.tlog_listen: "127.0.0.1:8480" is console.listen already: write another port`},
		{"lanes:", "hosts: [{body: bank}]\nlanes:", `hosts[0].body: "bank" is not known`},
		{"lanes:", "hosts: [{body: shop}, {body: shop}]\nlanes:", `hosts[1].body: "shop" is the body of hosts[0] already`},
		{"lanes:", "hosts: [{body: shop, consent: no-one}]\nlanes:", `hosts[0].consent: "no-one" is not known`},
		{"lanes:", "hosts: [{body: shop, people: [{telephone: '1'}]}]\nlanes:", `hosts[0].people[0].name: is required`},
		{"lanes:", "hosts: [{body: shop, people: [{name: a, telephone: 'call me'}]}]\nlanes:", `hosts[0].people[0].telephone: "call me": write digits`},
		{"lanes:", "ledger: {retention: [{class: residents, days: 30}]}\nlanes:", `ledger.retention[0].class: "residents"`},
		{"lanes:", "ledger: {retention: [{class: resident}]}\nlanes:", `ledger.retention[0].days: 0 is out of range: write 1 to 36500`},
		{"lanes:", "ledger: {retention: [{class: '*', days: 9}, {class: '*', days: 8}]}\nlanes:", `ledger.retention[1].class: "*" is the class of ledger.retention[0] already`},
		{"lanes:", "ledger: {witness_every: -1}\nlanes:", `ledger.witness_every: -1 is out of range: write 0 to 1000000`},
		{"lanes:", "ledger: {witnesses: [{url: 'ftp://w', key: '" + witnessKey + "'}]}\nlanes:", `ledger.witnesses[0].url: "ftp://w" is not the address of a witness: write it as https://witness.example.org/path`},
		{"lanes:", "ledger: {witnesses: [{url: 'https://a:b@w', key: '" + witnessKey + "'}]}\nlanes:", `ledger.witnesses[0].url: "https://a:xxxxx@w" is not`},
		{"lanes:", "ledger: {witnesses: [{key: '" + witnessKey + "'}]}\nlanes:", `ledger.witnesses[0].url: "" is not`},
		{"lanes:", "ledger: {witnesses: [{url: 'https://w'}]}\nlanes:", `ledger.witnesses[0].key: "" is not the key of a witness: it reads name+hash+base64, as its operator publishes it`},
		{"lanes:", "ledger: {witnesses: [{url: 'https://w', key: w}]}\nlanes:", `ledger.witnesses[0].key: "w" is not the key of a witness`},
		{"lanes:", "ledger: {witnesses: [{url: 'https://w', key: '" + witnessKey + "'}, {url: 'https://v', key: '" + witnessKey + "'}]}\nlanes:", `ledger.witnesses[1].key: "witness.example/w1" is the name of ledger.witnesses[0] already`},
		{"gate:", "ledger: {witnesses: [{url: 'https://w', key: 'gate.example+1c030c32+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'}]}\ngate:\n  origin: gate.example", `ledger.witnesses[0].key: "gate.example" is named as the gate's own key (gate.origin)`},
		{"lanes:", "ledger: {witnesses: [{uri: 'https://w'}]}\nlanes:", `ledger.witnesses[0].uri: unknown key (did you mean url?)`},
		{"lanes:", "ledger: {witnesses: https://w}\nlanes:", `ledger.witnesses: is a list`},
	} {
		source := strings.Replace(small, tt.old, tt.new, 1)
		if source == small {
			t.Fatalf("%q is not in the file", tt.old)
		}
		if _, err := Load(write(t, source), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\ngot  %v\nwant …%s…", tt.new, err, tt.want)
		}
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	path := write(t, `gate:
  name: South Gate
  hold_limit: "3"
  repeat_window: 3
  origin: south gate
lanes:
  - id: in
    direction: inn
    scanner:
      device: ttyUSB0
      baud: true
  - out
consle: {}
log:
`)
	_, err := Load(path, []string{"GATED_LOG_LEVEL=loud", "GATED_LOG=x", "GATED_GATE_REPEAT_WINDOW=1h"})
	want := "settings " + path + `:
line 3: gate.hold_limit: "3" has no unit: write 3ms, 3s or 3m
line 4: gate.repeat_window: "3" has no unit: write 3ms, 3s or 3m
line 11: lanes[0].scanner.baud: "true" is not a whole number: write digits only
line 12: lanes[1]: is a section: write its keys below it, indented
line 13: consle: unknown key (did you mean console?); the keys here are state_dir, gate, lanes, scanner, policy, trust, console, log, ledger, hosts, privacy
GATED_LOG: names a section: set one of its keys, such as GATED_LOG_LEVEL
line 5: gate.origin: "south gate" has a space or a plus: write it with hyphens, such as south-gate
GATED_GATE_REPEAT_WINDOW: gate.repeat_window: 1h is out of range: write 0s to 30s
line 8: lanes[0].direction: "inn" is not known (did you mean in?): write in or out
line 10: lanes[0].scanner.device: "ttyUSB0" is not a full path: write it from the root, such as /dev/ttyUSB0
GATED_LOG_LEVEL: log.level: "loud" is not known: write debug or info or warn or error`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironmentOverridesEveryScalar(t *testing.T) {
	values := map[string]string{
		"state_dir": "/srv/state", "gate.name": "0123", "gate.origin": "o", "gate.time_zone": "UTC", "gate.level": "sealed",
		"gate.hold_limit": "1h", "gate.repeat_window": "0s", "gate.inside_for": "24h", "gate.call_backs": "0", "gate.pins": "required", "scanner.keyboard": "in", "policy.file": "/p", "trust.dir": "/t",
		"console.listen": "localhost:0", "console.language": "en", "console.call": "a,b c=d", "log.level": "error", "log.format": "json",
		"privacy.who": "w", "privacy.contact": "c", "privacy.purpose": "p", "privacy.purpose_en": "e", "ledger.min_free": "1GiB", "ledger.tlog_listen": ":8481", "ledger.witness_every": "0",
	}
	leaves(reflect.TypeFor[Settings](), "", func(key string, f reflect.StructField) {
		value, ok := values[key]
		if f.Type.Kind() == reflect.Slice { // set in the file only
			return
		}
		if !ok {
			t.Fatalf("no value for %s: add one", key)
		}
		s := load(t, small, variable(key)+"="+value)
		var shown bytes.Buffer
		if err := s.Show(&shown); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(shown.String(), value) || !strings.Contains(shown.String(), "# "+variable(key)+"\n") {
			t.Errorf("%s=%s did not arrive:\n%s", variable(key), value, &shown)
		}
		delete(values, key)
	})
	if len(values) > 0 {
		t.Errorf("no such keys: %v", values)
	}
}

func TestEnvironmentWinsOverTheFile(t *testing.T) {
	s := load(t, strings.Replace(small, "lanes:", "console: {language: en}\nlanes:", 1), "GATED_CONSOLE_LANGUAGE=zh", "GATED_GATE_NAME=North")
	if s.Console.Language != "zh" || s.Gate.Name != "North" || s.Gate.Origin != "north" {
		t.Errorf("got %+v %+v", s.Console, s.Gate)
	}
}

func TestEnvironmentIsThatOfTheCaller(t *testing.T) {
	t.Setenv("GATED_GATE_NAME", "not asked for")
	if s := load(t, small); s.Gate.Name != "South Gate" {
		t.Errorf("got %s", s.Gate.Name)
	}
}

func TestEnvironmentFaults(t *testing.T) {
	for entry, want := range map[string]string{
		"GATED_GATE=x":                   "GATED_GATE: names a section: set one of its keys, such as GATED_GATE_NAME",
		"GATED_GATE_NAME=":               "GATED_GATE_NAME: is empty: unset it, or give a value for gate.name",
		"GATED_GATE_NAMES=x":             "GATED_GATE_NAMES: unknown variable (did you mean GATED_GATE_NAME?): unset it",
		"GATED_WHATEVER=x":               "GATED_WHATEVER: unknown variable: unset it",
		"GATED_=x":                       "GATED_: unknown variable",
		"GATED_gate_name=x":              "GATED_gate_name: unknown variable (did you mean GATED_GATE_NAME?)",
		"GATED_GATE_HOLD_LIMIT=3":        `GATED_GATE_HOLD_LIMIT: "3" has no unit`,
		"GATED_LEDGER_MIN_FREE=3":        `GATED_LEDGER_MIN_FREE: "3" has no unit`,
		"GATED_LANES=x":                  "GATED_LANES: lists are set in the file only",
		"GATED_LANES_0_SCANNER_DEVICE=x": "GATED_LANES_0_SCANNER_DEVICE: lists are set in the file only",
		"GATED_CONSOLE_HOSTS=x":          "GATED_CONSOLE_HOSTS: lists are set in the file only",
		"GATED_GATE_NAME=\xff":           "GATED_GATE_NAME: is not UTF-8",
		"GATED_CONSOLE_LISTEN=:80":       `GATED_CONSOLE_LISTEN: console.listen: ":80" can be reached from outside`,
	} {
		if _, err := Load(write(t, small), []string{entry}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant …%s…", entry, err, want)
		}
	}
}

func TestNoTwoKeysShareAVariable(t *testing.T) {
	seen := map[string]string{}
	leaves(reflect.TypeFor[Settings](), "", func(key string, f reflect.StructField) {
		if seen[variable(key)] != "" {
			t.Errorf("%s and %s are both %s", key, seen[variable(key)], variable(key))
		}
		seen[variable(key)] = key
		if f.Type.Kind() == reflect.Slice { // set in the file only
			return
		}
		if _, err := parseScalar("", f.Type); err != nil && strings.Contains(err.Error(), "not known to this program") {
			t.Errorf("%s: %v", key, err)
		}
	})
	for _, name := range commandLine {
		if seen[name] != "" {
			t.Errorf("%s is also the command line's %s", seen[name], name)
		}
	}
}

func TestOriginFromTheName(t *testing.T) {
	for name, want := range map[string]string{
		"South Gate": "south-gate", "南门 Gate 2": "gate-2", "A+B": "a-b", "  x  ": "x", "Gate (东)": "gate", "南门": "", "--": "", "É": "",
	} {
		if got := slug(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	fifo, big := filepath.Join(dir, "fifo"), filepath.Join(dir, "big")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big, bytes.Repeat([]byte("#"), maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"): "read settings: open " + dir,
		dir:                           "not a regular file",
		fifo:                          "not a regular file",
		big:                           "is larger than",
	} {
		if _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}

func TestShowSaysWhereEachValueCameFrom(t *testing.T) {
	s := load(t, small, "GATED_LOG_LEVEL=warn")
	var got bytes.Buffer
	if err := s.Show(&got); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/show.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s\n%s", diff, &got)
	}
}

func TestWhatShowWritesLoadsAgain(t *testing.T) {
	for _, source := range []string{small, string(Example()), strings.Replace(small, "South Gate", `"0123"`, 1),
		strings.Replace(small, "South Gate", `"true: # 南 'x' \"y\""`, 1), strings.Replace(small, "lanes:", "console: {hosts: [a, 192.0.2.1], call: '12'}\nlanes:", 1)} {
		if strings.Contains(source, "0123") || strings.Contains(source, "true:") {
			source = strings.Replace(source, "lanes:", "  origin: o\nlanes:", 1)
		}
		s := load(t, source)
		var shown bytes.Buffer
		if err := s.Show(&shown); err != nil {
			t.Fatal(err)
		}
		again := load(t, shown.String())
		if diff := cmp.Diff(s, again, equal); diff != "" {
			t.Errorf("%s\n%s", diff, &shown)
		}
	}
}

func TestShowHidesSecrets(t *testing.T) {
	v := struct {
		Token string   `mapstructure:"token" secret:"true"`
		Empty string   `mapstructure:"empty" secret:"true"`
		List  []string `mapstructure:"list" secret:"true"`
		Plain string   `mapstructure:"plain"`
	}{"s3cret", "", []string{"s3cret"}, "seen"}
	got, err := yaml.Marshal(tree(reflect.ValueOf(v), "", map[string]string{"token": "line 1"}))
	if err != nil {
		t.Fatal(err)
	}
	want := "token: (hidden) # line 1\nempty: \"\" # default\nlist: (hidden)\nplain: seen # default\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// No list, another one, an empty one: what the file says stands, and nothing of the default beside it.
func TestUsersOfThePage(t *testing.T) {
	for text, want := range map[string][]string{"": {"gated-kiosk"}, "console: {users: []}\n": {},
		"console: {users: [a]}\n": {"a"}, "console: {users: [a, b]}\n": {"a", "b"}} {
		if got := load(t, text+small).Console.Users; !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// What a file says of retention stands, and nothing of the default beside it.
func TestRetentionErasesUnlessTheFileSaysElse(t *testing.T) {
	for text, want := range map[string][]retention.Rule{
		"":                          {{Class: "visit", Days: 30}, {Class: "passage", Days: 90}},
		"ledger: {retention: []}\n": {},
		"ledger: {retention: [{class: visit, days: 7}]}\n":    {{Class: "visit", Days: 7}},
		"ledger: {keep_at_least: [{class: '*', days: 30}]}\n": {{Class: "visit", Days: 30}, {Class: "passage", Days: 90}},
	} {
		if got := load(t, text+small).Ledger.Retention; !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// A rule that erases what another key says to keep is an error that names both.
func TestRetentionThatContradictsWhatIsToBeKept(t *testing.T) {
	for text, want := range map[string]string{
		"keep_at_least: [{class: visit, days: 180}]":                                                                    "ledger.retention[0].days: 30 is less than ledger.keep_at_least[0].days, 180, of \"visit\"",
		"keep_at_least: [{class: visit, days: 30}, {class: passage, days: 91}]":                                         "ledger.retention[1].days: 90 is less than ledger.keep_at_least[1].days, 91, of \"passage\"",
		"retention: [{class: '*', days: 60}], keep_at_least: [{class: resident, days: 61}]":                             "line 1: ledger.retention[0].days: 60 is less than ledger.keep_at_least[0].days, 61, of \"resident\"",
		"retention: [{class: courier, days: 7}, {class: visit, days: 180}], keep_at_least: [{class: visit, days: 180}]": "ledger.retention[0].days: 7 is less than ledger.keep_at_least[0].days, 180, of \"visit\"",
		"retention: [], keep_at_least: [{class: visit, days: 180}]":                                                     "",
		"retention: [{class: visit, days: 180}], keep_at_least: [{class: visit, days: 180}]":                            "",
		"keep_at_least: [{class: nobody, days: 180}]":                                                                   "ledger.keep_at_least[0].class: \"nobody\"",
		"keep_at_least: [{class: visit, days: 0}]":                                                                      "ledger.keep_at_least[0].days: 0 is out of range",
		"keep_at_least: [{class: visit, days: 1}, {class: visit, days: 2}]":                                             "ledger.keep_at_least[1].class: \"visit\" is the class of ledger.keep_at_least[0] already",
	} {
		_, err := Load(write(t, "ledger: {"+text+"}\n"+small), nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// A lane whose codes are typed into the page has no port, and another one still needs its own.
func TestALaneWhoseScannerIsAKeyboardNeedsNoPort(t *testing.T) {
	typed := strings.Replace(small, "    scanner:\n      device: /dev/scanner\n", "", 1) + "scanner: {keyboard: in}\n"
	if s := load(t, typed); s.Lanes[0].Scanner.Device != "" || s.Scanner.Keyboard != "in" {
		t.Errorf("got %+v", s)
	}
	two := strings.Replace(typed, "scanner: {", "  - {id: out, direction: out}\nscanner: {", 1)
	if _, err := Load(write(t, two), nil); err == nil || !strings.Contains(err.Error(), "lanes[1].scanner.device: is required") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(write(t, strings.Replace(typed, "keyboard: in", "keyboard: \"\"", 1)), nil); err == nil {
		t.Error("a lane that no code can come to was accepted")
	}
}

func TestWhatTakesEffectAtTheNextStartOnly(t *testing.T) {
	old := load(t, small)
	if got := NextStart(old, load(t, small)); got != nil {
		t.Errorf("got %v, want none", got)
	}
	changedSource := strings.NewReplacer("name: South Gate", "name: South Gate\n  level: sealed", "/dev/scanner", "/dev/other").Replace(small) +
		"console: {hosts: [a], language: en}\nscanner: {keyboard: in}\nlog: {level: debug}\n"
	if diff := cmp.Diff([]string{"lanes[0].scanner.device", "console.hosts"}, NextStart(old, load(t, changedSource))); diff != "" {
		t.Error(diff)
	}
	more := load(t, small+"  - {id: out, direction: out, scanner: {device: /dev/b}}\n")
	if diff := cmp.Diff([]string{"lanes"}, NextStart(old, more)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatTakesEffectAtOnce(t *testing.T) {
	var got []string
	leaves(reflect.TypeFor[Settings](), "", func(key string, f reflect.StructField) {
		if f.Tag.Get("reload") == "true" {
			got = append(got, key)
		}
	})
	want := []string{"gate.level", "gate.hold_limit", "gate.repeat_window", "gate.inside_for", "gate.pins", "gate.shifts", "gate.call_backs", "scanner.keyboard", "policy.file", "trust.dir", "console.language", "console.call",
		"log.level", "ledger.min_free", "hosts", "privacy.who", "privacy.contact", "privacy.purpose", "privacy.purpose_en"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExampleLoads(t *testing.T) {
	s, err := Load(write(t, string(Example())), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Gate.Origin != "south-gate" || len(s.Lanes) != 2 || s.Lanes[0].Direction != "in" || s.Lanes[1].Direction != "out" {
		t.Errorf("got %+v", s)
	}
}

// The example is a manual: with every comment taken off it must still say what
// the program does by default, and name every key.
func TestExampleShowsEveryKeyWithItsDefault(t *testing.T) {
	var uncommented strings.Builder
	for line := range strings.Lines(string(Example())) {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if rest := strings.TrimLeft(line, " "); len(rest) > 1 && rest[0] == '#' && rest[1] != ' ' && rest[1] != '\n' {
			line = indent + rest[1:]
		}
		uncommented.WriteString(line)
	}
	s, err := Load(write(t, uncommented.String()), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, &uncommented)
	}
	want := load(t, string(Example()))
	// These have no default of their own to show.
	differ := map[string]bool{"state_dir": true, "gate.level": true, "policy.file": true, "trust.dir": true}
	for _, key := range changed(reflect.ValueOf(*want), reflect.ValueOf(*s), "", func(reflect.StructField) bool { return false }) {
		if !differ[key] {
			t.Errorf("%s is not shown with its default", key)
		}
	}
	var keys func(t reflect.Type, prefix string) []string
	keys = func(t reflect.Type, prefix string) (all []string) {
		for f := range t.Fields() {
			name := f.Tag.Get("mapstructure")
			switch {
			case name == "":
			case f.Type.Kind() == reflect.Struct:
				all = append(all, keys(f.Type, prefix+name+".")...)
			case f.Type == reflect.TypeFor[[]Lane]():
				all = append(all, keys(f.Type.Elem(), prefix+name+"[0].")...)
			default:
				all = append(all, prefix+name)
			}
		}
		return all
	}
	for _, key := range keys(reflect.TypeFor[Settings](), "") {
		if s.from[key] == "" || !strings.HasPrefix(s.from[key], "line") {
			t.Errorf("%s is not in the example", key)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"64MiB": 64 << 20, "1TiB": 1 << 40, "3KiB": 3 << 10, "0MiB": 0, "1024MiB": 1 << 30} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	for size, want := range map[Size]string{64 << 20: "64MiB", 1 << 30: "1GiB", 1500: "1500B", 0: "0B", 3 << 9: "1536B"} {
		if got := size.String(); got != want {
			t.Errorf("%d: got %s, want %s", size, got, want)
		}
	}
	for _, text := range []string{"", "64", "64 MiB", "64mib", "-1MiB", "1.5GiB", "64MiBB", "9223372036854775807TiB", "1e3MiB", "６４MiB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(small), "GATED_LOG_LEVEL=warn")
	f.Add(Example(), "GATED_GATE=x")
	f.Add([]byte("a: &a [*a]"), "")
	f.Add([]byte("gate: {name: [}\nlanes: [[[[{{{{"), "GATED_")
	f.Add([]byte("? {a: b}\n: c\n"), "=")
	f.Fuzz(func(t *testing.T, source []byte, entry string) {
		l := &loader{from: map[string]string{}, lines: map[string]int{}, faulty: map[string]bool{}}
		s, err := l.load(source, []string{entry})
		if err != nil {
			if strings.Contains(err.Error(), "decod") {
				t.Errorf("got to the reader unchecked: %v", err)
			}
			return
		}
		s.from = l.from
		s.complete()
		l.check(s)
		if len(l.faults) > 0 {
			return
		}
		if len(s.Lanes) == 0 || s.Gate.Name == "" || s.Gate.Origin == "" {
			t.Errorf("loaded %+v", s)
		}
		var shown bytes.Buffer
		if err := s.Show(&shown); err != nil {
			t.Fatal(err)
		}
		l2 := &loader{from: map[string]string{}, lines: map[string]int{}, faulty: map[string]bool{}}
		again, err := l2.load(shown.Bytes(), nil)
		if err != nil || len(l2.faults) > 0 {
			t.Fatalf("%v %v\n%s", err, l2.faults, &shown)
		}
		if diff := cmp.Diff(s, again, equal); diff != "" {
			t.Errorf("%s", diff)
		}
	})
}

func ExampleSize() { fmt.Println(Size(64 << 20)) } // Output: 64MiB

// A barrier that was left open is closed although the settings are wrong, where they leave no doubt about how.
func TestBarriersOfFaultySettings(t *testing.T) {
	const two = `gate: {name: South Gate}
lanes:
  - id: in
    direction: in
    scanner: {device: /dev/scanner}
    barrier: {driver: lcus, device: /dev/relay, channel: 2}
  - id: out
    direction: out
    scanner: {device: /dev/other}
    barrier: {driver: exec, command: [/bin/relay, x]}
`
	for _, tt := range []struct{ name, old, new, want string }{
		{"elsewhere", "gate:", "gatte:", "in out"},
		{"no name", "South Gate", "''", "in out"},
		{"another port", "/dev/scanner", "scanner", "in out"},
		{"length of a pulse", "channel: 2", "channel: 2, pulse: 10s", "in out"},
		{"no length", "channel: 2", "channel: 2, timeout: 3", "in out"},
		{"sensor", "channel: 2", "channel: 2, sensor: {line: ctx}", "in out"},
		{"direction", "direction: in", "direction: up", "in out"},
		{"state directory", "gate:", "state_dir: [x]\ngate:", ""},
		{"perhaps the state directory", "gate:", "statedir: /srv\ngate:", ""},
		{"lane's name", "id: in", "id: IN", "out"},
		{"channel", "channel: 2", "channel: 9", "out"},
		{"perhaps the channel", "channel: 2", "chanel: 2", "out"},
		{"channel twice", "channel: 2", "channel: 2, channel: 1", "out"},
		{"barrier twice", "    barrier: {driver: lcus", "    barrier: {driver: none}\n    barrier: {driver: lcus", "out"},
		{"the scanner's port", "/dev/relay", "/dev/other", "out"},
		{"two lanes' port", "exec, command: [/bin/relay, x]", "lcus, device: /dev/relay", "in"},
		{"relative program", "/bin/relay", "relay", "in"},
		{"no lane", "  - id: in", "  - in\n  - id: in", "in out"},
		{"lanes twice", "lanes:", "lanes: []\nlanes:", ""},
		{"no settings", "gate:", "- gate:", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, strings.Replace(two, tt.old, tt.new, 1))
			if _, err := Load(path, nil); err == nil {
				t.Fatal("it loads")
			}
			var got []string
			if s := Barriers(path, nil); s != nil {
				for _, l := range s.Lanes {
					got = append(got, l.ID)
					if in := l.ID == "in"; in && (l.Barrier.Device != "/dev/relay" || l.Barrier.Channel != 2) || !in && len(l.Barrier.Command) != 2 && l.Barrier.Device == "" || l.Barrier.Timeout != 3*time.Second {
						t.Errorf("%+v", l)
					}
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if s := Barriers(write(t, two), []string{"GATED_STATE_DIR=/srv", "GATED_GATE_LEVEL=-"}); s == nil || s.StateDir != "/srv" {
		t.Errorf("got %+v, want the state directory of the environment", s)
	}
	for _, env := range []string{"GATED_STATE_DIR=", "GATED_STATEDIR=/srv", "GATED_STATE_DIRR=/srv"} {
		if s := Barriers(write(t, two), []string{env}); s != nil {
			t.Errorf("%s: got %+v, want nothing", env, s)
		}
	}
}
