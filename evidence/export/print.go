package export

import (
	"fmt"
	"io"
	"time"

	"gated/evidence"
	"gated/register"
	"gated/table"
)

// PrintPassages prints passages that were searched for.
func PrintPassages(w io.Writer, found []register.Passage) error {
	t := table.New(w, "TIME\tLANE\tVERDICT\tREASON\tCLASS\tBY\tPASSAGE\tENTRIES")
	for _, p := range found {
		t.Row(p.At.Format(time.DateTime), p.Lane, p.Verdict, p.Reason, p.Class, p.By, p.ID, fmt.Sprintf("%d to %d", p.First, p.Last))
	}
	return t.Flush()
}

// PrintStats prints when the box was not watching on a day, and the day's counts.
func PrintStats(w io.Writer, r *evidence.Reader, s evidence.Stats) error {
	if err := r.WriteGaps(w, s); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "entries=%d admit=%d refuse=%d hold=%d undecided=%d annulled=%d\n", s.Entries,
		s.Passages["admit"], s.Passages["refuse"], s.Passages["hold"], s.Passages["undecided"], s.Passages["annulled"])
	return err
}
