// Package sqliteprocess throws the switches that SQLite has for a whole process, and looks at what it is about to open.
package sqliteprocess

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"gated/durable"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
)

// Prepare throws them, once; call it before the database at a path is opened. A file of its name, or of one that SQLite opens beside
// it, that is no regular one is an error: to open a FIFO would wait for ever, in a call that nothing ends.
//
// Locks are to belong to the descriptor that took them: otherwise closing a database file anywhere in the process drops
// all locks on it. A kernel that has no such locks (Linux before 3.15) keeps the ones it has. That somebody opened a
// database before the first call is an error: the locks can then not be changed any more.
//
// And a commit is to sync by fdatasync(2), which also writes what is needed to read the data back, a grown size among
// it, and spares the time of last change: half the time of a commit.
func Prepare(path string) error {
	for _, side := range []string{"", "-wal", "-shm", "-journal"} {
		if st, err := os.Stat(path + side); err == nil && !st.Mode().IsRegular() {
			return fmt.Errorf("%s: %w: move it away", path+side, durable.ErrNotRegular)
		}
	}
	return set()
}

var set = sync.OnceValue(func() error {
	if _, err := sqlite.OFDLocking(true); err != nil && !errors.Is(err, sqlite.ErrOFDLockingUnavailable) {
		return fmt.Errorf("set up SQLite's locks: %w", err)
	}
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return fmt.Errorf("set up SQLite's way to sync: %w", err)
	}
	return nil
})

// Probe lets a system call meet a disk that hangs, before SQLite changes the database of that path. SQLite keeps the index of
// the write-ahead log in mapped memory, NAME-shm: a store to a page of it that the kernel has written back waits for the disk
// like a write. But Go cannot take its processor away from a goroutine that waits in a page fault, as it does in a system
// call, and the next garbage collection would stop the whole process, the page and the emergency key with it, for as long as
// the disk hangs. What such a store asks of the file system is to note the time of the change; so that is done before.
func Probe(path string) {
	now := unix.Timespec{Nsec: unix.UTIME_NOW}
	unix.UtimesNanoAt(unix.AT_FDCWD, path+"-shm", []unix.Timespec{now, now}, 0) // it may not be there yet
}
