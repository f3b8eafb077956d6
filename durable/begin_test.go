package durable

import (
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
