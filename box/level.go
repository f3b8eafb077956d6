package box

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/access"
	"gated/credential"
	"gated/gate/query"
	"gated/gate/view"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
	"gated/register"
	"gated/register/levels"
)

// Notice is what somebody says about the notices of levels; What is a reason of package levels.
type Notice struct {
	What               string
	Ref                int64 // the entry of the notice that it is about, unless it is a new one
	Level, Place       string
	From, Until        string // a day, or a day and a time in the gate's zone
	Number, Issuer     string
	Text               string // of the notice, or of the order as it was taken down
	OrderedBy, TakenBy string // of an oral order
	Replace            bool   // it takes the place of those that count at its time
}

// Announced is the entry of a notice, and which level counts where it does once that is on record, in words.
type Announced struct {
	Entry int64
	Then  string
}

// Announce records a notice of a level, or what has become of one.
var Announce = inDaemon("level-notice", func(_ context.Context, b *Box, by string, n Notice) (done Announced, err error) {
	if err := n.check(b); err != nil {
		return done, err
	}
	place := n.Place
	done.Entry, err = b.Gate.Announce(func(board levels.Board, now time.Time) ([]ledger.Event, error) {
		if old, is := board.Notice(n.Ref); is {
			place = old.Place
		}
		return n.events(b, board, now.In(b.Ledger.Zone()), by)
	})
	if errors.As(err, new(*levels.Overlap)) {
		return done, No{err}
	}
	if err == nil && n.What != levels.Prepared {
		now, base := b.Gate.View().Now.In(b.Ledger.Zone()), b.Gate.Rules().Level
		b.Register.View(func(s *register.State) { done.Then = s.Levels.Ahead(place, now, base) })
	}
	return done, err
})

// Levels are the levels in force, and what is announced and prepared.
var Levels = inDaemon("levels", func(_ context.Context, b *Box, _ string, _ struct{}) (list []view.Level, err error) {
	in, err := file.OpenReader(b.Dir)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	in.AskKeys(b.Ledger.Keys)
	var board levels.Board
	b.Register.View(func(s *register.State) { board = s.Levels })
	v, texts := b.Gate.View(), map[string]string{}
	said, err := noticesThatCount(in, board, v.Now)
	for _, ev := range said {
		texts[ev.Detail["entry"]] = ev.Personally(noticeText)
	}
	for _, l := range v.Levels {
		list = append(list, view.Level{LevelView: l, Text: texts[strconv.FormatInt(l.Entry, 10)]})
	}
	return list, err
})

const (
	maxWords = 100  // characters of a number, an issuer, a name
	maxText  = 4000 // of the text of a notice
)

const noticeText = "notice" // field of it

// check tells what is wrong with it, whatever other notices there are.
func (n *Notice) check(b *Box) error {
	for _, w := range []struct {
		flag, value string
		most        int
	}{{"number", n.Number, maxWords}, {"issuer", n.Issuer, maxWords}, {"ordered-by", n.OrderedBy, maxWords},
		{"taken-by", n.TakenBy, maxWords}, {"text", n.Text, maxText}} {
		if err := printable(w.flag, w.value, w.most); err != nil {
			return err
		}
	}
	oral, started := n.OrderedBy != "" || n.TakenBy != "", n.What == levels.Started
	switch {
	case n.What == levels.Announced && (n.Number == "" || n.Issuer == ""):
		return errors.New("a notice has a --number and an --issuer; of an oral order say who ordered it and who took the call, " +
			"by --ordered-by and --taken-by")
	case (n.What == levels.Ordered || started && oral) && (n.OrderedBy == "" || n.TakenBy == ""):
		return errors.New("of an oral order say who ordered it and who took the call, by --ordered-by and --taken-by")
	case n.What != levels.Ordered && !started && oral || oral && n.Number+n.Issuer != "":
		return errors.New("--number and --issuer are of a notice, --ordered-by and --taken-by of an oral order: it is one of them")
	case n.What == levels.Completed && n.Number == "" && n.Until == "":
		return errors.New("say what is to be added: --number and --issuer of the notice, or --until")
	case (n.Number == "") != (n.Issuer == ""):
		return errors.New("--number and --issuer go together")
	case n.Ref != 0:
		return nil
	}
	return known(b, n.Level, n.Place)
}

// printable tells what is wrong with somebody's own words; only a text has lines. Nothing in them is invisible, or turns the others round.
func printable(flag, words string, most int) error {
	hidden, newline := unicode.Other_Default_Ignorable_Code_Point, flag == "text"
	bad := func(r rune) bool { return (!unicode.IsGraphic(r) || unicode.Is(hidden, r)) && !(newline && r == '\n') }
	if utf8.RuneCountInString(words) > most || !utf8.ValidString(words) || strings.ContainsFunc(words, bad) {
		return fmt.Errorf("--%s: at most %d printable characters", flag, most)
	}
	return nil
}

// known tells whether the policy in force has a level, and the roster a place.
func known(b *Box, level, place string) error {
	if has := b.Gate.Rules().Policy.Levels(); !slices.Contains(has, level) {
		return fmt.Errorf("level %.40q%s: the policy in force has the levels %s", level, policy.Nearest(level, has),
			strings.Join(has, ", "))
	}
	if place != "" && !b.Roster.Snapshot().HasPlace(place) {
		return fmt.Errorf("--place %.40q: nobody lives there by the roster: write a building such as 3, or a unit such as 3-2", place)
	}
	return nil
}

