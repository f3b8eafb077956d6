// Package view is what the page shows at one moment.
package view

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"gated/gate/spool"
	"gated/policy"
	"gated/register"
	"gated/register/byhand"
	"gated/register/levels"
	"gated/register/paper"
)

// Found is a person of the roster as the guard finds them by room number.
type Found struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Room  string `json:"room"`
	Class string `json:"class"`
}

// Vehicle is a vehicle of the roster as the guard finds it.
type Vehicle struct {
	ID      string `json:"id"`
	Plate   string `json:"plate"`
	Room    string `json:"room,omitempty"`
	Class   string `json:"class"`
	Service string `json:"service,omitempty"`
}

// View is everything the page shows at one moment.
type View struct {
	Gate         string       `json:"gate"`
	Version      string       `json:"version"`
	Language     string       `json:"language"` // zh or en
	Keyboard     string       `json:"keyboard"` // the lane that codes typed by a scanner are for; empty: none
	Now          time.Time    `json:"now"`
	Lanes        []LaneView   `json:"lanes"`
	Holds        []Hold       `json:"holds"`
	ToAccountFor []Opening    `json:"to_account_for"`
	Undecided    []Undecided  `json:"undecided"` // newest first, at most 50
	Recent       []Shown      `json:"recent"`    // newest first, at most 20, without names
	Duty         string       `json:"duty"`      // who signed on
	Clock        ClockView    `json:"clock"`
	Fault        *FaultView   `json:"fault"`  // nil while the ledger works
	Levels       []LevelView  `json:"levels"` // those in force, the compound's first; then what was announced, and what is prepared
	Inside       int          `json:"inside"` // people
	Vehicles     int          `json:"vehicles_inside"`
	ShortRoot    string       `json:"short_root"`   // of the newest tree head, with its size, for the handover book; empty before the first
	RosterFault  bool         `json:"roster_fault"` // the roster is not the one that the ledger knows: everybody is on hold
	LowSpace     bool         `json:"low_space"`    // less than the settings want is left for the state directory
	SetupFaults  []SetupFault `json:"setup_faults"` // what the maintainer has to put right, while the gate works

	// UndecidedInAll is how many there are.
	UndecidedInAll int `json:"undecided_in_all"`

	// Overdue is how many were to be back from their trip by now.
	Overdue int `json:"trips_overdue"`

	Shift Shift `json:"shift"`
}

// Shift is who is on duty, and what they have written down.
type Shift struct {
	Guards []Guard        `json:"guards"` // by names that nothing proves; empty where a name can be read no more
	Since  time.Time      `json:"since,omitzero"`
	Ends   time.Time      `json:"ends,omitzero"` // as planned
	Over   bool           `json:"over"`          // it should have ended: is somebody still here?
	Counts map[string]int `json:"counts,omitempty"`
	Notes  []Note         `json:"notes"` // of the log, the newest first
	Slips  int            `json:"slips"` // how many are open
}

// Guard is somebody on duty.
type Guard struct {
	Name  string    `json:"name"`
	Body  string    `json:"body,omitempty"`
	Since time.Time `json:"since"`
}

