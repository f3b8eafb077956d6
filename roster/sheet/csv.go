package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// asText is a cell that a program has written as a formula, so that a spreadsheet leaves its digits alone: ="0123".
var asText = regexp.MustCompile(`(?m)(^|[,;|\t])="([^"\r\n]*)"`)

func readCSV(data []byte, known func(cells []string) int) (lines []line, err error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		if data, err = simplifiedchinese.GB18030.NewDecoder().Bytes(data); err != nil || bytes.ContainsRune(data, utf8.RuneError) {
			return nil, refuse("bad-encoding")
		}
	}
	if bytes.IndexByte(data, '\n') < 0 { // as programs for the first Macintosh end their lines
		data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	}
	if bytes.Contains(data, []byte(`="`)) {
		data = asText.ReplaceAll(data, []byte(`$1"$2"`))
	}
	data, comma := separator(data, known)
	r := csvReader(data, comma)
	r.LazyQuotes = false
	number, next := 0, 1 // the spreadsheet's row; the line on which the next one would start
	for {
		record, err := r.read()
		var wrong *csv.ParseError
		switch {
		case err == io.EOF:
			return lines, nil
		case errors.As(err, &wrong):
			return nil, &FaultyRows{Faults: []Fault{{Reason: "bad-quotes", Other: wrong.Line}}, Total: 1}
		case err != nil:
			return nil, err
		}
		start, _ := r.FieldPos(0)
		number += 1 + start - next // empty lines are rows too
		next = start + 1
		l, last := line{number: number}, 0
		for i, text := range record {
			if next += strings.Count(text, "\n"); Trim(text) != "" {
				last = i + 1
			}
		}
		if last > maxCells { // before they are copied: there may be millions
			return nil, refuseAt(number, "too-many-cells")
		}
		for _, text := range record[:last] {
			l.cells = append(l.cells, cell{text: text})
		}
		if lines, err = appendLine(lines, l); err != nil {
			return nil, err
		}
	}
}

// maxLine bounds a row of a CSV file, which is held in memory: there may be a million commas in it, but not thirty.
const maxLine = 1 << 20

// rowReader is a CSV reader whose rows are not longer than maxLine.
type rowReader struct {
	*csv.Reader
	data *bytes.Reader
	left int // of the row
}

func csvReader(data []byte, comma rune) *rowReader {
	r := &rowReader{data: bytes.NewReader(data)}
	r.Reader = csv.NewReader(readerFunc(func(b []byte) (int, error) {
		if r.left < 0 {
			return 0, refuse("line-too-long")
		}
		n, err := r.data.Read(b)
		r.left -= n
		return n, err
	}))
	r.FieldsPerRecord, r.ReuseRecord, r.LazyQuotes, r.Comma = -1, true, true, comma
	return r
}

func (r *rowReader) read() ([]string, error) {
	r.left = maxLine
	return r.Read()
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// separator finds what stands between the cells: what the first line says ("sep=;", as spreadsheets write and honour it), else that
// with which one of the first rows has the most known headings. Semicolons and tabs are written where the comma is a decimal sign,
// and as "text". The line that says it is emptied, so that rows keep their numbers.
func separator(data []byte, known func(cells []string) int) ([]byte, rune) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if line := strings.Trim(strings.TrimRight(string(first), "\r"), `"`); len(line) >= 5 && strings.EqualFold(line[:4], "sep=") {
		if r, n := utf8.DecodeRuneInString(line[4:]); strings.ContainsRune(",;\t|，；", r) && Trim(line[4+n:]) == "" {
			return append([]byte("\n"), rest...), r
		}
	}
	best, most := ',', 0
	for _, comma := range ",;\t|，；" {
		r := csvReader(data, comma)
		for seen := 0; seen < headingRows; {
			record, err := r.read()
			if err != nil {
				break
			}
			if strings.TrimSpace(strings.Join(record, "")) == "" {
				continue
			}
			seen++
			if n := known(record); n > most {
				best, most = comma, n
			}
		}
	}
	return data, best
}

// Write writes rows as CSV with byte order mark, without which spreadsheets misread Chinese.
func Write(w io.Writer, rows []Row) error {
	_, err := io.WriteString(w, "\ufeff")
	c := csv.NewWriter(w)
	c.Write(Headings) // c.Error returns its error
	record := make([]string, len(Headings))
	for _, r := range rows {
		for i, cell := range r.Cells() {
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
