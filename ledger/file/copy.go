package file

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"gated/durable"
	"gated/ledger/seal"
	"gated/ledger/tlog"
)

// BackUp copies the ledger of a state directory into a file, and its slots beside it, while the gate works. Older copies are
// replaced by whole ones or stay. The slots come first: then the copy of the ledger knows of all that was erased in them. It
// returns the tree head of the copy. The master key is no part of it.
func BackUp(dir, to string) (h tlog.Head, err error) {
	r, err := OpenReader(dir)
	if err != nil {
		return h, err
	}
	defer r.Close()
	f, err := durable.Begin(to)
	if err != nil {
		return h, err
	}
	defer f.Close()
	defer os.Remove(f.Name())
	for range 10 { // entries may come faster than they are copied
		if err := f.Truncate(0); err != nil {
			return h, err
		}
		if err := r.copySlots(seal.Stem(to)); err != nil {
			return h, err
		}
		if h, err = r.Copy(f.Name()); err != nil {
			return h, err
		}
		if enough, err := slotsReach(f.Name(), seal.Stem(to)); err != nil {
			return h, err
		} else if enough {
			break
		}
	}
	return h, errors.Join(os.Rename(f.Name(), to), durable.SyncDir(filepath.Dir(to)))
}

// copySlots copies the slots that there are now.
func (r *Reader) copySlots(stem string) error {
	files, err := r.Slots(os.O_RDONLY)
	if err == nil {
		err = files.Copy(stem)
	}
	return errors.Join(err, files.Close())
}

// slotsReach tells whether the newest entry of a copy has a slot beside it, if it has one at all.
func slotsReach(ledger, stem string) (bool, error) {
	r, err := OpenFile(ledger)
	if err != nil {
		return false, err
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return false, err
	}
	files, _, err := seal.OpenFiles(stem, r.Meta.Whose(), os.O_RDONLY)
	if err != nil || len(files) == 0 {
		return true, errors.Join(err, files.Close())
	}
	end, err := files.End()
	return end >= size, errors.Join(err, files.Close())
}

// Copy copies the ledger with everything in it into a file of mode 0600, absent or empty, while it is used, and looks
// whether the copy holds: its newest entries, and the newest tree head against tiles and entries. It returns that head.
func (r *Reader) Copy(path string) (tlog.Head, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would take the umask's mode
	if err != nil {
		return tlog.Head{}, err
	}
	defer f.Close()
	newest, err := r.Head() // before: the copy has all that it counts
	if err != nil && !errors.Is(err, tlog.ErrNoHead) {
		return tlog.Head{}, err
	}
	size, err := r.Size()
	if err != nil {
		return tlog.Head{}, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return tlog.Head{}, err
	}
	if err := vacuumInto(r.path, path); err != nil {
		return tlog.Head{}, fmt.Errorf("copy the ledger: %w", err)
	}
	if err := addHead(path, newest); err != nil {
		return tlog.Head{}, fmt.Errorf("add the newest tree head to the copy: %w", err)
	}
	c, err := OpenFile(path)
	if err != nil {
		return tlog.Head{}, fmt.Errorf("open the copy: %w", err)
	}
	defer c.Close()
	if n, err := c.Size(); err != nil || n < size {
		return tlog.Head{}, fmt.Errorf("the copy has %d entries, the ledger %d (%v)", n, size, err)
	}
	if err := c.c.VerifyTail(c.Zone); err != nil {
		return tlog.Head{}, fmt.Errorf("the copy does not hold: %w", err)
	}
	h, err := c.Head()
	if err != nil {
		return tlog.Head{}, err
	}
	if err := c.c.CheckRoot(h); err != nil {
		return tlog.Head{}, fmt.Errorf("the copy does not hold: %w", err)
	}
	return h, f.Sync()
}

// addHead adds the head to a copy, which has no anchor.
func addHead(path string, h tlog.Head) error {
	if h.Note == nil {
		return nil
	}
	c, err := connect(path, fileURI(path, "rw")+"&_error_rc=1&_journal_mode=OFF&_synchronous=OFF") // the copy is synced when it is whole
	if err != nil {
		return err
	}
	return errors.Join(c.Exec("INSERT OR IGNORE INTO head(size, note) VALUES(?, ?)", h.Size, string(h.Note)), c.Close())
}

func fileURI(path, mode string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode
}

func vacuumInto(from, to string) error {
	c, err := connect(from, fileURI(from, "ro")+"&_busy_timeout=5000&_error_rc=1")
	if err != nil {
		return err
	}
	return errors.Join(c.Exec("VACUUM INTO ?", to), c.Close())
}
