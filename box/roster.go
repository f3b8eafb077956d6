package box

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"gated/credential"
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
	opt := roster.ImportOptions{DryRun: a.DryRun, AllowRemove: a.AllowRemove, CheckResidentID: ResidentID}
	rep, err := b.Roster.Import(ctx, a.Rows, opt)
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
	if err := b.Roster.RecordPasses(ctx, passes); err != nil {
		return 0, err
	}
	return len(passes), b.rosterChanged(by, "passes-recorded", map[string]string{"passes": strconv.Itoa(len(passes))})
}

// RevokePasses makes the gate refuse a pass, or all that a household has now, and tells how many are recorded.
var RevokePasses = Op[Revocation, int]{"pass-revoke", revokePasses}

// Revocation is of the household's passes, or else of the one with the serial.
type Revocation struct{ Serial, Household, Reason string }

func revokePasses(ctx context.Context, b *Box, by string, r Revocation) (int, error) {
	if r.Household == "" {
		if err := b.Roster.Revoke(ctx, r.Serial, r.Reason); err != nil {
			return 0, err
		}
		return 1, b.rosterChanged(by, "pass-revoked", map[string]string{"passes": "1"})
	}
	if _, ok := b.Roster.Snapshot().Household(r.Household); !ok {
		return 0, No{fmt.Errorf("no household %s in the roster", r.Household)}
	}
	n, err := b.Roster.RevokeHousehold(ctx, r.Household, b.now())
	if err != nil {
		return 0, err
	}
	return n, b.rosterChanged(by, "household-revoked", map[string]string{"passes": strconv.Itoa(n)})
}
