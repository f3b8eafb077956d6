package view

import (
	"cmp"
	"io"
	"strings"

	"gated/table"
)

// Level is one in force, announced or prepared, and what its notice says, as far as that is not erased.
type Level struct {
	LevelView
	Text string `json:"text,omitempty"`
}

// PrintLevels prints levels, the text of each notice in one line.
func PrintLevels(w io.Writer, list []Level) error {
	t := table.New(w, "ENTRY\tSTATE\tPLACE\tLEVEL\tFROM\tUNTIL\tRESTS ON\tTEXT")
	for _, l := range list {
		t.Row(l.Entry, l.State, cmp.Or(l.Place, "compound"), l.Level, l.From, l.Until, l.RestsOn(),
			strings.Join(strings.Fields(l.Text), " "))
	}
	return t.Flush()
}
