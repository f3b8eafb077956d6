package demo

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithoutGatedNothingIsMade(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := filepath.Join(t.TempDir(), "d")
	err := Run(t.Context(), Options{Dir: dir, Stdout: io.Discard, Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "is neither in the directory of this program nor on PATH") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made all the same")
	}
}

// A directory that is not the demo's is left alone, one whose making was cut off is made anew, and its own is kept.
func TestTheDirectoryIsTheDemosOwn(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "report.txt")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "not made by gated-demo") {
		t.Errorf("of another: got %v", err)
	}
	os.Remove(other)
	half := filepath.Join(dir, "keys")
	if err := os.WriteFile(filepath.Join(dir, makingMarker), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(half, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	var key string
	for range 2 {
		held, err := prepare(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := prepare(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "a gated runs there") {
			t.Errorf("twice at once: got %v", err)
		}
		held.Close()
		b, err := os.ReadFile(officeKey(dir))
		if err != nil || key != "" && key != string(b) {
			t.Errorf("its key is another one: %v", err)
		}
		key = string(b)
	}
}
