package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gated/credential"
	"gated/demo"
	"gated/demo/lcussim"
	"gated/evidence"
	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/registertest"
	"gated/roster"
	"gated/roster/sheet"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// noRaceSleep spares each process with the race detector the second that it sleeps at its end. What it has found it has said by
// then, and its exit status tells.
const noRaceSleep = "atexit_sleep_ms=0"

// The test binary is both commands, too: scripts and faults drive the real thing.
func TestMain(m *testing.M) {
	// They wait more than they work. The command line still has the last word.
	flag.Set("test.parallel", "4")
	if os.Getenv("GATED_CONSOLE_LISTEN") == "" { // else this is a child
		os.Setenv("GORACE", noRaceSleep)
		os.Setenv("GATED_CONSOLE_LISTEN", "127.0.0.1:0")
	}
	testscript.Main(cleaning{m}, map[string]func(){"gated": main, "gated-demo": func() { os.Exit(demo.Main(os.Args[1:], os.Stdout, os.Stderr)) }})
}

// cleaning runs the tests, and then removes what they shared.
type cleaning struct{ *testing.M }

func (c cleaning) Run() int {
	defer func() { os.RemoveAll(shared) }()
	return c.M.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(e *testscript.Env) error {
		e.Vars = append(e.Vars, "GATED_CONSOLE_LISTEN=127.0.0.1:0", "LANG=C.UTF-8", "GORACE="+noRaceSleep)
		return nil
	}, Condition: func(cond string) (bool, error) {
		switch cond {
		case "root":
			return os.Geteuid() == 0, nil
		}
		return false, fmt.Errorf("unknown condition %q", cond)
	}, Cmds: map[string]func(*testscript.TestScript, bool, []string){"flip": flip, "lines": lines, "issue-dcc": issueDCC, "blank": blank}})
}

// flip FILE N changes character N of a file's first line, to one that base45 has as well.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	b := []byte(ts.ReadFile(args[0]))
	var n int
	fmt.Sscan(args[1], &n)
	if b[n] == 'A' {
		b[n] = 'B'
	} else {
		b[n] = 'A'
	}
	ts.Check(os.WriteFile(path, b, 0o600))
}

// lines FILE N (or lines stdout N) checks the number of lines.
func lines(ts *testscript.TestScript, neg bool, args []string) {
	n := strings.Count(ts.ReadFile(args[0]), "\n")
	if fmt.Sprint(n) != args[1] {
		ts.Fatalf("%s has %d lines, want %s", args[0], n, args[1])
	}
}

// blank FILE writes a white picture.
func blank(ts *testscript.TestScript, neg bool, args []string) {
	img := image.NewGray(image.Rect(0, 0, 300, 200))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	var b bytes.Buffer
	ts.Check(png.Encode(&b, img))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// skip leaves out a test that cannot run here. In CI nothing is left out.
func skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// tool finds a program that a test needs beyond Go, or skips with what to install.
func tool(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, "%s is not installed: apt install %s", name, pkg)
	}
	return path
}

// child is the real daemon, or the demo, in a process of its own.
type child struct {
	*exec.Cmd
	stdout io.ReadCloser
	stderr *lockedBuffer
	page   chan string   // its address, once it works
	said   chan struct{} // closed when stderr is read to its end
}

// Wait reads what it said to the end first: exec's own Wait would cut that off.
func (c *child) Wait() error { <-c.said; return c.Cmd.Wait() }

type lockedBuffer struct {
	ch  chan struct{}
	buf bytes.Buffer
}

func (b *lockedBuffer) String() string {
	b.ch <- struct{}{}
	defer func() { <-b.ch }()
	return b.buf.String()
}

var pageAddress = regexp.MustCompile(`page=(http://[^ ]+)`)

func start(t testing.TB, args ...string) *child { return startUnder(t, nil, "gated", args...) }

func startDemo(t testing.TB, args ...string) *child { return startUnder(t, nil, "gated-demo", args...) }

