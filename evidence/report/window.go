package report

import (
	"cmp"
	"io"
	"slices"
	"strings"
	"time"

	"gated/evidence"
)

// Window is a time of which a table lists who passed: everybody, or those of a room or with a plate.
type Window struct {
	From, To    time.Time
	Room, Plate string
	Language    string
	Private     bool // visits that are private are told of, too
}

// Make makes the table, and lists the entries that are about whoever is in it, in their order.
func (x Window) Make(r *evidence.Reader, now time.Time) (t *Table, entries []int64, err error) {
	from, to := x.From.In(r.Zone), x.To.In(r.Zone)
	q := &Request{Report: "window", Language: x.Language, From: from.Add(-longestHold).Format(time.DateOnly), To: to.Format(time.DateOnly)}
	m, err := q.begin(r, now)
	if err == nil {
		m.open = x.Private
		err = m.read(0, 0)
	}
	if err != nil {
		return nil, nil, err
	}
	of := from.Format(minute) + " – " + to.Format(minute)
	if only := cmp.Or(x.Room, x.Plate); only != "" {
		of += m.l.text("only", only)
	}
	m.title(of)
	m.gone()
	m.t.Columns = m.l.texts("passage", "when", "way", "class", "verdict", "why", "where", "name", "plate", "by")
	for _, p := range m.s.order {
		if p.at.After(to) || cmp.Or(p.decided, p.at).Before(from) || !x.has(p) {
			continue
		}
		home, name, plate, by := p.household, p.name, p.plate, p.by
		if v := p.visit; v != nil {
			home, name, plate = m.hostOf(v), cmp.Or(m.said(v, "name"), name), cmp.Or(m.said(v, "plate"), plate)
			if m.open || !v.private {
				entries = append(entries, v.seqs...)
			}
		}
		if p.visit == nil || m.open || !p.visit.private {
			entries = append(entries, p.seqs...)
		}
		m.t.row(p.id, p.at.In(r.Zone).Format(minute), m.l.word("direction", p.direction), m.l.word("class", cmp.Or(p.class, "unknown")),
			m.l.word("verdict", cmp.Or(p.verdict, "hold")), m.l.word("reason", p.reason), home, name, plate, by)
	}
	if len(m.t.Rows) == 0 {
		m.t.note(m.l.text("nobody"))
	}
	slices.Sort(entries)
	return m.t, slices.Compact(entries), nil
}

// longestHold is how long nobody may decide on a passage.
const longestHold = time.Hour

// has tells whether a passage is of the room, or with the plate. Of a visit that is private nobody finds out whose it was.
func (x Window) has(p *passage) bool {
	homes, plates := strings.Fields(p.household), []string{p.plate}
	if p.visit != nil && (x.Private || !p.visit.private) {
		homes, plates = append(homes, p.visit.hosts()...), append(plates, p.visit.personal["plate"])
	}
	if x.Room != "" && !slices.Contains(homes, x.Room) {
		return false
	}
	return x.Plate == "" || slices.ContainsFunc(plates, func(p string) bool { return p != "" && plain(p) == plain(x.Plate) })
}

// plain is a plate as it is compared.
func plain(plate string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "·", "", "•", "", "-", "", "・", "", ".", "").Replace(plate))
}

// Write writes the table in a format.
func (t *Table) Write(w io.Writer, format string) error { return t.write(w, format) }
