// Package callback draws about which passages of a day the hosts are called back.
package callback

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/evidence"
	"gated/evidence/report"
	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/tlog"
	"gated/register"
	"gated/roster"
)

// Draw is what was drawn of a day.
type Draw struct {
	Day       string `json:"day"`
	Size      int64  `json:"size"` // of the tree head that ended the day
	Root      string `json:"root"` // of that, by which it was drawn
	ShortRoot string `json:"short_root"`
	Of        int    `json:"of"` // so many passages
	Drawn     []Call `json:"drawn"`
}

// Call is a passage that was drawn.
type Call struct {
	Passage   string    `json:"passage"`
	Entry     int64     `json:"entry"` // of the decision
	First     int64     `json:"first"` // of its entries
	At        time.Time `json:"at"`
	Direction string    `json:"direction"`
	Class     string    `json:"class"`
	How       string    `json:"how"` // visit or by-sight
	Reason    string    `json:"reason"`
	Visit     string    `json:"visit,omitempty"`
	Answer    string    `json:"answer,omitempty"` // the newest; disputed: without having been called

	// Filled in by Name.
	Consent string   `json:"consent,omitempty"`
	Private bool     `json:"private,omitempty"` // whose host only an auditor is told
	Name    string   `json:"name,omitempty"`
	Hosts   []string `json:"hosts,omitempty"`
	Whom    []Phone  `json:"whom,omitempty"` // may be called

	sum [sha256.Size]byte
}

// Phone is that of somebody of a household.
type Phone struct {
	Room  string `json:"room"`
	Name  string `json:"name"`
	Phone string `json:"phone"`
}

// Most is how many may be drawn of a day.
const Most = 50

// Make draws n passages of a day that is over: of those that a guard admitted by a visit, deliveries apart, or without a code as
// somebody of the roster, those with the smallest SHA-256 over the root of the tree head that ended the day and the passage's ID. Nobody
// knows that root before the day is over, and whoever has the day's records and its head draws the same.
func Make(r *evidence.Reader, day string, n int) (*Draw, error) {
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	c, err := r.Calendar(size)
	if err != nil {
		return nil, err
	}
	d := c.Day(day)
	if len(d.Own) == 0 {
		return nil, fmt.Errorf("%w: nothing was recorded on %s", report.ErrNo, day)
	}
	h, err := r.DayEnd(d.Last - 1)
	if err != nil {
		return nil, err
	}
	if h.Note == nil || h.Size != d.Last {
		return nil, fmt.Errorf("%w: %s is not over: its last tree head is signed with the first entry of the next day",
			report.ErrNo, day)
	}
	x := &Draw{Day: day, Size: h.Size, Root: h.Root.String(), ShortRoot: h.ShortRoot(), Drawn: []Call{}}
	all, err := candidates(r, d.Own, h.Root)
	if err != nil {
		return nil, err
	}
	x.Of = len(all)
	slices.SortFunc(all, func(a, b Call) int { return bytes.Compare(a.sum[:], b.sum[:]) })
	x.Drawn = append(x.Drawn, all[:min(n, len(all))]...)
	return x, x.answers(r, d.First, size)
}

// OfDay is what Make draws of a day as a flag says it.
func OfDay(r *evidence.Reader, flag string, now time.Time, n int) (*Draw, error) {
	day, err := evidence.Date("--day", flag, now)
	if err != nil {
		return nil, err
	}
	return Make(r, day, n)
}

// candidates are the passages of which some are drawn.
func candidates(r *evidence.Reader, own []file.Segment, root tlog.Hash) (list []Call, err error) {
	byRoom, first, seen := map[string]bool{}, map[string]int64{}, map[string]bool{}
	for _, s := range own {
		err = errors.Join(err, r.OfKind(s.First, s.Last, func(e *entry.Entry) error {
			id := e.Passage
			if first[id] == 0 {
				first[id] = e.Seq
			}
			if e.Kind == register.Check {
				byRoom[id] = byRoom[id] || e.Reason == "found-by-room"
				return nil
			}
			visit := e.Detail["visit"]
			bySight := byRoom[id] || e.Reason == "known-by-sight"
			if e.Verdict != "admit" || e.By == "machine" || seen[id] || e.Class == "courier" || visit == "" && !bySight {
				return nil
			}
			seen[id] = true
			c := Call{Passage: id, Entry: e.Seq, First: first[id], At: e.At, Direction: e.Direction, Class: e.Class, How: "by-sight",
				Reason: e.Reason, Visit: visit, sum: sha256.Sum256(append(root[:], id...))}
			if visit != "" {
				c.How = "visit"
			}
			list = append(list, c)
			return nil
		}, register.Check, register.Decided))
	}
	return list, err
}

