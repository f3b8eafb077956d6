//go:build linux

package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"gated/ledger/medium"

	"golang.org/x/sys/unix"
)

// brittle is a disk that can be told to fail, as an old flash card does: writing back gives EIO, what was there before
// stays, and reading goes on. strace cannot show that, since its errors skip the call; here the write is in the page cache
// when it fails. The data is on a zram device whose memory can be limited; ext4 has its journal on a device of its own, or
// it would turn read-only.
type brittle struct {
	t           *testing.T
	number, dev string // of the zram device
	journal     string // file of the journal
	dir         string // where it is mounted
	journalDev  string
}

const zramControl = "/sys/class/zram-control/"

func newBrittle(t *testing.T) *brittle {
	t.Helper()
	needsRoot(t)
	needsTool(t, "losetup", "mount")
	needsTool(t, "mkfs.ext4", "e2fsprogs")
	if _, err := os.Stat(zramControl); err != nil {
		exec.Command("modprobe", "zram").Run() // where it is a module
	}
	b, err := os.ReadFile(zramControl + "hot_add")
	needs(t, err == nil, fmt.Sprintf("no zram device to be had (%v): run the tests on a kernel with zram", err))
	d := &brittle{t: t, number: strings.TrimSpace(string(b))}
	t.Cleanup(d.remove)
	d.dev = "/dev/zram" + d.number
	if _, err := os.Stat(d.dev); err != nil { // no udev
		var major, minor uint32
		if _, err := fmt.Sscanf(d.read("dev"), "%d:%d", &major, &minor); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mknod(d.dev, unix.S_IFBLK|0o600, int(unix.Mkdev(major, minor))); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(d.dev) })
	}
	d.set("disksize", "48M")
	d.set("mem_limit", "0")
	d.journal, d.dir = filepath.Join(t.TempDir(), "journal.img"), t.TempDir()
	if err := os.WriteFile(d.journal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.journal, 8<<20); err != nil {
		t.Fatal(err)
	}
	d.journalDev = loop(t, d.journal)
	tool(t, "mkfs.ext4", "-q", "-F", "-O", "journal_dev", "-b", "4096", d.journalDev)
	tool(t, "mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "device="+d.journalDev, "-E", "lazy_itable_init=0,nodiscard", d.dev)
	if err := syscall.Mount(d.dev, d.dir, "ext4", 0, ""); err != nil {
		t.Fatalf("mount %s: %v", d.dev, err)
	}
	t.Cleanup(func() { unmount(t, d.dir) }) // before the devices go
	return d
}

