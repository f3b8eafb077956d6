// Package police gives the police a window of the register.
package police

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/credential"
	"gated/durable"
	"gated/evidence"
	"gated/evidence/bundle"
	"gated/evidence/report"
	"gated/register/told"
	"gated/roster"

	"github.com/spf13/pflag"
)

// Request is what is asked for, as the flags say it.
type Request struct {
	told.HandOver
	Begins, Ends string // as they were typed
	Long         bool   // more than told.Usual, on purpose
	Out          string // how the names of the files begin
	Language     string // zh or en
	Keep         int64  // the entry that forbids to erase the days
}

// Flags are those by which the request is made.
func (x *Request) Flags(f *pflag.FlagSet) {
	f.StringVar(&x.Begins, "from", "", "when the window begins, such as \"2026-11-23 10:00\"")
	f.StringVar(&x.Ends, "to", "", "when it ends")
	f.StringVar(&x.Room, "room", "", "only who passed for this household or body, such as 3-2-501")
	f.StringVar(&x.Plate, "plate", "", "only the vehicle with this plate")
	f.StringArrayVar(&x.Officers, "officer", nil, "an officer who gets it, with the number of the police card; once for each")
	f.StringVar(&x.Why, "reason", "", "what for, in your own words")
	f.StringVar(&x.Language, "language", x.Language, "zh or en (default: that of the terminal)")
	if !x.Look {
		f.StringVar(&x.Paper, "paper", "", "the paper by which they ask, with its number")
		f.StringVar(&x.Approver, "approver", "", "who of the property approved it")
		f.StringVar(&x.Out, "out", "", "how the names of the files begin, such as police-17")
		f.BoolVar(&x.Long, "long-window", false, "more than two hours, on purpose")
	}
}

// Check says what is wrong with the request, before anything is recorded, and how a room is written.
func (x *Request) Check(people *roster.Snapshot, now time.Time) (err error) {
	x.From, err = credential.Moment("from", x.Begins, now.Location(), now)
	if err == nil {
		x.To, err = credential.Moment("to", x.Ends, now.Location(), now)
	}
	if err != nil {
		return err
	}
	if people != nil { // else it is searched for as it was typed
		if found := people.Find(x.Room); len(found) > 0 && found[0].Household == found[len(found)-1].Household {
			x.Room = found[0].Household
		}
	}
	_, wrong := x.Event("")
	st, there := os.Stat(x.Out)
	switch {
	case x.From.IsZero() || x.To.IsZero():
		return errors.New("--from and --to: say which window they ask about, such as --from \"2026-11-23 10:00\" " +
			"--to \"2026-11-23 11:00\"")
	case x.Language != "zh" && x.Language != "en":
		return fmt.Errorf("--language %q: want zh or en", x.Language)
	case x.To.After(now):
		return errors.New("--to: the window is not over yet")
	case wrong != nil:
		return wrong
	case x.Look:
		return nil
	case !x.Long && x.To.Sub(x.From) > told.Usual:
		return fmt.Errorf("--from and --to: the window has more than %d hours: make it as small as what they ask about, "+
			"or say --long-window", int(told.Usual.Hours()))
	case x.Out == "":
		return errors.New("--out: say how the names of the files begin, such as --out police-17")
	case there == nil && st.IsDir():
		return fmt.Errorf("--out %s is a directory: say how the names of the files in it begin, such as --out %s", x.Out,
			filepath.Join(x.Out, "police-17"))
	case strings.ContainsAny(filepath.Base(x.Out), "\n\r\\"):
		return fmt.Errorf("--out %q: sha256sum cannot name such a file: leave out line breaks and backslashes", x.Out)
	}
	return nil
}

// Write shows the window, or writes its files: they get their names when all of them are whole.
func (x *Request) Write(r *evidence.Reader, now time.Time, stdout io.Writer) error {
	w := report.Window{From: x.From, To: x.To, Room: x.Room, Plate: x.Plate, Language: x.Language, Private: !x.Look}
	t, entries, err := w.Make(r, now)
	if err != nil {
		return err
	}
	if x.Look {
		return t.Write(stdout, "text")
	}
	files := durable.NewFiles(x.Out)
	defer files.RemoveAtSignal()()
	if err := files.End(x.write(r, now, files, t, entries)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "passages=%d entries=%d keep=%d form=%s.html\n", len(t.Rows), len(entries), x.Keep, x.Out)
	return err
}

