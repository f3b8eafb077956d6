package box

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gated/box/compound"
	"gated/credential"
	"gated/ledger"
	"gated/register"
	"gated/register/erasure"
	"gated/roster"
	"gated/roster/sheet"
)

// ImportRoster replaces the roster by the property office's list.
var ImportRoster = Op[Import, roster.Report]{"roster-import", importRoster}

// Import are the arguments of ImportRoster.
type Import struct {
	Rows        []sheet.Row
	DryRun      bool
	AllowRemove int
	Language    string // of the answer
}

// ReadRoster reads the property office's list; what is wrong with it is an answer.
func ReadRoster(path, language string) (*sheet.List, error) {
	list, err := sheet.ReadFile(path)
	return list, inWords(err, language)
}

// inWords makes of a faulty list, or of one that takes away too much, an answer in the clerk's language.
func inWords(err error, language string) error {
	var faulty *sheet.FaultyRows
	var removal *roster.MassRemoval
	switch {
	case errors.As(err, &faulty) && faulty.Unwrap() != nil: // there is no list
		return errors.New(faulty.Text(language))
	case errors.As(err, &faulty):
		return No{errors.New(faulty.Text(language))}
	case errors.As(err, &removal):
		return No{errors.New(removal.Text(language))}
	}
	return err
}

func importRoster(ctx context.Context, b *Box, by string, a Import) (roster.Report, error) {
	if err := b.rightRoster(); err != nil {
		return roster.Report{}, err
	}
	key, kept, err := compound.Key(b.Dir, b.Roster.Snapshot(), a.DryRun)
	if err != nil {
		return roster.Report{}, err
	}
	opt := roster.ImportOptions{Key: key, DryRun: a.DryRun, AllowRemove: a.AllowRemove, CheckResidentID: ResidentID}
	rep, err := b.Roster.Import(ctx, a.Rows, opt)
	rep.Unkept = !kept
	if err != nil || a.DryRun {
		return rep, inWords(err, a.Language)
	}
	n := func(i int) string { return strconv.Itoa(i) }
	return rep, b.rosterChanged(by, "roster-imported", map[string]string{
		"added": n(roster.Members(rep.Added)), "changed": n(roster.Members(rep.Changed)), "removed": n(roster.Members(rep.Removed)),
		"residents": n(rep.Residents), "households": n(rep.Households), "vehicles": n(rep.Vehicles)})
}

// ResidentID hands the check of credential to the roster; leaves do not know each other.
func ResidentID(number string) (birthDate string, err error) {
	id, err := credential.ResidentID(number)
	if err == nil && id.BirthDate > time.Now().Format(time.DateOnly) {
		err = credential.ErrDate
	}
	return id.BirthDate, err
}

// RemoveFromRoster takes a person or vehicle out, by roster ID.
var RemoveFromRoster = Op[string, bool]{"roster-remove", func(ctx context.Context, b *Box, by, id string) (bool, error) {
	if err := b.rightRoster(); err != nil {
		return false, err
	}
	err := b.Roster.Remove(ctx, id)
	if errors.Is(err, roster.ErrNotFound) {
		return false, No{fmt.Errorf("%s is not in the roster", id)}
	}
	if err != nil {
		return false, err
	}
	return true, b.rosterChanged(by, "roster-removed", map[string]string{"removed": "1"})
}}

// RecordPasses keeps which passes were issued, and tells how many.
var RecordPasses = Op[[]roster.IssuedPass, int]{"pass-record", recordPasses}

func recordPasses(ctx context.Context, b *Box, by string, passes []roster.IssuedPass) (int, error) {
	if err := b.rightRoster(); err != nil {
		return 0, err
	}
	if err := b.Roster.RecordPasses(ctx, passes); err != nil {
		return 0, err
	}
	return len(passes), b.rosterChanged(by, "passes-recorded", map[string]string{"passes": strconv.Itoa(len(passes))})
}

// RevokePasses makes the gate refuse a pass, or all that a household has now, and tells how many of those are recorded.
var RevokePasses = Op[Revocation, int]{"pass-revoke", revokePasses}

// Revocation is of the household's passes, or of those of a subject that are suspended, which may be lifted instead; or else of the one
// with the serial, which may be unseen: nobody has recorded it.
type Revocation struct {
	Serial, Household, Subject, Reason string
	Unseen, Lift                       bool
}

