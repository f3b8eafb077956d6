// Package lock lets one process at a time write to a state directory.
package lock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"gated/durable"
	"gated/peer"

	"golang.org/x/sys/unix"
)

// Held is the lock of a state directory. The one process that writes there holds it.
//
// It is the lock of the directory itself, which can be had whatever became of the files in it, also on a disk that can only be
// read; and that of the file lock in it, where there is one, which scripts of others look at.
type Held struct{ dir, file *os.File }

// Take takes the lock or says who holds it. A directory that its owner may not use is put right: no gate stands still for a slip
// of chmod.
func Take(dir string) (*Held, error) {
	if st, err := os.Stat(dir); err == nil && st.Mode()&0o700 != 0o700 {
		os.Chmod(dir, st.Mode()|0o700) // another's is not, and what follows says so
	}
	file, err := durable.Open(lockFile(dir), os.O_RDWR|os.O_CREATE)
	if err != nil { // such as a disk that can only be read
		file, _ = durable.Open(lockFile(dir), os.O_RDONLY)
	}
	h, err := takeBoth(dir, file)
	if err == nil && file != nil {
		// The number is a courtesy; on a full disk it may be missing, and the gate must start all the same.
		file.WriteAt(fmt.Appendf(nil, "%-11d\n", os.Getpid()), 0)
	}
	return h, err
}

// Unwritten takes the lock of a directory in which a daemon worked, and makes no file there.
func Unwritten(dir string) (*Held, error) {
	if _, err := os.Lstat(lockFile(dir)); err != nil {
		return nil, err
	}
	file, _ := durable.Open(lockFile(dir), os.O_RDONLY)
	return takeBoth(dir, file)
}

func lockFile(dir string) string { return filepath.Join(dir, "lock") }

// takeBoth locks the directory and its lock file, which is nil where it cannot be opened.
func takeBoth(dir string, file *os.File) (*Held, error) {
	d, err := os.Open(dir)
	h := &Held{d, file}
	if err == nil {
		err = flock(d)
	}
	if err == nil && file != nil {
		err = flock(file)
	}
	if err == nil {
		return h, nil
	}
	defer h.Release()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("state directory %s cannot be locked: %w", dir, err)
	}
	other := "another gated"
	if file != nil {
		var b [32]byte
		n, _ := file.Read(b[:])
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
			other = fmt.Sprintf("gated, process %d", pid)
		}
	}
	return nil, InUse{fmt.Errorf("state directory %s is in use by %s: stop that one first, or use another directory", dir, other)}
}

// InUse: another process has the lock.
type InUse struct{ error }

// Release lets another process have it, at once: a child that is being started has the files, too, until it runs.
func (h *Held) Release() {
	for _, f := range []*os.File{h.file, h.dir} {
		if f != nil {
			unix.Flock(int(f.Fd()), unix.LOCK_UN)
			f.Close()
		}
	}
}

// flock locks a file, or says at once that another holds it.
func flock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// Owned refuses everyone but the owner of the state directory: files of another user's would stop the daemon.
func Owned(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Geteuid() {
		name := peer.Name(int(sys.Uid))
		return fmt.Errorf("state directory %s belongs to %s, you are %s, and files of yours there would lock the daemon out: "+
			"let the daemon of %[2]s do it, or use runuser -u %[2]s", dir, name, peer.Name(os.Geteuid()))
	}
	return nil
}
