package daemon

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gated/gate"
	"gated/logqueue"
)

// openLog has the log written, which never waits for its reader. The caller closes it.
func (d *Daemon) openLog() *logqueue.Queue {
	// Who reads log or verdicts may go away. The signal is taken and not ignored, as the barrier's program would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	asJSON := d.set.Log.Format == "json"
	d.level.UnmarshalText([]byte(d.set.Log.Level))
	to := func(w io.Writer) *slog.Logger {
		opt := &slog.HandlerOptions{Level: &d.level}
		if asJSON {
			return slog.New(slog.NewJSONHandler(w, opt))
		}
		return slog.New(slog.NewTextHandler(w, opt))
	}
	q := logqueue.New(d.Stderr, func(w io.Writer, lines int64) {
		to(w).Error("the log was not read for a while, and lines of it are missing", "lines", lines)
	})
	d.log = to(q)
	return q
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
	d.prints.Write(append(b, '\n'))
}
