// Package scanner reads codes and cards.
package scanner

import (
	"time"

	"gated/serialport"

	"golang.org/x/sys/unix"
)

// A Code is what a scanner read at once: the bytes before an end byte, in
// UTF-8, without what the scanner itself put before and behind them. The
// receiver owns Data.
type Code struct {
	Lane string
	Data []byte
	At   time.Time // when the end byte was read; wall and monotonic
}

// State is what a Reader does with its port.
type State string

const (
	Absent   State = "absent"   // there is no such device
	Opening  State = "opening"  // the device is there and being opened
	Settling State = "settling" // what was sent while nobody listened is being dropped
	Online   State = "online"   // listening; every other state is down
	Muted    State = "muted"    // the line babbles: nothing that it sends is looked at
	Closing  State = "closing"  // the device is being given back
	Backoff  State = "backoff"  // the device was lost or cannot be opened; tried again soon
	Closed   State = "closed"   // Run has ended
)

var States = []State{Absent, Opening, Settling, Online, Muted, Closing, Backoff, Closed}

// Why a Reader is down, or what is wrong with it while it is up.
const (
	CauseAbsent       = serialport.Absent
	CauseNotADevice   = serialport.NotADevice
	CauseNoPermission = serialport.NoPermission
	CauseBusy         = serialport.Busy
	CauseHangUp       = serialport.HangUp
	CauseLost         = serialport.Lost
	CauseRenumbered   = serialport.Renumbered // the device that the path names now is opened instead
	CauseWedged       = serialport.Wedged
	CauseFault        = serialport.Fault // the log says what
	CauseFlood        = "flood"          // it sends more than a scanner can, or what no scanner does
	CauseStopped      = "stopped"        // Run was told to end
	CauseSilent       = "silent"         // up, and nothing came from it for longer than Config.SilentAfter
	CauseNoHeartbeat  = "no-heartbeat"   // up, and its module does not answer
	// Up, and the newest codes were genuine but for what the scanner added, or were typed on another keyboard's keys.
	CauseAdded  = "added-characters"
	CauseLayout = "keyboard-layout"
)

// DownCauses are all of them.
var DownCauses = []string{CauseAbsent, CauseNotADevice, CauseNoPermission, CauseBusy, CauseHangUp, CauseLost, CauseRenumbered, CauseFlood,
	CauseWedged, CauseFault, CauseStopped, CauseSilent, CauseNoHeartbeat, CauseAdded, CauseLayout}

// stateAfter tells what an error of the port means for the lane.
func stateAfter(err error) (State, string) {
	cause := serialport.Cause(err)
	if cause == CauseAbsent {
		return Absent, cause
	}
	return Backoff, cause
}

// bootTime goes on while the box is suspended, when the monotonic clock of a
// time.Time stands still.
func bootTime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // no Linux is so old as not to have it
	return time.Duration(t.Nano())
}
