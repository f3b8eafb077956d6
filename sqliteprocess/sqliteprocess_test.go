package sqliteprocess

import (
	"errors"
	"path/filepath"
	"testing"

	"gated/durable"

	"golang.org/x/sys/unix"

	"modernc.org/sqlite"
)

func TestTheSwitchesAreThrown(t *testing.T) {
	for range 2 {
		if err := Prepare(filepath.Join(t.TempDir(), "a.db")); err != nil {
			t.Fatal(err)
		}
	}
	if !sqlite.OFDLockingEnabled() || !sqlite.FdatasyncEnabled() {
		t.Errorf("got OFD locks %v, fdatasync %v: want both", sqlite.OFDLockingEnabled(), sqlite.FdatasyncEnabled())
	}
}

func TestWhatIsNoFileIsNotOpened(t *testing.T) {
	for _, side := range []string{"", "-wal", "-shm", "-journal"} {
		path := filepath.Join(t.TempDir(), "a.db")
		if err := unix.Mkfifo(path+side, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Prepare(path); !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("%q is a FIFO: %v", side, err)
		}
	}
}
