package gate

import (
	"errors"
	"time"

	"gated/gate/counter"
	"gated/gate/duty"
	"gated/gate/find"
	"gated/gate/host"
	"gated/gate/query"
	"gated/gate/ruling"
	"gated/gate/view"
	"gated/gate/visit"
	"gated/gate/writing"
	"gated/register/amend"
)

// Errors that callers decide by. A refusal is not among them: it is an Outcome.
var (
	ErrUnknownLane   = errors.New("no such lane")
	ErrNoHold        = errors.New("no open hold with this passage ID: it was decided, or its time was up")
	ErrChanged       = errors.New("the facts changed while this waited, so it was judged again: look at it anew")
	ErrInvalid       = ruling.ErrInvalid
	ErrNoOpening     = errors.New("no emergency opening to account for with this ID")
	ErrIsOpen        = errors.New("it stands open already, by hand or by the emergency key: close it first")
	ErrNotByHand     = errors.New("it is not open by hand, or that has ended")
	ErrSettled       = errors.New("nobody is asked what became of that passage: somebody has said so, or the shift is over")
	ErrNotAnnulled   = amend.ErrNot
	ErrPast          = amend.ErrPast
	ErrNoRefusal     = errors.New("no refusal with this passage ID in the last minute, or its rules are no more")
	ErrTooLate       = errors.New("guards put right what their own shift admitted in the last ten minutes: later it takes somebody else")
	ErrNotReady      = query.ErrNotReady
	ErrUnknownPerson = counter.ErrNobody
	ErrNoVisit       = counter.ErrNoVisit
	ErrNoHost        = counter.ErrNoHost
	ErrNoPerson      = amend.ErrNoPerson
	ErrLedger        = writing.ErrLedger
	ErrNone          = duty.ErrNone
)

// Outcome is the answer to one attempt to pass, known to be durable unless Verdict is Fault.
type Outcome struct {
	Passage string `json:"passage"`
	Verdict string `json:"verdict"` // admit, refuse, hold, undecided or fault
	Reason  string `json:"reason"`
	Repeat  bool   `json:"repeat"`          // the same code again: an answer already given, not a new one
	Again   bool   `json:"again,omitempty"` // no code was read: somebody who waits was judged again
	Kept    bool   `json:"kept,omitempty"`  // in a fault: nothing opens, and it is entered once the ledger works again

	Lane       string    `json:"-"`
	Direction  string    `json:"-"`
	Class      string    `json:"-"`
	Credential string    `json:"-"`
	Rule       string    `json:"-"`
	Check      string    `json:"-"` // what the check said of the code
	Seq        int64     `json:"-"` // of the last entry that this outcome wrote
	At         time.Time `json:"-"`
}

// What guards decide.
type (
	Ruling   = ruling.Ruling
	Override = ruling.Override
	// VisitForm is a visit as a guard, or the office, enters it.
	VisitForm = visit.Form
	// Finding is whom a guard found who typed something.
	Finding = find.Result
)

// Whom guards call.
type (
	Body   = host.Body
	Called = host.Called
	Card   = host.Card
	Whose  = host.Whose
	// Hosting is what a host says of whoever comes.
	Hosting = host.Says
)

// What the page shows.
type (
	Found      = view.Found
	View       = view.View
	SetupFault = view.SetupFault
	LevelView  = view.LevelView
	LaneView   = view.LaneView
	Refused    = view.Refused
	ByHand     = view.ByHand
	Shown      = view.Shown
	Hold       = view.Hold
	Undecided  = view.Undecided
	Opening    = view.Opening
	ClockView  = view.ClockView
	FaultView  = view.FaultView
	Visit      = view.Visit
)
