package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkIdle reads how much memory a process with nothing but an idle ledger holds: all of it, with the pages of
// the program that it shares with the file, and its own alone.
func BenchmarkIdle(b *testing.B) {
	dir := scratch(b)
	bin := filepath.Join(dir, "idle")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./idle")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as the product is built
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the idle process: %v\n%s", err, out)
	}
	s, err := openGated(dir)
	must(b, err)
	for range 1000 {
		must(b, s.append(passageAtGate()))
	}
	must(b, s.Close())

	cmd := exec.Command(bin, dir)
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	must(b, errors.Join(err1, err2))
	must(b, cmd.Start())
	defer cmd.Wait()
	defer in.Close()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatalf("the idle process said %q: %v", line, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	must(b, err)
	kB := map[string]float64{}
	for line := range strings.Lines(string(status)) {
		var name string
		var n float64
		fmt.Sscanf(line, "%s %f kB", &name, &n)
		kB[name] = n
	}
	b.Run("ledger", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(kB["VmRSS:"]/1024, "resident-MiB")
		b.ReportMetric(kB["RssAnon:"]/1024, "anonymous-MiB")
	})
}
