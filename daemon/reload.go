package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gated/access"
	"gated/clock"
	"gated/config"
	"gated/daemon/lastgood"
	"gated/gate"
	"gated/ledger/file"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// watch feeds systemd's watchdog as long as the gate answers, and reloads when told to, until ctx ends.
func (d *Daemon) watch(ctx context.Context, g *gate.Gate, hup <-chan os.Signal) {
	var feed <-chan time.Time
	if every, err := sd.SdWatchdogEnabled(false); err == nil && every > 0 {
		t := time.NewTicker(every / 3)
		defer t.Stop()
		feed = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-feed:
			soon, cancel := context.WithTimeout(ctx, time.Second)
			if g.Alive(soon) == nil {
				sd.SdNotify(false, sd.SdNotifyWatchdog)
			}
			cancel()
		case <-hup:
			// MONOTONIC_USEC lets systemd 253 and later tell this reload from an earlier one; older ones ignore it.
			var ts unix.Timespec
			unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
			sd.SdNotify(false, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, ts.Nano()/1000))
			d.reloadSettings(g)
			sd.SdNotify(false, sd.SdNotifyReady)
		}
	}
}

// load reads what a gate is set up by.
func (d *Daemon) load() (*lastgood.Setup, error) {
	if d.Dir == "" {
		dir, err := config.StateDir(d.Path, os.Environ())
		if err != nil {
			return nil, fmt.Errorf("%w\nwith --state DIR the last good settings of that state directory would be used", err)
		}
		if d.Dir, err = filepath.Abs(cmp.Or(dir, "gated-data")); err != nil {
			return nil, err
		}
	}
	return lastgood.Load(d.Path, d.Dir, os.Environ())
}

// Check says what the settings and all that they name amount to. What there is to know of this box's clock before it is set is told
// beside that.
func Check(path, dir string, beside io.Writer) (said string, err error) {
	s, err := lastgood.Check(path, dir, os.Environ())
	if err != nil {
		return "", err
	}
	if r, err := file.OpenReader(dir); err == nil { // else there is none yet, or it is not for this user to read
		err = errors.Join(differing(r.Meta, s.Settings))
		r.Close()
		if err != nil {
			return "", err
		}
	}
	zone, err := s.Settings.Zone("")
	if err != nil {
		return "", err
	}
	for _, note := range clock.Here().Notes(zone, time.Now()) {
		fmt.Fprintln(beside, "note:", note)
	}
	return fmt.Sprintf("gate %s, %d lanes, policy %s at level %s, %d issuers of passes", s.Settings.Gate.Name, len(s.Settings.Lanes),
		s.Policy.Name(), s.Level, len(s.Trust.Issuers())), nil
}

func (d *Daemon) reloadSettings(g *gate.Gate) {
	setup, err := d.load()
	if err != nil { // no copies could be kept
		d.faults.setFiles([]lastgood.Fault{{File: lastgood.Settings, Err: err}})
		return
	}
	for _, key := range config.NextStart(d.set, setup.Settings) {
		d.log.Warn("changed, and takes effect at the next start only", "key", key)
	}
	d.set = setup.Settings
	d.level.UnmarshalText([]byte(d.set.Log.Level))
	g.SetRules(rules(setup))
	d.inUse(setup)
	level, said, faulty := slog.LevelInfo, "settings reloaded", []string{}
	for _, f := range setup.Faults {
		level, said = slog.LevelWarn, "settings reloaded, but for what is faulty"
		faulty = append(faulty, f.File+map[bool]string{true: " (its last good copy)", false: " (left out)"}[f.Used])
	}
	d.log.Log(context.Background(), level, said, "file", d.Path, "policy", setup.Policy.Name(), "level", setup.Level,
		"faulty", strings.Join(faulty, ", "))
}

