// Package probe finds out how a scanner is set.
package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"gated/serialport"

	"golang.org/x/sys/unix"
)

// usualRates are those that scanners are set to, the likely ones first.
var usualRates = []int{9600, 115200, 57600, 38400, 19200, 4800, 2400, 1200, 230400, 460800, 921600}

// A Probe finds out how the scanner at a port is set up, while somebody holds codes before it again and again.
type Probe struct {
	Device  string
	AnyRate bool // the baud rate does not matter: see serialport.Info.AnyRate

	// Trigger makes modules of the GM65 family read that wait to be told. It is written to the port at every rate,
	// and whatever else is there may take it for something else. Without it nothing is written.
	Trigger bool

	// Progress is told of every rate that is left without an answer. May be nil.
	Progress func(baud int, f Finding)

	dwell time.Duration // zero: that for people
}

// Found is what a Probe found.
type Found struct {
	Device string `json:"device"`
	Baud   int    `json:"baud"` // 0: any
	Finding
}

// dwell is how long a rate is listened to in vain. At a wrong one a reading brings bytes, though wrong ones, nearly always.
const dwell = 5 * time.Second

// What is kept of a port that never stops, and how long it may go on: a certificate at 1200 baud takes 20 s.
const (
	mostBytes = 1 << 20
	mostTime  = 30 * time.Second
)

// Run listens until it is sure or ctx ends, and gives the port back as it found it. Before it is sure it returns the best
// it has, with ctx's error.
func (p Probe) Run(ctx context.Context) (best Found, err error) {
	if p.dwell == 0 {
		p.dwell = dwell
	}
	best.Device = p.Device
	// Stat first: a first open can be felt by a modem or printer, and a disk is not to be opened at all.
	if _, err := serialport.DeviceNumber(p.Device); err != nil {
		return best, fault(p.Device, err)
	}
	// Whoever has it open without a lock, such as cat, would get half of the bytes. To look takes time, in which a terminal
	// that is open and not yet set up would echo what comes: so before.
	held := others(p.Device)
	// This descriptor keeps the port open from one rate to the next, so that its lines do not fall in between.
	fd, err := unix.Open(p.Device, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return best, fault(p.Device, err)
	}
	defer unix.Close(fd)
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return best, fault(p.Device, err)
	}
	if len(held) > 0 {
		return best, fault(p.Device, unix.EBUSY)
	}
	defer unix.IoctlSetTermios(fd, unix.TCSETS2, was)

	rates := usualRates
	if p.AnyRate {
		rates = rates[:1]
	}
	for i := 0; ; i++ {
		baud := rates[i%len(rates)]
		f, err := p.listen(ctx, fd, baud)
		if f.Readings > best.Readings || f.Readings == best.Readings && f.Garbage > best.Garbage {
			best.Baud, best.Finding = baud, f
			if p.AnyRate {
				best.Baud = 0
			}
		}
		if err != nil {
			return best, err
		}
		if f.Sure {
			return best, nil
		}
		if p.Progress != nil {
			p.Progress(baud, f)
		}
	}
}

// listen reads the port at one rate until that is sure to be the right one, or seems to be wrong, or nothing comes.
func (p Probe) listen(ctx context.Context, fd, baud int) (f Finding, err error) {
	port, err := serialport.Open(serialport.Config{Device: p.Device, Baud: baud})
	if err != nil && serialport.Cause(err) == serialport.Absent {
		err = unix.EIO // it was there, and fd still is of it
	}
	if err != nil {
		return f, fault(p.Device, err)
	}
	defer port.Close()
	// What was sent before is not at this rate, and may be the end of something.
	if err := port.Flush(); err != nil {
		return f, fault(p.Device, err)
	}
	began := time.Now()
	var (
		chunks []chunk
		kept   int
		judged = true  // nothing came since the last judgement
		heard  = began // bytes
		quiet  = began // a silence
		buf    = make([]byte, 4096)
		asked  time.Time
	)
	for {
		if p.Trigger && judged && time.Since(asked) > time.Second {
			// A port that takes no bytes is none of such a module: nothing to wait for, nothing to say.
			unix.Write(fd, gm65Trigger)
			asked = time.Now()
		}
		switch err := port.Wait(ctx, time.Now().Add(burstGap)); {
		case ctx.Err() != nil:
			return analyse(chunks, p.AnyRate), ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			quiet = time.Now()
			if !judged {
				judged = true
				f = analyse(chunks, p.AnyRate)
				if f.Sure || !p.AnyRate && (f.Short || f.Garbage > f.Readings) {
					return f, nil
				}
			}
			// With one good reading in hand the next one is worth waiting for.
			if f.Readings == 0 && time.Since(heard) > p.dwell {
				return f, nil
			}
			continue
		case err != nil:
			return f, fault(p.Device, err)
		}
		n, err := port.Read(buf)
		if err != nil {
			return f, fault(p.Device, err)
		}
		judged, heard = false, time.Now()
		chunks = append(chunks, chunk{heard.Sub(began), append([]byte(nil), buf[:n]...)})
		if kept += n; kept > mostBytes || heard.Sub(quiet) > mostTime {
			f = analyse(chunks, p.AnyRate)
			chunks, kept, quiet = nil, 0, heard
			if !f.Sure {
				f = Finding{Garbage: max(1, f.Garbage)} // it babbles
			}
			if f.Sure || !p.AnyRate {
				return f, nil
			}
		}
	}
}

// fault says what is wrong with the port and what to do about it.
func fault(device string, err error) error {
	var text string
	switch serialport.Cause(err) {
	case serialport.Absent:
		text = "there is no such device: plug it in, or see which there are with `gated scanner probe --list`"
	case serialport.NotADevice:
		text = "it is no serial port: see which there are with `gated scanner probe --list`"
	case serialport.NoPermission:
		text = "you may not open it: try as root, or as a member of the group dialout"
	case serialport.Busy:
		text = "it is in use" + heldBy(others(device)) +
			": end that (`systemctl stop gated` if it is the gate), or probe another port with --device"
	case serialport.HangUp:
		text = "it was unplugged: plug it in and begin again"
	case serialport.Lost:
		text = "another program reads it, too" + heldBy(others(device)) + ": end that first"
	default:
		return fmt.Errorf("%s: %w", device, err)
	}
	return errors.New(device + ": " + text)
}

func heldBy(held []serialport.Holder) string {
	var by []string
	for _, h := range held {
		by = append(by, h.String())
	}
	switch {
	case by == nil && os.Geteuid() != 0:
		return " (root can see by whom)"
	case by == nil:
		return ""
	}
	return " by " + strings.Join(by, " and ")
}

// others are those who have the device open, but for this process.
func others(device string) []serialport.Holder {
	return slices.DeleteFunc(serialport.Holders(device), func(h serialport.Holder) bool { return h.PID == os.Getpid() })
}
