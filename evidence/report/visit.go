package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/ledger/entry"
	"gated/register/paper"
)

// When nobody saw a visit leave, and it has left all the same.
const (
	deliveryStay = time.Hour      // after it came in
	visitStay    = 12 * time.Hour // after it was due out
)

// visit is one outsider's permission, or a group's, and what became of it.
type visit struct {
	id, made, class              string
	begun, from, until, due, end time.Time
	known                        bool // its making was read
	own                          bool // something of it is of the time that is told of
	private, erased              bool
	paper                        bool // it was written by hand: who has no time out there may have left long ago
	consent, firm, purpose, slot string
	personal                     map[string]string
	seqs                         []int64 // its own entries
	moves                        []move
}

// visit is the one with an ID.
func (s *story) visit(id string) *visit {
	v := s.visits[id]
	if v == nil {
		v = &visit{id: strings.Clone(id), personal: map[string]string{}}
		s.visits[v.id] = v
	}
	return v
}

// take takes an entry of its own.
func (v *visit) take(e *entry.Entry, own bool) {
	again := e.Detail["again"] != "" // it outlasts the entry that made it, or its epoch
	v.own, v.seqs = v.own || own && !again, append(v.seqs, e.Seq)
	if e.Reason == "ended" {
		v.end = e.At
		return
	}
	for _, f := range e.Personal {
		v.personal[strings.Clone(f.Name)] = strings.Clone(f.Value)
	}
	if e.Reason == "reprinted" || v.known { // its digits are others
		v.erased = v.erased && (!again || len(e.Personal) == 0)
		return
	}
	d := func(name string) string { return strings.Clone(e.Detail[name]) }
	v.known, v.begun, v.made, v.class = true, e.At, strings.Clone(e.Reason), strings.Clone(e.Class)
	v.from, v.until, v.due = stamp(d("from")), stamp(d("until")), cmp.Or(v.due, stamp(d("due")))
	v.consent, v.firm, v.purpose, v.slot = d("consent"), d("firm"), d("purpose"), d("slot")
	v.private, v.paper = d("private") == "yes", d(paper.Line) != ""
	v.erased = e.Record.Personal != "" && len(e.Personal) == 0
	if n, err := strconv.Atoi(d("occupants")); err == nil && n > 1 {
		v.personal["occupants"] = strconv.Itoa(n)
	}
	if n, err := strconv.Atoi(d("inside")); err == nil && again && len(v.moves) == 0 { // they came in the epoch before
		v.moves = []move{{seq: e.Seq, at: cmp.Or(stamp(d("came_in")), e.At), in: true, heads: n}}
	}
}

// move takes a passage of it.
func (v *visit) move(m move, e *entry.Entry, own bool) {
	v.own = v.own || own
	v.class = cmp.Or(v.class, strings.Clone(e.Class))
	if due := stamp(e.Detail["due"]); m.in && !due.IsZero() {
		v.due = due
	}
	v.moves = append(v.moves, m)
	slices.SortStableFunc(v.moves, func(a, b move) int { return a.at.Compare(b.at) })
}

func (v *visit) delivery() bool { return v.made == "delivery" || !v.known && v.class == "courier" }

// inside is how many of it are inside at a time, and when the newest of them came.
func (v *visit) inside(at time.Time) (heads int, since time.Time) {
	for _, m := range v.moves {
		switch {
		case m.at.After(at):
			return heads, since
		case m.in:
			heads, since = heads+m.heads, m.at
		default:
			heads = max(heads-m.heads, 0)
		}
	}
	return heads, since
}

// dueOut is when it is to be out; zero: nobody said.
func (v *visit) dueOut() time.Time { return cmp.Or(v.due, v.until) }

// States of a visit.
const (
	expected     = "expected"
	inside       = "inside"
	overdue      = "overdue"
	presumedLeft = "presumed-left"
	gone         = "left"
	over         = "ended"
)

// state is what can be said of it at a time.
func (v *visit) state(at time.Time) string {
	heads, since := v.inside(at)
	due := v.dueOut()
	switch {
	case heads > 0 && v.paper, heads > 0 && v.delivery() && at.Sub(since) >= deliveryStay,
		heads > 0 && !v.delivery() && !due.IsZero() && at.Sub(due) >= visitStay:
		return presumedLeft
	case heads > 0 && !v.delivery() && !due.IsZero() && at.After(due):
		return overdue
	case heads > 0:
		return inside
	case len(v.moves) > 0:
		return gone
	case !v.end.IsZero() && !v.end.After(at), !v.until.IsZero() && at.After(v.until):
		return over
	}
	return expected
}

// hosts are the households and bodies that it is for.
func (v *visit) hosts() []string { return strings.Fields(v.personal["host"]) }

// where is the building that it went to; empty: nobody said, or to a body.
func (v *visit) where() (building, room string) {
	for _, h := range v.hosts() {
		if b, _ := place(h); b != "" {
			return b, h
		}
	}
	return v.personal["to"], cmp.Or(v.personal["host"], v.personal["to"])
}

// list are the visits of the story that are wanted, in the order of their first passing, else of their making.
func (s *story) list(want func(*visit) bool) (list []*visit) {
	first := func(v *visit) time.Time {
		if len(v.moves) > 0 {
			return v.moves[0].at
		}
		return v.begun
	}
	for _, id := range sorted(s.visits) {
		if v := s.visits[id]; want(v) {
			list = append(list, v)
		}
	}
	slices.SortStableFunc(list, func(a, b *visit) int { return first(a).Compare(first(b)) })
	return list
}
