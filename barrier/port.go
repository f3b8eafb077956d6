package barrier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"gated/serialport"

	"golang.org/x/sys/unix"
)

var (
	errHungUp       = errors.New("the device is gone: unplugged?")
	errTakesNothing = errors.New("the relay takes no bytes")
)

// A port is the open serial port of a relay, and the goroutine that reads it, so that a hang-up is seen at once.
type port struct {
	*serialport.Port
	device string

	in    chan []byte   // what was read
	gone  chan struct{} // closed when the port is lost
	why   error         // set before gone is closed
	stop  context.CancelFunc
	ended chan struct{} // closed when the goroutine has ended
}

// openPort opens the device for us alone, 9600 8N1, with nothing waiting in it.
func openPort(ports *serialport.Opener, device string) (*port, error) {
	opened, err := ports.Open(serialport.Config{Device: device})
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, hint(err))
	}
	if err := opened.Flush(); err != nil {
		opened.Close()
		return nil, fmt.Errorf("flush %s: %w", device, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &port{Port: opened, device: device, in: make(chan []byte, 16), gone: make(chan struct{}), stop: stop, ended: make(chan struct{})}
	go p.read(ctx)
	return p, nil
}

// read hands on what comes in until ctx ends or the port is lost.
func (p *port) read(ctx context.Context) {
	defer close(p.ended)
	buf := make([]byte, 256)
	for {
		n, err := 0, p.Wait(ctx, time.Time{})
		if err == nil {
			n, err = p.Read(buf)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, serialport.ErrNoBytes): // nothing for us after all
			continue
		case err != nil:
			p.why = p.fault(err)
			close(p.gone)
			return
		}
		select {
		case p.in <- bytes.Clone(buf[:n]):
		case <-ctx.Done():
			return
		}
	}
}

// send writes b and waits until it has left the machine, no longer than patience.
func (p *port) send(b []byte, patience time.Duration) error {
	end := time.Now().Add(patience)
	err := p.Write(b, end)
	if err == nil {
		err = p.Drain(end)
	}
	if err != nil {
		return p.fault(err)
	}
	return nil
}

// fault says what an error of the port means for the relay.
func (p *port) fault(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errTakesNothing
	case errors.Is(err, unix.EIO):
		err = errHungUp
	}
	return fmt.Errorf("%s: %w", p.device, err)
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

// close may hang as long as the driver does. Nobody reads the port any more when it returns.
func (p *port) close() {
	p.stop()
	<-p.ended
	p.Close()
}

// hint says what to do about a port that cannot be opened.
func hint(err error) string {
	switch serialport.Cause(err) {
	case serialport.Absent:
		return ": plug the relay in, or correct the path"
	case serialport.NoPermission:
		return ": put the daemon's user into the port's group, such as dialout"
	case serialport.Busy:
		return ": another program or lane has it; fuser -v tells which"
	case serialport.NotADevice:
		return ": write the relay's own path, such as one under /dev/serial/by-path"
	}
	return ""
}
