// Package lastgood loads what a gate is set up by, with the last good copy of a file in the place of a faulty one.
//
// The copies lie in the state directory, in last-good: settings, the GATED_ variables, policy, each trusted file. They are made
// once all of that was loaded, so a box that never had good settings has none. What is faulty is replaced, what is missing is
// not, where a gate can do without: the key of an issuer that was taken away never returns.
package lastgood

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gated/config"
	"gated/credential"
	"gated/credential/keyfile"
	"gated/durable"
	"gated/policy"
	"gated/register/retention"
)

// Names of the copies, and of the trusted files' in a directory of that name. They name faulty files to people, too.
const (
	Settings    = "settings"
	Environment = "environment"
	Policy      = "policy"
	Trust       = "trust"
)

// Setup is what a gate is set up by.
type Setup struct {
	Settings *config.Settings
	Policy   *policy.Policy
	Level    string // in force: of the settings, else the policy's first
	Trust    *credential.Trust
	Faults   []Fault  // what is not taken as it is
	Paths    []string // what of it lies where

	files map[string][]byte // what is in use, by the name of the copy
}

// Fault is a file that is not taken as it is.
type Fault struct {
	File string // Settings, Environment, Policy, or a trusted file as trust/pass/office.pub
	Used bool   // its last good copy is used; else there is none, and it is left out
	Err  error
}

// Check is Load where no copy may stand in: what is wrong with any of the files is an error.
func Check(path, state string, environ []string) (*Setup, error) {
	s, err := Load(path, state, environ)
	if err != nil {
		return nil, err
	}
	var all []error
	for _, f := range s.Faults {
		all = append(all, f.Err)
	}
	return s, errors.Join(all...)
}

// loading is one look at the files.
type loading struct {
	path      string // of the settings
	state     string
	source    []byte // of the settings
	sourceErr error
	environ   []string
	kept      map[string][]byte
	policies  map[string]loaded // by file: each is read once
}

type loaded struct {
	policy *policy.Policy
	err    error
}

// A way is which of these copies are used, or done without, as bits.
const (
	oldSettings = 1 << iota
	oldEnvironment
	oldPolicy
	noPolicy // everybody is on hold
)

var bitNames = []string{Settings, Environment, Policy, Policy}

// Load loads the settings at path, and what they name. Without copies in the state directory a fault of settings, variables or
// policy is an error. With them a gate starts also where the policy's copy is faulty, too, such as for a newer version of the
// program: then everybody is on hold.
func Load(path, state string, environ []string) (*Setup, error) {
	x := &loading{path: path, state: state, environ: environ, kept: copies(state), policies: map[string]loaded{}}
	x.source, x.sourceErr = config.Read(path)
	// Settings, variables and policy depend on each other, such as the level on the policy: the fewest copies that make
	// a whole of them are those of the faulty ones.
	ways := []int{0, oldSettings, oldEnvironment, oldPolicy, oldSettings | oldEnvironment, oldSettings | oldPolicy,
		oldEnvironment | oldPolicy, oldSettings | oldEnvironment | oldPolicy,
		noPolicy, oldSettings | noPolicy, oldEnvironment | noPolicy, oldSettings | oldEnvironment | noPolicy}
	why := map[int]error{}
	for _, way := range ways {
		if way != 0 && x.kept == nil {
			break
		}
		s, err := x.attempt(way)
		if err != nil {
			why[way] = err
			continue
		}
		for bit, name := range bitNames {
			if way>>bit&1 != 0 { // without this copy it was tried before, and this is what came of it
				s.Faults = append(s.Faults, Fault{File: name, Used: 1<<bit != noPolicy, Err: why[way&^(1<<bit)]})
			}
		}
		return s, x.trust(s)
	}
	return nil, why[0]
}

// attempt takes what can only be taken together.
func (x *loading) attempt(way int) (*Setup, error) {
	source, environ, err := x.source, x.environ, x.sourceErr
	if way&oldSettings != 0 {
		source, err = x.kept[Settings], nil
	}
	if way&oldEnvironment != 0 {
		environ = strings.Split(string(x.kept[Environment]), "\x00")
	}
	s := &Setup{}
	if err == nil {
		s.Settings, err = config.Parse(source, x.path, environ)
	}
	if err != nil {
		return nil, err
	}
	s.files = map[string][]byte{Settings: source, Environment: []byte(strings.Join(ours(environ), "\x00"))}
	old, is := x.kept[Policy]
	switch file := s.Settings.Policy.File; {
	case way&noPolicy != 0: // its copy stays as it is
		s.Policy = policy.HoldEverybody()
		s.Level = s.Policy.Levels()[0]
		if is {
			s.files[Policy] = old
		}
		return s, nil
	case file == "" || way&oldPolicy != 0 && !is: // the shipped one is in force, or was
		s.Policy = policy.Shipped()
	case way&oldPolicy == 0:
		s.Policy, err = x.policy(file)
	default:
		s.Policy, err = policy.Parse(Policy, old)
	}
	if err != nil {
		return nil, fmt.Errorf("policy.file: %w", err)
	}
	if s.Settings.Policy.File != "" && (is || way&oldPolicy == 0) {
		s.files[Policy] = s.Policy.Source()
	}
	levels := s.Policy.Levels()
	if s.Level = s.Settings.Gate.Level; s.Level == "" && len(levels) > 0 {
		s.Level = levels[0]
	} else if s.Level != "" && !slices.Contains(levels, s.Level) {
		return nil, fmt.Errorf("gate.level %q: the policy %s has the levels %s", s.Level, s.Policy.Name(), strings.Join(levels, ", "))
	}
	if err := s.tripsKept(); err != nil {
		return nil, err
	}
	return s, nil
}

