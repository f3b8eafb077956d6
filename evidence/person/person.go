// Package person gives somebody a copy of all that is kept about them.
package person

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gated/durable"
	"gated/evidence/report"
	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/register"
	"gated/roster"

	"github.com/spf13/pflag"
)

// Request is what is asked for: by roster ID, or by the ID of a visit.
type Request struct {
	ID       string
	Out      string // file; "": standard output
	Copy     bool   // they want one
	JSON     bool   // else a page to print
	Why      string
	Language string // zh or en

	Roster string // its file
	Keys   file.Keys
	// Tell calls f for every entry about them, once it is recorded that somebody looked. There may be none where they are known otherwise.
	Tell func(known bool, f func(*entry.Entry) error) error
}

// Copy is all that is kept about one person or vehicle, for that person: what it says of others, such as a host or a guard, is left out.
type Copy struct {
	ID      string            `json:"id"`
	Gate    string            `json:"gate"`
	Made    time.Time         `json:"made"`
	Roster  map[string]string `json:"roster"` // the row; empty: they are not in it
	Passes  []Pass            `json:"passes"`
	Entries []Entry           `json:"entries"`  // of the ledger
	LeftOut int               `json:"left_out"` // fields
	Gone    int               `json:"gone"`     // entries whose personal data was erased, or cannot be read here
}

// Pass is one that was recorded, or revoked.
type Pass struct {
	Serial  string    `json:"serial"`
	Issuer  string    `json:"issuer"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Revoked string    `json:"revoked,omitempty"`
}

// Entry is one of the ledger, with what of it is about the person.
type Entry struct {
	Seq       int64             `json:"seq"`
	At        time.Time         `json:"time"`
	Kind      string            `json:"kind"`
	Passage   string            `json:"passage,omitempty"`
	Direction string            `json:"direction,omitempty"`
	Class     string            `json:"class,omitempty"`
	Verdict   string            `json:"verdict,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	By        string            `json:"by,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
	Own       map[string]string `json:"own,omitempty"`
}

// own are the personal fields that are about whoever passes, and about nobody else.
var own = []string{"subject", "stated_subject", "name", "stated_name", "sighted_name", "document", "sighted_document", "plate",
	"stated_plate", "phone", "code", "pass", "health", "need", "household", "homes", "digits", "to"}

// others begin the answers to questions that are about somebody else, or may be.
const others = "answer_host"

// mine tells whether a personal field is of the person. Who marked, let in or was visited by them, and what somebody noted, is not.
func mine(name string) bool {
	return slices.Contains(own, name) || strings.HasPrefix(name, "answer_") && name != others
}

// take adds an entry. Where it names another subject, as a correction may, its personal fields are not theirs.
func (c *Copy) take(e *entry.Entry) {
	x := Entry{Seq: e.Seq, At: e.At, Kind: string(e.Kind), Passage: e.Passage, Direction: e.Direction, Class: e.Class, Verdict: e.Verdict,
		Reason: e.Reason, By: e.By, Detail: maps.Clone(e.Detail), Own: map[string]string{}}
	subject := cmp.Or(e.Personally("subject"), c.ID)
	for _, f := range e.Personal {
		if subject == c.ID && mine(f.Name) {
			x.Own[f.Name] = f.Value
		} else {
			c.LeftOut++
		}
	}
	if e.Record.Personal != "" && len(e.Personal) == 0 {
		c.Gone++
	}
	text, _ := json.Marshal(x) // what was read lies in memory that is used again
	var kept Entry
	if json.Unmarshal(text, &kept) == nil {
		kept.At = kept.At.In(e.At.Location())
		c.Entries = append(c.Entries, kept)
	}
}

// Make makes the copy, as of a time.
func (x *Request) Make(dir string, now time.Time) (*Copy, error) {
	readers, err := file.OpenEpochs(dir)
	for _, r := range readers {
		defer r.Close()
		if x.Keys != nil {
			r.AskKeys(x.Keys)
		}
	}
	if err != nil {
		return nil, err
	}
	c := &Copy{ID: x.ID, Gate: readers[0].Meta.Gate, Made: now.In(readers[0].Zone).Truncate(time.Second), Roster: map[string]string{},
		Passes: []Pass{}, Entries: []Entry{}}
	is, err := c.row(x.Roster)
	if err != nil {
		return nil, err
	}
	var visits []*entry.Entry
	for _, r := range append(readers[1:], readers[0]) {
		more, err := is.visits(r)
		if err != nil {
			return nil, err
		}
		visits = append(visits, more...)
	}
	known := len(c.Roster) > 0 || len(visits) > 0
	if err := x.Tell(known, func(e *entry.Entry) error { c.take(e); return nil }); err != nil {
		return nil, err
	}
	for _, e := range visits {
		if !slices.ContainsFunc(c.Entries, func(k Entry) bool { return k.Seq == e.Seq && k.At.Equal(e.At) }) {
			c.take(e)
		}
	}
	slices.SortStableFunc(c.Entries, func(a, b Entry) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq)) })
	return c, nil
}

