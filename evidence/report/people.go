package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/evidence"
	"gated/roster"
)

// stays are the times from a way in to the next way out that began in a month. Of one without its other end nobody knows how long.
func stays(moves []move, from, to string) (list [][2]time.Time) {
	var since time.Time
	add := func(in, out time.Time) {
		if day := cmp.Or(in, out).Format(time.DateOnly); from <= day && day <= to {
			list = append(list, [2]time.Time{in, out})
		}
	}
	for _, m := range moves {
		switch {
		case m.in && !since.IsZero():
			add(since, time.Time{})
			since = m.at
		case m.in:
			since = m.at
		default:
			add(since, m.at)
			since = time.Time{}
		}
	}
	if !since.IsZero() {
		add(since, time.Time{})
	}
	return list
}

// attendance is a month of those with standing passes, and of the staff.
func (m *making) attendance() error {
	people, err := m.People()
	if err != nil {
		return err
	}
	if err := m.read(1, 1); err != nil {
		return err
	}
	m.title(m.From[:len("2006-01")])
	m.t.note(m.l.text("attendance-note"))
	m.gone()
	m.t.Columns = m.l.texts("name", "class", "host", "day", "in", "out", "hours")
	for _, v := range m.s.list(func(v *visit) bool { return v.made == "standing" }) {
		m.attends(cmp.Or(m.said(v, "name"), m.said(v, "plate"), v.id), v.class, m.hostOf(v), v.moves)
	}
	for _, id := range sorted(m.s.people) {
		q := m.s.people[id]
		if p, is := people.Person(id); is {
			q.name, q.class = cmp.Or(q.name, p.Name), p.Class
		}
		if !slices.Contains(noStaff, q.class) {
			m.attends(cmp.Or(q.name, id), q.class, "", q.moves)
		}
	}
	return nil
}

// attends writes the days of one person, and what they come to.
func (m *making) attends(name, class, host string, moves []move) {
	days, sum, open := map[string]bool{}, time.Duration(0), 0
	at := func(t time.Time) string {
		if t.IsZero() {
			return "?"
		}
		return t.In(m.r.Zone).Format("01-02 15:04")
	}
	for _, s := range stays(moves, m.From, m.To) {
		day, hours := cmp.Or(s[0], s[1]).Format(time.DateOnly), "?"
		days[day] = true
		if s[0].IsZero() || s[1].IsZero() {
			open++
		} else {
			sum += s[1].Sub(s[0])
			hours = lasted(s[1].Sub(s[0]))
		}
		m.t.row(name, m.l.word("class", class), host, day, at(s[0]), at(s[1]), hours)
	}
	if len(days) == 0 {
		return
	}
	total := m.l.text("days", len(days))
	if open > 0 {
		total += m.l.text("days-open", open)
	}
	m.t.row(name, m.l.word("class", class), host, total, "", "", lasted(sum))
}

// unit is a sheet for who looks after a building, a unit or some flats. It has neither documents, nor visits, nor telephones.
func (m *making) unit() error {
	people, err := m.People()
	if err != nil {
		return err
	}
	homes := flats(people, m.Of)
	if len(homes) == 0 {
		return fmt.Errorf("%w: nobody lives in %.60q by the roster: write a building such as 3, a unit such as 3-2, or flats such as "+
			"3-2-501,3-2-502", ErrNo, m.Of)
	}
	is, err := m.r.Newest()
	if err != nil {
		return err
	}
	for _, h := range homes {
		f, noticed := is.Levels.At(h.Building, h.Building+"-"+h.Unit)
		level := is.Level
		if noticed {
			level = f.Level
		}
		if may, err := m.PublicHealth(level); err != nil {
			return err
		} else if !may {
			return fmt.Errorf("%w: where %s is the level is %q, whose basis is not public health: there are no such sheets then", ErrNo,
				h.ID, level)
		}
	}
	days, err := m.stay()
	if err == nil {
		err = m.read(days, 0)
	}
	if err != nil {
		return err
	}
	m.title(m.Of)
	m.t.note(m.l.text("unit-note"))
	m.gone()
	m.t.Columns = m.l.texts("room", "name", "where-now", "since-when", "out", "in", "trips", "due")
	for _, h := range homes {
		m.home(people, h.ID)
	}
	return nil
}

