package sheet

import (
	"bytes"
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
)

// lastRow is the last one that a spreadsheet has.
const lastRow = 1 << 20

// SpoiltNumber is a long number as a spreadsheet writes it that has cut it short.
var SpoiltNumber = regexp.MustCompile(`^[0-9](\.[0-9]+)?[eE][+-]?[0-9]+$`)

// sheetReader goes through the XML of one sheet.
type sheetReader struct {
	book   *workbook
	grid   *grid
	line   line
	over   bool // the rows are: what is called so below them is no row
	merges int
	in     bool // a cell
	cell   cell
	at     int    // its position
	form   string // its type
	style  int
	empty  bool // so far
	text   richText
}

// readSheet reads the cells of a sheet, and which are merged.
func (b *workbook) readSheet(name string, g *grid) error {
	p, err := b.open(name)
	if err != nil {
		return err
	}
	defer p.Close()
	r := &sheetReader{book: b, grid: g}
	ended := false
	for {
		token, err := p.next()
		switch {
		case err != nil:
			return err
		case token == nil && !ended: // it breaks off
			return errDamaged
		case token == nil:
			return nil
		}
		switch e := token.(type) {
		case xml.StartElement:
			err = r.start(e)
		case xml.EndElement:
			ended = e.Name.Local == "worksheet"
			err = r.end(e.Name.Local)
		case xml.CharData:
			if r.in {
				r.text.data(e)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (r *sheetReader) start(e xml.StartElement) error {
	switch name := e.Name.Local; {
	case name == "mergeCell":
		return r.merge(attribute(e, "ref"))
	case r.over:
		return nil
	case name == "row":
		before := r.line.number
		r.line, r.at = line{number: before + 1, hidden: isTrue(attribute(e, "hidden"))}, -1
		if n, err := strconv.Atoi(attribute(e, "r")); err == nil {
			r.line.number = n
		}
		switch {
		case r.line.number <= before:
			return errDamaged
		case r.line.number > lastRow:
			return refuse("too-many-rows")
		}
	case name == "c":
		return r.startCell(e)
	case r.in:
		r.text.start(name)
		r.empty = r.empty && name != "f" && name != "v" && name != "is"
		if name == "f" && r.cell.kind != failed {
			r.cell.kind = computed
		}
	}
	return nil
}

func (r *sheetReader) startCell(e xml.StartElement) error {
	r.at++
	if ref := attribute(e, "r"); ref != "" {
		at, row, ok := reference(ref)
		if !ok || row != r.line.number || at < r.at {
			return errDamaged
		}
		r.at = at
	}
	r.in, r.empty, r.cell = true, true, cell{}
	r.form = attribute(e, "t")
	r.style, _ = strconv.Atoi(attribute(e, "s")) // none is 0
	r.text = richText{text: r.text.text[:0], capturesAll: true}
	switch r.form {
	case "b":
		r.cell.kind = boolean
	case "e":
		r.cell.kind = failed
	}
	return nil
}

func (r *sheetReader) end(name string) error {
	if r.in {
		r.text.end(name)
	}
	switch {
	case name == "sheetData":
		r.over = true
	case name == "c" && r.in:
		r.in = false
		return r.endCell()
	case name == "row" && !r.over:
		var err error
		r.grid.lines, err = appendLine(r.grid.lines, r.line)
		r.line = line{number: r.line.number}
		return err
	}
	return nil
}

func (r *sheetReader) endCell() error {
	if r.empty { // it may stand anywhere
		return nil
	}
	c := r.cell
	switch content := r.text.text; {
	case r.form == "s":
		i, err := strconv.Atoi(string(bytes.TrimSpace(content)))
		if err != nil || i < 0 || i >= len(r.book.strings) {
			return errDamaged
		}
		c.text = r.book.strings[i]
	case r.form == "" || r.form == "n":
		content = bytes.TrimSpace(content)
		c.text = string(content)
		if c.kind == computed || len(content) == 0 {
			break
		}
		c.kind = number
		if r.style >= 0 && r.style < len(r.book.kinds) {
			c.kind = r.book.kinds[r.style]
		}
		if SpoiltNumber.Match(content) || len(content) > 15 && len(bytes.Trim(content, "0123456789")) == 0 {
			c.kind = spoilt
		}
	default:
		c.text = unescaped(string(content))
	}
	if c.kind <= number && Trim(c.text) == "" {
		return nil
	}
	if r.at >= maxCells { // a fault, if this sheet is part of the list
		r.line.wide = true
		return nil
	}
	for len(r.line.cells) < r.at {
		r.line.cells = append(r.line.cells, cell{})
	}
	r.line.cells = append(r.line.cells, c)
	return nil
}

// merge notes a merged range. One cell alone is none.
func (r *sheetReader) merge(ref string) error {
	first, last, found := strings.Cut(ref, ":")
	left, top, ok := reference(first)
	if !found || !ok {
		return nil
	}
	right, bottom, ok := reference(last)
	if r.merges++; !ok || bottom < top || right < left || r.merges > MaxRows {
		return errDamaged
	}
	r.grid.merges = append(r.grid.merges, merge{top, bottom, left, right})
	return nil
}

// reference reads the name of a cell, such as AB12: its position from 0, its row from 1.
func reference(name string) (position, row int, ok bool) {
	name = strings.ReplaceAll(name, "$", "")
	digits := strings.TrimLeft(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	letters := name[:len(name)-len(digits)]
	if letters == "" || len(letters) > 3 {
		return 0, 0, false
	}
	for _, c := range letters {
		position = position*26 + int(c-'A') + 1
	}
	row, err := strconv.Atoi(digits)
	return position - 1, row, err == nil && row > 0
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space != "xmlns" {
			return a.Value
		}
	}
	return ""
}

func isTrue(s string) bool { return s == "1" || s == "true" }
