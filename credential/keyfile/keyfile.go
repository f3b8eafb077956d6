// Package keyfile reads the file of a key or certificate, and nothing that only bears its name.
package keyfile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Limit is the largest file of keys in bytes; a key takes 120.
const Limit = 64 << 10

// Read reads a regular file of at most limit bytes. The mode is that of the file
// which was read, not of whatever bears its name a moment earlier.
func Read(path string, limit int) ([]byte, fs.FileMode, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, 0, err
	} else if !info.Mode().IsRegular() { // opening a FIFO would wait for ever
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, 0, err
	}
	if len(data) > limit {
		return nil, 0, fmt.Errorf("%s is larger than %d bytes: no key", path, limit)
	}
	return data, info.Mode(), nil
}
