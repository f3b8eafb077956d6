package box

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gated/access"
	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/erasure"
	"gated/register/visits"
)

// Erase erases personal data for good.
var Erase = Op[Erasure, erasure.Erased]{"ledger-erase", erase}

// Erasure says what, and why in somebody's own words.
type Erasure struct {
	erasure.Selection
	Why string
}

func erase(_ context.Context, b *Box, by string, a Erasure) (done erasure.Erased, err error) {
	if b.Register == nil {
		return done, b.noLedger()
	}
	if a.Before != "" && b.Gate != nil {
		now := b.Gate.View().Now.In(b.Ledger.Zone())
		before := func(*visits.Visit) string { return min(a.Before, now.Format(time.DateOnly)) } // it may be "today"
		if err := errors.Join(b.Register.Wait(), b.tellAgain(now, true, before)); err != nil {
			return done, err
		}
	}
	done, err = b.eraser.Erase(a.Selection, by, a.Why)
	if entries, fields := done.Sum(); fields > 0 && err != nil {
		err = fmt.Errorf("%d fields of %d entries were erased, the rest was not: %w", fields, entries, err)
	}
	if errors.Is(err, ledger.ErrNothingErased) || errors.As(err, new(erasure.KeptError)) {
		err = No{err}
	}
	return done, err
}

// Keep forbids to erase the personal data of some days, or ends that. It returns the entry's number.
var Keep = Op[Keeping, int64]{"ledger-keep", func(_ context.Context, b *Box, by string, a Keeping) (seq int64, err error) {
	switch {
	case b.Register == nil:
		return 0, b.noLedger()
	case a.Lift == 0:
		return b.eraser.Keep(a.From, a.To, by, a.Why)
	}
	if seq, err = b.eraser.Lift(a.Lift, by, a.Why); errors.Is(err, erasure.ErrNotKept) {
		err = No{err}
	}
	return seq, err
}}

// Keeping lifts the entry Lift, or else keeps the days From to To.
type Keeping struct {
	From, To, Why string
	Lift          int64
}

// Keeps lists the days that are kept, by the number of the entry that says so.
var Keeps = Op[struct{}, map[int64]register.Span]{"ledger-keeps", keeps}

func keeps(_ context.Context, b *Box, _ string, _ struct{}) (map[int64]register.Span, error) {
	if b.Register == nil {
		return nil, b.noLedger()
	}
	return b.Register.Keeps(), nil
}

// TellSubject calls f for every entry about a person or vehicle, as erasure.Subject does; there may be none where they are known
// otherwise. That somebody looked, and why, is recorded first.
func TellSubject(ctx context.Context, dir string, a Subject, known bool, f func(*ledger.Entry) error) error {
	if err := erasure.CheckWhy(a.Why); err != nil {
		return err
	}
	ask := AskKeys(ctx, dir)
	n, err := erasure.Subject(dir, a.ID, ask, func(*ledger.Entry) error { return nil })
	switch {
	case err != nil && (n == 0 || !errors.As(err, new(erasure.UnseenError))):
		return err
	case n == 0 && !known:
		return No{fmt.Errorf("the ledger keeps nothing about %s", a.ID)}
	}
	if _, err := Perform(ctx, dir, recordSubject, a); err != nil {
		return err
	}
	_, err = erasure.Subject(dir, a.ID, ask, f)
	return err
}

// Search lists passages, the newest first. Without a Kind the index of the state directory is asked. With one somebody is looked
// for: who looks, for whom and why is recorded first.
func Search(ctx context.Context, dir string, a Finding) ([]register.Passage, error) {
	switch {
	case a.Kind == "":
		return register.Search(dir, a.Filter)
	case a.Why == "":
		return nil, errors.New("--why: say why you look for somebody: it is recorded")
	}
	return Perform(ctx, dir, findSomebody, a)
}

var findSomebody = Op[Finding, []register.Passage]{"ledger-find", find}

func find(_ context.Context, b *Box, by string, a Finding) ([]register.Passage, error) {
	if b.Register == nil {
		return nil, b.noLedger()
	}
	if err := erasure.CheckWhy(a.Why); err != nil {
		return nil, err
	}
	if strings.Trim(a.Value, " -·•・.()‐–+\u3000") == "" { // everybody has that
		return nil, fmt.Errorf("%s %q is empty: say whom you look for", a.Kind, a.Value)
	}
	if err := b.append(ledger.Event{Kind: register.Export, Reason: "search", By: access.Socket,
		Personal: []ledger.Field{{Name: a.Kind, Value: a.Value}, {Name: "by", Value: by}, {Name: "note", Value: a.Why}}}); err != nil {
		return nil, err
	}
	if a.From != "" {
		return b.Register.FindPart(a.Value, a.From, a.To, a.Filter)
	}
	return b.Register.Find(a.Kind, a.Value, a.Filter)
}

// Finding says which passages are wanted: those that the filter takes. With a Kind such as blind.OfName they are also of one
// person, household or vehicle: the one with the Value or, in the days From to To, whose name has that part. Why says what for.
type Finding struct {
	Kind, Value, From, To, Why string
	Filter                     register.Filter
}

// BeginExport records an export with personal data before it shows any, and gives the reader what opens them. It tells why some
// cannot be read all the same. Where none can it is an error: an export that only looks as if nobody had passed would be worse than
// none.
func BeginExport(ctx context.Context, dir string, r *file.Reader, x Export, tell io.Writer) error {
	_, err := beginExport(ctx, dir, r, tell, func() (bool, error) { return Perform(ctx, dir, recordExport, x) })
	return err
}

func beginExport[R any](ctx context.Context, dir string, r *file.Reader, tell io.Writer, record func() (R, error)) (none R, err error) {
	if ask := AskKeys(ctx, dir); ask != nil {
		r.AskKeys(ask)
	} else if hidden := r.Hidden(); !r.HasMaster() {
		return none, fmt.Errorf("the personal data cannot be opened here: %w", hidden)
	} else if hidden != nil {
		fmt.Fprintf(tell, "not all personal data can be read: %v\n", hidden)
	}
	recorded, err := record()
	if err != nil {
		return none, fmt.Errorf("an export with personal data is recorded first: %w", err)
	}
	return recorded, nil
}

// entryKeys are the keys of some entries' personal data, for a command that shows it and has no master key: that may be a
// credential of the service.
var entryKeys = Op[entries, [][]byte]{"entry-keys", func(_ context.Context, b *Box, _ string, a entries) (keys [][]byte, err error) {
	if b.Ledger == nil {
		return nil, b.noLedger()
	}
	return b.Ledger.Keys(a.Epoch, a.From, a.To)
}}

// entries are those From to To of an epoch.
type entries struct {
	Epoch    int
	From, To int64
}

// AskKeys returns what asks the daemon of a state directory for the keys of entries; nil where they need not be asked for,
// or no daemon runs.
func AskKeys(ctx context.Context, dir string) file.Keys {
	r, err := file.OpenReader(dir)
	if err != nil {
		return nil
	}
	defer r.Close()
	if r.HasMaster() || !answers(dir) {
		return nil
	}
	return func(epoch int, from, to int64) ([][]byte, error) {
		return Perform(ctx, dir, entryKeys, entries{epoch, from, to})
	}
}
