package ledger

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"gated/ledger/tlog"
)

// Copy copies the ledger with everything in it into a file of mode 0600, absent or empty, while it is used, and looks whether the copy holds: its
// newest entries, and the newest tree head against tiles and entries. It returns that head.
func (r *Reader) Copy(path string) (tlog.Head, error) {
	if f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil { // SQLite would take the umask's mode
		return tlog.Head{}, err
	} else if err := f.Close(); err != nil {
		return tlog.Head{}, err
	}
	if err := r.ExportSQLite(path, true); err != nil {
		return tlog.Head{}, err
	}
	c, err := OpenFile(path)
	if err != nil {
		return tlog.Head{}, fmt.Errorf("open the copy: %w", err)
	}
	defer c.Close()
	if err := verifyTail(c.c, c.Zone, tail); err != nil {
		return tlog.Head{}, fmt.Errorf("the copy does not hold: %w", err)
	}
	h, err := c.Head()
	if err != nil {
		return tlog.Head{}, err
	}
	if root, err := tlog.RootAt(c, h.Size); err != nil || root != h.Root {
		return tlog.Head{}, fmt.Errorf("the copy does not hold: its root at %d entries is %v, the tree head signed %v (%v)", h.Size, root, h.Root, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return tlog.Head{}, err
	}
	defer f.Close()
	return h, f.Sync()
}

// ExportSQLite copies the whole ledger into a file that is absent or empty, while the daemon writes on, and compares the
// copy's size with the original's. Unless personal, only the hashes of the personal fields are copied.
func (r *Reader) ExportSQLite(path string, personal bool) error {
	size, err := r.Size()
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	if personal {
		err = vacuumInto(r.path, path)
	} else {
		err = copyWithout(r.path, path)
	}
	if err != nil {
		return fmt.Errorf("copy the ledger: %w", err)
	}
	c, err := connect(readerDSN(path))
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	defer c.Close()
	n, err := c.number("SELECT count(*) FROM entry")
	if err == nil && n < size {
		err = fmt.Errorf("it has %d entries, the ledger %d", n, size)
	}
	if err == nil && !personal {
		if n, err = c.number("SELECT count(*) FROM personal WHERE value IS NOT NULL OR salt IS NOT NULL"); err == nil && n > 0 {
			err = fmt.Errorf("%d personal fields are in it", n)
		}
	}
	if err != nil {
		return fmt.Errorf("look into the copy: %w", err)
	}
	return nil
}

func fileURI(path, mode string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode
}

func vacuumInto(from, to string) error {
	c, err := connect(fileURI(from, "ro") + "&_busy_timeout=5000&_error_rc=1")
	if err != nil {
		return err
	}
	return errors.Join(c.exec("VACUUM INTO ?", to), c.Close())
}

// copyWithout copies the tables and then the triggers, so that no personal value touches the disk a second time.
func copyWithout(from, to string) (err error) {
	c, err := connect(fileURI(to, "rwc") + "&_busy_timeout=5000&_error_rc=1&_journal_mode=OFF&_synchronous=OFF")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.exec("ATTACH ? AS original", fileURI(from, "ro")); err != nil {
		return err
	}
	if err := c.exec("BEGIN"); err != nil {
		return err
	}
	var steps []string
	err = c.query(func(v []driver.Value) error {
		name, columns := text(v[1]), "*"
		if name == "personal" {
			columns = "seq, field, NULL, NULL, hash"
		}
		if steps = append(steps, text(v[2])); text(v[0]) == "table" {
			steps = append(steps, fmt.Sprintf("INSERT INTO main.%s SELECT %s FROM original.%[1]s", name, columns))
		}
		return nil
	}, "SELECT type, name, sql FROM original.sqlite_schema WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*' ORDER BY type <> 'table'")
	for _, sql := range append(steps, "COMMIT") {
		if err == nil {
			err = c.exec(sql)
		}
	}
	return err
}
