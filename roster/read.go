package roster

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Bounds of a roster file. A compound of 2,132 residents makes about 200 KB.
const (
	maxFile  = 32 << 20
	maxRows  = 200_000
	maxCells = 64  // in a row
	maxCell  = 512 // bytes
)

// Row is one row of the property office's file: its cells as written, under the headings of the roster.
// Import checks it; faults that only the file itself shows (a formula, a number cut short) come along.
type Row struct {
	Number       int     `json:"row"` // as a spreadsheet counts them, from 1
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

// headings in the order of an export.
var headings = []string{"id", "building", "unit", "room", "name", "document_type", "id_number", "birth_date", "phone", "class",
	"plate", "service"}

// aliases are the headings that property offices use, the first of each on top in texts; capitals, spaces, stars and remarks in
// brackets do not matter.
var aliases = map[string]string{
	"id": "编号 名册编号 rosterid", "building": "楼栋 楼号 栋 幢 楼 栋号 楼栋号 座", "unit": "单元 单元号", "room": "房号 房间号 房间 室 室号 门牌号",
	"name": "姓名", "document_type": "证件类型 证件种类 documenttype", "id_number": "证件号码 证件号 身份证号 身份证号码 身份证 idnumber document documentnumber",
	"birth_date": "出生日期 birthdate", "phone": "电话 电话号码 联系电话 手机 手机号 手机号码 telephone mobile", "class": "类别 人员类别",
	"plate": "车牌 车牌号 车牌号码", "service": "用途 车辆用途",
	"": "序号 备注 说明 性别 年龄 民族 no no. number remark remarks note notes sex gender age", // not kept: no more is than the gate needs
}

var column = valuesOf(aliases)

func chineseHeading(name string) string {
	if words, ok := aliases[name]; ok && name != "" {
		return strings.Fields(words)[0]
	}
	return name
}

func chineseHeadings() string {
	all := make([]string, len(headings))
	for i, name := range headings {
		all[i] = chineseHeading(name)
	}
	return strings.Join(all, "、")
}

var inBrackets = regexp.MustCompile(`\([^)]*\)`)

// headingOf returns the column that a cell of the heading row names; "" for a column that is not kept.
func headingOf(cell string) (name string, known bool) {
	if len(cell) > maxCell {
		return "", false
	}
	s := inBrackets.ReplaceAllString(strings.ToLower(folded(cell)), "")
	name, known = column[strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n*:", r) {
			return -1
		}
		return r
	}, s)]
	return name, known && s != ""
}

// cells are those of the headings, in their order.
func (r *Row) cells() [12]*string {
	return [...]*string{&r.ID, &r.Building, &r.Unit, &r.Room, &r.Name, &r.DocumentType, &r.Document, &r.BirthDate, &r.Phone, &r.Class,
		&r.Plate, &r.Service}
}

func (r *Row) cell(name string) *string { return r.cells()[slices.Index(headings, name)] }

// ReadFile reads a roster file, CSV or XLSX by its content. A *FaultyRows error tells what is wrong with its headings.
func ReadFile(path string) (rows []Row, err error) {
	var data []byte
	info, err := os.Stat(path) // opening a FIFO would wait for ever
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("not a file: name the CSV or XLSX file itself")
	case info.Size() > maxFile:
		err = errTooLarge
	default:
		data, err = os.ReadFile(path)
	}
	if err == nil {
		rows, err = Read(data)
	}
	if err != nil {
		return nil, fmt.Errorf("read roster file %s: %w", path, err)
	}
	return rows, nil
}

var errTooLarge = fmt.Errorf("larger than %d MiB: a roster is far smaller; remove pictures and other sheets", maxFile>>20)

// Read reads the content of a roster file: CSV in UTF-8 with or without byte order mark, or in GB18030, or the first sheet of an
// XLSX workbook.
func Read(data []byte) ([]Row, error) {
	switch {
	case len(data) > maxFile:
		return nil, errTooLarge
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return readXLSX(data)
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, errors.New("an old .xls file or one with a password: save it as .xlsx without password, or as CSV")
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("neither CSV in UTF-8 or GB18030 nor XLSX: save it as .xlsx, or as CSV UTF-8")
	}
	return readCSV(data)
}

func readCSV(data []byte) ([]Row, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		var err error
		if data, err = simplifiedchinese.GB18030.NewDecoder().Bytes(data); err != nil || bytes.ContainsRune(data, utf8.RuneError) {
			return nil, errors.New("text is neither UTF-8 nor GB18030: save it as .xlsx, or as CSV UTF-8")
		}
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	line, _, _ := bytes.Cut(data, []byte("\n"))
	for _, comma := range ";\t" { // what spreadsheets write where the comma is a decimal sign, and as "text"
		if bytes.ContainsRune(line, comma) && !bytes.ContainsRune(line, ',') {
			r.Comma = comma
		}
	}
	var t table
	number, next := 0, 1 // the spreadsheet's row; the line on which the next one would start
	for {
		record, err := r.Read()
		if err == io.EOF {
			return t.done()
		}
		if err != nil {
			var wrong *csv.ParseError
			if errors.As(err, &wrong) { // its text is about quotes and lines only
				return nil, fmt.Errorf("line %d: %w: check the quotes there, or save the file as .xlsx", wrong.Line, wrong.Err)
			}
			return nil, err
		}
		start, _ := r.FieldPos(0)
		number += 1 + start - next // empty lines are rows too
		next = start + 1
		for _, cell := range record {
			next += strings.Count(cell, "\n")
		}
		if err := t.add(sheetRow{number, record, nil}); err != nil {
			return nil, err
		}
	}
}

