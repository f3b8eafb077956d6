package file

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// logBytes is about as long as the write-ahead log becomes between two checkpoints.
const logBytes = 2 << 20

// FillLog makes the write-ahead log of a database that long at once, with zeros, which SQLite takes for its end. Each commit that
// makes a file longer costs another 20 KiB in the journal of the file system, and its time. Where the disk has not room for many of its
// length it is left to grow by itself. The first commit syncs it.
func FillLog(path string) {
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &disk); err != nil || disk.Bavail < 32*logBytes/uint64(disk.Bsize) {
		return
	}
	f, err := os.OpenFile(path+"-wal", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	zeros := make([]byte, 64<<10)
	for n := Length(f.Name()); n < logBytes && err == nil; n += int64(len(zeros)) {
		_, err = f.Write(zeros)
	}
}
