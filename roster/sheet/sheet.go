// Package sheet reads the office's list.
package sheet

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Bounds of a roster file. A compound of 2,132 residents makes about 200 KB.
const (
	MaxRows  = 200_000 // of a roster
	maxFile  = 32 << 20
	maxCells = 64  // in a row
	maxCell  = 512 // bytes
)

// Row is one row of the property office's file: its cells as written, under the headings of the roster.
// An import checks it; faults that only the file itself shows (a formula, a number cut short) come along.
type Row struct {
	Sheet        string  `json:"sheet,omitempty"`  // where the file has several, or hides it
	Hidden       bool    `json:"hidden,omitempty"` // the sheet is
	Number       int     `json:"row"`              // as a spreadsheet counts them, from 1
	ID           string  `json:"id,omitempty"`
	Building     string  `json:"building,omitempty"`
	Unit         string  `json:"unit,omitempty"`
	Room         string  `json:"room,omitempty"`
	Name         string  `json:"name,omitempty"`
	DocumentType string  `json:"document_type,omitempty"`
	Document     string  `json:"id_number,omitempty"`
	BirthDate    string  `json:"birth_date,omitempty"`
	Phone        string  `json:"phone,omitempty"`
	Class        string  `json:"class,omitempty"`
	Plate        string  `json:"plate,omitempty"`
	Service      string  `json:"service,omitempty"`
	Faults       []Fault `json:"faults,omitempty"`
}

// Cells are those of the Headings, in their order.
func (r *Row) Cells() [12]*string {
	return [...]*string{&r.ID, &r.Building, &r.Unit, &r.Room, &r.Name, &r.DocumentType, &r.Document, &r.BirthDate, &r.Phone, &r.Class,
		&r.Plate, &r.Service}
}

// Cell is the one under a heading.
func (r *Row) Cell(heading string) *string { return r.Cells()[slices.Index(Headings, heading)] }

// List is what a file says, and what of the file that was.
type List struct {
	Rows   []Row
	Sheets []Sheet // all that hold anything, in their order; a CSV file is one without a name
}

// Sheet is what was read of one sheet.
type Sheet struct {
	Name       string
	Hidden     bool
	Unread     bool // it has no headings of a roster
	Rows       int
	HiddenRows int // of Rows
	Filled     int // cells of building, unit and room that lie in a merged range
}

// Summary says what of the file was read, one line for each sheet.
func (l *List) Summary(language string) string {
	var b strings.Builder
	for _, s := range l.Sheets {
		place := Fault{Sheet: s.Name, Hidden: s.Hidden}.place(language)
		if s.Unread {
			fmt.Fprintf(&b, Pick(language, "not read: %s, which has no headings of a roster\n", "未读取%s：没有名册表头\n"), place)
			continue
		}
		if place != "" {
			place = Pick(language, " of ", "") + place
		}
		if Chinese(language) {
			fmt.Fprintf(&b, "已读取%s %d 行", place, s.Rows)
		} else {
			fmt.Fprint(&b, "read: ", counted(s.Rows, "row"), place)
		}
		if s.HiddenRows > 0 {
			fmt.Fprintf(&b, Pick(language, "; %d of them hidden", "，其中隐藏 %d 行"), s.HiddenRows)
		}
		if s.Filled > 0 {
			b.WriteString(Pick(language, "; "+counted(s.Filled, "merged cell")+" filled", fmt.Sprintf("，填充合并单元格 %d 个", s.Filled)))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Bearer is somebody for whom a pass can be issued.
type Bearer struct {
	ID, Kind string // as the pass says them
	Room     string // such as 3-2-501, or nothing
	Name     string // or plate
}

// Bearers are all who are on an exported list, each once: who has several flats has a row for each.
func (l *List) Bearers() (all []Bearer, err error) {
	seen := map[string]bool{}
	for _, r := range l.Rows {
		b := Bearer{ID: r.ID, Kind: "resident", Name: r.Name + r.Plate}
		switch {
		case b.Name == "" || seen[r.ID]: // an empty flat, or another of the same person
			continue
		case r.ID == "":
			return nil, fmt.Errorf("row %d has no roster ID: use what \"gated roster export\" writes", r.Number)
		case r.Plate != "":
			b.Kind = "vehicle"
		case r.Class != "" && r.Class != "resident":
			b.Kind = "staff"
		}
		if r.Building != "" {
			b.Room = r.Building + "-" + r.Unit + "-" + r.Room
		}
		seen[r.ID] = true
		all = append(all, b)
	}
	return all, nil
}

// ReadFile reads a roster file by its content. What is wrong with it is a *FaultyRows; its Unwrap tells of a file that cannot be opened.
func ReadFile(path string) (*List, error) {
	data, err := contentOf(path)
	if err != nil {
		return nil, err
	}
	return Read(data)
}

func contentOf(path string) ([]byte, error) {
	info, err := os.Stat(path) // opening a FIFO would wait for ever
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		return nil, unopened("not-a-file", path, errors.New("not a regular file"))
	case info.Size() > maxFile:
		return nil, refuse("too-large")
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, unopened("no-file", path, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, unopened("no-permission", path, err)
	case err != nil:
		return nil, unopened("not-opened", path, err)
	}
	return data, nil
}

// others are files of other kinds, by how they begin, and which fault tells of them.
var others = []struct{ begin, reason string }{
	{"\xd0\xcf\x11\xe0", "file-old-excel"}, {"\xff\xfe", "file-utf16"}, {"\xfe\xff", "file-utf16"}, {"%PDF", "file-pdf"},
	{"\x89PNG", "file-picture"}, {"\xff\xd8\xff", "file-picture"}, {"GIF8", "file-picture"}, {"BM", "file-picture"}, {`{\rtf`, "file-word"},
	{"Rar!", "file-archive"}, {"7z\xbc\xaf", "file-archive"}, {"\x1f\x8b", "file-archive"}, {"PK", "file-archive"},
	{"\x09\x08", "file-old-excel"}, {"\x09\x04", "file-old-excel"}, {"ID;PWXL", "file-sylk"}, {"ID;PSCALC", "file-sylk"},
	{"MIME-Version:", "file-web-page"},
}

// Read reads the content of a roster file: CSV in UTF-8 with or without byte order mark, or in GB18030, or an XLSX workbook.
func Read(data []byte) (*List, error) {
	sheets, err := grids(data, knownHeadings)
	if err != nil {
		return nil, err
	}
	return assemble(sheets)
}

// grids are the sheets of a file; known counts the cells of a row that are headings.
func grids(data []byte, known func(cells []string) int) ([]*grid, error) {
	if len(data) > maxFile {
		return nil, refuse("too-large")
	}
	if bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		return readWorkbook(data, maxUnzipped)
	}
	for _, o := range others {
		if bytes.HasPrefix(data, []byte(o.begin)) && !(o.begin == "BM" && bytes.IndexByte(data, 0) < 0) {
			return nil, refuse(o.reason)
		}
	}
	begin := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(data[:min(len(data), 4096)], []byte("\ufeff"))))
	switch {
	case bytes.HasPrefix(begin, []byte("<?xml")) && !bytes.Contains(begin, []byte("<html")):
		return nil, refuse("file-xml")
	case bytes.HasPrefix(begin, []byte("<")):
		return nil, refuse("file-web-page")
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, refuse("file-unknown")
	}
	lines, err := readCSV(data, known)
	return []*grid{{lines: lines}}, err
}
