package ledger

import (
	"bufio"
	"database/sql/driver"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gated/ledger/tlog"
)

// Stats are the counts of one day.
type Stats struct {
	Day      string         `json:"day"`
	Entries  int64          `json:"entries"`
	Passages map[string]int `json:"passages"` // by their latest verdict; hold: still open
}

// Stats counts a day. A passage counts on the day of its first event, once.
func (r *Reader) Stats(day string) (Stats, error) {
	list, err := r.Passages(day)
	if err != nil {
		return Stats{}, err
	}
	return r.count(day, list)
}

func (r *Reader) count(day string, list []*DayPassage) (Stats, error) {
	s := Stats{Day: day, Passages: map[string]int{"admit": 0, "refuse": 0, "hold": 0}}
	own, _, err := r.day(day)
	if err != nil {
		return s, err
	}
	for _, g := range own {
		s.Entries += g.last - g.first + 1
	}
	for _, p := range list {
		s.Passages[p.Verdict]++
	}
	return s, nil
}

// Gap is a time in which the box was not watching.
type Gap struct {
	From, To time.Time
	Cause    string // not-installed, restored, stopped, not-stopped (power or process lost), ledger-fault, silent, no-later-entry
}

// aliveEvery is how far apart two entries of a running box can be: it writes one each hour.
const aliveEvery = time.Hour + 10*time.Minute

// Gaps tells when, on a day, the box was not watching. now bounds a day that is not over.
func (r *Reader) Gaps(day string, now time.Time) ([]Gap, error) {
	w, err := newWatch(day, r.Zone)
	if err != nil {
		return nil, err
	}
	first, last, size, err := r.around(day)
	if err != nil {
		return nil, err
	}
	if err := r.glances(first, last, w.add); err != nil {
		return nil, err
	}
	return w.close(size, now), nil
}

// extract is an export under way.
type extract struct {
	*Reader
	Selection
	days []string
	one  *diary // of the only day, with one row a passage
}

// diary is what an export tells of a day.
type diary struct {
	gaps     []Gap
	passages []*DayPassage
}

func (r *Reader) extract(x Selection) (p *extract, err error) {
	p = &extract{Reader: r, Selection: x}
	if p.days, err = x.Days(); err == nil && len(p.days) == 1 && !x.Events {
		p.one, err = r.diary(x.From, x)
	}
	return p, err
}

func (p *extract) gaps(day string) ([]Gap, error) {
	if p.one != nil {
		return p.one.gaps, nil
	}
	return p.Gaps(day, p.Now)
}

func (p *extract) passages(day string) ([]*DayPassage, error) {
	if p.one != nil {
		return p.one.passages, nil
	}
	return p.Reader.passages(day, p.Personal, nil)
}

// diary reads a day once for both: it is most of the time that an export takes.
func (r *Reader) diary(day string, x Selection) (*diary, error) {
	own, _, err := r.day(day)
	if err != nil {
		return nil, err
	}
	d := &diary{}
	if len(own) != 1 { // no entries, or a clock that was set back
		if d.gaps, err = r.Gaps(day, x.Now); err == nil {
			d.passages, err = r.passages(day, x.Personal, nil)
		}
		return d, err
	}
	w, err := newWatch(day, r.Zone)
	if err != nil {
		return nil, err
	}
	first, last, size, err := r.around(day)
	if err != nil {
		return nil, err
	}
	if err := r.entries(first, own[0].first-1, false, w.add); err != nil {
		return nil, err
	}
	if d.passages, err = r.passages(day, x.Personal, w.add); err != nil {
		return nil, err
	}
	if err := r.entries(w.seq+1, last, false, w.add); err != nil {
		return nil, err
	}
	d.gaps = w.close(size, x.Now)
	return d, nil
}

