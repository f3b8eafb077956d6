package demo

import (
	"os"
	"testing"
)

// Where Linux counts, a running process has threads, and each has its own count.
func TestWaitsOfAProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this kernel does not count how long threads wait: CONFIG_SCHED_INFO")
	}
	if waits := waitsOf(os.Getpid()); len(waits) < 2 {
		t.Errorf("of the threads of this process only %v", waits)
	}
	if waits := waitsOf(1 << 30); len(waits) > 0 {
		t.Errorf("of no process: %v", waits)
	}
}
