package probe

import (
	"errors"
	"fmt"
	"path/filepath"

	"gated/serialport"
)

// Choose returns the ports to listen to: the one named, else all that are free and no console. say is told why one is left
// out.
func Choose(ports []serialport.Info, device string, say func(why string)) (chosen []serialport.Info, err error) {
	if device != "" {
		p := serialport.Info{Path: device}
		if real, err := filepath.EvalSymlinks(device); err == nil {
			for _, known := range ports {
				if known.Path == real {
					p = known
				}
			}
		}
		return []serialport.Info{p}, nil
	}
	for _, p := range ports {
		switch {
		case p.Console:
			say(fmt.Sprintf("%s is left out: the kernel talks on it (console= of its command line)", p.Path))
		case len(p.Held) > 0:
			say(fmt.Sprintf("%s is left out: %s has it open; to probe it, end that (systemctl stop gated, if it is the gate)",
				p.Path, p.Held[0]))
		default:
			chosen = append(chosen, p)
		}
	}
	if chosen == nil {
		return nil, errors.New("no serial port is free: plug the scanner in (set to USB serial, not keyboard), " +
			"or name a port with --device")
	}
	return chosen, nil
}
