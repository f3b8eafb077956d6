// Package config reads and checks the settings file of the gate.
//
// Settings is the operator's manual: every key, its unit and its default. What belongs to a scanner or a barrier is
// described where it is used: scanner.Config, scanner.CardConfig, barrier.Config.
package config

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gated/barrier"
	"gated/register/retention"
	"gated/scanner"
)

// Settings is the whole settings file. Lists cannot be overridden from the
// environment; every other key can: gate.hold_limit by GATED_GATE_HOLD_LIMIT.
// Relative paths count from the settings file's directory. Durations are written
// with their unit: 500ms, 3s, 3m, 1h. Keys tagged reload take effect on SIGHUP,
// the others at the next start.
type Settings struct {
	// StateDir is where ledger, roster, keys and trust lie. Empty: the command
	// line decides (--state, $STATE_DIRECTORY, ./gated-data).
	StateDir string `mapstructure:"state_dir"`

	Gate    Gate    `mapstructure:"gate"`
	Lanes   []Lane  `mapstructure:"lanes"` // at least one
	Scanner Scanner `mapstructure:"scanner"`
	Policy  Policy  `mapstructure:"policy"`
	Trust   Trust   `mapstructure:"trust"`
	Console Console `mapstructure:"console"`
	Log     Log     `mapstructure:"log"`
	Ledger  Ledger  `mapstructure:"ledger"`
	Hosts   []Host  `mapstructure:"hosts" reload:"true"` // none: nobody is called for them, and each is asked
	Privacy Privacy `mapstructure:"privacy"`

	from map[string]string // key: where its value came from, if not the default
}

// Gate is the checkpoint itself.
type Gate struct {
	// Name is what guards and auditors call this gate, such as 南门 or South Gate.
	// Required, at most 64 characters.
	Name string `mapstructure:"name"`

	// Origin names the ledger in its signed tree heads: no spaces, no plus.
	// Default: the ASCII letters and digits of the name in lower case, with
	// hyphens between. Never change it in operation.
	Origin string `mapstructure:"origin"`

	// TimeZone in which a day begins and ends (IANA name). Default Asia/Shanghai.
	TimeZone string `mapstructure:"time_zone"`

	// Level of the policy in force. Empty: the policy's first.
	Level string `mapstructure:"level" reload:"true"`

	// HoldLimit is how long a hold waits for a guard before it is registered as
	// undecided. Default 3m, from 10s to 1h.
	HoldLimit time.Duration `mapstructure:"hold_limit" reload:"true"`

	// RepeatWindow is how long the same code counts as already read. Default 3s,
	// up to 30s; 0s turns it off.
	RepeatWindow time.Duration `mapstructure:"repeat_window" reload:"true"`

	// InsideFor is how long somebody whom the register has inside counts as being there; after it nobody knows, since they may
	// have left by car, in a crowd or by another gate. Default 336h: a compound that was sealed for fourteen days still knows
	// who is inside. From 1h to 8760h; 0s: for ever.
	InsideFor time.Duration `mapstructure:"inside_for" reload:"true"`

	// PINs says whether guards sign on with a PIN: off, the default, or required. Required, what a guard decides at the page
	// takes somebody who is signed on; the emergency key, closing and reading codes take nobody.
	PINs string `mapstructure:"pins" reload:"true"`
	// Shifts is when shifts change, at most eight times a day in their order, such as ["07:00", "19:00"]: at the end of a shift the
	// page asks whether somebody is still there. Empty, the default: nobody has planned it.
	Shifts []string `mapstructure:"shifts" reload:"true"`

	// CallBacks is about how many of a day's passages that a guard decided the hosts are called back on the day after: the
	// tree head draws them. Default 3, up to 50; 0: none.
	CallBacks int `mapstructure:"call_backs" reload:"true"`
}

// DefaultZone is where a gate is that does not say where.
const DefaultZone = "Asia/Shanghai"

// Zone is the time zone of that name; of the gate where it has none, and where there are no settings the default.
func (s *Settings) Zone(name string) (*time.Location, error) {
	if name == "" {
		name = DefaultZone
		if s != nil {
			name = s.Gate.TimeZone
		}
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q: write an IANA name such as Asia/Shanghai or UTC: %w", name, err)
	}
	return zone, nil
}

// Lane is one direction of travel with its scanner and barrier.
type Lane struct {
	ID        string         `mapstructure:"id"`        // required, unique: lower-case letters, digits, hyphens; at most 32
	Direction string         `mapstructure:"direction"` // required: in or out
	Scanner   scanner.Config `mapstructure:"scanner"`
	Barrier   barrier.Config `mapstructure:"barrier"`

	CardReader scanner.CardConfig `mapstructure:"card_reader"` // a lane needs none
}

// Scanner is about no one lane's scanner.
type Scanner struct {
	// Keyboard is the lane that a code counts for which a scanner set to keyboard types into the page, with Enter at its
	// end; that lane needs no scanner.device. Empty, the default: none; the page says that such a scanner is there, and
	// does not read it.
	Keyboard string `mapstructure:"keyboard" reload:"true"`
}

// Policy says which rules hold.
type Policy struct {
	File string `mapstructure:"file" reload:"true"` // empty: the policy that is part of the program
}

// Trust says whose passes count.
type Trust struct {
	Dir string `mapstructure:"dir" reload:"true"` // empty: trust in the state directory
}

// Console is the page for guards, which also serves /metrics.
type Console struct {
	// Listen is the address and port, loopback only. Default 127.0.0.1:8480;
	// port 0 takes any free one.
	Listen string `mapstructure:"listen"`

	// Hosts are further names by which browsers may address the page.
	Hosts []string `mapstructure:"hosts"`

	// Users of this box that may use the page, by name or number, besides root and the daemon's own. Everybody may read
	// /metrics and /healthz. Default: gated-kiosk, which shows it on the box's own screen.
	Users []string `mapstructure:"users"`

	Language string `mapstructure:"language" reload:"true"` // zh or en, default zh
	Call     string `mapstructure:"call" reload:"true"`     // whom to call on a fault, shown to guards; at most 100 characters
}

