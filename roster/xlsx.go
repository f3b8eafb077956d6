package roster

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// maxUnzipped bounds what a workbook may unpack to: all of it is held in memory while it is read, nothing goes to temporary files.
const maxUnzipped = 64 << 20

var errDamaged = errors.New("sheet is damaged: open the workbook and save it again")

// readXLSX reads the first sheet of a workbook.
func readXLSX(data []byte) (rows []Row, err error) {
	// A workbook that trips the library must not stop the gate.
	defer func() {
		if p := recover(); p != nil {
			rows, err = nil, errors.New("workbook is damaged: open it and save it again as .xlsx")
		}
	}()
	book, err := excelize.OpenReader(bytes.NewReader(data),
		excelize.Options{UnzipSizeLimit: maxUnzipped, UnzipXMLSizeLimit: maxUnzipped, RawCellValue: true})
	if err != nil {
		return nil, fmt.Errorf("open workbook: %w: save it again as .xlsx without password, pictures and other sheets", err)
	}
	defer book.Close()
	odd, err := oddCells(book)
	if err != nil {
		return nil, err
	}
	from1904 := book.WorkBook.WorkbookPr != nil && book.WorkBook.WorkbookPr.Date1904
	sheet, err := book.Rows(book.GetSheetName(0))
	if err != nil {
		return nil, fmt.Errorf("read sheet: %w", err)
	}
	defer sheet.Close()
	var t table
	for number := 1; sheet.Next(); number++ {
		cells, err := sheet.Columns(excelize.Options{RawCellValue: true})
		if err != nil {
			return nil, fmt.Errorf("read sheet, row %d: %w", number, err)
		}
		for i, name := range t.columns {
			if name != "birth_date" || i >= len(cells) || len(cells[i]) > 7 { // 7: "19851005" is a date as it stands
				continue
			}
			if day, err := strconv.ParseFloat(cells[i], 64); err == nil { // days since 1900 or 1904: how a sheet keeps a date
				if date, err := excelize.ExcelDateToTime(day, from1904); err == nil {
					cells[i] = date.Format("2006-01-02")
				}
			}
		}
		if err := t.add(sheetRow{number, cells, odd[number]}); err != nil {
			return nil, err
		}
	}
	if err := sheet.Error(); err != nil {
		return nil, fmt.Errorf("read sheet: %w", err)
	}
	return t.done()
}

// oddCells goes through the first sheet for what excelize's row reader (2.11) keeps to itself: formulas, numbers with more digits
// than the 15 that a spreadsheet keeps, rows and cells beyond all bounds, and XML that breaks off, where it just ends.
// The answer is the reason by row from 1 and position from 0.
func oddCells(book *excelize.File) (map[int]map[int]string, error) {
	part, err := firstSheet(book)
	if err != nil {
		return nil, err
	}
	odd := map[int]map[int]string{}
	mark := func(row, col int, reason string) {
		if odd[row] == nil {
			odd[row] = map[int]string{}
		}
		odd[row][col] = reason
	}
	d := xml.NewDecoder(bytes.NewReader(part))
	row, col, rows := 0, 0, 0
	number, value := false, false // in a cell of type number, in its <v>
	for {
		token, err := d.Token()
		if err == io.EOF {
			return odd, nil
		}
		if err != nil {
			return nil, errDamaged
		}
		switch e := token.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "row":
				before := row
				row, col = row+1, -1
				if n, err := strconv.Atoi(attribute(e, "r")); err == nil {
					row = n
				}
				if row <= before {
					return nil, errDamaged
				}
				if rows++; rows > maxRows+headingRows || row > excelize.TotalRows {
					return nil, fmt.Errorf("more than %d rows: delete the empty ones below the roster", maxRows)
				}
			case "c":
				col++
				if ref := attribute(e, "r"); ref != "" {
					c, r, err := excelize.CellNameToCoordinates(ref)
					if err != nil || r != row {
						return nil, errDamaged
					}
					col = c - 1
				}
				t := attribute(e, "t")
				number = t == "" || t == "n"
			case "f", "v", "is": // an empty cell may stand anywhere
				if col < 0 || col >= maxCells {
					return nil, fmt.Errorf("row %d has more than %d cells: remove what is not a roster", row, maxCells)
				}
				if value = e.Name.Local == "v"; e.Name.Local == "f" {
					mark(row, col, "formula")
				}
			}
		case xml.EndElement:
			value = value && e.Name.Local != "v"
		case xml.CharData:
			if number && value && (spoiltNumber.Match(e) || len(bytes.Trim(e, "0123456789")) == 0 && len(e) > 15) {
				mark(row, col, "number-spoilt")
			}
		}
	}
}

// firstSheet returns the XML of the workbook's first sheet (ECMA-376 part 1, 18.2.19 and part 2, 9.3).
func firstSheet(book *excelize.File) ([]byte, error) {
	var links struct {
		Relationship []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:"Target,attr"`
		}
	}
	read := func(name string) []byte {
		part, _ := book.Pkg.Load(name)
		data, _ := part.([]byte)
		return data
	}
	if book.WorkBook != nil && len(book.WorkBook.Sheets.Sheet) > 0 && xml.Unmarshal(read("xl/_rels/workbook.xml.rels"), &links) == nil {
		for _, link := range links.Relationship {
			if link.ID != book.WorkBook.Sheets.Sheet[0].ID {
				continue
			}
			name := strings.TrimPrefix(link.Target, "/")
			if name == link.Target {
				name = path.Join("xl", name)
			}
			if part := read(name); part != nil {
				return part, nil
			}
		}
	}
	return nil, errors.New("first sheet of the workbook cannot be found: open it and save it again as .xlsx")
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
