package export

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gated/evidence"
	"gated/ledger/entry"
)

// Kind lists the entries of a kind on a day, also those that belong to no passage, in their order.
func Kind(out io.Writer, r *evidence.Reader, day, kind string) error {
	own, err := r.SegmentsOf(day)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENTRY\tTIME\tLANE\tREASON\tREF\tDETAIL")
	for _, s := range own {
		err = errors.Join(err, r.Scan(s.First, s.Last, false, func(e *entry.Entry) error {
			if string(e.Kind) != kind {
				return nil
			}
			var detail []string
			for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
				detail = append(detail, name+"="+e.Detail[name])
			}
			_, err := fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%s\n", e.Seq, e.At.Format(time.DateTime), e.Lane, e.Reason, e.Ref,
				strings.Join(detail, " "))
			return err
		}))
	}
	return errors.Join(err, w.Flush())
}
