package roster

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
)

// Errors that callers decide by.
var (
	ErrNotFound = errors.New("not in the roster")
	ErrReadOnly = errors.New("roster is open for reading only")
)

// Fault is one thing wrong with a roster file. It repeats nothing personal: it says where to look.
type Fault struct {
	Row    int    `json:"row"`             // as a spreadsheet counts them, from 1
	Column string `json:"column"`          // English heading such as id_number, or "column C" where the heading itself is at fault
	Reason string `json:"reason"`          // stable word, the first column of faults.csv
	Other  int    `json:"other,omitempty"` // the other row of a pair
}

// Line says where something is wrong, what, and what to do about it, in Chinese for "zh" and "zh-…", else in English.
func (f Fault) Line(language string) string {
	t, ok := faultTexts[f.Reason]
	if !ok {
		t = [4]string{f.Reason, "correct the cell", f.Reason, "请更正该单元格"}
	}
	line, columns := fmt.Sprintf("row %d, %s: %s: %s", f.Row, f.Column, t[0], t[1]), strings.Join(headings, ", ")
	if strings.HasPrefix(language, "zh") {
		line, columns = fmt.Sprintf("第 %d 行 %s：%s，%s", f.Row, chineseHeading(f.Column), t[2], t[3]), chineseHeadings()
	}
	return strings.NewReplacer("{other}", fmt.Sprint(f.Other), "{headings}", columns).Replace(line)
}

// All faults are counted, so many kept in memory and printed.
const faultsKept, faultsPrinted = 10_000, 50

// FaultyRows is every fault of a file, in the order of its rows. Nothing was imported.
type FaultyRows struct {
	Faults []Fault `json:"faults"` // the first 10,000
	Total  int     `json:"total"`
}

func (e *FaultyRows) add(f Fault) {
	if e.Total++; len(e.Faults) < faultsKept {
		e.Faults = append(e.Faults, f)
	}
}

// Error lists the first 50 faults, one a line.
func (e *FaultyRows) Error() string { return e.Text("en") }

// Text lists the first 50 faults in the language, one a line.
func (e *FaultyRows) Text(language string) string {
	var b strings.Builder
	head, more := "%d faults in the roster file, nothing was imported", "\n… and %d more"
	if strings.HasPrefix(language, "zh") {
		head, more = "名册文件有 %d 处错误，未导入任何内容", "\n……另有 %d 处"
	}
	fmt.Fprintf(&b, head, e.Total)
	printed := min(len(e.Faults), faultsPrinted)
	for _, f := range e.Faults[:printed] {
		b.WriteString("\n" + f.Line(language))
	}
	if e.Total > printed {
		fmt.Fprintf(&b, more, e.Total-printed)
	}
	return b.String()
}

// MassRemoval refuses an import that would take away more than a slip of the mouse should.
type MassRemoval struct {
	Residents int      `json:"residents"` // residents that would go
	Of        int      `json:"of"`        // residents there are now
	Units     []string `json:"units"`     // building-unit of those that would lose all their residents or vanish
	Vehicles  int      `json:"vehicles"`  // vehicles with a service, if every one of them would go
	Need      int      `json:"need"`      // what AllowRemove must be
	Given     int      `json:"given"`
}

func (e *MassRemoval) Error() string {
	text := fmt.Sprintf("import would remove %d of %d residents", e.Residents, e.Of)
	if n := len(e.Units); n > 0 {
		text += ", everyone in unit " + strings.Join(e.Units[:min(n, 10)], ", ")
		if n > 10 {
			text += fmt.Sprintf(" and %d more", n-10)
		}
	}
	if e.Vehicles > 0 {
		text += fmt.Sprintf(", all %d vehicles with a service", e.Vehicles)
	}
	text += fmt.Sprintf(": nothing was imported; if that is meant, say --allow-remove %d", e.Need)
	if e.Given != 0 {
		text += fmt.Sprintf(" (not %d)", e.Given)
	}
	return text
}

//go:embed faults.csv
var faultSheet string

// faultTexts have what is wrong and what to do, in English and in Chinese, by the reason.
var faultTexts = func() map[string][4]string {
	rows, err := csv.NewReader(strings.NewReader(faultSheet)).ReadAll()
	if err != nil {
		panic(err) // the tests read it: cannot happen in a program that was built
	}
	texts := map[string][4]string{}
	for _, r := range rows[1:] {
		texts[r[0]] = [4]string(r[1:])
	}
	return texts
}()
