package pages

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/gate/visit"
	"gated/ledger"
	"gated/register"
	"gated/register/paper"
	"gated/register/visits"
	"gated/roster"
	"gated/roster/sheet"
)

// oldest is how long ago something may have been written: more is a slip, such as the year.
const oldest = 62 * 24 * time.Hour

// Words of the pages that are chosen, by all that is written for them; what is empty is the first of each.
var (
	classes = sheet.WordsOf(map[string]string{"visitor": "访客 来访 探访 客人", "courier": "快递 外卖 快递员 外卖员 delivery", "helper": "家政 保姆 钟点工",
		"contractor": "装修 维修 施工 装修/维修", "taxi": "出租车 网约车"})
	consents = sheet.WordsOf(map[string]string{"none": "无 没有", "gate-called": "门岗致电 电话 门岗电话 phone called", "intercom": "对讲 门禁对讲",
		"own-phone": "来访人电话 本人电话 自述", "in-person": "当面 本人来接", "standing": "长期出入证", "order-shown": "出示订单 订单 order"})
)

// check checks the lines of a file, and makes their entries.
type check struct {
	File
	*Report
	book   paper.Book
	now    time.Time
	people *roster.Snapshot
	by     string

	pages  []int          // that the file is of, in its order
	seen   map[string]int // rows of the lines, by their names
	before map[int]time.Time
	lines  map[int][]string // of the pages
}

func (c *check) say(row int, english, chinese string, args ...any) string {
	text := fmt.Sprintf(sheet.Pick(c.Language, english, chinese), args...)
	if row > 0 {
		text = fmt.Sprintf(sheet.Pick(c.Language, "row %d: ", "第 %d 行数据："), row) + text
	}
	return text
}

func (c *check) fault(row int, english, chinese string, args ...any) {
	if len(c.Faults) < mostTold {
		c.Faults = append(c.Faults, c.say(row, english, chinese, args...))
	}
}

func (c *check) remark(row int, english, chinese string, args ...any) {
	c.Remarks = append(c.Remarks, c.say(row, english, chinese, args...))
}

// doubt is a fault, unless it is to be entered anyway.
func (c *check) doubt(row int, english, chinese string, args ...any) {
	if c.Anyway {
		c.remark(row, english, chinese, args...)
	} else {
		c.fault(row, english+"; --anyway enters it all the same", chinese+"；加 --anyway 仍可补录", args...)
	}
}

// events are the entries of all lines, and after them of each page which lines they are.
func (c *check) events() (events []ledger.Event) {
	c.seen, c.before, c.lines = map[string]int{}, map[int]time.Time{}, map[int][]string{}
	for _, l := range c.File.Lines {
		page, line := number(l.Cells["page"], paper.LastPage), number(l.Cells["line"], paper.LinesOfPage)
		if page == 0 || line == 0 {
			c.fault(l.Row, "page %.20q, line %.20q: write both as they are printed; a page has %d lines", "页 %.20q、行 %.20q：请按打印的填写，每页 %d 行",
				l.Cells["page"], l.Cells["line"], paper.LinesOfPage)
			continue
		}
		if c.twice(l.Row, page, line) {
			continue
		}
		if c.lines[page] == nil {
			c.pages = append(c.pages, page)
			c.page(l.Row, page)
		}
		c.lines[page] = append(c.lines[page], strconv.Itoa(line))
		events = append(events, c.line(l, page, line)...)
	}
	for _, page := range c.pages {
		if told, all := c.book.Sheets[page].Told, len(c.book.Sheets[page].Typed)+len(c.lines[page]); told > 0 && all > told {
			c.doubt(0, "page %d: %d lines, and the gate was told of %d", "第 %d 页：共 %d 行，门岗报的是 %d 行", page, all, told)
		}
		events = append(events, ledger.Event{Kind: paper.Kind, Reason: paper.Entered, Personal: []ledger.Field{{Name: "by", Value: c.by}},
			Detail: map[string]string{paper.Page: strconv.Itoa(page), paper.Lines: strings.Join(c.lines[page], " ")}})
	}
	return events
}

// twice tells whether a line is there already.
func (c *check) twice(row, page, line int) bool {
	name := paper.Name(page, line)
	other, entry := c.seen[name], c.book.Typed(page, line)
	switch {
	case other != 0:
		c.fault(row, "page %d, line %d stands in row %d already", "第 %d 页第 %d 行与第 %d 行数据重复", page, line, other)
	case entry != 0:
		c.fault(row, "page %d, line %d is entered already: entry %d", "第 %d 页第 %d 行已补录：记录 %d", page, line, entry)
	}
	c.seen[name] = cmp.Or(other, row)
	return other != 0 || entry != 0
}

