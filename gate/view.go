package gate

import (
	"errors"
	"time"

	"gated/gate/query"
	"gated/gate/view"
	"gated/policy"
	"gated/register/amend"
)

// Errors that callers decide by. A refusal is not among them: it is an Outcome.
var (
	ErrUnknownLane   = errors.New("no such lane")
	ErrNoHold        = errors.New("no open hold with this passage ID: it was decided, or its time was up")
	ErrChanged       = errors.New("the facts changed while this waited, so it was judged again: look at it anew")
	ErrInvalid       = errors.New("not accepted")
	ErrNoOpening     = errors.New("no emergency opening to account for with this ID")
	ErrSettled       = errors.New("nobody is asked what became of that passage: somebody has said so, or the shift is over")
	ErrNotAnnulled   = amend.ErrNot
	ErrNoRefusal     = errors.New("no refusal that a guard may override, with this passage ID, in the last minute")
	ErrTooLate       = errors.New("guards put right what their own shift admitted in the last ten minutes: later it takes somebody else")
	ErrNotReady      = errors.New("the register is still being read, or the ledger is in fault: try again in a moment")
	ErrUnknownPerson = query.ErrUnknown
	ErrLedger        = errors.New("the ledger cannot be used: nothing was recorded")
)

// Outcome is the answer to one attempt to pass, known to be durable unless Verdict is Fault.
type Outcome struct {
	Passage string `json:"passage"`
	Verdict string `json:"verdict"` // admit, refuse, hold, undecided or fault
	Reason  string `json:"reason"`
	Repeat  bool   `json:"repeat"` // the same code again: an answer already given, not a new one

	Lane       string    `json:"-"`
	Direction  string    `json:"-"`
	Class      string    `json:"-"`
	Credential string    `json:"-"`
	Rule       string    `json:"-"`
	Check      string    `json:"-"` // what the check said of the code
	Seq        int64     `json:"-"` // of the last entry that this outcome wrote
	At         time.Time `json:"-"`
}

// Reasons are the words that a guard can give for a verdict. The list is closed: a word of the guard's own could name
// somebody, and it stays in the record for ever. What is more to say goes into the note.
var Reasons = map[string][]string{
	"admit": {"known-by-sight", "document-sighted", "dead-phone", "pass-expired", "child-or-elder", "visitor-confirmed",
		policy.KnownUnnamed, Urgent[0], Urgent[1]},
	"refuse": {"not-known", "no-business", "level-forbids"},
}

// Urgent are the words for somebody's personal safety (人身安全) and a sudden illness (急病), which rules at no level are to keep from
// passing, nor questions. The reason on record is UrgentNeed: which of them it was stands sealed, and on no sheet.
var Urgent = []string{"personal-safety", "sudden-illness"}

// UrgentNeed is that reason.
const UrgentNeed = "urgent-need"

// Ruling is what a guard decides about a hold.
type Ruling struct {
	Verdict string `json:"verdict"` // admit or refuse
	Reason  string `json:"reason"`  // one of Reasons
	Note    string `json:"note"`    // the guard's own words; kept as personal data

	Answers map[string]string `json:"answers"` // by the names of what is asked; likewise
}

// What the page shows.
type (
	Found      = view.Found
	View       = view.View
	SetupFault = view.SetupFault
	LevelView  = view.LevelView
	LaneView   = view.LaneView
	Refused    = view.Refused
	Shown      = view.Shown
	Hold       = view.Hold
	Undecided  = view.Undecided
	Opening    = view.Opening
	ClockView  = view.ClockView
	FaultView  = view.FaultView
)
