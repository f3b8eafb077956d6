// Package table prints lists in columns, for people at a terminal.
package table

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Table is one that is being printed; Flush ends it.
type Table struct{ *tabwriter.Writer }

// New begins a table with a heading, which has tabs between its columns; it may be empty.
func New(w io.Writer, heading string) Table {
	t := Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if heading != "" {
		t.Row(heading)
	}
	return t
}

// Row adds a row. A time is printed to the minute, a zero one as a hyphen.
func (t Table) Row(cells ...any) {
	for i, cell := range cells {
		if at, is := cell.(time.Time); is && at.IsZero() {
			cell = "-"
		} else if is {
			cell = at.Format("2006-01-02 15:04")
		}
		if i > 0 {
			io.WriteString(t, "\t")
		}
		fmt.Fprint(t, cell)
	}
	io.WriteString(t, "\n")
}
