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

	"gated/ledger/entry"
	"gated/ledger/tlog"
)

// A restored or cloned box never continues the old tree, since the box that it was copied from may have gone on with
// it: two histories under one name could not be told apart. The old file is put aside whole, and a new epoch begins
// with a tree, a name and a key of its own. Its first entry names the head of the old tree and the hole between. That is
// also the way out of a finding: then the first entry names what was found.

// Begin says that a new epoch is to begin, whatever the ledger holds.
type Begin struct{ By, Why string } // who asks for it, and why, in their words

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
	case l.opt.Begin != nil:
		return "begun"
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
	if l.opt.Command && l.opt.Begin == nil {
		return fmt.Errorf("%w: the state directory %s comes from another box: start the daemon first, which begins a new epoch",
			errSettings, l.opt.Dir)
	}
	if err := verifyTail(c, zone, tail); err != nil {
		return err
	}
	if err := l.settle(c, m); err != nil {
		return err
	}
	h, err := c.head(1 << 62) // the anchor may be of what was there before it was restored
	if err == nil && h.Note != nil {
		err = checkRoot(c, h)
	}
	if err != nil {
		return err
	}
	// A backup has no public key beside it; a box that was started before it was restored has one of its own.
	known, err := tlog.PublicKeys(l.opt.Dir)
	if err == nil && h.Note != nil && len(tlog.OfOrigin(known, m.Origin)) > 0 && !h.SignedBy(known...) {
		l.opt.Log.Warn("the restored ledger is signed by another key than this box has known", "origin", m.Origin)
	}
	if all, err := c.moveLog("TRUNCATE"); err != nil {
		return err
	} else if !all {
		return fmt.Errorf("somebody reads it, and its write-ahead log would be lost: end what reads %s", l.path)
	}
	if err := c.Close(); err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(l.path + suffix) // empty since the checkpoint
	}
	return l.rename(m.Epoch)
}

