package report

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Kind is a report that there is.
type Kind struct {
	Name, Of string // Of: what it may be of, or must be where that is not in brackets
	About    string
	Personal bool   // it names people: it is an export
	Anyway   bool   // lives may hang on it: it is made also where it cannot be recorded first
	flags    string // what it understands besides
	make     func(*making) error
}

// Kinds are all of them. Another one is a line here.
var Kinds = []Kind{
	{"day", "", "one day in figures; with --chat in one paragraph", false, false, "day chat", (*making).day},
	{"shift", "[ENTRY]", "the same of a shift: the newest, or the one that a sign-on began", false, false, "chat", (*making).shift},
	{"visits", "", "the visits of a day: who agreed, when they came and left", true, false, "day", (*making).visitList},
	{"attendance", "", "a month of those with standing passes and of the staff: days and hours", true, false, "month",
		(*making).attendance},
	{"overdue", "", "visits and residents who were to be out, or back, by now", true, false, "", (*making).overdue},
	{"unit", "PLACE", "a sheet for who looks after a building, a unit or some flats, at levels for public health only", true, false, "",
		(*making).unit},
	{"rollcall", "[BUILDING]", "who is inside, by building, for a fire", true, true, "", (*making).rollcall},
	{"host", "ROOM", "who was let in to a household or a body, or as one of it without a code", true, false, "from to dispute",
		(*making).host},
}

// KindOf looks a report up.
func KindOf(name string) (k Kind) {
	if i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name }); i >= 0 {
		k = Kinds[i]
	}
	return k
}

// Use is how the command is written.
func (k Kind) Use() string { return strings.TrimSpace(k.Name + " " + k.Of) }

// Args are how many arguments it takes at least and at most.
func (k Kind) Args() (least, most int) {
	switch {
	case k.Of == "":
		return 0, 0
	case strings.HasPrefix(k.Of, "["):
		return 0, 1
	}
	return 1, 1
}

// Flags are those by which the request is made.
func (x *Request) Flags(f *pflag.FlagSet) {
	k := KindOf(x.Report)
	f.StringVar(&x.Format, "format", "", Formats+" (default: as the file's name ends, else text)")
	f.StringVar(&x.Language, "language", x.Language, "zh or en (default: that of the terminal)")
	f.StringVar(&x.Out, "out", "", "file to write; it appears only when it is whole (default: standard output)")
	f.StringVar(&x.For, "for", "", "who gets it; it stands on the report")
	if k.Personal {
		f.StringVar(&x.Why, "why", "", "why you want it, in your own words: it is recorded")
	}
	for _, flag := range strings.Fields(k.flags) {
		switch flag {
		case "day":
			f.StringVar(&x.Day, flag, "today", "the day: 2026-11-23, today or yesterday")
		case "chat":
			f.BoolVar(&x.Chat, flag, false, "in one paragraph, to paste into a chat")
		case "month":
			f.StringVar(&x.Month, flag, "", "the month: 2026-11 (default: this one)")
		case "from":
			f.StringVar(&x.From, flag, "", "the first day (default: a month ago)")
		case "to":
			f.StringVar(&x.To, flag, "", "the last day (default: today)")
		case "dispute":
			f.StringVar(&x.Dispute, flag, "", "record that the host says that this passage of the report was none of theirs")
		}
	}
}
