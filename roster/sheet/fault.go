package sheet

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

// Fault is one thing wrong with a roster file. It repeats nothing personal: it says where to look.
type Fault struct {
	Sheet      string `json:"sheet,omitempty"`  // where the file has several, or hides it
	Hidden     bool   `json:"hidden,omitempty"` // the sheet is
	Row        int    `json:"row,omitempty"`    // as a spreadsheet counts them, from 1; 0 if it is about the file
	Column     string `json:"column,omitempty"` // English heading such as id_number, or "column C" where the heading itself is at fault
	Reason     string `json:"reason"`           // stable word, the first column of faults.csv
	Other      int    `json:"other,omitempty"`  // the other row of a pair
	OtherSheet string `json:"other_sheet,omitempty"`
}

// limits are the numbers in the texts of faults.
var limits = map[string]int{"too-large": maxFile >> 20, "too-many-rows": MaxRows, "too-many-cells": maxCells}

// Line says where something is wrong, what, and what to do about it, in Chinese for "zh" and "zh-…", else in English.
func (f Fault) Line(language string) string {
	t, ok := faultTexts[f.Reason]
	if !ok {
		t = [4]string{f.Reason, "correct the cell", f.Reason, "请更正该单元格"}
	}
	other := Fault{Row: f.Other}
	if f.OtherSheet != f.Sheet {
		other.Sheet = f.OtherSheet
	}
	text := t[0] + ": " + t[1]
	where, between := f.place(language), ": "
	if Chinese(language) {
		text, between = t[2]+"，"+t[3], "："
	}
	if where != "" {
		text = where + between + text
	}
	return strings.NewReplacer("{other}", other.place(language), "{headings}", headings(language),
		"{limit}", strconv.Itoa(limits[f.Reason]), "{line}", strconv.Itoa(f.Other)).Replace(text)
}

// place names sheet, row and column.
func (f Fault) place(language string) string {
	sheet, hidden, row, column, between := "sheet "+f.Sheet, " (hidden)", fmt.Sprintf("row %d", f.Row), f.Column, ", "
	if Chinese(language) {
		sheet, hidden, row, column, between = "工作表“"+f.Sheet+"”", "（隐藏）", fmt.Sprintf("第 %d 行", f.Row), " "+ChineseHeading(f.Column), ""
	}
	var parts []string
	if f.Sheet != "" && f.Hidden {
		sheet += hidden
	}
	if f.Sheet != "" {
		parts = append(parts, sheet)
	}
	if f.Row > 0 {
		parts = append(parts, row)
	}
	if f.Column != "" {
		parts = append(parts, column)
	}
	return strings.TrimSpace(strings.Join(parts, between))
}

// All faults are counted, so many kept in memory and printed.
const faultsKept, faultsPrinted = 10_000, 50

// FaultyRows is every fault of a file, in the order of its rows. Nothing was done.
type FaultyRows struct {
	Faults []Fault `json:"faults"` // the first 10,000
	Total  int     `json:"total"`
	cause  error   // why the file could not be opened
}

// refuse tells what is wrong with a file as a whole.
func refuse(reason string) error { return refuseAt(0, reason) }

func refuseAt(row int, reason string) error {
	return &FaultyRows{Faults: []Fault{{Row: row, Reason: reason}}, Total: 1}
}

func unopened(reason, path string, cause error) error {
	return &FaultyRows{Faults: []Fault{{Reason: reason}}, Total: 1, cause: fmt.Errorf("%s: %w", path, cause)}
}

// Unwrap is why the file could not be opened, or nil.
func (e *FaultyRows) Unwrap() error { return e.cause }

// Add adds a fault.
func (e *FaultyRows) Add(f Fault) {
	if e.Total++; len(e.Faults) < faultsKept {
		e.Faults = append(e.Faults, f)
	}
}

// counted is a number of things, in English.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}

// Error lists the first 50 faults, one a line.
func (e *FaultyRows) Error() string { return e.Text("en") }

// Text lists the first 50 faults in the language, one a line.
func (e *FaultyRows) Text(language string) string {
	var b strings.Builder
	if e.Total == 1 && e.Faults[0].place("en") == "" {
		b.WriteString(Pick(language, "the roster file cannot be used, nothing was done", "名册文件无法使用，未作任何处理"))
	} else {
		b.WriteString(Pick(language, counted(e.Total, "fault")+" in the roster file, nothing was done",
			fmt.Sprintf("名册文件有 %d 处错误，未作任何处理", e.Total)))
	}
	if e.cause != nil {
		fmt.Fprintf(&b, " (%v)", e.cause)
	}
	printed := min(len(e.Faults), faultsPrinted)
	for _, f := range e.Faults[:printed] {
		b.WriteString("\n" + f.Line(language))
	}
	if e.Total > printed {
		fmt.Fprintf(&b, Pick(language, "\n… and %d more", "\n……另有 %d 处"), e.Total-printed)
	}
	return b.String()
}

//go:embed faults.csv
var faultSheet string

// Known tells whether there is a fault of this reason.
func Known(reason string) bool { return faultTexts[reason] != [4]string{} }

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
