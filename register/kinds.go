package register

import (
	"gated/ledger"
	"gated/register/byhand"
	"gated/register/hosts"
	"gated/register/paper"
	"gated/register/shift"
	"gated/register/slips"
	"gated/register/visits"
)

// Kinds of entries of a passage, and those that the box writes of itself. The ledger has its own besides.
const (
	Check       ledger.Kind = "check"         // code read and verified, or document sighted (查码, 查证)
	Query       ledger.Kind = "query"         // what the roster and the gate's state said, and the verdict so far (询问)
	Decided     ledger.Kind = "register"      // the verdict as it stood and who decided (登记)
	Opening     ledger.Kind = "open"          // the barrier was told to open
	CloseByHand ledger.Kind = "close-by-hand" // a guard ended an opening by the emergency key
	Sensor      ledger.Kind = "sensor"        // what a contact at the barrier told
	ByHand                  = byhand.Kind     // a guard opened a lane for a time, or what became of that
	Correction  ledger.Kind = "correction"    // names an older entry and says what is right

	Scanner  ledger.Kind = "scanner"
	Clock    ledger.Kind = "clock"
	Notice   ledger.Kind = "notice" // of a level: by which one counts, where and when
	Level    ledger.Kind = "level"  // another level counts from here on, of a place or of the compound
	Roster   ledger.Kind = "roster"
	Mark     ledger.Kind = "mark"     // somebody is exempt, or watched
	Host                 = hosts.Kind // what a host says of whoever comes to see them
	Visit                = visits.Kind
	Paper                = paper.Kind // pages of the handover book were printed, or filled by hand
	Policy   ledger.Kind = "policy"
	Settings ledger.Kind = "settings"
	Account  ledger.Kind = "account"  // of somebody who can sign in: it was made or changed
	Alive    ledger.Kind = "alive"    // hourly: the box was watching
	Export   ledger.Kind = "export"   // personal data was put into an export
	Trip     ledger.Kind = "trip"     // a household went out on the day on which the epoch before ended
	Alarm    ledger.Kind = "alarm"    // somebody should look at a lane, or at the page
	Callback ledger.Kind = "callback" // what a host answered who was called back about a passage, which it names
	Poster   ledger.Kind = "poster"   // which notice tells people from here on what is kept about them

	// Of a shift, and what a household lets be taken out.
	SignOn   = shift.SignOn
	SignOff  = shift.SignOff
	HandOver = shift.HandOver
	Log      = shift.Log
	Count    = shift.Count
	Slip     = slips.Kind
)

// Shift is the detail of a sign-on that says GoesOn: it is the guard who was on duty already, and whose shift goes on.
const (
	Shift  = shift.How
	GoesOn = shift.GoesOn
)

// Superseded is the reason of a hold that was judged again as another passage: nobody is asked what became of it.
const Superseded = "undecided-changed"

// LatchLost is the reason of an alarm: a stop, a restart or a crash ended an opening by the emergency key, which no guard had closed.
const LatchLost = "latch-lost"

// PINGuessing is the reason of an alarm: somebody tried PINs or passwords of one name until it was locked.
const PINGuessing = "pin-guessing"

// TripDays is the detail of starts, and of entries that a reload makes: over how many days a policy counts a household's trips at most,
// whatever its level.
const TripDays = "trip_days"

// Due is the detail of an entry that admits somebody out by when they are to be back, and of a trip that is told again; Out, of that, is
// when they went.
const (
	Due = "due"
	Out = "out"
)

// Uncounted is the detail of an entry that admits somebody out whose trip is none of the household's: "exempt" or "urgent-need".
const Uncounted = "uncounted"

// Unsure is the detail of a trip that is told again: it was made by a clock that nobody trusted, and none has been trusted since.
const Unsure = "unsure"

// BothDirections and InsideFor are details of starts and of reloaded settings: whether the gate has lanes in both directions, and
// after how long somebody inside counts as unknown.
const (
	BothDirections = "both_directions"
	InsideFor      = "inside_for"
)

// RosterChange is the detail of entries that says how many changes of the roster there have been: of each change, of each start,
// and of the first entry of an epoch.
const RosterChange = "roster_change"

// Disputed is the kind of an entry by which a host says that a passage, which it names, was none of theirs.
const Disputed ledger.Kind = "disputed"
