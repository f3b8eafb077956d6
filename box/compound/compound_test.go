package compound

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheCompoundKeyIsMadeOnceAndNeverCut(t *testing.T) {
	dir := t.TempDir()
	key, err := read(dir, true)
	if err != nil || len(key) != 32 {
		t.Fatalf("got %d bytes, %v", len(key), err)
	}
	if again, err := read(dir, true); err != nil || string(again) != string(key) {
		t.Errorf("got another one, %v", err)
	}
	path := filepath.Join(dir, "keys", name)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", st, err)
	}
	var said strings.Builder
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if Shut(dir, slog.New(slog.NewTextHandler(&said, nil))); !strings.Contains(said.String(), path) {
		t.Errorf("open to others, and the log says %q", &said)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("open to others: got %v, %v, want mode 0600", st, err)
	}
	if err := os.WriteFile(path, key[:31], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(dir, true); err == nil || !strings.Contains(err.Error(), "31 bytes instead of 32") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path, make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(dir, true); err == nil || !strings.Contains(err.Error(), "nothing but zeros") {
		t.Errorf("after a power cut: %v", err)
	}
}
