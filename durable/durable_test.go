package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestAFileIsReplacedWholeAndReadByItsOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	for _, want := range []string{"old", "new"} {
		if err := Replace(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	alone(t, dir)
}

func TestAFileThatCannotBeReplacedStaysAndNothingIsLeftBesideIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil { // no file can take the name of such a directory
		t.Fatal(err)
	}
	if err := Replace(path, []byte("new")); err == nil {
		t.Error("replaced a directory that is not empty")
	}
	alone(t, dir)
}

func TestAFileIsCreatedOnceOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := Create(path, []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, []byte("second"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want that the file exists", err)
	}
	if got, err := os.ReadFile(path); string(got) != "first" {
		t.Errorf("got %q, %v, want the first", got, err)
	}
	alone(t, dir)
}

// alone fails unless the directory holds one name.
func alone(t *testing.T, dir string) {
	t.Helper()
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("got %v, %v, want one file", names, err)
	}
}
