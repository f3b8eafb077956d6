// Package keyfile reads the files of keys or certificates, and nothing that only bears their names.
package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// Each hands over the files of a directory, which may be absent, by their extensions, in which capitals do not matter. An error
// names the file.
func Each(dir string, limit int, use func(name string, data []byte) error, extensions ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !slices.Contains(extensions, strings.ToLower(filepath.Ext(e.Name()))) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		data, _, err := Read(path, limit)
		if err == nil {
			err = use(e.Name(), data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