// page tells what is unlikely of a page that is met first.
func (c *check) page(row, page int) {
	if page > c.book.Next {
		c.doubt(row, "page %d was never printed", "第 %d 页从未打印", page)
	} else if c.book.Sheets[page].Told == 0 {
		c.doubt(row, "the gate was never told that page %d is filled", "门岗没有报过第 %d 页", page)
	}
}

// line makes the entries of one: its visit, and a passage each way for which it has a time.
func (c *check) line(l Line, page, line int) (events []ledger.Event) {
	in, out, ok := c.times(l, page)
	if !ok {
		return nil
	}
	written := in
	if in.IsZero() {
		written = out
	}
	if written.Before(c.before[page]) {
		c.remark(l.Row, "%s is before the line above: not in order", "%s 早于上一行：顺序不对", written.Format("15:04"))
	}
	c.before[page] = written
	form, ok := c.form(l)
	if !ok {
		return nil
	}
	id := newID()
	ev, err := form.Event(id, written, c.people)
	if err != nil {
		for _, what := range strings.Split(err.Error(), "\n") {
			c.fault(l.Row, "%s", "%s", what)
		}
		return nil
	}
	maps.Copy(ev.Detail, detail(page, line, written))
	events = []ledger.Event{c.signed(ev, l)}
	for _, way := range []struct {
		direction string
		at        time.Time
	}{{"in", in}, {"out", out}} {
		if way.at.IsZero() {
			continue
		}
		of := ledger.Event{Passage: newID(), Direction: way.direction, Reason: paper.Passed, Detail: detail(page, line, way.at)}
		of.Detail[visits.ID] = id
		begins, passed := of, of
		begins.Kind, begins.Credential, begins.Proof = register.Check, "none", "stated"
		passed.Kind, passed.Class, passed.Verdict, passed.Rule = register.Decided, ev.Class, "admit", paper.Passed
		events = append(events, begins, c.signed(passed, l))
	}
	return events
}

func detail(page, line int, written time.Time) map[string]string {
	return map[string]string{paper.Line: paper.Name(page, line), paper.Written: written.Format(time.RFC3339)}
}

// signed is an event with who wrote the line and who typed it, sealed.
func (c *check) signed(ev ledger.Event, l Line) ledger.Event {
	if guard := tidy(l.Cells["guard"]); guard != "" {
		ev.Personal = append(ev.Personal, ledger.Field{Name: "guard", Value: guard})
	}
	ev.Personal = append(ev.Personal, ledger.Field{Name: "by", Value: c.by})
	return ev
}

// newID is one of a visit, or of a passage, as the gate makes them.
func newID() string { return strings.ToLower(rand.Text()[:16]) }

// form is the visit that a line tells of.
func (c *check) form(l Line) (f visit.Form, ok bool) {
	ok = true
	word := func(column string, words sheet.Words, first string) string {
		w, known := words.Word(cmp.Or(l.Cells[column], first))
		if !known {
			ok = false
			c.fault(l.Row, "%s %.20q is not known: write one of %s", "%s %.20q 无法识别：请填写 %s", headOf(column, c.Language), l.Cells[column],
				strings.Join(named(words), ", "))
		}
		return w
	}
	f = visit.Form{How: visits.WalkIn, Class: word("class", classes, "visitor"), Consent: word("consent", consents, "none"),
		Host: c.host(l.Cells["host"]), Name: tidy(l.Cells["name"]), Plate: tidy(l.Cells["plate"])}
	if reason := tidy(l.Cells["reason"]); reason != "" {
		i := slices.IndexFunc(visit.Purposes, func(w visit.Word) bool {
			return slices.Contains([]string{w.Word, w.Chinese, w.English}, strings.ToLower(reason))
		})
		if f.Purpose = "other"; i >= 0 {
			f.Purpose = visit.Purposes[i].Word
		} else {
			f.Note = reason
		}
	}
	if n := len([]rune(tidy(l.Cells["guard"]))); n > mostName {
		ok = false
		c.fault(l.Row, "guard: a name of %d characters, at most %d", "值班员姓名 %d 个字符，最多 %d 个", n, mostName)
	}
	for _, h := range strings.Fields(f.Host) {
		_, home := c.people.Household(h)
		if !home && !slices.ContainsFunc(visit.Bodies, func(w visit.Word) bool { return w.Word == h }) {
			ok = false
			c.fault(l.Row, "no room %.20q", "没有房号 %.20q", h)
		}
	}
	return f, ok
}

