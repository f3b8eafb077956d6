package box

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/box/lock"
)

// A daemon has its lock before it listens: who asks for something in between is not told that another process is in the way.
func TestACommandWaitsForADaemonThatStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held, err := lock.Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := Perform(t.Context(), dir, RecordPasses, nil)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	held.Release() // as a daemon that gave up; the command does it by itself
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Whoever reads docs/formats.md finds each operation there.
func TestEachOperationIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "\n## Control socket\n")
	_, part, _ = strings.Cut(part, "as the commands use it: `")
	part, _, _ = strings.Cut(part, "`")
	said := strings.Fields(part)
	for _, op := range operations() {
		if !slices.Contains(said, op.Name()) {
			t.Errorf("docs/formats.md does not name the operation %s", op.Name())
		}
	}
	if len(said) != len(operations()) {
		t.Errorf("docs/formats.md names %d operations, there are %d", len(said), len(operations()))
	}
}
