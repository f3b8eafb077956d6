package ledger

import (
	"crypto/sha256"
	"fmt"
	"time"

	"gated/durable"
	"gated/ledger/epoch"
	"gated/ledger/file"
	"gated/ledger/tlog"
)

// openFile opens the database, checks that it is this ledger and that its newest entries are what they claim. After a fault
// what was recorded before must be there as it was.
func (l *Ledger) openFile() error { return file.Advise(l.openChecked()) }

func (l *Ledger) openChecked() (err error) {
	if err := l.opt.inject("open"); err != nil {
		return fmt.Errorf("open %s: %w", l.path, err)
	}
	if err := l.stillBroken(); err != nil {
		return err
	}
	if l.opt.Begin != nil && !l.begun {
		found, err := l.epochs.PutAsideBroken()
		if err != nil {
			return err
		}
		if found != "" {
			l.begun, l.found = true, found
		}
	}
	anew, err := l.anew()
	if err != nil {
		return err
	}
	if anew.Master, err = l.loadMaster(anew, file.Length(l.path) == 0); err != nil {
		return err
	}
	log := file.Length(l.path + "-wal")
	if log > 0 || l.Fault() != nil { // the last run was cut off, or met an error
		if err := l.fromMedium(); err != nil {
			return err
		}
	}
	c, err := file.OpenWriter(l.path, anew)
	if file.Damaged(err) && l.recent.all() { // nothing of it ever stood elsewhere than in memory
		if err = l.putAside(err); err == nil {
			c, err = file.OpenWriter(l.path, l.meta)
		}
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", l.path, err)
	}
	known, rows, tree := l.size, l.recent, l.durable
	defer func() {
		if err != nil && c != nil {
			c.Leave()
			l.c, l.recent, l.durable = nil, rows, tree
			if l.anchor != nil {
				l.anchor.Close()
				l.anchor = nil
			}
		}
	}()
	m, zone, err := l.identify(c)
	if err != nil {
		return err
	}
	l.zone.Store(zone)
	entries, err := c.Size()
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if why := l.restored(m, entries); why != "" {
		if err := l.retire(c, m, zone); err != nil {
			return fmt.Errorf("%s must begin a new epoch (%s): %w", l.path, why, err)
		}
		c, l.begun = nil, true
		return l.openFile()
	}
	if err := l.loadKeys(m, entries); err != nil {
		return err
	}
	if err := l.readEnd(c, m, zone, entries); err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if err := l.openPersonal(m, l.size); err != nil {
		return err
	}
	if err := file.SlotsBeyond(l.slots.Load().Files, l.size); err != nil {
		return err
	}
	if log > 0 && !l.opt.credulous { // so that all that counts from here on is written by this connection
		if err := l.checkpoint("PASSIVE"); err != nil {
			return fmt.Errorf("%s: checkpoint: %w", l.path, err)
		}
	}
	if l.size > known { // a failed commit is there all the same
		l.recent = recent{}
	}
	l.durable = l.tree.Clone()
	// Before anything is appended a head signs all that was found: what is unsigned is of one run.
	if l.anchored != l.size {
		if err := l.sign(); err != nil {
			return fmt.Errorf("sign what was found in %s: %w", l.path, err)
		}
	}
	if l.Fault() == nil {
		file.FillLog(l.path)
	}
	l.opened = durable.Look(append(l.slots.Load().Files.Paths(), l.path, l.path+"-wal", l.path+"-shm", file.AnchorOf(l.path))...)
	return nil
}

// readEnd reads the newest entries and the edge of the tree, and compares them with what they must be; what the medium has
// lost is appended again.
func (l *Ledger) readEnd(c *file.Conn, m file.Meta, zone *time.Location, entries int64) (err error) {
	const keep = "keep the file and call the maintainer"
	if l.segments, err = c.Segments(); err != nil {
		return err
	}
	if err := c.VerifyTail(zone); err != nil {
		return fmt.Errorf("%w: %s", err, keep)
	}
	lost, err := l.compare(c, entries)
	if err != nil {
		return fmt.Errorf("%w: %s", err, keep)
	}
	known := l.size
	if err := l.findEnd(c, entries); err != nil {
		return err
	}
	l.c, l.meta = c, m
	l.says.Store(&m)
	if len(lost) > 0 {
		if l.tree, err = tlog.LoadTree(c, entries); err != nil {
			return err
		}
		if err := l.appendAgain(lost, known); err != nil {
			return err
		}
	}
	if err := l.openTree(c, m, l.size); err != nil {
		return err
	}
	if l.durable == nil { // later on the others know what they know from here
		if err := file.Beyond(l.remembered(m.Origin), l.size); err != nil {
			return err
		}
	}
	if err := c.CheckUnsigned(zone, l.head.Size, l.size); err != nil {
		return err
	}
	return c.CheckHeads(zone, l.size)
}

// anew is what a ledger that is made anew is called, or why none may be made.
func (l *Ledger) anew() (file.Meta, error) {
	m := file.Meta{Gate: l.opt.Gate, Origin: l.opt.Origin, TimeZone: l.opt.TimeZone, Machine: l.opt.Machine, Epoch: 1}
	if l.recent.all() { // should it not be there any more, it is made again as it was
		return l.meta, nil
	}
	ended, next, err := l.epochs.Ended()
	if err != nil {
		return m, err
	}
	if ended > 0 && !next {
		m.Epoch, m.Origin = ended+1, file.EpochOrigin(l.opt.Origin, ended+1)
		return m, nil
	}
	if file.Length(l.path) > 0 {
		return m, nil
	}
	if l.opt.Restored && !l.begun {
		return m, fmt.Errorf("%w: there is no ledger that was restored: put the copy in place as %s, or start without --restored",
			epoch.ErrSettings, l.path)
	}
	// It must not be replaced by an empty one that looks well, nor by another history under the same name and key.
	found, _, err := l.epochs.Gone(l.size)
	if err == nil && found != "" {
		err = fmt.Errorf("%s: restore it from the backup; if there is none, \"gated ledger begin\" begins a new epoch, "+
			"whose first entry says so", found)
	}
	return m, err
}

// identify reads what the ledger says about itself. For the gate that counts, whatever the settings say: they may have been
// corrected since, and tree heads are signed under one name for ever. A command does nothing to a ledger that it does not mean.
func (l *Ledger) identify(c *file.Conn) (file.Meta, *time.Location, error) {
	m, err := c.Meta()
	if err != nil {
		return m, nil, fmt.Errorf("%s: %w", l.path, err)
	}
	zone, err := time.LoadLocation(m.TimeZone)
	if err != nil {
		return m, nil, fmt.Errorf("%s: time zone %q: %w", l.path, m.TimeZone, err)
	}
	if want := file.EpochOrigin(l.opt.Origin, m.Epoch); m.Origin != want && !l.opt.Command {
		l.opt.Origin, l.epochs.Origin = m.Name(), m.Name()
	} else if m.Origin != want {
		return m, nil, fmt.Errorf("%w: %s belongs to the gate %q, they name %q: correct gate.origin, or use another state directory",
			epoch.ErrSettings, l.path, m.Origin, want)
	}
	return m, zone, nil
}

// findEnd takes note of the newest entry.
func (l *Ledger) findEnd(c *file.Conn, size int64) error {
	last := [32]byte{}
	if size > 0 {
		raw, err := c.Record(size)
		if err != nil {
			return err
		}
		last = sha256.Sum256([]byte(raw))
	}
	l.size, l.last = size, last
	l.entries.Store(size)
	l.m.entries.Set(float64(size))
	return nil
}
