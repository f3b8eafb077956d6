package marks

import (
	"cmp"
	"io"

	"gated/table"
)

// Named is a mark as it is listed: who it is can be erased.
type Named struct {
	Mark
	Who string `json:"who"`
}

// Print prints marks.
func Print(w io.Writer, list []Named) error {
	t := table.New(w, "ENTRY\tWHO\tWORD\tFROM\tUNTIL\tDAYS\tTIMES")
	for _, m := range list {
		t.Row(m.Entry, m.Who, m.Word, m.From, m.Until, cmp.Or(m.Days, "-"), cmp.Or(m.Times, "-"))
	}
	return t.Flush()
}
