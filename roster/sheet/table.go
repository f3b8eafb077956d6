package sheet

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// grid is one sheet of a file, before it is known what stands where.
type grid struct {
	name    string
	hidden  bool
	lines   []line // those with anything in them, by number
	merges  []merge
	heading int      // which of lines has the headings; -1 if none has
	columns []string // by position; "" for those not kept, "?" for those without heading
	faults  FaultyRows
	day0    int  // 1,462 where days are counted from 1904
	several bool // the file has other sheets, too: faults name this one
	read    Sheet
}

type line struct {
	number int
	hidden bool
	wide   bool // it has more cells than are kept
	cells  []cell
}

type cell struct {
	text string
	kind kind
}

// kind is what a spreadsheet holds a cell to be.
type kind byte

const (
	text       kind = iota
	number          // as it stands; days since 1900 or 1904 where it is a date
	date            // a number that is shown as a date
	scientific      // a number that is shown with an exponent: 1E01 was typed, and is 10 now
	spoilt          // a number with more digits than a spreadsheet keeps
	boolean
	failed // #N/A and the like
	computed
	merged // with others, where that may not be
)

// ofKind are the faults of cells that hold no text or number.
var ofKind = map[kind]string{scientific: "number-spoilt", spoilt: "number-spoilt", boolean: "boolean-cell", failed: "error-cell",
	computed: "formula", merged: "merged-cell"}

// merge is a range of merged cells: rows from 1, positions from 0, both ends included.
type merge struct{ top, bottom, left, right int }

// headingRows is how many rows may stand above the headings: a title, a date.
const headingRows = 10

// appendLine appends a line, unless it is empty.
func appendLine(lines []line, l line) ([]line, error) {
	for n := len(l.cells); n > 0 && l.cells[n-1].kind <= number && Trim(l.cells[n-1].text) == ""; n-- {
		l.cells = l.cells[:n-1]
	}
	switch {
	case len(l.cells) == 0 && !l.wide:
		return lines, nil
	case len(l.cells) > maxCells:
		return nil, refuseAt(l.number, "too-many-cells")
	case len(lines) == MaxRows+headingRows:
		return nil, refuse("too-many-rows")
	}
	return append(lines, l), nil
}

// assemble makes of the sheets of a file what the file says. Every sheet with known headings counts, and all of them must have the
// same ones: what is no part of the list cannot be told from a part that somebody has spoilt.
func assemble(grids []*grid) (*List, error) {
	grids = slices.DeleteFunc(grids, func(g *grid) bool { return len(g.lines) == 0 })
	if len(grids) == 0 {
		return nil, refuse("empty")
	}
	var lists []*grid
	for _, g := range grids {
		if g.findHeading(); g.heading >= 0 {
			lists = append(lists, g)
		}
	}
	if len(lists) == 0 { // the faults of its first row say what is wrong
		g := grids[max(0, slices.IndexFunc(grids, func(g *grid) bool { return !g.hidden }))]
		g.heading = 0
		lists = append(lists, g)
	}
	var faults FaultyRows
	list := &List{}
	for _, g := range grids {
		g.several = len(grids) > 1 || g.hidden
		g.read = Sheet{Name: g.name, Hidden: g.hidden, Unread: !slices.Contains(lists, g)}
		if !g.read.Unread {
			g.head()
			if first := lists[0]; first != g && !slices.Equal(g.kept(), first.kept()) && g.faults.Total == 0 {
				g.fault(g.lines[g.heading].number, "", "sheet-differs")
				g.faults.Faults[0].OtherSheet = first.name
			}
		}
		for _, f := range g.faults.Faults {
			faults.Add(f)
		}
	}
	if faults.Total > 0 {
		return nil, &faults
	}
	for _, g := range grids {
		if !g.read.Unread {
			g.fill()
			for _, l := range g.lines[g.heading+1:] {
				list.Rows = append(list.Rows, g.row(l))
			}
			g.read.Rows = len(g.lines) - g.heading - 1
		}
		list.Sheets = append(list.Sheets, g.read)
	}
	switch {
	case len(list.Rows) > MaxRows:
		return nil, refuse("too-many-rows")
	case len(list.Rows) == 0:
		return nil, refuse("no-rows")
	}
	return list, nil
}

func (g *grid) fault(row int, column, reason string) {
	f := Fault{Row: row, Column: column, Reason: reason}
	if g.several {
		f.Sheet, f.Hidden = g.name, g.hidden
	}
	g.faults.Add(f)
}

// findHeading finds the row of headings. Of two, the lower has those under a heading of several columns.
func (g *grid) findHeading() {
	g.heading = slices.IndexFunc(g.lines[:min(headingRows, len(g.lines))], func(l line) bool {
		texts := make([]string, len(l.cells))
		for i, c := range l.cells {
			texts[i] = c.text
		}
		return knownHeadings(texts) >= 2
	})
	if g.heading < 0 || g.heading+1 == len(g.lines) {
		return
	}
	upper, lower := g.lines[g.heading], &g.lines[g.heading+1]
	for _, c := range lower.cells {
		if _, known := headingOf(c.text); !known && Trim(c.text) != "" {
			return
		}
	}
	for i, c := range upper.cells {
		if i == len(lower.cells) {
			lower.cells = append(lower.cells, c)
		} else if Trim(lower.cells[i].text) == "" {
			lower.cells[i] = c
		}
	}
	g.heading++
}

