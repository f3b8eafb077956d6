// Package evidence writes days for auditors.
package evidence

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gated/ledger"
	"gated/ledger/tlog"
	"gated/register"
)

// Reader reads a state directory for its exports.
type Reader struct{ *register.Reader }

// OpenReader opens the ledger of a state directory.
func OpenReader(dir string) (*Reader, error) {
	r, err := register.OpenReader(dir)
	if err != nil {
		return nil, err
	}
	return &Reader{r}, nil
}

// Stats are the counts of one day.
type Stats struct {
	Day      string         `json:"day"`
	Entries  int64          `json:"entries"`
	Passages map[string]int `json:"passages"` // by their latest verdict; hold: still open
}

// Stats counts a day. A passage counts on the day of its first event, once.
func (r *Reader) Stats(day string) (Stats, error) {
	list, err := r.Passages(day, false, nil)
	if err != nil {
		return Stats{}, err
	}
	return r.count(day, list)
}

func (r *Reader) count(day string, list []*register.DayPassage) (Stats, error) {
	s := Stats{Day: day, Passages: map[string]int{"admit": 0, "refuse": 0, "hold": 0}}
	own, _, err := r.SegmentsOf(day)
	if err != nil {
		return s, err
	}
	for _, g := range own {
		s.Entries += g.Last - g.First + 1
	}
	for _, p := range list {
		s.Passages[p.Verdict]++
	}
	return s, nil
}

// extract is an export under way.
type extract struct {
	*Reader
	Selection
	days []string
	one  *diary // of the only day, with one row a passage
}

// diary is what an export tells of a day.
type diary struct {
	gaps     []ledger.Gap
	passages []*register.DayPassage
}

func (r *Reader) extract(x Selection) (p *extract, err error) {
	p = &extract{Reader: r, Selection: x}
	if p.days, err = x.Days(); err == nil && len(p.days) == 1 && !x.Events {
		p.one, err = r.diary(x.From, x)
	}
	return p, err
}

func (p *extract) gaps(day string) ([]ledger.Gap, error) {
	if p.one != nil {
		return p.one.gaps, nil
	}
	return p.Gaps(day, p.Now)
}

func (p *extract) passages(day string) ([]*register.DayPassage, error) {
	if p.one != nil {
		return p.one.passages, nil
	}
	return p.Reader.Passages(day, p.Personal, nil)
}

// diary reads a day for both.
func (r *Reader) diary(day string, x Selection) (d *diary, err error) {
	d = &diary{}
	if d.gaps, err = r.Gaps(day, x.Now); err == nil {
		d.passages, err = r.Passages(day, x.Personal, nil)
	}
	return d, err
}

// Selection is what an export covers: whole days in the gate's zone.
type Selection struct {
	From, To string    // 2006-01-02, both inclusive
	Events   bool      // one row an event instead of one a passage
	Personal bool      // with the personal fields that are not erased
	Now      time.Time // bounds a day that is not over
}

// maxDays bounds an export: ten years.
const maxDays = 3660

// Days lists the days of the selection, or says what is wrong with them.
func (x Selection) Days() (days []string, err error) {
	from, err1 := time.Parse(time.DateOnly, x.From)
	to, err2 := time.Parse(time.DateOnly, x.To)
	switch {
	case err1 != nil || err2 != nil:
		return nil, fmt.Errorf("from %q to %q: write days as 2026-11-23", x.From, x.To)
	case to.Before(from):
		return nil, fmt.Errorf("from %s to %s: the last day is before the first", x.From, x.To)
	case to.Sub(from) >= maxDays*24*time.Hour:
		return nil, fmt.Errorf("from %s to %s: at most %d days at a time", x.From, x.To, maxDays)
	}
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		days = append(days, d.Format(time.DateOnly))
	}
	return days, nil
}

// name is the day, or the days, for people.
func (x Selection) name() string {
	if x.From == x.To {
		return x.From
	}
	return x.From + " to " + x.To
}

// ExportJSONL writes the exact records of the days, one a line. What was not watched is told by the start, stop and outage
// records among them; it cannot stand before them, as every line is a record.
func (r *Reader) ExportJSONL(w io.Writer, x Selection) error {
	return r.stretches(x, func(s ledger.Segment) error {
		return r.Records(s.First, s.Last, func(lines []byte) error {
			_, err := w.Write(lines)
			return err
		})
	})
}

