package sqliteprocess

import (
	"testing"

	"modernc.org/sqlite"
)

func TestTheSwitchesAreThrown(t *testing.T) {
	for range 2 {
		if err := Set(); err != nil {
			t.Fatal(err)
		}
	}
	if !sqlite.OFDLockingEnabled() || !sqlite.FdatasyncEnabled() {
		t.Errorf("got OFD locks %v, fdatasync %v: want both", sqlite.OFDLockingEnabled(), sqlite.FdatasyncEnabled())
	}
}
