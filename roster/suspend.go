package roster

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Suspend has the passes of a person, a vehicle or a household that begin before a moment count no more until somebody decides: they
// were reported lost. Again it counts from the later moment. ErrNotFound if the roster does not have them.
func (s *Store) Suspend(ctx context.Context, subject string, at time.Time) error {
	err := s.change(ctx, func(tx *sql.Tx, now *Snapshot) error {
		if !now.Has(subject) {
			return ErrNotFound
		}
		_, err := tx.Exec("INSERT INTO suspended VALUES(?,?) ON CONFLICT DO UPDATE SET since=max(since, excluded.since)",
			subject, at.UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("suspend passes: %w", err)
	}
	return nil
}

// Lift has the passes of somebody count again that were suspended, and returns how many of them are recorded. ErrNotFound if none were.
func (s *Store) Lift(ctx context.Context, subject string) (serials int, err error) {
	err = s.unsuspend(ctx, subject, func(tx *sql.Tx, since int64) error {
		return tx.QueryRow("SELECT count(*) FROM pass WHERE subject=? AND not_before<?", subject, since).Scan(&serials)
	})
	return serials, err
}

// RevokeSuspended has the passes of somebody that were suspended count never again, and returns how many of them are recorded.
// ErrNotFound if none were.
func (s *Store) RevokeSuspended(ctx context.Context, subject string) (serials int, err error) {
	err = s.unsuspend(ctx, subject, func(tx *sql.Tx, since int64) error {
		done, err := tx.Exec("INSERT OR IGNORE INTO revoked SELECT serial, 'lost' FROM pass WHERE subject=? AND not_before<?",
			subject, since)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return err
		}
		serials = int(n)
		_, err = tx.Exec("INSERT INTO revoked_subject VALUES(?,?) ON CONFLICT DO UPDATE SET before=max(before, excluded.before)",
			subject, since)
		return err
	})
	return serials, err
}

// unsuspend ends a suspension, whose moment then is given.
func (s *Store) unsuspend(ctx context.Context, subject string, then func(tx *sql.Tx, since int64) error) error {
	err := s.change(ctx, func(tx *sql.Tx, now *Snapshot) error {
		since, is := now.suspended[subject]
		if !is {
			return ErrNotFound
		}
		if err := then(tx, since); err != nil {
			return err
		}
		_, err := tx.Exec("DELETE FROM suspended WHERE subject=?", subject)
		return err
	})
	if err != nil {
		return fmt.Errorf("end a suspension: %w", err)
	}
	return nil
}

// Suspended tells whether a pass of somebody counts for nothing until somebody decides, by when it begins.
func (s *Snapshot) Suspended(subject string, notBefore time.Time) bool {
	since, is := s.suspended[subject]
	return is && notBefore.UnixMicro() < since
}

// Has tells whether it is a person, a vehicle or a household of the roster.
func (s *Snapshot) Has(id string) bool {
	_, person := s.byID[id]
	_, vehicle := s.byVehicleID[id]
	_, household := s.household[id]
	return person || vehicle || household
}
