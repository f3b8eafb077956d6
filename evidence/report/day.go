package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/ledger/entry"
	"gated/ledger/tlog"
	"gated/register"
	"gated/register/byhand"
	"gated/register/levels"
	"gated/register/paper"
)

// In the order in which they are told.
var (
	classes = []string{"resident", "staff", "volunteer", "visitor", "courier", "helper", "contractor", "taxi", "vehicle",
		"emergency-vehicle", "unknown"}
	verdicts = []string{"admit", "refuse", "hold", "undecided", "annulled"}
	vehicles = []string{"vehicle", "emergency-vehicle", "taxi"}
)

// waste begins the purposes of whoever carries the waste of the compound away.
const waste = "waste"

// ways are numbers in, out and in all.
type ways struct{ in, out, all int }

func (n *ways) add(direction string, heads int) {
	switch n.all += heads; direction {
	case "in":
		n.in += heads
	case "out":
		n.out += heads
	}
}

func (n ways) cells() []string {
	return []string{strconv.Itoa(n.in), strconv.Itoa(n.out), strconv.Itoa(n.all)}
}

// sums is what a day or a shift comes to.
type sums struct {
	passages          map[string]map[string]*ways // by class and verdict
	people, vehicles  ways
	overrides, byRoom ways
	emergencies       ways
	toAccountFor      int
	visits            map[string]*ways // by class; all: so many visits
	deliveries, waste ways
	overdue, presumed int // visits
	trips             int // overdue
	byHand            []byhand.Time
	head              tlog.Head
	verdict           map[string]int
}

// day is one day in figures.
func (m *making) day() error {
	if err := m.read(nearBack, 0); err != nil {
		return err
	}
	ends, _ := time.ParseInLocation(time.DateOnly, back(m.From, -1), m.r.Zone)
	begins, _ := time.ParseInLocation(time.DateOnly, m.From, m.r.Zone)
	return m.figures(m.From, begins, ends)
}

// shift is the same of a shift: from the sign-on that began it to the next one.
func (m *making) shift() error {
	first, err := m.signOn()
	if err != nil {
		return err
	}
	end, before := m.size+1, first
	var begins, ends time.Time
	for from := first; from <= m.size && end > m.size; from += chunk {
		if err := m.r.OfKind(from, from+chunk-1, func(e *entry.Entry) error {
			if e.Seq == first {
				begins = e.At
			} else if begun(e) && end > m.size {
				end, ends = e.Seq, e.At
			}
			return nil
		}, register.SignOn); err != nil {
			return err
		}
	}
	if c := m.calendar.Day(back(begins.Format(time.DateOnly), nearBack)); c.First < first {
		before = c.First
	}
	m.From, m.To = begins.Format(time.DateOnly), cmp.Or(ends, m.now).Format(time.DateOnly)
	m.begins, m.ends = begins, ends
	own := func(seq int64) bool { return first <= seq && seq < end }
	if err := m.scan(before, end-1, own); err != nil {
		return err
	}
	if err := m.later(end - 1); err != nil {
		return err
	}
	if err := m.makings(before); err != nil {
		return err
	}
	till := m.l.text("goes-on")
	if !ends.IsZero() {
		till = ends.Format(minute)
	}
	return m.figures(m.l.text("shift-of", begins.Format(minute), till, first), begins, cmp.Or(ends, m.now))
}

// begun tells whether an entry is a sign-on that begins a shift.
func begun(e *entry.Entry) bool {
	return e.Kind == register.SignOn && e.Detail[register.Shift] != register.GoesOn
}

// signOn is the entry that began the shift that is asked for.
func (m *making) signOn() (seq int64, err error) {
	asked := int64(0)
	if m.Of != "" {
		if asked, err = strconv.ParseInt(m.Of, 10, 64); err != nil || asked < 1 {
			return 0, fmt.Errorf("shift %q: write the number of a sign-on entry: \"gated ledger search --kind signon\" lists them", m.Of)
		}
	}
	for to := cmp.Or(asked, m.size); to > 0 && seq == 0; to -= chunk {
		from := cmp.Or(asked, max(to-chunk+1, 1))
		if err := m.r.OfKind(from, to, func(e *entry.Entry) error {
			if begun(e) {
				seq = e.Seq
			}
			return nil
		}, register.SignOn); err != nil {
			return 0, err
		}
		if asked != 0 {
			break
		}
	}
	switch {
	case seq == 0 && asked != 0:
		return 0, fmt.Errorf("%w: entry %d begins no shift: \"gated ledger search --kind signon\" lists those that do", ErrNo, asked)
	case seq == 0:
		return 0, fmt.Errorf("%w: nobody has signed on yet", ErrNo)
	}
	return seq, nil
}

