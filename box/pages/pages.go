// Package pages is the handover book on paper: blank pages to print, and what was written on them, to be entered.
package pages

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"time"

	"gated/ledger"
	"gated/register/paper"
)

// Keeper keeps the book of pages: it records what draft makes of that, all of it or nothing.
type Keeper interface {
	OfPaper(draft func(b paper.Book, now time.Time) ([]ledger.Event, error)) ([]ledger.Entry, error)
}

// Blank are pages that were printed now, and of which gate.
type Blank struct {
	paper.Print
	Gate string `json:"gate"`
}

// Count counts pages of a gate on, for a day: no number is given twice.
func Count(k Keeper, gate, by string, p paper.Print) (Blank, error) {
	if day, err := time.Parse(time.DateOnly, p.Day); err != nil || day.Year() < 2020 {
		return Blank{}, fmt.Errorf("--day %.20q: write the day for which they are, as 2026-11-23", p.Day)
	}
	if p.Pages < 1 || p.Pages > paper.MostPages {
		return Blank{}, fmt.Errorf("--pages %d: write how many, 1 to %d", p.Pages, paper.MostPages)
	}
	_, err := k.OfPaper(func(b paper.Book, _ time.Time) ([]ledger.Event, error) {
		if p.First = b.Next + 1; p.First+p.Pages > paper.LastPage {
			return nil, fmt.Errorf("page %d is the last that there is", paper.LastPage)
		}
		return []ledger.Event{{Kind: paper.Kind, Reason: paper.Printed,
			Detail:   map[string]string{paper.First: strconv.Itoa(p.First), paper.Pages: strconv.Itoa(p.Pages), paper.Day: p.Day},
			Personal: []ledger.Field{{Name: "by", Value: by}}}}, nil
	})
	return Blank{p, gate}, err
}

// column is one of a page, and of a file that says what was written there.
type column struct {
	name             string
	chinese, english string
	wide             string // on the page
	also             string // what else is written over it in a file
}

// columns are all of them; what is not printed has no width.
var columns = []column{
	{"page", "页", "page", "", "页码 页号 pageno"},
	{"line", "行", "line", "10mm", "行号 lineno no"},
	{"day", "日期", "day", "", "date"},
	{"in", "进", "time in", "18mm", "进入时间 入 进门时间 in timein"},
	{"out", "出", "time out", "18mm", "离开时间 出门时间 out timeout"},
	{"class", "类别", "class", "20mm", "人员类别"},
	{"host", "房号/被访", "host, room", "30mm", "房号 被访 被访人 host room"},
	{"name", "姓名", "name", "28mm", ""},
	{"plate", "车牌", "plate", "28mm", "车牌号"},
	{"consent", "谁同意/方式", "consent", "32mm", "同意 同意方式 谁同意"},
	{"reason", "事由", "reason", "", "来访事由 原因"},
	{"guard", "值班员", "guard", "22mm", "登记人 writer"},
}

//go:embed blank.html
var blankHTML string

var blank = template.Must(template.New("blank").Parse(blankHTML))

// Write writes them as a page to print on A4.
func (b Blank) Write(w io.Writer) error {
	type head struct{ Chinese, English, Wide string }
	var heads []head
	for _, c := range columns {
		if c.wide != "" || c.name == "reason" { // which takes what is left
			heads = append(heads, head{c.chinese, c.english, c.wide})
		}
	}
	var numbers, lines []int
	for n := range b.Pages {
		numbers = append(numbers, b.First+n)
	}
	for n := range paper.LinesOfPage {
		lines = append(lines, n+1)
	}
	return blank.Execute(w, map[string]any{"Gate": b.Gate, "Day": b.Day, "Heads": heads, "Numbers": numbers, "Lines": lines,
		"Empty": heads[1:]})
}
