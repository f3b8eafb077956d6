package evidence

import (
	"fmt"
	"io"
	"time"

	times "gated/clock"
	"gated/ledger/entry"
	"gated/ledger/file"
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
	entry.Keep: true, register.Export: true, register.Trip: true, entry.Backup: true}

// watch tells, from the entries around a day in their order, when the box was not watching.
type watch struct {
	from, to time.Time // the day
	watching bool
	seen     time.Time // until when it watched, or since when it did not
	before   string    // why nothing was watched before the first entry, where that is of the day
	seq      int64
	gaps     []Gap
}

func newWatch(day string, zone *time.Location) (watch, error) {
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return watch{}, fmt.Errorf("day %q: write it as 2026-11-23", day)
	}
	begins := func(after int) time.Time { return times.DayBegins(d.Year(), d.Month(), d.Day()+after, zone) }
	return watch{from: begins(0), to: begins(1)}, nil
}

func (w *watch) restart() { *w = watch{from: w.from, to: w.to} }

func (w *watch) note(a, b time.Time, cause string) {
	if a.Before(w.from) {
		a = w.from
	}
	if b.After(w.to) {
		b = w.to
	}
	if b.Sub(a) >= time.Second {
		w.gaps = append(w.gaps, Gap{a.In(w.from.Location()), b.In(w.from.Location()), cause})
	}
}

// silent notes a time in which a watching box should have said something.
func (w *watch) silent(until time.Time) {
	if w.watching && until.Sub(w.seen) > aliveEvery {
		w.note(w.seen, until, "silent")
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
	switch {
	case e.Kind == entry.Start:
		switch {
		case w.seen.IsZero() && w.before != "":
			w.note(w.from, e.At, w.before)
		case w.watching:
			w.note(w.seen, e.At, "not-stopped")
		case !w.seen.IsZero():
			w.note(w.seen, e.At, "stopped")
		}
		w.watching = true
	case e.Kind == entry.Stop:
		w.silent(e.At)
		w.watching = false
	case e.Kind == entry.Outage:
		a, err1 := time.Parse(time.RFC3339Nano, e.Detail["from"])
		b, err2 := time.Parse(time.RFC3339Nano, e.Detail["to"])
		if err1 != nil || err2 != nil {
			return fmt.Errorf("entry %d: an outage without its times", e.Seq)
		}
		w.silent(a)
		w.note(a, b, e.Reason)
		w.watching = true
	case !w.watching && (!w.seen.IsZero() || w.before != "") && byCommand[e.Kind]:
		return nil
	default:
		w.silent(e.At)
		w.watching = true
	}
	w.seen = e.At
	return nil
}

// close ends the account of a ledger of size entries at now, which bounds a day that is not over.
func (w *watch) close(size int64, now time.Time) []Gap {
	if !now.After(w.from) {
		return []Gap{{w.from, w.to, "not-yet"}}
	}
	to := w.to
	if now.Before(to) {
		to = now
	}
	switch {
	case w.seen.IsZero():
		w.note(w.from, to, "not-installed")
	case w.seq < size: // the entry after the day ended it
	case !w.watching:
		w.note(w.seen, to, "stopped")
	case to.Sub(w.seen) > aliveEvery:
		w.note(w.seen, to, "no-later-entry")
	}
	var gaps []Gap
	for _, g := range w.gaps {
		if g.To.After(to) {
			g.To = to.In(g.To.Location())
		}
		if g.To.Sub(g.From) >= time.Second {
			gaps = append(gaps, g)
		}
	}
	return gaps
}

// WriteGaps writes the gaps as the lines that every export begins with.
func WriteGaps(w io.Writer, m file.Meta, day string, gaps []Gap) error {
	_, err := fmt.Fprintf(w, "# %s, %s (%s). When the box was not watching: ", m.Gate, day, m.TimeZone)
	if err == nil && len(gaps) == 0 {
		_, err = fmt.Fprint(w, "never.")
	}
	for i, g := range gaps {
		if err == nil {
			sep := "; "
			if i == 0 {
				sep = ""
			}
			_, err = fmt.Fprintf(w, "%s%s to %s (%s)", sep, g.From.Format(time.TimeOnly), g.To.Format(time.DateTime), g.Cause)
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	return err
}
