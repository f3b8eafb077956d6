//go:build linux

package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gated/ledger/file"
	"gated/ledger/tlog"
)

// load is what a writer process is told to do.
type load struct {
	Dir       string // state directory
	Producers int
	Passages  int    // of each producer; 0: on and on until it is killed
	Normal    bool   // synchronous=NORMAL, with which a power cut loses events
	FileLimit uint64 // if not 0, no file may grow beyond this many bytes until the first fault: a write across it is short
	Hangs     bool   // its disk hangs now and then, for longer than anybody waits
	Credulous bool   // it believes the page cache after an error, as a ledger once did
	Pinned    bool   // what touches the disk keeps its thread, because strace counts calls by thread
	Erasing   bool   // the first producer erases what is older than its last passages, again and again
}

// TestWriterProcess is the process that the tests below start, stop and kill: it appends passages of three events and
// says what was answered. Without them it does nothing.
func TestWriterProcess(t *testing.T) {
	var w load
	if s := os.Getenv("GATED_WRITER"); s == "" {
		return
	} else if err := json.Unmarshal([]byte(s), &w); err != nil {
		t.Fatal(err)
	}
	out := os.NewFile(3, "answers")
	say := func(format string, args ...any) {
		if _, err := fmt.Fprintf(out, format+"\n", args...); err != nil { // one write a line: it arrives whole or not at all
			os.Exit(1) // nobody listens any more
		}
	}
	fail := func(err error) { say("error %v", err); os.Exit(1) }

	ck := &clock{t: time.Now()}
	opt := options(w.Dir, ck)
	var mu sync.Mutex
	broken, change := false, sync.NewCond(&mu)
	opt.OnChange = func(f *Fault) {
		mu.Lock()
		broken = f != nil
		mu.Unlock()
		change.Broadcast()
		if f == nil {
			say("healed")
			return
		}
		say("fault %s", f.Cause)
		if w.FileLimit > 0 {
			if err := limitFiles(1<<63 - 1); err != nil {
				fail(err)
			}
		}
	}
	opt.Recovered = takenBack
	opt.credulous = w.Credulous
	if w.Hangs {
		opt.Hangs = 0
	}
	var l *Ledger
	lowered := false
	opt.Inject = func(op string) error {
		if w.Pinned {
			runtime.LockOSThread()
		}
		if w.Hangs && (op == "commit" || op == "committed" || op == "sign") && rand.IntN(50) == 0 {
			time.Sleep(hangsAfter + time.Duration(rand.IntN(500))*time.Millisecond)
		}
		if w.Normal && op == "committed" && !lowered { // the writer's own goroutine, between two transactions
			lowered = true
			return l.c.Exec("PRAGMA synchronous = NORMAL")
		}
		return nil
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	l, err := Open(opt)
	if err != nil {
		fail(err)
	}
	// wait waits until the ledger works again.
	wait := func() {
		mu.Lock()
		defer mu.Unlock()
		for broken {
			change.Wait()
		}
	}
	for {
		_, err := l.Append(startOf(l))
		if err == nil {
			break
		}
		if !errors.Is(err, ErrFault) {
			fail(err)
		}
		wait()
	}
	go func() { <-term; say("closing"); l.Append(Event{Stamp: opt.Now(), Kind: Stop}); l.Close(); os.Exit(0) }()
	if w.FileLimit > 0 {
		if err := limitFiles(w.FileLimit); err != nil {
			fail(err)
		}
	}
	say("open")
	witness, err := tlog.NewKey("witness.example")
	if err != nil {
		fail(err)
	}
	var wg sync.WaitGroup
	for p := range w.Producers {
		wg.Go(func() {
			for i := 0; w.Passages == 0 || i < w.Passages; i++ {
				if p == 0 && i%8 == 5 { // tree heads that are rows come with them
					other := opt.Now()
					other.Time = other.Time.AddDate(0, 0, 1)
					l.Append(Event{Stamp: other, Kind: KeyChange, Reason: "witness", Detail: map[string]string{"verifier": witness.Verifier()}}) // answered or not
				}
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), p, i)
				es, err := l.Append(append(passage(ck, id, "out", "admit"), register(ck, id, "out", "admit", "resident"))...)
				switch {
				case err == nil:
					if w.Erasing && p == 0 && i%5 == 4 {
						last := es[0].Seq - 20
						_, err := l.Erase(0, seqs(max(1, last-60), max(0, last)), asked)
						if err != nil && !errors.Is(err, ErrFault) && !errors.Is(err, ErrClosed) && !w.Pinned { // else it could not read
							fail(err)
						}
					}
					say("answered %d %s %s %s", es[0].Seq, hash(string(es[0].Raw)), hash(string(es[1].Raw)), hash(string(es[2].Raw)))
				case errors.Is(err, ErrFault):
					say("failed %s", id)
					wait()
				case errors.Is(err, ErrClosed):
					return
				default:
					fail(err)
				}
			}
		})
	}
	wg.Wait()
	l.Close()
}

