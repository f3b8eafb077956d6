package ledger

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Stats are the counts of one day.
type Stats struct {
	Day      string         `json:"day"`
	Entries  int64          `json:"entries"`
	Passages map[string]int `json:"passages"` // by their latest verdict; hold: still open
}

// Stats counts a day. A passage counts on the day of its first event, once.
func (r *Reader) Stats(day string) (Stats, error) {
	s := Stats{Day: day, Passages: map[string]int{"admit": 0, "refuse": 0, "hold": 0}}
	segments, err := r.segments()
	if err != nil {
		return s, err
	}
	for _, g := range segments {
		if g.day == day {
			n, err := r.c.number("SELECT count(*) FROM entry WHERE seq BETWEEN ? AND ?", g.first, g.last)
			if err != nil {
				return s, err
			}
			s.Entries += n
		}
	}
	list, err := r.Passages(day)
	for _, p := range list {
		s.Passages[p.Verdict]++
	}
	return s, err
}

// Gap is a time in which the box was not watching.
type Gap struct {
	From, To time.Time
	Cause    string // not-installed, stopped, not-stopped (power or process lost), ledger-fault, silent, no-later-entry
}

// aliveEvery is how far apart two entries of a running box can be: it writes one each hour.
const aliveEvery = time.Hour + 10*time.Minute