// policy reads a policy file.
func (x *loading) policy(file string) (*policy.Policy, error) {
	if _, is := x.policies[file]; !is {
		p, err := policy.Load(file)
		x.policies[file] = loaded{p, err}
	}
	return x.policies[file].policy, x.policies[file].err
}

// tripsKept refuses a retention that would erase trips which still count at some level.
func (s *Setup) tripsKept() error {
	rules := s.Settings.Ledger.Retention
	i := retention.For(rules, retention.Of{Class: "resident", Passage: true})
	for _, level := range s.Policy.Levels() {
		if days := s.Policy.TripDays(level); i >= 0 && rules[i].Days < days-1 {
			return fmt.Errorf("ledger.retention[%d].days %d: the level %s of the policy %s counts trips over %d days (trip_days): "+
				"write %d or more", i, rules[i].Days, level, s.Policy.Name(), days, days-1)
		}
	}
	return nil
}

// ours are the variables that settings may come from.
func ours(environ []string) (list []string) {
	for _, entry := range environ {
		if strings.HasPrefix(entry, "GATED_") {
			list = append(list, entry)
		}
	}
	slices.Sort(list)
	return list
}

// trust takes the trusted files, one by one.
func (x *loading) trust(s *Setup) (err error) {
	dir := s.Settings.Trust.Dir
	if dir == "" {
		dir = filepath.Join(x.state, "trust")
	}
	s.Paths = []string{x.path, s.Settings.Policy.File, policy.ExamplesFile(s.Settings.Policy.File), dir}
	files := credential.ReadTrust(dir)
	replaced := map[string]bool{}
	for {
		s.Trust, err = credential.ParseTrust(files)
		var faulty *keyfile.Faulty
		if !errors.As(err, &faulty) {
			break
		}
		delete(files, faulty.Name)
		if replaced[faulty.Name] { // the copy is no better today, such as a list of revocations of an issuer who is gone
			i := slices.IndexFunc(s.Faults, func(f Fault) bool { return f.File == Trust+"/"+faulty.Name })
			if i >= 0 {
				s.Faults[i].Used = false
			}
			continue
		}
		f := Fault{File: Trust + "/" + faulty.Name, Err: keyfile.In(dir, err)}
		for name, old := range x.kept {
			// All below it, if it is a directory that cannot be listed.
			if name, is := strings.CutPrefix(name, Trust+"/"); is && (name == faulty.Name || strings.HasPrefix(name, faulty.Name+"/")) {
				if _, there := files[name]; !there {
					files[name], replaced[name], f.Used = keyfile.File{Data: old}, true, true
				}
			}
		}
		replaced[faulty.Name] = true
		s.Faults = append(s.Faults, f)
	}
	for name, f := range files {
		s.files[Trust+"/"+name] = f.Data
	}
	return err
}

func place(state string) string { return filepath.Join(state, "last-good") }

// copies reads all copies, by name; nil where there are none.
func copies(state string) map[string][]byte {
	all := map[string][]byte{}
	filepath.WalkDir(place(state), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(place(state), path)
		if b, rerr := os.ReadFile(path); err == nil && rerr == nil {
			all[filepath.ToSlash(name)] = b
		}
		return nil
	})
	if all[Settings] == nil { // written last
		return nil
	}
	return all
}

// Keep makes the copies of what is in use, and removes those of what is not used any more.
func (s *Setup) Keep(state string) error {
	dir := place(state)
	before := copies(state)
	all := []error{s.remove(state, "")}
	names := slices.DeleteFunc(slices.Collect(maps.Keys(s.files)), func(name string) bool { return name == Settings })
	for _, name := range append(names, Settings) { // where these are, the others are
		if old, is := before[name]; is && string(old) == string(s.files[name]) {
			continue
		}
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = errors.Join(durable.Replace(path, s.files[name]), durable.SyncDir(filepath.Dir(filepath.Dir(path))))
		}
		if err != nil {
			return errors.Join(append(all, err)...)
		}
	}
	return errors.Join(all...)
}

// Forget removes the copies of trusted files that were taken away, for when nobody has the gate take the rest anew.
func (s *Setup) Forget(state string) error { return s.remove(state, Trust+"/") }

// remove removes the copies of what is not used, by the beginning of their names.
func (s *Setup) remove(state, prefix string) error {
	var all []error
	filepath.WalkDir(place(state), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		name, _ := filepath.Rel(place(state), path)
		name = filepath.ToSlash(name)
		if _, used := s.files[name]; !used && strings.HasPrefix(name, prefix) {
			all = append(all, os.Remove(path), durable.SyncDir(filepath.Dir(path)))
		}
		return nil
	})
	return errors.Join(all...)
}

// Stamp changes when one of the files does, or one in the directories.
func Stamp(paths []string) string {
	var b strings.Builder
	for _, root := range paths {
		filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			st, serr := os.Stat(path) // of what a link names
			if err = cmp.Or(err, serr); err != nil {
				fmt.Fprintln(&b, path, err)
				return nil
			}
			fmt.Fprintln(&b, path, st.Mode(), st.Size(), st.ModTime().UnixNano(), inode(st))
			return nil
		})
	}
	return b.String()
}

func inode(st fs.FileInfo) uint64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Ino
	}
	return 0
}
