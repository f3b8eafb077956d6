package roster

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gated/roster/sheet"
)

// ImportOptions say how an import is done.
type ImportOptions struct {
	Key         Key  // of the compound; the zero key gives nobody an ID
	DryRun      bool // report only
	AllowRemove int  // exactly how many residents may go, where that is more than 2 % of them or a whole unit

	// CheckResidentID checks a resident ID number (GB 11643) and returns its birth date as 2006-01-02. An error whose text is
	// bad-check-digit or bad-date becomes the reason of its fault. Required.
	CheckResidentID func(number string) (birthDate string, err error)
}

// LogValue keeps everything but numbers out of logs.
func (r Report) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("added", len(r.Added)), slog.Int("changed", len(r.Changed)), slog.Int("removed", len(r.Removed)),
		slog.String("version", r.Version))
}

var errDryRun = errors.New("dry run")

// Import replaces the people, vehicles and households of the roster by those of the rows, all or nothing: the property office's
// file is the truth. Whom the file gives no roster ID has the one that follows from their row. Faults are a *sheet.FaultyRows
// with every one of them, too large a removal is a *MassRemoval.
func (s *Store) Import(ctx context.Context, rows []sheet.Row, opt ImportOptions) (report Report, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("import roster: %w", err)
		}
	}()
	if len(rows) == 0 || len(rows) > sheet.MaxRows {
		return report, fmt.Errorf("%d rows: a roster has 1 to %d", len(rows), sheet.MaxRows)
	}
	want := checked(rows, opt)
	err = s.change(ctx, func(tx *sql.Tx, old *Snapshot) error {
		want.complete(old, opt.Key)
		if want.faults.Total > 0 {
			sheets := map[string]int{} // their order
			for _, r := range rows {
				if _, known := sheets[r.Sheet]; !known {
					sheets[r.Sheet] = len(sheets)
				}
			}
			slices.SortStableFunc(want.faults.Faults, func(a, b sheet.Fault) int {
				return cmp.Or(sheets[a.Sheet]-sheets[b.Sheet], a.Row-b.Row)
			})
			return &want.faults
		}
		var d difference
		d, report = differences(old, want)
		good, err := goodPasses(tx, time.Now())
		if err != nil {
			return err
		}
		report.Renumbered, report.Keyed = renumbered(d, old, good), want.keyed && !old.Keyed()
		removal := massRemoval(old, want, d)
		if opt.DryRun {
			report.Version = old.version
			if removal != nil {
				report.NeedAllowRemove = removal.Need
			}
			return errDryRun
		}
		if removal != nil && removal.Need != opt.AllowRemove {
			removal.Given = opt.AllowRemove
			return removal
		}
		if want.keyed && opt.Key != (Key{}) {
			if _, err := tx.Exec("UPDATE meta SET value=? WHERE key='compound'", opt.Key.Check()); err != nil {
				return err
			}
		}
		return store(ctx, tx, d)
	})
	if opt.DryRun && err == errDryRun {
		return report, nil
	}
	if err == nil {
		report.Version = s.Snapshot().version
	}
	return report, err
}

// complete gives everybody their ID, and finds those who cannot have the one they have. Under another key than the roster was
// made with nobody is given one: it would be a new one for everybody, and no pass would be anybody's.
func (w *roll) complete(old *Snapshot, key Key) {
	if another := !old.Fits(key); (another || key == Key{}) && w.unnumbered() {
		w.fault(place{}, "id", "other-key", place{})
		return
	}
	w.number(key)
	w.twins()
	w.unlike(old)
}
