package ledger

import (
	"archive/zip"
	"errors"
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

// workbook writes one sheet after the other. Every cell is text: a document number or a plate stays what it was, and
// nothing is a formula.
type workbook struct {
	f    *excelize.File
	name string // of the sheet
	part int    // 2 and so on where a sheet was full
	head []string
	w    *excelize.StreamWriter
	row  int
	rows int // that a sheet can hold
}

// ExportXLSX writes the days as a workbook: the sheet "about" with the gate, the days, when the box was not watching, the
// counts and the tree head; "passages" or "events"; and, with personal fields, "personal" with what is needed to check
// each. Its temporary files, which hold what it holds, are made in dir with mode 0600.
func (r *Reader) ExportXLSX(w io.Writer, x Selection, dir string) (err error) {
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
	b := &workbook{f: excelize.NewFile(excelize.Options{TmpDir: dir}), rows: sheetRows}
	defer func() {
		if cerr := b.f.Close(); err == nil {
			err = cerr
		}
	}()
	if err := b.f.SetSheetName("Sheet1", "about"); err != nil {
		return err
	}
	if err := b.open("about", nil); err != nil {
		return err
	}
	for _, row := range append(front, about...) {
		if err := b.add(row...); err != nil {
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
			return b.open(name, cells)
		}
		return b.add(cells...)
	})
	if err != nil {
		return err
	}
	if x.Personal {
		if err := b.open("personal", []string{"seq", "field", "salt", "value", "hash"}); err != nil {
			return err
		}
		err := r.Disclose(x, func(d Disclosure) error {
			value := ""
			if d.Value != nil {
				value = *d.Value
			}
			return b.add(strconv.FormatInt(d.Seq, 10), d.Field, d.Salt, value, d.Hash)
		})
		if err != nil {
			return err
		}
	}
	if err := b.w.Flush(); err != nil {
		return err
	}
	// excelize would make the whole file in memory first, unless the zip writer writes elsewhere.
	b.f.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(w) })
	return b.f.Write(io.Discard)
}

// about is what the sheet "about" says after the front: the counts of the days, and the newest tree head.
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
	case errors.Is(err, ErrNoHead):
		return append(rows, nil, []string{"tree head", "none yet"}), nil
	case err != nil:
		return nil, err
	}
	return append(rows, nil, []string{"tree head", h.Origin, "entries", strconv.FormatInt(h.Size, 10), "root", h.Root.String(), "paper", h.Paper()},
		[]string{"signed note", string(h.Note)}), nil
}

// open ends the sheet before and begins another, whose head stays in sight.
func (b *workbook) open(name string, head []string) (err error) {
	if b.w != nil {
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
	if _, err := b.f.NewSheet(name); err != nil {
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
	return b.add(head...)
}

func (b *workbook) add(cells ...string) error {
	if b.row == b.rows {
		if err := b.open(b.name, b.head); err != nil {
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
