package serialport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// An Opener opens one port again and again, and gives it back without waiting for ever: a driver that hangs is left alone
// with its port. Zero fields have their defaults.
type Opener struct {
	Retry                 time.Duration // between two attempts; default 200 ms
	OpenLimit, CloseLimit time.Duration // after which a driver hangs; default 3 s
	OpenPort              func(Config) (*Port, error)

	port   atomic.Pointer[Port] // that Run has open
	wedged atomic.Int32         // calls that a driver keeps waiting
}

const (
	retryTime = 200 * time.Millisecond
	hangTime  = 3 * time.Second
	maxWedged = 3 // how many calls may hang in drivers: each holds a thread of the process
)

// Use is what is done with a port.
type Use struct {
	Opening func()                             // a device is there that was not tried before; may be nil
	Open    func(context.Context, *Port) error // works with the port until it is lost or ctx ends
	Lost    func(error)                        // is told why the port is not open, after each attempt
}

// Run opens the port of c by its path, has it used, gives it back when it is lost, and begins again, until ctx ends. Its
// error is ErrWedged: drivers hang with so many ports that only the end of the process helps.
func (o *Opener) Run(ctx context.Context, c Config, use Use) error {
	var tried uint64 // device that could not be opened the last time
	for {
		err := o.once(ctx, c, use, &tried)
		if o.Wedged() {
			return fmt.Errorf("%w; unplug the device and start again", ErrWedged)
		}
		if ctx.Err() != nil {
			return nil
		}
		use.Lost(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(cmp.Or(o.Retry, retryTime)):
		}
	}
}

func (o *Opener) once(ctx context.Context, c Config, use Use, tried *uint64) error {
	rdev, err := DeviceNumber(c.Device)
	if err == nil && rdev != *tried && use.Opening != nil {
		use.Opening()
	}
	*tried = rdev
	p, err := o.Open(c)
	if err != nil {
		return err
	}
	*tried = 0
	o.port.Store(p)
	err = use.Open(ctx, p)
	o.port.Store(nil)
	return o.Close(p.Close, err)
}

// Lines returns the modem-status lines of the port that Run has open, as Port.Lines does. It may be called at any time,
// from any goroutine.
func (o *Opener) Lines() (lines int, err error) {
	if p := o.port.Load(); p != nil {
		return p.Lines()
	}
	return 0, ErrClosed
}

// Wedged tells whether so many calls hang that only the end of the process helps.
func (o *Opener) Wedged() bool { return o.wedged.Load() >= maxWedged }

// Open opens a port, or returns ErrWedged after the limit. A port that the driver opens later is closed again.
func (o *Opener) Open(c Config) (*Port, error) {
	open := o.OpenPort
	if open == nil {
		open = Open
	}
	type result struct {
		p   *Port
		err error
	}
	done := make(chan result, 1)
	limit := cmp.Or(o.OpenLimit, hangTime)
	if !o.within(limit, func() {
		p, err := open(c)
		done <- result{p, err}
	}) {
		go func() {
			if late := <-done; late.p != nil {
				late.p.Close()
			}
		}()
		return nil, fmt.Errorf("open serial port %s: not done within %v: %w", c.Device, limit, ErrWedged)
	}
	got := <-done
	return got.p, got.err
}

// Close calls f, which closes a port that was lost by why, which may be nil. It returns why, with ErrWedged where the
// driver hangs.
func (o *Opener) Close(f func(), why error) error {
	limit := cmp.Or(o.CloseLimit, hangTime)
	if o.within(limit, f) {
		return why
	}
	return fmt.Errorf("close the serial port: not done within %v: %w", limit, errors.Join(ErrWedged, why))
}

// within runs f and tells whether it ended within the limit. A call that did not
// is counted for as long as it goes on.
func (o *Opener) within(limit time.Duration, f func()) bool {
	done := make(chan struct{})
	o.wedged.Add(1)
	go func() {
		defer close(done)
		f()
		o.wedged.Add(-1)
	}()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-done:
		return true
	case <-late.C:
		return false
	}
}