func limitFiles(bytes uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &lim); err != nil {
		return err
	}
	lim.Cur = min(bytes, lim.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lim)
}

// writer is a writer process as its parent sees it.
type writer struct {
	t        *testing.T
	job      load
	cmd      *exec.Cmd
	out      bytes.Buffer // what it printed
	pipe     *os.File     // what it says
	rest     []byte       // a line of which the end is still to come
	said     map[string]int
	answered map[int64]string // hash of the record by seq
	failed   []string         // passages answered with a fault
	cause    string           // of the last fault
}

// startWriter starts a writer process, under another program where one is given (strace with its arguments).
func startWriter(t *testing.T, job load, under ...string) *writer {
	t.Helper()
	r, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer answers.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(under, exe, "-test.run=^TestWriterProcess$", "-test.timeout=5m")
	w := &writer{t: t, job: job, cmd: exec.Command(args[0], args[1:]...), pipe: r, said: map[string]int{}, answered: map[int64]string{}}
	told, _ := json.Marshal(job)
	w.cmd.Env = append(os.Environ(), "GATED_WRITER="+string(told), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	w.cmd.Stdout, w.cmd.Stderr, w.cmd.ExtraFiles, w.cmd.WaitDelay = &w.out, &w.out, []*os.File{answers}, 10*time.Second
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kill)
	return w
}

