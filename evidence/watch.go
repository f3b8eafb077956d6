package evidence

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	times "gated/clock"
	"gated/ledger/entry"
	"gated/register"
)

// Gap is a time in which the box was not watching.
type Gap struct {
	From, To time.Time
	// Cause is not-installed, restored, stopped, not-stopped (power or process lost), ledger-fault, silent, no-later-entry
	// or not-yet.
	Cause string
}

// aliveEvery is how far apart two entries of a running box can be: it writes one each hour.
const aliveEvery = time.Hour + 10*time.Minute

// byCommand are the kinds that a command can record while the daemon is stopped: they do not show that it watched.
var byCommand = map[entry.Kind]bool{register.Roster: true, entry.KeyChange: true, entry.Epoch: true, entry.Erase: true,
	entry.Keep: true, register.Export: true, register.Trip: true, register.Account: true, register.Correction: true, entry.Backup: true}

// watch tells, from the entries around a day in their order, when the box was not watching. How much time lies between two
// entries of a boot the clock says that nobody sets; how much lies between two boots, the newest time that was trusted. So a
// clock that was wrong for a moment makes no gap.
type watch struct {
	from, to time.Time // the day
	watching bool
	before   string // why nothing was watched before the first entry, where that is of the day
	seq      int64
	gaps     []Gap // not cut to the day yet

	seen   time.Time // until when it watched, or since when it did not: when the entry before was written
	latest time.Time // when the newest one was, also one that tells nothing of watching
	boot   boot

	stretches []Gap // times in which entries stand
	stretch   int   // the one that goes on
}

// boot is the one under way.
type boot struct {
	id          string
	began, mono time.Duration // of its first entry and of the newest
	trusted     bool          // its clock was, once
	behind      bool          // its clock began earlier than what the boot before had got to
	gaps        int           // those from here on are of this boot,
	opens       bool          // and the first of them ends with its start: it began before
}

func newWatch(day string, zone *time.Location) (watch, error) {
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return watch{}, fmt.Errorf("day %q: write it as 2026-11-23", day)
	}
	begins := func(after int) time.Time { return times.DayBegins(d.Year(), d.Month(), d.Day()+after, zone) }
	return watch{from: begins(0), to: begins(1), stretch: -1}, nil
}

// moment tells when an entry was written, and how long after the one before it.
func (w *watch) moment(e *entry.Entry) (at time.Time, passed time.Duration) {
	b, trusted, mono := &w.boot, e.Clock == "trusted", monoOf(e)
	if !w.seen.IsZero() && b.id != "" && b.id == e.Boot {
		passed = max(0, mono-b.mono)
		at, b.mono = w.seen.Add(passed), max(mono, b.mono)
		switch start := e.At.Add(b.began - mono); {
		case !trusted:
			return at, passed
		case !b.trusted: // now it is known when all of this boot was
			w.shift(e.At.Sub(at))
		case b.opens && start.Before(w.gaps[b.gaps].To.Add(-time.Minute)): // what was trusted at its start was wrong
			w.gaps[b.gaps].To = start
		}
		b.trusted = true
		return e.At, passed
	}
	if trusted && b.opens && !b.trusted && e.At.Before(w.seen) { // the boot before went by a clock that was ahead
		by := w.gaps[b.gaps].From.Sub(w.gaps[b.gaps].To)
		w.shift(by)
		w.seen = w.seen.Add(by)
	}
	at = e.At
	behind := !trusted && at.Before(w.seen)
	if behind {
		at = w.seen
	}
	if !w.seen.IsZero() {
		passed = max(0, at.Sub(w.seen))
	}
	w.boot = boot{id: e.Boot, began: mono, mono: mono, trusted: trusted, behind: behind, gaps: len(w.gaps)}
	return at, passed
}

func monoOf(e *entry.Entry) time.Duration { return time.Duration(e.Mono) * time.Microsecond }

// shift moves what was noted of the boot under way.
func (w *watch) shift(by time.Duration) {
	for i := w.boot.gaps; i < len(w.gaps); i++ {
		w.gaps[i].To = w.gaps[i].To.Add(by)
		if i > w.boot.gaps || !w.boot.opens {
			w.gaps[i].From = w.gaps[i].From.Add(by)
		}
	}
}

// waits tells whether later entries can tell when the boot under way began, whose clock was behind and was not trusted yet.
func (w *watch) waits() bool { return w.boot.opens && w.boot.behind && !w.boot.trusted }

// silent notes a time in which a watching box should have said something.
func (w *watch) silent(from, to time.Time) {
	if w.watching && to.Sub(from) > aliveEvery {
		w.gaps = append(w.gaps, Gap{from, to, "silent"})
	}
}

