package report

import (
	"cmp"
	_ "embed"
	"encoding/csv"
	"errors"
	"html/template"
	"io"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/width"

	"gated/evidence/workbook"
)

// Table is a report as every format writes it. No text of it has a control character, or one that turns the direction of writing.
type Table struct {
	Name     string // of the report, such as day
	Language string // zh or en
	Title    string
	Notes    []string
	Columns  []string
	Rows     [][]string
}

func (t *Table) note(text string) { t.Notes = append(t.Notes, harmless(text)) }

func (t *Table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = harmless(c)
	}
	t.Rows = append(t.Rows, cells)
}

// harmless is a text as any printer and terminal can show it: what people type and codes say may have control characters, line breaks
// and marks that turn the direction of what comes behind (UAX #9). Joiners stay, as names are written with them.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r):
			return unicode.ReplacementChar
		case unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d':
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

// Formats are what a report can be written as.
const Formats = "text, csv, xlsx, html"

// write writes it in a format.
func (t *Table) write(w io.Writer, format string) error {
	switch format {
	case "csv":
		return t.csv(w)
	case "xlsx":
		return t.xlsx(w)
	case "html":
		return page.Execute(w, t)
	}
	return t.text(w)
}

// columns are the cells across of a text.
func columns(text string) (n int) {
	for _, r := range text {
		kind := width.LookupRune(r).Kind()
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// isolated keeps a text that is written from the right from turning what stands beside it (UAX #9, FSI and PDI).
func isolated(text string) string {
	turns := func(r rune) bool {
		p, _ := bidi.LookupRune(r)
		return p.Class() == bidi.R || p.Class() == bidi.AL || p.Class() == bidi.AN
	}
	if strings.ContainsFunc(text, turns) {
		return "\u2068" + text + "\u2069"
	}
	return text
}

// text writes it for a terminal and a chat.
func (t *Table) text(w io.Writer) error {
	var b strings.Builder
	for _, line := range slices.Concat([]string{t.Title}, t.Notes) {
		b.WriteString(isolated(line) + "\n")
	}
	rows := t.Rows
	if len(t.Columns) > 0 {
		rows = slices.Concat([][]string{t.Columns}, t.Rows)
		b.WriteString("\n")
	}
	var wide []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], columns(c))
		}
	}
	for _, row := range rows {
		line := ""
		for i, c := range row {
			line += isolated(cmp.Or(c, "-")) + strings.Repeat(" ", wide[i]-columns(cmp.Or(c, "-"))+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// front is what stands before the table of a spreadsheet.
func (t *Table) front() (rows [][]string) {
	for _, line := range slices.Concat([]string{t.Title}, t.Notes) {
		rows = append(rows, []string{line})
	}
	return rows
}

func (t *Table) csv(w io.Writer) error {
	if _, err := io.WriteString(w, workbook.BOM); err != nil {
		return err
	}
	s := csv.NewWriter(w)
	s.UseCRLF = true // RFC 4180
	for _, row := range slices.Concat(t.front(), [][]string{nil, t.Columns}, t.Rows) {
		cells := slices.Clone(row)
		for i := range cells {
			cells[i] = workbook.Harmless(cells[i])
		}
		if err := s.Write(cells); err != nil {
			return err
		}
	}
	s.Flush()
	return s.Error()
}

func (t *Table) xlsx(w io.Writer) error {
	b := workbook.New(w)
	err := b.Sheet("about", nil)
	for _, row := range t.front() {
		err = errors.Join(err, b.Row(row...))
	}
	err = errors.Join(err, b.Sheet(t.Name, t.Columns))
	for _, row := range t.Rows {
		err = errors.Join(err, b.Row(row...))
	}
	return errors.Join(err, b.Close())
}

//go:embed page.html
var pageHTML string

// page escapes whatever somebody typed. It asks nobody for anything.
var page = template.Must(template.New("page").Parse(pageHTML))