// listen takes in what is said for d, until enough says so, or to the end of the process: then it returns false.
func (w *writer) listen(d time.Duration, enough func() bool) bool {
	w.t.Helper()
	w.pipe.SetReadDeadline(time.Now().Add(d))
	buf := make([]byte, 64<<10)
	for enough == nil || !enough() {
		n, err := w.pipe.Read(buf)
		w.take(buf[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return true
		}
		if err != nil {
			return false
		}
	}
	return true
}

// drain takes in what is said already, of a process that is stopped.
func (w *writer) drain() {
	w.t.Helper()
	w.pipe.SetReadDeadline(time.Time{})
	rc, err := w.pipe.SyscallConn()
	if err != nil {
		w.t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	err = rc.Read(func(fd uintptr) bool {
		for {
			n, _ := syscall.Read(int(fd), buf)
			if n <= 0 {
				return true
			}
			w.take(buf[:n])
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *writer) take(b []byte) {
	w.t.Helper()
	w.rest = append(w.rest, b...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return
		}
		w.rest = rest
		f := strings.Fields(string(line))
		w.said[f[0]]++
		switch f[0] {
		case "answered":
			seq, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil || len(f) != 5 {
				w.t.Fatalf("the writer says %q", line)
			}
			for i, h := range f[2:] {
				w.answered[seq+int64(i)] = h
			}
		case "failed":
			w.failed = append(w.failed, f[1])
		case "fault":
			w.cause = string(line)
		case "error":
			w.t.Errorf("the writer fails: %s", line)
		}
	}
}

// opened waits until the process has opened its ledger without a fault.
func (w *writer) opened() {
	w.t.Helper()
	if !w.listen(time.Minute, func() bool { return w.said["open"] > 0 }) || w.said["open"] == 0 || w.said["fault"] > 0 {
		w.t.Fatalf("the writer did not open its ledger: said %v, printed:\n%s", w.said, w.out.Bytes())
	}
}

// kill ends the process with SIGKILL and takes in the rest of what it said.
func (w *writer) kill() {
	if w.cmd.ProcessState != nil {
		return
	}
	w.cmd.Process.Kill()
	w.listen(time.Minute, nil)
	w.pipe.Close()
	w.cmd.Wait() // "signal: killed"
}

// end waits for a process that ends by itself.
func (w *writer) end(d time.Duration) error {
	w.t.Helper()
	if w.listen(d, nil) {
		w.kill() // what it printed is whole then
		w.t.Fatalf("the writer does not end: said %v, %s, printed:\n%s", w.said, w.cause, w.out.Bytes())
	}
	w.pipe.Close()
	return w.cmd.Wait()
}

// stop stops all threads of the process; when it returns none is in a system call, and what was answered is taken in.
func (w *writer) stop() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		w.t.Fatal(err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(w.cmd.Process.Pid, &ws, syscall.WUNTRACED, nil); err != nil || !ws.Stopped() {
		w.t.Fatalf("the writer does not stop: %v, status %x", err, ws)
	}
	w.drain()
}

// tally counts what the tests of a crash promise.
type tally struct{ answered, found, lost int }

func (s tally) String() string {
	return fmt.Sprintf("answered %d, found %d, lost %d", s.answered, s.found, s.lost)
}

// compare reads the entries from the first on: none may be missing, and those answered must be what was answered.
// It returns the newest entry's seq.
func (s *tally) compare(t *testing.T, dir string, first int64, answered map[int64]string) int64 {
	t.Helper()
	newest, err := s.count(dir, first, answered)
	if err != nil {
		t.Error(err)
	}
	return newest
}

// count is compare where it is no error that some are lost.
func (s *tally) count(dir string, first int64, answered map[int64]string) (newest int64, err error) {
	s.answered += len(answered)
	next, found := first, 0
	r, err := file.OpenReader(dir)
	if err != nil && first == 1 && len(answered) == 0 {
		return 0, nil // the end came while the ledger was made: whoever opens it next makes it anew
	}
	if err == nil {
		defer r.Close()
		err = r.Scan(first, 1<<62, false, func(e *Entry) error {
			if e.Seq != next {
				return fmt.Errorf("entry %d is missing", next)
			}
			next++
			if h, ok := answered[e.Seq]; ok && h != hash(string(e.Raw)) {
				return fmt.Errorf("entry %d is not what was answered", e.Seq)
			} else if ok {
				found++
			}
			return nil
		})
	}
	s.found, s.lost = s.found+found, s.lost+len(answered)-found
	return next - 1, err
}

// whole opens the ledger as the daemon does and verifies all of it.
func whole(t *testing.T, dir string) {
	t.Helper()
	l := open(t, dir, &clock{t: time.Now()})
	verify(t, l)
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	if rep, err := verifyReader(r, Given{}); err != nil {
		t.Error(err)
	} else if rep.Hidden > 0 || rep.Pending > 0 {
		t.Errorf("personal data: %d entries cannot be opened, %d are to be erased", rep.Hidden, rep.Pending)
	}
	r.Close()
	l.Close()
}

// Whatever is answered is there after kill -9: while the ledger is created and opened, under load, while the WAL is moved
// into the database, and while it is closed.
func TestCrashOfTheProcessLosesNothingAnswered(t *testing.T) {
	t.Parallel()
	const each = 12 // kills of one ledger: its index is never written, so that each start reads all its entries
	var mu sync.Mutex
	var s tally
	kills := 0
	t.Run("ledgers", func(t *testing.T) {
		for range sample(840, 48) / each {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				got := killed(t, each)
				mu.Lock()
				defer mu.Unlock()
				kills, s.answered, s.found, s.lost = kills+each, s.answered+got.answered, s.found+got.found, s.lost+got.lost
			})
		}
	})
	t.Logf("kills %d, %v", kills, s)
	if s.lost > 0 || s.answered == 0 {
		t.Fail()
	}
}

// What was said to be erased is erased after kill -9 at any moment, and nothing else is.
func TestCrashOfTheProcessWhileItErases(t *testing.T) {
	t.Parallel()
	n := sample(200, 24)
	dir := t.TempDir()
	for i := range n {
		w := startWriter(t, load{Dir: dir, Producers: 2, Erasing: true})
		w.opened()
		if i == 0 { // on a slow machine none of the short ones may come to an erasure
			w.listen(time.Minute, func() bool { return len(w.answered) > 100 })
		}
		w.listen(time.Duration(rand.IntN(120_000))*time.Microsecond, nil)
		w.kill()
		if w.said["fault"] > 0 {
			t.Errorf("the writer was in %s", w.cause)
		}
		whole(t, dir)
	}
	if rep, err := verifyReader(reader(t, dir), Given{}); err != nil || rep.Erased == 0 {
		t.Errorf("nothing was erased (%v)", err)
	} else {
		t.Logf("%d kills, %d entries, %d of them erased", n, rep.Entries, rep.Erased)
	}
}

// A process whose disk hangs is killed, before the hang, in it and behind it: whatever it answered is there, what it answered
// with a fault was taken back, and nothing is left behind that would be a finding.
func TestCrashWhileTheDiskHangs(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var s tally
	hangs := 0
	t.Run("ledgers", func(t *testing.T) {
		for range sample(40, 4) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				var own tally
				size, hung := int64(0), 0
				for range 2 {
					w := startWriter(t, load{Dir: dir, Producers: 2, Hangs: true})
					w.listen(time.Minute, func() bool { return w.said["open"] > 0 })
					w.listen(time.Duration(rand.IntN(4000))*time.Millisecond, nil)
					w.kill()
					if w.said["fault"] > 0 && !strings.Contains(w.cause, "did not answer") {
						t.Errorf("the writer was in %s", w.cause)
					}
					hung += w.said["fault"]
					size = own.compare(t, dir, size+1, w.answered)
				}
				whole(t, dir)
				mu.Lock()
				defer mu.Unlock()
				hangs, s.answered, s.found, s.lost = hangs+hung, s.answered+own.answered, s.found+own.found, s.lost+own.lost
			})
		}
	})
	t.Logf("faults %d, %v", hangs, s)
	if s.lost > 0 || s.answered == 0 {
		t.Fail()
	}
}

