package query

import (
	"cmp"
	"fmt"
	"io"

	"gated/table"
)

// Print tells which rules were tried, and what came of it.
func (f Foretold) Print(out io.Writer) error {
	t := table.New(out, "")
	for _, r := range f.Tried {
		t.Row(r.Rule, cmp.Or(r.Why, "matches"))
	}
	t.Flush()
	d := f.Decision
	fmt.Fprintf(out, "\n%s, reason %s, rule %s\n", d.Verdict, d.Reason, d.Rule)
	if d.Ask != nil {
		fmt.Fprintf(out, "the guard asks %s\n", d.Ask)
	}
	return nil
}

// PrintForetold prints the facts and what Print does.
func PrintForetold(out io.Writer, f Foretold) error {
	fmt.Fprintf(out, "%s\n\n", f.Facts)
	return f.Print(out)
}

// PrintPlan prints what a level would overturn.
func PrintPlan(out io.Writer, list []Overturned) error {
	t := table.New(out, "PEOPLE\tCLASS\tDIRECTION\tNOW\tTHEN\tREASON\tNAME\tTELEPHONE\tWHERE")
	people := 0
	for _, o := range list {
		t.Row(o.People, o.Class, o.Direction, o.Was, o.Is, o.Reason, o.Name, o.Phone, o.Where)
		people += o.People
	}
	t.Flush()
	_, err := fmt.Fprintf(out, "verdicts overturned: %d\n", people)
	return err
}

// PrintTrips prints who is out and is to be back by a time.
func PrintTrips(out io.Writer, list []Away) error {
	t := table.New(out, "ENTRY\tHOUSEHOLD\tNAME\tOUT\tDUE\tOVERDUE")
	late := 0
	for _, o := range list {
		over := "-"
		if o.Overdue {
			over = fmt.Sprintf("%d h %02d min", o.Minutes/60, o.Minutes%60)
			late++
		}
		t.Row(o.Entry, o.Household, o.Name, o.Out, o.Due, over)
	}
	t.Flush()
	_, err := fmt.Fprintf(out, "out=%d overdue=%d\n", len(list), late)
	return err
}
