// Package keyfile reads the files of keys or certificates, and nothing that only bears their names.
package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
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

// Kind is which files of a trust directory are of one kind.
type Kind struct {
	Dir        string   // in the trust directory, with slashes
	Extensions []string // in small letters; capitals count as well
	Limit      int      // in bytes
}

// Files are the files of a trust directory, by name with slashes.
type Files map[string]File

// File is what was read. Where a directory could not be listed, its own name stands for its files.
type File struct {
	Data []byte
	Err  error
}

// ReadFiles reads the files of these kinds. A directory may be absent, and then has none.
func ReadFiles(dir string, kinds ...Kind) Files {
	files := Files{}
	for _, k := range kinds {
		entries, err := os.ReadDir(filepath.Join(dir, k.Dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			files[k.Dir] = File{Err: err}
		}
		for _, e := range entries {
			if slices.Contains(k.Extensions, strings.ToLower(filepath.Ext(e.Name()))) {
				data, _, err := Read(filepath.Join(dir, k.Dir, e.Name()), k.Limit)
				files[path.Join(k.Dir, e.Name())] = File{data, err}
			}
		}
	}
	return files
}

// Each calls use for each file of a kind, by the name that it has in its directory. What is wrong with one is a *Faulty.
func (f Files) Each(k Kind, use func(name string, data []byte) error) error {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if name != k.Dir && path.Dir(name) != k.Dir {
			continue
		}
		err := f[name].Err
		if err == nil {
			err = use(path.Base(name), f[name].Data)
		}
		if err != nil {
			return &Faulty{name, err}
		}
	}
	return nil
}

// Faulty is a file that is not as it should be.
type Faulty struct {
	Name string // in the trust directory, with slashes
	Err  error
}

func (f *Faulty) Error() string { return f.Name + ": " + f.Err.Error() }
func (f *Faulty) Unwrap() error { return f.Err }

// In says in which directory a faulty file lies.
func In(dir string, err error) error {
	if f := (*Faulty)(nil); errors.As(err, &f) {
		return fmt.Errorf("%s: %w", filepath.Join(dir, f.Name), f.Err)
	}
	return err
}
