package serialport

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// DeviceNumber is that of the character device at path. Nothing is opened for it.
func DeviceNumber(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	switch mode := os.FileMode(st.Mode & 0o777); st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		if master(st.Rdev) {
			return 0, fmt.Errorf("%w but the master side of a pseudo-terminal", ErrNotDevice)
		}
		return st.Rdev, nil
	case unix.S_IFREG:
		return 0, fmt.Errorf("%w but %s", ErrNotDevice, kind(mode))
	case unix.S_IFDIR:
		return 0, fmt.Errorf("%w but %s", ErrNotDevice, kind(mode|os.ModeDir))
	case unix.S_IFIFO:
		return 0, fmt.Errorf("%w but %s", ErrNotDevice, kind(mode|os.ModeNamedPipe))
	case unix.S_IFSOCK:
		return 0, fmt.Errorf("%w but %s", ErrNotDevice, kind(mode|os.ModeSocket))
	}
	return 0, fmt.Errorf("%w but %s", ErrNotDevice, kind(os.ModeDevice))
}

// master tells whether the device is the side of a pseudo-terminal that plays
// the cable: to open /dev/ptmx makes a terminal that nobody writes to.
func master(rdev uint64) bool {
	major, minor := unix.Major(rdev), unix.Minor(rdev)
	return major == 5 && minor == 2 || major == 2 || 128 <= major && major <= 135
}

func kind(m os.FileMode) string {
	switch {
	case m.IsRegular():
		return "a regular file"
	case m.IsDir():
		return "a directory"
	case m&os.ModeNamedPipe != 0:
		return "a named pipe"
	case m&os.ModeSocket != 0:
		return "a socket"
	case m&os.ModeDevice != 0:
		return "a block device"
	}
	return "something else"
}