// around says which entries tell when the box was watching on a day (the day's, one before and one after), and the
// ledger's size then.
func (r *Reader) around(day string) (first, last, size int64, err error) {
	own, before, err := r.day(day)
	if err != nil {
		return 0, 0, 0, err
	}
	if size, err = r.Size(); err != nil {
		return 0, 0, 0, err
	}
	first, last = before, before
	if len(own) > 0 {
		first, last = own[0].first-1, own[len(own)-1].last
	}
	// What the box did at midnight is told by the newest entry before the day that is of its own running: a roster that
	// was changed while it was stopped is not.
	for first = max(first, 1); first > 1; first-- {
		kind := Kind("")
		if err := r.entries(first, first, false, func(e *Entry) error { kind = e.Kind; return nil }); err != nil {
			return 0, 0, 0, err
		}
		if !byCommand[kind] {
			break
		}
	}
	return first, min(last+1, size), size, nil
}

// byCommand are the kinds that a command can record while the daemon is stopped: they do not show that it watched.
var byCommand = map[Kind]bool{Roster: true, KeyChange: true, Epoch: true, Erase: true, Keep: true, Export: true, Backup: true}

// watch tells, from the entries around a day in their order, when the box was not watching.
type watch struct {
	from, to time.Time // the day
	watching bool
	seen     time.Time // until when it watched, or since when it did not
	before   string    // why nothing was watched before the first entry, where that is of the day
	seq      int64
	gaps     []Gap
}

func newWatch(day string, zone *time.Location) (watch, error) {
	from, err := time.ParseInLocation(time.DateOnly, day, zone)
	if err != nil {
		return watch{}, fmt.Errorf("day %q: write it as 2026-11-23", day)
	}
	return watch{from: from, to: from.AddDate(0, 0, 1)}, nil
}

func (w *watch) restart() { *w = watch{from: w.from, to: w.to} }

func (w *watch) note(a, b time.Time, cause string) {
	if a.Before(w.from) {
		a = w.from
	}
	if b.After(w.to) {
		b = w.to
	}
	if b.Sub(a) >= time.Second {
		w.gaps = append(w.gaps, Gap{a.In(w.from.Location()), b.In(w.from.Location()), cause})
	}
}

// silent notes a time in which a watching box should have said something.
func (w *watch) silent(until time.Time) {
	if w.watching && until.Sub(w.seen) > aliveEvery {
		w.note(w.seen, until, "silent")
	}
}

func (w *watch) add(e *Entry) error {
	w.seq = e.Seq
	if e.Seq == 1 {
		w.before = "not-installed"
		if e.Kind == Epoch {
			w.before = "restored"
		}
	}
	switch {
	case e.Kind == Start:
		switch {
		case w.seen.IsZero() && w.before != "":
			w.note(w.from, e.At, w.before)
		case w.watching:
			w.note(w.seen, e.At, "not-stopped")
		case !w.seen.IsZero():
			w.note(w.seen, e.At, "stopped")
		}
		w.watching = true
	case e.Kind == Stop:
		w.silent(e.At)
		w.watching = false
	case e.Kind == Outage:
		a, err1 := time.Parse(time.RFC3339Nano, e.Detail["from"])
		b, err2 := time.Parse(time.RFC3339Nano, e.Detail["to"])
		if err1 != nil || err2 != nil {
			return fmt.Errorf("entry %d: an outage without its times", e.Seq)
		}
		w.silent(a)
		w.note(a, b, e.Reason)
		w.watching = true
	case !w.watching && (!w.seen.IsZero() || w.before != "") && byCommand[e.Kind]:
		return nil
	default:
		w.silent(e.At)
		w.watching = true
	}
	w.seen = e.At
	return nil
}

// close ends the account of a ledger of size entries at now, which bounds a day that is not over.
func (w *watch) close(size int64, now time.Time) []Gap {
	if !now.After(w.from) {
		return []Gap{{w.from, w.to, "not-yet"}}
	}
	to := w.to
	if now.Before(to) {
		to = now
	}
	switch {
	case w.seen.IsZero():
		w.note(w.from, to, "not-installed")
	case w.seq < size: // the entry after the day ended it
	case !w.watching:
		w.note(w.seen, to, "stopped")
	case to.Sub(w.seen) > aliveEvery:
		w.note(w.seen, to, "no-later-entry")
	}
	var gaps []Gap
	for _, g := range w.gaps {
		if g.To.After(to) {
			g.To = to.In(g.To.Location())
		}
		if g.To.Sub(g.From) >= time.Second {
			gaps = append(gaps, g)
		}
	}
	return gaps
}

