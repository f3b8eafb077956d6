package gate

import (
	"os"
	"strings"
	"sync"
	"time"

	"gated/ledger"

	"golang.org/x/sys/unix"
)

// Released is before any moment at which this program can run: a clock that says less is wrong.
var Released = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

const (
	agree     = time.Minute        // how far the clock may be from what the monotonic clock says has passed
	farAhead  = 24 * time.Hour     // a box without synchronisation that wakes up later than this must be asked
	stillGood = 7 * 24 * time.Hour // a pass with this much left at the last trusted time is judged as before
)

// Source is where a Clock reads from. Tests hand in their own.
type Source struct {
	Wall   func() time.Time
	Mono   func() time.Duration // since boot, suspended time included
	Synced func() bool          // the kernel's clock is disciplined
	Boot   string               // boot ID
}

// System is the box's own clock.
func System() Source {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // "" where there is none: nothing agrees with an unknown boot
	return Source{
		Wall: func() time.Time { return time.Now().Round(0) },
		Mono: func() time.Duration {
			var ts unix.Timespec
			if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
				return 0
			}
			return time.Duration(ts.Nano())
		},
		Synced: func() bool {
			var tx unix.Timex
			state, err := unix.Adjtimex(&tx)
			return err == nil && state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0
		},
		Boot: strings.TrimSpace(string(boot)),
	}
}

// Clock tells the time and whether it may judge credentials.
//
// It is trusted when the kernel says it is synchronised, or when it agrees within a minute with the last trusted time
// plus what the monotonic clock says has passed, or when someone entitled confirmed it. A clock before the release of
// this program, or more than a day past the newest trusted entry on a box without synchronisation, needs confirming.
type Clock struct {
	src Source

	mu     sync.Mutex
	anchor ledger.Stamp // the last trusted moment, of whatever source
	floor  time.Time    // of the newest trusted entry: no credential is judged by an earlier time
}

// NewClock returns a clock that trusts nothing yet but what the kernel says.
func NewClock(src Source) *Clock { return &Clock{src: src} }

// Remember takes the newest trusted entry of the ledger as the last trusted time.
func (c *Clock) Remember(newest ledger.Stamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.floor = newest.Time; c.anchor.Time.IsZero() {
		c.anchor = newest
	}
}

// Now reads the clock.
func (c *Clock) Now() ledger.Stamp { s, _ := c.read(); return s }

// read returns the moment and, where it is not trusted, why.
func (c *Clock) read() (ledger.Stamp, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := ledger.Stamp{Time: c.src.Wall(), Boot: c.src.Boot, Mono: c.src.Mono()}
	switch {
	case c.anchor.Boot != "" && c.anchor.Boot == s.Boot && s.Time.Sub(c.anchor.Time.Add(s.Mono-c.anchor.Mono)).Abs() <= agree:
	case s.Time.Before(Released):
		return s, "clock-before-release"
	case c.src.Synced():
	case c.floor.IsZero():
		return s, "clock-never-confirmed"
	case s.Time.Before(c.floor):
		return s, "clock-behind"
	case s.Time.Sub(c.floor) > farAhead:
		return s, "clock-far-ahead"
	default:
		return s, "clock-unsynchronised"
	}
	s.Trusted = true
	c.anchor = s
	return s, ""
}

// confirm makes the present reading trusted, because somebody compared it with a watch. It tells whether that moves the
// floor back, which then needs an entry of its own.
func (c *Clock) confirm() (s ledger.Stamp, back bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s = ledger.Stamp{Time: c.src.Wall(), Boot: c.src.Boot, Mono: c.src.Mono(), Trusted: true}
	return s, s.Time.Before(c.floor)
}

// confirmed is called when the confirmation is on record.
func (c *Clock) confirmed(s ledger.Stamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.anchor, c.floor = s, s.Time
}

// judge returns the time by which a credential is judged at s: never one before the newest trusted entry,
// and with an untrusted clock the last trusted time. It is zero where no time was ever trusted.
func (c *Clock) judge(s ledger.Stamp) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Trusted && s.Time.After(c.floor) {
		return s.Time
	}
	return c.floor
}

// passed raises the floor to a trusted moment that is on record.
func (c *Clock) passed(s ledger.Stamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Trusted && s.Time.After(c.floor) {
		c.floor = s.Time
	}
}
