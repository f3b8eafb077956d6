package daemon

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gated/clock"
	"gated/config"
	"gated/credential"
	"gated/gate"
	"gated/policy"

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

func (d *Daemon) reloadSettings(g *gate.Gate) {
	set, err := config.Load(d.Path, os.Environ())
	var rules gate.Rules
	if err == nil {
		rules, err = Rules(set, d.Dir)
	}
	if err != nil {
		d.reload.Set(0)
		d.log.Error("the settings are wrong: the old ones stay in force", "file", d.Path, "err", err)
		return
	}
	for _, key := range config.NextStart(d.Settings, set) {
		d.log.Warn("changed, and takes effect at the next start only", "key", key)
	}
	d.Settings = set
	d.level.UnmarshalText([]byte(set.Log.Level))
	g.SetRules(rules)
	d.reload.Set(1)
	d.log.Info("settings reloaded", "file", d.Path, "policy", rules.Policy.Name(), "level", rules.Level)
}

// Rules reads what a reload can change.
func Rules(set *config.Settings, dir string) (r gate.Rules, err error) {
	r = gate.Rules{Policy: policy.Shipped(), Level: set.Gate.Level, Hold: set.Gate.HoldLimit, Repeat: set.Gate.RepeatWindow,
		Language: set.Console.Language, Keyboard: set.Scanner.Keyboard, Call: set.Console.Call, MinFree: uint64(set.Ledger.MinFree)}
	if set.Policy.File != "" {
		if r.Policy, err = policy.Load(set.Policy.File); err != nil {
			return r, fmt.Errorf("policy.file: %w", err)
		}
	}
	levels := r.Policy.Levels()
	if r.Level == "" && len(levels) > 0 {
		r.Level = levels[0]
	} else if r.Level != "" && !slices.Contains(levels, r.Level) {
		return r, fmt.Errorf("gate.level %q: the policy %s has the levels %s", r.Level, r.Policy.Name(), strings.Join(levels, ", "))
	}
	if r.Trust, err = credential.LoadTrust(trustDir(set, dir)); err != nil {
		return r, fmt.Errorf("trust.dir: %w", err)
	}
	return r, nil
}

// Check says what Rules made of the settings. What there is to know of this box's clock before it is set is told beside that.
func Check(set *config.Settings, dir string, beside io.Writer) (said string, err error) {
	r, err := Rules(set, dir)
	if err != nil {
		return "", err
	}
	zone, err := set.Zone("")
	if err != nil {
		return "", err
	}
	for _, note := range clock.Here().Notes(zone, time.Now()) {
		fmt.Fprintln(beside, "note:", note)
	}
	return fmt.Sprintf("gate %s, %d lanes, policy %s at level %s, %d issuers of passes", set.Gate.Name, len(set.Lanes), r.Policy.Name(),
		r.Level, len(r.Trust.Issuers())), nil
}

func trustDir(set *config.Settings, dir string) string {
	if set.Trust.Dir != "" {
		return set.Trust.Dir
	}
	return filepath.Join(dir, "trust")
}
