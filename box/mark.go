package box

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gated/access"
	"gated/credential"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
	"gated/policy/week"
	"gated/register"
	"gated/register/erasure"
	"gated/register/marks"
)

// Mark says that somebody is exempt from a rule for a while, or watched, or that this ends; What is a reason of package marks.
type Mark struct {
	What        string
	Ref         int64  // the entry of the one that ends,
	Of          string // and of which kind it is
	Who         string // roster ID of a person, or a household such as 3-2-501
	Word        string // of an exemption, as rules ask for it; why somebody is watched
	From, Until string
	Days, Times string // of an exemption: when it counts, such as mon,tue and 06:00-09:30,16:00-18:00; "": always
	By, Why     string // who approved or ordered it, and more to say; these are personal, as is who it is
}

// MarkSomebody records a mark. It returns the number of its entry.
var MarkSomebody = inDaemon("mark", func(_ context.Context, b *Box, by string, m Mark) (int64, error) {
	ev, err := m.event(b)
	if err != nil {
		return 0, err
	}
	for _, f := range []ledger.Field{{Name: "approved_by", Value: m.By}, {Name: "note", Value: m.Why}, {Name: "by", Value: by}} {
		if f.Value != "" {
			ev.Personal = append(ev.Personal, f)
		}
	}
	return b.Gate.Mark(ev)
})

// event is the entry that tells of it.
func (m *Mark) event(b *Box) (ev ledger.Event, err error) {
	if err := errors.Join(printable("approved-by", m.By, maxWords), printable("note", m.Why, maxWords),
		printable("days", m.Days, maxWords), printable("times", m.Times, maxWords)); err != nil {
		return ev, err
	}
	ev = ledger.Event{Reason: m.What, Ref: m.Ref, By: access.Socket}
	if m.What == marks.Ended {
		var list marks.List
		b.Register.View(func(s *register.State) { list = s.Marks })
		i := slices.IndexFunc(list, func(o marks.Mark) bool { return o.Entry == m.Ref })
		if i < 0 {
			return ev, No{fmt.Errorf("entry %d marks nobody: it has ended already, was erased, or never did", m.Ref)}
		}
		if list[i].What != m.Of {
			return ev, fmt.Errorf("entry %d is of the other kind: \"gated %s end %[1]d\"", m.Ref, list[i].What)
		}
		return ev, nil
	}
	field := "subject"
	people := b.Roster.Snapshot()
	if _, is := people.Person(m.Who); !is {
		if _, is = people.Household(m.Who); !is {
			return ev, fmt.Errorf("%.40q is neither the roster ID of a person nor a household such as 3-2-501", m.Who)
		}
		field = "household"
	}
	if !policy.IsWord(m.Word) {
		return ev, fmt.Errorf("%.40q: write a word of lower-case letters and hyphens, such as dialysis", m.Word)
	}
	if asked := b.Gate.Rules().Policy.Asks("exemption"); m.What == marks.Exempt && !slices.Contains(asked, m.Word) {
		return ev, fmt.Errorf("no rule of the policy in force asks for the exemption %s%s: it would change nothing", m.Word,
			policy.Nearest(m.Word, asked))
	}
	if _, err := week.Parse(m.Days, m.Times); err != nil {
		return ev, fmt.Errorf("--%w", err)
	}
	if m.By == "" {
		return ev, errors.New("--approved-by: say who approved or ordered it")
	}
	now := b.Gate.View().Now.In(b.Ledger.Zone())
	from, err := credential.Moment("from", m.From, b.Ledger.Zone(), now)
	if err != nil {
		return ev, err
	}
	if from.IsZero() {
		from = now
	}
	until, err := credential.Moment("until", m.Until, b.Ledger.Zone(), now)
	switch {
	case err != nil:
		return ev, err
	case until.IsZero():
		return ev, errors.New("--until: say when it ends; it can be made anew")
	case !from.Before(until), !now.Before(until):
		return ev, fmt.Errorf("its end (%s) is past, or not after it begins (%s)", until.Format(time.DateTime), from.Format(time.DateTime))
	}
	ev.Detail = map[string]string{"word": m.Word, "from": from.Format(time.RFC3339), "until": until.Format(time.RFC3339)}
	for name, slots := range map[string]string{"days": m.Days, "times": m.Times} {
		if slots != "" {
			ev.Detail[name] = slots
		}
	}
	ev.Personal = []ledger.Field{{Name: field, Value: m.Who}}
	return ev, nil
}

// Marks lists those who are exempt, or watched. That somebody looked, and why, is recorded first.
var Marks = inDaemon("marks", listMarks)

func listMarks(_ context.Context, b *Box, by string, a Listing) (list []marks.Named, err error) {
	if err := erasure.CheckWhy(a.Why); err != nil {
		return nil, err
	}
	if err := b.append(ledger.Event{Kind: register.Export, Reason: "marks", By: access.Socket,
		Personal: []ledger.Field{{Name: "by", Value: by}, {Name: "note", Value: a.Why}}}); err != nil {
		return nil, err
	}
	now, at := b.Gate.View().Now, map[int64]int{}
	var seqs []int64
	b.Register.View(func(s *register.State) {
		for _, m := range s.Marks {
			if m.What == a.What && now.Before(m.Until) {
				at[m.Entry], seqs, list = len(list), append(seqs, m.Entry), append(list, marks.Named{Mark: m})
			}
		}
	})
	in, err := file.OpenReader(b.Dir)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	in.AskKeys(b.Ledger.Keys)
	err = in.ScanSome(seqs, func(e *ledger.Entry) {
		list[at[e.Seq]].Who = e.Personally("subject") + e.Personally("household")
	})
	return list, err
}

// Listing is which marks are listed, and why.
type Listing struct{ What, Why string }