// Gaps tells when, on a day, the box was not watching. now bounds a day that is not over.
func (r *Reader) Gaps(day string, now time.Time) ([]Gap, error) {
	from, err := time.ParseInLocation(time.DateOnly, day, r.Zone)
	if err != nil {
		return nil, fmt.Errorf("day %q: write it as 2026-11-23", day)
	}
	to := from.AddDate(0, 0, 1)
	if now.Before(to) {
		to = now
	}
	first, last, before, err := r.span(day)
	if err != nil {
		return nil, err
	}
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	var gaps []Gap
	note := func(a, b time.Time, cause string) {
		if a.Before(from) {
			a = from
		}
		if b.After(to) {
			b = to
		}
		if b.Sub(a) >= time.Second {
			gaps = append(gaps, Gap{a.In(r.Zone), b.In(r.Zone), cause})
		}
	}
	if !now.After(from) {
		return []Gap{{from, from.AddDate(0, 0, 1), "not-yet"}}, nil
	}
	if first == 0 {
		last = min(before, size)
		first = last + 1
	}
	// What the box did at midnight is told by the newest entry before the day that is of its own running: a roster that
	// was changed while it was stopped is not.
	at := max(first-1, 1)
	for at > 1 {
		kind := Kind("")
		if err := r.Scan(at, at, false, func(e *Entry) error { kind = e.Kind; return nil }); err != nil {
			return nil, err
		}
		if kind != Roster {
			break
		}
		at--
	}
	var watching bool
	var seen time.Time // until when it watched, or since when it did not
	seq := int64(0)
	err = r.Scan(at, min(last, size)+1, false, func(e *Entry) error {
		seq = e.Seq
		switch {
		case e.Kind == Start:
			switch {
			case seen.IsZero() && e.Seq == 1:
				note(from, e.At, "not-installed")
			case watching:
				note(seen, e.At, "not-stopped")
			case !seen.IsZero():
				note(seen, e.At, "stopped")
			}
			watching, seen = true, e.At
		case e.Kind == Stop:
			watching, seen = false, e.At
		case e.Kind == Outage:
			a, err1 := time.Parse(time.RFC3339Nano, e.Detail["from"])
			b, err2 := time.Parse(time.RFC3339Nano, e.Detail["to"])
			if err1 != nil || err2 != nil {
				return fmt.Errorf("entry %d: an outage without its times", e.Seq)
			}
			note(a, b, e.Reason)
			watching, seen = true, e.At
		case !watching && !seen.IsZero() && e.Kind == Roster:
			// changed while stopped
		default:
			if watching && e.At.Sub(seen) > aliveEvery {
				note(seen, e.At, "silent")
			}
			watching, seen = true, e.At
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case seen.IsZero():
		note(from, to, "not-installed")
	case seq < size: // the entry after the day ended it
	case !watching:
		note(seen, to, "stopped")
	case to.Sub(seen) > aliveEvery:
		note(seen, to, "no-later-entry")
	}
	return gaps, nil
}

// WriteGaps writes the gaps as the lines that every export begins with.
func WriteGaps(w io.Writer, m Meta, day string, gaps []Gap) error {
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

// ExportJSONL writes the exact records of a day, one a line. What was not watched is told by the start, stop and outage
// records among them; it cannot stand before them, as every line is a record.
func (r *Reader) ExportJSONL(w io.Writer, day string) error {
	b := bufio.NewWriterSize(w, 64<<10)
	err := r.Day(day, false, func(e *Entry) error {
		b.Write(e.Raw)
		return b.WriteByte('\n')
	})
	if err != nil {
		return err
	}
	return b.Flush()
}

// bom tells spreadsheets that the CSV is UTF-8.
const bom = "\ufeff"

// harmless keeps a cell from being taken for a formula (OWASP CSV Injection).
func harmless(cell string) string {
	if first, _ := utf8.DecodeRuneInString(cell); cell != "" && strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}

type sheet struct {
	w   *csv.Writer
	err error
}

func (s *sheet) row(cells ...string) {
	for i := range cells {
		cells[i] = harmless(cells[i])
	}
	if err := s.w.Write(cells); err != nil && s.err == nil {
		s.err = err
	}
}

// ExportCSV writes a day as a spreadsheet: one row a passage, or one an event.
func (r *Reader) ExportCSV(w io.Writer, day string, events bool, now time.Time) error {
	gaps, err := r.Gaps(day, now)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, bom); err != nil {
		return err
	}
	s := &sheet{w: csv.NewWriter(w)}
	s.w.UseCRLF = true // RFC 4180
	s.row("gate", r.Meta.Gate, "day", day, "time zone", r.Meta.TimeZone)
	if len(gaps) == 0 {
		s.row("not watching", "never")
	}
	for _, g := range gaps {
		s.row("not watching", "from", g.From.Format(time.RFC3339), "to", g.To.Format(time.RFC3339), g.Cause)
	}
	s.row()
	if events {
		s.row("seq", "time", "clock", "kind", "passage", "lane", "direction", "class", "credential", "proof", "verdict", "reason", "rule", "by", "about", "detail", "policy", "roster")
		err = r.Day(day, false, func(e *Entry) error {
			var detail []string
			for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
				detail = append(detail, k+"="+e.Detail[k])
			}
			about := ""
			if e.Ref != 0 {
				about = strconv.FormatInt(e.Ref, 10)
			}
			s.row(strconv.FormatInt(e.Seq, 10), e.Time, e.Clock, string(e.Kind), e.Passage, e.Lane, e.Direction, e.Class, e.Credential, e.Proof,
				e.Verdict, e.Reason, e.Rule, e.By, about, strings.Join(detail, " "), e.Policy, e.Record.Roster)
			return s.err
		})
	} else {
		s.row("passage", "time", "clock", "lane", "direction", "class", "credential", "proof", "verdict", "reason", "rule", "by", "decided", "entries", "later entries", "policy", "roster")
		var list []*DayPassage
		list, err = r.Passages(day)
		for _, p := range list {
			var entries, later []string
			for _, seq := range p.Entries {
				entries = append(entries, strconv.FormatInt(seq, 10))
			}
			for _, x := range p.Later {
				later = append(later, fmt.Sprintf("%d %s %s", x.Seq, x.Kind, x.At.Format(time.RFC3339)))
			}
			s.row(p.ID, p.At.Format(time.RFC3339), p.Clock, p.Lane, p.Direction, p.Class, p.Credential, p.Proof, p.Verdict, p.Reason, p.Rule, p.By,
				p.Decided.Format(time.RFC3339), strings.Join(entries, " "), strings.Join(later, "; "), p.Policy, p.Roster)
		}
	}
	s.w.Flush()
	if err == nil {
		err = s.err
	}
	if err == nil {
		err = s.w.Error()
	}
	return err
}
