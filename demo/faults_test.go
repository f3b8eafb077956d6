package demo

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A thread waits as long as the second number of its schedstat says, in nanoseconds; one that has ended, for nothing.
func TestWaitsOfAProcess(t *testing.T) {
	t.Parallel()
	tasks := t.TempDir()
	for thread, text := range map[string]string{"11": "8981973 22959206 4\n", "12": "5 600000000 1\n", "13": ""} {
		if err := errors.Join(os.Mkdir(filepath.Join(tasks, thread), 0o700),
			os.WriteFile(filepath.Join(tasks, thread, "schedstat"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]time.Duration{filepath.Join(tasks, "11", "schedstat"): 22959206, filepath.Join(tasks, "12", "schedstat"): 600 * time.Millisecond}
	if d := cmp.Diff(want, waitsIn(tasks)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if waits := waitsIn(filepath.Join(tasks, "none")); len(waits) > 0 {
		t.Errorf("of no process: %v", waits)
	}
}
