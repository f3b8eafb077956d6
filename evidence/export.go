package evidence

import (
	"bufio"
	"bytes"
	"cmp"
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

	"gated/evidence/workbook"
	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/tlog"
)

// extract is an export under way. It reads each entry of the days once, and keeps the rows of the table in a spool: when
// the box was not watching stands before them, and which columns there are is known when all are read.
type extract struct {
	*Reader
	Selection
	size     int64 // of the ledger when the export began: what came later is not of it
	each     func(seen) error
	row      func(row) error             // nil: there is no table
	disclose func(file.Disclosure) error // nil: without personal fields
	rows     [][]string                  // of the later entries about the days, as they stand before the table
	strays   [][]string                  // of the entries of another date among those of the days, likewise
	names    []string                    // of the personal fields that are left
	days     []Stats
	outside  map[int64]bool // later entries, not of the days, whose personal fields were told
}

// run reads all days.
func (p *extract) run() error {
	names, err := p.Days()
	if err != nil {
		return err
	}
	if p.size, err = p.Size(); err != nil {
		return err
	}
	c, err := p.Calendar(p.size)
	if err != nil {
		return err
	}
	p.outside = map[int64]bool{}
	for _, name := range names {
		if err := p.day(c, c.Day(name)); err != nil {
			return err
		}
	}
	slices.Sort(p.names)
	return nil
}

func (p *extract) day(c Calendar, d Day) error {
	for _, s := range c.Strays(d) {
		p.strays = append(p.strays, []string{"other date", "entries", strconv.FormatInt(s.First, 10), "to", strconv.FormatInt(s.Last, 10),
			s.Day, "among those of " + d.Name})
	}
	var passages dayPassages
	a, err := p.read(d, p.size, p.Personal, func(s seen) error {
		if s.later {
			p.rows = append(p.rows, []string{"later entry", strconv.FormatInt(s.Seq, 10), string(s.Kind), strings.Clone(s.Reason),
				s.At.Format(time.RFC3339), "about " + d.Name})
		}
		if s.own || s.later {
			passages.add(s.Entry, s.own)
		}
		if s.own || s.later && !p.Events && !p.among(c, s.Seq) {
			if err := p.told(s); err != nil {
				return err
			}
		}
		switch {
		case s.own && p.each != nil:
			return p.each(s)
		case s.own && p.row != nil && p.Events:
			return p.row(row{eventCells(s.Entry), s.Personal})
		}
		return nil
	})
	if err != nil {
		return err
	}
	stats, err := p.stats(a, p.Now)
	if p.days = append(p.days, stats); err != nil {
		return err
	}
	if p.row == nil || p.Events {
		return nil
	}
	for _, g := range passages.list {
		if err := p.row(row{passageCells(g), g.Personal}); err != nil {
			return err
		}
	}
	return nil
}

// among says whether an entry is of one of the days, or was told already.
func (p *extract) among(c Calendar, seq int64) bool {
	day := file.DayOf(c, seq)
	known := p.outside[seq] || p.From <= day && day <= p.To
	p.outside[seq] = true
	return known
}

