package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gated/daemon"
	"gated/demo"
	"gated/demo/lcussim"
	"gated/demo/samvsim"
	"gated/demo/terminal"
	"gated/roster"
	"gated/sqliteprocess"

	"golang.org/x/sys/unix"
)

func median(d []time.Duration) time.Duration { slices.Sort(d); return d[len(d)/2] }

// BenchmarkCodeToDurableDecision is the time from a pass on the pseudo-terminal to its durable decision, beside a bare
// one-row commit with the same pragmas on the same disk, turn by turn and at the same pace: a gate is idle between people,
// and an idle disk answers more slowly than a busy one.
func BenchmarkCodeToDurableDecision(b *testing.B) {
	dir := demoSite(b)
	if err := sqliteprocess.Prepare(""); err != nil { // before any database is open in this process
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "floor.db")+"?_txlock=immediate&_busy_timeout=5000&_auto_vacuum=INCREMENTAL&_journal_mode=WAL&_synchronous=FULL&_pragma=secure_delete(ON)&_pragma=recursive_triggers(1)&_pragma=wal_autocheckpoint(0)&_pragma=temp_store(MEMORY)&_pragma=cell_size_check(1)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE entry(seq INTEGER NOT NULL PRIMARY KEY, ts INTEGER NOT NULL, record TEXT NOT NULL) STRICT"); err != nil {
		b.Fatal(err)
	}
	insert, err := db.Prepare("INSERT INTO entry VALUES(?, ?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	record := strings.Repeat("x", 400)

	scanners := map[string]*terminal.Socket{}
	for _, lane := range demo.Lanes {
		s := &terminal.Socket{Link: filepath.Join(dir, "dev", "scanner-"+lane)}
		if err := s.Plug(); err != nil {
			b.Fatal(err)
		}
		defer s.Unplug()
		scanners[lane] = s
	}
	b.Setenv("GATED_CONSOLE_LISTEN", "127.0.0.1:0")
	b.Setenv("GATED_LOG_LEVEL", "info")
	pass := residentPasses(b, dir)
	decided := make(lineChan, 1)
	log := make(lineChan, 100)
	gated := &daemon.Daemon{Path: filepath.Join(dir, "gated.yaml"), Dir: dir, Stderr: log, Verdicts: decided}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gated.Run(ctx, nil) }()
	defer func() { stop(); <-ended }()
	page := ""
	for up := 0; up < len(demo.Lanes) || page == ""; {
		line := <-log
		if m := pageAddress.FindStringSubmatch(line); m != nil {
			page = m[1]
		}
		if strings.Contains(line, "scanner up") {
			up++
		}
	}
	go func() {
		for range log {
		}
	}()
	if resp, err := http.Post(page+"api/clock", "application/json", strings.NewReader("{}")); err != nil || resp.StatusCode/100 != 2 {
		b.Fatalf("clock: %v %v", resp, err)
	}
	var floor, passage []time.Duration
	store, err := roster.OpenReadOnly(filepath.Join(dir, "roster.db"))
	if err != nil {
		b.Fatal(err)
	}
	_, residents, _, _ := store.Snapshot().Counts()
	store.Close()
	for i := 1; b.Loop(); i++ {
		lane := demo.Lanes[(i-1)/residents%2] // all come in, then all go out: who comes in twice would wait for the guard
		code := pass()
		if _, err := io.WriteString(scanners[lane].Scanner, code); err != nil {
			b.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // the pace
		began := time.Now()
		scanners[lane].Scanner.Write([]byte{'\r'})
		said := <-decided
		passage = append(passage, time.Since(began))
		if !strings.Contains(said, `"verdict":"admit"`) && !strings.Contains(said, `"passed-back"`) { // somebody came when the directory was made
			b.Error(said)
		}

		time.Sleep(5 * time.Millisecond)
		began = time.Now()
		if _, err := insert.Exec(i, began.UnixMicro(), record); err != nil {
			b.Fatal(err)
		}
		floor = append(floor, time.Since(began))
	}
	p, f := median(passage), median(floor)
	b.ReportMetric(float64(p.Microseconds()), "p50-us")
	b.ReportMetric(float64(f.Microseconds()), "commit-p50-us")
	b.ReportMetric(float64(p)/float64(f), "x-commit")
	b.ReportMetric(0, "ns/op")
}

// lineChan takes what is written line by line.
type lineChan chan string

func (l lineChan) Write(b []byte) (int, error) { l <- string(b); return len(b), nil }

// built is the binary as it is shipped.
func built(b *testing.B) string {
	exe := filepath.Join(b.TempDir(), "gated")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", exe, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return exe
}