// stretches calls f for each stretch of entries of the days, in the order of the days.
func (r *Reader) stretches(x Selection, f func(ledger.Segment) error) error {
	days, err := x.Days()
	if err != nil {
		return err
	}
	for _, day := range days {
		own, _, err := r.SegmentsOf(day)
		if err != nil {
			return err
		}
		for _, s := range own {
			if err := f(s); err != nil {
				return err
			}
		}
	}
	return nil
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

// ExportCSV writes the days as a spreadsheet: one row a passage, or one an event.
func (r *Reader) ExportCSV(w io.Writer, x Selection) error {
	p, err := r.extract(x)
	if err != nil {
		return err
	}
	front, err := p.front()
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, 64<<10)
	b.WriteString(bom)
	s := csv.NewWriter(b)
	s.UseCRLF = true // RFC 4180
	row := func(cells ...string) error {
		for i := range cells {
			cells[i] = harmless(cells[i])
		}
		return s.Write(cells)
	}
	for _, cells := range append(front, nil) {
		if err := row(cells...); err != nil {
			return err
		}
	}
	if err := p.table(row); err != nil {
		return err
	}
	s.Flush()
	return errors.Join(s.Error(), b.Flush())
}

// front is what stands before the table: the gate and the days, when the box was not watching, and which later entries
// are about the days.
func (p *extract) front() (rows [][]string, err error) {
	what := "day"
	if len(p.days) > 1 {
		what = "days"
	}
	rows = append(rows, []string{"gate", p.Meta.Gate, what, p.name(), "time zone", p.Meta.TimeZone})
	watched := true
	for _, day := range p.days {
		gaps, err := p.gaps(day)
		if err != nil {
			return nil, err
		}
		for _, g := range gaps {
			watched = false
			rows = append(rows, []string{"not watching", "from", g.From.Format(time.RFC3339), "to", g.To.Format(time.RFC3339), g.Cause})
		}
	}
	if watched {
		rows = append(rows, []string{"not watching", "never"})
	}
	for _, day := range p.days {
		own, _, err := p.SegmentsOf(day)
		if err != nil {
			return nil, err
		}
		later, err := p.LaterThan(own)
		if err != nil {
			return nil, err
		}
		for _, seq := range later {
			err := p.Entries(seq, seq, false, func(e *ledger.Entry) error {
				rows = append(rows, []string{"later entry", strconv.FormatInt(seq, 10), string(e.Kind), e.Reason, e.At.Format(time.RFC3339), "about " + day})
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

var (
	passageHead = []string{"passage", "time", "clock", "lane", "direction", "class", "credential", "proof", "verdict", "reason", "rule", "by", "decided", "entries", "later entries", "policy", "roster"}
	eventHead   = []string{"seq", "time", "clock", "kind", "passage", "lane", "direction", "class", "credential", "proof", "verdict", "reason", "rule", "by", "about", "detail", "policy", "roster"}
)

// table hands the head and then each row to row. Personal fields have columns after the others, named as "personal name".
func (p *extract) table(row func(cells ...string) error) error {
	names, err := p.fieldNames(p.Selection)
	if err != nil {
		return err
	}
	head := passageHead
	if p.Events {
		head = eventHead
	}
	head = slices.Clone(head)
	for _, n := range names {
		head = append(head, "personal "+n)
	}
	if err := row(head...); err != nil {
		return err
	}
	cells := make([]string, 0, len(head))
	add := func(fields []ledger.Field) error {
		for _, n := range names {
			i := slices.IndexFunc(fields, func(f ledger.Field) bool { return f.Name == n })
			if i < 0 {
				cells = append(cells, "")
				continue
			}
			cells = append(cells, fields[i].Value)
		}
		return row(cells...)
	}
	if p.Events {
		return p.stretches(p.Selection, func(s ledger.Segment) error {
			return p.Entries(s.First, s.Last, p.Personal, func(e *ledger.Entry) error {
				var detail []string
				for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
					detail = append(detail, k+"="+e.Detail[k])
				}
				about := ""
				if e.Ref != 0 {
					about = strconv.FormatInt(e.Ref, 10)
				}
				cells = append(cells[:0], strconv.FormatInt(e.Seq, 10), e.Time, e.Clock, string(e.Kind), e.Passage, e.Lane, e.Direction, e.Class, e.Credential, e.Proof,
					e.Verdict, e.Reason, e.Rule, e.By, about, strings.Join(detail, " "), e.Policy, e.Record.Roster)
				return add(e.Personal)
			})
		})
	}
	for _, day := range p.days {
		list, err := p.passages(day)
		if err != nil {
			return err
		}
		for _, g := range list {
			var entries, later []string
			for _, seq := range g.Entries {
				entries = append(entries, strconv.FormatInt(seq, 10))
			}
			for _, l := range g.Later {
				later = append(later, fmt.Sprintf("%d %s %s", l.Seq, l.Kind, l.At.Format(time.RFC3339)))
			}
			cells = append(cells[:0], g.ID, g.At.Format(time.RFC3339), g.Clock, g.Lane, g.Direction, g.Class, g.Credential, g.Proof, g.Verdict, g.Reason, g.Rule, g.By,
				g.Decided.Format(time.RFC3339), strings.Join(entries, " "), strings.Join(later, "; "), g.Policy, g.Roster)
			if err := add(g.Personal); err != nil {
				return err
			}
		}
	}
	return nil
}

// disclosing lists the stretches of entries whose personal fields a table shows: those of the days and, for passages,
// the later entries about them.
func (r *Reader) disclosing(x Selection) (all []ledger.Segment, err error) {
	err = r.stretches(x, func(s ledger.Segment) error { all = append(all, s); return nil })
	if err != nil || x.Events {
		return all, err
	}
	later, err := r.LaterThan(all)
	for _, seq := range later {
		if !slices.ContainsFunc(all, func(s ledger.Segment) bool { return s.First <= seq && seq <= s.Last }) {
			all = append(all, ledger.Segment{First: seq, Last: seq})
		}
	}
	return all, err
}

// fieldNames lists the personal fields that a table has columns for.
func (r *Reader) fieldNames(x Selection) (names []string, err error) {
	if !x.Personal {
		return nil, nil
	}
	stretches, err := r.disclosing(x)
	for _, s := range stretches {
		if err != nil {
			return nil, err
		}
		var more []string
		more, err = r.FieldNames(s.First, s.Last)
		names = append(names, more...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// disclose calls f for every personal field of the entries that an export shows, and checks each of them against its
// record before.
func (r *Reader) disclose(x Selection, f func(ledger.Disclosure) error) error {
	stretches, err := r.disclosing(x)
	for _, s := range stretches {
		if err == nil {
			err = r.Disclose(s.First, s.Last, f)
		}
	}
	return err
}

// Sheets takes an export table by table, in order, each from its name on.
type Sheets interface {
	Sheet(name string, head []string) error // head nil: the table has none
	Row(cells ...string) error
}

// ExportSheets writes the days as tables: "about" with the gate, the days, when the box was not watching, the counts and
// the tree head; "passages" or "events"; and, with personal fields, "personal" with what is needed to check each.
func (r *Reader) ExportSheets(b Sheets, x Selection) error {
	p, err := r.extract(x)
	if err != nil {
		return err
	}
	front, err := p.front()
	if err != nil {
		return err
	}
	about, err := p.about()
	if err != nil {
		return err
	}
	if err := b.Sheet("about", nil); err != nil {
		return err
	}
	for _, row := range append(front, about...) {
		if err := b.Row(row...); err != nil {
			return err
		}
	}
	name := "passages"
	if x.Events {
		name = "events"
	}
	first := true
	err = p.table(func(cells ...string) error {
		if first {
			first = false
			return b.Sheet(name, cells)
		}
		return b.Row(cells...)
	})
	if err != nil || !x.Personal {
		return err
	}
	if err := b.Sheet("personal", []string{"seq", "field", "salt", "value", "hash"}); err != nil {
		return err
	}
	return r.disclose(x, func(d ledger.Disclosure) error {
		value := ""
		if d.Value != nil {
			value = *d.Value
		}
		return b.Row(strconv.FormatInt(d.Seq, 10), d.Field, d.Salt, value, d.Hash)
	})
}

// about is what the table "about" says after the front: the counts of the days, and the newest tree head.
func (p *extract) about() (rows [][]string, err error) {
	rows = append(rows, nil, []string{"day", "entries", "admit", "refuse", "hold"})
	for _, day := range p.days {
		list, err := p.passages(day)
		if err != nil {
			return nil, err
		}
		s, err := p.count(day, list)
		if err != nil {
			return nil, err
		}
		row := []string{day, strconv.FormatInt(s.Entries, 10)}
		for _, verdict := range []string{"admit", "refuse", "hold"} {
			row = append(row, strconv.Itoa(s.Passages[verdict]))
		}
		rows = append(rows, row)
	}
	h, err := p.Head()
	switch {
	case errors.Is(err, tlog.ErrNoHead):
		return append(rows, nil, []string{"tree head", "none yet"}), nil
	case err != nil:
		return nil, err
	}
	return append(rows, nil, []string{"tree head", h.Origin, "entries", strconv.FormatInt(h.Size, 10), "root", h.Root.String(), "paper", h.ShortRoot()},
		[]string{"signed note", string(h.Note)}), nil
}

// ExportPersonal writes the personal fields of the entries that an export shows, one a line, as ledger.Disclosure says.
func (r *Reader) ExportPersonal(w io.Writer, x Selection) error {
	b := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(b)
	lines.SetEscapeHTML(false)
	if err := r.disclose(x, func(d ledger.Disclosure) error { return lines.Encode(d) }); err != nil {
		return err
	}
	return b.Flush()
}
