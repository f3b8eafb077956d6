// Package workbook writes tables that a spreadsheet opens.
package workbook

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a sheet and a cell can hold (ECMA-376; Excel specifications and limits).
const (
	sheetRows = 1 << 20
	cellChars = 32767
)

// Book writes a workbook (ECMA-376) sheet after sheet, as it gets the rows: a library for workbooks keeps a sheet in
// memory or in files of its own. Every cell is text: a document number or a plate stays what it was, and nothing is a
// formula.
type Book struct {
	zip    *zip.Writer
	w      *bufio.Writer // of the sheet; its error comes with the next Flush
	sheets []string      // their names, the newest last
	name   string        // of the sheet, without the number of its part
	part   int           // 2 and so on where a sheet was full
	head   []string
	row    int
	most   int // rows that a sheet can hold
}

// New begins one.
func New(w io.Writer) *Book { return &Book{zip: zip.NewWriter(w), most: sheetRows} }

const (
	xmlHead   = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	mainNS    = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	officeNS  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	packageNS = "http://schemas.openxmlformats.org/package/2006/"
	mediaType = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// Sheet ends the sheet before and begins another, whose head, if any, stays in sight.
func (b *Book) Sheet(name string, head []string) error {
	if err := b.endSheet(); err != nil {
		return err
	}
	if name != b.name {
		b.name, b.part = name, 0
	}
	if b.part++; b.part > 1 {
		name += " " + strconv.Itoa(b.part)
	}
	b.sheets, b.head, b.row = append(b.sheets, name), head, 0
	w, err := b.zip.Create(fmt.Sprintf("xl/worksheets/sheet%d.xml", len(b.sheets)))
	if err != nil {
		return err
	}
	b.w = bufio.NewWriterSize(w, 64<<10)
	b.w.WriteString(xmlHead + `<worksheet xmlns="` + mainNS + `">`)
	if head != nil {
		b.w.WriteString(`<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft"` +
			` state="frozen"/></sheetView></sheetViews>`)
	}
	fmt.Fprintf(b.w, `<cols><col min="1" max="%d" width="16" customWidth="1"/></cols><sheetData>`, max(len(head), 8))
	if head == nil {
		return nil
	}
	return b.Row(head...)
}

func (b *Book) endSheet() error {
	if b.w == nil {
		return nil
	}
	b.w.WriteString("</sheetData></worksheet>")
	return b.w.Flush()
}

// Row adds a row to the sheet, or to another one behind it where that is full.
func (b *Book) Row(cells ...string) error {
	if b.row == b.most {
		if err := b.Sheet(b.name, b.head); err != nil {
			return err
		}
	}
	b.row++
	at := strconv.Itoa(b.row)
	b.w.WriteString(`<row r="` + at + `">`)
	for i, c := range cells {
		if c == "" {
			continue
		}
		b.w.WriteString(`<c r="` + column(i) + at + `" t="inlineStr"><is><t xml:space="preserve">`)
		b.text(fitting(c))
		b.w.WriteString("</t></is></c>")
	}
	_, err := b.w.WriteString("</row>")
	return err
}

// column is the name of a column, from 0 on: A to Z, AA and so on.
func column(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return column(i/26-1) + string(rune('A'+i%26))
}

// escaped is how a cell says a character that XML cannot hold (ECMA-376, 22.9.2.19, ST_Xstring); text that only looks so
// gets its first underscore said in this way.
var escaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

func (b *Book) text(s string) {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		c := s[i]
		plain = c >= ' ' && c < utf8.RuneSelf && c != '<' && c != '>' && c != '&' && c != '"' && c != '\'' && c != '_'
	}
	if plain {
		b.w.WriteString(s)
		return
	}
	for at := escaped.FindStringIndex(s); at != nil; at = escaped.FindStringIndex(s) { // one may begin in another's end
		xml.EscapeText(b.w, []byte(s[:at[0]]+"_x005F_"))
		s = s[at[0]+1:]
	}
	xml.EscapeText(b.w, []byte(s)) // what XML cannot hold becomes U+FFFD
}

// Close ends the workbook.
func (b *Book) Close() error {
	if err := b.endSheet(); err != nil {
		return err
	}
	var types, sheets, relations strings.Builder
	for i, name := range b.sheets {
		n := i + 1
		fmt.Fprintf(&types, `<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="%sworksheet+xml"/>`, n, mediaType)
		fmt.Fprintf(&sheets, `<sheet name="%s" sheetId="%d" r:id="rId%d"/>`, name, n, n)
		fmt.Fprintf(&relations, `<Relationship Id="rId%d" Type="%s/worksheet" Target="worksheets/sheet%d.xml"/>`, n, officeNS, n)
	}
	for _, part := range []struct{ name, content string }{
		{"[Content_Types].xml", `<Types xmlns="` + packageNS + `content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + mediaType + `sheet.main+xml"/>` + types.String() + `</Types>`},
		{"_rels/.rels", `<Relationships xmlns="` + packageNS + `relationships"><Relationship Id="rId1" Type="` + officeNS +
			`/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="` + mainNS + `" xmlns:r="` + officeNS + `"><sheets>` + sheets.String() +
			`</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + packageNS + `relationships">` + relations.String() + `</Relationships>`},
	} {
		w, err := b.zip.Create(part.name)
		if err == nil {
			_, err = io.WriteString(w, xmlHead+part.content)
		}
		if err != nil {
			return err
		}
	}
	return b.zip.Close()
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

// BOM tells spreadsheets that a CSV is UTF-8.
const BOM = "\ufeff"

// Harmless keeps a cell of a CSV from being taken for a formula (OWASP CSV Injection).
func Harmless(cell string) string {
	if first, _ := utf8.DecodeRuneInString(cell); cell != "" && strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}
