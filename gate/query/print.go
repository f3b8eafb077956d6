package query

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
)

// Print tells which rules were tried, and what came of it.
func (f Foretold) Print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range f.Tried {
		fmt.Fprintf(w, "%s\t%s\n", t.Rule, cmp.Or(t.Why, "matches"))
	}
	w.Flush()
	d := f.Decision
	fmt.Fprintf(out, "\n%s, reason %s, rule %s\n", d.Verdict, d.Reason, d.Rule)
	if d.Ask != nil {
		fmt.Fprintf(out, "the guard asks %s\n", d.Ask)
	}
}

// PrintPlan prints what a level would overturn.
func PrintPlan(out io.Writer, list []Overturned) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PEOPLE\tCLASS\tDIRECTION\tNOW\tTHEN\tREASON\tNAME\tTELEPHONE\tWHERE")
	people := 0
	for _, o := range list {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.People, o.Class, o.Direction, o.Was, o.Is, o.Reason, o.Name,
			o.Phone, o.Where)
		people += o.People
	}
	w.Flush()
	fmt.Fprintf(out, "verdicts overturned: %d\n", people)
}
