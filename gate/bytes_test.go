package gate

import (
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

// disk mounts a file system of its own, and tells how many bytes have reached it.
func disk(b *testing.B) (dir string, written func() int64) {
	b.Helper()
	if os.Geteuid() != 0 {
		b.Skip("needs root, to mount a disk of its own")
	}
	path, dir := filepath.Join(b.TempDir(), "disk.img"), b.TempDir()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Truncate(path, 2<<30); err != nil {
		b.Fatal(err)
	}
	// All of it made now: the kernel would else write on by itself in the background.
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", path).CombinedOutput(); err != nil {
		b.Skipf("mkfs.ext4: %v: %s", err, out)
	}
	out, err := exec.Command("losetup", "--find", "--show", path).CombinedOutput()
	dev := strings.TrimSpace(string(out))
	if err == nil {
		err = syscall.Mount(dev, dir, "ext4", syscall.MS_NOATIME, "")
	}
	if err != nil {
		b.Skipf("no disk of its own: %v: %s", err, dev)
	}
	b.Cleanup(func() {
		syscall.Unmount(dir, 0)
		exec.Command("losetup", "--detach", dev).Run()
	})
	return dir, func() int64 {
		unix.Sync()
		raw, err := os.ReadFile("/sys/block/" + filepath.Base(dev) + "/stat")
		f := strings.Fields(string(raw))
		if err != nil || len(f) < 7 {
			b.Fatal(err, f)
		}
		n, _ := strconv.ParseInt(f[6], 10, 64) // Documentation/block/stat.rst: sectors of 512 bytes written
		return 512 * n
	}
}

// BenchmarkBytes measures how many bytes reach the disk for a passage of a resident, all that is written about it included,
// at a gate that has so many passages already. Four pass each second, for a quarter of a minute.
func BenchmarkBytes(b *testing.B) {
	sizes := []int{10, 4_000, 100_000}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, before := range sizes {
		for _, index := range []bool{true, false} {
			b.Run(fmt.Sprintf("after=%d/index=%t", before, index), func(b *testing.B) {
				s := newSite(b)
				s.end()
				var written func() int64
				s.dir, written = disk(b)
				if !index {
					if err := os.Mkdir(filepath.Join(s.dir, "index.db"), 0o700); err != nil {
						b.Fatal(err)
					}
				}
				s.start()
				s.crowd(before)
				s.end() // what the crowd left in the write-ahead logs is none of what is measured
				s.start()
				const passages = 60
				var codes []string
				for range passages {
					codes = append(codes, s.pass("resident", s.subject("王小明"), month))
				}
				time.Sleep(3 * time.Second)
				was := written()
				for b.Loop() {
					for i := range passages {
						at := time.Now()
						s.scan([]string{"in", "out"}[i%2], codes[i])
						time.Sleep(250*time.Millisecond - time.Since(at))
					}
					s.end()
					b.ReportMetric(float64(written()-was)/passages/1024, "KiB")
				}
			})
		}
	}
}
