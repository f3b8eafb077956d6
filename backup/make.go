package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	pathpkg "path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gated/durable"
	"gated/ledger/file"
	"gated/ledger/tlog"
	"gated/sqliteprocess"

	_ "modernc.org/sqlite"
)

// Made is what was copied.
type Made struct {
	Head    tlog.Head // of the copy of the ledger, which may have more entries
	Entries int64     // of that copy
	Bytes   int64     // of all files
	Unknown []string  // files of the state directory that are none of ours, and in no backup
	Faulty  []string  // what is in the backup otherwise than it lies there, and why
	Broken  []error   // why older epochs are not copied; what was copied of them before stays
}

// Line says in a line what was copied, and in how long.
func (m Made) Line(took time.Duration) string {
	return fmt.Sprintf("entries=%d bytes=%d seconds=%.1f head=%d:%s", m.Entries, m.Bytes, took.Seconds(), m.Head.Size, m.Head.ShortRoot())
}

// Tell says what was not copied as it is.
func (m Made) Tell(w io.Writer) {
	for _, what := range m.Faulty {
		fmt.Fprintln(w, what)
	}
	for _, name := range m.Unknown {
		fmt.Fprintf(w, "not in the backup, since gated does not know it: %s\n", name)
	}
	for _, err := range m.Broken {
		fmt.Fprintf(w, "not in the backup as it is now: %v: copy the file by hand, it is evidence\n", err)
	}
}

// Make copies all that a gate needs into a directory, which it makes if need be, while the gate works. Older files are replaced
// by whole ones or stay.
//
// The slots are copied before the ledger, so that the ledger's copy knows of all that was erased in them; the roster is copied
// behind it, so that it has every change that the ledger's copy tells of. And the archive gets its name first: should the power
// fail between the two, an older ledger is found beside newer slots and a newer roster, never the other way round.
func Make(src Sources, to string) (m Made, err error) {
	if to, err = filepath.Abs(to); err != nil {
		return m, err
	}
	if Inside(to, src.State) {
		return m, fmt.Errorf("%s is in the state directory: a copy that burns with the original is none", to)
	}
	if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return m, err
	}
	m.Faulty = src.faults()
	r, err := file.OpenReader(src.State)
	if err != nil {
		return m, err
	}
	defer r.Close()
	before, err := older(r, to)
	if err != nil {
		return m, err
	}
	ledger, err := begin(to, "ledger.db")
	if err != nil {
		return m, err
	}
	defer drop(ledger)
	secret, err := begin(to, Archive)
	if err != nil {
		return m, err
	}
	defer drop(secret)
	for range 10 { // entries may come faster than they are copied
		var enough bool
		if enough, err = m.fill(secret, ledger, r, src); err != nil {
			return m, err
		} else if enough {
			break
		}
	}
	if err := lost(src, r, to, secret); err != nil { // before anything in the directory changes
		return m, err
	}
	if before > 0 {
		if err := os.Rename(filepath.Join(to, "ledger.db"), file.OfEpoch(to, before)); err != nil {
			return m, fmt.Errorf("keep the copy of epoch %d, which has ended: %w", before, err)
		}
		if err := durable.SyncDir(to); err != nil {
			return m, err
		}
	}
	for _, n := range file.Aside(src.State, r.Meta.Epoch) {
		size, err := ended(src.State, to, n)
		if err != nil { // it may have been put aside because something was found
			m.Broken = append(m.Broken, fmt.Errorf("%s: %w", file.OfEpoch(src.State, n), err))
		}
		m.Bytes += size
	}
	if m.Unknown, err = unknown(src); err != nil {
		return m, err
	}
	for _, f := range []*os.File{secret, ledger} {
		st, err := f.Stat()
		if err != nil {
			return m, err
		}
		m.Bytes += st.Size()
	}
	if err := durable.Swap(secret, filepath.Join(to, Archive)); err != nil {
		return m, err
	}
	return m, name(ledger, filepath.Join(to, "ledger.db"))
}

// name gives a whole copy of a ledger its name. What had it needs no overwriting.
func name(f *os.File, path string) error {
	if err := errors.Join(f.Sync(), os.Rename(f.Name(), path)); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// begin makes a file for whoever owns the directory: the next backup may be another user's.
func begin(dir, name string) (*os.File, error) {
	f, err := durable.Begin(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		uid, gid, err := Owner(dir)
		if err == nil {
			err = f.Chown(uid, gid)
		}
		if err != nil {
			drop(f)
			return nil, err
		}
	}
	return f, nil
}

// Owner is to whom a directory belongs.
func Owner(dir string) (uid, gid int, err error) {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", dir, err)
	}
	return int(st.Uid), int(st.Gid), nil
}