const mostName = 60

// named are the words that each stand for themselves.
func named(words sheet.Words) (list []string) {
	for alias, word := range words {
		if alias == word {
			list = append(list, word)
		}
	}
	slices.Sort(list)
	return list
}

// host are rooms and bodies as they are written on paper: 3-2-501, 物业.
func (c *check) host(cell string) string {
	var hosts []string
	for _, h := range strings.FieldsFunc(sheet.Trim(cell), func(r rune) bool { return strings.ContainsRune(" ,;、，；　", r) }) {
		for _, w := range visit.Bodies {
			if h == w.Chinese || strings.EqualFold(h, w.English) {
				h = w.Word
			}
		}
		if _, is := c.people.Household(strings.ToUpper(h)); is {
			h = strings.ToUpper(h)
		}
		hosts = append(hosts, h)
	}
	return strings.Join(hosts, " ")
}

func tidy(cell string) string { return strings.Join(strings.Fields(cell), " ") }

// times are when somebody went in, and out; zero: that way the line has none.
func (c *check) times(l Line, page int) (in, out time.Time, ok bool) {
	day := cmp.Or(c.day(l.Cells["day"]), c.book.DayOf(page))
	in, ok1 := c.time(l, "in", day)
	if !in.IsZero() {
		day = in.Format(time.DateOnly)
	}
	out, ok2 := c.time(l, "out", day)
	if !ok1 || !ok2 {
		return in, out, false
	}
	if both := !in.IsZero() && !out.IsZero(); both && out.Before(in) && !strings.Contains(sheet.Folded(l.Cells["out"]), " ") {
		out = out.AddDate(0, 0, 1) // past midnight
		c.remark(l.Row, "out at %s the next day", "次日 %s 离开", out.Format("15:04"))
	} else if both && out.Before(in) {
		c.fault(l.Row, "out at %s, in at %s", "离开 %s 早于进入 %s", out.Format(stamp), in.Format(stamp))
		return in, out, false
	} else if in.IsZero() && out.IsZero() {
		c.fault(l.Row, "no time: write 08:15, or 2026-11-23 08:15", "没有时间：请填写 08:15 或 2026-11-23 08:15")
		return in, out, false
	}
	ok = true
	for _, t := range []time.Time{in, out} {
		switch {
		case t.IsZero():
		case t.After(c.now):
			c.fault(l.Row, "%s is in the future", "%s 在将来", t.Format(stamp))
			ok = false
		case c.now.Sub(t) > oldest:
			c.fault(l.Row, "%s is more than %d days ago", "%s 早于 %d 天以前", t.Format(stamp), int(oldest.Hours()/24))
			ok = false
		}
	}
	return in, out, ok
}

const stamp = "2006-01-02 15:04"

// day is one of a cell as people write it; "": it is none.
func (c *check) day(cell string) string {
	for _, form := range []string{time.DateOnly, "2006/1/2", "2006.1.2", "2006年1月2日"} {
		if t, err := time.Parse(form, sheet.Folded(cell)); err == nil {
			return t.Format(time.DateOnly)
		}
	}
	return ""
}

// time is that of a column, on a day unless it names its own.
func (c *check) time(l Line, column, day string) (t time.Time, ok bool) {
	text := sheet.Folded(l.Cells[column])
	if text == "" {
		return t, true
	}
	own, clock, both := strings.Cut(text, " ")
	if !both {
		own, clock = "", text
	} else if own = c.day(own); own == "" {
		clock = ""
	}
	for _, form := range []string{"15:04", "15:04:05", "15.04", "1504", "15点04分", "15时04分"} {
		if at, err := time.Parse(form, clock); err == nil {
			if day = cmp.Or(own, day); day == "" {
				c.fault(l.Row, "%s %.20q: nobody knows the day of this page: write it in front, as 2026-11-23 08:15",
					"%s %.20q：不知道本页是哪一天的，请写成 2026-11-23 08:15", headOf(column, c.Language), text)
				return t, false
			}
			t, err = time.ParseInLocation(time.DateOnly+" 15:04", day+" "+at.Format("15:04"), c.now.Location())
			return t, err == nil
		}
	}
	c.fault(l.Row, "%s %.20q is no time: write 08:15, or 2026-11-23 08:15", "%s %.20q 不是时间：请填写 08:15 或 2026-11-23 08:15",
		headOf(column, c.Language), text)
	return t, false
}