// BenchmarkSource counts the lines of Go without tests.
func BenchmarkSource(b *testing.B) {
	n := 0
	for _, p := range packages(b) {
		for _, f := range p.GoFiles {
			src, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				b.Fatal(err)
			}
			n += bytes.Count(src, []byte("\n"))
		}
	}
	for b.Loop() {
	}
	b.ReportMetric(float64(n), "lines")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkBinarySize(b *testing.B) {
	st, err := os.Stat(built(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
	}
	b.ReportMetric(float64(st.Size())/(1<<20), "MiB")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdleMemory is the resident memory of the daemon with the demo's roster, before and after its page was opened
// and its metrics were scraped for a while.
func BenchmarkIdleMemory(b *testing.B) {
	dir := demoSite(b)
	cmd := exec.Command(built(b), "run", "--config", filepath.Join(dir, "gated.yaml"))
	cmd.Env = append(os.Environ(), "GATED_CONSOLE_LISTEN=127.0.0.1:0", "GATED_LOG_LEVEL=info")
	errs, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() }()
	page := ""
	log := bufio.NewScanner(errs)
	for page == "" && log.Scan() {
		if m := pageAddress.FindStringSubmatch(log.Text()); m != nil {
			page = m[1]
		}
	}
	go io.Copy(io.Discard, errs)
	for range 100 {
		for _, path := range []string{"", "metrics", "healthz"} {
			resp, err := http.Get(page + path)
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	time.Sleep(3 * time.Second) // idle
	for b.Loop() {
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"VmRSS", "RssAnon", "VmHWM"} {
		m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(bytes.TrimSpace(status))
		if m == nil {
			b.Fatalf("no %s in\n%s", name, status)
		}
		kb, _ := strconv.ParseFloat(string(m[1]), 64)
		b.ReportMetric(kb/1024, name+"-MiB")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdle is how much of one core the daemon takes while nobody passes: the binary as it is shipped, two lanes whose
// scanners are silent pseudo-terminals, relays that answer and a card reader on which nothing lies, with and without a
// page that is open.
func BenchmarkIdle(b *testing.B) {
	b.Run("page=closed", func(b *testing.B) { idle(b, false) })
	b.Run("page=open", func(b *testing.B) { idle(b, true) })
}

func idle(b *testing.B, open bool) {
	dir := demoSite(b)
	for _, lane := range demo.Lanes {
		scanner := &terminal.Socket{Link: filepath.Join(dir, "dev", "scanner-"+lane)}
		if err := scanner.Plug(); err != nil {
			b.Fatal(err)
		}
		defer scanner.Unplug()
		relay, err := lcussim.New(filepath.Join(dir, "dev", "relay-"+lane), 1, true)
		if err != nil {
			b.Fatal(err)
		}
		defer relay.Close()
	}
	cards, err := samvsim.Plug()
	if err != nil {
		b.Fatal(err)
	}
	defer cards.Close()
	if err := terminal.Link(filepath.Join(dir, "dev", "card-in"), cards.Path); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(built(b), "run", "--config", filepath.Join(dir, "gated.yaml"))
	cmd.Env = append(os.Environ(), "GATED_CONSOLE_LISTEN=127.0.0.1:0", "GATED_LOG_LEVEL=info")
	errs, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() }()
	up, page := 0, ""
	log := bufio.NewScanner(errs)
	for (up < len(demo.Lanes) || page == "") && log.Scan() {
		if m := pageAddress.FindStringSubmatch(log.Text()); m != nil {
			page = m[1]
		}
		if strings.Contains(log.Text(), "scanner up") {
			up++
		}
	}
	if up < len(demo.Lanes) {
		b.Fatalf("%d of %d scanners are up", up, len(demo.Lanes))
	}
	go io.Copy(io.Discard, errs)
	if open {
		resp, err := http.Get(page + "events")
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("events: %v %v", resp, err)
		}
		defer resp.Body.Close()
		go io.Copy(io.Discard, resp.Body)
	}
	time.Sleep(3 * time.Second) // what a start has to do is done
	before, began := processorTime(b, cmd.Process.Pid), time.Now()
	time.Sleep(10 * time.Second)
	spent, took := processorTime(b, cmd.Process.Pid)-before, time.Since(began)
	for b.Loop() {
	}
	b.ReportMetric(100*spent.Seconds()/took.Seconds(), "%-of-a-core")
	b.ReportMetric(0, "ns/op")
}

// processorTime is what all threads of a process have used so far, in user and kernel mode. /proc/PID/stat counts it in
// hundredths of a second, which is as much as an idle daemon uses in ten; the process's own clock does in nanoseconds.
func processorTime(b *testing.B, pid int) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil { // clock_getcpuclockid(3)
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
