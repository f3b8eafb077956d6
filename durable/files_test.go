package durable

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFilesGetTheirNamesTogetherOrNotAtAll(t *testing.T) {
	for _, failed := range []error{nil, errors.New("half of it")} {
		dir := t.TempDir()
		x := NewFiles(filepath.Join(dir, "day.csv"))
		for _, suffix := range []string{"", ".head"} {
			f, err := x.Begin(suffix)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString("what" + suffix)
		}
		const want = "749ab2c0d06c42ae3b841b79e79875f02b3a042e43c92378cd28bd444c04d284  day.csv\n" +
			"38ae6a8c5a64e612e4de845f69c78b4b67dafe09409ae63d8ea8559b33f6103a  day.csv.head\n"
		if sums, err := x.Sums(); err != nil || string(sums) != want {
			t.Errorf("sums %s, %v, want %s", sums, err, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "day.csv")); err == nil {
			t.Error("one has its name before all are whole")
		}
		if err := x.End(failed); err != failed {
			t.Errorf("got %v, want %v", err, failed)
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, f.Name())
		}
		if want := map[bool]string{true: "day.csv day.csv.head"}[failed == nil]; strings.Join(got, " ") != want {
			t.Errorf("after %v: %q, want %q", failed, got, want)
		}
	}
}

func TestFilesOfWhichOneCannotHaveItsNameAreRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tree")
	x := NewFiles(path)
	for _, suffix := range []string{"", ".head"} {
		if _, err := x.Begin(suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil { // no file can take the name of such a directory
		t.Fatal(err)
	}
	if err := x.End(nil); err == nil {
		t.Error("a file took the name of a directory")
	}
	alone(t, dir)
}

// TestASignalThatIsIgnoredRemovesNothing: nohup has SIGHUP ignored, and sh SIGINT of what it starts in the background. The kill that
// follows a removal would be ignored, too, and the files never end.
func TestASignalThatIsIgnoredRemovesNothing(t *testing.T) {
	if os.Getenv("DURABLE_SIGNALLED") != "" {
		x := NewFiles(filepath.Join(os.Getenv("DURABLE_SIGNALLED"), "day.csv"))
		defer x.RemoveAtSignal()()
		if _, err := x.Begin(""); err != nil {
			t.Fatal(err)
		}
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
			syscall.Kill(os.Getpid(), s)
		}
		time.Sleep(100 * time.Millisecond)
		if err := x.End(nil); err != nil {
			t.Error(err)
		}
		return
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", `trap "" HUP INT; exec "$0" -test.run "^TestASignalThatIsIgnoredRemovesNothing$"`, os.Args[0])
	c.Env = append(os.Environ(), "DURABLE_SIGNALLED="+dir)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v, %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "day.csv")); err != nil {
		t.Error(err)
	}
}

func TestNamesAreTakenBackWhereOneCannotBeGiven(t *testing.T) {
	for _, hindered := range []string{"", ".head", ".sha256"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "day.csv")
		x := NewFiles(path)
		for _, suffix := range []string{"", ".head", ".sha256"} {
			if _, err := x.Begin(suffix); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(path+hindered, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := x.End(nil); err == nil {
			t.Errorf("%q: a file took the name of a directory", hindered)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 || files[0].Name() != "day.csv"+hindered {
			t.Errorf("%q: left: %v, %v", hindered, files, err)
		}
	}
}
