package callback

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"gated/table"
)

// Print prints what was drawn, with whom to call.
func Print(w io.Writer, x *Draw) error {
	fmt.Fprintf(w, "%s: %d of %d, drawn by the tree head of %d entries, %s\n", x.Day, len(x.Drawn), x.Of, x.Size, x.ShortRoot)
	t := table.New(w, "PASSAGE\tTIME\tWAY\tCLASS\tHOW\tNAME\tHOST\tCALL\tANSWER")
	for _, c := range x.Drawn {
		how, hosts, whom := c.How+" "+c.Consent, strings.Join(c.Hosts, " "), ""
		if c.How == "by-sight" {
			how += c.Reason
		}
		for _, p := range c.Whom {
			whom += fmt.Sprintf("%s %s; ", p.Name, p.Phone)
		}
		if c.Private {
			hosts = "private: an auditor calls"
		}
		t.Row(c.Passage, c.At.Format("15:04"), c.Direction, c.Class, how, harmless(c.Name), harmless(hosts),
			harmless(strings.TrimSuffix(whom, "; ")), c.Answer)
	}
	return t.Flush()
}

// harmless is what somebody typed, as any terminal can show it.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
