package durable

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Begin makes a file, of mode 0600, that the caller renames to path once it is whole, and holds a lock on it. What an
// earlier process has left that was killed is removed: it may be full of personal data.
func Begin(path string) (*os.File, error) {
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)+"."
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		suffix, ours := strings.CutPrefix(f.Name(), prefix)
		if !ours || strings.Trim(suffix, "0123456789") != "" || !f.Type().IsRegular() {
			continue
		}
		if left, err := os.Open(filepath.Join(dir, f.Name())); err == nil {
			if unix.Flock(int(left.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
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
