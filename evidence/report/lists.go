package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/roster"
)

// clock is a time of the report's day, or with its date where it is of another.
func (m *making) clock(t time.Time) string {
	switch t = t.In(m.r.Zone); {
	case t.IsZero():
		return ""
	case t.Format(time.DateOnly) == m.From && m.From == m.To:
		return t.Format("15:04")
	}
	return t.Format("01-02 15:04")
}

// times are when somebody passed one way, and how many where it was not one.
func (m *making) times(moves []move, in bool) string {
	var list []string
	for _, v := range moves {
		if v.in == in {
			list = append(list, m.clock(v.at)+heads(v.heads))
		}
	}
	return strings.Join(list, " ")
}

// said is what a visit says in a personal field. Of one that is private, as of one that is erased, nobody reads it.
func (m *making) said(v *visit, name string) string {
	switch {
	case v.erased:
		return m.l.text("gone")
	case v.private && !m.open && v.personal[name] != "":
		return m.l.text("private")
	}
	return v.personal[name]
}

// hostOf is whom a visit is for, in words where that is a body.
func (m *making) hostOf(v *visit) string {
	if v.private && !m.open || v.erased {
		return m.said(v, "host")
	}
	var list []string
	for _, h := range v.hosts() {
		list = append(list, m.l.word("host", h))
	}
	if to := v.personal["to"]; len(list) == 0 && to != "" {
		list = []string{m.l.text("building-of", to)}
	}
	return strings.Join(list, " ")
}

// consent is how the host agreed to a visit, and by whom.
func (m *making) consent(v *visit) (how, by string) {
	return m.l.word("consent", v.consent), cmp.Or(m.said(v, "consent_by"), m.said(v, "guard"))
}

// visitList lists the visits of a day.
func (m *making) visitList() error {
	if err := m.read(nearBack, 1); err != nil {
		return err
	}
	m.title(m.From)
	m.gone()
	m.t.Columns = m.l.texts("visit", "made-how", "class", "host", "name", "plate", "consent", "by", "in", "out", "state")
	for _, v := range m.s.list(func(v *visit) bool { return v.own }) {
		how, by := m.consent(v)
		name := m.said(v, "name")
		if n := v.personal["occupants"]; n != "" {
			name = strings.TrimSpace(name + " ×" + n)
		}
		m.t.row(v.id, m.l.word("made", v.made), m.l.word("class", v.class), m.hostOf(v), name, m.said(v, "plate"), how, by,
			m.times(v.moves, true), m.times(v.moves, false), m.l.word("state", v.state(m.now)))
	}
	m.t.note(m.l.text("visits-in-all", len(m.t.Rows)))
	return nil
}

