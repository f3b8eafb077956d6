// Package paper knows which pages of the handover book were printed, which were filled by hand, and which of their lines are entered.
package paper

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/ledger"
	"gated/ledger/file"
)

// Kind of the entries about pages. What a line says stands in entries of a visit and its passages, with the details Line and Written.
const Kind ledger.Kind = "paper"

// Reasons of such an entry.
const (
	Printed = "printed" // so many blank pages, from a first one on
	Filled  = "filled"  // so many lines of a page have been written by hand; what is said last counts
	Entered = "entered" // lines of a page were typed in
)

// Reasons of the verdict of whoever passed while the ledger could take nothing.
const (
	Passed  = "paper"          // by a line
	InFault = "let-in-by-hand" // as a guard said it at the page
)

// ByHand tells whether an entry is of such a passage: no rule judged it, and nothing opened.
func ByHand(e *ledger.Entry) bool { return e.Reason == InFault || e.Detail[Written] != "" }

// Details of entries.
const (
	First   = "first"   // page, of Printed
	Pages   = "pages"   // how many, likewise
	Day     = "day"     // for which the pages are, likewise
	Page    = "page"    // of Filled and Entered
	Lines   = "lines"   // how many, of Filled; which, of Entered, with spaces between
	Line    = "paper"   // of entries that say what a line says: page-line, such as 7-12
	Written = "written" // likewise: the time that the paper says
)

// Bounds.
const (
	LinesOfPage = 25
	MostPages   = 200 // printed at a time
	LastPage    = 999_999
	remembered  = 100 // prints, and pages that are entered whole, of which each line is known
)

// Print is pages that were printed together.
type Print struct {
	First int    `json:"first"`
	Pages int    `json:"pages"`
	Day   string `json:"day"`
}

// Sheet is a page that somebody has written on.
type Sheet struct {
	Told  int           `json:"told"`            // lines, as the gate was told; 0: it was not, or that was taken back
	Day   string        `json:"day,omitempty"`   // on which it was
	Typed map[int]int64 `json:"typed,omitempty"` // the lines that are entered, and the entry that tells so
}

// Waits is how many lines are not entered yet.
func (s Sheet) Waits() int { return max(0, s.Told-len(s.Typed)) }

// Book is never changed in place. It has nothing of what stands on the pages.
type Book struct {
	Next   int           `json:"next,omitempty"` // the newest page that was ever printed
	Prints []Print       `json:"prints,omitempty"`
	Sheets map[int]Sheet `json:"sheets,omitempty"`
	Whole  map[int]int64 `json:"whole,omitempty"` // older pages that are entered whole: the first entry that tells so
}

// After is the book after an entry of its kind.
func (b Book) After(e *ledger.Entry) Book {
	page := number(e.Detail[Page])
	s := b.Sheets[page]
	switch e.Reason {
	case Printed:
		return b.printed(Print{number(e.Detail[First]), number(e.Detail[Pages]), strings.Clone(e.Detail[Day])})
	case Filled:
		s.Told, s.Day = number(e.Detail[Lines]), e.At.Format(time.DateOnly)
		if day := e.Detail[Day]; day != "" { // told again, in a new epoch
			s.Day = strings.Clone(day)
		}
		return b.with(page, s)
	case Entered:
		if s.Typed = maps.Clone(s.Typed); s.Typed == nil {
			s.Typed = map[int]int64{}
		}
		for line := range strings.FieldsSeq(e.Detail[Lines]) {
			s.Typed[number(line)] = e.Seq
		}
		return b.with(page, s)
	}
	return b
}

func number(text string) int { n, _ := strconv.Atoi(text); return n }

// printed is the book with pages more. Those that are told of again, in a new epoch, begin with the first page.
func (b Book) printed(p Print) Book {
	if p.First < 1 || p.Pages < 1 {
		return b
	}
	b.Next = max(b.Next, p.First+p.Pages-1)
	b.Prints = append(slices.Clone(b.Prints), p)
	b.Prints = b.Prints[max(0, len(b.Prints)-remembered):]
	return b
}

