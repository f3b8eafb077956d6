package daemon

import (
	"encoding/json"
	"os/signal"
	"syscall"
	"time"

	"gated/gate"
)

// print starts the goroutine that prints verdicts and returns what ends it. A reader that does not read costs lines,
// never a passage.
func (d *Daemon) print() (stop func()) {
	if d.Verdicts == nil {
		return func() {}
	}
	signal.Ignore(syscall.SIGPIPE)
	d.prints = make(chan []byte, 4096)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for line := range d.prints {
			if _, err := d.Verdicts.Write(line); err != nil {
				d.log.Warn("verdicts are printed no longer", "err", err)
				for range d.prints {
				}
			}
		}
	}()
	return func() {
		close(d.prints)
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
}

// outcome takes a verdict, which is durable by now.
func (d *Daemon) outcome(o gate.Outcome) {
	if d.Verdicts == nil {
		return
	}
	b, _ := json.Marshal(struct {
		Time time.Time `json:"time"`
		Lane string    `json:"lane"`
		gate.Outcome
		Credential string `json:"credential,omitempty"`
		Rule       string `json:"rule,omitempty"`
		Seq        int64  `json:"seq,omitempty"`
	}{o.At, o.Lane, o, o.Credential, o.Rule, o.Seq})
	select {
	case d.prints <- append(b, '\n'):
	default: // nobody reads
	}
}