// whose is by what a visit is somebody's own.
type whose struct{ id, name, phone string }

// row is what the roster has.
func (c *Copy) row(path string) (is whose, err error) {
	is.id = c.ID
	s, err := roster.OpenReadOnly(path)
	if err != nil {
		return is, err
	}
	defer s.Close()
	people := s.Snapshot()
	if _, home := people.Household(c.ID); home {
		return is, fmt.Errorf("%w: %s is a household, and a copy is for one person: give a roster ID", report.ErrNo, c.ID)
	}
	if p, known := people.Person(c.ID); known {
		is.name, is.phone = p.Name, p.Phone
		c.Roster = map[string]string{"id": p.ID, "household": p.Household, "name": p.Name, "document_type": p.DocumentType,
			"document": p.Document, "birth_date": p.BirthDate, "phone": p.Phone, "class": p.Class, "others": p.Others}
	} else if v, known := people.Vehicle(c.ID); known {
		c.Roster = map[string]string{"id": v.ID, "household": v.Household, "plate": v.Plate, "service": v.Service}
	}
	maps.DeleteFunc(c.Roster, func(_, value string) bool { return value == "" })
	list, _, err := roster.ListPasses(path)
	for _, p := range list {
		if p.Subject == c.ID {
			c.Passes = append(c.Passes, Pass{p.Serial, p.Issuer, p.NotBefore.In(c.Made.Location()), p.NotAfter.In(c.Made.Location()),
				p.Revoked})
		}
	}
	return is, err
}

// visits are the entries of visits in somebody's own name: of the ID, else of who has both their name and their telephone.
func (is whose) visits(r *file.Reader) (list []*entry.Entry, err error) {
	ids := map[string]bool{is.id: true}
	var seqs []int64
	err = r.ScanPersonal(1, 1<<62, func(e *entry.Entry, _ bool) error {
		id := e.Detail["visit"]
		if id == "" {
			return nil
		}
		if e.Kind == register.Visit && is.names(e) {
			ids[strings.Clone(id)] = true
		}
		if ids[id] {
			seqs = append(seqs, e.Seq)
		}
		return nil
	})
	for _, seq := range seqs {
		if err == nil {
			err = r.Scan(seq, seq, true, func(e *entry.Entry) error { kept := *e; list = append(list, &kept); return nil })
		}
	}
	return list, err
}

// names tells whether the entry of a visit names them.
func (is whose) names(e *entry.Entry) bool {
	return is.name != "" && is.phone != "" && e.Personally("name") == is.name && digits(e.Personally("phone")) == is.phone
}

func digits(phone string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, phone)
}

// Flags are those by which the request is made.
func (x *Request) Flags(f *pflag.FlagSet) {
	f.BoolVar(&x.Copy, "copy", false, "write the copy")
	f.StringVar(&x.Why, "reason", "a copy for the person", "why, in your own words")
	f.BoolVar(&x.JSON, "json", false, "write an object instead of a page to print")
	f.StringVar(&x.Out, "out", "", "file to write, .html or .json; it appears only when it is whole (default: standard output)")
	f.StringVar(&x.Language, "language", x.Language, "zh or en (default: that of the terminal)")
}

// Write makes the copy and writes it. Its file gets its name when it is whole.
func (x *Request) Write(dir string, now time.Time, stdout io.Writer) error {
	if !x.Copy {
		return errors.New("--copy: say that you want all that is kept about them: it is recorded")
	}
	if x.Language != "zh" && x.Language != "en" {
		return fmt.Errorf("--language %q: want zh or en", x.Language)
	}
	if st, err := os.Stat(x.Out); x.Out != "" && err == nil && st.IsDir() {
		return fmt.Errorf("--out %s is a directory: name a file", x.Out)
	}
	c, err := x.Make(dir, now)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return page(c, x.Language, w) }
	if x.JSON || filepath.Ext(x.Out) == ".json" {
		write = func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(c)
		}
	}
	if x.Out == "" {
		return write(stdout)
	}
	files := durable.NewFiles(x.Out)
	defer files.RemoveAtSignal()()
	f, err := files.Begin("")
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return files.End(write(f))
}
