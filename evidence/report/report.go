// Package report sums up days for those who run the place.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/durable"
	"gated/evidence"
	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/register"
	"gated/register/paper"
	"gated/roster"
)

// Request is what is asked for, as the flags say it.
type Request struct {
	Report   string // one of Kinds
	Of       string // what it is of: the entry of a sign-on, a unit, a building, a room
	Day      string // of day, visits
	Month    string // of attendance, such as 2026-11
	From, To string // of host: days
	Chat     bool   // of day: one paragraph
	Format   string // one of Formats; "": as the name of Out says, else text
	Language string // zh or en
	Out      string // file; "": standard output
	For, Why string // who gets it, and why
	Dispute  string // of host: a passage that they say was none of theirs

	People       func() (*roster.Snapshot, error)
	PublicHealth func(level string) (bool, error) // whether the basis of a level is public health
}

// ErrNo is an answer: there is no such thing now.
var ErrNo = errors.New("no")

// maxWords is how many characters there are of who gets a report, and why.
const maxWords = 100

// Check refuses what does not go together, and fills in what nobody said.
func (x *Request) Check(now time.Time) (err error) {
	k := KindOf(x.Report)
	byName := strings.TrimPrefix(filepath.Ext(x.Out), ".")
	if x.Format == "" && byName != "" && slices.Contains(strings.Split(Formats, ", "), byName) {
		x.Format = byName
	}
	x.Format = cmp.Or(x.Format, "text")
	if k.Anyway {
		x.Why = cmp.Or(x.Why, x.Report)
	}
	switch {
	case !slices.Contains(strings.Split(Formats, ", "), x.Format):
		return fmt.Errorf("--format %q: want one of %s", x.Format, Formats)
	case x.Format == "xlsx" && x.Out == "":
		return errors.New("--format xlsx: name the file with --out")
	case x.Chat && x.Format != "text":
		return errors.New("--chat is text to paste: leave out --format")
	case x.Language != "zh" && x.Language != "en":
		return fmt.Errorf("--language %q: want zh or en", x.Language)
	case k.Personal && x.Why == "":
		return fmt.Errorf("--why: say why you want the report %s: it names people, and is recorded first", x.Report)
	case x.Report == "unit" && x.For == "":
		return errors.New("--for: say who gets the sheet: it is recorded first")
	}
	for flag, text := range map[string]string{"why": x.Why, "for": x.For} {
		if utf8.RuneCountInString(text) > maxWords || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("--%s: one line of at most %d characters", flag, maxWords)
		}
	}
	if st, serr := os.Stat(x.Out); x.Out != "" && serr == nil && st.IsDir() {
		return fmt.Errorf("--out %s is a directory: name a file", x.Out)
	}
	return x.days(now)
}

// days says which days it is of.
func (x *Request) days(now time.Time) (err error) {
	switch x.Report {
	case "day", "visits":
		x.From, err = evidence.Date("--day", cmp.Or(x.Day, "today"), now)
		x.To = x.From
	case "attendance":
		month, merr := time.Parse("2006-01", cmp.Or(x.Month, now.Format("2006-01")))
		if merr != nil {
			return fmt.Errorf("--month %q: write it as 2026-11", x.Month)
		}
		x.From, x.To = month.Format(time.DateOnly), month.AddDate(0, 1, -1).Format(time.DateOnly)
	case "host":
		x.To = cmp.Or(x.To, "today")
		if x.From == "" {
			x.From = now.AddDate(0, 0, -farBack).Format(time.DateOnly)
		}
		if x.From, err = evidence.Date("--from", x.From, now); err == nil {
			x.To, err = evidence.Date("--to", x.To, now)
		}
		if err == nil {
			_, err = evidence.Selection{From: x.From, To: x.To}.Days()
		}
	default: // as it is now
		x.From, x.To = now.Format(time.DateOnly), now.Format(time.DateOnly)
	}
	return err
}

// How many days before are read to know who is inside, or out.
const (
	nearBack = 3
	farBack  = 31
)

// minute is a time as reports write it.
const minute = "2006-01-02 15:04"

// Write makes the report and writes it. Its file gets its name when it is whole.
func (x *Request) Write(r *evidence.Reader, now time.Time, stdout io.Writer) error {
	t, err := x.Make(r, now)
	if err != nil || x.Out == "" {
		return errors.Join(err, x.print(t, stdout))
	}
	files := durable.NewFiles(x.Out)
	defer files.RemoveAtSignal()()
	f, err := files.Begin("")
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return files.End(t.write(f, x.Format))
}

func (x *Request) print(t *Table, w io.Writer) error {
	if t == nil {
		return nil
	}
	return t.write(w, x.Format)
}

// Make makes the report.
func (x *Request) Make(r *evidence.Reader, now time.Time) (*Table, error) {
	m, err := x.begin(r, now)
	if err == nil {
		err = KindOf(x.Report).make(m)
	}
	if err != nil {
		return nil, err
	}
	return m.t, nil
}

func (x *Request) begin(r *evidence.Reader, now time.Time) (m *making, err error) {
	m = &making{Request: x, r: r, now: now, l: language(x.Language), t: &Table{Name: x.Report, Language: x.Language}}
	if m.size, err = r.Size(); err == nil {
		m.calendar, err = r.Calendar(m.size)
	}
	return m, err
}

// making is a report under way.
type making struct {
	*Request
	r        *evidence.Reader
	now      time.Time
	l        language
	t        *Table
	size     int64 // of the ledger
	calendar evidence.Calendar
	s        *story
	lists    []*passage // of host
	open     bool       // visits that are private are told of, too

	insideFor    time.Duration // see stay
	begins, ends time.Time     // of a shift; zero: it goes on
}

