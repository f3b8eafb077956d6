package ledger

import (
	"fmt"
	"os"
	"slices"
	"time"

	"gated/ledger/entry"
	"gated/ledger/epoch"
	"gated/ledger/file"
	"gated/ledger/tlog"
)

// Begin says that a new epoch is to begin, whatever the ledger holds.
type Begin struct {
	By, Why string // who asks for it, and why, in their words
	// Verify reads the whole ledger that is about to end and says why it does not hold. What it does not see now nobody can put
	// right later. May be nil: then only the end is looked at, as at each start.
	Verify func(old *file.Reader) error
}

// restored says why a new epoch must begin, or "".
func (l *Ledger) restored(m file.Meta, entries int64) string {
	switch {
	case l.size > 0 || l.begun: // it was opened before, by this process
		return ""
	case m.Epoch > 1 && entries == 0: // it began a new epoch already, and got no further
		return ""
	case l.opt.Restored:
		return "restored"
	case l.opt.Begin != nil:
		return "begun"
	case l.opt.Machine != "" && m.Machine != "" && l.opt.Machine != m.Machine:
		return "other-machine"
	}
	return ""
}

// retire puts the ledger aside. Only one that holds can be named by the next epoch.
func (l *Ledger) retire(c *file.Conn, m file.Meta, zone *time.Location) error {
	if err := l.epochs.Free(m.Epoch); err != nil {
		return err
	}
	if l.opt.Command && l.opt.Begin == nil {
		return fmt.Errorf("%w: the state directory %s comes from another box: start the daemon first, which begins a new epoch",
			epoch.ErrSettings, l.opt.Dir)
	}
	if err := c.VerifyTail(zone); err != nil {
		return err
	}
	if err := l.settle(m); err != nil {
		return err
	}
	h, err := c.Head(1 << 62) // the anchor may be of what was there before it was restored
	if err == nil && h.Note != nil {
		err = c.CheckRoot(h)
	}
	if err != nil {
		return err
	}
	// A backup has no public key beside it; a box that was started before it was restored has one of its own.
	known, err := tlog.PublicKeys(l.opt.Dir)
	if err == nil && h.Note != nil && len(tlog.OfOrigin(known, m.Origin)) > 0 && !h.SignedBy(known...) {
		l.opt.Log.Warn("the restored ledger is signed by another key than this box has known", "origin", m.Origin)
	}
	if all, err := c.MoveLog("TRUNCATE"); err != nil {
		return err
	} else if !all {
		return fmt.Errorf("somebody reads it, and its write-ahead log would be lost: end what reads %s", l.path)
	}
	if err := c.Close(); err != nil {
		return err
	}
	os.Remove(l.path + "-wal") // empty since the checkpoint
	return l.epochs.PutAside(m.Epoch)
}

// firstOfEpoch makes the first entry of a new epoch.
func (l *Ledger) firstOfEpoch() error {
	if l.meta.Epoch <= 1 || l.size > 0 {
		return nil
	}
	now, zone := l.opt.Now(), l.zone.Load()
	d := map[string]string{"gate": l.meta.Gate, "time_zone": l.meta.TimeZone, "master": l.meta.Master,
		"origin": file.EpochOrigin(l.meta.Name(), l.meta.Epoch-1),
		"to":     now.Time.In(zone).Format(entry.TimeFormat)}
	events, err := l.epochs.End(l.meta.Epoch-1, now.Time, l.opt.Begin == nil && l.found == "", d)
	if l.found == "" && (err != nil || l.opt.Begin != nil && !l.begun) { // or the process that put it aside got no further
		if _, l.found, _ = l.epochs.Examine(file.OfEpoch(l.opt.Dir, l.meta.Epoch-1)); l.found == "" && err != nil {
			return fmt.Errorf("read the epoch before: %w", err)
		}
	}
	first := Event{Kind: entry.Epoch, Reason: "restored", By: "machine", Detail: d}
	if l.found != "" {
		first.Reason, d["found"] = "finding", l.found
	} else if l.opt.Begin != nil {
		first.Reason = "begun"
	}
	if b := l.opt.Begin; b != nil {
		first.Personal = []Field{{Name: "by", Value: b.By}, {Name: "note", Value: b.Why}}
	}
	events = append([]Event{first}, events...)
	for i := range events {
		events[i].Stamp = now
	}
	for some := range slices.Chunk(events, file.MaxBatch) {
		if _, err = l.enter(some...); err != nil {
			return err
		}
	}
	l.opt.Log.Warn("a new epoch of the ledger began: let an auditor keep the new key", "why", first.Reason, "found", l.found,
		"origin", l.meta.Origin, "before", d["origin"], "entries", d["size"], "root", d["root"],
		"verifier", l.keys[0].Verifier(), "fingerprint", tlog.Fingerprint(l.keys[0].Verifier()))
	l.found = ""
	return nil
}
