// Package epoch puts the ledger of an epoch aside, for the next one to begin.
//
// A restored or cloned box never continues the old tree, since the box that it was copied from may have gone on with it: two
// histories under one name could not be told apart. The old file is put aside whole, and a new epoch begins with a tree, a
// name and a key of its own. Its first entry names the head of the old tree and the hole between. That is also the way out
// of a finding: then the first entry names what was found.
package epoch

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/durable"
	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/seal"
	"gated/ledger/tlog"
)

// ErrSettings: the settings do not fit the ledger, and trying again would not help.
var ErrSettings = errors.New("the settings do not fit the ledger")

// Files are the ledgers in a state directory.
type Files struct {
	Dir    string
	Origin string                    // that of the first epoch
	Known  func(origin string) int64 // how many entries others remember
	Carry  Carry
	Verify func(old *file.Reader) error // reads a whole ledger before it is put aside; may be nil
	Log    *slog.Logger
}

// Carry tells what an epoch that has ended leaves to the next at a moment: details of its first entry, and events that go right
// behind it. It may be nil.
type Carry func(old *file.Reader, now time.Time) (detail map[string]string, events []entry.Event, err error)

// current is where the ledger lies that goes on.
func (f Files) current() string { return filepath.Join(f.Dir, "ledger.db") }

// Free tells whether the ledger of an epoch can be put aside under its name.
func (f Files) Free(epoch int) error {
	old := file.OfEpoch(f.Dir, epoch)
	if _, err := os.Lstat(old); err == nil {
		return fmt.Errorf("%s is there already: move it away, it is another ledger's", old)
	}
	return nil
}

