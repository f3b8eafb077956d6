package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whatever file of it is broken, the demo shows its gate, and says why nobody comes.
func TestADemoWithABrokenFileShowsItsGate(t *testing.T) {
	t.Parallel()
	made := demoSite(t)
	for _, broken := range []struct{ file, with string }{
		{"roster.db", "garbage"}, {"roster.db", ""}, {"ledger.db", "garbage"}, {"keys/personal.key", "garbage"}, {"keys/office.key", "garbage"},
	} {
		t.Run(broken.file+" "+broken.with, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			copySite(t, dir, made)
			path := filepath.Join(dir, broken.file)
			for _, side := range []string{"", "-wal", "-shm"} {
				os.Remove(path + side)
			}
			if broken.with != "" {
				if err := os.WriteFile(path, []byte(strings.Repeat(broken.with, 1000)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := startDemo(t, "--dir", dir)
			page := c.address(t)
			resp, err := http.Post(page+"api/emergency", "application/json", strings.NewReader(`{"lane":"in"}`))
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp, err)
			}
			resp.Body.Close()
			for late := time.Now().Add(2 * time.Minute); !strings.Contains(c.stderr.String(), "nobody comes to this gate: "); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(late) {
					t.Fatalf("it does not say why nobody comes:\n%s", c.stderr)
				}
			}
			if !strings.Contains(c.stderr.String(), "to begin anew, stop it and delete "+dir) {
				t.Errorf("it does not say what to do:\n%s", c.stderr)
			}
			if resp, err := http.Get(page); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("the page afterwards: %v %v", resp, err)
			}
			c.Process.Signal(syscall.SIGTERM)
			c.Wait()
		})
	}
}