// answers finds what was said of those drawn.
func (x *Draw) answers(r *evidence.Reader, first, size int64) error {
	return r.OfKind(first, size, func(e *entry.Entry) error {
		i := slices.IndexFunc(x.Drawn, func(c Call) bool { return c.Passage == e.Passage })
		switch {
		case i < 0 || e.Passage == "":
		case e.Kind == register.Callback:
			x.Drawn[i].Answer = e.Reason
		default:
			x.Drawn[i].Answer = cmp.Or(x.Drawn[i].Answer, string(register.Disputed))
		}
		return nil
	}, register.Callback, register.Disputed)
}

// Name fills in whom the passages drawn were for, and whom to call. Of a visit that is private nobody reads it here.
func (x *Draw) Name(r *evidence.Reader, people *roster.Snapshot) error {
	for i := range x.Drawn {
		c := &x.Drawn[i]
		take := func(e *entry.Entry) {
			if e.Kind == register.Visit {
				c.Consent, c.Private = cmp.Or(strings.Clone(e.Detail["consent"]), c.Consent), c.Private || e.Detail["private"] == "yes"
			}
			c.Name = cmp.Or(strings.Clone(e.Personally("name")), c.Name)
			for _, host := range strings.Fields(cmp.Or(e.Personally("host"), e.Personally("homes"), e.Personally("household"))) {
				if c.How == "by-sight" || e.Kind == register.Visit {
					c.add(strings.Clone(host))
				}
			}
		}
		seqs, err := x.about(r, c)
		if err == nil {
			err = r.ScanSome(seqs, take)
		}
		if err != nil {
			return err
		}
		if c.Private {
			c.Name, c.Hosts = "", nil
		}
		for _, home := range c.Hosts {
			for _, p := range people.Find(home) {
				if p.Phone != "" {
					c.Whom = append(c.Whom, Phone{home, p.Name, p.Phone})
				}
			}
		}
	}
	return nil
}

func (c *Call) add(host string) {
	if !slices.Contains(c.Hosts, host) {
		c.Hosts = append(c.Hosts, host)
	}
}

// about are the entries that say for whom a passage was: its own up to the decision, and those of its visit, how long ago those may be.
func (x *Draw) about(r *evidence.Reader, c *Call) (seqs []int64, err error) {
	err = r.OfKind(c.First, c.Entry, func(e *entry.Entry) error {
		if e.Passage == c.Passage {
			seqs = append(seqs, e.Seq)
		}
		return nil
	}, register.Check, register.Query, register.Decided)
	for to := c.Entry; err == nil && c.Visit != "" && to > 0; to -= chunk {
		before := len(seqs)
		err = r.OfKind(max(to-chunk+1, 1), to, func(e *entry.Entry) error {
			if e.Detail["visit"] == c.Visit && e.Reason != "ended" && e.Reason != "reprinted" {
				seqs = append(seqs, e.Seq)
			}
			return nil
		}, register.Visit)
		if len(seqs) > before {
			break
		}
	}
	slices.Sort(seqs)
	return seqs, err
}

// chunk is how many entries are looked through at a time for one that was written long before.
const chunk = 100_000

// Answerable is the first entry of the passage that an answer is for. One that was answered is asked about no more, unless nobody was
// reached.
func (x *Draw) Answerable(passage string) (first int64, err error) {
	i := slices.IndexFunc(x.Drawn, func(c Call) bool { return c.Passage == passage })
	if i < 0 {
		return 0, fmt.Errorf("%w: passage %.40q was not drawn of %s: \"gated callback list --day %[3]s\" lists those that were",
			report.ErrNo, passage, x.Day)
	}
	if c := x.Drawn[i]; c.Answer != "" && c.Answer != "nobody-reached" {
		return 0, fmt.Errorf("%w: passage %s was answered already: %s", report.ErrNo, passage, c.Answer)
	}
	return x.Drawn[i].First, nil
}
