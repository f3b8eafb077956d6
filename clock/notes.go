package clock

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Around is what a box has around its clock.
type Around struct {
	Root   string         // "/"
	Local  *time.Location // what commands such as timedatectl count in
	Synced bool           // the kernel's clock is disciplined
}

// Here is what this box has.
func Here() Around { return Around{"/", time.Local, System().Synced()} }

// Notes tells whoever sets up a box for a gate in a zone what they should know before they set its clock. It is empty where
// there is nothing to do.
func (a Around) Notes(zone *time.Location, now time.Time) (notes []string) {
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if differ(a.Local, zone, now) {
		say(`this box counts in UTC%s, the gate in %s (UTC%s): what "timedatectl set-time" is given would be taken for the box's time: `+
			`"timedatectl set-timezone %[2]s" first`, now.In(a.Local).Format("-07:00"), zone, now.In(zone).Format("-07:00"))
	}
	_, err := os.Stat(filepath.Join(a.Root, "run/systemd/timesync"))
	switch {
	case a.Synced:
	case err == nil:
		say(`systemd-timesyncd runs and has reached no time server: while it runs "timedatectl set-time" is refused. Name a server in ` +
			`/etc/systemd/timesyncd.conf; without one "timedatectl set-ntp false", set the clock by a watch, "gated clock confirm"`)
	default:
		say(`nothing has synchronised the clock of this box: compare "date" with a watch, then "gated clock confirm"`)
	}
	if at := a.timer(); at != nil && differ(at, zone, now) {
		counts := at.String()
		if at == a.Local {
			counts = "the box's time"
		}
		say(`gated-backup.timer counts in %s, the gate in %s: write into "systemctl edit gated-backup.timer" the lines [Timer], `+
			`OnCalendar= and OnCalendar=*-*-* 04:10 %[2]s`, counts, zone)
	}
	return notes
}

// differ tells whether two zones have different times, now or half a year later.
func differ(a, b *time.Location, now time.Time) bool {
	later := now.AddDate(0, 6, 0)
	return now.In(a).Format(time.DateTime) != now.In(b).Format(time.DateTime) ||
		later.In(a).Format(time.DateTime) != later.In(b).Format(time.DateTime)
}

// timer is the zone in which the timer of the backup counts; nil where there is no timer.
func (a Around) timer() (zone *time.Location) {
	unit := filepath.Join(a.Root, "etc/systemd/system/gated-backup.timer") // in place of the one below
	if _, err := os.Stat(unit); err != nil {
		unit = filepath.Join(a.Root, "usr/lib/systemd/system/gated-backup.timer")
	}
	more, _ := filepath.Glob(filepath.Join(a.Root, "etc/systemd/system/gated-backup.timer.d/*.conf")) // the pattern is a good one
	for _, path := range append([]string{unit}, more...) {
		text, _ := os.ReadFile(path) // what cannot be read is not there
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, "=")
			words := strings.Fields(value)
			if strings.TrimSpace(key) != "OnCalendar" || len(words) == 0 { // the empty one takes the others back
				continue
			}
			zone = a.Local
			if at, err := time.LoadLocation(words[len(words)-1]); err == nil { // else it ends with the time
				zone = at
			}
		}
	}
	return zone
}