func revokePasses(ctx context.Context, b *Box, by string, r Revocation) (int, error) {
	if err := b.rightRoster(); err != nil {
		return 0, err
	}
	if r.Subject != "" {
		return settleSuspended(ctx, b, by, r)
	}
	if r.Household == "" {
		switch err := b.Roster.Revoke(ctx, r.Serial, r.Reason, r.Unseen); {
		case errors.Is(err, roster.ErrNotFound):
			return 0, No{fmt.Errorf("nobody has recorded a pass %s, so nothing is revoked: compare it with passes.csv; "+
				"if it was never recorded, say --unseen", r.Serial)}
		case err != nil:
			return 0, err
		}
		return 1, b.rosterChanged(by, "pass-revoked", map[string]string{"passes": "1"},
			whose("pass", strings.ToLower(strings.TrimSpace(r.Serial)), r.Reason)...)
	}
	if _, ok := b.Roster.Snapshot().Household(r.Household); !ok {
		return 0, No{fmt.Errorf("no household %s in the roster", r.Household)}
	}
	now, err := b.now()
	if err != nil {
		return 0, err
	}
	n, err := b.Roster.RevokeHousehold(ctx, r.Household, now)
	if err != nil {
		return 0, err
	}
	return n, b.rosterChanged(by, "household-revoked", map[string]string{"passes": strconv.Itoa(n)},
		whose("household", r.Household, r.Reason)...)
}

// settleSuspended ends the suspension of a subject's passes.
func settleSuspended(ctx context.Context, b *Box, by string, r Revocation) (n int, err error) {
	settle, done := b.Roster.RevokeSuspended, "suspended-revoked"
	if r.Lift {
		settle, done = b.Roster.Lift, "suspended-lifted"
	}
	if n, err = settle(ctx, r.Subject); errors.Is(err, roster.ErrNotFound) {
		return 0, No{fmt.Errorf("no passes of %.40q are suspended", r.Subject)}
	} else if err != nil {
		return 0, err
	}
	return n, b.rosterChanged(by, done, map[string]string{"passes": strconv.Itoa(n)}, whose("subject", r.Subject, r.Reason)...)
}

// whose says, sealed, whose passes were revoked and why: who has lost the roster finds it there.
func whose(name, value, why string) []ledger.Field {
	fields := []ledger.Field{{Name: name, Value: value}}
	if why != "" {
		fields = append(fields, ledger.Field{Name: "note", Value: why})
	}
	return fields
}

// AcceptRoster lets the roster as it is now count, although the ledger knows a newer one: what that had besides is lost. Why is in
// somebody's own words.
var AcceptRoster = Op[string, bool]{"roster-accept", acceptRoster}

func acceptRoster(ctx context.Context, b *Box, by, why string) (bool, error) {
	if err := erasure.CheckWhy(why); err != nil {
		return false, err
	}
	if b.Register == nil {
		return false, b.noLedger()
	}
	known, err := b.knownRoster()
	switch err = cmp.Or(b.Roster.Moved(), err); {
	case err != nil:
		return false, err
	case b.Roster.Snapshot().Change() < 0:
		return false, errUnreadable
	case b.Roster.Snapshot().Change() >= known:
		return false, No{errors.New("the ledger knows no newer roster than this one: it counts already")}
	}
	if err := b.Roster.Accept(ctx, known); err != nil {
		return false, err
	}
	return true, b.rosterChanged(by, "roster-accepted", nil, whose("note", why, "")...)
}

var errUnreadable = errors.New("roster.db cannot be read: with the daemon stopped put it back from the backup, or move it away " +
	"and start the daemon with none")

// knownRoster is how many changes of the roster the ledger knows of.
func (b *Box) knownRoster() (changes int64, err error) {
	if b.Gate == nil { // perhaps an old entry tells of it
		err = b.Register.Wait()
	}
	b.Register.View(func(s *register.State) { changes = s.Roster })
	return changes, err
}

// rightRoster refuses to change a roster that is not the one which the ledger knows: the change would be lost when that is put
// back, and may be taken for it if it is not.
func (b *Box) rightRoster() error {
	if err := b.Roster.Moved(); err != nil || b.Register == nil {
		return err
	}
	known, err := b.knownRoster()
	if has := b.Roster.Snapshot().Change(); has < 0 {
		return errUnreadable
	} else if err == nil {
		err = rosterBehind(has, known)
	}
	return err
}

// rosterBehind says that a roster is not the newest that the ledger knows, unless it is.
func rosterBehind(has, known int64) error {
	if has >= known {
		return nil
	}
	return fmt.Errorf("the roster that is here has had %d changes, and the ledger knows of %d: put roster.db back from the backup, "+
		"or say with \"gated roster accept\" that this one counts", has, known)
}
