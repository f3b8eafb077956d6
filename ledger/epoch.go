package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A restored or cloned box never continues the old tree, since the box that it was copied from may have gone on with
// it: two histories under one name could not be told apart. The old file is put aside whole, and a new epoch begins
// with a tree, a name and a key of its own. Its first entry names the head of the old tree and the hole between.

// epochFile is where a ledger lies that an epoch ended with.
func epochFile(dir string, epoch int) string {
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
	old := epochFile(l.opt.Dir, m.Epoch)
	if _, err := os.Lstat(old); err == nil {
		return fmt.Errorf("%s is there already: move it away, it is another ledger's", old)
	}
	if l.opt.Unsigned {
		return fmt.Errorf("%w: the state directory %s comes from another box: start the daemon first, which begins a new epoch", errSettings, l.opt.Dir)
	}
	if err := verifyTail(c, zone, tail); err != nil {
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
	os.Remove(keyFile(l.opt.Dir, m.Epoch)) // the other box may go on with it; this one must not
	return syncDir(l.opt.Dir)
}

// ended is the number of the newest epoch that was put aside, or 0. The older ones may be gone: a backup does not hold
// them, and they are removed when their data is due.
func (l *Ledger) ended() (epoch int, next bool) {
	files, _ := os.ReadDir(l.opt.Dir) // what cannot be read cannot be opened either
	for _, f := range files {
		var n int
		if _, err := fmt.Sscanf(f.Name(), "ledger-%d.db", &n); err == nil && f.Name() == filepath.Base(epochFile("", n)) {
			epoch = max(epoch, n)
		}
	}
	known, _ := PublicKeys(l.opt.Dir)
	return epoch, len(ofOrigin(known, epochOrigin(l.opt.Origin, epoch+1))) > 0
}

// ofOrigin are the keys that bear the name.
func ofOrigin(keys []string, origin string) (own []string) {
	for _, k := range keys {
		if strings.HasPrefix(k, origin+"+") {
			own = append(own, k)
		}
	}
	return own
}

// firstOfEpoch makes the first entry of a new epoch.
func (l *Ledger) firstOfEpoch() error {
	if l.meta.Epoch <= 1 || l.size > 0 {
		return nil
	}
	r, err := OpenFile(epochFile(l.opt.Dir, l.meta.Epoch-1))
	if err != nil {
		return fmt.Errorf("read the epoch before: %w", err)
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return err
	}
	root, err := r.RootAt(size)
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
	known, _ := PublicKeys(l.opt.Dir)
	if h, err := r.Head(); err == nil {
		own := ofOrigin(known, r.Meta.Origin)
		if i := slices.IndexFunc(own, func(k string) bool { return h.signedBy(k) }); i >= 0 {
			d["verifier"] = own[i]
		}
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
		"root", root.String(), "verifier", l.keys[0].public, "fingerprint", Fingerprint(l.keys[0].public))
	return nil
}

// VerifyChain verifies the ledger of that name and, in a state directory, the epochs before it that are there, each against
// the first entry of the next. The reports are in the order of the epochs.
func VerifyChain(path string, g Given) ([]*Report, error) {
	r, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	chain := []*Reader{r}
	dir := filepath.Dir(path)
	if filepath.Base(path) == "ledger.db" {
		for epoch := r.Meta.Epoch - 1; epoch > 0; epoch-- {
			old, err := OpenFile(epochFile(dir, epoch))
			if errors.Is(err, fs.ErrNotExist) {
				break // taken away when its data was due, or not in the backup: Proved says so
			}
			if err != nil {
				return nil, fmt.Errorf("epoch %d of %d cannot be read: %w", epoch, r.Meta.Epoch, err)
			}
			defer old.Close()
			chain = append([]*Reader{old}, chain...)
		}
	}
	var reports []*Report
	since := false
	papers := make([][]Paper, len(chain)) // a line of the handover book does not say of which epoch it is
	for _, p := range g.Papers {
		at := len(chain) - 1
		for i, r := range chain {
			if root, err := r.RootAt(p.Size); err == nil && paper(root) == p.Chars {
				at = i
			}
		}
		papers[at] = append(papers[at], p)
	}
	for i, r := range chain {
		own := Given{Papers: papers[i], Keys: ofOrigin(g.Keys, r.Meta.Origin), Witnesses: g.Witnesses, Progress: g.Progress}
		var link *Entry // the entry that names what this epoch ended with
		boxed := false  // its key is named by an epoch whose own key was not given
		if i+1 < len(chain) {
			if link, err = chain[i+1].first(); err != nil {
				return nil, err
			}
			if own.Keys == nil && link.Detail["verifier"] != "" {
				own.Keys = []string{link.Detail["verifier"]}
				boxed = !slices.ContainsFunc(chain[i+1:], func(r *Reader) bool { return len(ofOrigin(g.Keys, r.Meta.Origin)) > 0 })
			}
			own.keyless = true
		} else {
			if own.Keys == nil {
				own.Keys = g.Keys // of another name: an error says so
				if known, _ := PublicKeys(dir); len(chain) > 1 && len(ofOrigin(known, r.Meta.Origin)) > 0 {
					own.Keys = nil // given is the key of an older epoch
				}
			}
		}
		if g.Since != nil && g.Since.Origin == r.Meta.Origin {
			own.Since, since = g.Since, true
		}
		rep, err := r.Verify(own)
		if err != nil {
			if len(chain) > 1 {
				err = fmt.Errorf("%s: %w", r.Meta.Origin, err)
			}
			return nil, err
		}
		rep.OwnKey = rep.OwnKey || boxed
		if i == 0 && r.Meta.Epoch > 1 && rep.Entries > 0 {
			if rep.Before, err = r.first(); err != nil {
				return nil, err
			}
		}
		if link != nil && (link.Detail["origin"] != r.Meta.Origin || link.Detail["size"] != strconv.FormatInt(rep.Entries, 10) || link.Detail["root"] != rep.Root.String()) {
			return nil, fmt.Errorf("%s: entry 1 says that the epoch before ended with entry %s of %s and the root %s; its file has %d entries and the root %s",
				chain[i+1].Meta.Origin, link.Detail["size"], link.Detail["origin"], link.Detail["root"], rep.Entries, rep.Root)
		}
		reports = append(reports, rep)
	}
	if g.Since != nil && !since {
		return nil, fmt.Errorf("the older head is of the ledger %q, this one is %q", g.Since.Origin, r.Meta.Origin)
	}
	return reports, nil
}

// first is the first entry.
func (r *Reader) first() (e *Entry, err error) {
	err = r.Scan(1, 1, false, func(x *Entry) error { e = x; return nil })
	if err == nil && (e == nil || e.Kind != Epoch) {
		err = fmt.Errorf("%s: entry 1 does not name the epoch before", r.Meta.Origin)
	}
	return e, err
}

// Proved says in words, a line each, what a verification has shown with what it was given.
func Proved(reports []*Report) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for i, r := range reports {
		name := r.Meta.Origin
		if i > 0 {
			say("%s follows %s, which ended with entry %d: its first entry names that root. What the other box recorded after that entry is not here.", name, reports[i-1].Meta.Origin, reports[i-1].Entries)
		}
		if e := r.Before; e != nil {
			say("%s: the epoch before it is not here, so nothing is said about it. It was %s and ended with entry %s and the root %s.", name, e.Detail["origin"], e.Detail["size"], e.Detail["root"])
		}
		switch {
		case r.Head.Note == nil:
			say("%s: the %d entries fit each other. No tree head is signed yet, so nothing shows that they were not rewritten.", name, r.Entries)
			continue
		case r.Head.Size == r.Entries:
			say("%s: entries 1 to %d are complete, in order, and exactly those that the newest tree head signs.", name, r.Entries)
		default:
			say("%s: entries 1 to %d are complete, in order, and exactly those that the newest tree head signs; %d newer ones are not signed yet.", name, r.Head.Size, r.Entries-r.Head.Size)
		}
		if r.Personal+r.Erased > 0 {
			say("%s: %d personal fields are the ones that were recorded; %d were erased.", name, r.Personal, r.Erased)
		}
		switch {
		case r.Key == "":
			say("%s: its signatures were not checked, as its public key is not known here: bring it with --key.", name)
		case r.OwnKey:
			say("%s: the key was taken from the box itself (fingerprint %s): compare it with the one printed at installation, or give --key.", name, Fingerprint(r.Key))
		default:
			say("%s: the heads are signed by the key you trust, or by one that it vouches for (fingerprint %s).", name, Fingerprint(r.Key))
		}
		if r.Since != nil && r.Since.Size > 0 {
			say("%s: nothing up to entry %d was changed since the head you kept.", name, r.Since.Size)
		}
		for _, p := range r.Papers {
			say("%s: nothing up to entry %d was changed since %s was written down.", name, p.Size, p)
		}
		switch {
		case r.Witness > 0 && r.OwnWitness:
			say("%s: by its own word %s saw the first %d entries: that counts with the witness's public key, from its operator, as --witness.", name, strings.Join(r.Cosigned, " and "), r.Witness)
		case r.Witness > 0:
			say("%s: %s saw the first %d entries as they are here.", name, strings.Join(r.Cosigned, " and "), r.Witness)
		}
	}
	if last := reports[len(reports)-1]; (last.Since == nil || last.Since.Size == 0) && len(last.Papers) == 0 && (last.Witness == 0 || last.OwnWitness) {
		what := "the ledger"
		if len(reports) > 1 {
			what = last.Meta.Origin // what was brought may be of an older epoch
		}
		say("This shows that %s is consistent, not that its whole history was never replaced by whoever had the box and its key: for that bring an older head (--since), the handover book (--paper), or a witness.", what)
	}
	return lines
}