func (d *brittle) read(name string) string {
	d.t.Helper()
	b, err := os.ReadFile("/sys/block/zram" + d.number + "/" + name)
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (d *brittle) set(name, value string) {
	d.t.Helper()
	if err := os.WriteFile("/sys/block/zram"+d.number+"/"+name, []byte(value), 0); err != nil {
		d.t.Fatal(err)
	}
}

func (d *brittle) remove() {
	if err := os.WriteFile("/sys/block/zram"+d.number+"/reset", []byte("1"), 0); err != nil {
		d.t.Errorf("reset the zram device: %v", err)
	}
	if err := os.WriteFile(zramControl+"hot_remove", []byte(d.number), 0); err != nil {
		d.t.Errorf("remove the zram device: %v", err)
	}
}

// fail lets each write of a page with content fail; heal ends it.
func (d *brittle) fail() { d.t.Helper(); d.set("mem_limit", "4096") }
func (d *brittle) heal() { d.t.Helper(); d.set("mem_limit", "0") }

// readOnly tells whether an error met the file system's own data: ext4 then takes no more writes.
func (d *brittle) readOnly() bool {
	f, err := os.OpenFile(filepath.Join(d.dir, "probe"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		f.Close()
	}
	return errors.Is(err, unix.EROFS) // also where statfs(2) does not say so
}

// cut mounts a copy of what the medium holds, as it is found after a power cut. Who writes there must be stopped.
func (d *brittle) cut() (dir string) {
	d.t.Helper()
	copies := d.t.TempDir()
	data, journal := filepath.Join(copies, "data.img"), filepath.Join(copies, "journal.img")
	tool(d.t, "dd", "if="+d.dev, "of="+data, "iflag=direct", "bs=1M", "conv=sparse", "status=none")
	tool(d.t, "cp", d.journal, journal)
	dir = d.t.TempDir()
	dataDev, journalDev := loop(d.t, data), loop(d.t, journal)
	if err := syscall.Mount(dataDev, dir, "ext4", 0, "journal_path="+journalDev); err != nil {
		d.t.Fatalf("mount the copy: %v", err)
	}
	d.t.Cleanup(func() { unmount(d.t, dir) })
	return dir
}

func loop(t *testing.T, path string) (dev string) {
	t.Helper()
	out, err := exec.Command("losetup", "--find", "--show", path).CombinedOutput()
	dev = strings.TrimSpace(string(out))
	needs(t, err == nil, fmt.Sprintf("no loop device to be had (%s): run the tests on a kernel with the loop module", dev))
	t.Cleanup(func() { tool(t, "losetup", "--detach", dev) })
	return dev
}

func unmount(t *testing.T, dir string) {
	if err := syscall.Unmount(dir, 0); err != nil {
		t.Errorf("unmount %s: %v", dir, err)
		syscall.Unmount(dir, syscall.MNT_DETACH)
	}
}

// brokenDisk lets a gate of two lanes run and its disk fail, each time for a while after which the gate goes on, or is started
// again; then it cuts the power and counts.
func brokenDisk(t *testing.T, job load, restart bool, broken ...time.Duration) (s tally, w *writer, dir string) {
	d := newBrittle(t)
	job.Dir, job.Producers = filepath.Join(d.dir, "state"), 2
	if err := os.Mkdir(job.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	tool(t, "sync", "--file-system", d.dir)
	w = startWriter(t, job)
	w.opened()
	some := func(n int) bool {
		t.Helper()
		want := len(w.answered) + n
		if w.listen(time.Minute, func() bool { return len(w.answered) >= want || d.readOnly() }) && len(w.answered) >= want {
			return true
		}
		w.kill() // before what it printed is read
		if !d.readOnly() {
			t.Fatalf("the gate answers no more: said %v, %s; it printed:\n%s", w.said, w.cause, w.out.Bytes())
		}
		return false
	}
	again := func() (tally, *writer, string) {
		t.Log("an error met the file system's own data, and it turned read-only: that is safe, and not what is tried here; again")
		return brokenDisk(t, job, restart, broken...)
	}
	if !some(300 + rand.IntN(900)) { // at another place of the write-ahead log each time
		return again()
	}
	for _, long := range broken {
		d.fail()
		w.listen(long, nil)
		if restart {
			w.kill()
			next := startWriter(t, job)
			next.said, next.answered, next.failed = w.said, w.answered, w.failed
			w = next
			w.listen(long, nil)
		}
		d.heal()
		if !some(90 + rand.IntN(600)) {
			return again()
		}
	}
	if w.said["fault"] == 0 {
		t.Fatalf("no write failed: said %v", w.said)
	}
	w.stop()
	dir = filepath.Join(d.cut(), "state")
	if _, err := s.count(dir, 1, w.answered); err != nil {
		t.Log(err)
	}
	w.kill()
	return s, w, dir
}

// A disk that fails for a while takes nothing with it: neither what was answered before, nor what was answered since.
func TestMediumAfterAnHonestWriteErrorLosesNothingAnswered(t *testing.T) {
	for _, c := range []struct {
		name    string
		restart bool
		broken  []time.Duration
	}{
		{"once", false, []time.Duration{500 * time.Millisecond}},
		{"again and again", false, []time.Duration{20 * time.Millisecond, 300 * time.Millisecond, time.Millisecond, 700 * time.Millisecond}},
		{"and the gate is started again meanwhile", true, []time.Duration{200 * time.Millisecond, 300 * time.Millisecond}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, w, dir := brokenDisk(t, load{}, c.restart, c.broken...)
			t.Logf("faults %d, healed %d; power cut: %v", w.said["fault"], w.said["healed"], s)
			if s.lost > 0 || s.answered == 0 {
				t.Fail()
			}
			whole(t, dir)
		})
	}
}

// The test above can fail: a ledger that checkpoints when it closes after an error and believes the page cache loses what
// was answered.
func TestMediumThatIsNotReadLosesEvents(t *testing.T) {
	var s tally
	for range 5 { // where the error comes decides
		var w *writer
		s, w, _ = brokenDisk(t, load{Credulous: true}, false, 500*time.Millisecond)
		t.Logf("the page cache believed: faults %d, healed %d; power cut: %v", w.said["fault"], w.said["healed"], s)
		if s.lost > 0 {
			return
		}
	}
	t.Errorf("nothing is lost although the page cache is believed (%v): the disk does not fail as the test believes", s)
}

// What the page cache shows is put right where the medium has something else, also where a page cannot be dropped.
func TestMediumIsBelievedNotThePageCache(t *testing.T) {
	d := newImage(t)
	var fs unix.Statfs_t
	if err := unix.Statfs(d.dir, &fs); err != nil {
		t.Fatal(err)
	}
	blockSize := int(fs.Bsize)
	for _, size := range []int{1, 511, 4096, 3*4096 + 100, 1<<20 + 5000} {
		path := filepath.Join(d.dir, fmt.Sprint("file", size))
		content := bytes.Repeat([]byte("gate"), size/4+1)[:size]
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		if stale, err := medium.Trust(path); err != nil || stale != 0 {
			t.Errorf("%d bytes as they are on the medium: %d are said to be stale, %v", size, stale, err)
		}
		at := int64(size-1) / 4096 * 4096
		mapped, err := unix.Mmap(int(f.Fd()), at, size-int(at), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		last := mapped[len(mapped)-1] // in use from here on
		block := uint32((size - 1) / blockSize)
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), 1 /* FIBMAP */, uintptr(unsafe.Pointer(&block))); e != 0 {
			t.Fatalf("FIBMAP: %v", e)
		}
		f.Close()
		disk, err := os.OpenFile(d.path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := disk.WriteAt([]byte{last ^ 1}, int64(block)*int64(blockSize)+int64(size-1)%int64(blockSize)); err != nil {
			t.Fatal(err)
		}
		disk.Close()
		if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
			t.Fatalf("the page cache shows what the disk has: the test tests nothing (%v)", err)
		}
		stale, err := medium.Trust(path)
		if err != nil || stale < 1 || stale > 512 {
			t.Errorf("%d bytes, the last other on the medium: %d are said to be stale, %v", size, stale, err)
		}
		content[size-1] ^= 1
		if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
			t.Errorf("%d bytes: reading does not give what the medium has: %v", size, err)
		}
		unix.Munmap(mapped)
		if stale, err := medium.Trust(path); err != nil || stale != 0 {
			t.Errorf("%d bytes, put right: %d are said to be stale, %v", size, stale, err)
		}
	}
}

// Where the page cache is all there is, it is believed.
func TestMediumOfATmpfs(t *testing.T) {
	path := filepath.Join(memory(t), "file")
	if err := os.WriteFile(path, make([]byte, 10000), 0o600); err != nil {
		t.Fatal(err)
	}
	if stale, err := medium.Trust(path); err != nil || stale != 0 {
		t.Errorf("%d stale, %v", stale, err)
	}
	if err := medium.Drop(path); err != nil {
		t.Error(err)
	}
	if _, err := medium.Trust(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
