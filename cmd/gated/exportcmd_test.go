package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
)

func TestAnExportWithPersonalDataIsRecordedByTheDaemonFirst(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	c := start(t, "run", "--config", filepath.Join(dir, "gated.yaml"))
	c.address(t)
	out := filepath.Join(t.TempDir(), "day.csv")
	export := func(args ...string) error {
		x := start(t, append([]string{"ledger", "export", "--state", dir, "--format", "csv"}, args...)...)
		io.Copy(io.Discard, x.stdout)
		err := x.Wait()
		if s := x.stderr.String(); strings.Contains(s, "request 17") {
			t.Errorf("the reason is in what the command says: %s", s)
		}
		return err
	}
	if err := export("--with-personal", "request 17", "--out", out); err != nil {
		t.Fatal(err)
	}
	if err := export("--out", out); err != nil {
		t.Fatal(err)
	}
	// What cannot be written was recorded all the same: nobody can tell how far it came.
	if err := export("--with-personal", "request 18", "--out", filepath.Join(out, "below a file")); err == nil {
		t.Error("a file was written below a file")
	}
	for _, suffix := range []string{"", ".personal.jsonl", ".head", ".sha256"} {
		if st, err := os.Stat(out + suffix); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", suffix, err)
		}
	}
	c.stop(t)
	if s := c.stderr.String(); strings.Contains(s, "request 17") {
		t.Errorf("the reason is in the daemon's log: %s", s)
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var said []string
	err = r.Scan(1, 1<<62, true, func(e *ledger.Entry) error {
		if e.Kind == register.Export {
			said = append(said, strings.Join([]string{e.Reason, e.Detail["format"], e.Personally("note")}, " "))
			if e.Personally("by") == "" || e.Detail["from"] == "" || e.Detail["from"] != e.Detail["to"] || strings.Contains(string(e.Raw), "request") {
				t.Errorf("recorded as %s %v", e.Raw, e.Personal)
			}
		}
		return nil
	})
	if got, want := strings.Join(said, ", "), "with-personal csv request 17, with-personal csv request 18"; err != nil || got != want {
		t.Errorf("got %q, want %q: %v", got, want, err)
	}
}

// TestAnExportBrokenOffLeavesNothing: half a file under another name would be full of personal data, and nobody's.
func TestAnExportBrokenOffLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	folder := t.TempDir()
	x := start(t, "ledger", "export", "--state", dir, "--from", "2017-01-01", "--to", "2026-12-31", "--format", "jsonl", "--with-personal", "request 17", "--out", filepath.Join(folder, "days.jsonl"))
	x.stderr.ch <- struct{}{} // nobody reads what it says of 3,652 days: so it is halfway when the signal comes
	there := func() int {
		list, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for deadline := time.Now().Add(time.Minute); there() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no file was begun")
		}
	}
	x.Process.Signal(syscall.SIGTERM)
	x.Process.Wait()
	<-x.stderr.ch
	if n := there(); n > 0 {
		t.Errorf("%d files are left", n)
	}
}
