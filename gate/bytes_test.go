package gate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a file system of its own.
type disk struct {
	image string // the file that it lies in
	dev   string
	dir   string // where it is mounted
}

// newDisk mounts a disk of so many bytes, which lies in a sparse file. A test with a mount of its own is not parallel: a
// process that another one starts has its files open until it is on its way, and the mount is busy.
func newDisk(t testing.TB, size int64) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		noDisk(t, "only root may mount: run the tests as root")
	}
	d := &disk{image: filepath.Join(t.TempDir(), "disk.img"), dir: t.TempDir()}
	if err := errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, size)); err != nil {
		t.Fatal(err)
	}
	// All of it made now: the kernel would else write on by itself in the background.
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.image).CombinedOutput(); err != nil {
		noDisk(t, fmt.Sprintf("mkfs.ext4: %v: %s", err, out))
	}
	out, err := exec.Command("losetup", "--find", "--show", d.image).CombinedOutput()
	d.dev = strings.TrimSpace(string(out))
	if err != nil {
		noDisk(t, fmt.Sprintf("no loop device to be had: %v: %s", err, d.dev))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", d.dev).CombinedOutput(); err != nil {
			t.Errorf("detach %s: %v: %s", d.dev, err, out)
		}
	})
	if err := syscall.Mount(d.dev, d.dir, "ext4", syscall.MS_NOATIME, ""); err != nil {
		noDisk(t, fmt.Sprintf("mount %s: %v", d.dev, err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, 0); err != nil {
			t.Errorf("unmount %s: %v", d.dir, err)
			syscall.Unmount(d.dir, syscall.MNT_DETACH)
		}
	})
	return d
}

func noDisk(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("no disk of its own: " + why)
	}
	t.Skip("no disk of its own: " + why)
}

// written tells how many bytes have reached the disk.
func (d *disk) written(t testing.TB) int64 {
	t.Helper()
	unix.Sync()
	raw, err := os.ReadFile("/sys/block/" + filepath.Base(d.dev) + "/stat")
	f := strings.Fields(string(raw))
	if err != nil || len(f) < 7 {
		t.Fatal(err, f)
	}
	n, _ := strconv.ParseInt(f[6], 10, 64) // Documentation/block/stat.rst: sectors of 512 bytes written
	return 512 * n
}

// BenchmarkBytes measures how many bytes reach the disk for a passage of a resident, all that is written about it included,
// at a gate that has so many passages already. Four pass each second, for a quarter of a minute.
func BenchmarkBytes(b *testing.B) {
	for _, before := range []int{10, 4_000, 100_000} {
		b.Run(fmt.Sprintf("after=%d", before), func(b *testing.B) {
			if before > 10 && testing.Short() {
				b.Skip("-short: the larger ledgers are left out")
			}
			s := newSite(b)
			s.end()
			d := newDisk(b, 2<<30)
			s.dir = d.dir
			s.start()
			s.crowd(before)
			s.end() // what the crowd left in the write-ahead logs is none of what is measured
			s.relay = relayTo(b, "/dev/null", b.TempDir())
			s.start()
			const passages = 60
			var codes []string
			for range passages {
				codes = append(codes, s.pass("resident", s.subject("王小明"), month))
			}
			time.Sleep(3 * time.Second)
			was, size := d.written(b), s.l.Size()
			for b.Loop() {
				for i := range passages {
					at := time.Now()
					s.scan([]string{"in", "out"}[i%2], codes[i])
					time.Sleep(250*time.Millisecond - time.Since(at))
				}
				s.end()
				if n := s.l.Size() - size; n < 4*passages {
					b.Errorf("%d entries of %d passages: an opening has one too", n, passages)
				}
				b.ReportMetric(float64(d.written(b)-was)/passages/1024, "KiB")
			}
		})
	}
}