// home writes those who live in a flat, and where they are.
func (m *making) home(people *roster.Snapshot, id string) {
	rows := []*person{}
	for _, p := range people.Find(id) {
		q := m.s.people[p.ID]
		if q == nil {
			q = &person{id: p.ID}
		}
		q.name = p.Name
		rows = append(rows, q)
	}
	if q := m.s.people[id]; q != nil { // the pass of the household itself
		q.name = cmp.Or(q.name, m.l.text("household-pass"))
		rows = append(rows, q)
	}
	for _, q := range rows {
		where, due := q.place.Where(m.now, m.s.stay), ""
		if !q.place.Inside {
			due = m.clock(q.due)
		}
		if q.place.Seq == 0 {
			where = ""
		}
		own := slices.DeleteFunc(slices.Clone(q.moves), func(v move) bool { return !m.told(v.seq) })
		trips := 0
		for _, v := range own {
			if !v.in {
				trips++
			}
		}
		m.t.row(id, q.name, m.l.word("state", map[string]string{"inside": inside, "outside": "outside"}[where]), m.clock(q.since),
			m.times(own, false), m.times(own, true), strconv.Itoa(trips), due)
	}
}

// flats are the households of a building, of a unit, or of a list of rooms.
func flats(people *roster.Snapshot, of string) (list []roster.Household) {
	asked := strings.FieldsFunc(of, func(r rune) bool { return r == ',' || r == '，' || r == ' ' })
	for _, h := range people.Households() {
		if slices.Contains(asked, h.ID) || slices.Contains(asked, h.Building+"-"+h.Unit) || slices.Contains(asked, h.Building) {
			list = append(list, h)
		}
	}
	return list
}

// host lists who was let in to a household or a body, and who was admitted as one of it without a code.
func (m *making) host() error {
	if people, err := m.People(); err == nil {
		if found := people.Find(m.Of); len(found) > 0 && found[0].Household == found[len(found)-1].Household {
			m.Of = found[0].Household // as it is written
		}
	}
	if err := m.read(nearBack, 0); err != nil {
		return err
	}
	m.title(m.l.word("host", m.Of) + " " + m.From + " – " + m.To)
	m.gone()
	m.t.Columns = m.l.texts("passage", "when", "way", "what", "name", "verdict", "consent", "by", "disputed")
	for _, p := range m.s.order {
		var what, name, how, by string
		switch v := p.visit; {
		case v != nil && slices.Contains(v.hosts(), m.Of):
			how, by = m.consent(v)
			what, name = m.l.word("made", v.made)+" · "+m.l.word("class", cmp.Or(p.class, v.class)), m.said(v, "name")
		case v == nil && p.byRoom && slices.Contains(strings.Fields(p.household), m.Of):
			what, name, how, by = m.l.text("found-by-room"), p.name, m.l.word("reason", p.reason), cmp.Or(p.approved, p.by)
		default:
			continue
		}
		m.t.row(p.id, p.at.Format(minute), m.l.word("direction", p.direction), what, name, m.l.word("verdict", cmp.Or(p.verdict, "hold")),
			how, by, p.disputed)
		m.lists = append(m.lists, p)
	}
	if len(m.t.Rows) == 0 {
		m.t.note(m.l.text("nobody"))
	}
	return nil
}

// Disputed is the first entry of the passage that the host says was none of theirs. It is on their report, and not disputed yet.
func (x *Request) Disputed(r *evidence.Reader, now time.Time) (entry int64, err error) {
	m, err := x.begin(r, now)
	if err == nil {
		err = m.host()
	}
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(m.lists, func(p *passage) bool { return p.id == x.Dispute })
	switch {
	case i < 0:
		return 0, fmt.Errorf("%w: the report of %s from %s to %s has no passage %.40q", ErrNo, x.Of, x.From, x.To, x.Dispute)
	case m.lists[i].disputed != "":
		return 0, fmt.Errorf("%w: passage %s is disputed since %s", ErrNo, x.Dispute, m.lists[i].disputed)
	}
	return m.lists[i].first, nil
}
