package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong with a file is told before anybody is asked; a page number is given by a daemon alone, and a file is not replaced.
func TestThePaperCommands(t *testing.T) {
	dir := t.TempDir()
	told := func(args ...string) (string, int) {
		var out bytes.Buffer
		status := execute(args, strings.NewReader(""), &out, &out)
		return out.String(), status
	}
	file := filepath.Join(dir, "pages.csv")
	if err := os.WriteFile(file, []byte("页,行,进\n7,1,08:15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := told("register", "enter", file, "--state", dir); status != 1 || !strings.Contains(out, "column is missing") {
		t.Errorf("status %d: %s", status, out)
	}
	blank := filepath.Join(dir, "blank.html")
	if out, status := told("register", "print", "--day", "2026-11-24", "--out", blank, "--state", dir); status != 2 || !strings.Contains(out, "no daemon runs") {
		t.Errorf("status %d: %s", status, out)
	}
	if _, err := os.Stat(blank); err == nil {
		t.Error("a file is left of pages that have no numbers")
	}
	if out, status := told("register", "print", "--day", "2026-11-24", "--out", file, "--state", dir); status != 2 || !strings.Contains(out, "exists") {
		t.Errorf("status %d: %s", status, out)
	}
}