// figures writes what the story comes to between two times.
func (m *making) figures(of string, begins, ends time.Time) error {
	m.s.byHand.Begins = begins
	gaps, err := m.gaps(begins, ends)
	if err != nil {
		return err
	}
	if m.now.Before(ends) {
		ends = m.now
	}
	is, err := m.r.Newest()
	if err != nil {
		return err
	}
	n := m.s.sums(ends, is.Levels)
	if n.head, err = m.r.Head(); err != nil && !errors.Is(err, tlog.ErrNoHead) {
		return err
	}
	if m.Chat {
		m.t.Title = harmless(m.chat(of, n, gaps))
		for _, w := range m.waiting(is.Paper) {
			m.t.Title += m.l.text("chat-paper", w)
		}
		return nil
	}
	m.title(of)
	if len(gaps) == 0 {
		m.t.note(m.l.text("watched"))
	}
	for _, g := range gaps {
		m.t.note(g)
	}
	for _, w := range m.waiting(is.Paper) {
		m.t.note(w)
	}
	m.gone()
	m.t.Columns = m.l.texts("part", "what", "in", "out", "all")
	m.rows(n)
	return nil
}

// waiting says which lines of the days stand on paper alone.
func (m *making) waiting(b paper.Book) (lines []string) {
	for _, w := range b.Waiting("") {
		if m.From <= w.Day && w.Day <= m.To {
			lines = append(lines, w.Say(m.l == "zh"))
		}
	}
	return lines
}

// gaps are when the box was not watching between two times, in words.
func (m *making) gaps(begins, ends time.Time) (lines []string, err error) {
	for day := m.From; day <= m.To; day = back(day, -1) {
		s, err := m.r.Stats(day, m.now)
		if err != nil {
			return nil, err
		}
		for _, g := range s.Gaps {
			from, to := g.From, g.To
			if from.Before(begins) {
				from = begins
			}
			if to.After(ends) {
				to = ends
			}
			if from.Before(to) {
				lines = append(lines, m.l.text("not-watching", from.Format(minute), to.Format(minute), m.l.word("gap", g.Cause)))
			}
		}
	}
	return lines, nil
}

// sums adds up what was read, as it stood at a time.
func (s *story) sums(at time.Time, board levels.Board) (n sums) {
	n = sums{passages: map[string]map[string]*ways{}, visits: map[string]*ways{}, verdict: map[string]int{},
		byHand: s.byHand.Times(at), trips: len(s.overdueTrips(at, board))}
	seen := map[*visit]bool{}
	for _, p := range s.order {
		class, verdict := cmp.Or(p.class, "unknown"), cmp.Or(p.verdict, "hold")
		if n.passages[class] == nil {
			n.passages[class] = map[string]*ways{}
		}
		if n.passages[class][verdict] == nil {
			n.passages[class][verdict] = &ways{}
		}
		n.passages[class][verdict].add(p.direction, 1)
		n.verdict[verdict]++
		if p.overridden {
			n.overrides.add(p.direction, 1)
		}
		if p.emergency {
			n.emergencies.add(p.direction, 1)
			if !p.accounted {
				n.toAccountFor++
			}
		}
		if verdict != "admit" {
			continue
		}
		if p.byRoom {
			n.byRoom.add(p.direction, 1)
		}
		if slices.Contains(vehicles, class) {
			n.vehicles.add(p.direction, 1)
		} else {
			n.people.add(p.direction, p.heads)
		}
		if p.visit != nil {
			n.visit(p, class, !seen[p.visit])
			seen[p.visit] = true
		}
	}
	n.deliveries.all, n.waste.all = n.deliveries.in, n.waste.in
	for _, v := range s.visits {
		switch v.state(at) {
		case overdue:
			n.overdue++
		case presumedLeft:
			if v.own {
				n.presumed++
			}
		}
	}
	return n
}

// visit adds a passage of one; first: it is the first of that visit.
func (n *sums) visit(p *passage, class string, first bool) {
	switch {
	case p.visit.delivery():
		n.deliveries.add(p.direction, p.heads)
	case strings.HasPrefix(p.visit.purpose, waste):
		n.waste.add(p.direction, 1)
	}
	w := n.visits[class]
	if w == nil {
		w = &ways{}
		n.visits[class] = w
	}
	visits := w.all
	if w.add(p.direction, p.heads); !first {
		visits--
	}
	w.all = visits + 1
}

