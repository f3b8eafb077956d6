package scanner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// deviceNumber is that of the character device at path.
func deviceNumber(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	switch mode := os.FileMode(st.Mode & 0o777); st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		if master(st.Rdev) {
			return 0, fmt.Errorf("%w but the master side of a pseudo-terminal", errNotDevice)
		}
		return st.Rdev, nil
	case unix.S_IFREG:
		return 0, fmt.Errorf("%w but %s", errNotDevice, kind(mode))
	case unix.S_IFDIR:
		return 0, fmt.Errorf("%w but %s", errNotDevice, kind(mode|os.ModeDir))
	case unix.S_IFIFO:
		return 0, fmt.Errorf("%w but %s", errNotDevice, kind(mode|os.ModeNamedPipe))
	case unix.S_IFSOCK:
		return 0, fmt.Errorf("%w but %s", errNotDevice, kind(mode|os.ModeSocket))
	}
	return 0, fmt.Errorf("%w but %s", errNotDevice, kind(os.ModeDevice))
}

// master tells whether the device is the side of a pseudo-terminal that plays
// the cable: to open /dev/ptmx makes a terminal that nobody writes to.
func master(rdev uint64) bool {
	major, minor := unix.Major(rdev), unix.Minor(rdev)
	return major == 5 && minor == 2 || major == 2 || 128 <= major && major <= 135
}

// holder names the process that has the device open, as far as /proc tells: to
// see those of other users takes root.
func holder(rdev uint64) string {
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	self := fmt.Sprintf("/proc/%d/", os.Getpid())
	for _, fd := range fds {
		to, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(to, "/dev/") {
			continue
		}
		info, err := os.Stat(fd)
		if err != nil {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || info.Mode()&os.ModeCharDevice == 0 || uint64(st.Rdev) != rdev {
			continue
		}
		if strings.HasPrefix(fd, self) {
			return "gated itself, for another lane"
		}
		process := filepath.Dir(filepath.Dir(fd))
		name, _ := os.ReadFile(filepath.Join(process, "comm"))
		return fmt.Sprintf("%s, process %s", strings.TrimSpace(string(name)), filepath.Base(process))
	}
	return ""
}

// trail lists the directories in which something changes when path comes to
// name another device: those of its links, or the nearest that is there.
func trail(path string) (dirs []string) {
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

// follow calls changed whenever something happens where path is named, until
// ctx ends. Without it, as where no more watches are to be had, a change is
// seen by looking.
func follow(ctx context.Context, path string, changed func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return
	}
	defer w.Close()
	watched := map[string]bool{}
	aim := func() {
		want := map[string]bool{}
		for range 8 { // what is made before it is watched is seen by looking once more
			more := false
			for _, dir := range trail(path) {
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
	aim()
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
				aim()
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