// rules are what a reload can change.
func rules(s *lastgood.Setup) gate.Rules {
	set := s.Settings
	return gate.Rules{Policy: s.Policy, Trust: s.Trust, Level: s.Level, Hold: set.Gate.HoldLimit, Repeat: set.Gate.RepeatWindow,
		Language: set.Console.Language, Keyboard: set.Scanner.Keyboard, Call: set.Console.Call, MinFree: uint64(set.Ledger.MinFree),
		InsideFor: set.Gate.InsideFor, PINs: set.Gate.PINs == "required", Shifts: set.Gate.Shifts,
		Bodies: bodies(set.Hosts)}
}

// bodies are the hosts that are no household, as the gate calls them.
func bodies(hosts []config.Host) (list []gate.Body) {
	for _, h := range hosts {
		b := gate.Body{Body: h.Body, Open: h.Consent == "open"}
		for _, p := range h.People {
			b.People = append(b.People, gate.Called(p))
		}
		list = append(list, b)
	}
	return list
}

// watchedFiles are the files of the setup, at which the daemon looks by itself: a reload may never reach it.
type watchedFiles struct {
	mu       sync.Mutex       // guards the rest
	settings *config.Settings // as they were when they were looked at last
	paths    []string
	stamp    string
	unkept   *lastgood.Setup // whose copies could not be made, such as on a full disk
	poster   string          // to be noted
}

// inUse keeps copies of a setup that is in force now.
func (d *Daemon) inUse(s *lastgood.Setup) {
	d.faults.setFiles(s.Faults)
	d.files.mu.Lock()
	defer d.files.mu.Unlock()
	d.files.settings, d.files.paths, d.files.unkept, d.files.poster = s.Settings, s.Paths, s, posterOf(s)
	d.keep()
	d.compare()
}

// compare says whether settings and ledger differ, or the compound key and the roster. The caller holds files.mu.
func (d *Daemon) compare() {
	origin, zone := differing(d.box.Ledger.Meta(), d.files.settings)
	d.faults.set("keys/compound.key", d.box.CompoundFault())
	d.faults.set(access.File, d.box.Accounts.Fault())
	d.faults.set("gate.origin", origin)
	d.faults.set("gate.time_zone", zone)
}

// differing is what settings say otherwise than the ledger, whose own word counts. One that could not be read says nothing yet.
func differing(m file.Meta, set *config.Settings) (origin, zone error) {
	const follow = "gate.%s is %q by the settings, and the ledger has %q, which counts: write \"%[1]s: %[3]s\" in the section gate"
	if m.Origin != "" && m.Name() != set.Gate.Origin {
		origin = fmt.Errorf(follow+" (without origin: it follows from the gate's name)", "origin", set.Gate.Origin, m.Name())
	}
	if m.Origin != "" && m.TimeZone != set.Gate.TimeZone {
		zone = fmt.Errorf(follow, "time_zone", set.Gate.TimeZone, m.TimeZone)
	}
	return origin, zone
}

// keep tries to make the copies. The caller holds files.mu.
func (d *Daemon) keep() {
	if d.files.unkept == nil {
		return
	}
	err := d.files.unkept.Keep(d.Dir)
	if err == nil {
		d.files.unkept = nil
	}
	d.faults.set("last-good", err)
}

// lookEvery is how soon page and metric say of a file that a restart would not take it.
const lookEvery = 2 * time.Second

// watchFiles looks at the files until ctx ends. What changed is not taken before a reload; what is faulty is said at once.
func (d *Daemon) watchFiles(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.lookAtFiles()
		}
	}
}

func (d *Daemon) lookAtFiles() {
	d.files.mu.Lock()
	defer d.files.mu.Unlock()
	d.keep()
	d.notePoster()
	d.compare() // the ledger may have been read only now
	stamp := lastgood.Stamp(d.files.paths)
	if stamp == d.files.stamp {
		return
	}
	d.files.stamp = stamp
	setup, err := d.load()
	if err != nil {
		d.faults.setFiles([]lastgood.Fault{{File: lastgood.Settings, Err: err}})
		return
	}
	d.files.settings, d.files.paths = setup.Settings, setup.Paths
	d.faults.setFiles(setup.Faults)
	d.compare()
	if err := setup.Forget(d.Dir); err != nil {
		d.log.Warn("the copy of a trusted file that was taken away stays, and may stand in for one that is faulty", "cause", err)
	}
}
