package serialport

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// An Opener opens ports and gives them back without waiting for ever: a driver that hangs is left alone with its port.
type Opener struct {
	OpenLimit, CloseLimit time.Duration
	OpenPort              func(Config) (*Port, error) // nil: Open

	wedged atomic.Int32 // calls that a driver keeps waiting
}

// maxWedged is how many calls may hang in drivers: each holds a thread of the process.
const maxWedged = 3

// Wedged tells whether so many ports hang that only the end of the process helps.
func (o *Opener) Wedged() bool { return o.wedged.Load() >= maxWedged }

// Open opens a port, or returns ErrWedged. Who waits no longer has the port closed when it is opened after all.
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
	if !o.within(o.OpenLimit, func() {
		p, err := open(c)
		done <- result{p, err}
	}) {
		go func() {
			if late := <-done; late.p != nil {
				late.p.Close()
			}
		}()
		return nil, fmt.Errorf("open serial port %s: not done within %v: %w", c.Device, o.OpenLimit, ErrWedged)
	}
	got := <-done
	return got.p, got.err
}

// Close closes a port that was lost by why, which may be nil. It returns why, with ErrWedged where the driver hangs.
func (o *Opener) Close(p *Port, why error) error {
	if o.within(o.CloseLimit, p.Close) {
		return why
	}
	return fmt.Errorf("close serial port %s: not done within %v: %w", p.path, o.CloseLimit, errors.Join(ErrWedged, why))
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
