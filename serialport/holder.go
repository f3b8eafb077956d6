package serialport

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Holder is a process that has a port open.
type Holder struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

func (h Holder) String() string { return fmt.Sprintf("%s (process %d)", h.Command, h.PID) }

// Holders are the processes that have the device open, this one among them, as far as we may see.
func Holders(device string) []Holder {
	if path, err := filepath.EvalSymlinks(device); err == nil {
		device = path
	}
	return holders("/")[device]
}

// holders are the processes that have a device open, by its path. Those of other users are seen only by root.
func holders(root string) map[string][]Holder {
	held := map[string][]Holder{}
	procs, _ := filepath.Glob(filepath.Join(root, "proc/[0-9]*"))
	for _, proc := range procs {
		pid, err := strconv.Atoi(filepath.Base(proc))
		if err != nil {
			continue
		}
		fds, _ := os.ReadDir(filepath.Join(proc, "fd"))
		for _, fd := range fds {
			path, _ := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
			if !strings.HasPrefix(path, "/dev/") {
				continue
			}
			if !slices.ContainsFunc(held[path], func(h Holder) bool { return h.PID == pid }) {
				held[path] = append(held[path], Holder{pid, line(filepath.Join(proc, "comm"))})
			}
		}
	}
	return held
}
