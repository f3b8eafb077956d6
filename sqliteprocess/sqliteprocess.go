// Package sqliteprocess throws the switches that SQLite has for a whole process.
package sqliteprocess

import (
	"errors"
	"fmt"
	"sync"

	"modernc.org/sqlite"
)

// Set throws them, once; whoever opens a database calls it first.
//
// Locks are to belong to the descriptor that took them: otherwise closing a database file anywhere in the process drops
// all locks on it. A kernel that has no such locks (Linux before 3.15) keeps the ones it has. That somebody opened a
// database before the first call is an error: the locks can then not be changed any more.
//
// And a commit is to sync by fdatasync(2), which also writes what is needed to read the data back, a grown size among
// it, and spares the time of last change: half the time of a commit.
func Set() error { return set() }

var set = sync.OnceValue(func() error {
	if _, err := sqlite.OFDLocking(true); err != nil && !errors.Is(err, sqlite.ErrOFDLockingUnavailable) {
		return fmt.Errorf("set up SQLite's locks: %w", err)
	}
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return fmt.Errorf("set up SQLite's way to sync: %w", err)
	}
	return nil
})
