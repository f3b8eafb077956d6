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

// tooLate is how many times Options.Within the page may take for any single fault. No machine that is fit for a guard is so busy
// that it takes longer.
const tooLate = 5

// report writes what happened, and returns an error if the gate did anything wrong.
func (m *faults) report(w io.Writer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen, late := 0, 0
	for _, x := range faultKinds {
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
				m.failures = append(m.failures, fmt.Sprintf("%s: the page shows it after %v, not within %v", x.name, half, m.d.Within))
			case last > tooLate*m.d.Within:
				m.failures = append(m.failures, fmt.Sprintf("%s: the page showed one after %v, not within %d times %v", x.name, last,
					tooLate, m.d.Within))
			}
		}
		fmt.Fprintln(w, line)
	}
	// One fault of the whole run may be late because the machine was busy at that moment, unless it is the only one of its kind.
	if late > max(1, seen/20) {
		m.failures = append(m.failures, fmt.Sprintf("%d of %d faults were not on the page within %v", late, seen, m.d.Within))
	}
	unsaid, unrecorded := m.d.answers.Compare()
	m.failures = append(append(m.failures, unsaid...), m.d.openings.Judge([]*judge.Run{&m.d.run}, m.relays)...)
	for _, lane := range Lanes {
		c := m.d.openings.Count(lane)
		fmt.Fprintf(w, "barrier %-3s opened %d times: %d passages, %d times held by the emergency key, which was pressed %d times; "+
			"%d times its relay did not obey, %d pulses were dropped as too late\n",
			lane, len(m.relays[lane].Switched), c.Passages, c.Held, c.Pressed, c.Failed, c.Dropped)
	}
	fmt.Fprintf(w, "scanners opened %.0f times, muted %.0f times, %.0f bytes discarded; "+
		"peak memory %s; %d descriptors at first, %d at most\n",
		m.total("gated_scanner_connects_total"), m.total("gated_scanner_mutes_total"), m.total("gated_scanner_discarded_bytes_total"),
		m.memory, m.files.first, m.files.most)
	if m.stalled > 0 {
		fmt.Fprintf(w, "%d codes dropped while the machine gave the daemon no processor time\n", m.stalled)
	}
	if unanswered := m.d.count.scans - m.d.count.answered - m.d.count.repeats - m.d.count.framing; unanswered != 0 {
		m.lost += max(unanswered, 0)
		m.failures = append(m.failures, fmt.Sprintf("%d codes were not answered although the gate was listening", unanswered))
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
	if n := len(m.failures); n > 20 {
		m.failures = append(m.failures[:20], fmt.Sprintf("and %d more", n-20))
	}
	if len(m.failures) > 0 {
		return errors.New(strings.Join(m.failures, "\n"))
	}
	return nil
}

// total is the sum of a metric over all lanes, at the end.
func (m *faults) total(name string) (sum float64) {
	for series, v := range m.metrics {
		if strings.HasPrefix(series, name+"{") {
			sum += v
		}
	}
	return sum
}
