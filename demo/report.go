package demo

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gated/demo/judge"
)

// tooLate times the time within which the page has to show a fault is too late for each single one: no machine on which a
// guard could work is that busy.
const tooLate = 5

// report says what happened, and is an error if anything did that must not.
func (m *mishaps) report(w io.Writer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen, late := 0, 0
	for _, x := range allMishaps {
		if m.count[x.name] == 0 {
			continue
		}
		line := fmt.Sprintf("fault %-22s %4d times", x.name, m.count[x.name])
		if all := slices.Sorted(slices.Values(m.delays[x.name])); len(all) > 0 {
			half, last := all[(len(all)-1)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond)
			line += fmt.Sprintf(", on the page within %v, half of them within %v", last, half)
			for _, d := range all {
				if seen++; d > m.d.Within {
					late++
				}
			}
			switch {
			case half > m.d.Within:
				m.faults = append(m.faults, fmt.Sprintf("%s: the page shows it after %v, not within %v", x.name, half, m.d.Within))
			case last > tooLate*m.d.Within:
				m.faults = append(m.faults, fmt.Sprintf("%s: the page showed one after %v, not within %d times %v", x.name, last,
					tooLate, m.d.Within))
			}
		}
		fmt.Fprintln(w, line)
	}
	// A single one, in all, may meet the moment in which a busy machine had something else to do, unless it is the only one
	// of its kind.
	if late > max(1, seen/20) {
		m.faults = append(m.faults, fmt.Sprintf("%d of %d faults were not on the page within %v", late, seen, m.d.Within))
	}
	unsaid, unrecorded := m.d.answers.Compare()
	m.faults = append(append(m.faults, unsaid...), m.d.openings.Judge([]*judge.Run{&m.d.run}, m.relays)...)
	for _, lane := range Lanes {
		c := m.d.openings.Count(lane)
		fmt.Fprintf(w, "barrier %-3s opened %d times: %d passages, %d times held by the emergency key, which was pressed %d times; "+
			"%d times its relay did not obey, %d times nobody stood there any more\n",
			lane, len(m.relays[lane].Switched), c.Passages, c.Held, c.Pressed, c.Failed, c.Dropped)
	}
	fmt.Fprintf(w, "scanners opened %.0f times, muted %.0f times, %.0f bytes discarded; "+
		"peak memory %s; %d descriptors at first, %d at most\n",
		m.total("gated_scanner_connects_total"), m.total("gated_scanner_mutes_total"), m.total("gated_scanner_discarded_bytes_total"),
		m.memory, m.files.first, m.files.most)
	if m.stalled > 0 {
		fmt.Fprintf(w, "%d codes dropped while this machine let the daemon stand still\n", m.stalled)
	}
	if unanswered := m.d.count.scans - m.d.count.answered - m.d.count.repeats - m.d.count.framing; unanswered != 0 {
		m.lost += max(unanswered, 0)
		m.faults = append(m.faults, fmt.Sprintf("%d codes that were sent while a lane was listened to were not answered", unanswered))
	}
	var lost []string
	for _, l := range []struct {
		n    int
		what string
	}{{m.lost, "codes"}, {unrecorded + m.d.openings.Lost.Entries, "entries"}, {m.d.openings.Lost.Openings, "openings"}} {
		if l.n > 0 {
			lost = append(lost, fmt.Sprint(l.n, " ", l.what))
		}
	}
	fmt.Fprintln(w, "lost:", cmp.Or(strings.Join(lost, ", "), "nothing"))
	if n := len(m.faults); n > 20 {
		m.faults = append(m.faults[:20], fmt.Sprintf("and %d more", n-20))
	}
	if len(m.faults) > 0 {
		return errors.New(strings.Join(m.faults, "\n"))
	}
	return nil
}

// total is a metric of the daemon, as it was at the end, over all lanes.
func (m *mishaps) total(name string) (sum float64) {
	for series, v := range m.metrics {
		if strings.HasPrefix(series, name+"{") {
			sum += v
		}
	}
	return sum
}