// drop closes a file. If it got no name it is overwritten and removed: it may be half an archive.
func drop(f *os.File) {
	is, err := f.Stat()
	named, nerr := os.Lstat(f.Name())
	if err == nil && nerr == nil && os.SameFile(is, named) {
		durable.Overwrite(f) // where the disk refuses, its name goes all the same
		os.Remove(f.Name())
	}
	f.Close()
}

// older looks whether what is in the directory is an older backup of the same ledger: another one's, or one that goes further,
// is not replaced. It returns the epoch of that copy where it has ended since, so that it is kept.
func older(r *file.Reader, to string) (before int, err error) {
	path := filepath.Join(to, "ledger.db")
	old, err := file.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("the older backup cannot be read, and stays: %w: move it away", err)
	}
	defer old.Close()
	if old.Meta.Epoch < r.Meta.Epoch && old.Meta.Name() == r.Meta.Name() {
		return old.Meta.Epoch, nil
	}
	if err := follows(r, old); err != nil {
		return 0, fmt.Errorf("%s %w: choose another directory for the backup", path, err)
	}
	return 0, nil
}

// follows says why a ledger is not the one of which old is a copy.
func follows(r, old *file.Reader) error {
	size, err := old.Size()
	if err != nil {
		return err
	}
	has, err := r.Size()
	if err != nil {
		return err
	}
	if r.Meta.Origin != old.Meta.Origin || r.Meta.Master != old.Meta.Master || has < size {
		return fmt.Errorf("is of another ledger, or of a time when this one had more entries (%d, now %d)", size, has)
	}
	was, err := tlog.RootAt(old, size)
	if err != nil {
		return err
	}
	if is, err := tlog.RootAt(r, size); err != nil || is != was {
		return errors.Join(err, errors.New("is of another history than the ledger"))
	}
	return nil
}

// ended copies the ledger of an epoch that has ended, unless it was copied before: it never changes.
func ended(state, to string, epoch int) (size int64, err error) {
	from, err := file.OpenFile(file.OfEpoch(state, epoch))
	if err != nil {
		return 0, err
	}
	defer from.Close()
	path := file.OfEpoch(to, epoch)
	old, err := file.OpenFile(path)
	if err == nil {
		err = follows(from, old)
		was, oerr := old.Size()
		is, ferr := from.Size()
		if err = errors.Join(err, oerr, ferr, old.Close()); err == nil && was == is {
			return 0, nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s %w", path, err)
	}
	f, err := begin(to, filepath.Base(path))
	if err != nil {
		return 0, err
	}
	defer drop(f)
	if _, err := from.Copy(f.Name()); err != nil {
		return 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), name(f, path)
}

// fill writes the archive and the copy of the ledger. enough tells whether each entry of the copy has a slot in the archive.
func (m *Made) fill(secret, ledger *os.File, r *file.Reader, src Sources) (enough bool, err error) {
	for _, f := range []*os.File{secret, ledger} {
		if err := f.Truncate(0); err != nil {
			return false, err
		}
	}
	if _, err := secret.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	w := &archive{Writer: tar.NewWriter(secret)}
	if err := outside(w, src); err != nil {
		return false, err
	}
	slots, err := r.Slots(os.O_RDONLY)
	if err != nil {
		return false, errors.Join(err, slots.Close())
	}
	end, err := slots.End() // at least: they become more while they are copied
	if err = errors.Join(err, slots.Close()); err != nil {
		return false, err
	}
	names, err := list(src.State)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if FateOf(name) == Archived && !strings.HasPrefix(name, trustName+"/") && name != "roster.db" {
			if err := add(w, name, filepath.Join(src.State, filepath.FromSlash(name))); err != nil {
				return false, err
			}
		}
	}
	if m.Head, err = r.Copy(ledger.Name()); err != nil {
		return false, err
	}
	if err := roster(w, src); err != nil {
		return false, err
	}
	if err := errors.Join(w.end(), secret.Sync()); err != nil {
		return false, fmt.Errorf("write %s: %w", Archive, err)
	}
	c, err := file.OpenFile(ledger.Name())
	if err != nil {
		return false, err
	}
	m.Entries, err = c.Size()
	return end == 0 || end >= m.Entries, errors.Join(err, c.Close())
}

