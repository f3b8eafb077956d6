// Package xlsx writes rows of text as a workbook. It is a package of its own so that whoever keeps a ledger does not carry
// the library for workbooks, which takes 2 MiB of memory before it is used.
package xlsx

import (
	"archive/zip"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// What a sheet and a cell can hold (ECMA-376; Excel specifications and limits).
const (
	sheetRows = 1 << 20
	cellChars = 32767
)

// Book writes one sheet after the other. Every cell is text: a document number or a plate stays what it was, and
// nothing is a formula.
type Book struct {
	f    *excelize.File
	name string // of the sheet
	part int    // 2 and so on where a sheet was full
	head []string
	w    *excelize.StreamWriter
	row  int
	rows int // that a sheet can hold
}

// New begins a workbook. Its temporary files, which hold what it holds, are made in dir with mode 0600; Close removes them.
func New(dir string) *Book {
	return &Book{f: excelize.NewFile(excelize.Options{TmpDir: dir}), rows: sheetRows}
}

// Close ends it, written or not.
func (b *Book) Close() error { return b.f.Close() }

// Write ends the last sheet and writes the workbook.
func (b *Book) Write(w io.Writer) error {
	if err := b.w.Flush(); err != nil {
		return err
	}
	// excelize would make the whole file in memory first, unless the zip writer writes elsewhere.
	b.f.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(w) })
	return b.f.Write(io.Discard)
}

// Sheet ends the sheet before and begins another, whose head, if any, stays in sight.
func (b *Book) Sheet(name string, head []string) (err error) {
	first := b.w == nil
	if !first {
		if err := b.w.Flush(); err != nil {
			return err
		}
	}
	if name != b.name {
		b.name, b.part = name, 0
	}
	if b.part++; b.part > 1 {
		name += " " + strconv.Itoa(b.part)
	}
	if first {
		err = b.f.SetSheetName("Sheet1", name) // which a new workbook has
	} else {
		_, err = b.f.NewSheet(name)
	}
	if err != nil {
		return err
	}
	if b.w, err = b.f.NewStreamWriter(name); err != nil {
		return err
	}
	b.head, b.row = head, 0
	if err := b.w.SetColWidth(1, max(len(head), 8), 16); err != nil {
		return err
	}
	if head == nil {
		return nil
	}
	if err := b.w.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	return b.Row(head...)
}

// Row adds a row to the sheet, or to another one behind it where that is full.
func (b *Book) Row(cells ...string) error {
	if b.row == b.rows {
		if err := b.Sheet(b.name, b.head); err != nil {
			return err
		}
	}
	b.row++
	row := make([]any, len(cells))
	for i, c := range cells {
		row[i] = fitting(c)
	}
	return b.w.SetRow("A"+strconv.Itoa(b.row), row)
}

// fitting cuts what a cell cannot hold, and says so: the exact records are in the other formats.
func fitting(s string) string {
	if utf8.RuneCountInString(s) <= cellChars/2 { // a character may count twice
		return s
	}
	n := 0
	for i, c := range s {
		if n++; c >= 0x10000 {
			n++
		}
		if n > cellChars-100 {
			return s[:i] + fmt.Sprintf("… (cut: %d bytes more)", len(s)-i)
		}
	}
	return s
}
