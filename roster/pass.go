package roster

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrSerial refuses what cannot be the serial of a pass.
var ErrSerial = errors.New("a pass serial has 16 hex digits")

func normalSerial(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if b, err := hex.DecodeString(s); err != nil || len(b) != 8 {
		return "", fmt.Errorf("%.40q: %w", s, ErrSerial)
	}
	return s, nil
}

// RecordPasses stores the issuer's list, so that the passes of a household can be found when they are to be revoked. A pass that
// is on it already is replaced. All or nothing.
func (s *Store) RecordPasses(ctx context.Context, passes []IssuedPass) error {
	err := s.change(ctx, func(tx *sql.Tx, _ *Snapshot) error {
		for _, p := range passes {
			serial, err := normalSerial(p.Serial)
			if err != nil {
				return err
			}
			switch {
			case p.Subject == "" || len(p.Subject) > 64 || p.Issuer == "" || len(p.Issuer) > 256:
				return fmt.Errorf("pass %s: subject and issuer must be said, in at most 64 and 256 bytes", serial)
			case !p.NotAfter.After(p.NotBefore):
				return fmt.Errorf("pass %s ends at %s, not after its start at %s", serial,
					p.NotAfter.Format(time.RFC3339), p.NotBefore.Format(time.RFC3339))
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT OR REPLACE INTO pass VALUES(?,?,?,?,?)", serial, p.Subject, p.Issuer,
				p.NotBefore.UnixMicro(), p.NotAfter.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record passes: %w", err)
	}
	return nil
}

// Revoke makes one pass count no longer. ErrNotFound if nobody recorded it, which may be a slip, unless that is said to be so:
// unseen. The reason is a word or a sentence of at most 200 bytes; it should name nobody. Revoked again without one, it keeps what it has.
func (s *Store) Revoke(ctx context.Context, serial, reason string, unseen bool) error {
	err := s.change(ctx, func(tx *sql.Tx, _ *Snapshot) error {
		serial, err := normalSerial(serial)
		if err == nil && len(reason) > 200 {
			err = errors.New("reason is longer than 200 bytes")
		}
		known := unseen
		if err == nil && !known {
			err = tx.QueryRow("SELECT ?1 IN (SELECT serial FROM pass UNION SELECT serial FROM revoked)", serial).Scan(&known)
		}
		if err == nil && !known {
			err = ErrNotFound
		}
		if err == nil {
			_, err = tx.Exec("INSERT INTO revoked VALUES(?,?) ON CONFLICT DO UPDATE SET reason=excluded.reason "+
				"WHERE excluded.reason<>''", serial, reason)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke pass: %w", err)
	}
	return nil
}

// RevokeHousehold makes the passes of a household, and of the people and vehicles that belong to it now, count no longer: those
// recorded, also when they begin later, and all others that begin before at. They stay revoked, wherever their owners move. It
// returns how many recorded passes are revoked by it. ErrNotFound if there is no such household.
func (s *Store) RevokeHousehold(ctx context.Context, household string, at time.Time) (serials int, err error) {
	err = s.change(ctx, func(tx *sql.Tx, now *Snapshot) error {
		if _, ok := now.Household(household); !ok {
			return ErrNotFound
		}
		meant := []string{household}
		for _, i := range now.byHousehold[household] {
			meant = append(meant, now.people[i].ID)
		}
		for _, v := range now.vehicles {
			if v.Household == household {
				meant = append(meant, v.ID)
			}
		}
		for _, subject := range meant {
			done, err := tx.Exec("INSERT OR IGNORE INTO revoked SELECT serial, 'household' FROM pass WHERE subject=?", subject)
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			if err != nil {
				return err
			}
			serials += int(n)
			if _, err = tx.Exec("INSERT INTO revoked_subject VALUES(?,?) ON CONFLICT DO UPDATE SET before=max(before, excluded.before)",
				subject, at.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("revoke the passes of a household: %w", err)
	}
	return serials, nil
}

// goodPasses are the serials of the recorded passes that are neither over nor revoked, by subject.
func goodPasses(tx *sql.Tx, now time.Time) (serials map[string][]string, err error) {
	serials = map[string][]string{}
	var serial, subject string
	return serials, each(tx, fmt.Sprintf(`SELECT serial, subject FROM pass p WHERE not_after>%d
		AND serial NOT IN (SELECT serial FROM revoked) AND NOT EXISTS (SELECT 1 FROM revoked_subject r
		WHERE r.subject=p.subject AND p.not_before<r.before) ORDER BY serial`, now.UnixMicro()),
		func() { serials[subject] = append(serials[subject], serial) }, &serial, &subject)
}

// ListedPass is a pass that was recorded or revoked.
type ListedPass struct {
	IssuedPass        // of one that was revoked and never recorded only the serial is known
	Revoked    string // why: a reason, or household; suspended until somebody decides; empty if it is good
}

// ListPasses lists all passes that the roster at a path knows, by household or person, daemon or not. before are the people,
// vehicles and households of whom everything that begins before a moment is revoked, whether it was recorded or not.
func ListPasses(path string) (list []ListedPass, before map[string]time.Time, err error) {
	before = map[string]time.Time{}
	list, err = read(path, func(tx *sql.Tx) (list []ListedPass, err error) {
		var subject string
		var p ListedPass
		var at, end int64
		if err := each(tx, "SELECT subject, before FROM revoked_subject", func() { before[subject] = time.UnixMicro(at) },
			&subject, &at); err != nil {
			return nil, err
		}
		return list, each(tx, `SELECT serial, subject, issuer, not_before, not_after, coalesce(
			(SELECT iif(reason='', 'revoked', reason) FROM revoked r WHERE r.serial=p.serial),
			(SELECT 'household' FROM revoked_subject r WHERE r.subject=p.subject AND p.not_before<r.before),
			(SELECT 'suspended' FROM suspended r WHERE r.subject=p.subject AND p.not_before<r.since), '')
			FROM pass p UNION ALL SELECT serial, '', '', 0, 0, iif(reason='', 'revoked', reason) FROM revoked
			WHERE serial NOT IN (SELECT serial FROM pass) ORDER BY subject, not_before, serial`, func() {
			p.NotBefore, p.NotAfter = time.UnixMicro(at), time.UnixMicro(end)
			list = append(list, p)
		}, &p.Serial, &p.Subject, &p.Issuer, &at, &end, &p.Revoked)
	})
	return list, before, err
}

// Accept lets the roster as it is now count, although a newer one was known, of so many changes.
func (s *Store) Accept(ctx context.Context, changes int64) error {
	return s.change(ctx, func(tx *sql.Tx, _ *Snapshot) error {
		_, err := tx.Exec("UPDATE meta SET value=max(value, ?) WHERE key='change'", changes)
		return err
	})
}
