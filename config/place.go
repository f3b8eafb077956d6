package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gated/policy"
)

// Place is where the settings and the state of a gate are.
type Place struct {
	Settings string   // the settings file that somebody named; "": nobody did
	Asked    bool     // a flag named it, and not the environment
	State    string   // the state directory that somebody named; "": nobody did
	Environ  []string // overrides settings
}

// File is where the settings lie, or would.
func (p Place) File() string { return cmp.Or(p.Settings, "/etc/gated/gated.yaml") }

// Load reads the settings.
func (p Place) Load() (*Settings, error) {
	if p.Settings == "" {
		if _, err := os.Stat(p.File()); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("no settings: %w: name them with --config FILE; "+
				"\"gated config example\" prints some to begin with", err)
		}
	}
	return Load(p.File(), p.Environ)
}

// Any are those of Load. Where they cannot be read, and no flag names them, there are none.
func (p Place) Any() (*Settings, error) {
	s, err := p.Load()
	if !p.Asked && err != nil {
		return nil, nil
	}
	return s, err
}

// Rules are those settings, by default where there are none, and the policy that they name, else the shipped one.
func (p Place) Rules() (*Settings, *policy.Policy, error) {
	s, err := p.Any()
	if err != nil {
		return nil, nil, err
	}
	if s == nil {
		s = Default()
	}
	if s.Policy.File == "" {
		return s, policy.Shipped(), nil
	}
	rules, err := policy.Load(s.Policy.File)
	return s, rules, err
}

// Dir is where the state is: where somebody named it, state_dir of the settings, ./gated-data. s are the settings if they are read
// already; else they are read only where nobody named the state, and there may be none.
func (p Place) Dir(s *Settings) (string, error) {
	dir := p.State
	if dir == "" && s == nil {
		loaded, err := p.Load()
		if err != nil && (!errors.Is(err, fs.ErrNotExist) || p.Settings != "") {
			return "", err
		}
		s = loaded
	}
	if s != nil {
		dir = cmp.Or(dir, s.StateDir)
	}
	return filepath.Abs(cmp.Or(dir, "gated-data"))
}