// rows are the figures one below the other.
func (m *making) rows(n sums) {
	row := func(group, what string, cells ...string) {
		m.t.row(append([]string{m.l.text(group), what}, cells...)...)
	}
	total := func(group, what string, count int) { row(group, what, "", "", strconv.Itoa(count)) }
	for _, class := range ordered(classes, n.passages) {
		for _, verdict := range ordered(verdicts, n.passages[class]) {
			row("passages", m.l.word("class", class)+" · "+m.l.word("verdict", verdict), n.passages[class][verdict].cells()...)
		}
	}
	row("admitted", m.l.text("people"), n.people.cells()...)
	row("admitted", m.l.text("vehicles"), n.vehicles.cells()...)
	for _, step := range []string{"code", "document", "inquire", "register"} {
		total("steps", m.l.word("step", step), m.s.steps[step])
	}
	total("open", m.l.text("undecided"), n.verdict["undecided"]+n.verdict["hold"])
	row("open", m.l.text("overrides"), n.overrides.cells()...)
	total("open", m.l.text("annulled"), n.verdict["annulled"])
	row("open", m.l.text("by-room"), n.byRoom.cells()...)
	row("open", m.l.text("emergencies"), n.emergencies.cells()...)
	total("open", m.l.text("to-account-for"), n.toAccountFor)
	total("open", m.l.text("opened-by-hand"), len(n.byHand))
	for _, t := range n.byHand {
		total("open", m.l.text("open-from", t.Lane, t.From.Format("15:04"), t.To.Format("15:04"), m.l.word("byhand", t.Reason),
			m.l.word("heads", cmp.Or(t.Heads, "went-on"))), 1)
	}
	for _, class := range ordered(classes, n.visits) {
		row("visits", m.l.word("class", class), n.visits[class].cells()...)
	}
	row("visits", m.l.text("deliveries"), n.deliveries.cells()...)
	row("visits", m.l.text("waste"), n.waste.cells()...)
	total("visits", m.l.text("presumed"), n.presumed)
	total("late", m.l.text("visits-late"), n.overdue)
	total("late", m.l.text("trips-late"), n.trips)
	for _, group := range []struct {
		name  string
		count map[string]int
	}{{"counts", m.s.counts}, {"slips", m.s.slips}, {"alarms", m.s.alarms}, {"callbacks", m.s.callbacks}} {
		for _, what := range sorted(group.count) {
			total(group.name, m.l.word(group.name, what), group.count[what])
		}
		if len(group.count) == 0 {
			total(group.name, "", 0)
		}
	}
	for _, l := range m.s.logged {
		total("log", m.clock(l.at)+" "+m.l.word("log", l.reason), 1)
	}
	total("ledger", m.l.text("entries"), m.s.entries)
	if n.head.Size > 0 {
		total("ledger", m.l.text("size"), int(n.head.Size))
		row("ledger", m.l.text("short-root"), "", "", shortRoot(n.head))
	}
}

// ordered are the keys of a map, those of the list first, in its order.
func ordered[V any](list []string, m map[string]V) (keys []string) {
	for _, k := range append(slices.Clone(list), sorted(m)...) {
		if _, has := m[k]; has && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// chat is all of it in one paragraph.
func (m *making) chat(of string, n sums, gaps []string) string {
	l, s := m.l, m.s
	text := l.text("chat", m.r.Meta.Gate, of, n.people.all, n.people.in, n.people.out, n.vehicles.all, s.steps["code"], s.steps["document"],
		s.steps["inquire"], s.steps["register"], n.verdict["admit"], n.verdict["refuse"], n.verdict["undecided"]+n.verdict["hold"])
	people := -n.waste.in
	for class, w := range n.visits {
		if class != "courier" {
			people += w.in
		}
	}
	text += l.text("chat-visits", people, n.deliveries.in, n.waste.in)
	if left := s.counts["goods-left"]; left > 0 {
		text += l.text("chat-left", left)
	}
	if len(n.byHand) > 0 {
		text += l.text("chat-by-hand", len(n.byHand))
	}
	if n.emergencies.all > 0 {
		text += l.text("chat-emergency", n.emergencies.all)
	}
	if n.overdue+n.trips > 0 {
		text += l.text("chat-late", n.overdue, n.trips)
	}
	if len(gaps) > 0 {
		text += l.text("chat-gaps", len(gaps))
	}
	if len(s.erased) > 0 {
		text += l.text("chat-erased", len(s.erased))
	}
	if n.head.Size > 0 {
		text += l.text("chat-root", n.head.Size, shortRoot(n.head))
	}
	return text
}

// shortRoot is that of a tree head as people copy it into a book.
func shortRoot(h tlog.Head) string {
	var groups []string
	for g := range slices.Chunk([]byte(h.ShortRoot()), 4) {
		groups = append(groups, string(g))
	}
	return strings.Join(groups, " ")
}