// WriteGaps writes the gaps as the lines that every export begins with.
func WriteGaps(w io.Writer, m Meta, day string, gaps []Gap) error {
	_, err := fmt.Fprintf(w, "# %s, %s (%s). When the box was not watching: ", m.Gate, day, m.TimeZone)
	if err == nil && len(gaps) == 0 {
		_, err = fmt.Fprint(w, "never.")
	}
	for i, g := range gaps {
		if err == nil {
			sep := "; "
			if i == 0 {
				sep = ""
			}
			_, err = fmt.Fprintf(w, "%s%s to %s (%s)", sep, g.From.Format(time.TimeOnly), g.To.Format(time.DateTime), g.Cause)
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	return err
}

// Selection is what an export covers: whole days in the gate's zone.
type Selection struct {
	From, To string    // 2006-01-02, both inclusive
	Events   bool      // one row an event instead of one a passage
	Personal bool      // with the personal fields that are not erased
	Now      time.Time // bounds a day that is not over
}

// maxDays bounds an export: ten years.
const maxDays = 3660

// Days lists the days of the selection, or says what is wrong with them.
func (x Selection) Days() (days []string, err error) {
	from, err1 := time.Parse(time.DateOnly, x.From)
	to, err2 := time.Parse(time.DateOnly, x.To)
	switch {
	case err1 != nil || err2 != nil:
		return nil, fmt.Errorf("from %q to %q: write days as 2026-11-23", x.From, x.To)
	case to.Before(from):
		return nil, fmt.Errorf("from %s to %s: the last day is before the first", x.From, x.To)
	case to.Sub(from) >= maxDays*24*time.Hour:
		return nil, fmt.Errorf("from %s to %s: at most %d days at a time", x.From, x.To, maxDays)
	}
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		days = append(days, d.Format(time.DateOnly))
	}
	return days, nil
}

// name is the day, or the days, for people.
func (x Selection) name() string {
	if x.From == x.To {
		return x.From
	}
	return x.From + " to " + x.To
}

// ExportJSONL writes the exact records of the days, one a line. What was not watched is told by the start, stop and outage
// records among them; it cannot stand before them, as every line is a record.
func (r *Reader) ExportJSONL(w io.Writer, x Selection) error {
	return r.stretches(x, func(s segment) error {
		return r.records(s.first, s.last, func(lines []byte) error {
			_, err := w.Write(lines)
			return err
		})
	})
}

// stretches calls f for each stretch of entries of the days, in the order of the days.
func (r *Reader) stretches(x Selection, f func(segment) error) error {
	days, err := x.Days()
	if err != nil {
		return err
	}
	for _, day := range days {
		own, _, err := r.day(day)
		if err != nil {
			return err
		}
		for _, s := range own {
			if err := f(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// bom tells spreadsheets that the CSV is UTF-8.
const bom = "\ufeff"

// harmless keeps a cell from being taken for a formula (OWASP CSV Injection).
func harmless(cell string) string {
	if first, _ := utf8.DecodeRuneInString(cell); cell != "" && strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}

// ExportCSV writes the days as a spreadsheet: one row a passage, or one an event.
func (r *Reader) ExportCSV(w io.Writer, x Selection) error {
	p, err := r.extract(x)
	if err != nil {
		return err
	}
	front, err := p.front()
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, 64<<10)
	b.WriteString(bom)
	s := csv.NewWriter(b)
	s.UseCRLF = true // RFC 4180
	row := func(cells ...string) error {
		for i := range cells {
			cells[i] = harmless(cells[i])
		}
		return s.Write(cells)
	}
	for _, cells := range append(front, nil) {
		if err := row(cells...); err != nil {
			return err
		}
	}
	if err := p.table(row); err != nil {
		return err
	}
	s.Flush()
	return errors.Join(s.Error(), b.Flush())
}

// front is what stands before the table: the gate and the days, when the box was not watching, and which later entries
// are about the days.
func (p *extract) front() (rows [][]string, err error) {
	what := "day"
	if len(p.days) > 1 {
		what = "days"
	}
	rows = append(rows, []string{"gate", p.Meta.Gate, what, p.name(), "time zone", p.Meta.TimeZone})
	watched := true
	for _, day := range p.days {
		gaps, err := p.gaps(day)
		if err != nil {
			return nil, err
		}
		for _, g := range gaps {
			watched = false
			rows = append(rows, []string{"not watching", "from", g.From.Format(time.RFC3339), "to", g.To.Format(time.RFC3339), g.Cause})
		}
	}
	if watched {
		rows = append(rows, []string{"not watching", "never"})
	}
	for _, day := range p.days {
		own, _, err := p.day(day)
		if err != nil {
			return nil, err
		}
		later, err := p.laterThan(own)
		if err != nil {
			return nil, err
		}
		for _, seq := range later {
			err := p.entries(seq, seq, false, func(e *Entry) error {
				rows = append(rows, []string{"later entry", strconv.FormatInt(seq, 10), string(e.Kind), e.Reason, e.At.Format(time.RFC3339), "about " + day})
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

var (
	passageHead = []string{"passage", "time", "clock", "lane", "direction", "class", "credential", "proof", "verdict", "reason", "rule", "by", "decided", "entries", "later entries", "policy", "roster"}
	eventHead   = []string{"seq", "time", "clock", "kind", "passage", "lane", "direction", "class", "credential", "proof", "verdict", "reason", "rule", "by", "about", "detail", "policy", "roster"}
)

// table hands the head and then each row to row. Personal fields have columns after the others, named as "personal name".
func (p *extract) table(row func(cells ...string) error) error {
	names, err := p.fieldNames(p.Selection)
	if err != nil {
		return err
	}
	head := passageHead
	if p.Events {
		head = eventHead
	}
	head = slices.Clone(head)
	for _, n := range names {
		head = append(head, "personal "+n)
	}
	if err := row(head...); err != nil {
		return err
	}
	cells := make([]string, 0, len(head))
	add := func(fields []Field) error {
		for _, n := range names {
			i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == n })
			if i < 0 {
				cells = append(cells, "")
				continue
			}
			cells = append(cells, fields[i].Value)
		}
		return row(cells...)
	}
	if p.Events {
		return p.stretches(p.Selection, func(s segment) error {
			return p.entries(s.first, s.last, p.Personal, func(e *Entry) error {
				var detail []string
				for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
					detail = append(detail, k+"="+e.Detail[k])
				}
				about := ""
				if e.Ref != 0 {
					about = strconv.FormatInt(e.Ref, 10)
				}
				cells = append(cells[:0], strconv.FormatInt(e.Seq, 10), e.Time, e.Clock, string(e.Kind), e.Passage, e.Lane, e.Direction, e.Class, e.Credential, e.Proof,
					e.Verdict, e.Reason, e.Rule, e.By, about, strings.Join(detail, " "), e.Policy, e.Record.Roster)
				return add(e.Personal)
			})
		})
	}
	for _, day := range p.days {
		list, err := p.passages(day)
		if err != nil {
			return err
		}
		for _, g := range list {
			var entries, later []string
			for _, seq := range g.Entries {
				entries = append(entries, strconv.FormatInt(seq, 10))
			}
			for _, l := range g.Later {
				later = append(later, fmt.Sprintf("%d %s %s", l.Seq, l.Kind, l.At.Format(time.RFC3339)))
			}
			cells = append(cells[:0], g.ID, g.At.Format(time.RFC3339), g.Clock, g.Lane, g.Direction, g.Class, g.Credential, g.Proof, g.Verdict, g.Reason, g.Rule, g.By,
				g.Decided.Format(time.RFC3339), strings.Join(entries, " "), strings.Join(later, "; "), g.Policy, g.Roster)
			if err := add(g.Personal); err != nil {
				return err
			}
		}
	}
	return nil
}

// disclosing lists the stretches of entries whose personal fields a table shows: those of the days and, for passages,
// the later entries about them.
func (r *Reader) disclosing(x Selection) (all []segment, err error) {
	err = r.stretches(x, func(s segment) error { all = append(all, s); return nil })
	if err != nil || x.Events {
		return all, err
	}
	later, err := r.laterThan(all)
	for _, seq := range later {
		if !slices.ContainsFunc(all, func(s segment) bool { return s.first <= seq && seq <= s.last }) {
			all = append(all, segment{first: seq, last: seq})
		}
	}
	return all, err
}

// fieldNames lists the personal fields that a table has columns for.
func (r *Reader) fieldNames(x Selection) (names []string, err error) {
	if !x.Personal {
		return nil, nil
	}
	stretches, err := r.disclosing(x)
	for _, s := range stretches {
		if err != nil {
			return nil, err
		}
		err = r.c.query(func(v []driver.Value) error {
			if n := text(v[0]); !slices.Contains(names, n) {
				names = append(names, n)
			}
			return nil
		}, "SELECT DISTINCT field FROM personal WHERE seq BETWEEN ? AND ? AND value IS NOT NULL", s.first, s.last)
	}
	slices.Sort(names)
	return names, err
}

// Disclosure is one personal field with what is needed to check it: Hash is HMAC-SHA-256(Salt, Field ‖ 0 ‖ Value), and the
// record of entry Seq has as its personal the SHA-256 over the hashes of all its fields, sorted. Of an erased field only
// the hash is left.
type Disclosure struct {
	Seq   int64   `json:"seq"`
	Field string  `json:"field"`
	Salt  string  `json:"salt,omitempty"` // hex
	Value *string `json:"value,omitempty"`
	Hash  string  `json:"hash"` // hex
}

func (p *personalRow) disclosed(seq int64) Disclosure {
	d := Disclosure{Seq: seq, Field: p.Name, Hash: hex.EncodeToString(p.hash[:])}
	if !p.erased {
		d.Salt, d.Value = hex.EncodeToString(p.salt[:]), &p.Value
	}
	return d
}

// Disclose calls f for every personal field of the entries that an export shows, and checks each of them against its
// record before.
func (r *Reader) Disclose(x Selection, f func(Disclosure) error) error {
	stretches, err := r.disclosing(x)
	if err != nil {
		return err
	}
	rows := map[int64][]personalRow{}
	for _, s := range stretches {
		have := s.first - 1
		err := r.entries(s.first, s.last, false, func(e *Entry) error {
			if e.Seq > have {
				clear(rows)
				have = min(e.Seq+piece-1, s.last)
				if err := r.personalRows(e.Seq, have, rows); err != nil {
					return err
				}
			}
			own := rows[e.Seq]
			if len(own) == 0 && e.Record.Personal == "" {
				return nil
			}
			if commitment(own) != e.Record.Personal {
				return fmt.Errorf("entry %d: its personal fields are not those that its record committed to", e.Seq)
			}
			for i := range own {
				if err := f(own[i].disclosed(e.Seq)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Sheets takes an export table by table, in order, each from its name on.
type Sheets interface {
	Sheet(name string, head []string) error // head nil: the table has none
	Row(cells ...string) error
}

// ExportSheets writes the days as tables: "about" with the gate, the days, when the box was not watching, the counts and
// the tree head; "passages" or "events"; and, with personal fields, "personal" with what is needed to check each.
func (r *Reader) ExportSheets(b Sheets, x Selection) error {
	p, err := r.extract(x)
	if err != nil {
		return err
	}
	front, err := p.front()
	if err != nil {
		return err
	}
	about, err := p.about()
	if err != nil {
		return err
	}
	if err := b.Sheet("about", nil); err != nil {
		return err
	}
	for _, row := range append(front, about...) {
		if err := b.Row(row...); err != nil {
			return err
		}
	}
	name := "passages"
	if x.Events {
		name = "events"
	}
	first := true
	err = p.table(func(cells ...string) error {
		if first {
			first = false
			return b.Sheet(name, cells)
		}
		return b.Row(cells...)
	})
	if err != nil || !x.Personal {
		return err
	}
	if err := b.Sheet("personal", []string{"seq", "field", "salt", "value", "hash"}); err != nil {
		return err
	}
	return r.Disclose(x, func(d Disclosure) error {
		value := ""
		if d.Value != nil {
			value = *d.Value
		}
		return b.Row(strconv.FormatInt(d.Seq, 10), d.Field, d.Salt, value, d.Hash)
	})
}

// about is what the table "about" says after the front: the counts of the days, and the newest tree head.
func (p *extract) about() (rows [][]string, err error) {
	rows = append(rows, nil, []string{"day", "entries", "admit", "refuse", "hold"})
	for _, day := range p.days {
		list, err := p.passages(day)
		if err != nil {
			return nil, err
		}
		s, err := p.count(day, list)
		if err != nil {
			return nil, err
		}
		row := []string{day, strconv.FormatInt(s.Entries, 10)}
		for _, verdict := range []string{"admit", "refuse", "hold"} {
			row = append(row, strconv.Itoa(s.Passages[verdict]))
		}
		rows = append(rows, row)
	}
	h, err := p.Head()
	switch {
	case errors.Is(err, tlog.ErrNoHead):
		return append(rows, nil, []string{"tree head", "none yet"}), nil
	case err != nil:
		return nil, err
	}
	return append(rows, nil, []string{"tree head", h.Origin, "entries", strconv.FormatInt(h.Size, 10), "root", h.Root.String(), "paper", h.ShortRoot()},
		[]string{"signed note", string(h.Note)}), nil
}

// ExportPersonal writes the personal fields of the entries that an export shows, one a line, as Disclosure says.
func (r *Reader) ExportPersonal(w io.Writer, x Selection) error {
	b := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(b)
	lines.SetEscapeHTML(false)
	if err := r.Disclose(x, func(d Disclosure) error { return lines.Encode(d) }); err != nil {
		return err
	}
	return b.Flush()
}

// ExportSQLite copies the whole ledger into a file that is absent or empty, while the daemon writes on, and compares the
// copy's size with the original's. Unless personal, only the hashes of the personal fields are copied.
func (r *Reader) ExportSQLite(path string, personal bool) error {
	size, err := r.Size()
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	if personal {
		err = vacuumInto(r.path, path)
	} else {
		err = copyWithout(r.path, path)
	}
	if err != nil {
		return fmt.Errorf("copy the ledger: %w", err)
	}
	c, err := connect(readerDSN(path))
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	defer c.Close()
	n, err := c.number("SELECT count(*) FROM entry")
	if err == nil && n < size {
		err = fmt.Errorf("it has %d entries, the ledger %d", n, size)
	}
	if err == nil && !personal {
		if n, err = c.number("SELECT count(*) FROM personal WHERE value IS NOT NULL OR salt IS NOT NULL"); err == nil && n > 0 {
			err = fmt.Errorf("%d personal fields are in it", n)
		}
	}
	if err != nil {
		return fmt.Errorf("look into the copy: %w", err)
	}
	return nil
}

func fileURI(path, mode string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode
}

func vacuumInto(from, to string) error {
	c, err := connect(fileURI(from, "ro") + "&_busy_timeout=5000&_error_rc=1")
	if err != nil {
		return err
	}
	return errors.Join(c.exec("VACUUM INTO ?", to), c.Close())
}

// copyWithout copies the tables and then the triggers, so that no personal value touches the disk a second time.
func copyWithout(from, to string) (err error) {
	c, err := connect(fileURI(to, "rwc") + "&_busy_timeout=5000&_error_rc=1&_journal_mode=OFF&_synchronous=OFF")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.exec("ATTACH ? AS original", fileURI(from, "ro")); err != nil {
		return err
	}
	if err := c.exec("BEGIN"); err != nil {
		return err
	}
	var steps []string
	err = c.query(func(v []driver.Value) error {
		name, columns := text(v[1]), "*"
		if name == "personal" {
			columns = "seq, field, NULL, NULL, hash"
		}
		if steps = append(steps, text(v[2])); text(v[0]) == "table" {
			steps = append(steps, fmt.Sprintf("INSERT INTO main.%s SELECT %s FROM original.%[1]s", name, columns))
		}
		return nil
	}, "SELECT type, name, sql FROM original.sqlite_schema WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*' ORDER BY type <> 'table'")
	for _, sql := range append(steps, "COMMIT") {
		if err == nil {
			err = c.exec(sql)
		}
	}
	return err
}
