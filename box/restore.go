package box

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"gated/backup"
	"gated/box/lock"
	"gated/ledger"
	"gated/ledger/file"
	"gated/ledger/seal"
	"gated/peer"
)

// Restoring says what is put back, and where.
type Restoring struct {
	From     string // the backup
	State    string // the state directory, in which there is no ledger yet
	Settings string // where the settings file belongs
	// Named tells which policy file and which directory of trusted keys settings name; "": none.
	Named func(path string, settings []byte, environ []string) (policy, trust string, err error)
	// Master asks for the master key, which is in no backup.
	Master func() (string, error)
}

// Restored is what was put back.
type Restored struct {
	Outside []backup.Outside // what became of the files outside the state directory
	Meta    file.Meta        // of the ledger that begins
	Roster  error            // why the roster is not the one that the ledger knows
}

// Tell says what of it is where, and what is not as it was.
func (r Restored) Tell(w io.Writer) {
	backup.Tell(w, r.Outside)
	if r.Roster != nil {
		fmt.Fprintln(w, r.Roster)
	}
}

// Restore puts a backup into a state directory and begins a new epoch of its ledger: whatever the ledger says was erased is erased
// once more then. Root puts settings, policy and trusted keys to their places, and does the rest as the directory's owner, who
// may also do it alone.
func Restore(a Restoring) (done Restored, err error) {
	b, err := backup.Open(a.From)
	if err != nil {
		return done, err
	}
	defer b.Close()
	if err := backup.Fits(a.State); err != nil {
		return done, err
	}
	if err := lock.Owned(a.State); err != nil && os.Geteuid() != 0 {
		return done, err
	}
	master, err := a.master(b.Meta)
	if err != nil {
		return done, err
	}
	to := backup.Sources{State: a.State, Settings: a.Settings}
	if b.Settings != nil {
		if to.Policy, to.Trust, err = a.Named(a.Settings, b.Settings, os.Environ()); err != nil {
			return done, fmt.Errorf("the settings of the backup: %w", err)
		}
	}
	if done.Outside, err = b.PutOutside(to); err != nil {
		return done, err
	}
	if err := become(a.State); err != nil {
		return done, err
	}
	held, err := lock.Take(a.State)
	if err != nil {
		return done, err
	}
	defer held.Release()
	if err := b.Put(a.State, to.Trust != ""); err != nil {
		return done, err
	}
	if master != nil {
		err = master.Keep(a.State)
	}
	if err == nil {
		done.Meta, _, err = beginEpoch(a.State, ledger.Options{Gate: b.Meta.Gate, Origin: b.Meta.Name(),
			TimeZone: b.Meta.TimeZone, Restored: true})
	}
	if err == nil {
		done.Roster = olderRoster(a.State)
	} else {
		err = fmt.Errorf("the files are in place, and no new epoch could begin: %w: put that right, "+
			"and start once with \"gated run --restored\"; where there is no better copy of the ledger, "+
			"\"gated ledger begin --reason WHY\" puts this one aside", err)
	}
	return done, err
}

// olderRoster says why the roster of a state directory, whose daemon does not run, is not the one that its ledger knows.
func olderRoster(dir string) error {
	r, err := file.OpenReader(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	known, err := rosterChange(r)
	if err != nil {
		return err
	}
	people, err := Roster(dir)
	if err != nil && known > 0 {
		return fmt.Errorf("the roster: %w: everybody is on hold until it is put back", err)
	}
	if err != nil { // there never was one
		return nil
	}
	return rosterBehind(people.Change(), known)
}

// master is the key that belongs to a ledger, as somebody has it; nil if it is in its place already.
func (a Restoring) master(m file.Meta) (*seal.Master, error) {
	key, err := seal.ReadMaster(seal.MasterFile(a.State))
	if err == nil {
		return nil, key.Fits(m.Whose())
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	written, err := a.Master()
	if err != nil {
		return nil, err
	}
	if key, err = seal.ParseMaster(written); err == nil {
		err = key.Fits(m.Whose())
	}
	return key, err
}

// become makes root the owner of a directory, for good: what it makes there is to be theirs.
func become(dir string) error {
	uid, gid, err := backup.Owner(dir)
	if err != nil || os.Geteuid() != 0 || uid == 0 {
		return err
	}
	if err := errors.Join(syscall.Setgroups([]int{gid}), syscall.Setgid(gid), syscall.Setuid(uid)); err != nil {
		return fmt.Errorf("become %s: %w", peer.Name(uid), err)
	}
	return nil
}
