package barrier

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"
)

var (
	errNotDevice = errors.New("this is no serial port")
	errMoved     = errors.New("the path leads to another device now")
	errHungUp    = errors.New("the device is gone: unplugged?")
	errDeaf      = errors.New("the relay takes no bytes")
)

// A port is an open serial port. tarm/serial sets it up; but its Write can block for ever, its Read cannot be woken, and
// neither tells a hang-up from silence. So all bytes go through a second, non-blocking descriptor of the same device.
type port struct {
	device string
	tarm   *serial.Port
	side   *os.File
	raw    syscall.RawConn // of side
	rdev   uint64

	in   chan []byte   // what was read
	quit chan struct{} // closed by close
	gone chan struct{} // closed at the hang-up
	why  error         // set before gone is closed

	// Of those who use a descriptor that is being closed it is the last who closes it, and hangs with the driver. So
	// close lets the sensor in no more, and waits for it if it is.
	looks  sync.Mutex
	closed bool
}

// openPort opens the device for us alone, 9600 8N1, with nothing waiting in it.
func openPort(device string) (_ *port, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("open the relay's port %s: %w%s", device, err, hint(err))
		}
	}()
	info, err := os.Stat(device) // before opening: to open a disk for writing is not without effect
	if err != nil {
		return nil, bare(err)
	}
	if err := isPort(info); err != nil {
		return nil, err
	}
	side, err := os.OpenFile(device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, bare(err)
	}
	p := &port{device: device, side: side, in: make(chan []byte, 16), quit: make(chan struct{}), gone: make(chan struct{})}
	defer func() {
		if err != nil {
			p.shut()
		}
	}()
	if p.raw, err = side.SyscallConn(); err != nil {
		return nil, err
	}
	if info, err = side.Stat(); err != nil {
		return nil, bare(err)
	}
	p.rdev = info.Sys().(*syscall.Stat_t).Rdev
	// Two who switch one relay would undo each other's work. flock tells those who ask, a second lane among them;
	// TIOCEXCL keeps all others out but the privileged.
	if err = p.control(func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		return nil, err
	}
	// The read timeout is never run down. Without one VMIN would be 1, with less than 100 ms VTIME 0, and then a
	// non-blocking read of nothing looks like the end.
	p.tarm, err = serial.OpenPort(&serial.Config{Name: device, Baud: 9600, ReadTimeout: 100 * time.Millisecond})
	if err != nil {
		return nil, bare(err)
	}
	if err = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0) }); err != nil {
		return nil, err
	}
	if err = p.flush(); err != nil {
		return nil, err
	}
	if p.moved() { // between the two
		return nil, errMoved
	}
	go p.read()
	return p, nil
}

func isPort(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&os.ModeCharDevice == 0 || unix.Major(st.Rdev) == 5 && unix.Minor(st.Rdev) == 2 { // ptmx
		return fmt.Errorf("%w but %s", errNotDevice, kind(info.Mode()))
	}
	return nil
}

// read hands on what comes in until the port is closed or lost: so that a hang-up is seen at once.
func (p *port) read() {
	buf := make([]byte, 256)
	for {
		n, err := p.side.Read(buf)
		if n > 0 {
			select {
			case p.in <- append([]byte(nil), buf[:n]...):
			case <-p.quit:
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, unix.EIO) {
				err = errHungUp
			}
			p.why = fmt.Errorf("%s: %w", p.device, bare(err))
			close(p.gone)
			return
		}
	}
}

// send writes b and waits until it has left the machine, no longer than patience.
func (p *port) send(b []byte, patience time.Duration) error {
	end := time.Now().Add(patience)
	if err := p.side.SetWriteDeadline(end); err != nil {
		return err
	}
	_, err := p.side.Write(b)
	for err == nil {
		// 4 bytes take 4 ms at 9600 baud. What the adapter does not take stays in the kernel's buffer.
		var n int
		if n, err = p.unsent(); err != nil || n == 0 {
			break
		}
		if time.Now().After(end) {
			err = os.ErrDeadlineExceeded
			break
		}
		select {
		case <-p.gone:
			return p.why
		case <-time.After(2 * time.Millisecond):
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errDeaf
	case errors.Is(err, unix.EIO):
		err = errHungUp
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.device, bare(err))
	}
	return nil
}

// forget drops what was read and not asked for.
func (p *port) forget() {
	for {
		select {
		case <-p.in:
		default:
			return
		}
	}
}

// moved tells whether the path leads elsewhere now: udev has given the name to another port. A path that leads nowhere
// may come back: links are made anew when udev is told to, and a device that is really gone hangs up.
func (p *port) moved() bool {
	info, err := os.Stat(p.device)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Rdev != p.rdev
}

func (p *port) unsent() (n int, err error) {
	err = p.control(func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
		return err
	})
	return n, err
}

func (p *port) flush() error {
	return p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH) })
}

// close may hang as long as the driver does. What could not be sent is dropped first: the kernel would wait 30 s for it.
func (p *port) close() {
	p.looks.Lock()
	p.closed = true
	p.looks.Unlock()
	close(p.quit)
	if n, err := p.unsent(); err != nil || n > 0 {
		p.flush()
	}
	p.shut()
}

func (p *port) shut() {
	if p.tarm != nil {
		// On a pseudo-terminal the flag outlives the descriptor that set it.
		p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCNXCL, 0) })
	}
	p.side.Close()
	if p.tarm != nil {
		p.tarm.Close()
	}
}

func (p *port) control(f func(fd int) error) error {
	var err error
	if e := p.raw.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}

// bare takes the path off an error that will be given it once.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// hint says what to do about a port that cannot be opened.
func hint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ": plug the relay in, or correct the path"
	case errors.Is(err, fs.ErrPermission):
		return ": put the daemon's user into the port's group, such as dialout"
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EWOULDBLOCK):
		return ": another program or lane has it; fuser -v tells which"
	case errors.Is(err, errNotDevice), errors.Is(err, unix.ENOTTY):
		return ": write the relay's own path, such as one under " + filepath.Join("/dev", "serial", "by-path")
	}
	return ""
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "a regular file"
	case m.IsDir():
		return "a directory"
	case m&os.ModeNamedPipe != 0:
		return "a named pipe"
	case m&os.ModeCharDevice != 0:
		return "the master of pseudo-terminals"
	}
	return "something else"
}
