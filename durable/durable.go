// Package durable writes files so that they outlast a power cut.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Replace writes a file of mode 0600 that is there whole or not at all, also after a power cut. Until then an older one
// stays as it is. (google/renameio, which does this too, syncs the file and not its name.)
func Replace(path string, b []byte) error { return write(path, b, 0o600, 0) }

// Create writes a new file, which is there whole or not at all, and never replaces one.
func Create(path string, b []byte, mode fs.FileMode) error {
	err := write(path, b, mode, unix.RENAME_NOREPLACE)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w: choose another name, or move the old file away first", path, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// write writes a file under a name of its own, which renameat2(2) then changes with these flags.
func write(path string, b []byte, mode fs.FileMode, flags uint) error {
	if err := replaceable(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, f.Name(), unix.AT_FDCWD, path, flags)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// replaceable refuses what a file must not take the place of, such as a device.
func replaceable(path string) error {
	st, err := os.Lstat(path)
	if err == nil && !st.Mode().IsRegular() && st.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("%s is there and is no regular file: choose another name", path)
	}
	return nil // what is not there or cannot be seen: the next call says so
}

// Open opens a regular file. Whatever else bears its name is an error at once: to open a FIFO may wait for ever, and what is read
// of a device may have no end.
func Open(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK|unix.O_NOCTTY, 0o600)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: move it away, and put the file back", path, ErrNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ErrNotRegular: what bears the name of a file is none.
var ErrNotRegular = errors.New("this is no regular file")

// ReadFile reads a regular file of at most so many bytes.
func ReadFile(path string, most int) ([]byte, error) {
	f, err := Open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(b) > most {
		err = fmt.Errorf("%s is larger than %d bytes: put the file back", path, most)
	}
	return b, err
}

// SyncDir makes the names in a directory outlast a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