// startUnder starts a command under another program, such as strace; nil: by itself.
func startUnder(t testing.TB, under []string, command string, args ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(exe, args...), stderr: &lockedBuffer{ch: make(chan struct{}, 1)}, page: make(chan string, 1), said: make(chan struct{})}
	c.Args[0] = command // testscript.Main runs the one of this name
	if len(under) > 0 {
		link := filepath.Join(t.TempDir(), command)
		if err := os.Symlink(exe, link); err != nil {
			t.Fatal(err)
		}
		c.Cmd = exec.Command(under[0], append(append(under[1:len(under):len(under)], link), args...)...)
	}
	c.Env = append(os.Environ(), "GATED_LOG_LEVEL=info")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: len(under) > 0}
	if c.stdout, err = c.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	errs, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.Process.Kill(); len(under) > 0 {
			syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // it, too
		}
		c.Wait()
	})
	go func() {
		defer close(c.said)
		for s := bufio.NewScanner(errs); s.Scan(); {
			c.stderr.ch <- struct{}{}
			c.stderr.buf.WriteString(s.Text() + "\n")
			<-c.stderr.ch
			if m := pageAddress.FindStringSubmatch(s.Text()); m != nil {
				c.page <- m[1]
			}
		}
	}()
	return c
}

func (c *child) address(t testing.TB) string {
	t.Helper()
	select {
	case p := <-c.page:
		return p
	case <-time.After(time.Minute):
		t.Fatalf("it does not come up:\n%s", c.stderr)
		return ""
	}
}

func (c *child) stop(t testing.TB) {
	t.Helper()
	began := time.Now()
	c.Process.Signal(syscall.SIGTERM)
	defer time.AfterFunc(time.Minute, func() { c.Process.Kill() }).Stop()
	if err := c.Wait(); err != nil {
		t.Errorf("ended with %v:\n%s", err, c.stderr)
	}
	if took := time.Since(began); took > 20*time.Second { // 5 s on a machine of its own
		t.Errorf("took %s to end:\n%s", took, c.stderr)
	}
}