// outside adds what may lie outside the state directory, as it is in force: the last good copy of what is faulty. It comes first: a
// restore begins with the settings.
func outside(w *archive, src Sources) error {
	for _, f := range []struct{ name, path, lastGood string }{
		{settingsName, src.Settings, "settings"}, {policyName, src.Policy, "policy"}} {
		if path, is := src.copyOf(f.lastGood); is {
			f.path = path
		}
		if f.path == "" {
			continue
		}
		if err := add(w, f.name, f.path); err != nil {
			return err
		}
	}
	dir, err := filepath.EvalSymlinks(src.trust())
	if errors.Is(err, fs.ErrNotExist) && src.Trust == "" {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := list(dir)
	if err != nil {
		return err
	}
	paths := map[string]string{}
	for _, name := range names {
		paths[trustName+"/"+name] = filepath.Join(dir, filepath.FromSlash(name))
	}
	for faulty := range src.Faulty {
		delete(paths, faulty)
		path, is := src.copyOf(faulty)
		if !is || !strings.HasPrefix(faulty, trustName+"/") {
			continue
		}
		copies, err := list(path) // what is faulty may be a directory
		if err != nil {
			return err
		}
		for _, name := range copies {
			at := pathpkg.Join(faulty, name)
			if _, good := paths[at]; !good {
				paths[at] = filepath.Join(path, filepath.FromSlash(name))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		if err := add(w, name, paths[name]); err != nil {
			return err
		}
	}
	return nil
}

// add adds a file as it is now. One that grows is cut off where it ended when it was opened.
func add(w *archive, name, path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not block
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file: put the right one in its place, or move it away", path)
	}
	return put(w, name, st.Size(), st.ModTime(), io.LimitReader(f, st.Size()))
}

// archive is the archive as it is written.
type archive struct {
	*tar.Writer
	sums []byte
}

func put(w *archive, name string, size int64, at time.Time, from io.Reader) error {
	sum := sha256.New()
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: at, Format: tar.FormatPAX})
	if err == nil {
		_, err = io.Copy(io.MultiWriter(w, sum), from)
	}
	if err == nil {
		err = w.Flush() // says if there was less
	}
	if err != nil {
		return fmt.Errorf("add %s to %s: %w", name, Archive, err)
	}
	w.sums = fmt.Appendf(w.sums, "%x  %s\n", sum.Sum(nil), name)
	return nil
}

// end adds the sums of all.
func (w *archive) end() error {
	return errors.Join(put(w, sumsName, int64(len(w.sums)), time.Now(), bytes.NewReader(w.sums)), w.Close())
}

// roster adds the roster as it stands, which goes through no other file on the way: it is full of names.
func roster(w *archive, src Sources) error {
	path := filepath.Join(src.State, "roster.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && src.Roster == 0 {
		return nil // none was imported yet
	}
	if err := sqliteprocess.Prepare(path); err != nil {
		return err
	}
	query := "mode=ro&_pragma=busy_timeout(5000)&_pragma=query_only(1)"
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		query = "mode=ro&immutable=1" // nobody has it open, and no file is to be made beside it
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+query)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var sound string
	if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&sound); err != nil {
		return fmt.Errorf("read roster.db: %w", err)
	} else if sound != "ok" {
		return fmt.Errorf("roster.db is damaged, so the older backup stays: %s", sound)
	}
	var changes int64 // the file's own, whoever has one of that name open
	if err := db.QueryRow("SELECT value FROM meta WHERE key='change'").Scan(&changes); err != nil {
		return fmt.Errorf("read roster.db: %w", err)
	} else if changes < src.Roster {
		return fmt.Errorf("roster.db has had %d changes, and the ledger knows of %d, so the older backup stays: put the right one back, "+
			"and restart the daemon", changes, src.Roster)
	}
	c, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(x any) error {
		image, err := x.(interface{ Serialize() ([]byte, error) }).Serialize()
		if err != nil {
			return fmt.Errorf("copy roster.db: %w", err)
		}
		return put(w, "roster.db", int64(len(image)), time.Now(), bytes.NewReader(image))
	})
}

// unknown are the files that are none of ours, and not among what came from elsewhere.
func unknown(src Sources) (names []string, err error) {
	all, err := list(src.State)
	for _, name := range all {
		path := filepath.Join(src.State, filepath.FromSlash(name))
		if FateOf(name) == Unknown && resolved(path) != resolved(src.Settings) && resolved(path) != resolved(src.Policy) &&
			!Inside(path, src.trust()) {
			names = append(names, name)
		}
	}
	return names, err
}
