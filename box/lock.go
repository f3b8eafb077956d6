package box

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"gated/peer"

	"golang.org/x/sys/unix"
)

// Held is the lock of a state directory. The one process that writes there holds it.
type Held struct{ f *os.File }

// Lock takes the lock or says who holds it.
func Lock(dir string) (*Held, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state directory %s cannot be written: %w", dir, err)
	}
	if err := flock(f); err != nil {
		defer f.Close()
		var b [32]byte
		n, _ := f.Read(b[:])
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
			return nil, inUseError{fmt.Errorf("state directory %s is in use by gated, process %d: stop that one first, "+
				"or use another directory", dir, pid)}
		}
		return nil, inUseError{fmt.Errorf("state directory %s is in use by another gated: stop that one first, or use another directory",
			dir)}
	}
	// The number is a courtesy; on a full disk it may be missing, and the gate must start all the same.
	fmt.Fprintf(f, "%-11d\n", os.Getpid())
	return &Held{f}, nil
}

// inUseError: another process has the lock.
type inUseError struct{ error }

// LockUnwritten takes the lock of a directory that may be on a disk that cannot be written. It makes no file: where
// there is none, no daemon ever worked there.
func LockUnwritten(dir string) (*Held, error) {
	f, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, err
	}
	return &Held{f}, nil
}

// Release lets another process have it, at once: a child that is being started has the file, too, until it runs.
func (h *Held) Release() {
	unix.Flock(int(h.f.Fd()), unix.LOCK_UN)
	h.f.Close()
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