// head reads the headings.
func (g *grid) head() {
	l := g.lines[g.heading]
	for i, c := range l.cells {
		name, known := headingOf(c.text)
		switch {
		case Trim(c.text) == "":
			name = "?"
		case !known:
			name = "?"
			g.fault(l.number, "column "+letter(i), "unknown-heading")
		case name != "" && slices.Contains(g.columns, name):
			g.fault(l.number, name, "duplicate-heading")
		}
		g.columns = append(g.columns, name)
	}
	for _, l := range g.lines {
		if l.wide {
			g.fault(l.number, "", "too-many-cells")
		}
	}
	if !slices.Contains(g.columns, "room") {
		g.fault(l.number, "room", "missing-heading")
	}
	if !slices.Contains(g.columns, "name") && !slices.Contains(g.columns, "plate") {
		g.fault(l.number, "name", "missing-heading")
	}
}

// kept are the columns that are, in one order.
func (g *grid) kept() []string {
	kept := slices.DeleteFunc(slices.Clone(g.columns), func(name string) bool { return name == "" || name == "?" })
	slices.Sort(kept)
	return kept
}

// fill writes into each cell of a merged range of building, unit or room what the range shows. A merge elsewhere is a fault: whose
// telephone is it that stands beside three people?
func (g *grid) fill() {
	heading := g.lines[g.heading].number
	slices.SortFunc(g.merges, func(a, b merge) int { return cmp.Or(a.left-b.left, a.top-b.top) })
	filled := merge{left: -1}
	for _, m := range g.merges {
		column := ""
		for i := m.left; i <= m.right && i < len(g.columns) && column == ""; i++ {
			column = strings.Trim(g.columns[i], "?")
		}
		from, _ := slices.BinarySearchFunc(g.lines, max(m.top, heading+1), byNumber)
		to, _ := slices.BinarySearchFunc(g.lines, m.bottom+1, byNumber)
		if column == "" || from >= to { // nothing that is kept
			continue
		}
		home := column == "building" || column == "unit" || column == "room"
		if !home || m.left != m.right || m.top <= heading || filled.left == m.left && filled.bottom >= m.top {
			g.spoil(from, m.left, column)
			continue
		}
		filled = m
		shown := cell{}
		if first := g.lines[from]; first.number == m.top && m.left < len(first.cells) {
			shown = first.cells[m.left]
		}
		for i := from; i < to; i++ {
			l := &g.lines[i]
			for len(l.cells) <= m.left {
				l.cells = append(l.cells, cell{})
			}
			switch below := l.cells[m.left]; {
			case l.number == m.top || shown == cell{}:
			case below.text != "" && below != shown: // it is there, though nobody sees it
				g.spoil(i, m.left, column)
			default:
				l.cells[m.left] = shown
				g.read.Filled++
			}
		}
	}
}

func byNumber(l line, n int) int { return l.number - n }

// spoil marks a cell whose merge is a fault.
func (g *grid) spoil(i, position int, column string) {
	l := &g.lines[i]
	for position < len(g.columns) && g.columns[position] != column {
		position++
	}
	for len(l.cells) <= position {
		l.cells = append(l.cells, cell{})
	}
	l.cells[position].kind = merged
}

// row reads one row under the headings.
func (g *grid) row(l line) Row {
	row := Row{Number: l.number}
	if g.several {
		row.Sheet, row.Hidden = g.name, g.hidden
	}
	if l.hidden {
		g.read.HiddenRows++
	}
	fault := func(column, reason string) {
		row.Faults = append(row.Faults, Fault{Sheet: row.Sheet, Hidden: row.Hidden, Row: l.number, Column: column, Reason: reason})
	}
	for i, c := range l.cells {
		name := "?"
		if i < len(g.columns) {
			name = g.columns[i]
		}
		content, reason := g.content(c, name)
		switch {
		case name == "":
		case name == "?":
			if content != "" || reason != "" {
				fault("column "+letter(i), "extra-cell")
			}
		case reason != "":
			fault(name, reason)
		default:
			*row.Cell(name) = content
		}
	}
	return row
}

// textMark tells a spreadsheet that what follows is text; some write it into the cell.
var textMark = regexp.MustCompile("^(?:['＇]+|[‘’`]([0-9\\p{Han}]))")

// content is what a cell says in a column, or the fault that it is.
func (g *grid) content(c cell, column string) (content, reason string) {
	if content = Trim(c.text); len(content) > 1 && content[0] == '\'' { // or both quotes of a database
		content = strings.TrimSuffix(content, "'")
	}
	content = Trim(textMark.ReplaceAllString(content, "$1"))
	switch {
	case ofKind[c.kind] != "":
		return "", ofKind[c.kind]
	case len(content) > maxCell:
		return "", "cell-too-long"
	case column == "birth_date" && (c.kind == number || c.kind == date):
		return birthDate(content, g.day0)
	case c.kind == date:
		return "", "looks-like-date"
	}
	return content, ""
}

// yearMonth is a year, or a year and a month, typed as a number.
var yearMonth = regexp.MustCompile(`^(19|20)[0-9]{2}((0[1-9]|1[0-2])|\.[0-9]{1,2})?$`)

// birthDate reads a number. A sheet keeps a date as days since 1900; but 2018 was typed by somebody who knew the year only, not
// for the 10th of July 1905. Nobody lives who was born before day 3000, in 1908.
func birthDate(content string, day0 int) (date, reason string) {
	day, err := strconv.ParseFloat(content, 64)
	switch {
	case err != nil || day != day || len(content) == 8 && strings.Trim(content, "0123456789") == "": // 19851005 is a date as it stands
		return content, ""
	case day < 3000 || yearMonth.MatchString(content):
		return "", "birth-date-incomplete"
	case day > 2_958_465: // the last one of 9999
		return "", "bad-date"
	}
	return time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(day)+day0).Format(time.DateOnly), ""
}

// letter is how a spreadsheet calls its columns, from 0: A, B … Z, AA.
func letter(i int) string {
	if i < 26 {
		return fmt.Sprintf("%c", 'A'+i)
	}
	return letter(i/26-1) + letter(i%26)
}
