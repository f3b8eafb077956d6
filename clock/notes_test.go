package clock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a maintainer with a watch in China should know of a box before setting its clock.
func TestNotes(t *testing.T) {
	t.Parallel()
	shipped, err := os.ReadFile("../systemd/gated-backup.timer")
	if err != nil {
		t.Fatal(err)
	}
	const unit, dropIn = "usr/lib/systemd/system/gated-backup.timer", "etc/systemd/system/gated-backup.timer.d/override.conf"
	const zones, silent, unsynced, backup = "set-timezone", "set-ntp false", "nothing has synchronised", "gated-backup.timer counts in"
	for _, c := range []struct {
		name, local, gate string
		synced            bool
		files             map[string]string
		want              []string
	}{
		{"all is well", "Asia/Shanghai", "Asia/Shanghai", true, map[string]string{unit: string(shipped)}, nil},
		{"another name of the same zone", "Asia/Chongqing", "Asia/Shanghai", true, nil, nil},
		{"UTC, a watch in China", "UTC", "Asia/Shanghai", false, nil, []string{zones, unsynced}},
		{"timesyncd without a server", "Asia/Shanghai", "Asia/Shanghai", false, map[string]string{"run/systemd/timesync/x": ""}, []string{silent}},
		{"timesyncd with one", "UTC", "Asia/Shanghai", true, map[string]string{"run/systemd/timesync/synchronized": ""}, []string{zones}},
		{"summer time", "Africa/Lagos", "Europe/Berlin", true, nil, []string{zones}}, // the same in winter
		{"a timer of the box's time", "UTC", "Asia/Shanghai", true, map[string]string{unit: "[Timer]\nOnCalendar=*-*-* 04:10\n"}, []string{zones, backup}},
		{"a gate elsewhere", "Europe/Berlin", "Europe/Berlin", true, map[string]string{unit: string(shipped)}, []string{backup}},
		{"a gate elsewhere, told so", "Europe/Berlin", "Europe/Berlin", true,
			map[string]string{unit: string(shipped), dropIn: "[Timer]\nOnCalendar=\nOnCalendar=*-*-* 04:10 Europe/Berlin\n"}, nil},
		{"a unit of the maintainer's", "Europe/Berlin", "Europe/Berlin", true,
			map[string]string{unit: string(shipped), "etc/systemd/system/gated-backup.timer": "[Timer]\nOnCalendar=daily\n"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := Around{Root: t.TempDir(), Synced: c.synced}
			for name, text := range c.files {
				path := filepath.Join(a.Root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var gate *time.Location
			if a.Local, err = time.LoadLocation(c.local); err != nil {
				t.Fatal(err)
			}
			if gate, err = time.LoadLocation(c.gate); err != nil {
				t.Fatal(err)
			}
			notes := a.Notes(gate, time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC))
			if len(notes) != len(c.want) {
				t.Fatalf("got %q, want %q", notes, c.want)
			}
			for i, want := range c.want {
				if !strings.Contains(notes[i], want) {
					t.Errorf("got %q, want %q in it", notes[i], want)
				}
			}
		})
	}
}