// lasted is a time in hours and minutes.
func lasted(d time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// overdue lists the visits that were to be out, and the residents who were to be back.
func (m *making) overdue() error {
	if err := m.read(farBack, 0); err != nil {
		return err
	}
	is, err := m.r.Newest()
	if err != nil {
		return err
	}
	m.title(m.now.Format(minute))
	m.t.note(m.l.text("since", back(m.From, farBack)))
	m.gone()
	m.t.Columns = m.l.texts("what", "class", "where", "name", "went", "due", "late-by", "state")
	late := func(v *visit) bool {
		return slices.Contains([]string{overdue, presumedLeft}, v.state(m.now)) && !v.delivery() && !v.paper
	}
	for _, v := range m.s.list(late) {
		n, since := v.inside(m.now)
		m.t.row(m.l.text("visit"), m.l.word("class", v.class), m.hostOf(v), strings.TrimSpace(m.said(v, "name")+" "+heads(n)),
			m.clock(since), m.clock(v.dueOut()), lasted(m.now.Sub(v.dueOut())), m.l.word("state", v.state(m.now)))
	}
	for _, q := range m.s.overdueTrips(m.now, is.Levels) {
		m.t.row(m.l.text("trip"), m.l.word("class", q.class), q.household, q.name, m.clock(q.went.at), m.clock(q.due),
			lasted(m.now.Sub(q.due)), m.l.text("not-back"))
	}
	return nil
}

// present is a row of a roll call.
type present struct {
	building, room, name, class, state string
	since                              time.Time
	n                                  int
}

// presences are in the order in which a roll call lists them.
var presences = []string{inside, overdue, presumedLeft, "unknown", "not-seen"}

// rollcall lists who is inside, by building; of whom nobody knows apart.
func (m *making) rollcall() error {
	people, without := m.People()
	if without != nil { // who was seen to pass is better than nobody
		people = &roster.Snapshot{}
	}
	days, err := m.stay()
	if err == nil {
		err = m.read(days, 0)
	}
	if err != nil {
		return err
	}
	list := m.residents(people)
	for _, v := range m.s.list(func(v *visit) bool { n, _ := v.inside(m.now); return n > 0 }) {
		building, room := v.where()
		n, since := v.inside(m.now)
		name := cmp.Or(m.said(v, "name"), m.said(v, "plate"))
		list = append(list, present{building, m.l.word("host", room), name, v.class, v.state(m.now), since, n})
	}
	if m.Of != "" {
		list = slices.DeleteFunc(list, func(p present) bool { return p.building != m.Of })
		if !people.HasPlace(m.Of) && len(list) == 0 {
			return fmt.Errorf("%w: %.40q is no building of the roster: write one such as 3", ErrNo, m.Of)
		}
	}
	known := func(p present) bool { return p.state != "unknown" && p.state != "not-seen" }
	slices.SortStableFunc(list, func(a, b present) int {
		if known(a) != known(b) {
			return map[bool]int{true: -1, false: 1}[known(a)]
		}
		return cmp.Or(byNumber(a.building, b.building), slices.Index(presences, a.state)-slices.Index(presences, b.state),
			byNumber(a.room, b.room))
	})
	m.title(cmp.Or(m.Of, m.l.text("compound")))
	m.t.note(m.l.text("since", back(m.From, days)))
	m.gone()
	if without != nil {
		m.t.note(m.l.text("no-roster", without))
	}
	m.calls(list)
	m.t.Columns = m.l.texts("building", "room", "name", "class", "state", "since-when", "heads")
	for _, p := range list {
		m.t.row(cmp.Or(p.building, m.l.text("no-building")), p.room, p.name, m.l.word("class", p.class), m.l.word("state", p.state),
			m.clock(p.since), strconv.Itoa(p.n))
	}
	return nil
}

// calls notes how many there are in each building.
func (m *making) calls(list []present) {
	counts, order := map[string]map[string]int{}, []string{}
	for _, p := range list {
		if counts[p.building] == nil {
			counts[p.building], order = map[string]int{}, append(order, p.building)
		}
		counts[p.building][p.state] += p.n
	}
	slices.SortFunc(order, byNumber)
	for _, b := range order {
		c := counts[b]
		in, presumed, unknown := c[inside]+c[overdue], c[presumedLeft], c["unknown"]+c["not-seen"]
		if b == "" {
			m.t.note(m.l.text("call-elsewhere", in, presumed, unknown))
		} else {
			m.t.note(m.l.text("call", b, in, presumed, unknown))
		}
	}
}

// residents are those of the roster who are inside, or of whom nobody knows.
func (m *making) residents(people *roster.Snapshot) (list []present) {
	seen := map[string]bool{}
	add := func(q *person, id, home, name, class string) {
		if q == nil {
			q = &person{}
		}
		seen[id] = true
		p := present{room: home, name: name, class: class, since: q.since, n: 1}
		p.building, _, _ = strings.Cut(home, "-")
		switch where := q.place.Where(m.now, m.s.stay); {
		case q.place.Seq == 0:
			p.state = "not-seen"
		case where == "inside":
			p.state = inside
		case where == "":
			p.state = "unknown"
		default:
			return
		}
		list = append(list, p)
	}
	for _, p := range people.People() {
		add(m.s.people[p.ID], p.ID, p.Household, p.Name, p.Class)
	}
	for _, id := range sorted(m.s.people) { // who went by the pass of a household, and who is on the list no longer
		if q := m.s.people[id]; !seen[id] && !slices.Contains([]string{"vehicle", "emergency-vehicle"}, q.class) {
			add(q, id, q.household, q.name, q.class)
		}
	}
	return list
}

// byNumber puts parts of a room that are numbers in their order, and before names.
func byNumber(a, b string) int {
	x, y := strings.Split(a, "-"), strings.Split(b, "-")
	for i := range min(len(x), len(y)) {
		n, err1 := strconv.Atoi(x[i])
		k, err2 := strconv.Atoi(y[i])
		switch {
		case err1 == nil && err2 == nil && n != k:
			return cmp.Compare(n, k)
		case (err1 == nil) != (err2 == nil):
			return map[bool]int{true: -1, false: 1}[err1 == nil]
		case x[i] != y[i] && err1 != nil:
			return cmp.Compare(x[i], y[i])
		}
	}
	return len(x) - len(y)
}
