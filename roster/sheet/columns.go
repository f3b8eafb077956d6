package sheet

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Columns are those of a list that is no roster.
type Columns struct {
	Heads Words    // each column by all that is written over it, in capitals and without spaces
	Needs []string // without which it is no such list
	Times []string // in which a spreadsheet may have made a time of what was typed
}

// Line is a row of such a list: what stands under each heading.
type Line struct {
	Number int // as a spreadsheet counts them, from 1
	Cells  map[string]string
	Faults []Fault
}

// ReadColumns reads a list with these columns as ReadFile reads a roster. Of several sheets it reads the first that has them.
func ReadColumns(path string, c Columns) ([]Line, error) {
	data, err := contentOf(path)
	if err != nil {
		return nil, err
	}
	return c.Read(data)
}

// Read is ReadColumns of the content of a file.
func (c Columns) Read(data []byte) (list []Line, err error) {
	sheets, err := grids(data, func(cells []string) int { return len(slices.DeleteFunc(c.of(cells), isNone)) })
	if err != nil {
		return nil, err
	}
	for _, g := range sheets {
		for i, l := range g.lines[:min(headingRows, len(g.lines))] {
			heads := c.of(l.texts())
			if len(slices.DeleteFunc(slices.Clone(heads), isNone)) < 2 {
				continue
			}
			if err := c.check(l, heads); err != nil {
				return nil, err
			}
			for _, l := range g.lines[i+1:] {
				list = append(list, c.line(g, l, heads))
			}
			return list, nil
		}
	}
	return nil, refuse("no-columns")
}

func isNone(column string) bool { return column == "" }

func (l line) texts() (texts []string) {
	for _, c := range l.cells {
		texts = append(texts, c.text)
	}
	return texts
}

// of are the columns that cells name; "" is none.
func (c Columns) of(cells []string) (columns []string) {
	for _, text := range cells {
		name := ""
		if len(text) <= maxCell {
			name = c.Heads[strings.Join(strings.Fields(inBrackets.ReplaceAllString(Folded(text), "")), "")]
		}
		columns = append(columns, name)
	}
	return columns
}

// check tells what is wrong with the headings: what is left out silently is lost.
func (c Columns) check(l line, heads []string) error {
	var faults FaultyRows
	for i, name := range heads {
		switch {
		case Trim(l.cells[i].text) == "":
		case name == "":
			faults.Add(Fault{Row: l.number, Column: "column " + letter(i), Reason: "unknown-column"})
		case slices.Contains(heads[:i], name):
			faults.Add(Fault{Row: l.number, Column: name, Reason: "duplicate-heading"})
		}
	}
	for _, name := range c.Needs {
		if !slices.Contains(heads, name) {
			faults.Add(Fault{Row: l.number, Column: name, Reason: "missing-column"})
		}
	}
	if faults.Total > 0 {
		return &faults
	}
	return nil
}

func (c Columns) line(g *grid, l line, heads []string) Line {
	row := Line{Number: l.number, Cells: map[string]string{}}
	for i, cell := range l.cells {
		column := "column " + letter(i)
		if i < len(heads) && heads[i] != "" {
			column = heads[i]
		}
		content, reason := g.content(cell, column)
		if slices.Contains(c.Times, column) && (cell.kind == date || cell.kind == number) {
			content, reason = moment(Trim(cell.text), g.day0, cell.kind)
		}
		switch {
		case content == "" && reason == "":
		case reason == "" && (i >= len(heads) || heads[i] == ""):
			row.Faults = append(row.Faults, Fault{Row: l.number, Column: column, Reason: "extra-cell"})
		case reason != "":
			row.Faults = append(row.Faults, Fault{Row: l.number, Column: column, Reason: reason})
		default:
			row.Cells[column] = content
		}
	}
	return row
}

// moment reads a number that a spreadsheet keeps for a time: days since 1900, and a part of one. A number that is not shown as one, such
// as 815, is what was typed.
func moment(content string, day0 int, as kind) (text, reason string) {
	days, err := strconv.ParseFloat(content, 64)
	switch {
	case err == nil && (days != days || days < 0 || days > 2_958_465):
		return "", "bad-date"
	case err != nil || as == number && days >= 1:
		return content, ""
	case days < 1:
		return at(days).Format("15:04"), ""
	case days == float64(int(days)):
		return at(days + float64(day0)).Format(time.DateOnly), ""
	}
	return at(days + float64(day0)).Format("2006-01-02 15:04"), ""
}

// at is that time, to the minute.
func at(days float64) time.Time {
	day := int(days)
	minutes := int((days-float64(day))*24*60 + 0.5)
	return time.Date(1899, 12, 30+day, 0, minutes, 0, 0, time.UTC)
}