// told hands on the personal fields of an entry that the export shows.
func (p *extract) told(s seen) error {
	for _, d := range s.personal {
		if d.Value != nil && !slices.Contains(p.names, d.Field) {
			p.names = append(p.names, d.Field)
		}
		if p.disclose != nil {
			if err := p.disclose(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// jsonLines writes each personal field as a line, as file.Disclosure says.
func jsonLines(w io.Writer) func(file.Disclosure) error {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	return func(d file.Disclosure) error { return lines.Encode(d) }
}

// ExportJSONL writes the exact records of the days, one a line, and their personal fields to companion, where the
// selection has them. When the box was not watching it returns: that cannot stand before the records, as every line is one.
func (r *Reader) ExportJSONL(w, companion io.Writer, x Selection) ([]Stats, error) {
	x.Events = true // nothing but the days' own entries
	b, personal := bufio.NewWriterSize(w, 64<<10), bufio.NewWriter(companion)
	p := &extract{Reader: r, Selection: x, disclose: jsonLines(personal), each: func(s seen) error {
		if bytes.IndexByte(s.Raw, '\n') >= 0 {
			return fmt.Errorf("entry %d is not a record of one line", s.Seq)
		}
		b.Write(s.Raw)
		return b.WriteByte('\n')
	}}
	if err := p.run(); err != nil {
		return nil, err
	}
	return p.days, errors.Join(b.Flush(), personal.Flush())
}

// ExportCSV writes the days as a spreadsheet: one row a passage, or one an event; and their personal fields, where the
// selection has them, to companion as well, with what is needed to check each.
func (r *Reader) ExportCSV(w, companion io.Writer, x Selection) error {
	rows, err := newSpool(x.Temp)
	if err != nil {
		return err
	}
	defer rows.Close()
	b, personal := bufio.NewWriterSize(w, 64<<10), bufio.NewWriter(companion)
	p := &extract{Reader: r, Selection: x, row: rows.add, disclose: jsonLines(personal)}
	if err := p.run(); err != nil {
		return err
	}
	b.WriteString(workbook.BOM)
	s := csv.NewWriter(b)
	s.UseCRLF = true // RFC 4180
	write := func(cells ...string) error {
		for i := range cells {
			cells[i] = workbook.Harmless(cells[i])
		}
		return s.Write(cells)
	}
	for _, cells := range append(p.front(), nil, p.head()) {
		if err := write(cells...); err != nil {
			return err
		}
	}
	if err := rows.each(func(r row) error { return write(p.cells(r)...) }); err != nil {
		return err
	}
	s.Flush()
	return errors.Join(s.Error(), b.Flush(), personal.Flush())
}

// ExportXLSX writes the days as a workbook: "about" with the gate, the days, when the box was not watching, the counts and
// the tree head; "passages" or "events"; and, with personal fields, "personal" with what is needed to check each.
func (r *Reader) ExportXLSX(w io.Writer, x Selection) error {
	rows, err := newSpool(x.Temp)
	if err != nil {
		return err
	}
	defer rows.Close()
	personal, err := newSpool(x.Temp)
	if err != nil {
		return err
	}
	defer personal.Close()
	p := &extract{Reader: r, Selection: x, row: rows.add, disclose: func(d file.Disclosure) error {
		value := ""
		if d.Value != nil {
			value = *d.Value
		}
		return personal.add(row{Cells: []string{strconv.FormatInt(d.Seq, 10), d.Field, d.Salt, value, d.Hash}})
	}}
	if err := p.run(); err != nil {
		return err
	}
	about, err := p.about()
	if err != nil {
		return err
	}
	b := workbook.New(w)
	if err := b.Sheet("about", nil); err != nil {
		return err
	}
	for _, cells := range append(p.front(), about...) {
		if err := b.Row(cells...); err != nil {
			return err
		}
	}
	name := "passages"
	if x.Events {
		name = "events"
	}
	if err := b.Sheet(name, p.head()); err != nil {
		return err
	}
	if err := rows.each(func(r row) error { return b.Row(p.cells(r)...) }); err != nil {
		return err
	}
	if x.Personal {
		if err := b.Sheet("personal", []string{"seq", "field", "salt", "value", "hash"}); err != nil {
			return err
		}
		if err := personal.each(func(r row) error { return b.Row(r.Cells...) }); err != nil {
			return err
		}
	}
	return b.Close()
}

// front is what stands before the table: the gate and the days, when the box was not watching, when lanes were open by hand, what stands
// on paper alone, and which later entries are about the days.
func (p *extract) front() (rows [][]string) {
	what := "day"
	if len(p.days) > 1 {
		what = "days"
	}
	rows = append(rows, []string{"gate", p.Meta.Gate, what, p.name(), "time zone", p.Meta.TimeZone})
	for _, day := range p.days {
		for _, g := range day.Gaps {
			rows = append(rows, []string{"not watching", "from", g.From.Format(time.RFC3339), "to", g.To.Format(time.RFC3339), g.Cause})
		}
	}
	if len(rows) == 1 {
		rows = append(rows, []string{"not watching", "never"})
	}
	for _, day := range p.days {
		for _, t := range day.ByHand {
			rows = append(rows, []string{OpenByHand, "lane", t.Lane, t.Direction, "from", t.From.Format(time.RFC3339),
				"to", t.To.Format(time.RFC3339), "lasted", t.Lasted.Round(time.Second).String(), t.Reason, "heads",
				cmp.Or(t.Heads, "went on"), "entry", strconv.FormatInt(t.Entry, 10)})
		}
	}
	for _, day := range p.days {
		for _, w := range day.Paper {
			rows = append(rows, []string{OnPaper, w.Say(false)})
		}
	}
	return append(append(rows, p.strays...), p.rows...)
}

// about is what the sheet "about" says after the front: the counts of the days, and the newest tree head.
func (p *extract) about() (rows [][]string, err error) {
	rows = append(rows, nil, append([]string{"day", "entries"}, verdicts...))
	for _, s := range p.days {
		row := []string{s.Day, strconv.FormatInt(s.Entries, 10)}
		for _, verdict := range verdicts {
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
	return append(rows, nil,
		[]string{"tree head", h.Origin, "entries", strconv.FormatInt(h.Size, 10), "root", h.Root.String(), "short root", h.ShortRoot()},
		[]string{"signed note", string(h.Note)}), nil
}

var (
	passageHead = []string{"passage", "time", "clock", "lane", "direction", "class", "credential", "proof", "verdict", "reason", "rule",
		"by",
		"decided", "entries", "later entries", "policy", "roster", "was"}
	eventHead = []string{"seq", "time", "clock", "kind", "passage", "lane", "direction", "class", "credential", "proof", "verdict",
		"reason",
		"rule", "by", "about", "detail", "policy", "roster"}
)

// head is that of the table. Personal fields have columns after the others, named as "personal name".
func (p *extract) head() []string {
	head := slices.Clone(passageHead)
	if p.Events {
		head = slices.Clone(eventHead)
	}
	for _, n := range p.names {
		head = append(head, "personal "+n)
	}
	return head
}

// cells are those of a row, with the personal fields in their columns.
func (p *extract) cells(r row) []string {
	for _, n := range p.names {
		value := ""
		if i := slices.IndexFunc(r.Personal, func(f entry.Field) bool { return f.Name == n }); i >= 0 {
			value = r.Personal[i].Value
		}
		r.Cells = append(r.Cells, value)
	}
	return r.Cells
}

func eventCells(e *entry.Entry) []string {
	var detail []string
	for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
		detail = append(detail, k+"="+e.Detail[k])
	}
	about := ""
	if e.Ref != 0 {
		about = strconv.FormatInt(e.Ref, 10)
	}
	return []string{strconv.FormatInt(e.Seq, 10), e.Time, e.Clock, string(e.Kind), e.Passage, e.Lane, e.Direction, e.Class, e.Credential,
		e.Proof,
		e.Verdict, e.Reason, e.Rule, e.By, about, strings.Join(detail, " "), e.Policy, e.Record.Roster}
}

func passageCells(g *dayPassage) []string {
	var entries, later []string
	for _, seq := range g.Entries {
		entries = append(entries, strconv.FormatInt(seq, 10))
	}
	for _, l := range g.Later {
		later = append(later, fmt.Sprintf("%d %s %s", l.Seq, l.Kind, l.At.Format(time.RFC3339)))
	}
	return []string{g.ID, g.At.Format(time.RFC3339), g.Clock, g.Lane, g.Direction, g.Class, g.Credential, g.Proof, g.Verdict, g.Reason,
		g.Rule, g.By,
		g.Decided.Format(time.RFC3339), strings.Join(entries, " "), strings.Join(later, "; "), g.Policy, g.Roster, g.Was}
}
