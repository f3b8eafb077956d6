package serialport

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Wait returns nil as soon as bytes can be read, os.ErrDeadlineExceeded when there are none until then (zero: for ever),
// ctx's error when ctx ends, or the fault of the port, which is EIO at a hang-up.
func (p *Port) Wait(ctx context.Context, until time.Time) error {
	if err := p.side.SetReadDeadline(until); err != nil {
		return err
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		p.side.SetReadDeadline(past) // unlike Close, that leaves the descriptor whole for who is using it
	})
	defer func() {
		if !stop() {
			<-woken // it must not end the next wait
		}
	}()
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
		if n, fault = p.Queued(); n > 0 {
			return nil
		}
	}
	if fault != nil {
		return fault
	}
	return err
}

// Read reads what Wait has announced. ErrNoBytes means that somebody else took it.
func (p *Port) Read(b []byte) (int, error) {
	n, err := p.tarm.Read(b)
	if n > 0 {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		// Hung up since, or another reader was faster.
		if _, err = p.Queued(); err == nil {
			err = ErrNoBytes
		}
	}
	return 0, withoutPath(err)
}

// Queued returns how many bytes can be read at once.
func (p *Port) Queued() (n int, err error) { return p.ioctl(unix.TIOCINQ) }

var past = time.Unix(1, 0)

// Flush drops what was received and not read, and what was written and not sent.
func (p *Port) Flush() error { return p.tarm.Flush() }

// Settled is what Settle found.
type Settled struct {
	Quiet   bool          // the line has fallen silent; else it never stops
	Since   time.Duration // boot time of the last look at the line: what comes from then on is for the reader
	Dropped int           // bytes, at least
}

// Settle drops what was sent while nobody listened, and goes on dropping until
// nothing has come for so long, so that the end of a code under way is not taken
// for a code. It gives a line that never stops five chances. The echo goes too: a
// terminal echoes until tarm has set it up, and the device would take that for
// commands. The time since boot is boot's, which tests replace.
func (p *Port) Settle(ctx context.Context, silence time.Duration, boot func() time.Duration) (s Settled, err error) {
	for range 5 {
		n, _ := p.Queued()
		s.Dropped += n
		if err := p.Flush(); err != nil {
			return s, err
		}
		err := p.Wait(ctx, time.Now().Add(silence))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.Since = boot() // before the last look, so that no byte comes after it unseen
			n, err = p.Queued()
			if err == nil && n == 0 {
				s.Quiet = true
				return s, nil
			}
		}
		if err != nil {
			return s, err
		}
		// Look again only when what follows these bytes has had time to come.
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(silence):
		}
	}
	s.Since = boot()
	return s, nil
}

// Write hands bytes to the kernel, or gives up at the deadline.
func (p *Port) Write(b []byte, until time.Time) error {
	if err := p.side.SetWriteDeadline(until); err != nil {
		return err
	}
	_, err := p.side.Write(b)
	return withoutPath(err)
}

// TryWrite hands bytes to the kernel if it takes them at once.
func (p *Port) TryWrite(b []byte) {
	p.side.SetWriteDeadline(time.Time{})
	p.raw.Write(func(fd uintptr) bool { unix.Write(int(fd), b); return true })
}

// Drain waits until what was written has left the machine, or gives up at the deadline with os.ErrDeadlineExceeded: what
// an adapter does not take stays in the kernel's buffer.
func (p *Port) Drain(until time.Time) error {
	for {
		n, err := p.ioctl(unix.TIOCOUTQ)
		if err != nil || n == 0 {
			return err
		}
		if time.Now().After(until) {
			return os.ErrDeadlineExceeded
		}
		time.Sleep(2 * time.Millisecond) // 4 bytes take 4 ms at 9600 baud
	}
}
