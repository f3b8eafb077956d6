package durable

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Begin makes a file, of mode 0600, that the caller renames to path once it is whole, and holds a lock on it. What an
// earlier process has left that was killed is overwritten and removed: it may be full of personal data, or of the keys to it.
func Begin(path string) (*os.File, error) {
	if err := replaceable(path); err != nil {
		return nil, err
	}
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)+"."
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		suffix, ours := strings.CutPrefix(f.Name(), prefix)
		number, journal := strings.CutSuffix(suffix, "-journal") // of SQLite, which goes with its file
		if !ours || strings.Trim(number, "0123456789") != "" || !f.Type().IsRegular() {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, prefix+number)); journal && err == nil {
			continue // its file is at work, or it would be gone by now
		}
		if left, err := os.OpenFile(filepath.Join(dir, f.Name()), os.O_RDWR|unix.O_NOFOLLOW, 0); err == nil {
			if unix.Flock(int(left.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
				Overwrite(left) // where the disk refuses, its name goes all the same
				os.Remove(left.Name())
			}
			left.Close()
		}
	}
	f, err := os.CreateTemp(dir, prefix+"*")
	if err != nil {
		return nil, err
	}
	return f, unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

// Overwrite writes zeros over all that a file holds, and syncs them. To remove the file alone would leave that in blocks which
// belong to no file.
func Overwrite(f *os.File) error {
	st, err := f.Stat()
	zeros := make([]byte, 1<<20)
	for at := int64(0); err == nil && at < st.Size(); at += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), st.Size()-at)], at)
	}
	return errors.Join(err, f.Sync())
}

// Swap gives a whole file of Begin its name, and overwrites what had that name before: it may be full of what was erased since. A
// process that is killed in between leaves it under the name that Begin had chosen, and the next one overwrites it.
func Swap(f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	begun := f.Name()
	old, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ELOOP) { // what a link names is not ours
		return errors.Join(os.Rename(begun, path), SyncDir(filepath.Dir(path)))
	}
	if err != nil {
		return err
	}
	defer old.Close()
	err = unix.Renameat2(unix.AT_FDCWD, begun, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // not every file system can
		return errors.Join(os.Rename(begun, path), SyncDir(filepath.Dir(path)), Overwrite(old))
	}
	if err != nil {
		return err
	}
	return errors.Join(SyncDir(filepath.Dir(path)), Overwrite(old), os.Remove(begun))
}
