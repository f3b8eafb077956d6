// Package backup copies a state directory for a rainy day and puts it back.
//
// A backup is a directory. The ledgers in it may be kept for ever, since they say nothing about anybody without the slots of
// their entries. All that must be forgotten one day, or kept secret, is in one archive, which is replaced whole: what is erased
// today is gone from the backup tomorrow. The archive is a plain tar, so that tools that are not ours open it. The master key
// is in no backup.
package backup

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Archive is the name of what must be forgotten or kept secret.
const Archive = "secret.tar"

// Members of the archive besides files of the state directory, whatever settings and policy are called on the box. The last one
// has the SHA-256 of each, for sha256sum -c: a tar that was cut off may else look whole.
const (
	settingsName = "etc/gated.yaml"
	policyName   = "etc/policy.yaml"
	trustName    = "trust"
	sumsName     = "manifest.sha256"
)

// Sources are where the files of a gate lie.
type Sources struct {
	State    string // the state directory
	Settings string // file; "": there is none
	Policy   string // file; "": the one that is part of the program
	Trust    string // directory; "": trust in the state directory
	Roster   int64  // how many changes of it the ledger knows of: one with fewer is not copied
	// Faulty names what a gate does not take as it is, and says why: "settings", "policy", a trusted file as
	// "trust/pass/office.pub". Its last good copy is in force; a trusted file without one is left out.
	Faulty map[string]error
}

// copyOf is where the last good copy of a faulty file lies, if it is in force.
func (s Sources) copyOf(name string) (path string, is bool) {
	path = filepath.Join(s.State, "last-good", filepath.FromSlash(name))
	_, err := os.Stat(path)
	return path, err == nil && s.Faulty[name] != nil
}

func (s Sources) trust() string {
	if s.Trust != "" {
		return s.Trust
	}
	return filepath.Join(s.State, trustName)
}

// faults say what becomes of what is faulty.
func (s Sources) faults() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Faulty)) {
		_, is := s.copyOf(name)
		switch {
		case is:
			all = append(all, fmt.Sprintf("%s: its last good copy is in the backup, since that is in force: %v", name, s.Faulty[name]))
		case strings.HasPrefix(name, trustName+"/"):
			all = append(all, fmt.Sprintf("%s: not in the backup, since it is faulty and never was good: %v", name, s.Faulty[name]))
		default:
			all = append(all, fmt.Sprintf("%s: in the backup as it is, faulty: put it right: %v", name, s.Faulty[name]))
		}
	}
	return all
}

// Fate is what becomes of a file of the state directory.
type Fate string

const (
	Kept     Fate = "kept"     // a copy that may be kept for ever
	Archived Fate = "archived" // in the archive
	Rebuilt  Fate = "rebuilt"  // made again from the others
	Never    Fate = "never"    // of this box, or of this moment, alone
	Unknown  Fate = ""         // none of ours
)

// files are all that there are in a state directory. What is new there needs a line here: a test sees to it.
var files = []struct {
	name *regexp.Regexp
	fate Fate
}{
	{regexp.MustCompile(`^ledger(-\d+)?\.db$`), Kept},
	{regexp.MustCompile(`^(personal|ledger-\d+)(-\d+)?\.keys$`), Archived},
	{regexp.MustCompile(`^roster\.db$`), Archived},
	{regexp.MustCompile(`^accounts\.json$`), Archived},
	{regexp.MustCompile(`^trust/`), Archived},
	{regexp.MustCompile(`^keys/(code-hash\.key|compound\.key|ledger\.pub)$`), Archived},
	{regexp.MustCompile(`^index\.db(-wal|-shm)?$`), Rebuilt},
	{regexp.MustCompile(`^last-good/`), Rebuilt},                           // of settings, policy and trust at the next start
	{regexp.MustCompile(`^(ledger(-\d+)?|roster)\.db-(wal|shm)$`), Never},  // what is in them is in the copy
	{regexp.MustCompile(`^anchor(-\d+)?$`), Never},                         // it belongs to this very file; the copy has its head as a row
	{regexp.MustCompile(`^keys/(personal|ledger(-\d+)?)\.key$`), Never},    // one is in the safe, the other signs for this box alone
	{regexp.MustCompile(`^pending\.spool(\.unreadable-.*)?$`), Never},      // of minutes in which no backup can be made
	{regexp.MustCompile(`^ledger\.db(-wal|-shm)?\.damaged-[^/]*$`), Never}, // for somebody to look at
	{regexp.MustCompile(`^ledger\.db\.damaged-[^/]*-(wal|shm)$`), Never},   // the same
	{regexp.MustCompile(`^(lock|control\.sock)$`), Never},                  // of the process
	{regexp.MustCompile(`(^|/)\.[^/]+\.\d+$`), Never},                      // half written
}

// FateOf says what becomes of a file, by its name in the state directory, with slashes.
func FateOf(name string) Fate {
	for _, f := range files {
		if f.name.MatchString(name) {
			return f.fate
		}
	}
	return Unknown
}

// list lists the files of a state directory by name, sorted. The directory may be a link, which WalkDir would take for a file.
func list(dir string) (names []string, err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	slices.Sort(names)
	return names, err
}

// NotInside refuses a file to write that is among those of a state directory.
func NotInside(out, dir string) error {
	if out != "" && Inside(out, dir) {
		return fmt.Errorf("--out %s is in the state directory, whose files it could replace: choose another place", out)
	}
	return nil
}

// Inside tells whether a path is a directory or in it, whatever links lead there.
func Inside(path, dir string) bool {
	rel, err := filepath.Rel(resolved(dir), resolved(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// resolved is an absolute path without links, as far as it is there.
func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir := filepath.Dir(path); dir != path {
		return filepath.Join(resolved(dir), filepath.Base(path))
	}
	return path
}
