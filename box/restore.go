package box

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"

	"gated/backup"
	"gated/ledger"
	"gated/ledger/file"
	"gated/ledger/seal"
	"gated/register"
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

// Restore puts a backup into a state directory and begins a new epoch of its ledger: whatever the ledger says was erased is erased
// once more then. Root puts settings, policy and trusted keys to their places, and does the rest as the directory's owner, who
// may also do it alone. It returns what became of the files outside the directory.
func Restore(a Restoring) (out []backup.Outside, m file.Meta, err error) {
	b, err := backup.Open(a.From)
	if err != nil {
		return nil, m, err
	}
	defer b.Close()
	if err := backup.Fits(a.State); err != nil {
		return nil, m, err
	}
	if err := Owned(a.State); err != nil && os.Geteuid() != 0 {
		return nil, m, err
	}
	master, err := a.master(b.Meta)
	if err != nil {
		return nil, m, err
	}
	to := backup.Sources{State: a.State, Settings: a.Settings}
	if b.Settings != nil {
		if to.Policy, to.Trust, err = a.Named(a.Settings, b.Settings, os.Environ()); err != nil {
			return nil, m, fmt.Errorf("the settings of the backup: %w", err)
		}
	}
	if out, err = b.PutOutside(to); err != nil {
		return nil, m, err
	}
	if err := become(a.State); err != nil {
		return out, m, err
	}
	held, err := Lock(a.State)
	if err != nil {
		return out, m, err
	}
	defer held.Release()
	if err := b.Put(a.State, to.Trust != ""); err != nil {
		return out, m, err
	}
	if master != nil {
		err = master.Keep(a.State)
	}
	if err == nil {
		m, _, err = beginEpoch(a.State, ledger.Options{Gate: b.Meta.Gate, Origin: b.Meta.Name(), TimeZone: b.Meta.TimeZone, Restored: true})
	}
	if err != nil {
		err = fmt.Errorf("the files are in place, and no new epoch could begin: %w: put that right, "+
			"and start once with \"gated run --restored\"", err)
	}
	return out, m, err
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
		return fmt.Errorf("become %s: %w", userName(uid), err)
	}
	return nil
}

// carryTrips tells again, in the new epoch, how often each household went out on the day on which the one before ended: to restore a
// box gives nobody a second trip. The counts go by the rules of package register.
func (b *Box) carryTrips(epoch int) error {
	r, err := file.OpenFile(file.OfEpoch(b.Dir, epoch-1))
	if err != nil {
		return err
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return err
	}
	day := ""
	if err := r.Scan(max(1, size-file.Tail), size, false, func(e *ledger.Entry) error {
		if e.Clock == "trusted" {
			day = max(day, e.At.Format(time.DateOnly))
		}
		return nil
	}); err != nil {
		return err
	}
	days, err := r.SegmentsOf(day)
	if err != nil || len(days) == 0 || day < b.stamp().Time.In(r.Zone).Format(time.DateOnly) {
		return err // that day is over
	}
	out := map[int64]string{}
	if err := r.Scan(days[0].First, size, true, func(e *ledger.Entry) error {
		gone := e.Kind == register.Decided && e.Verdict == "admit" && e.Direction == "out" && e.Class == "resident" ||
			e.Kind == register.Trip && e.Detail["day"] == day
		if household := e.Personally("household"); gone && household != "" {
			out[e.Seq] = household
		} else if e.Kind == register.Correction {
			delete(out, e.Ref)
		}
		return nil
	}); err != nil {
		return err
	}
	var events []ledger.Event
	for _, seq := range slices.Sorted(maps.Keys(out)) {
		events = append(events, ledger.Event{Stamp: b.stamp(), Kind: register.Trip, Direction: "out", Class: "resident", By: "machine",
			Detail: map[string]string{"day": day}, Personal: []ledger.Field{{Name: "household", Value: out[seq]}}})
	}
	for some := range slices.Chunk(events, file.MaxBatch) {
		if _, err := b.Ledger.Append(some...); err != nil {
			return err
		}
	}
	return nil
}