// events are the entries that tell of it, for a board at a time.
func (n *Notice) events(b *Box, board levels.Board, now time.Time, by string) (events []ledger.Event, err error) {
	from, err := credential.Moment("from", n.From, b.Ledger.Zone(), now)
	if err != nil {
		return nil, err
	}
	until, err := credential.Moment("until", n.Until, b.Ledger.Zone(), now)
	if err != nil {
		return nil, err
	}
	if !from.IsZero() && from.Before(now) { // what counted until now did count
		from = now
	}
	is := levels.Notice{Level: n.Level, Place: n.Place, From: from, Until: until, Number: n.Number, Issuer: n.Issuer}
	said := is // in this entry
	if n.Ref != 0 {
		old, found := board.Notice(n.Ref)
		if !found || !old.Until.IsZero() && !now.Before(old.Until) {
			return nil, fmt.Errorf("no notice with the entry %d counts or will: \"gated level show\" lists them", n.Ref)
		}
		if is, said, err = n.later(old, said, now); err != nil {
			return nil, err
		}
		if n.What == levels.Started {
			if err := known(b, old.Level, old.Place); err != nil {
				return nil, err
			}
		}
	} else if n.What != levels.Prepared && is.From.IsZero() {
		is.From, said.From = now, now
	}
	if n.What != levels.Ended {
		if events, err = board.MakeRoom(&is, now, n.Replace); err != nil {
			return nil, err
		}
	} else if !is.From.IsZero() && !is.From.Before(said.Until.Truncate(time.Second)) { // it never counts
		events = board.GiveBack(&is)
	}
	for i := range events {
		events[i].By = access.Socket
	}
	ev := ledger.Event{Reason: n.What, Ref: n.Ref, By: access.Socket, Detail: said.Detail()}
	for _, f := range []ledger.Field{{Name: "ordered_by", Value: n.OrderedBy}, {Name: "taken_by", Value: n.TakenBy},
		{Name: noticeText, Value: n.Text}, {Name: "by", Value: by}} {
		if f.Value != "" {
			ev.Personal = append(ev.Personal, f)
		}
	}
	return append(events, ev), nil
}

// later is what an older notice becomes, and what of that the entry says.
func (n *Notice) later(old, said levels.Notice, now time.Time) (is, says levels.Notice, err error) {
	is = old
	switch n.What {
	case levels.Started:
		if !old.From.IsZero() {
			return is, said, fmt.Errorf("notice entry %s is started already", &old)
		}
		switch {
		case n.Number != "" && old.Number != "":
			return is, said, fmt.Errorf("notice entry %s has a number already", &old)
		case n.Number == "" && old.Number == "" && n.OrderedBy == "":
			return is, said, errors.New("a level rests on a notice or an order: give --number and --issuer, or --ordered-by and --taken-by")
		}
		is.Number, is.Issuer = cmp.Or(said.Number, old.Number), cmp.Or(said.Issuer, old.Issuer)
		said.From, said.Until = cmp.Or(said.From, now), cmp.Or(said.Until, old.Until)
		is.From, is.Until = said.From, said.Until
	case levels.Completed:
		if n.Number != "" && !old.Oral && old.Number != "" {
			return is, said, fmt.Errorf("notice entry %s has a number already", &old)
		}
		is.Until = cmp.Or(said.Until, is.Until)
	case levels.Ended:
		if !old.Until.IsZero() && said.Until.After(old.Until) {
			return is, said, fmt.Errorf("notice entry %s ends before that: \"gated level complete\" gives it a later end", &old)
		}
		if said.Until.IsZero() || said.Until.Before(now) {
			said.Until = now
		}
	}
	return is, said, nil
}

// Planning is which level would come, where and when (empty: now).
type Planning struct{ Level, Place, At string }

// PlanLevel tells what a level would overturn, with the names of those who are to be called: that somebody looked is recorded first.
var PlanLevel = inDaemon("level-plan", plan)

func plan(_ context.Context, b *Box, by string, p Planning) ([]query.Overturned, error) {
	n := Notice{What: levels.Prepared, Level: p.Level, Place: p.Place}
	if err := n.check(b); err != nil {
		return nil, err
	}
	at, err := credential.Moment("at", p.At, b.Ledger.Zone(), b.Gate.View().Now)
	if err != nil {
		return nil, err
	}
	return b.as(by).Plan(p.Level, p.Place, by, at)
}

// Trips lists who is out on a trip that has a time to be back, or only who is overdue. That somebody looked is recorded.
var Trips = inDaemon("trips", func(_ context.Context, b *Box, by string, overdue bool) ([]query.Away, error) {
	return b.as(by).Trips(overdue, by)
})

// Foretelling is about whom, which way, at which level (empty: the one that counts for them) and when (empty: now).
type Foretelling struct{ ID, Direction, Level, At string }

// Foretell tells what would be decided about somebody who shows a valid pass. Where they are and how often their household went out is
// personal: that somebody looked is recorded first.
var Foretell = inDaemon("policy-explain", foretell)

func foretell(_ context.Context, b *Box, by string, a Foretelling) (f query.Foretold, err error) {
	at, err := credential.Moment("at", a.At, b.Ledger.Zone(), b.Gate.View().Now)
	if err != nil {
		return f, err
	}
	if f, err = b.Gate.Foretell(query.Case{ID: a.ID, Direction: a.Direction, Level: a.Level, At: at}); err != nil {
		return f, err
	}
	err = b.append(ledger.Event{Kind: register.Export, Reason: "explain", By: access.Socket,
		Personal: []ledger.Field{{Name: "subject", Value: a.ID}, {Name: "by", Value: by}}})
	return f, err
}
