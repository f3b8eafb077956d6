package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"gated/ledger/tlog"
)

// A restored or cloned box never continues the old tree, since the box that it was copied from may have gone on with
// it: two histories under one name could not be told apart. The old file is put aside whole, and a new epoch begins
// with a tree, a name and a key of its own. Its first entry names the head of the old tree and the hole between.

// EpochFile is where a ledger lies that an epoch ended with.
func EpochFile(dir string, epoch int) string {
	return filepath.Join(dir, fmt.Sprintf("ledger-%d.db", epoch))
}

// restored says why a new epoch must begin, or "".
func (l *Ledger) restored(m Meta, entries int64) string {
	switch {
	case l.size > 0 || l.begun: // it was opened before, by this process
		return ""
	case m.Epoch > 1 && entries == 0: // it began a new epoch already, and got no further
		return ""
	case l.opt.Restored:
		return "restored"
	case l.opt.Machine != "" && m.Machine != "" && l.opt.Machine != m.Machine:
		return "other-machine"
	}
	return ""
}

// retire puts the ledger aside. Only one that holds can be named by the next epoch.
func (l *Ledger) retire(c *conn, m Meta, zone *time.Location) error {
	old := EpochFile(l.opt.Dir, m.Epoch)
	if _, err := os.Lstat(old); err == nil {
		return fmt.Errorf("%s is there already: move it away, it is another ledger's", old)
	}
	if l.opt.Unsigned {
		return fmt.Errorf("%w: the state directory %s comes from another box: start the daemon first, which begins a new epoch", errSettings, l.opt.Dir)
	}
	if err := verifyTail(c, zone, tail); err != nil {
		return err
	}
	if err := l.settle(c, m); err != nil {
		return err
	}
	l.keys = nil
	// A backup has no public key beside it; a box that was started before it was restored has one of its own.
	if err := l.openTree(c, m); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errStranger) {
		return err
	}
	if busy, _, err := c.checkpoint("TRUNCATE"); err != nil {
		return err
	} else if busy {
		return fmt.Errorf("somebody reads it, and its write-ahead log would be lost: end what reads %s", l.path)
	}
	if err := c.Close(); err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(l.path + suffix) // empty since the checkpoint
	}
	if err := os.Rename(l.path, old); err != nil {
		return err
	}
	os.Remove(tlog.KeyFile(l.opt.Dir, m.Epoch)) // the other box may go on with it; this one must not
	return errors.Join(l.adoptSlots(m.Epoch+1), syncDir(l.opt.Dir))
}

// ended is the number of the newest epoch that was put aside, or 0. The older ones may be gone: a backup does not hold
// them, and they are removed when their data is due.
func (l *Ledger) ended() (epoch int, next bool, err error) {
	files, _ := os.ReadDir(l.opt.Dir) // what cannot be read cannot be opened either
	for _, f := range files {
		var n int
		if _, err := fmt.Sscanf(f.Name(), "ledger-%d.db", &n); err == nil && f.Name() == filepath.Base(EpochFile("", n)) {
			epoch = max(epoch, n)
		}
	}
	known, err := tlog.PublicKeys(l.opt.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return epoch, len(tlog.OfOrigin(known, epochOrigin(l.opt.Origin, epoch+1))) > 0, err
}

// firstOfEpoch makes the first entry of a new epoch.
func (l *Ledger) firstOfEpoch() error {
	if l.meta.Epoch <= 1 || l.size > 0 {
		return nil
	}
	r, err := OpenFile(EpochFile(l.opt.Dir, l.meta.Epoch-1))
	if err != nil {
		return fmt.Errorf("read the epoch before: %w", err)
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return err
	}
	root, err := tlog.RootAt(r, size)
	if err != nil {
		return err
	}
	now, zone := l.opt.Now(), l.zone.Load()
	d := map[string]string{"gate": l.meta.Gate, "time_zone": l.meta.TimeZone, "origin": r.Meta.Origin, "size": strconv.FormatInt(size, 10), "root": root.String(), "to": now.Time.In(zone).Format(timeFormat)}
	// The trusted time goes on, or else restoring a box would bring expired passes to life.
	if err := r.Scan(max(1, size-tail), size, false, func(e *Entry) error {
		d["from"] = e.Time
		if e.Clock == "trusted" {
			d["trusted"] = e.Time
		}
		return nil
	}); err != nil {
		return err
	}
	known, _ := tlog.PublicKeys(l.opt.Dir)
	if h, err := r.Head(); err == nil {
		own := tlog.OfOrigin(known, r.Meta.Origin)
		if i := slices.IndexFunc(own, func(k string) bool { return h.SignedBy(k) }); i >= 0 {
			d["verifier"] = own[i]
		}
	}
	if n, err := r.erasedAfter(); err != nil {
		return err
	} else if n > 0 {
		d["erased"] = strconv.FormatInt(n, 10)
	}
	events, err := keepsOf(r)
	if err != nil {
		return err
	}
	events = append([]Event{{Kind: Epoch, Reason: "restored", By: "machine", Detail: d}}, events...)
	for i := range events {
		events[i].Stamp = now
	}
	if _, err = l.enter(nil, events...); err != nil {
		return err
	}
	l.opt.Log.Warn("a new epoch of the ledger began: this box was restored or cloned; let an auditor keep the new key", "origin", l.meta.Origin, "before", r.Meta.Origin, "entries", size,
		"root", root.String(), "verifier", l.keys[0].Verifier(), "fingerprint", tlog.Fingerprint(l.keys[0].Verifier()))
	return nil
}

// aside lists the epochs before the current one whose files are there.
func aside(dir string, epoch int) (found []int) {
	for n := 1; n < epoch; n++ {
		if _, err := os.Lstat(EpochFile(dir, n)); err == nil {
			found = append(found, n)
		}
	}
	return found
}

// OpenEpochs opens the ledger of a state directory for reading and then those of its older epochs that are there, the oldest
// first. Its error names those that cannot be read, if any; nil without the current one.
func OpenEpochs(dir string) ([]*Reader, error) {
	current, err := OpenReader(dir)
	if err != nil {
		return nil, err
	}
	all := []*Reader{current}
	for _, n := range aside(dir, current.Meta.Epoch) {
		path := EpochFile(dir, n)
		r, oerr := OpenFile(path)
		if oerr == nil && r.Meta.Origin != epochOrigin(current.Meta.Name(), n) {
			r.Close()
			oerr = fmt.Errorf("%s is of %s, not of epoch %d: move it away, it is another ledger's", path, r.Meta.Origin, n)
		}
		if oerr != nil {
			err = errors.Join(err, oerr)
			continue
		}
		all = append(all, r)
	}
	return all, err
}

// keepsOf are the keep entries of an older epoch that are still in force. They would not hold in the next one.
func keepsOf(r *Reader) (events []Event, err error) {
	kept := map[int64]*Entry{}
	err = r.query(`instr(record, '"kind":"keep"')`, func(e *Entry) error {
		switch {
		case e.Kind != Keep:
		case e.Reason == "lifted":
			delete(kept, e.Ref)
		default:
			kept[e.Seq] = e
		}
		return nil
	})
	for _, seq := range slices.Sorted(maps.Keys(kept)) {
		d := maps.Clone(kept[seq].Detail)
		d["origin"], d["entry"] = r.Meta.Origin, strconv.FormatInt(seq, 10)
		events = append(events, Event{Kind: Keep, Reason: "keep", By: "machine", Detail: d})
	}
	return events, err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
