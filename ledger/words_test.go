package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The ledger keeps entries and knows nothing of a gate: whoever comes in, and why, is the register's business. Only the
// fields of a record have the gate's names.
func TestTheLedgerHasNoWordOfTheGate(t *testing.T) {
	own, err := filepath.Glob("*.go")
	below, berr := filepath.Glob("*/*.go")
	files := append(own, below...)
	if errors.Join(err, berr) != nil || len(own) < 10 || len(below) < 10 {
		t.Fatal(files, err, berr)
	}
	words := regexp.MustCompile(`(?i)\b(admit|refuse|resident|household|inside|trip|barrier)(s|ted)?\b`)
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(b), "\n") {
			if w := words.FindString(line); w != "" {
				t.Errorf("%s:%d says %q: %s", f, i+1, w, strings.TrimSpace(line))
			}
		}
	}
}