// Host is whom the gate calls for visitors of a body that is no household, and how it agrees.
type Host struct {
	Body    string   `mapstructure:"body"`    // required, unique: office, committee, parcels, shop, kindergarten or compound
	Consent string   `mapstructure:"consent"` // asked, or open: whoever comes to it may; left out: asked
	People  []Called `mapstructure:"people"`  // in the order in which they are called
}

// Called is somebody whom the gate calls.
type Called struct {
	Name      string `mapstructure:"name"`      // required, at most 64 characters
	Telephone string `mapstructure:"telephone"` // required: digits, and + - ( ) between them
}

// Log goes to standard error.
type Log struct {
	Level  string `mapstructure:"level" reload:"true"` // debug, info, warn or error; default info
	Format string `mapstructure:"format"`              // text or json; default text
}

// Ledger is the register on the box.
type Ledger struct {
	// MinFree is the free space of the state directory below which page and log warn,
	// with a unit (KiB, MiB, GiB). Default 64MiB, from 1MiB to 1TiB.
	MinFree Size `mapstructure:"min_free" reload:"true"`

	// TlogListen is the address and port where the ledger is served under /tlog/ to
	// auditors' tools (c2sp.org/tlog-tiles), read-only. Any address may stand here:
	// records tell nobody apart. Empty, the default: not served.
	TlogListen string `mapstructure:"tlog_listen"`

	// Witnesses sign the tree head at the end of each day (c2sp.org/tlog-witness).
	Witnesses []Witness `mapstructure:"witnesses"`

	// WitnessEvery is how many tree heads apart they are sent one by day, too; there
	// is at most one a second. Default 3600; 0: only those at the day's end.
	WitnessEvery int `mapstructure:"witness_every"`

	// Retention is how long personal data is kept; older fields are erased by night. Default: entries of visits 30 days,
	// those of other passages 90. Empty: for good, or until somebody erases them.
	Retention []retention.Rule `mapstructure:"retention"`

	// KeepAtLeast is how long an authority asks to keep personal data: a shorter Retention is an error. Default: none.
	KeepAtLeast []retention.Rule `mapstructure:"keep_at_least"`
}

// Privacy is what the notice at the gate says that tells people what is kept about them: gated poster.
type Privacy struct {
	// Who processes personal information, and how to reach them: at most 100 and 200 characters. Without both there is no notice.
	Who     string `mapstructure:"who" reload:"true"`
	Contact string `mapstructure:"contact" reload:"true"`

	// Purpose is what for, in Chinese and in English, at most 500 characters each. Empty: what the program has.
	Purpose   string `mapstructure:"purpose" reload:"true"`
	PurposeEN string `mapstructure:"purpose_en" reload:"true"`
}

// Witness is a server that signs the gate's tree heads, too. It converts to tlog.Witness.
type Witness struct {
	URL string `mapstructure:"url"` // required: http or https, /add-checkpoint is added to it
	Key string `mapstructure:"key"` // required, unique name: name+hash+base64, as its operator publishes it
}

// Default returns the settings of a file that names none. It has no lanes and no
// gate name: those have no default.
func Default() *Settings {
	return &Settings{
		Gate: Gate{TimeZone: DefaultZone, HoldLimit: 3 * time.Minute, RepeatWindow: 3 * time.Second,
			InsideFor: 336 * time.Hour, PINs: "off", CallBacks: 3},
		Console: Console{Listen: "127.0.0.1:8480", Language: "zh", Users: []string{"gated-kiosk"}},
		Log:     Log{Level: "info", Format: "text"},
		Ledger: Ledger{MinFree: 64 << 20, WitnessEvery: 3600,
			Retention: []retention.Rule{{Class: retention.Visit, Days: 30}, {Class: retention.Passage, Days: 90}}},
	}
}

// DefaultLane returns the settings of a lane that names none.
func DefaultLane() Lane {
	return Lane{Scanner: scanner.Default(), Barrier: barrier.Default(), CardReader: scanner.DefaultCard()}
}

//go:embed gated.yaml
var exampleFile []byte

// Example returns a commented settings file that loads once its devices exist.
func Example() []byte { return append([]byte(nil), exampleFile...) }

// Size is a number of bytes, written with its unit.
type Size int64

var units = []struct {
	name string
	size Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

func parseSize(text string) (Size, error) {
	digits := strings.TrimRight(text, "BKMGTikmgtb ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a size: write a whole number and its unit, such as 64MiB", text)
	}
	unit := text[len(digits):]
	if unit == "" {
		return 0, fmt.Errorf("%q has no unit: write %sMiB or %sGiB", text, text, text)
	}
	for _, u := range units {
		if u.name == unit && n <= int64((1<<62)/u.size) {
			return Size(n) * u.size, nil
		}
	}
	return 0, fmt.Errorf("%q has the unit %q: write KiB, MiB, GiB or TiB right after the number, such as 64MiB", text, unit)
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && strings.Trim(text, "+-0.") != "" {
		return d, nil
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		if n == 0 {
			return 0, fmt.Errorf("%q has no unit: write 0s", text)
		}
		return 0, fmt.Errorf("%q has no unit: write %sms, %ss or %sm", text, text, text, text)
	}
	return 0, fmt.Errorf("%q is not a duration: write a number and ms, s, m or h, such as 500ms or 3m", text)
}

// formatDuration is d.String without the zero parts: 3m for 3m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