// write writes the list, the evidence of each day, the form that names them, and their hashes.
func (x *Request) write(r *evidence.Reader, now time.Time, files *durable.Files, t *report.Table, entries []int64) error {
	in := func(suffix string, write func(io.Writer) error) error {
		f, err := files.Begin(suffix)
		if err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		return write(f)
	}
	if err := in(".csv", func(w io.Writer) error { return t.Write(w, "csv") }); err != nil {
		return err
	}
	has := func(seq int64) bool { _, is := slices.BinarySearch(entries, seq); return is }
	days, err := evidence.Selection{From: x.From.In(r.Zone).Format(time.DateOnly), To: x.To.In(r.Zone).Format(time.DateOnly)}.Days()
	for _, day := range days {
		if err == nil {
			err = in("."+day+".zip", func(w io.Writer) error { return bundle.WriteOf(w, r, day, has) })
		}
	}
	if err != nil {
		return err
	}
	f, err := x.form(r, now, files, len(t.Rows), len(entries))
	if err == nil {
		err = in(".html", func(w io.Writer) error { return paper.Execute(w, f) })
	}
	if err != nil {
		return err
	}
	sums, err := files.Sums()
	if err != nil {
		return err
	}
	return in(".sha256", func(w io.Writer) error { _, err := w.Write(sums); return err })
}

//go:embed form.html
var formHTML string

var paper = template.Must(template.New("form").Parse(formHTML))

// form is what both sides sign.
type form struct {
	Language string
	Rows     [][2]string
	Files    [][2]string // name and hash
}

func (x *Request) form(r *evidence.Reader, now time.Time, files *durable.Files, passages, entries int) (f form, err error) {
	f.Language = x.Language
	row := func(name, value string) {
		if value != "" {
			f.Rows = append(f.Rows, [2]string{f.T(name), report.Harmless(value)})
		}
	}
	const minute = "2006-01-02 15:04"
	row("gate", r.Meta.Gate)
	row("made", now.Format(minute))
	row("officers", strings.Join(x.Officers, "; "))
	row("paper", x.Paper)
	row("reason", x.Why)
	row("approver", x.Approver)
	row("window", x.From.In(r.Zone).Format(minute)+" – "+x.To.In(r.Zone).Format(minute))
	row("room", x.Room)
	row("plate", x.Plate)
	if x.Room+x.Plate == "" {
		row("of", f.T("everybody"))
	}
	row("passages", strconv.Itoa(passages))
	row("entries", strconv.Itoa(entries))
	row("keep", strconv.FormatInt(x.Keep, 10))
	h, err := r.Head()
	if err != nil {
		return f, err
	}
	row("head", fmt.Sprintf("%d: %s", h.Size, h.ShortRoot()))
	sums, err := files.Sums()
	for line := range strings.Lines(string(sums)) {
		hash, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		f.Files = append(f.Files, [2]string{name, hash})
	}
	return f, err
}

// words are what people read: Chinese, English.
var words = map[string][2]string{
	"title": {"公安机关调取门岗登记信息交接单", "Hand-over of the gate's register to the police"},
	"gate":  {"门岗", "Gate"}, "made": {"交接时间", "Handed over"}, "officers": {"调取人（姓名、警号）", "Officers, with numbers"},
	"paper": {"调取文书", "By which paper"}, "reason": {"事由", "What for"}, "approver": {"批准人", "Approved by"},
	"window": {"时段", "Window"}, "room": {"仅限住户", "Of this household only"}, "plate": {"仅限车牌", "Of this plate only"},
	"of": {"范围", "Of"}, "everybody": {"该时段全部通行", "whoever passed in that time"},
	"passages": {"通行（条）", "Passages"}, "entries": {"附个人信息的记录（条）", "Entries with personal data"},
	"keep": {"停止删除（记录号）", "Kept from being erased by entry"}, "head": {"登记簿校验码", "Size and short root of the ledger"},
	"files": {"文件", "Files"}, "file": {"名称", "name"},
	"note": {"仅提供上列时段和范围的个人信息；证据包内当日其他记录不含个人信息。证据包可用门岗公钥验证（gated ledger verify）。",
		"Personal data is of this window alone: the day's other entries in the evidence have none. " +
			"The gate's public key checks it (gated ledger verify)."},
	"duty": {"接收人对所接收的个人信息依法保密，不用于其他目的。", "Who gets it keeps it confidential as the law says, and uses it for nothing else."},
	"gave": {"交付人（签名）", "Handed over by (signature)"}, "got": {"接收人（签名、警号）", "Received by (signature, number)"},
	"date": {"日期", "Date"},
}

// T is a text.
func (f form) T(name string) string {
	if f.Language == "zh" {
		return words[name][0]
	}
	return words[name][1]
}
