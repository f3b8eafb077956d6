package serialport

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// directoriesOf lists the directories in which something changes when path comes to
// name another device: those of its links, or the nearest that is there.
func directoriesOf(path string) (dirs []string) {
	for range 8 { // a longer chain is a loop
		dir := filepath.Dir(path)
		for {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				break
			}
			if dir == filepath.Dir(dir) {
				return dirs
			}
			dir = filepath.Dir(dir)
		}
		dirs = append(dirs, dir)
		to, err := os.Readlink(path)
		if err != nil {
			return dirs
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		if path = to; filepath.Dir(path) == "/dev" || strings.HasPrefix(path, "/dev/pts/") {
			return dirs // where the kernel's own names are, every write to a device is an event
		}
	}
	return dirs
}

// Follow calls changed whenever something happens where path is named, until
// ctx ends. Without it, as where no more watches are to be had, a change is
// seen by looking.
func Follow(ctx context.Context, path string, changed func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return
	}
	defer w.Close()
	watched := map[string]bool{}
	watch := func() {
		want := map[string]bool{}
		for range 8 { // what is made before it is watched is seen by looking once more
			more := false
			for _, dir := range directoriesOf(path) {
				want[dir] = true
				if !watched[dir] && w.Add(dir) == nil {
					watched[dir], more = true, true
				}
			}
			if !more {
				break
			}
		}
		for dir := range watched {
			if !want[dir] {
				w.Remove(dir)
				delete(watched, dir)
			}
		}
	}
	watch()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
				delete(watched, e.Name) // a directory that is made anew is watched anew
			}
			if e.Has(fsnotify.Create) || e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
				watch()
				changed()
			}
		case _, ok := <-w.Errors:
			if !ok {
				return
			}
			changed()
		}
	}
}
