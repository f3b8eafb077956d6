package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"gated/scanner"
	"gated/serialport"
)

// letGo is how long the ports may take to be given back: one whose driver hangs does not keep us.
const letGo = 3 * time.Second

// NotSure says why a scanner is not known for sure.
type NotSure struct{ why string }

func (n NotSure) Error() string { return n.why }

// listen listens to several ports at once until it is sure of a scanner, the time is over or ctx ends.
func listen(ctx context.Context, ports []serialport.Info, o Options, stderr io.Writer) (Found, error) {
	var paths []string
	for _, p := range ports {
		paths = append(paths, p.Path)
	}
	say := log.New(stderr, "", 0) // several ports at once
	say.Printf("listening to %s for %s: hold a code before the scanner, the same one, about once a second; Ctrl-C ends it",
		strings.Join(paths, ", "), o.Timeout)
	limited, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	best, faults := first(limited, ports, o.Trigger, func(what string) { say.Print(what) })
	switch {
	case best.Sure:
		return best, nil
	case len(faults) == len(ports):
		return best, errors.Join(faults...)
	}
	for _, f := range faults {
		say.Print("gated: ", f)
	}
	if ctx.Err() != nil {
		return best, NotSure{"ended before it was sure"}
	}
	return best, NotSure{best.doubt(o.Timeout)}
}

// first probes several ports at once until one is sure, or ctx ends. It returns the best that was found, and what is wrong
// with ports that could not be listened to. say is told how it goes on; see Probe for trigger.
func first(ctx context.Context, ports []serialport.Info, trigger bool, say func(string)) (best Found, faults []error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		Found
		err error
	}
	answers := make(chan answer, len(ports)) // also of those that come late
	for _, port := range ports {
		p := Probe{Device: port.Path, AnyRate: port.AnyRate(), Trigger: trigger, Progress: func(baud int, f Finding) {
			switch {
			case f.Short:
				say(fmt.Sprintf("%s at %d baud: %d bytes of text, which is too short to be sure: a longer code, such as a pass, is better",
					port.Path, baud, f.Length))
			case f.Readings+f.Garbage > 0:
				say(fmt.Sprintf("%s at %d baud: no text, next rate", port.Path, baud))
			}
		}}
		go func() {
			found, err := p.Run(ctx)
			answers <- answer{found, err}
		}()
	}
	var late <-chan time.Time
	stopping := ctx.Done()
	for left := len(ports); left > 0; {
		select {
		case a := <-answers:
			left--
			if a.better(best) {
				best = a.Found
			}
			if a.Sure {
				cancel()
			} else if a.err != nil && ctx.Err() == nil {
				faults = append(faults, a.err)
			}
		case <-stopping:
			stopping, late = nil, time.After(letGo)
		case <-late:
			return best, append(faults, fmt.Errorf("%d ports do not let go: unplug them", left))
		}
	}
	return best, faults
}

func (f Found) better(than Found) bool {
	if f.Sure != than.Sure {
		return f.Sure
	}
	return f.Readings > than.Readings || f.Readings == 0 && than.Readings == 0 && f.Garbage > than.Garbage
}

// doubt says why what was found in so much time is not sure, and what to do.
func (f Found) doubt(listened time.Duration) string {
	switch {
	case f.Changed == scanner.CauseAdded:
		return "codes come, and the scanner adds to them what the gate cannot take off: switch prefix, suffix and code ID off in " +
			"the scanner, and probe again"
	case f.Changed == scanner.CauseLayout:
		return "codes come as a keyboard of another country types them: set the scanner to USB serial, or its keyboard to USA, and " +
			"probe again"
	case f.Short:
		return "the readings were too short to be sure of the baud rate: hold up a longer code, such as a resident pass"
	case f.Readings > 0:
		return "there were too few readings to be sure: hold up the same code several times"
	case f.Garbage > 0:
		return "bytes came, but no text at any rate: is the line RS-232 where the port is TTL, or the ground missing? " +
			"Reset the scanner with its manual's bar code, and try again"
	}
	return fmt.Sprintf("nothing came in %s: is the scanner set to USB serial or RS-232, not keyboard? does it light up and beep? "+
		"are RX and TX crossed? (--trigger makes a GM65 module read)", listened)
}
