//go:build linux

package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gated/ledger/entry"
	"gated/ledger/file"

	"github.com/google/go-cmp/cmp"
)

// outcome is what a ledger says of the faults that its writer met.
type outcome struct{ outages, takenBack int }

// afterFaults opens the ledger of a writer that has ended and verifies it: what was answered is there, and what was
// answered with a fault and is there all the same was taken back.
func afterFaults(t *testing.T, w *writer, s *tally) (o outcome) {
	t.Helper()
	whole(t, w.job.Dir)
	if s.compare(t, w.job.Dir, 1, w.answered); s.lost > 0 {
		t.Error(s)
	}
	r, err := file.OpenReader(w.job.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	verdict := map[string]string{}
	err = r.Scan(1, 1<<62, false, func(e *Entry) error {
		switch {
		case e.Kind == Outage:
			o.outages++
		case e.Kind == Register || e.Kind == Correction:
			verdict[e.Passage] = e.Verdict + " " + e.Reason
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range w.failed {
		switch v := verdict[id]; v {
		case "": // it was not kept
		case "refuse answered-fault":
			o.takenBack++
		default:
			t.Errorf("a passage that was answered with a fault stands as %q", v)
		}
	}
	return o
}

// Each call to the disk fails in each way, at the first time, the second and so on: nothing answered is lost, a commit of
// which the state is unknown is a ledger-fault until the ledger was read again, and then work goes on.
func TestFaultOfASystemCallLosesNothingAnswered(t *testing.T) {
	t.Parallel()
	everyCallFails(t, false, map[string][]int{ // a commit is many writes and one sync
		"write,pwrite64": {4, 90, 600}, "fsync,fdatasync": {3, 15}, "read,pread64": {3, 12}, "truncate,ftruncate": {1, 2}},
		map[string]int{"write,pwrite64": 800, "fsync,fdatasync": 100, "read,pread64": 60, "truncate,ftruncate": 4})
}

// The same while the ledger and its key are made.
func TestFaultWhileTheLedgerIsMade(t *testing.T) {
	t.Parallel()
	everyCallFails(t, true, map[string][]int{
		"write,pwrite64": {2, 20}, "fsync,fdatasync": {1, 4}, "read,pread64": {1, 4}, "truncate,ftruncate": {1}},
		map[string]int{"write,pwrite64": 60, "fsync,fdatasync": 14, "read,pread64": 10, "truncate,ftruncate": 3})
}

// everyCallFails makes the calls fail at the given times, or with FAULTS=all up to the last.
func everyCallFails(t *testing.T, made bool, times map[string][]int, last map[string]int) {
	needsTool(t, "strace", "strace")
	out, err := exec.Command("strace", "-qq", "-o", os.DevNull, "true").CombinedOutput()
	needs(t, err == nil, fmt.Sprintf("strace may not trace here (%s): run the tests where ptrace is allowed", bytes.TrimSpace(out)))
	if os.Getenv("FAULTS") == "all" {
		for call, n := range last {
			times[call] = nil
			for i := 1; i <= n; i += 1 + i/50 {
				times[call] = append(times[call], i)
			}
		}
	}
	for call, times := range times {
		ways := []string{"error=EIO", "error=ENOSPC", "signal=KILL"}
		if call == "write,pwrite64" {
			ways = append(ways, "retval=0") // nothing of it was written, and the kernel says so
		}
		for _, way := range ways {
			t.Run(call+" "+way, func(t *testing.T) {
				t.Parallel()
				var s tally
				runs, hits, faults, takenBack := 0, 0, 0, 0
				for i, n := range times {
					when := fmt.Sprint(n)
					if i%2 == 1 { // the first tries to heal fail, too
						when = fmt.Sprintf("%d..%d", n, n+2)
					}
					w, hit := tampered(t, made, fmt.Sprintf("%s:%s:when=%s", call, way, when))
					o := afterFaults(t, w, &s)
					// An attempt to heal whose commit failed may be there all the same, with its outage.
					if healed := w.said["healed"]; healed > 0 && (o.outages < healed || o.outages > w.said["fault"]) {
						t.Errorf("%d outages are told of %d that were healed, after %d faults", o.outages, healed, w.said["fault"])
					}
					if t.Failed() {
						t.Fatalf("when=%s: the writer said %v, %s", when, w.said, w.cause)
					}
					runs++
					if hit {
						hits++
					}
					faults, takenBack = faults+w.said["fault"], takenBack+o.takenBack
				}
				t.Logf("runs %d, calls hit %d, ledger-faults %d, commits taken back %d, %v", runs, hits, faults, takenBack, s)
				if hits == 0 {
					t.Error("no call was hit: strace does not do what the test believes")
				}
			})
		}
	}
}

// tampered runs a writer of which strace makes a call fail; without KILL it heals and ends by itself.
func tampered(t *testing.T, made bool, inject string) (w *writer, hit bool) {
	t.Helper()
	dir, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	passages := 5
	if !made {
		passages = 80 // enough for a checkpoint of the WAL
		l := open(t, dir, &clock{t: time.Now()})
		mustAppend(t, l, Event{Stamp: l.opt.Now(), Kind: Start})
		l.Close()
	}
	call, _, _ := strings.Cut(inject, ":")
	under := []string{"strace", "-f", "-qq", "-o", trace, "-e", "trace=" + call, "-e", "signal=none", "-e", "inject=" + inject}
	for _, f := range []string{"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-journal", "personal.keys",
		"keys", "keys/ledger.key", "keys/ledger.pub", "keys/personal.key"} {
		under = append(under, "-P", filepath.Join(dir, f))
	}
	w = startWriter(t, load{Dir: dir, Producers: 1, Passages: passages, Pinned: true, Erasing: true}, under...)
	err := w.end(4 * time.Minute)                                      // each thread that is new has its own count of calls, and its own faults
	killed := w.cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() // strace dies as the writer did
	if err != nil && !(killed && strings.Contains(inject, "KILL")) {
		t.Errorf("%s: %v; it printed:\n%s", inject, err, w.out.Bytes())
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.answered) != 3*(passages-w.said["failed"]) && !killed {
		t.Errorf("%s: %d events were answered, and %d of %d passages with a fault", inject, len(w.answered), w.said["failed"], passages)
	}
	return w, killed || strings.Contains(string(b), "(INJECTED)")
}

// A write that stops in the middle of a page, as on a disk without room, is a fault that heals.
func TestFaultOfAShortWriteHeals(t *testing.T) {
	t.Parallel()
	for _, room := range []uint64{100_001, 140_032 + 17, 200_000 + 24, 262_143} {
		w := startWriter(t, load{Dir: t.TempDir(), Producers: 2, Passages: 100, FileLimit: room})
		if err := w.end(time.Minute); err != nil {
			t.Fatalf("%v; it printed:\n%s", err, w.out.Bytes())
		}
		var s tally
		o := afterFaults(t, w, &s)
		if o.outages == 0 || o.outages != w.said["healed"] {
			t.Errorf("files of at most %d bytes: %v, %+v; the writer said %v", room, s, o, w.said)
		}
	}
}

// changing returns options and a channel that gets a token whenever the ledger falls into fault or works again.
func changing(dir string) (Options, <-chan struct{}) {
	opt := options(dir, &clock{t: time.Now()})
	changed := make(chan struct{}, 1)
	opt.OnChange = func(*Fault) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	return opt, changed
}

// well waits until the ledger is no longer in fault.
func well(t *testing.T, l *Ledger, changed <-chan struct{}) {
	t.Helper()
	for late := time.After(time.Minute); ; {
		f := l.Fault()
		if f == nil {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("still in fault: %s", f.Cause)
		}
	}
}

// fill appends n passages, or fewer until one is not recorded, and adds what was answered.
func fill(l *Ledger, n int, answered map[int64]string) error {
	ck := &clock{t: time.Now()}
	for i := range n {
		id := fmt.Sprint(l.Size(), "-", i)
		es, err := l.Append(append(passage(ck, id, "out", "admit"), register(ck, id, "out", "admit", "resident"))...)
		if err != nil {
			return err
		}
		for _, e := range es {
			answered[e.Seq] = hash(string(e.Raw))
		}
	}
	return nil
}

// memory mounts a file system of 2 MiB.
func memory(t *testing.T) string {
	t.Helper()
	needsRoot(t)
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m")
	needs(t, err == nil, fmt.Sprintf("mount a tmpfs: %v: run the tests where root may", err))
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
			syscall.Unmount(dir, syscall.MNT_DETACH)
		}
	})
	return dir
}

func TestFaultOfAFullDiskHeals(t *testing.T) {
	dir := memory(t)
	opt, changed := changing(dir)
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answered := map[int64]string{}
	if err := fill(l, 20, answered); err != nil {
		t.Fatal(err)
	}
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{64 << 10, 4 << 10, 1} {
		for err = nil; err == nil; _, err = ballast.Write(make([]byte, size)) {
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	ballast.Close()
	if err := fill(l, 5000, answered); !errors.Is(err, ErrFault) {
		t.Fatalf("on a full disk: %v, want a ledger-fault", err)
	}
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	well(t, l, changed)
	if err := fill(l, 20, answered); err != nil {
		t.Fatal(err)
	}
	verify(t, l)
	var s tally
	if s.compare(t, dir, 1, answered); s.lost > 0 {
		t.Error(s)
	}
}

func TestFaultOfAReadOnlyDiskHeals(t *testing.T) {
	dir := memory(t)
	opt, changed := changing(dir)
	l := open(t, dir, &clock{t: time.Now()})
	answered := map[int64]string{}
	if err := fill(l, 20, answered); err != nil {
		t.Fatal(err)
	}
	l.Close()
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := fill(l, 1, nil); l.Fault() == nil || !errors.Is(err, ErrFault) {
		t.Fatalf("read-only: fault %+v, Append says %v", l.Fault(), err)
	}
	remount(0)
	well(t, l, changed)
	if err := fill(l, 20, answered); err != nil {
		t.Fatal(err)
	}
	verify(t, l)
	var s tally
	if s.compare(t, dir, 1, answered); s.lost > 0 {
		t.Error(s)
	}
}

// A disk that fails makes ext4 read-only under the open files; only unmounting it helps.
func TestFaultOfADiskThatTurnsReadOnlyLosesNothingAnswered(t *testing.T) {
	d := newImage(t)
	dir := filepath.Join(d.dir, "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, &clock{t: time.Now()})
	answered := map[int64]string{}
	if err := fill(l, 100, answered); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(d.dev, d.dir, "ext4", syscall.MS_REMOUNT, "abort"); err != nil {
		t.Fatal(err)
	}
	if err := fill(l, 100, answered); !errors.Is(err, ErrFault) {
		t.Fatalf("on a read-only disk: %v, want a ledger-fault", err)
	}
	l.Close()
	d.unmount()
	d.mount()
	dir = filepath.Join(d.dir, "state")
	l = open(t, dir, &clock{t: time.Now()})
	defer l.Close()
	if err := fill(l, 20, answered); err != nil {
		t.Fatal(err)
	}
	verify(t, l)
	var s tally
	if s.compare(t, dir, 1, answered); s.lost > 0 {
		t.Error(s)
	}
}

// Only the sequence orders: whatever the clock says, nothing moves, and each day is whole.
func TestAClockThatJumpsKeepsSequenceOrderAndDays(t *testing.T) {
	t.Parallel()
	dir, ck := t.TempDir(), &clock{}
	type at struct{ clock, day string }
	jumps := []at{
		{"2026-11-23 08:00:00", "2026-11-23"},
		{"2026-11-22 23:59:59", "2026-11-22"}, // backwards over midnight
		{"2026-11-23 09:00:00", "2026-11-23"},
		{"2096-11-23 09:00:00", "2096-11-23"}, // 70 years ahead
		{"2026-11-23 09:00:01", "2026-11-23"},
		{"1970-01-01 08:00:01", "1970-01-01"}, // a clock that was never set
		{"2026-11-24 00:00:00", "2026-11-24"},
	}
	want := map[string][]int64{}
	var order []string
	l := open(t, dir, ck)
	for i, j := range jumps {
		ck.set(j.clock)
		if i%2 == 1 { // half of the jumps come while it is closed
			l.Close()
			l = open(t, dir, ck)
		}
		for k := range 100 {
			id := fmt.Sprint(i, "-", k)
			for _, e := range mustAppend(t, l, append(passage(ck, id, "out", "admit"), register(ck, id, "out", "admit", "resident"))...) {
				want[j.day] = append(want[j.day], e.Seq)
				order = append(order, id)
			}
		}
		verify(t, l)
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	if err := r.Scan(1, 1<<62, false, func(e *Entry) error {
		if got = append(got, e.Passage); e.Seq != int64(len(got)) {
			t.Fatalf("entry %d stands at %d", e.Seq, len(got))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(order, got); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
	for _, day := range slices.Sorted(maps.Keys(want)) {
		var got []int64
		segments, err := r.SegmentsOf(day)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range segments {
			if err := r.Scan(s.First, s.Last, false, func(e *Entry) error { got = append(got, e.Seq); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(want[day], got); d != "" {
			t.Errorf("%s (-want +got):\n%s", day, d)
		}
	}
}

// The largest record is entry.MaxRecord bytes, exactly; one byte more is refused, also where only its seq makes it too long, and
// is no fault.
func TestTheLargestRecord(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	l := open(t, t.TempDir(), ck)
	for l.Size() < 8 {
		mustAppend(t, l, Event{Stamp: ck.now(), Kind: Alive})
	}
	for _, fields := range [][]Field{nil, {{Name: "name", Value: "王小明"}}} {
		ev := Event{Stamp: ck.now(), Kind: Check, Detail: map[string]string{"x": ""}, Personal: fields}
		bare := len(mustAppend(t, l, ev)[0].Raw) // 9 is the last seq of one digit
		if l.Size() == 9 {
			bare++
		}
		ev.Detail["x"] = strings.Repeat("a", entry.MaxRecord-bare+1)
		if _, err := l.Append(ev); err == nil || errors.Is(err, ErrFault) || !strings.Contains(err.Error(), "65535") {
			t.Errorf("a record of %d bytes: %v", entry.MaxRecord+1, err)
		}
		ev.Detail["x"] = ev.Detail["x"][1:]
		es, err := l.Append(ev)
		if err != nil {
			t.Errorf("a record of %d bytes: %v", entry.MaxRecord, err)
		} else if len(es[0].Raw) != entry.MaxRecord {
			t.Errorf("the record has %d bytes, not %d", len(es[0].Raw), entry.MaxRecord)
		}
		verify(t, l)
	}
	if f := l.Fault(); f != nil {
		t.Error(f.Cause)
	}
}