// table turns the rows of a sheet into Rows as they come.
type table struct {
	columns []string // by position; "" for those not kept, "?" for those without heading
	waiting []sheetRow
	rows    []Row
	faults  FaultyRows
}

type sheetRow struct {
	number int
	cells  []string
	faults map[int]string // reason by position
}

// headingRows is how many rows may stand above the headings: a title, a date.
const headingRows = 10

func (t *table) add(r sheetRow) error {
	if !slices.ContainsFunc(r.cells, func(c string) bool { return trim(c) != "" }) && len(r.faults) == 0 {
		return nil
	}
	if len(r.cells) > maxCells {
		return fmt.Errorf("row %d has more than %d cells: remove what is not a roster", r.number, maxCells)
	}
	if t.columns != nil {
		return t.row(r)
	}
	known := 0
	for _, cell := range r.cells {
		if name, ok := headingOf(cell); ok && name != "" {
			known++
		}
	}
	r.cells = slices.Clone(r.cells)
	t.waiting = append(t.waiting, r)
	switch {
	case known >= 2:
		t.waiting = t.waiting[len(t.waiting)-1:]
		return t.begin()
	case len(t.waiting) == headingRows:
		return t.begin()
	}
	return nil
}

// begin takes the first row that waits for the headings. If they are none, as no better ones were found, their faults are told.
func (t *table) begin() error {
	t.head(t.waiting[0])
	for _, r := range t.waiting[1:] {
		if err := t.row(r); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) head(r sheetRow) {
	t.columns = []string{}
	for i, cell := range r.cells {
		name, known := headingOf(cell)
		switch {
		case trim(cell) == "":
			name = "?"
		case !known:
			name = "?"
			t.faults.add(Fault{Row: r.number, Column: "column " + letter(i), Reason: "unknown-heading"})
		case name != "" && slices.Contains(t.columns, name):
			t.faults.add(Fault{Row: r.number, Column: name, Reason: "duplicate-heading"})
		}
		t.columns = append(t.columns, name)
	}
	if !slices.Contains(t.columns, "room") {
		t.faults.add(Fault{Row: r.number, Column: "room", Reason: "missing-heading"})
	}
	if !slices.Contains(t.columns, "name") && !slices.Contains(t.columns, "plate") {
		t.faults.add(Fault{Row: r.number, Column: "name", Reason: "missing-heading"})
	}
}

func (t *table) row(r sheetRow) error {
	if len(t.rows) == maxRows {
		return fmt.Errorf("more than %d rows: a roster is far smaller", maxRows)
	}
	row := Row{Number: r.number}
	fault := func(column, reason string) {
		row.Faults = append(row.Faults, Fault{Row: r.number, Column: column, Reason: reason})
	}
	for i := range max(len(r.cells), len(t.columns)) {
		name, cell := "?", ""
		if i < len(t.columns) {
			name = t.columns[i]
		}
		if i < len(r.cells) {
			cell = trim(r.cells[i])
		}
		reason, faulty := r.faults[i]
		switch {
		case name == "":
		case name == "?" && cell != "":
			fault("column "+letter(i), "extra-cell")
		case name == "?":
		case faulty:
			fault(name, reason)
		case len(cell) > maxCell:
			fault(name, "cell-too-long")
		default:
			*row.cell(name) = strings.Clone(cell)
		}
	}
	t.rows = append(t.rows, row)
	return nil
}

func (t *table) done() ([]Row, error) {
	if t.columns == nil {
		if len(t.waiting) == 0 {
			return nil, errors.New("empty: it needs a row of headings such as " + strings.Join(headings, ","))
		}
		if err := t.begin(); err != nil {
			return nil, err
		}
	}
	if t.faults.Total > 0 {
		return nil, &t.faults
	}
	if len(t.rows) == 0 {
		return nil, errors.New("no rows under the headings")
	}
	return t.rows, nil
}

// letter is how a spreadsheet calls its columns, from 0: A, B … Z, AA.
func letter(i int) string {
	name, _ := excelize.ColumnNumberToName(i + 1) // there are 16,384
	return name
}

// writeRows writes rows as CSV with byte order mark, without which spreadsheets misread Chinese.
func writeRows(w io.Writer, rows []Row) error {
	_, err := io.WriteString(w, "\ufeff")
	c := csv.NewWriter(w)
	c.Write(headings) // its error is kept and told by c.Error
	record := make([]string, len(headings))
	for _, r := range rows {
		for i, cell := range r.cells() {
			record[i] = *cell
		}
		c.Write(record)
	}
	c.Flush()
	if err := errors.Join(err, c.Error()); err != nil {
		return fmt.Errorf("export roster: %w", err)
	}
	return nil
}