// title gives the report its title: its name, what it is of, and the gate.
func (m *making) title(of string) {
	m.t.Title = harmless(m.l.text("title-"+m.Report) + m.l.text("colon") + of + " · " + m.r.Meta.Gate)
	made := m.l.text("made", m.now.Format(minute))
	if m.For != "" {
		made += m.l.text("made-for", m.For)
	}
	m.t.note(made)
}

// told says whether an entry is of the days that are told of.
func (m *making) told(seq int64) bool {
	day := file.DayOf(m.calendar, seq)
	return m.From <= day && day <= m.To
}

// back is so many days before a day.
func back(day string, days int) string {
	d, _ := time.Parse(time.DateOnly, day)
	return d.AddDate(0, 0, -days).Format(time.DateOnly)
}

// read reads the days From to To, as many as are asked for before and after them, and what was said of them later.
func (m *making) read(before, after int) error {
	first, last := m.calendar.Day(back(m.From, before)).First, m.calendar.Day(back(m.To, -after)).Last
	if err := m.scan(first, last, m.told); err != nil {
		return err
	}
	if err := m.later(last); err != nil {
		return err
	}
	return m.makings(first)
}

// later reads what was said of the days behind an entry, and what was written on paper then and typed behind it. While the box was off
// all day that is about the next day that there is, or stands there.
func (m *making) later(last int64) error {
	var own []file.Segment
	for _, s := range m.calendar {
		if m.From <= s.Day && s.Day <= m.To {
			own = append(own, s)
		}
	}
	if i := slices.IndexFunc(m.calendar, func(s file.Segment) bool { return s.First > last && s.Day > m.To }); len(own) == 0 && i >= 0 {
		own = m.calendar[i : i+1]
	}
	for _, s := range own {
		err := m.r.ScanPersonal(max(s.First, last+1), min(s.Last, m.size), func(e *entry.Entry, unseen bool) error {
			if e.Detail[paper.Written] != "" {
				m.s.add(e, unseen)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	later, err := m.r.LaterThan(own)
	if err != nil {
		return err
	}
	later = slices.DeleteFunc(later, func(seq int64) bool {
		return seq <= last || seq > m.size || slices.ContainsFunc(own, func(s file.Segment) bool { return s.First <= seq && seq <= s.Last })
	})
	return m.r.ScanSome(later, func(e *entry.Entry) {
		if m.begins.IsZero() || e.Detail[paper.Written] != "" { // of a shift else its own entries count
			m.s.add(e, false)
		}
	})
}

// within says whether a time is of the days that are told of, or of the shift.
func (m *making) within(at time.Time) bool {
	if !m.begins.IsZero() {
		return !at.Before(m.begins) && (m.ends.IsZero() || at.Before(m.ends))
	}
	day := at.Format(time.DateOnly)
	return m.From <= day && day <= m.To
}

// scan reads entries from the first on, of which own are told of.
func (m *making) scan(first, last int64, own func(seq int64) bool) error {
	m.s = newStory(own)
	m.s.within = m.within
	m.s.stay = m.insideFor
	m.s.all = m.Report == "day" || m.Report == "shift" || m.Report == "window"
	return m.r.ScanPersonal(first, min(last, m.size), func(e *entry.Entry, unseen bool) error {
		m.s.add(e, unseen)
		return nil
	})
}

// stay is for how many days somebody counts as inside: whoever came before is unknown, and nothing older needs to be read.
func (m *making) stay() (days int, err error) {
	for to := m.size; to > 0 && m.insideFor == 0 && err == nil; to -= chunk {
		err = m.r.OfKind(max(to-chunk+1, 1), to, func(e *entry.Entry) error {
			if d, err := time.ParseDuration(e.Detail[register.InsideFor]); err == nil {
				m.insideFor = d
			}
			return nil
		}, entry.Start, register.Settings)
	}
	if days = int(m.insideFor.Hours()/24) + 1; m.insideFor == 0 || days > farBack {
		days = farBack
	}
	return max(days, nearBack), err
}

// chunk is how many entries are looked through at a time for one that was written long before.
const chunk = 100_000

// makings finds how the visits were made that passed, and whose making is older than the first entry that was read.
func (m *making) makings(first int64) error {
	missing := map[string]bool{}
	for id, v := range m.s.visits {
		if !v.known {
			missing[id] = true
		}
	}
	var seqs []int64
	for to := first - 1; to > 0 && len(missing) > 0; to -= chunk {
		err := m.r.OfKind(max(to-chunk+1, 1), to, func(e *entry.Entry) error {
			if id := e.Detail["visit"]; missing[id] && e.Reason != "reprinted" && e.Reason != "ended" {
				seqs = append(seqs, e.Seq)
				delete(missing, id)
			}
			return nil
		}, kindVisit)
		if err != nil {
			return err
		}
	}
	return m.r.ScanSome(seqs, func(e *entry.Entry) { m.s.visits[e.Detail["visit"]].take(e, false) })
}

// gone says how much of what is told of was erased, or cannot be read here.
func (m *making) gone() {
	if n := len(m.s.erased); n > 0 {
		m.t.note(m.l.text("erased", n))
	}
	if m.s.hidden > 0 {
		m.t.note(m.l.text("hidden", m.s.hidden))
	}
}

// heads is a number of people, where it is not one.
func heads(n int) string {
	if n == 1 {
		return ""
	}
	return "×" + strconv.Itoa(n)
}
