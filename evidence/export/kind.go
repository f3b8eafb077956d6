package export

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gated/evidence"
	"gated/ledger/entry"
	"gated/register"
	"gated/table"
)

// Kind lists the entries of a kind on the filter's day that match it by what they say themselves, also those that belong to no passage, in
// their order; with a limit (0: all) the newest. It tells how many of the kind the day has.
func Kind(out io.Writer, r *evidence.Reader, kind string, f register.Filter) (of int, err error) {
	own, err := r.SegmentsOf(f.Day)
	var rows []string
	t := table.New(out, "ENTRY\tTIME\tLANE\tREASON\tREF\tDETAIL")
	for _, s := range own {
		err = errors.Join(err, r.Scan(s.First, s.Last, false, func(e *entry.Entry) error {
			if string(e.Kind) != kind {
				return nil
			}
			of++
			if !f.Match(&register.Passage{Day: f.Day, Verdict: e.Verdict, Reason: e.Reason, Class: e.Class, Lane: e.Lane}) {
				return nil
			}
			var detail []string
			for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
				detail = append(detail, name+"="+e.Detail[name])
			}
			rows = append(rows, fmt.Sprintf("%d\t%s\t%s\t%s\t%d\t%s\n", e.Seq, e.At.Format(time.DateTime), e.Lane, e.Reason, e.Ref,
				strings.Join(detail, " ")))
			if f.Limit > 0 && len(rows) > f.Limit {
				rows = rows[1:]
			}
			return nil
		}))
	}
	_, failed := io.WriteString(t, strings.Join(rows, ""))
	return of, errors.Join(err, failed, t.Flush())
}