// killed kills the writers of one ledger n times.
func killed(t *testing.T, n int) (s tally) {
	dir := t.TempDir()
	all := map[int64]string{}
	var size int64
	for try := 0; n > 0; try++ {
		w := startWriter(t, load{Dir: dir, Producers: 3})
		up := func(ms int) time.Duration { return time.Duration(rand.IntN(ms*1000)) * time.Microsecond }
		when := rand.IntN(10)
		if try < 2 { // while the files are made
			when = 0
		}
		switch when {
		case 0: // anywhere in its beginning
			w.listen(up(80), nil)
		case 1: // long enough for checkpoints of the WAL
			w.opened()
			w.listen(up(500), nil)
		case 2: // anywhere in its end
			w.opened()
			w.listen(up(40), nil)
			w.cmd.Process.Signal(syscall.SIGTERM)
			if w.listen(time.Minute, func() bool { return w.said["closing"] > 0 }) {
				w.listen(up(10), nil)
			}
		default:
			w.opened()
			w.listen(up(60), nil)
		}
		w.kill()
		if w.said["fault"] > 0 {
			t.Errorf("the writer was in %s", w.cause)
		}
		if w.cmd.ProcessState.ExitCode() < 0 { // else it was done before the signal came
			n--
		}
		size = s.compare(t, dir, size+1, w.answered)
		for seq, h := range w.answered {
			all[seq] = h
		}
	}
	whole(t, dir)
	var again tally
	if again.compare(t, dir, 1, all); again.lost > 0 {
		t.Errorf("at the end: %v", again)
	}
	return s
}

// needs skips a test for want of a tool, a right or a device; in CI nothing is skipped.
func needs(t *testing.T, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") != "":
		t.Fatal(what)
	default:
		t.Skip(what)
	}
}

func needsRoot(t *testing.T) {
	t.Helper()
	needs(t, os.Geteuid() == 0, "only root may mount: run the tests as root")
}

func needsTool(t *testing.T, name, pkg string) {
	t.Helper()
	_, err := exec.LookPath(name)
	needs(t, err == nil, name+" is missing: apt install "+pkg)
}

// tool runs a command of the system.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// image is an ext4 file system in a file.
type image struct {
	t              *testing.T
	path, dev, dir string
}

