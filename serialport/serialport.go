package scanner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"
)

// settleTime is the silence after which a port just opened counts as quiet.
// FTDI adapters hold bytes back for up to 16 ms; at 1200 baud a byte takes 9 ms;
// a hub that is being enumerated hands over what it kept after some 100 ms.
const settleTime = 200 * time.Millisecond

var (
	errNotDevice  = errors.New("not a character device")
	errNoBytes    = errors.New("bytes were announced and none could be read")
	errRenumbered = errors.New("the path names another device now")
)

// A port is an open serial port. tarm/serial sets it up and reads it, but its
// Read can neither be woken nor tell a hang-up from a timeout, and its Close
// waits for its Read. So a second, non-blocking descriptor of the same device
// does the waiting, and tarm's Read is called only when bytes are there.
type port struct {
	*serial.Port
	side  *os.File
	raw   syscall.RawConn // of side
	rdev  uint64          // device number
	woken atomic.Bool     // wake was called and no wait has ended since

	// Of those who use a descriptor that is being closed it is the last who closes it, and hangs with the driver. So
	// close lets nobody in any more, and waits for those who are. Two, as lines may hang as well, and wake must not.
	wakes, looks sync.Mutex
	closed       bool // guarded by both
}

// openPort opens the device for us alone.
func openPort(c Config) (_ *port, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("open serial port %s: %w", c.Device, err)
		}
	}()
	// Before opening: to open a disk for writing, or to close it, is not without effect.
	rdev, err := deviceNumber(c.Device)
	if err != nil {
		return nil, err
	}
	side, err := os.OpenFile(c.Device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, bare(err)
	}
	p := &port{side: side, rdev: rdev}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.raw, err = side.SyscallConn(); err != nil {
		return nil, err
	}
	// Two readers would get half of the bytes each. TIOCEXCL keeps every later
	// opener out but the privileged ones; flock tells those who ask, a second
	// lane or gated among them, and a killed process cannot leave it behind.
	if err = p.control(func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	p.Port, err = serial.OpenPort(&serial.Config{
		Name:        c.Device,
		Baud:        c.Baud,
		Size:        byte(c.DataBits),
		Parity:      parities[c.Parity],
		StopBits:    serial.StopBits(c.StopBits),
		ReadTimeout: 100 * time.Millisecond, // never run down, but without one a Read could block for ever
	})
	if err != nil {
		return nil, bare(err)
	}
	if err = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0) }); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	// The path was opened twice, and may have come to name another device in between.
	for _, f := range []func() (uint64, error){p.opened, func() (uint64, error) { return deviceNumber(c.Device) }} {
		if is, err := f(); err != nil {
			return nil, err
		} else if is != rdev {
			return nil, errRenumbered
		}
	}
	return p, nil
}

// opened is the device number of the descriptor.
func (p *port) opened() (rdev uint64, err error) {
	err = p.control(func(fd int) error {
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		rdev = st.Rdev
		return err
	})
	return rdev, err
}

// moved tells whether the path names another device by now. One that names
// none may come back: links are made anew when udev is told to, and a device
// that is really gone hangs up.
func (p *port) moved(path string) bool {
	rdev, err := deviceNumber(path)
	return err == nil && rdev != p.rdev
}

// settle drops what was sent while nobody listened, and goes on dropping until
// the line is quiet, so that the end of a code under way is not taken for a
// code. It gives a babbling line five chances and then reports false. The echo
// goes too: a terminal echoes until tarm has set it up, and the scanner would
// take that for commands. It tells how many bytes there were at least, and since
// when nothing has been dropped, by the clock boot: from then on who does not
// listen stands still.
func (p *port) settle(ctx context.Context, quiet time.Duration, boot func() time.Duration) (ok bool, since time.Duration, dropped int, err error) {
	for range 5 {
		n, _ := p.queued()
		dropped += n
		if err := p.Flush(); err != nil {
			return false, 0, dropped, err
		}
		until := time.Now().Add(quiet)
		err := p.wait(ctx, until)
		for errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(until) { // only woken
			err = p.wait(ctx, until)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			since = boot() // before the last look, so that no byte comes after it unseen
			n, err = p.queued()
			if err == nil && n == 0 {
				return true, since, dropped, nil
			}
		}
		if err != nil {
			return false, 0, dropped, err
		}
		// Look again only when what follows these bytes has had time to come.
		select {
		case <-ctx.Done():
			return false, 0, dropped, ctx.Err()
		case <-time.After(quiet):
		}
	}
	return false, boot(), dropped, nil
}

// wait returns nil as soon as bytes can be read, os.ErrDeadlineExceeded when
// there are none until then (zero: for ever) or wake is called, ctx's error when
// ctx ends and wake is called, or the fault of the port, which is EIO at a hang-up.
func (p *port) wait(ctx context.Context, until time.Time) error {
	if err := p.side.SetReadDeadline(until); err != nil {
		return err
	}
	// In this order: a wake that came before the line above is seen here.
	if p.woken.Load() {
		p.side.SetReadDeadline(past)
	}
	defer p.woken.Store(false)
	if err := ctx.Err(); err != nil {
		return err
	}
	var n int
	var fault error
	ask := func(fd uintptr) bool {
		n, fault = unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		return n > 0 || fault != nil
	}
	err := p.raw.Read(ask)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// A deadline that had passed on entry is reported without asking.
		if n, fault = p.queued(); n > 0 {
			return nil
		}
	}
	if fault != nil {
		return fault
	}
	return err
}

// queued returns how many bytes can be read at once.
func (p *port) queued() (n int, err error) {
	err = p.control(func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
		return err
	})
	return n, err
}

// wake makes the wait under way return, or else the next one. What it is for
// must have come about before: a context that has ended, say. A deadline,
// unlike Close, leaves the descriptor whole for who is using it.
func (p *port) wake() {
	p.woken.Store(true)
	p.wakes.Lock()
	defer p.wakes.Unlock()
	if !p.closed {
		p.side.SetReadDeadline(past)
	}
}

var past = time.Unix(1, 0)

// write sends a command to the scanner, or gives up at the deadline.
func (p *port) write(b []byte, until time.Time) error {
	if err := p.side.SetWriteDeadline(until); err != nil {
		return err
	}
	_, err := p.side.Write(b)
	return bare(err)
}

// try sends a command to the scanner if it can be sent at once.
func (p *port) try(b []byte) {
	p.side.SetWriteDeadline(time.Time{})
	p.raw.Write(func(fd uintptr) bool { unix.Write(int(fd), b); return true })
}

// close gives the port back. It has nothing to report, as nothing that was
// written matters; but a driver may keep it waiting.
func (p *port) close() {
	p.looks.Lock()
	p.wakes.Lock()
	p.closed = true
	p.wakes.Unlock()
	p.looks.Unlock()
	if p.Port != nil {
		// On a pseudo-terminal the flag outlives the descriptor that set it.
		p.control(func(fd int) error {
			unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH) // else close waits until it is sent
			return unix.IoctlSetInt(fd, unix.TIOCNXCL, 0)
		})
	}
	p.side.Close()
	if p.Port != nil {
		p.Port.Close()
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