// PutAside gives the ledger and its anchor the names of an epoch that has ended. Its key goes: the other box may go on with
// it; this one must not.
func (f Files) PutAside(epoch int) error {
	path, old := f.current(), file.OfEpoch(f.Dir, epoch)
	for _, x := range [][2]string{{path + "-wal", old + "-wal"}, {path, old}, {file.AnchorOf(path), file.AnchorOf(old)}} {
		if err := os.Rename(x[0], x[1]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	os.Remove(path + "-shm")
	os.Remove(tlog.KeyFile(f.Dir, epoch))
	return errors.Join(f.AdoptSlots(epoch+1), durable.SyncDir(f.Dir))
}

// AdoptSlots gives the slot files of epochs that ended before this one the name of their ledger. A power cut may have come
// between the two.
func (f Files) AdoptSlots(epoch int) error {
	for _, n := range file.Aside(f.Dir, epoch) {
		path := file.OfEpoch(f.Dir, n)
		r, err := file.OpenFile(path)
		if err != nil {
			f.Log.Warn("an older epoch of the ledger cannot be read", "cause", err)
			continue
		}
		err = seal.Adopt(seal.Stem(f.current()), seal.Stem(path), r.Meta.Whose())
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Gone says in words that the ledger is not there though what lies beside it tells of one, and which epoch that is; "" where
// that is not so. seen is how many entries somebody has seen in it.
func (f Files) Gone(seen int64) (found string, epoch int, err error) {
	ended, next, err := f.Ended()
	if err != nil || file.Length(f.current()) > 0 || ended > 0 && !next {
		return "", 0, err
	}
	origin := file.EpochOrigin(f.Origin, ended+1)
	known := max(seen, f.Known(origin))
	heads, _ := tlog.ReadAnchor(file.AnchorOf(f.current()))
	if len(heads) > 0 && heads[0].Origin == origin {
		known = max(known, heads[0].Size)
	}
	switch {
	case known > 0:
		found = fmt.Sprintf("%s is gone, and it had %d entries", f.current(), known)
	case next:
		found = fmt.Sprintf("%s is gone, and it had a key of its own", f.current())
	}
	return found, ended + 1, nil
}

// LedgerGone says that the ledger of a state directory is not there though what lies beside it tells of
// one; nil where that is not so. known is as in Files.
func LedgerGone(dir string, known func(origin string) int64) error {
	var names []string // of ledgers that these tell of
	ledger := filepath.Join(dir, "ledger.db")
	keys, _ := tlog.PublicKeys(dir)
	for _, k := range keys {
		name, _, _ := strings.Cut(k, "+")
		names = append(names, name)
	}
	heads, _ := tlog.ReadAnchor(file.AnchorOf(ledger))
	for _, h := range heads {
		names = append(names, h.Origin)
	}
	for _, name := range names {
		for _, first := range []string{name, path.Dir(name)} { // without its epoch
			f := Files{Dir: dir, Origin: first, Known: known}
			if found, _, err := f.Gone(0); err != nil || found != "" {
				return cmp.Or(err, errors.New(found+": restore it from the backup"))
			}
		}
	}
	slots, err := filepath.Glob(filepath.Join(dir, "personal*.keys"))
	if err == nil && len(slots) > 0 && file.Length(ledger) == 0 {
		err = fmt.Errorf("%s is gone, and slots of its personal data are there: restore it from the backup", ledger)
	}
	return err
}

// PutAsideBroken puts a ledger aside that does not hold, as it is, and says what was found; "" where it holds. In the place of
// one that is gone stands a file that says so, by which the next epoch has its number.
func (f Files) PutAsideBroken() (found string, err error) {
	found, epoch, err := f.Gone(0)
	if err != nil || found != "" {
		if err == nil {
			err = f.Free(epoch)
		}
		if err == nil {
			err = tlog.WriteWhole(file.OfEpoch(f.Dir, epoch), []byte(found+"\n"))
		}
		if err != nil {
			return "", err
		}
		os.Remove(f.current()) // should it be there, and empty
		return found, f.PutAside(epoch)
	}
	ended, next, err := f.Ended()
	if err != nil || ended > 0 && !next && file.Length(f.current()) == 0 { // who put it aside got no further
		return "", err
	}
	m, found, err := f.Examine(f.current())
	if err != nil || found == "" {
		return "", err
	}
	if m.Epoch == 0 { // it cannot say
		m.Epoch = ended + 1
	}
	if err := f.Free(m.Epoch); err != nil {
		return "", err
	}
	return found, f.PutAside(m.Epoch)
}

// Examine says in words why a ledger does not hold, "" where it does.
func (f Files) Examine(path string) (m file.Meta, found string, err error) {
	r, err := file.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) && file.Length(path) == 0 {
		return m, "", fmt.Errorf("%w: there is no ledger %s", ErrSettings, path)
	}
	if err != nil {
		return m, err.Error(), nil
	}
	defer r.Close()
	m = r.Meta
	if m.Name() != f.Origin {
		return m, "", fmt.Errorf("%w: %s belongs to the gate %q, they name %q", ErrSettings, path, m.Name(), f.Origin)
	}
	keys, _ := tlog.PublicKeys(f.Dir) // a backup has none beside it
	if err = r.Check(f.Known(m.Origin), keys); err == nil && f.Verify != nil {
		err = f.Verify(r)
	}
	if err != nil {
		return m, err.Error(), nil
	}
	return m, "", nil
}

// Ended is the number of the newest epoch that was put aside, or 0; next tells whether the one after it has had a key. The
// older ones may be gone: a backup does not hold them, and they are removed when their data is due.
func (f Files) Ended() (epoch int, next bool, err error) {
	files, _ := os.ReadDir(f.Dir) // what cannot be read cannot be opened either
	for _, x := range files {
		var n int
		if _, err := fmt.Sscanf(x.Name(), "ledger-%d.db", &n); err == nil && x.Name() == filepath.Base(file.OfEpoch("", n)) {
			epoch = max(epoch, n)
		}
	}
	known, err := tlog.PublicKeys(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return epoch, len(tlog.OfOrigin(known, file.EpochOrigin(f.Origin, epoch+1))) > 0, err
}

// End adds to d what is to be said at a moment of the end of an epoch, and returns what goes on in the next. restored: the file may
// be a copy that is older than its slots.
func (f Files) End(epoch int, now time.Time, restored bool, d map[string]string) (events []entry.Event, err error) {
	old := file.OfEpoch(f.Dir, epoch)
	heads, _ := tlog.ReadAnchor(file.AnchorOf(old)) // of a copy there is none
	r, err := file.OpenFile(old)
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
	if err := r.Scan(max(1, size-file.Tail), size, false, func(e *entry.Entry) error { d["from"] = e.Time; return nil }); err != nil {
		return nil, err
	}
	if err := trusted(r, d); err != nil {
		return nil, err
	}
	known, _ := tlog.PublicKeys(f.Dir)
	if h, err := r.Head(); err == nil {
		own := tlog.OfOrigin(known, r.Meta.Origin)
		if i := slices.IndexFunc(own, func(k string) bool { return h.SignedBy(k) }); i >= 0 {
			d["verifier"] = own[i]
		}
	}
	if events, err = keeps(r); err == nil && f.Carry != nil {
		var more map[string]string
		var carried []entry.Event
		more, carried, err = f.Carry(r, now)
		maps.Copy(d, more)
		events = append(events, carried...)
	}
	if err != nil || !restored { // in a ledger that is no copy of an older one that is a finding
		return events, err
	}
	n, err := r.ErasedAfter()
	if n > 0 {
		d["erased"] = strconv.FormatInt(n, 10)
	}
	return events, err
}

// trusted adds the newest trusted time to d: it goes on, or else restoring a box would bring expired passes to life; in the same boot
// with its clock. An epoch in which no clock was trusted has it from the one before.
func trusted(r *file.Reader, d map[string]string) error {
	e, err := r.NewestTrusted()
	if err == nil && e != nil {
		d["trusted"], d["trusted_boot"], d["trusted_mono"] = e.Time, e.Boot, strconv.FormatInt(e.Mono, 10)
	}
	if err != nil || e != nil {
		return err
	}
	return r.Scan(1, 1, false, func(e *entry.Entry) error {
		for _, name := range []string{"trusted", "trusted_boot", "trusted_mono"} {
			if has := e.Detail[name]; e.Kind == entry.Epoch && has != "" {
				d[name] = has
			}
		}
		return nil
	})
}

// keeps are the keep entries of an older epoch that are still in force. They would not hold in the next one.
func keeps(r *file.Reader) (events []entry.Event, err error) {
	kept := map[int64]*entry.Entry{}
	err = r.OfKind(1, math.MaxInt64, func(e *entry.Entry) error {
		if e.Reason == "lifted" {
			delete(kept, e.Ref)
		} else {
			kept[e.Seq] = e
		}
		return nil
	}, entry.Keep)
	for _, seq := range slices.Sorted(maps.Keys(kept)) {
		d := maps.Clone(kept[seq].Detail)
		d["origin"], d["entry"] = r.Meta.Origin, strconv.FormatInt(seq, 10)
		events = append(events, entry.Event{Kind: entry.Keep, Reason: "keep", By: "machine", Detail: d})
	}
	return events, err
}
