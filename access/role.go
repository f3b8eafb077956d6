package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Role is what somebody is at the gate.
type Role string

// The roles. Who has several has an account for each.
const (
	Guard       Role = "guard"
	ShiftLeader Role = "shift-leader"
	Manager     Role = "manager"
	Auditor     Role = "auditor"
	Maintainer  Role = "maintainer"
)

// Roles are all roles.
var Roles = []Role{Guard, ShiftLeader, Manager, Auditor, Maintainer}

// Task is what somebody wants to do, as routes, operations and commands ask for it.
type Task string

// The tasks. The emergency key is none: it asks nobody.
const (
	SignOn       Task = "sign-on"       // by name, or a stand-in
	Decide       Task = "decide"        // who waits; open a lane for a time; say what became of somebody
	Inquire      Task = "inquire"       // who lives in a room, who is overdue, whom a level would change
	Invite       Task = "invite"        // announce visits; list, print and end them
	ConfirmClock Task = "confirm-clock" // that the box's clock is right
	LiftLockout  Task = "lift-lockout"  // of a name that was tried too often
	Amend        Task = "amend"         // put right what an earlier shift admitted
	SetLevel     Task = "set-level"     // by a notice or an oral order
	MarkPeople   Task = "mark-people"   // exempt, or watched
	ChangeRoster Task = "change-roster" // lists, passes, revocations
	EraseData    Task = "erase-data"    // personal data, for good
	LookUp       Task = "look-up"       // somebody's past
	Export       Task = "export"        // days, with personal data
	KeepDays     Task = "keep-days"     // from being erased
	Manage       Task = "manage"        // accounts
	Maintain     Task = "maintain"      // settings, keys, backups, scanners
)

// may is what each role may do, and the one place that says so.
var may = []struct {
	task Task
	who  []Role
}{
	{SignOn, []Role{Guard, ShiftLeader}},
	{Decide, []Role{Guard, ShiftLeader}},
	{Inquire, []Role{Guard, ShiftLeader, Manager}},
	{Invite, []Role{Guard, ShiftLeader, Manager}},
	{ConfirmClock, []Role{Guard, ShiftLeader, Maintainer}},
	{LiftLockout, []Role{ShiftLeader, Manager, Maintainer}},
	{Amend, []Role{ShiftLeader, Manager}},
	{SetLevel, []Role{Manager}},
	{MarkPeople, []Role{Manager}},
	{ChangeRoster, []Role{Manager}},
	{EraseData, []Role{Manager}},
	{LookUp, []Role{Manager, Auditor}},
	{Export, []Role{Manager, Auditor}},
	{KeepDays, []Role{Manager, Auditor}},
	{Manage, []Role{Manager, Maintainer}},
	{Maintain, []Role{Maintainer}},
}

// May tells whether a role may do something. What is not in the table nobody may.
func (r Role) May(t Task) bool { return slices.Contains(t.Roles(), r) }

// Roles are those that may do something.
func (t Task) Roles() []Role {
	for _, m := range may {
		if m.task == t {
			return m.who
		}
	}
	return nil
}

// Check tells whether there is such a role.
func (r Role) Check() error {
	if slices.Contains(Roles, r) {
		return nil
	}
	return Refusal(fmt.Sprintf("role %.20q: write one of %s", r, strings.Trim(fmt.Sprint(Roles), "[]")))
}

// PIN tells whether somebody signs in with a PIN, as is done with gloves on, and not with a password.
func (r Role) PIN() bool { return r == Guard || r == ShiftLeader }

// checkSecret tells what is wrong with a PIN or a password.
func (r Role) checkSecret(secret string) error {
	if !r.PIN() {
		n := utf8.RuneCountInString(secret)
		if n < 10 || n > 200 || !utf8.ValidString(secret) || strings.ContainsFunc(secret, unicode.IsControl) {
			return Refusal("a password has 10 to 200 characters: take a sentence that you remember")
		}
		return nil
	}
	if len(secret) < 4 || len(secret) > 12 || strings.Trim(secret, "0123456789") != "" {
		return Refusal("a PIN has 4 to 12 digits: six are better than four")
	}
	steps := map[byte]bool{} // from each digit to the next
	for i := range len(secret) - 1 {
		steps[(secret[i+1]-secret[i]+10)%10] = true
	}
	if len(steps) == 1 && (steps[0] || steps[1] || steps[9]) {
		return Refusal("that PIN is the first that anybody tries: take one whose digits are neither all the same nor in a row")
	}
	return nil
}