// with is the book with another page. Of the oldest that are entered whole nothing but the first entry is kept.
func (b Book) with(page int, s Sheet) Book {
	if page < 1 {
		return b
	}
	b.Sheets = maps.Clone(b.Sheets)
	if b.Sheets == nil {
		b.Sheets = map[int]Sheet{}
	}
	if b.Sheets[page] = s; s.Told == 0 && len(s.Typed) == 0 {
		delete(b.Sheets, page)
	}
	var whole []int
	for _, n := range slices.Sorted(maps.Keys(b.Sheets)) {
		if s := b.Sheets[n]; len(s.Typed) > 0 && s.Waits() == 0 {
			whole = append(whole, n)
		}
	}
	for _, n := range whole[:max(0, len(whole)-remembered)] {
		if b.Whole = maps.Clone(b.Whole); b.Whole == nil {
			b.Whole = map[int]int64{}
		}
		b.Whole[n] = slices.Min(slices.Collect(maps.Values(b.Sheets[n].Typed)))
		delete(b.Sheets, n)
	}
	return b
}

// Name is what names a line.
func Name(page, line int) string { return strconv.Itoa(page) + "-" + strconv.Itoa(line) }

// Typed is the entry that tells of a line; 0: it is not entered. Of a page that was entered whole long ago it is the first one of the page.
func (b Book) Typed(page, line int) int64 {
	if entry := b.Whole[page]; entry != 0 {
		return entry
	}
	return b.Sheets[page].Typed[line]
}

// DayOf is the day for which a page was printed, else that on which the gate was told of it; "": nobody knows.
func (b Book) DayOf(page int) string {
	for _, p := range slices.Backward(b.Prints) {
		if p.First <= page && page < p.First+p.Pages && p.Day != "" {
			return p.Day
		}
	}
	return b.Sheets[page].Day
}

// About is the first entry of the day on which the line was written of which an entry tells, or where there is none of the next day, of
// before it; 0: there is neither.
func About(e *ledger.Entry, days []file.Segment) int64 {
	written := e.Detail[Written]
	for _, g := range days {
		if written != "" && g.First < e.Seq && g.Day >= written[:min(len(written), len(time.DateOnly))] {
			return g.First
		}
	}
	return 0
}

// Waiting is a page of which lines are not entered yet.
type Waiting struct {
	Page  int    `json:"page"`
	Lines int    `json:"lines"` // that many
	Day   string `json:"day"`
}

// Say says so, in Chinese or in English.
func (w Waiting) Say(chinese bool) string {
	switch {
	case chinese:
		return fmt.Sprintf("第 %d 页：%d 行尚未补录", w.Page, w.Lines)
	case w.Lines == 1:
		return fmt.Sprintf("page %d: 1 line is not typed yet", w.Page)
	}
	return fmt.Sprintf("page %d: %d lines are not typed yet", w.Page, w.Lines)
}

// Waiting are those pages, in their order; of a day where one is named.
func (b Book) Waiting(day string) (list []Waiting) {
	for _, n := range slices.Sorted(maps.Keys(b.Sheets)) {
		w := Waiting{n, b.Sheets[n].Waits(), b.DayOf(n)}
		if w.Lines > 0 && (day == "" || day == w.Day) {
			list = append(list, w)
		}
	}
	return list
}

// Again tells of the book in a new epoch: no page number is given twice, and what waits goes on to wait. What is entered stands in
// the epoch before.
func (b Book) Again() (events []ledger.Event) {
	if b.Next == 0 {
		return nil
	}
	ev := func(reason string, detail map[string]string) {
		for name, value := range detail {
			if value == "" {
				delete(detail, name)
			}
		}
		events = append(events, ledger.Event{Kind: Kind, Reason: reason, By: "machine", Detail: detail})
	}
	ev(Printed, map[string]string{First: "1", Pages: strconv.Itoa(b.Next)})
	for _, w := range b.Waiting("") {
		ev(Filled, map[string]string{Page: strconv.Itoa(w.Page), Lines: strconv.Itoa(w.Lines), Day: w.Day})
	}
	return events
}
