package barrier

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A relay or program that hangs is not waited for at a start, and goes on being told.
func TestABarrierThatHangsDoesNotHoldUpTheStart(t *testing.T) {
	dir := t.TempDir()
	trace, program := filepath.Join(dir, "trace"), filepath.Join(dir, "relay")
	script := fmt.Sprintf("#!/bin/sh\necho $1 >>%[1]s/trace\nwhile [ ! -e %[1]s/go ]; do sleep 0.01; done; echo done >>%[1]s/trace\n", dir)
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := New(Options{Config: Config{Driver: Exec, Command: []string{program}, Timeout: 4 * time.Second}, Lane: "in",
		Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry(), "in")})
	if err != nil {
		t.Fatal(err)
	}
	stop := CloseAll([]*Barrier{b}, slog.New(slog.DiscardHandler))
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil { // it is killed after four seconds
		t.Fatal(err)
	}
	stop()
	stop()
	said, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(said)); !slices.Equal(got, []string{"close", "done", "close", "done"}) {
		t.Errorf("the program was told and did %q", got)
	}
}
