package config

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gated/scanner"
)

// What the settings allow for gap the scanner takes, and nothing else.
func TestTheGapIsBoundedAsTheScannerBoundsIt(t *testing.T) {
	const yaml = "gate: {name: East}\nlanes:\n  - {id: in, direction: in, scanner: {device: /dev/a, gap: %s}}\n"
	for _, gap := range []time.Duration{49, 50, 500, 5000, 5001, 10000, 10001} {
		gap *= time.Millisecond
		path := filepath.Join(t.TempDir(), "gated.yaml")
		if err := os.WriteFile(path, fmt.Appendf(nil, yaml, gap), 0o600); err != nil {
			t.Fatal(err)
		}
		_, settings := Load(path, nil)
		taken := scanner.Config{Device: "/dev/a", Gap: gap}.Validate()
		if (settings == nil) != (taken == nil) {
			t.Errorf("gap %s: the settings say %v, the scanner says %v", gap, settings, taken)
		}
	}
}
