package roster

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// Whoever lost a pass: it counts no more at once, and for good or again when the office decides.
func TestLostPassesAreSuspendedUntilSomebodyDecides(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "roster.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	mustImport(t, s, small, imports)
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	pass := func(serial, subject string, from time.Time) IssuedPass {
		return IssuedPass{Serial: serial, Subject: subject, Issuer: "office", NotBefore: from, NotAfter: from.AddDate(1, 0, 0)}
	}
	if err := s.RecordPasses(t.Context(), []IssuedPass{pass("00000000000000a1", "r-000001", at.AddDate(0, 0, -1)), pass("00000000000000a2", "r-000001", at.AddDate(0, 0, 1)), pass("00000000000000a3", "r-000002", at.AddDate(0, 0, -1))}); err != nil {
		t.Fatal(err)
	}
	version := s.Snapshot().Version()
	for _, subject := range []string{"r-000001", "r-000002", "3-2-501"} {
		if err := s.Suspend(t.Context(), subject, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Suspend(t.Context(), "r-nobody", at); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	if s.Snapshot().Version() == version {
		t.Error("checks depend on it, and the version is the same")
	}
	mustImport(t, s, small, imports) // the office's list says nothing of it
	s.Close()
	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	list, _, err := ListPasses(path)
	if err != nil || list[0].Revoked != "suspended" || list[1].Revoked != "" {
		t.Errorf("%v, %v", list, err)
	}
	suspended := func(subject string, from time.Time, want bool) {
		t.Helper()
		if got := s.Snapshot().Suspended(subject, from); got != want {
			t.Errorf("suspended of %s from %s: %t", subject, from, got)
		}
	}
	suspended("r-000001", at.Add(-time.Microsecond), true)
	suspended("r-000001", at, false) // the new pass
	suspended("3-2-501", at.Add(-time.Hour), true)
	suspended("r-000003", at.Add(-time.Hour), false)
	if n, err := s.Lift(t.Context(), "r-000002"); err != nil || n != 1 {
		t.Errorf("lifted: %d, %v", n, err)
	}
	if n, err := s.RevokeSuspended(t.Context(), "r-000001"); err != nil || n != 1 {
		t.Errorf("revoked: %d, %v", n, err)
	}
	suspended("r-000002", at.Add(-time.Hour), false)
	suspended("r-000001", at.Add(-time.Hour), false)
	for serial, want := range map[string]bool{"00000000000000a1": true, "00000000000000a2": false, "00000000000000ff": true} {
		from := at.Add(-time.Hour)
		if serial == "00000000000000a2" {
			from = at.AddDate(0, 0, 1)
		}
		if got := s.Snapshot().Revoked(serial, "r-000001", from); got != want {
			t.Errorf("revoked %s: %t", serial, got)
		}
	}
	if s.Snapshot().Revoked("00000000000000a3", "r-000002", at.Add(-time.Hour)) {
		t.Error("what was lifted is revoked")
	}
	if _, err := s.Lift(t.Context(), "r-000001"); !errors.Is(err, ErrNotFound) {
		t.Errorf("lifted what is revoked: %v", err)
	}
}