// Note is what stands in the log. A moment that somebody marked has no text until its words come.
type Note struct {
	Entry  int64     `json:"entry"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Guard  string    `json:"guard,omitempty"`
	Text   string    `json:"text,omitempty"`
}

// Slip is what a household lets be carried or driven out.
type Slip struct {
	ID        string    `json:"id"`
	Household string    `json:"household"`
	What      string    `json:"what"`
	Agreed    string    `json:"agreed"` // owner, tenant or office
	AgreedBy  string    `json:"agreed_by,omitempty"`
	Until     time.Time `json:"until"`
}

// SetupFault is a file of the gate's setup that cannot be taken as it is, or an address that cannot be had.
type SetupFault struct {
	What     string `json:"what"`
	Why      string `json:"why"`
	LastGood bool   `json:"last_good"` // its last good copy stands in
}

// LevelView is a level of the compound, a building or a unit, and the notice that it rests on; entry 0: the settings.
type LevelView struct {
	levels.Notice
	State string `json:"state"` // in-force, announced or prepared
}

// RestsOn says by what it counts, or would.
func (l LevelView) RestsOn() string {
	switch {
	case l.Entry == 0:
		return "gate.level of the settings"
	case l.Number != "":
		return l.Number + ", " + l.Issuer
	case l.Oral:
		return "oral order: the notice is to follow"
	}
	return "-"
}

// LaneView is the state of one lane.
type LaneView struct {
	ID        string    `json:"id"`
	Direction string    `json:"direction"`
	Scanner   string    `json:"scanner"` // a state word of the scanner, such as online or absent
	Cause     string    `json:"cause"`   // why it is down
	Up        bool      `json:"up"`
	Since     time.Time `json:"since"`
	Dropped   string    `json:"dropped,omitempty"` // why what the scanner sent a moment ago was no whole code
	Last      *Shown    `json:"last"`              // the newest answer to whoever came to this lane
	Latch     string    `json:"latch,omitempty"`   // the emergency key: opening, open, failed, by-hand (no barrier); empty: closed
	Barrier   string    `json:"barrier"`           // "ok", or "open-by-hand" while it does not obey
	Unasked   bool      `json:"unasked"`           // somebody else opened it a moment ago, or it stands open since

	// ByHand is what a guard opened the lane for, for a time; nil: it is not open by hand.
	ByHand *ByHand `json:"by_hand,omitempty"`

	// LatchLost: an opening by the emergency key ended with a stop or a crash, and the key has to be pressed again.
	LatchLost bool `json:"latch_lost"`

	// WrongTries: somebody tried one code after the other a moment ago.
	WrongTries bool `json:"wrong_tries"`

	// Refused is the newest refusal, at most a minute old.
	Refused *Refused `json:"refused,omitempty"`

	// CardReader is "up", or why the ID card reader is down; empty where the lane has none.
	CardReader string `json:"card_reader,omitempty"`

	// Sensor is "up", or "unreadable" while nobody knows whether the barrier is open or somebody passes; empty where the
	// lane has none.
	Sensor string `json:"sensor,omitempty"`
}

// ByHand is an opening by hand, and what the barrier says to it: opening, open, failed, or by-hand where there is none.
type ByHand struct {
	byhand.Opening
	Barrier string `json:"barrier"`
}

// Refused is a refusal that a guard may override: guard, or telephone where somebody else has to approve; empty: only for an urgent
// need.
type Refused struct {
	Passage  string    `json:"passage"`
	Class    string    `json:"class"`
	Reason   string    `json:"reason"`
	Override string    `json:"override"`
	At       time.Time `json:"at"`
}

// Shown is an answer as the page shows it. Name, Room and Health are empty once it is ten seconds old: there is a queue behind.
type Shown struct {
	Passage    string    `json:"passage"`
	Lane       string    `json:"lane"`
	Direction  string    `json:"direction"`
	Verdict    string    `json:"verdict"`
	Reason     string    `json:"reason"`
	Found      string    `json:"found,omitempty"` // in a fault: the reason that the verdict would have had
	Class      string    `json:"class"`
	Credential string    `json:"credential"`
	Health     string    `json:"health,omitempty"`     // what a valid health certificate states
	TestHours  int       `json:"test_hours,omitempty"` // whole hours since the sample of a negative test
	Name       string    `json:"name,omitempty"`
	Room       string    `json:"room,omitempty"`
	Next       string    `json:"next_allowed,omitempty"` // where only the household's trips are in the way: the day from which they are not
	By         string    `json:"by"`                     // machine, pin, or unauthenticated: a guard whose name nothing proves
	At         time.Time `json:"at"`
	Repeat     bool      `json:"repeat"`
	Emergency  bool      `json:"emergency"`
	Visit      string    `json:"visit,omitempty"` // the ID of the visit by which they come
	Group      bool      `json:"group,omitempty"` // it is a group's: the guard says how many pass at once
	Slips      string    `json:"slips,omitempty"` // IDs of the open slips of whoever goes out, with spaces between: a mark, no question
	Amend      bool      `json:"amend,omitempty"` // the guard can still say that they did not go through, or who did
}

// Hold is a passage that waits for a guard. Its name stays as long as it waits.
type Hold struct {
	Shown
	Until time.Time `json:"until"` // then it is registered as undecided
	// Refused: by now the rules refuse whoever it is, and only an urgent need admits them.
	Refused bool            `json:"refused,omitempty"`
	Ask     *policy.Inquiry `json:"ask,omitempty"` // what is asked before whoever it is may be admitted
	// Permit is the visit by which an outsider comes, without what of it is sealed.
	Permit *Visit `json:"permit,omitempty"`
}

// Undecided is somebody on whom nobody decided. The guard is asked what became of them until another signs on.
type Undecided struct {
	Passage   string    `json:"passage"`
	Lane      string    `json:"lane"`
	Direction string    `json:"direction"`
	Class     string    `json:"class"`
	Name      string    `json:"name,omitempty"`
	Room      string    `json:"room,omitempty"`
	At        time.Time `json:"at"`

	Of *register.Passage `json:"-"` // as the register has it
}

// Opening is an emergency opening to account for: something is not on record yet.
type Opening struct {
	ID    string    `json:"id"`
	Lane  string    `json:"lane"`
	Since time.Time `json:"since"`
	What  string    `json:"what"` // entry-pending (the ledger could not take it yet) or who-passed
}

// ClockView says whether the gate's clock may judge credentials.
type ClockView struct {
	Trusted bool   `json:"trusted"`
	Reason  string `json:"reason"`
}

// FaultView says what is wrong with the ledger. What to do about it the page says in its own words.
type FaultView struct {
	Since time.Time `json:"since"`
	Text  string    `json:"text"` // the cause, for the maintainer
	Call  string    `json:"call"` // whom to call, from the settings
}

// ToAccountFor are the emergency openings of which something is not on record yet, first those whose entry is pending.
func ToAccountFor(pending []spool.Entry, s *register.State) []Opening {
	list := []Opening{}
	for _, ev := range pending {
		if ev.Kind == register.Opening && ev.Verdict != "" {
			list = append(list, Opening{ID: ev.Passage, Lane: ev.Lane, Since: ev.Time, What: "entry-pending"})
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(s.ToAccountFor)) {
		p := s.ToAccountFor[seq]
		list = append(list, Opening{ID: "e" + strconv.FormatInt(seq, 10), Lane: p.Lane, Since: p.At, What: "who-passed"})
	}
	return list
}

// mostRecent is how many of the newest passages the page shows.
const mostRecent = 20

// Recent are the newest passages; of those that the shift admitted so long ago at most the guard can say that it was otherwise.
func Recent(s *register.State, now time.Time, amendWithin time.Duration) []Shown {
	list := []Shown{}
	for _, p := range slices.Backward(s.Recent) {
		if len(list) == mostRecent {
			break
		}
		if p.Reason == paper.Passed { // long ago, as somebody has typed now
			continue
		}
		at := p.Decided
		if at.IsZero() {
			at = p.At
		}
		list = append(list, Shown{Passage: p.ID, Lane: p.Lane, Direction: p.Direction, Verdict: p.Verdict, Reason: p.Reason,
			Class: p.Class, Credential: p.Credential, By: p.By, At: at, Emergency: p.Emergency,
			Amend: (p.Verdict == policy.Admit || p.Reason == register.TurnedAway || p.Reason == register.Unseen) && !p.Emergency &&
				p.Last > s.Shift.Now.Began && now.Sub(at).Abs() < amendWithin})
	}
	return list
}

// Levels are the levels of a board as the page shows them now; the settings have the level base.
func Levels(b levels.Board, base string, now time.Time) []LevelView {
	inForce := []LevelView{{Notice: levels.Notice{Level: base}, State: "in-force"}}
	var others, later []LevelView
	for _, n := range b.Notices {
		v := LevelView{Notice: n, State: "announced"}
		v.From, v.Until = in(n.From, now.Location()), in(n.Until, now.Location())
		f, is := b.At(n.Place, n.Place)
		switch {
		case is && f.Notice == n.Entry && n.Place == "":
			v.State = "in-force"
			inForce[0] = v
		case is && f.Notice == n.Entry:
			v.State = "in-force"
			others = append(others, v)
		case n.From.IsZero():
			v.State = "prepared"
			later = append(later, v)
		case n.Until.IsZero() || now.Before(n.Until):
			later = append(later, v)
		}
	}
	return slices.Concat(inForce, others, later)
}

// Missing are the levels in force that the policy has not.
func Missing(b levels.Board, p *policy.Policy) (faults []SetupFault) {
	for _, f := range b.InForce {
		if !slices.Contains(p.Levels(), f.Level) {
			why := fmt.Sprintf("the policy %s has no level %q, which the notice entry %d puts into force: everybody there is on hold",
				p.Name(), f.Level, f.Notice)
			faults = append(faults, SetupFault{What: "level", Why: why})
		}
	}
	return faults
}

func in(t time.Time, zone *time.Location) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(zone)
}