// TestKillAtAnyMoment kills the demo with SIGKILL, 50 times in make faults. Whatever it had answered is in the ledger, without a
// gap, and it comes up again by itself.
func TestKillAtAnyMoment(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "d")
	answered := map[string]string{}
	var kills, verdicts int
	for kills < registertest.Sample(50, 15) {
		c := startDemo(t, "--dir", dir, "--scans", "1000000", "--fast", "--log-verdicts")
		lines := bufio.NewReader(c.stdout)
		after := 1 + rand.IntN(12) // verdicts, and a moment: so that a slow machine kills at the same moments
		var timer *time.Timer
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // what was cut off in the middle was not answered
			}
			if after--; after == 0 {
				moment := time.Duration(rand.Int64N(int64(10 * time.Millisecond)))
				timer = time.AfterFunc(moment, func() { c.Process.Signal(syscall.SIGKILL) })
			}
			var v struct{ Passage, Verdict string }
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			answered[v.Passage] = v.Verdict
			verdicts++
		}
		c.Wait()
		if timer == nil {
			t.Fatalf("kill %d: it did not start again:\n%s", kills, c.stderr)
		}
		kills++
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rep, err := evidence.Verify(r, evidence.Given{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	if err := r.Scan(1, rep.Entries, false, func(e *ledger.Entry) error {
		if e.Passage != "" && e.Verdict != "" {
			found[e.Passage] = e.Verdict
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for id, verdict := range answered {
		if got := found[id]; got == "" || got != verdict && verdict != "hold" {
			lost++
			t.Errorf("passage %s was answered %s, the ledger says %q", id, verdict, got)
		}
	}
	t.Logf("kills=%d verdicts=%d passages=%d entries=%d lost=%d", kills, verdicts, len(answered), rep.Entries, lost)
	if verdicts < kills*3 {
		t.Errorf("only %d verdicts: the kills came too early to show anything", verdicts)
	}
}

// TestKillWhileItStarts kills the first start of a demo at random moments: whatever it had made by then, the next one starts.
func TestKillWhileItStarts(t *testing.T) {
	t.Parallel()
	for i := range registertest.Sample(12, 4) {
		dir := filepath.Join(t.TempDir(), "d")
		if i == 0 { // a moment too short to be hit often
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		c := startDemo(t, "--dir", dir, "--scans", "4", "--fast")
		time.AfterFunc(time.Duration(rand.Int64N(int64(350*time.Millisecond))), func() { c.Process.Kill() })
		c.Wait()
		free(t, dir)
		again := startDemo(t, "--dir", dir, "--scans", "4", "--fast")
		out, _ := io.ReadAll(again.stdout)
		if err := again.Wait(); err != nil || !strings.HasPrefix(string(out), "scans=4 ") {
			t.Fatalf("after a kill it does not start: %v\n%s", err, again.stderr)
		}
	}
}

// free waits until nobody holds the lock of a state directory. The kernel kills the daemon of a demo that was killed, which takes
// a moment, and on a busy machine longer than a demo waits that is started.
func free(t testing.TB, dir string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// A program that takes the verdicts and then does not read them must not stop the gate.
func TestAReaderThatDoesNotReadStopsNothing(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	c := start(t, "run", "--config", filepath.Join(dir, "gated.yaml"), "--log-verdicts")
	page := c.address(t)
	var people sync.WaitGroup
	for i := range 8 {
		people.Go(func() {
			for n := range 220 { // in all more verdicts than pipe and queue hold
				body := fmt.Sprintf(`{"lane":"in","code":"69%03d%08d"}`, i, n)
				resp, err := http.Post(page+"api/code", "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				if resp.Body.Close(); resp.StatusCode != http.StatusOK {
					t.Errorf("%s after %d codes", resp.Status, n)
					return
				}
			}
		})
	}
	people.Wait()
	go io.Copy(io.Discard, c.stdout)
	c.stop(t)
}

// shared is a directory of what is made once for all tests, each of which works on its own copy.
var shared string

var madeOnce = sync.OnceValue(func() (err error) {
	if shared, err = os.MkdirTemp("", "gated"); err != nil {
		return err
	}
	return demo.Run(context.Background(), demo.Options{Dir: filepath.Join(shared, "demo"), Scans: 2, Fast: true, Stdout: io.Discard, Stderr: io.Discard})
})

// demoSite is the directory of a demo that ended at once: settings, keys and roster for other tests.
func demoSite(t testing.TB) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "d")
	if err := madeOnce(); err != nil {
		t.Fatal(err)
	}
	copySite(t, dir, filepath.Join(shared, "demo"))
	return dir
}

// copySite copies a state directory whose settings name it.
func copySite(t testing.TB, dir, from string) {
	t.Helper()
	if said, err := exec.Command("cp", "-a", from, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, name := range []string{"gated.yaml", "last-good/settings"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.ReplaceAll(mustRead(t, path), []byte(from), []byte(dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDaemonServesItsPageAndMetricsThatPromtoolLikes(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	c := startDemo(t, "--dir", dir, "--fast", "--scans", "1000000", "--log-verdicts")
	page := c.address(t)
	bufio.NewReader(c.stdout).ReadString('\n') // the first decision
	go io.Copy(io.Discard, c.stdout)
	get := func(path string) (int, string) {
		resp, err := http.Get(page + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	if code, body := get("healthz"); code != 200 || !strings.Contains(body, `"status":"ok"`) {
		t.Errorf("healthz: %d %s", code, body)
	}
	if code, body := get(""); code != 200 || !strings.Contains(body, "<html") {
		t.Errorf("page: %d %.100s", code, body)
	}
	code, metrics := get("metrics")
	if code != 200 {
		t.Fatalf("metrics: %d", code)
	}
	for _, name := range []string{"gated_scans_total{", "gated_decisions_total{", "gated_decision_seconds_bucket{", "gated_scanner_up{", "gated_card_reader_up{", "gated_card_reads_total{", "gated_framing_errors_total{", "gated_repeats_total{",
		"gated_ledger_entries ", "gated_ledger_append_seconds_bucket{", "gated_ledger_fault 0", "gated_clock_trusted ", "gated_holds ", "gated_openings_to_account_for ", "gated_people_inside ", "gated_state_free_bytes ", "gated_build_info{"} {
		if !strings.Contains(metrics, name) {
			t.Errorf("no %s in the metrics", name)
		}
	}
	people := demo.Compound()
	for _, r := range []sheet.Row{people[0], people[1000]} {
		if strings.Contains(metrics, r.Name) || strings.Contains(metrics, r.Document) {
			t.Error("the metrics name a person")
		}
	}
	c.stop(t)
	for _, r := range people[:300] {
		if strings.Contains(c.stderr.String(), r.Name) || strings.Contains(c.stderr.String(), r.Document) {
			t.Error("the log names a person")
		}
	}
	check := exec.Command(tool(t, "promtool", "prometheus"), "check", "metrics")
	check.Stdin = strings.NewReader(metrics)
	if out, err := check.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestASecondDaemonSaysWhoHoldsTheDirectory(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	c := start(t, "run", "--config", filepath.Join(dir, "gated.yaml"))
	c.address(t)
	second := start(t, "run", "--config", filepath.Join(dir, "gated.yaml"))
	err := second.Wait()
	if second.ProcessState.ExitCode() != 2 || !strings.Contains(second.stderr.String(), fmt.Sprintf("process %d", c.Process.Pid)) {
		t.Errorf("got %v:\n%s", err, second.stderr)
	}
	// A command that changes something goes through the daemon all the same, and readers read.
	for _, args := range [][]string{{"pass", "revoke", "0011223344556677", "--unseen", "--state", dir}, {"clock", "confirm", "--state", dir}, {"ledger", "stats", "--state", dir}, {"roster", "export", "--state", dir}} {
		x := start(t, args...)
		io.Copy(io.Discard, x.stdout)
		if err := x.Wait(); err != nil {
			t.Errorf("%v: %v:\n%s", args, err, x.stderr)
		}
	}
	c.stop(t)
	var kinds []string
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := evidence.Verify(r, evidence.Given{}); err != nil {
		t.Error(err)
	}
	r.Scan(1, 1<<62, true, func(e *ledger.Entry) error { kinds = append(kinds, string(e.Kind)+":"+e.Reason); return nil })
	if s := strings.Join(kinds, " "); !strings.Contains(s, "roster:pass-revoked") || !strings.Contains(s, "clock:clock-confirmed") || !strings.HasSuffix(s, "stop:") {
		t.Errorf("entries: %s", s)
	}
}

func TestReloadKeepsTheOldSettingsWhenTheNewAreWrong(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	path := filepath.Join(dir, "gated.yaml")
	c := start(t, "run", "--config", path)
	page := c.address(t)
	good, _ := os.ReadFile(path)
	metric := func() string {
		resp, err := http.Get(page + "metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		m := regexp.MustCompile(`(?m)^gated_settings_last_reload_successful (\d)`).FindSubmatch(b)
		return string(m[1])
	}
	reload := func(settings []byte, want string) {
		t.Helper()
		if err := os.WriteFile(path, settings, 0o600); err != nil {
			t.Fatal(err)
		}
		c.Process.Signal(syscall.SIGHUP)
		for deadline := time.Now().Add(time.Minute); metric() != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("reload did not answer %s:\n%s", want, c.stderr)
			}
		}
	}
	reload(bytes.Replace(good, []byte("gate:"), []byte("gatte:"), 1), "0")
	reload(append(bytes.Replace(good, []byte("gate:"), []byte("gate:\n  level: sealed"), 1), '\n'), "1")
	c.stop(t)
	if log := c.stderr.String(); !strings.Contains(log, "gatte") || !strings.Contains(log, "level=sealed") {
		t.Errorf("log:\n%s", log)
	}
}

// TestFaultsOfTheHardware lets the hardware of a demo fail all the time under full load. Each code that was sent while a
// lane was listened to is answered as what it is, none that was sent before; each pulse has its entry; and the page shows
// each fault. How soon, make soak measures: here other tests may have the machine.
func TestFaultsOfTheHardware(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s: run it without -short, as make test does")
	}
	dir := filepath.Join(t.TempDir(), "demo")
	c := startDemo(t, "--dir", dir, "--faults", "--fast", "--for", fmt.Sprintf("%ds", registertest.Sample(20, 10)), "--within", "10s")
	out, err := io.ReadAll(c.stdout)
	if err = errors.Join(err, c.Wait()); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, c.stderr)
	}
	var scans, answered, repeats, framing int
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if _, err := fmt.Sscanf(lines[len(lines)-1], "scans=%d answered=%d repeats=%d framing=%d", &scans, &answered, &repeats, &framing); err != nil {
		t.Fatalf("%v in the last line of\n%s", err, out)
	}
	if scans == 0 || scans != answered+repeats+framing {
		t.Errorf("%d codes sent, %d answered", scans, answered+repeats+framing)
	}
	if !strings.Contains(string(out), "on the page within") || !regexp.MustCompile(`opened [1-9]\d* times: [1-9]`).Match(out) || !strings.Contains(string(out), "lost: nothing") {
		t.Errorf("nothing went wrong:\n%s", out)
	}
	var said bytes.Buffer
	if code := execute([]string{"ledger", "verify", "--state", dir}, strings.NewReader(""), &said, &said); code != 0 {
		t.Errorf("ledger verify: exit %d:\n%s", code, &said)
	}
}

// TestAFullDiskIsAFaultThatHeals fills a small tmpfs under a working gate. Nothing is admitted that is not recorded, the
// relay is switched on for nothing but the emergency key, and when there is room again it goes on by itself.
func TestAFullDiskIsAFaultThatHeals(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		skip(t, "a small tmpfs can only be mounted by root")
	}
	src := demoSite(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		skip(t, "a small tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.CopyFS(dir, os.DirFS(src)); err == nil {
		t.Log("copied")
	}
	settings := strings.ReplaceAll(string(mustRead(t, filepath.Join(src, "gated.yaml"))), src, dir)
	relay, err := lcussim.New(filepath.Join(t.TempDir(), "relay"), 1, true) // not on the disk that gets full
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	settings = strings.Replace(settings, filepath.Join(dir, "dev", "relay-in"), relay.Path(), 1)
	resident := residentPasses(t, src)
	for _, f := range []string{"roster.db", "ledger.db"} {
		if err := os.WriteFile(filepath.Join(dir, f), mustRead(t, filepath.Join(src, f)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "gated.yaml")
	if err := os.WriteFile(path, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, "run", "--config", path)
	page := c.address(t)
	scan := func(code string) (int, string) {
		resp, err := http.Post(page+"api/code", "application/json", strings.NewReader(fmt.Sprintf(`{"lane":"in","code":%q}`, code)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var v struct{ Verdict string }
		json.NewDecoder(resp.Body).Decode(&v)
		return resp.StatusCode, v.Verdict
	}
	if code, v := scan("6901234567892"); code != 200 || v != "refuse" {
		t.Fatalf("before: %d %s", code, v)
	}
	opened := func(want int, when string) {
		t.Helper()
		for late := time.Now().Add(time.Minute); relay.Pulses(1) < want && time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		}
		if n := relay.Pulses(1); n != want {
			t.Errorf("%s: the relay was switched on %d times, want %d:\n%s", when, n, want, c.stderr)
		}
	}
	if code, v := scan(resident()); code != 200 || v != "admit" {
		t.Fatalf("before, with a pass: %d %s", code, v)
	}
	opened(1, "before")
	for late := time.Now().Add(time.Minute); relay.On(1) && time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
	} // what the key holds open must be switched on by the key
	filler := filepath.Join(dir, "filler")
	fill := func() {
		f, err := os.OpenFile(filler, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, size := range []int{64 << 10, 4 << 10, 1} {
			for err = error(nil); err == nil; _, err = f.Write(make([]byte, size)) {
			}
		}
	}
	fill()
	faulted := false
	answered := 0
	for i := range 5000 {
		code, v := scan(fmt.Sprintf("69%011d", i))
		if code == http.StatusServiceUnavailable && v == "fault" {
			faulted = true
			break
		}
		answered++
	}
	if !faulted {
		t.Fatalf("%d codes answered on a full disk", answered)
	}
	if resp, err := http.Get(page + "healthz"); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("healthz in fault: %v %v", resp, err)
	}
	if code, v := scan(resident()); code != http.StatusServiceUnavailable || v != "fault" {
		t.Errorf("a pass in fault: %d %s", code, v)
	}
	if resp, err := http.Post(page+"api/emergency", "application/json", strings.NewReader(`{"lane":"in"}`)); err != nil || resp.StatusCode != 200 {
		t.Errorf("emergency key in fault: %v %v", resp, err)
	}
	opened(2, "in fault, with the emergency key")
	// What cannot be recorded must not be changed.
	revoke := start(t, "pass", "revoke", "0011223344556677", "--state", dir)
	io.Copy(io.Discard, revoke.stdout)
	if revoke.Wait(); revoke.ProcessState.ExitCode() != 2 || !strings.Contains(revoke.stderr.String(), "the ledger is in fault, so nothing can be changed") {
		t.Errorf("a change in a fault: exit %d, %s", revoke.ProcessState.ExitCode(), revoke.stderr)
	}

	// Even a start on the full disk brings up the page and the key, and what was pending is not forgotten.
	c.stop(t)
	fill() // again: the write-ahead log may have gone into the ledger's free pages
	c = start(t, "run", "--config", path)
	page = c.address(t)
	if code, v := scan("6901234567892"); code != http.StatusServiceUnavailable || v != "fault" {
		t.Errorf("started on a full disk: %d %s", code, v)
	}
	if code, v := scan(resident()); code != http.StatusServiceUnavailable || v != "fault" {
		t.Errorf("a pass, started on a full disk: %d %s", code, v)
	}
	os.Remove(filler)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if code, v := scan(fmt.Sprintf("68%011d", time.Now().UnixNano()%1e11)); code == 200 && v == "refuse" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not heal:\n%s", c.stderr)
		}
	}
	opened(2, "healed")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) { // a hold until the register is made anew
		if code, v := scan(resident()); code == 200 && v == "admit" {
			break
		} else if code != 200 || v != "hold" || time.Now().After(deadline) {
			t.Fatalf("a pass, healed: %d %s", code, v)
		}
	}
	opened(3, "healed, with a pass")
	c.stop(t)
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := evidence.Verify(r, evidence.Given{}); err != nil {
		t.Error(err)
	}
	var emergencies, outages, scans int
	r.Scan(1, 1<<62, false, func(e *ledger.Entry) error {
		switch {
		case e.Kind == register.Opening && e.Reason == "emergency-key":
			emergencies++
		case e.Kind == ledger.Outage:
			outages++
		case e.Kind == register.Decided && e.Reason == "unknown-code":
			scans++
		}
		return nil
	})
	if emergencies != 1 || outages == 0 || scans < answered+1 {
		t.Errorf("%d emergency entries, %d outages, %d of %d answers on record", emergencies, outages, scans, answered+2)
	}
}

// residentPasses issues passes of residents of a demo's compound, another one at each call.
func residentPasses(t testing.TB, dir string) (next func() string) {
	t.Helper()
	key, err := credential.ReadPrivateKey(filepath.Join(dir, "keys", "office.key"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := roster.OpenReadOnly(filepath.Join(dir, "roster.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	people, n := store.Snapshot().People(), 0
	return func() string {
		t.Helper()
		for n = (n + 1) % len(people); people[n].Class != "resident"; n = (n + 1) % len(people) {
		}
		pass, err := credential.Issue(key, credential.Pass{Issuer: demo.Issuer, Subject: people[n].ID, Kind: "resident", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return pass
	}
}

// TestAStateDirectoryThatCannotBeMadeIsSaid tries a read-only file system, or as another user than root a read-only directory.
// One that is there is no reason not to start: see TestAGateStartsOnWhateverItsStateDirectoryIs.
func TestAStateDirectoryThatCannotBeMadeIsSaid(t *testing.T) {
	t.Parallel()
	src := demoSite(t)
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, "size=1m"); err != nil {
			skip(t, "a read-only tmpfs cannot be mounted here: %v", err)
		}
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	} else if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"gated", "run", "--config", filepath.Join(src, "gated.yaml"), "--state", filepath.Join(dir, "new")},
		{"gated", "pass", "revoke", "0011223344556677", "--unseen", "--state", dir},
		{"gated-demo", "--dir", filepath.Join(dir, "demo")},
	} {
		c := startUnder(t, nil, args[0], args[1:]...)
		late := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
		c.Wait()
		late.Stop()
		if code := c.ProcessState.ExitCode(); code != 2 || !strings.Contains(c.stderr.String(), dir) {
			t.Errorf("%v: exit %d:\n%s", args, code, c.stderr)
		}
	}
}

// TestPortsThatAreNotGivenBackEndTheDaemon has the driver hang in the closing of three ports, one after the other. Only a
// new process helps then: the daemon says so, writes down that it ends, and does.
func TestPortsThatAreNotGivenBackEndTheDaemon(t *testing.T) {
	t.Parallel()
	told := filepath.Join(t.TempDir(), "strace")
	strace := []string{tool(t, "strace", "strace"), "-f", "-o", told, "-e", "trace=close", "-e", "inject=close:delay_enter=600000000"} // µs
	dir := demoSite(t)
	link := filepath.Join(dir, "dev", "scanner-in")
	plug := func(port string) {
		t.Helper()
		if err := errors.Join(os.Symlink(port, link+".new"), os.Rename(link+".new", link)); err != nil {
			t.Fatal(err)
		}
	}
	var ports []string
	for range 4 {
		far, near, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer far.Close()
		defer near.Close()
		ports = append(ports, near.Name())
	}
	for _, port := range ports[:3] {
		strace = append(strace, "-P", port)
	}
	plug(ports[0])
	c := startUnder(t, strace, "gated", "run", "--config", filepath.Join(dir, "gated.yaml"))
	page := c.address(t)
	for i, next := range ports[1:] {
		listening := fmt.Sprintf("gated_scanner_connects_total{lane=\"in\"} %d\n", i+1)
		for late := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			metrics := get(t, page+"metrics")
			if strings.Contains(metrics, listening) && strings.Contains(metrics, "gated_scanner_up{lane=\"in\"} 1\n") {
				break
			}
			if time.Now().After(late) {
				t.Fatalf("port %d is not listened to:\n%s", i+1, c.stderr)
			}
		}
		plug(next)
	}
	ended := regexp.MustCompile(`\+\+\+ exited with ([1-9]\d*) \+\+\+`) // each thread; strace itself stays for as long as it delays
	for late := time.Now().Add(time.Minute); !ended.Match(mustRead(t, told)); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			syscall.Kill(-c.Process.Pid, syscall.SIGQUIT) // it says where it hangs
			for n := 0; n < 100 && !strings.Contains(c.stderr.String(), "goroutine "); n++ {
				time.Sleep(50 * time.Millisecond)
			}
			syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			c.Wait()
			t.Fatalf("it does not end:\n%s", c.stderr)
		}
	}
	syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	c.Wait()
	if said, status := c.stderr.String(), ended.FindSubmatch(mustRead(t, told))[1]; string(status) != "2" ||
		!strings.Contains(said, "gated: scanner of lane in: the driver of the serial port does not give it back; unplug the device and start again\n") {
		t.Errorf("exit %s:\n%s", status, said)
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := evidence.Verify(r, evidence.Given{}); err != nil {
		t.Error(err)
	}
	var last ledger.Kind
	if err := r.Scan(1, 1<<62, false, func(e *ledger.Entry) error { last = e.Kind; return nil }); err != nil || last != ledger.Stop {
		t.Errorf("%v: the newest entry is %s, want %s", err, last, ledger.Stop)
	}
}

// get returns what is found at an address.
func get(t testing.TB, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSystemdIsTold plays systemd's end of the notification socket.
func TestSystemdIsTold(t *testing.T) {
	dir := demoSite(t)
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "300000")
	c := start(t, "run", "--config", filepath.Join(dir, "gated.yaml"))
	told := func(want string) {
		t.Helper()
		socket.SetReadDeadline(time.Now().Add(time.Minute))
		for b := make([]byte, 4096); ; {
			n, err := socket.Read(b)
			if err != nil {
				t.Fatalf("never told %s: %v\n%s", want, err, c.stderr)
			}
			if strings.HasPrefix(string(b[:n]), want) {
				return
			}
		}
	}
	told("READY=1\nSTATUS=page http://127.0.0.1:")
	told("WATCHDOG=1")
	c.Process.Signal(syscall.SIGHUP)
	told("RELOADING=1\nMONOTONIC_USEC=")
	told("READY=1")
	c.Process.Signal(syscall.SIGTERM)
	told("STOPPING=1")
	c.Wait()
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A script that looks at the exit status alone must not take half of an answer, or none, for the whole.
func TestResultsThatNobodyGets(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range []string{"version", "config example", "scanner probe --list", "help"} {
		var stderr strings.Builder
		if status := execute(strings.Fields(args), strings.NewReader(""), full, &stderr); status != 2 || strings.Count(stderr.String(), "no space left") != 1 {
			t.Errorf("gated %s: status %d, %s", args, status, &stderr)
		}
	}
}
