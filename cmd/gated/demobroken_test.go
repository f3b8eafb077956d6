package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
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
		{"lock", "a directory"}, {"gated.yaml", "a directory"}, {"dev", "garbage"},
		{"lock", "a FIFO"}, {"gated.yaml", "a FIFO"}, {"trust/dcc/demo-clinic.pem", "a FIFO"}, {"trust/shc/demo-clinic.json", "a FIFO"},
		{"keys/office.key", "a FIFO"}, {"roster.db", "a FIFO"}, {"ledger.db", "a FIFO"},
	} {
		t.Run(broken.file+" "+broken.with, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			copySite(t, dir, made)
			path := filepath.Join(dir, broken.file)
			for _, side := range []string{"", "-wal", "-shm"} {
				os.RemoveAll(path + side)
			}
			var err error
			switch broken.with {
			case "":
			case "a directory":
				err = os.Mkdir(path, 0o700)
			case "a FIFO":
				err = syscall.Mkfifo(path, 0o600)
			default:
				err = os.WriteFile(path, []byte(strings.Repeat(broken.with, 1000)), 0o600)
			}
			if err != nil {
				t.Fatal(err)
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

// A code that nobody read, as the gate stood still, is shown again, as a person would.
func TestTheDemoShowsACodeAgainThatNobodyRead(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "d")
	copySite(t, dir, demoSite(t))
	c := startDemo(t, "--dir", dir, "--fast", "--scans", "200", "--log-verdicts")
	lines := bufio.NewReader(c.stdout)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if strings.HasPrefix(line, "scans=") {
			if !strings.HasPrefix(line, "scans=200 ") {
				t.Error(line)
			}
			break
		}
		if err != nil {
			t.Fatalf("%v after %d verdicts:\n%s", err, n, c.stderr)
		}
		if n%20 != 0 || n > 60 {
			continue
		}
		var daemons string
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", c.Process.Pid))
		for _, task := range tasks {
			b, _ := os.ReadFile(task)
			daemons += string(b)
		}
		daemon, err := strconv.Atoi(strings.TrimSpace(daemons))
		if err != nil {
			t.Fatal(err)
		}
		syscall.Kill(daemon, syscall.SIGSTOP)
		time.Sleep(1500 * time.Millisecond) // so long it stands still: it looks at nothing that is older than a second
		syscall.Kill(daemon, syscall.SIGCONT)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v:\n%s", err, c.stderr)
	}
}
