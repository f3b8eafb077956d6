// Package device remembers when a scanner or card reader went up and down, until the ledger was told.
package device

import (
	"cmp"
	"strconv"
	"time"

	"gated/ledger"
	"gated/register"
)

// Every is how often at most a device going up and down is recorded, so that a flapping cable cannot flood the ledger.
const Every = 10 * time.Second

// Device is a scanner or card reader, and what it says of itself.
type Device struct {
	Name  string // in the ledger; empty: the scanner
	Up    bool
	State string    // the scanner's own word for it
	Cause string    // why it is down
	Since time.Time // when it went up or down; zero: it said nothing yet, or there is none

	// What the ledger does not have yet, and its newest entry.
	falls      int
	fellBy     string
	recordedUp bool
	RecordedAt time.Time // monotonic; zero: none
}

// Became takes what a device says of itself.
func (d *Device) Became(up bool, state, cause string, now time.Time) {
	if d.Up != up || d.Since.IsZero() {
		d.Since = now
	}
	if d.Up && !up {
		d.falls++
		d.fellBy = cause
	}
	d.Up, d.State, d.Cause = up, state, cause
}

// Due is what the ledger must be told, if anything, also of one that was up again before anybody looked; and what is to be called
// once it was told.
func (d *Device) Due(now ledger.Stamp) (ev ledger.Event, told func(), some bool) {
	recorded := !d.RecordedAt.IsZero()
	if d.Since.IsZero() || recorded && (d.recordedUp == d.Up && d.falls == 0 || time.Since(d.RecordedAt) < Every) {
		return ev, nil, false
	}
	ev = ledger.Event{Stamp: now, Kind: register.Scanner, Reason: "up", Detail: map[string]string{}}
	if !d.Up {
		ev.Reason = "down"
	}
	if d.Name != "" {
		ev.Detail["device"] = d.Name
	}
	if cause := cmp.Or(d.Cause, d.fellBy); cause != "" {
		ev.Detail["cause"] = cause
	}
	if d.falls > 1 || d.falls == 1 && d.Up && d.recordedUp {
		ev.Detail["downs"] = strconv.Itoa(d.falls)
	}
	up, falls := d.Up, d.falls
	return ev, func() {
		d.recordedUp, d.RecordedAt = up, time.Now()
		if d.falls -= falls; d.falls == 0 {
			d.fellBy = ""
		}
	}, true
}
