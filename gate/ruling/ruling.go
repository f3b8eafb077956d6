// Package ruling has what a guard decides, with the closed lists of words for why.
package ruling

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gated/policy"
)

// ErrInvalid refuses what someone handed in that cannot be taken.
var ErrInvalid = errors.New("not accepted")

// Invalid says why it cannot.
func Invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Reasons are the words that a guard can give for a verdict. The list is closed: a word of the guard's own could name
// somebody, and it stays in the record for ever. What is more to say goes into the note.
var Reasons = map[string][]string{
	"admit": {"known-by-sight", "document-sighted", "dead-phone", "pass-expired", "child-or-elder", VisitorConfirmed,
		policy.KnownUnnamed, Urgent[0], Urgent[1]},
	"refuse": {"not-known", "no-business", "level-forbids"},
}

// Overrides are those for admitting against a refusal, by who may; those of Urgent any guard can give, whatever refused.
var Overrides = map[string][]string{
	policy.OverrideGuard:     {"official-duty", "resident-vouches"},
	policy.OverrideTelephone: {"approved-by-telephone"},
	policy.OverrideSecond:    {"second-person-agrees"},
}

// Urgent are the words for somebody's personal safety (人身安全) and a sudden illness (急病), which rules at no level are to keep from
// passing, nor questions.
var Urgent = []string{"personal-safety", "sudden-illness"}

// UrgentNeed is the reason on record for both: which of them it was stands sealed, and on no sheet.
const UrgentNeed = "urgent-need"

// IsUrgent tells whether a reason is one of them.
func IsUrgent(reason string) bool { return slices.Contains(Urgent, reason) }

// VisitorConfirmed is the reason of a guard who lets a visitor in.
const VisitorConfirmed = "visitor-confirmed"

// MostHeads is how many of a visit pass at once at most.
const MostHeads = 99

// MaxNote is how many bytes a guard types at most.
const MaxNote = 500

// Ruling is what a guard decides about a hold.
type Ruling struct {
	Verdict string `json:"verdict"` // admit or refuse
	Reason  string `json:"reason"`  // one of Reasons
	Note    string `json:"note"`    // the guard's own words; kept as personal data

	Answers map[string]string `json:"answers"` // by the names of what is asked; likewise
	Heads   int               `json:"heads"`   // of a visit: how many pass at once; 0: one
}

// Check says what is wrong with it, but for the answers.
func (r *Ruling) Check() error {
	switch reasons, ok := Reasons[r.Verdict]; {
	case !ok:
		return fmt.Errorf("verdict %.20q: a guard decides admit or refuse", r.Verdict)
	case !slices.Contains(reasons, r.Reason):
		return fmt.Errorf("reason %.40q for %s: want one of %s", r.Reason, r.Verdict, strings.Join(reasons, ", "))
	case r.Heads < 0 || r.Heads > MostHeads:
		return fmt.Errorf("%d heads: say how many pass at once, 1 to %d", r.Heads, MostHeads)
	}
	return note(r.Note)
}

// Answered are its answers, unless they are not all that is needed for it; ask is what is asked, nil: nothing; guard is who is on duty.
func (r *Ruling) Answered(ask *policy.Inquiry, guard string) ([]policy.Answer, error) {
	bySight := r.Reason == policy.KnownUnnamed
	if bySight && (ask == nil || !ask.BySight) {
		return nil, fmt.Errorf("reason %s: this hold has no questions that may be left out for it", r.Reason)
	}
	return ask.Answers(r.Answers, r.Verdict == policy.Admit && !bySight && !IsUrgent(r.Reason), guard)
}

// Override is why somebody is admitted against a refusal.
type Override struct {
	Reason   string // one of Overrides or Urgent
	Approver string // who else agrees, by telephone or at the gate, by the name that they gave; kept as personal data
	Note     string // the guard's own words; likewise
}

// Check says what is wrong with it, where the rule that refused says who may: one of policy.Overrides; "": nobody. guard is who is on duty.
func (o *Override) Check(who, guard string) error {
	agreed := (who == policy.OverrideTelephone || who == policy.OverrideSecond) && !IsUrgent(o.Reason)
	switch words := slices.Concat(Urgent, Overrides[who]); {
	case !slices.Contains(words, o.Reason):
		return fmt.Errorf("reason %.40q: want one of %s", o.Reason, strings.Join(words, ", "))
	case agreed:
		if fault := policy.SecondPerson(o.Approver, guard, who == policy.OverrideSecond); fault != "" {
			return errors.New(fault)
		}
	case o.Approver != "":
		return errors.New("nobody else has to agree: leave the name out")
	}
	return note(o.Note)
}

func note(text string) error {
	if len(text) > MaxNote || !utf8.ValidString(text) {
		return fmt.Errorf("note of %d bytes: at most %d, in UTF-8", len(text), MaxNote)
	}
	return nil
}