func (w *watch) add(e *entry.Entry) error {
	w.seq = e.Seq
	if e.Seq == 1 {
		w.before = "not-installed"
		if e.Kind == entry.Epoch {
			w.before = "restored"
		}
	}
	if e.Late() { // of a moment before the entries before it
		w.stretches = append(w.stretches, Gap{From: e.At, To: e.At})
		return nil
	}
	if !w.watching && (!w.seen.IsZero() || w.before != "") && byCommand[e.Kind] {
		w.latest = e.At
		if !w.seen.IsZero() && e.Boot == w.boot.id {
			w.latest = w.seen.Add(monoOf(e) - w.boot.mono)
		}
		return nil
	}
	at, passed := w.moment(e)
	since, gaps := at.Add(-passed), len(w.gaps)
	switch e.Kind {
	case entry.Start:
		cause := "stopped"
		switch {
		case w.seen.IsZero():
			since, cause = w.from, w.before
		case w.watching:
			cause = "not-stopped"
		}
		if cause != "" {
			w.boot.opens = w.boot.opens || w.boot.began == monoOf(e) && w.boot.gaps == gaps
			w.gaps = append(w.gaps, Gap{since, at, cause})
		}
	case entry.Outage:
		from, err1 := time.Parse(time.RFC3339Nano, e.Detail["from"])
		to, err2 := time.Parse(time.RFC3339Nano, e.Detail["to"])
		if err1 != nil || err2 != nil {
			return fmt.Errorf("entry %d: an outage without its times", e.Seq)
		}
		from, to = from.Add(at.Sub(e.At)), to.Add(at.Sub(e.At))
		if from.Before(since) || from.After(to) { // the clock was set since it began
			from = since
		}
		w.silent(since, from)
		w.gaps = append(w.gaps, Gap{from, to, e.Reason})
	default:
		w.silent(since, at)
	}
	w.watching = e.Kind != entry.Stop
	w.seen, w.latest = at, at
	if len(w.gaps) > gaps || !w.goesOn(e.At, passed) {
		w.stretch, w.stretches = len(w.stretches), append(w.stretches, Gap{From: e.At})
	}
	w.stretches[w.stretch].To = e.At
	return nil
}

// goesOn tells whether the clock said as much later than at the entry before as it was.
func (w *watch) goesOn(at time.Time, passed time.Duration) bool {
	if w.stretch < 0 {
		return false
	}
	after := at.Sub(w.stretches[w.stretch].To)
	return after >= 0 && (after-passed).Abs() <= time.Minute
}

// close ends the account of a ledger of size entries at now, which bounds a day that is not over; zero: when its newest entry
// was written.
func (w *watch) close(size int64, now time.Time) []Gap {
	to := w.to
	if now.IsZero() && w.seq == size {
		now = w.latest
	}
	if !now.IsZero() && now.Before(to) {
		to = now
	}
	all := w.gaps
	switch {
	case !w.from.Before(to):
		return []Gap{{w.from, w.to, "not-yet"}}
	case w.seen.IsZero():
		all = append(all, Gap{w.from, to, "not-installed"})
	case w.seq < size: // the entry after the day ended it
	case !w.watching:
		all = append(all, Gap{w.seen, to, "stopped"})
	case to.Sub(w.seen) > aliveEvery:
		all = append(all, Gap{w.seen, to, "no-later-entry"})
	}
	var gaps []Gap
	for _, g := range all {
		if g.From.Before(w.from) {
			g.From = w.from
		}
		if g.To.After(to) {
			g.To = to
		}
		if parts := w.without(g); parts != nil {
			gaps, w.stretches = append(gaps, parts...), append(w.stretches, g) // none is told twice
		}
	}
	slices.SortFunc(gaps, func(a, b Gap) int { return a.From.Compare(b.From) })
	return gaps
}

// without takes out of a gap the times in which entries stand, whatever their clock was worth.
func (w *watch) without(g Gap) (parts []Gap) {
	list := slices.Clone(w.stretches)
	slices.SortFunc(list, func(a, b Gap) int { return a.From.Compare(b.From) })
	for _, s := range append(list, Gap{From: g.To, To: g.To}) {
		if s.To.Before(g.From) || s.From.After(g.To) {
			continue
		}
		if s.From.Sub(g.From) >= time.Second {
			parts = append(parts, Gap{g.From.In(w.from.Location()), s.From.In(w.from.Location()), g.Cause})
		}
		g.From = s.To
	}
	return parts
}

// WriteGaps writes the gaps as the lines that every export begins with, when lanes were open by hand, and which entries among the day's
// bear another date.
func (r *Reader) WriteGaps(w io.Writer, s Stats) error {
	size, err := r.Size()
	if err != nil {
		return err
	}
	c, err := r.Calendar(size)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s, %s (%s). When the box was not watching: ", r.Meta.Gate, s.Day, r.Meta.TimeZone)
	for i, g := range s.Gaps {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s to %s (%s)", g.From.Format(time.TimeOnly), g.To.Format(time.DateTime), g.Cause)
	}
	if len(s.Gaps) == 0 {
		b.WriteString("never.")
	}
	b.WriteString("\n")
	for _, t := range s.ByHand {
		fmt.Fprintf(&b, "# %s: lane %s (%s), %s to %s (%s), %s.\n", OpenByHand, t.Lane, t.Direction, t.From.Format(time.TimeOnly),
			t.To.Format(time.DateTime), t.Reason, Heads(t.Heads))
	}
	for _, w := range s.Paper {
		fmt.Fprintf(&b, "# %s: %s.\n", OnPaper, w.Say(false))
	}
	for _, run := range c.Strays(c.Day(s.Day)) {
		fmt.Fprintf(&b, "# Entries %d to %d, among those of %s, bear the date %s.\n", run.First, run.Last, s.Day, run.Day)
	}
	_, err = io.WriteString(w, b.String())
	return err
}
