package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// As root a rename would put a file in the place of a device, for all programs of the machine.
func TestOnlyFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	pipe, away, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "away"), filepath.Join(dir, "link")
	if err := errors.Join(unix.Mkfifo(pipe, 0o600), os.WriteFile(away, []byte("theirs"), 0o600), os.Symlink(away, link)); err != nil {
		t.Fatal(err)
	}
	_, err := Begin(pipe)
	for _, err := range []error{err, Replace(pipe, []byte("ours")), Replace(dir, []byte("ours")), Create(pipe, []byte("ours"), 0o600)} {
		if err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("got %v", err)
		}
	}
	if err := Replace(link, []byte("ours")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(away); string(b) != "theirs" || err != nil {
		t.Errorf("the file that the link named has %q, %v", b, err)
	}
}
