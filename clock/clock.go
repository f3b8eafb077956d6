// Package clock says what time it is and whether to believe it.
package clock

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Moment is one reading of the clock.
type Moment struct {
	Time    time.Time     // wall clock
	Boot    string        // boot ID of the kernel
	Mono    time.Duration // since boot, suspended time included (CLOCK_BOOTTIME)
	Trusted bool          // whether Time was good enough to judge credentials by
}

// Why a moment is not trusted.
const (
	BeforeRelease  = "clock-before-release" // earlier than Released: to be set before it can be confirmed
	NeverConfirmed = "clock-never-confirmed"
	Behind         = "clock-behind"         // earlier than the newest trusted entry, synchronised or not
	FarAhead       = "clock-far-ahead"      // more than farAhead later than it should be, synchronised or not
	Unsynchronised = "clock-unsynchronised" // within a day of what it should be
)

// Released is before any moment at which this program can run: a clock that says less is wrong.
var Released = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

const (
	agree = time.Minute // how far the clock may be from what the monotonic clock says has passed

	// farAhead is how far the clock may be ahead of what it should be: the last trusted time and what has passed since, in the
	// same boot, else the newest trusted entry. A gate is watched day and night and writes an entry each hour, so it is hardly
	// ever off for a day; what the clock was made to jump by a time server that is wrong, or a battery that is empty, is months.
	// To believe it would make every pass expired, and would erase what is older than the days of retention.
	farAhead = 24 * time.Hour
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
// It is trusted when it agrees within a minute with the last trusted time plus what the monotonic clock says has passed, when
// the kernel says it is synchronised, or when someone entitled confirmed it. One that is far ahead needs confirming also when it
// is synchronised. So does one that is behind the newest trusted entry: either is wrong, and only a watch can tell which.
type Clock struct {
	src Source

	mu    sync.Mutex
	last  Moment    // the last trusted moment, of whatever source
	floor time.Time // of the newest trusted entry: no credential is judged by an earlier time
}

// New returns a clock that trusts nothing yet but what the kernel says.
func New(src Source) *Clock { return &Clock{src: src} }

// Remember takes the newest trusted entry of the ledger as the last trusted time. What was read before counts for nothing: it
// was not held against that.
func (c *Clock) Remember(newest Moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.floor.IsZero() {
		c.last = newest
	}
	c.floor = newest.Time
}

// Now reads the clock.
func (c *Clock) Now() Moment { m, _ := c.Read(); return m }

// Read returns the moment and, where it is not trusted, why.
func (c *Clock) Read() (Moment, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := Moment{Time: c.src.Wall(), Boot: c.src.Boot, Mono: c.src.Mono()}
	due, known := c.floor, !c.floor.IsZero() // what it should say at least
	sameBoot := c.last.Boot != "" && c.last.Boot == m.Boot
	if sameBoot {
		due, known = c.last.Time.Add(m.Mono-c.last.Mono), true
	}
	switch {
	case sameBoot && m.Time.Sub(due).Abs() <= agree:
	case m.Time.Before(Released):
		return m, BeforeRelease
	case m.Time.Before(c.floor.Add(-agree)):
		return m, Behind
	case known && m.Time.Sub(due) > farAhead:
		return m, FarAhead
	case c.src.Synced():
	case c.floor.IsZero():
		return m, NeverConfirmed
	default:
		return m, Unsynchronised
	}
	m.Trusted = true
	c.last = m
	return m, ""
}

// Confirm makes the present reading trusted, because somebody compared it with a watch. It tells whether that moment lies
// before the newest trusted entry, which then needs an entry of its own.
func (c *Clock) Confirm() (m Moment, back bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m = Moment{Time: c.src.Wall(), Boot: c.src.Boot, Mono: c.src.Mono(), Trusted: true}
	return m, m.Time.Before(c.floor)
}

// Confirmed is called when the confirmation is on record.
func (c *Clock) Confirmed(m Moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.floor = m, m.Time
}

// Judge returns the time by which a credential is judged at m: never one before the newest trusted entry,
// and with an untrusted clock the last trusted time. It is zero where no time was ever trusted.
func (c *Clock) Judge(m Moment) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Trusted && m.Time.After(c.floor) {
		return m.Time
	}
	return c.floor
}

// Recorded raises the floor to a trusted moment that is on record.
func (c *Clock) Recorded(m Moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Trusted && m.Time.After(c.floor) {
		c.floor = m.Time
	}
}
