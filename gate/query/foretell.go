package query

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/credential"
	"gated/gate/subject"
	"gated/policy"
	"gated/register/levels"
	"gated/roster"
)

// Foretold is what the policy in force would decide about somebody of the roster who shows a valid pass, and which rules it tried.
type Foretold struct {
	Facts    policy.Facts
	Tried    []policy.Tried
	Decision policy.Decision
}

// ErrUnknown: the roster has nobody with that ID.
var ErrUnknown = errors.New("no such person in the roster")

// ErrNotReady: nothing is known yet of who is out.
var ErrNotReady = errors.New("the register is still being read, or the ledger is in fault: try again in a moment")

// Case is about whom, which way, at which level (empty: the one that counts for them) and when (zero: now).
type Case struct {
	ID, Direction, Level string
	At                   time.Time
}

// Foretell asks the policy in force about a person or vehicle of the roster, who has been away the other way, and not just now.
// Nobody passes, and nothing is recorded.
func (a Asker) Foretell(people *roster.Snapshot, x Case, m Moment) (Foretold, error) {
	board := a.board()
	if !x.At.IsZero() {
		board = board.When(x.At)
	}
	return a.foretell(people, x, board, m)
}

// foretell is Foretell where the notices in force are those of a board.
func (a Asker) foretell(people *roster.Snapshot, x Case, board levels.Board, m Moment) (f Foretold, err error) {
	who, claim := withPass(people, x.ID)
	switch levels := m.Policy.Levels(); {
	case !m.Ready: // nobody knows yet who is out, nor how often
		return f, ErrNotReady
	case !who.Known:
		return f, ErrUnknown
	case x.Direction != "in" && x.Direction != "out":
		return f, fmt.Errorf("direction %.20q: in or out", x.Direction)
	case x.Level != "" && !slices.Contains(levels, x.Level):
		return f, fmt.Errorf("level %.40q%s: the policy in force has the levels %s", x.Level, policy.Nearest(x.Level, levels),
			strings.Join(levels, ", "))
	}
	if !x.At.IsZero() {
		m.At = x.At
	}
	f.Facts = a.Facts(who, claim, x.Direction, cmp.Or(x.Level, at(board, who).Level, m.Level), m)
	f.Facts.Again, f.Facts.Passed, f.Facts.MinutesSince = false, false, 0
	if x.Direction == "out" {
		f.Facts.Trip = ""
	}
	f.Tried, f.Decision = m.Policy.Explain(f.Facts)
	return f, nil
}

// withPass is somebody of the roster, and the claim of a pass of theirs that is good.
func withPass(people *roster.Snapshot, id string) (subject.Subject, credential.Claim) {
	claim := credential.Claim{Kind: "gated-pass", SubjectKind: "resident", Subject: id, Proof: credential.Signed, Valid: true, Reason: "ok"}
	if _, is := people.Vehicle(id); is {
		claim.SubjectKind = "vehicle"
	}
	return subject.Find(people, claim), claim
}

// Overturned is for whom, or for how many, another level would decide otherwise than the one that counts without it.
type Overturned struct {
	People    int    `json:"people"`
	Class     string `json:"class"`
	Direction string `json:"direction"`
	Was       string `json:"was"`
	Is        string `json:"is"`
	Reason    string `json:"reason"`
	ID        string `json:"id,omitempty"` // of one who is no resident: they are to be told
	Name      string `json:"name,omitempty"`
	Phone     string `json:"phone,omitempty"`
	Where     string `json:"whereabouts,omitempty"`
}

// Plan tells what a level would overturn in a place (empty: the compound), of those who have a valid pass: residents by number, others
// by name, so that they can be called. When it begins later, what counts then is compared, but for a notice of that very level that is to
// begin there: that is the one asked about. The zero time: now.
func (a Asker) Plan(people *roster.Snapshot, level, place string, when time.Time, m Moment) (list []Overturned, err error) {
	counted := map[Overturned]int{}
	without := a.board()
	if !when.IsZero() {
		without.Notices = slices.DeleteFunc(slices.Clone(without.Notices), func(n levels.Notice) bool {
			return n.Level == level && n.Place == place && n.From.After(m.At)
		})
		without = without.When(when)
	}
	with := without.With(levels.InForce{Place: place, Level: level, Notice: -1})
	ask := func(id string, p roster.Person) error {
		if who, _ := withPass(people, id); at(with, who).Notice != -1 { // another notice goes on counting for them
			return nil
		}
		for _, direction := range []string{"in", "out"} {
			was, err := a.foretell(people, Case{ID: id, Direction: direction, At: when}, without, m)
			if err != nil {
				return err
			}
			is, err := a.foretell(people, Case{ID: id, Direction: direction, Level: level, At: when}, with, m)
			if err != nil {
				return err
			}
			f := was.Facts
			o := Overturned{Class: f.Class, Direction: direction, Was: was.Decision.Verdict, Is: is.Decision.Verdict,
				Reason: is.Decision.Reason}
			if o.Was == o.Is {
				continue
			}
			if f.Class != "resident" {
				o.ID, o.Name, o.Phone, o.Where = id, p.Name, p.Phone, cmp.Or(f.Whereabouts, "unknown")
			}
			counted[o]++
		}
		return nil
	}
	for _, p := range people.People() {
		if err := ask(p.ID, p); err != nil {
			return nil, err
		}
	}
	for _, v := range people.Vehicles() {
		if err := ask(v.ID, roster.Person{Name: v.Plate}); err != nil {
			return nil, err
		}
	}
	for o, n := range counted {
		o.People = n
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b Overturned) int {
		return cmp.Or(cmp.Compare(b.People, a.People), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Is, b.Is))
	})
	return list, nil
}

// Explain tells what a policy decides about some facts, as they are written.
func Explain(p *policy.Policy, written []string) (f Foretold, err error) {
	if f.Facts, err = p.ParseFacts(written); err == nil {
		f.Tried, f.Decision = p.Explain(f.Facts)
	}
	return f, err
}
