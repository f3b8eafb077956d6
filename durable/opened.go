package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrMoved: another file, or none, is at the path of one that is open. What is written to that one is gone with the process.
var ErrMoved = errors.New("was taken away, or another was put in its place, while it is in use")

// Opened are the files at some paths as they were when they were opened.
type Opened map[string]fs.FileInfo

// Look notes the files at these paths, as far as they are there.
func Look(paths ...string) Opened {
	o := Opened{}
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil {
			o[path] = st
		}
	}
	return o
}

// Moved says which of them is no longer at its path. It waits for no disk: the kernel remembers the names of files that are open.
func (o Opened) Moved() error {
	for path, was := range o {
		if is, err := os.Stat(path); err != nil || !os.SameFile(was, is) {
			return fmt.Errorf("%s %w: put it back", path, ErrMoved)
		}
	}
	return nil
}
