package pages

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/paper"
	"gated/roster"
	"gated/roster/sheet"
)

// Line is what was typed off one line of a page, as it was typed.
type Line struct {
	Row   int               `json:"row"` // of the file
	Cells map[string]string `json:"cells"`
}

// File are the lines of a file, to be entered.
type File struct {
	Lines    []Line `json:"lines"`
	DryRun   bool   `json:"dry_run"`
	Anyway   bool   `json:"anyway"` // what is only unlikely is entered all the same
	Language string `json:"language"`
}

// Report says what a file comes to. With faults nothing is entered.
type Report struct {
	Lines   int      `json:"lines"`
	Entries int      `json:"entries"`         // that were written, or would be
	First   int64    `json:"first,omitempty"` // the first of them; 0: nothing was written
	Faults  []string `json:"faults,omitempty"`
	Remarks []string `json:"remarks,omitempty"`
	Waiting []string `json:"waiting,omitempty"` // of its pages, what is not entered yet
}

// typed are the columns of a file.
var typed = func() sheet.Columns {
	heads := map[string]string{}
	for _, c := range columns {
		english := strings.ReplaceAll(c.english, " ", "")
		heads[c.name] = strings.ToUpper(strings.Join([]string{c.chinese, english, c.chinese + english, c.also}, " "))
	}
	words := sheet.WordsOf(heads)
	for _, c := range columns {
		delete(words, c.name)
	}
	return sheet.Columns{Heads: words, Needs: []string{"page", "line", "in", "host"}, Times: []string{"day", "in", "out"}}
}()

// headOf is how a column is called in a language.
func headOf(name, language string) string {
	i := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return name
	}
	return sheet.Pick(language, columns[i].english, columns[i].chinese)
}

// errNot is a file that cannot be used, with where and why.
func errNot(err error, language string) error {
	faulty := (*sheet.FaultyRows)(nil)
	if !errors.As(err, &faulty) {
		return err
	}
	text := sheet.Pick(language, "the file cannot be used, nothing was entered", "文件无法使用，未补录任何内容")
	for _, f := range faulty.Faults[:min(len(faulty.Faults), mostTold)] {
		f.Column = headOf(f.Column, language)
		text += "\n" + f.Line(language)
	}
	return errors.Join(errors.New(text), faulty.Unwrap())
}

// mostTold is how many faults are told of a file.
const mostTold = 50

// ReadFile reads a file: CSV in UTF-8 or GB18030, or XLSX, with the heads of the pages in either language.
func ReadFile(path, language string) ([]Line, error) {
	rows, err := sheet.ReadColumns(path, typed)
	return linesOf(rows, err, language)
}

// Read is ReadFile of its content.
func Read(data []byte, language string) ([]Line, error) {
	rows, err := typed.Read(data)
	return linesOf(rows, err, language)
}

func linesOf(rows []sheet.Line, err error, language string) (lines []Line, _ error) {
	faults := sheet.FaultyRows{}
	for _, r := range rows {
		if len(r.Cells) > 0 {
			lines = append(lines, Line{r.Number, r.Cells})
		}
		for _, f := range r.Faults {
			faults.Add(f)
		}
	}
	switch {
	case err != nil:
		return nil, errNot(err, language)
	case faults.Total > 0:
		return nil, errNot(&faults, language)
	case len(lines) == 0:
		return nil, errors.New(sheet.Pick(language, "the file has no lines under its headings", "表头下没有内容"))
	}
	return lines, nil
}

// Enter records what a file says, all of it or nothing, as typed by somebody; people are those of the roster.
func Enter(k Keeper, by string, f File, people *roster.Snapshot) (r Report, err error) {
	r.Lines = len(f.Lines)
	if r.Lines == 0 || r.Lines > file.MaxBatch {
		return r, fmt.Errorf("%d lines: a file has 1 to %d", r.Lines, file.MaxBatch)
	}
	var pages []int
	entries, err := k.OfPaper(func(b paper.Book, now time.Time) ([]ledger.Event, error) {
		if now.IsZero() {
			return nil, errors.New("the clock was never trusted, so nobody knows what is past: set it, then \"gated clock confirm\"")
		}
		c := check{Report: &r, book: b, now: now, people: people, by: by, File: f}
		events := c.events()
		if pages, r.Entries = c.pages, len(events); r.Entries > file.MaxBatch {
			c.fault(0, "these lines make %d entries, and at most %d are written at once: make a file of each two pages",
				"共 %d 条记录，一次最多写入 %d 条：请每两页存一个文件", r.Entries, file.MaxBatch)
		}
		for _, e := range events { // what will wait once they are written
			b = b.After(&ledger.Entry{Record: ledger.Record{Seq: 1, Kind: e.Kind, Reason: e.Reason, Detail: e.Detail}, At: now})
		}
		for _, w := range b.Waiting("") {
			if slices.Contains(pages, w.Page) {
				r.Waiting = append(r.Waiting, w.Say(sheet.Chinese(f.Language)))
			}
		}
		if len(r.Faults) > 0 || f.DryRun {
			return nil, nil
		}
		return events, nil
	})
	if len(entries) > 0 {
		r.First = entries[0].Seq
	}
	return r, err
}

// Print prints it.
func (r Report) Print(w io.Writer, dry bool, language string) error {
	for _, lines := range [][]string{r.Faults, r.Remarks, r.Waiting} {
		for _, l := range lines {
			fmt.Fprintln(w, l)
		}
	}
	if len(r.Faults) > 0 {
		return nil
	}
	said := sheet.Pick(language, "entered: %d lines, %d entries from %d on\n", "已补录 %d 行，记录 %d 条，从 %d 起\n")
	args := []any{r.Lines, r.Entries, r.First}
	if dry {
		said, args = sheet.Pick(language, "%d lines can be entered, as %d entries\n", "可补录 %d 行，记录 %d 条\n"), args[:2]
	}
	_, err := fmt.Fprintf(w, said, args...)
	return err
}

// number is one of a cell; 0: it is none.
func number(cell string, most int) int {
	n, err := strconv.Atoi(strings.TrimPrefix(sheet.Folded(cell), "第"))
	if err != nil || n < 1 || n > most {
		return 0
	}
	return n
}
