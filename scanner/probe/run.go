package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"gated/serialport"
)

// Options are those of Run.
type Options struct {
	Device  string        // listen to this port only; empty: to all that are free and no console
	Lane    string        // that the scanner is for
	Timeout time.Duration // how long to listen
	Trigger bool          // see Probe
	List    bool          // only list the ports
	JSON    bool          // write one object, not text for people
}

// Run writes which ports there are, listens to some of them, and writes what was found with advice for the lane. It tells stderr
// how to hold up codes, and how it goes on. The error is a NotSure unless no port could be listened to.
func Run(ctx context.Context, o Options, stdout, stderr io.Writer) error {
	ports, err := serialport.List()
	if err != nil {
		return fmt.Errorf("list the serial ports: %w", err)
	}
	if !o.JSON {
		serialport.Print(stdout, ports)
	}
	var found *Found
	var advice Advice
	if !o.List {
		chosen, cerr := choose(ports, o.Device, stderr)
		if cerr != nil {
			return cerr
		}
		var best Found
		if best, err = listen(ctx, chosen, o, stderr); best.Readings > 0 {
			found, advice = &best, best.Advice(o.Lane, ports)
		}
	}
	if o.JSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return errors.Join(err, out.Encode(struct {
			Ports []serialport.Info `json:"ports"`
			Found *Found            `json:"found"`
			Advice
		}{ports, found, advice}))
	}
	if found != nil {
		found.Print(stdout, o.Lane, advice)
	}
	return err
}

// choose returns the ports to listen to: the one named, else all that are free and no console. It tells stderr why one is
// left out.
func choose(ports []serialport.Info, device string, stderr io.Writer) (chosen []serialport.Info, err error) {
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
			fmt.Fprintf(stderr, "%s is left out: the kernel talks on it (console= of its command line)\n", p.Path)
		case len(p.Held) > 0:
			fmt.Fprintf(stderr, "%s is left out: %s has it open; to probe it, end that (systemctl stop gated, if it is the gate)\n",
				p.Path, p.Held[0])
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