// rename gives the ledger and its anchor the names of an epoch that has ended. Its key goes: the other box may go on with it;
// this one must not.
func (l *Ledger) rename(epoch int) error {
	old := EpochFile(l.opt.Dir, epoch)
	for _, x := range [][2]string{{l.path + "-wal", old + "-wal"}, {l.path, old}, {anchorFile(l.path), anchorFile(old)}} {
		if err := os.Rename(x[0], x[1]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	os.Remove(tlog.KeyFile(l.opt.Dir, epoch))
	return errors.Join(l.adoptSlots(epoch+1), syncDir(l.opt.Dir))
}

// putAway puts a ledger aside that does not hold, as it is. One that holds is put aside by retire.
func (l *Ledger) putAway() error {
	m, found, err := l.examine(l.path)
	if err != nil {
		return err
	}
	if found == "" {
		return nil
	}
	if m.Epoch == 0 { // it cannot say
		ended, _, err := l.ended()
		if err != nil {
			return err
		}
		m.Epoch = ended + 1
	}
	old := EpochFile(l.opt.Dir, m.Epoch)
	if _, err := os.Lstat(old); err == nil {
		return fmt.Errorf("%s is there already: move it away, it is another ledger's", old)
	}
	if err := l.rename(m.Epoch); err != nil {
		return err
	}
	os.Remove(l.path + "-shm")
	l.begun, l.found = true, found
	return nil
}

// examine says in words why a ledger does not hold, "" where it does.
func (l *Ledger) examine(path string) (m Meta, found string, err error) {
	r, err := OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) && fileSize(path) == 0 {
		return m, "", fmt.Errorf("%w: there is no ledger %s", errSettings, path)
	}
	if err != nil {
		return m, err.Error(), nil
	}
	defer r.Close()
	m = r.Meta
	if m.Name() != l.opt.Origin {
		return m, "", fmt.Errorf("%w: %s belongs to the gate %q, they name %q", errSettings, path, m.Name(), l.opt.Origin)
	}
	if err := l.check(r); err != nil {
		return m, err.Error(), nil
	}
	return m, "", nil
}

// check is what opening a ledger checks, for one that is only read.
func (l *Ledger) check(r *Reader) error {
	end, err := r.End()
	if err != nil {
		return err
	}
	size, err := r.Size()
	if err != nil {
		return err
	}
	if err := verifyTail(r.c, r.Zone, tail); err != nil {
		return err
	}
	row, err := r.c.head(1 << 62)
	if err != nil {
		return err
	}
	h, err := end.Check(r, row, size, l.remembered(r.Meta.Origin))
	if err != nil || h.Note == nil {
		return err
	}
	if h.Size > size {
		return finding("the newest tree head counts %d entries, and %d are there: some were removed from the end", h.Size, size)
	}
	if err := checkRoot(r.c, h); err != nil {
		return err
	}
	if keys, err := tlog.PublicKeys(l.opt.Dir); err == nil && len(tlog.OfOrigin(keys, r.Meta.Origin)) > 0 && !h.SignedBy(keys...) {
		return finding("the newest tree head is not signed by a key of %s", tlog.PublicFile(l.opt.Dir))
	}
	return nil
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
	old := EpochFile(l.opt.Dir, l.meta.Epoch-1)
	now, zone := l.opt.Now(), l.zone.Load()
	d := map[string]string{"gate": l.meta.Gate, "time_zone": l.meta.TimeZone, "origin": epochOrigin(l.meta.Name(), l.meta.Epoch-1),
		"to": now.Time.In(zone).Format(entry.TimeFormat)}
	events, err := l.endOf(old, d)
	if l.found == "" && (err != nil || l.opt.Begin != nil) { // or the process that put it aside got no further
		if _, l.found, _ = l.examine(old); l.found == "" && err != nil {
			return fmt.Errorf("read the epoch before: %w", err)
		}
	}
	first := Event{Kind: Epoch, Reason: "restored", By: "machine", Detail: d}
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
	if _, err = l.enter(nil, events...); err != nil {
		return err
	}
	l.opt.Log.Warn("a new epoch of the ledger began: let an auditor keep the new key", "why", first.Reason, "found", l.found,
		"origin", l.meta.Origin, "before", d["origin"], "entries", d["size"], "root", d["root"],
		"verifier", l.keys[0].Verifier(), "fingerprint", tlog.Fingerprint(l.keys[0].Verifier()))
	l.found = ""
	return nil
}

// endOf adds to d what is to be said of the end of an epoch, and returns what goes on in the next.
func (l *Ledger) endOf(old string, d map[string]string) (events []Event, err error) {
	heads, _ := tlog.ReadAnchor(anchorFile(old)) // of a copy there is none
	r, err := OpenFile(old)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	if len(heads) > 0 && heads[0].Size > size { // what the copy lacks
		d["anchor_size"], d["anchor_root"] = strconv.FormatInt(heads[0].Size, 10), heads[0].Root.String()
	}
	root, err := tlog.RootAt(r, size)
	if err != nil {
		return nil, err
	}
	d["size"], d["root"] = strconv.FormatInt(size, 10), root.String()
	// The trusted time goes on, or else restoring a box would bring expired passes to life.
	if err := r.Scan(max(1, size-tail), size, false, func(e *Entry) error {
		d["from"] = e.Time
		if e.Clock == "trusted" {
			d["trusted"] = e.Time
		}
		return nil
	}); err != nil {
		return nil, err
	}
	known, _ := tlog.PublicKeys(l.opt.Dir)
	if h, err := r.Head(); err == nil {
		own := tlog.OfOrigin(known, r.Meta.Origin)
		if i := slices.IndexFunc(own, func(k string) bool { return h.SignedBy(k) }); i >= 0 {
			d["verifier"] = own[i]
		}
	}
	if n, err := r.erasedAfter(); err != nil {
		return nil, err
	} else if n > 0 {
		d["erased"] = strconv.FormatInt(n, 10)
	}
	return keepsOf(r)
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