// newImage makes a disk of 64 MiB and mounts it at dir; the file is sparse. A test with a mount of its own is not parallel: a
// process that another one starts has its files open until it is on its way, and the mount is busy.
func newImage(t *testing.T) *image {
	t.Helper()
	needsRoot(t)
	needsTool(t, "losetup", "mount")
	needsTool(t, "mkfs.ext4", "e2fsprogs")
	d := &image{t: t, path: filepath.Join(t.TempDir(), "disk.img")}
	if err := os.WriteFile(d.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.path, 64<<20); err != nil {
		t.Fatal(err)
	}
	// All of it made now: the kernel would else write on by itself in the background.
	tool(t, "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.path)
	d.mount()
	return d
}

func (d *image) mount() {
	d.t.Helper()
	if d.dev != "" {
		d.t.Fatalf("%s is mounted already: twice would ruin it", d.path)
	}
	d.dir = d.t.TempDir()
	out, err := exec.Command("losetup", "--find", "--show", d.path).CombinedOutput()
	d.dev = strings.TrimSpace(string(out))
	needs(d.t, err == nil, fmt.Sprintf("no loop device to be had (%s): run the tests on a kernel with the loop module", d.dev))
	d.t.Cleanup(d.unmount)
	err = syscall.Mount(d.dev, d.dir, "ext4", 0, "")
	needs(d.t, err == nil, fmt.Sprintf("mount %s: %v: run the tests where root may mount ext4", d.dev, err))
}

func (d *image) unmount() {
	if d.dev == "" {
		return
	}
	err := syscall.Unmount(d.dir, 0)
	for end := time.Now().Add(10 * time.Second); errors.Is(err, syscall.EBUSY) && time.Now().Before(end); err = syscall.Unmount(d.dir, 0) {
		time.Sleep(10 * time.Millisecond) // a process that another test starts has a copy of every descriptor until it runs its program
	}
	if err != nil && !errors.Is(err, syscall.EINVAL) { // EINVAL: it was not mounted
		d.t.Errorf("unmount %s: %v", d.dir, err)
		syscall.Unmount(d.dir, syscall.MNT_DETACH)
	}
	tool(d.t, "losetup", "--detach", d.dev)
	d.dev = ""
}

// writes is how many writes the device has done, and whether it is idle.
func (d *image) writes() (done string, idle bool) {
	b, err := os.ReadFile("/sys/block/" + filepath.Base(d.dev) + "/stat")
	f := strings.Fields(string(b))
	if err != nil || len(f) < 9 {
		d.t.Fatalf("read the statistics of %s: %v: %q", d.dev, err, b)
	}
	return f[4], f[8] == "0" // Documentation/block/stat.rst
}

// cut returns the disk as a power cut at this moment would leave it: whatever the kernel has only in memory is missing.
// Who writes there must be stopped; the kernel's own writing back would tear the copy, which is then made again.
func (d *image) cut() *image {
	d.t.Helper()
	after := &image{t: d.t, path: filepath.Join(d.t.TempDir(), "cut.img")}
	for range 50 {
		before, idle := d.writes()
		tool(d.t, "cp", "--sparse=always", d.path, after.path)
		if now, _ := d.writes(); idle && now == before {
			after.mount()
			return after
		}
	}
	d.t.Fatalf("%s is never idle", d.dev)
	return nil
}

// powerCuts cuts the power of a box under load n times, or until events are lost, and returns how often it did.
func powerCuts(t *testing.T, n int, normal bool) (cuts int, s tally) {
	const each = 10 // cuts of one ledger
	d := newImage(t)
	var w *writer
	earlier := 0 // answered by the writers before this one
	for ; cuts < n && s.lost == 0 && !t.Failed(); cuts++ {
		dir := filepath.Join(d.dir, fmt.Sprint("state", cuts/each))
		if cuts%each == 0 {
			if w != nil {
				w.kill()
				os.RemoveAll(w.job.Dir)
				earlier += len(w.answered)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			tool(t, "sync", "--file-system", d.dir)
			w = startWriter(t, load{Dir: dir, Producers: 2, Normal: normal, Erasing: !normal})
		} else if w.said["open"] == 0 { // the first cut may come while the files are made
			w.opened()
		}
		w.listen(time.Duration(rand.IntN(200_000))*time.Microsecond, nil)
		w.stop()
		cut := d.cut()
		var c tally // of all that this writer was ever answered: a disk may lose what is old, too
		state := filepath.Join(cut.dir, filepath.Base(dir))
		if !normal { // as the daemon finds it; without FULL there may be nothing to be found
			whole(t, state)
		}
		c.compare(t, state, 1, w.answered)
		s.answered, s.lost = earlier+c.answered, c.lost
		cut.unmount()
		os.Remove(cut.path)
		if err := w.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	w.kill()
	if w.said["fault"] > 0 {
		t.Errorf("the writer was in %s", w.cause)
	}
	s.found = s.answered - s.lost
	return cuts, s
}

// Whatever is answered is on the disk: what the kernel still has in memory may go.
func TestCrashOfPowerLosesNothingAnswered(t *testing.T) {
	cuts, s := powerCuts(t, sample(120, 8), false)
	t.Logf("power cuts %d, %v", cuts, s)
	if s.lost > 0 || s.answered == 0 {
		t.Fail()
	}
}

// The test above can fail: without the sync of each commit a cut takes events with it.
func TestCrashOfPowerWithoutSyncLosesEvents(t *testing.T) {
	cuts, s := powerCuts(t, 20, true)
	t.Logf("synchronous=NORMAL: power cuts %d, %v", cuts, s)
	if s.lost == 0 {
		t.Error("nothing is lost although nothing is synced: the power cut is none")
	}
}
