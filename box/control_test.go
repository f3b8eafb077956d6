package box

import (
	"testing"
	"time"
)

// A daemon has its lock before it listens: who asks for something in between is not told that another process is in the way.
func TestACommandWaitsForADaemonThatStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held, err := Lock(dir)
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
