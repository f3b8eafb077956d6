package durable

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestBeginRemovesWhatAKilledProcessHasLeftAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "copy.db")
	left, err := Begin(path)
	if err != nil {
		t.Fatal(err)
	}
	left.Close() // as the kernel does for a process that is killed
	for _, name := range []string{".copy.db.12x", ".copy.db.12/3", ".other.db.12", "copy.db"} {
		if filepath.Dir(name) != "." {
			if err := os.Mkdir(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var working []string
	for range 2 {
		f, err := Begin(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if st, err := f.Stat(); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("got %v, %v, want mode 0600", st, err)
		}
		working = append(working, filepath.Base(f.Name()))
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Name())
	}
	want := append(working, ".copy.db.12", ".copy.db.12x", ".other.db.12", "copy.db")
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// SQLite has a journal beside a file that it writes. It goes with the file, or when the file has gone, and stays with one at work.
func TestBeginRemovesAJournalWithItsFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "copy.db")
	left, err := Begin(path)
	if err != nil {
		t.Fatal(err)
	}
	working, err := Begin(path)
	if err != nil {
		t.Fatal(err)
	}
	defer working.Close()
	for _, name := range []string{left.Name(), working.Name(), filepath.Join(dir, ".copy.db.0"), path} {
		if err := os.WriteFile(name+"-journal", []byte("half a ledger"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left.Close() // as the kernel does for a process that is killed
	f, err := Begin(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := filepath.Glob(filepath.Join(dir, "*journal"))
	if err != nil || !slices.Equal(got, []string{working.Name() + "-journal", path + "-journal"}) {
		t.Errorf("left: %q, %v", got, err)
	}
}

// What is removed may be the keys of what is erased later: no block of the disk keeps it.
func TestWhatAKilledProcessHasLeftIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".copy.keys.12")
	if err := os.WriteFile(path, bytes.Repeat([]byte("SECRET"), 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	left, err := os.Open(path) // its blocks, when it has no name any more
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	f, err := Begin(filepath.Join(dir, "copy.keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if b, err := io.ReadAll(left); err != nil || len(b) != 1_800_000 || len(bytes.Trim(b, "\x00")) > 0 {
		t.Errorf("%d bytes, of which %d are not zero, %v", len(b), len(bytes.Trim(b, "\x00")), err)
	}
}

// Whoever owns a directory may put a link in it, to what is not theirs.
func TestSwapLeavesWhatALinkNames(t *testing.T) {
	dir := t.TempDir()
	away, path := filepath.Join(t.TempDir(), "away"), filepath.Join(dir, "copy")
	if err := errors.Join(os.WriteFile(away, []byte("theirs"), 0o600), os.Symlink(away, path)); err != nil {
		t.Fatal(err)
	}
	f, err := Begin(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("ours"); err != nil {
		t.Fatal(err)
	}
	if err := Swap(f, path); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{away: "theirs", path: "ours"} {
		if b, err := os.ReadFile(name); string(b) != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, b, err, want)
		}
	}
}
