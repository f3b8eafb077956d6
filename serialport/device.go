package serialport

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DeviceNumber is that of the character device at path. Nothing is opened for it.
func DeviceNumber(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	switch kind := st.Mode & unix.S_IFMT; {
	case kind != unix.S_IFCHR:
		return 0, fmt.Errorf("%w but %s", ErrNotDevice, kinds[kind])
	case master(st.Rdev):
		return 0, fmt.Errorf("%w but the master side of a pseudo-terminal", ErrNotDevice)
	}
	return st.Rdev, nil
}

var kinds = map[uint32]string{
	unix.S_IFREG:  "a regular file",
	unix.S_IFDIR:  "a directory",
	unix.S_IFIFO:  "a named pipe",
	unix.S_IFSOCK: "a socket",
	unix.S_IFBLK:  "a block device",
}

// master tells whether the device is the side of a pseudo-terminal that plays
// the cable: to open /dev/ptmx makes a terminal that nobody writes to.
func master(rdev uint64) bool {
	major, minor := unix.Major(rdev), unix.Minor(rdev)
	return major == 5 && minor == 2 || major == 2 || 128 <= major && major <= 135
}
