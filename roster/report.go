package roster

import (
	"fmt"
	"io"
	"strings"
)

// Report says what an import did, or would do. It names people: it is for the clerk's terminal, not for logs.
type Report struct {
	Added, Changed, Removed                []Change
	Households, Residents, Staff, Vehicles int    // there are after it, as Counts has them
	NeedAllowRemove                        int    // of a dry run: the number without which the import would be refused; else 0
	Version                                string // of the roster after it; of a dry run, before it
}

// Change is one person, vehicle or household added, changed or removed.
type Change struct {
	Kind      string // person, vehicle or household
	ID        string
	Name      string // name, plate or nothing
	Household string
	Fields    []Field // what changed
}

// Field is a column whose value changed.
type Field struct{ Column, Old, New string }

// Members counts people and vehicles; households are counted as such.
func Members(list []Change) (n int) {
	for _, ch := range list {
		if ch.Kind != "household" {
			n++
		}
	}
	return n
}

// Print says what an import did, or would do. Names go to the clerk's own terminal and nowhere else.
func (r Report) Print(w io.Writer, dry bool) {
	var counts []string
	for _, part := range []struct {
		verb, past string
		list       []Change
	}{{"add", "added", r.Added}, {"change", "changed", r.Changed}, {"remove", "removed", r.Removed}} {
		for _, ch := range part.list {
			if !dry {
				break
			}
			fmt.Fprint(w, part.verb, " ", ch.Kind, " ", ch.ID)
			if ch.Kind != "household" {
				for _, s := range []string{ch.Household, ch.Name} {
					if s != "" {
						fmt.Fprint(w, " ", s)
					}
				}
			}
			for _, f := range ch.Fields {
				fmt.Fprintf(w, "; %s: %q → %q", f.Column, f.Old, f.New)
			}
			fmt.Fprintln(w)
		}
		counts = append(counts, fmt.Sprintf("%d %s", Members(part.list), part.past))
	}
	verb := "imported"
	if dry {
		verb = "dry run, nothing changed"
	}
	fmt.Fprintf(w, "%s: %s; %d households, %d residents, %d staff, %d vehicles\n",
		verb, strings.Join(counts, ", "), r.Households, r.Residents, r.Staff, r.Vehicles)
	if r.NeedAllowRemove > 0 {
		fmt.Fprintf(w, "the import will need --allow-remove %d\n", r.NeedAllowRemove)
	}
}
