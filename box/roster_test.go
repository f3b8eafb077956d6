package box

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gated/ledger"
	"gated/roster"
)

// A roster that was lost is not changed, since the change would be lost with it or hide the loss, until the right one is put back
// or somebody says that the one that is here counts. It is the same with a daemon and without.
func TestALostRosterIsNotChangedUntilSomebodyAcceptsIt(t *testing.T) {
	ctx := context.Background()
	for _, served := range []bool{false, true} {
		dir := site(t)
		if err := os.Remove(filepath.Join(dir, "roster.db")); err != nil {
			t.Fatal(err)
		}
		had := size(t, dir)
		end := func() {}
		if served {
			end = listening(t, dir)
		}
		for op, try := range map[string]func() error{
			"import": func() error { _, err := Perform(ctx, dir, ImportRoster, Import{Rows: rows}); return err },
			"remove": func() error { _, err := Perform(ctx, dir, RemoveFromRoster, "r-000001"); return err },
			"record": func() error {
				_, err := Perform(ctx, dir, RecordPasses, []roster.IssuedPass{{Serial: "8899aabbccddeeff", Subject: "r-000002", Issuer: "office", NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(2e9, 0)}})
				return err
			},
			"revoke": func() error {
				_, err := Perform(ctx, dir, RevokePasses, Revocation{Serial: "0011223344556677"})
				return err
			},
		} {
			if err := try(); err == nil || !strings.Contains(err.Error(), "put roster.db back") {
				t.Errorf("served=%t %s: got %v", served, op, err)
			}
		}
		if _, err := Perform(ctx, dir, AcceptRoster, "the disk was lost"); err != nil {
			t.Fatal(err)
		}
		if _, err := Perform(ctx, dir, AcceptRoster, "the disk was lost"); !errors.As(err, new(No)) {
			t.Errorf("accepted twice: %v", err)
		}
		if _, err := Perform(ctx, dir, ImportRoster, Import{Rows: rows}); err != nil {
			t.Error(err)
		}
		end()
		list := recorded(t, dir, had)
		if len(list) != 2 || list[0].Reason != "roster-accepted" || list[0].Detail["roster_change"] != "3" || list[1].Detail["roster_change"] != "4" {
			t.Errorf("entries: %+v", list)
		}
	}
}

// What was revoked stands in the entry, sealed: a backup without the roster, or an auditor, has it there.
func TestARevocationSaysWhat(t *testing.T) {
	dir := site(t)
	had := size(t, dir)
	for _, r := range []Revocation{{Serial: "0011223344556677", Reason: "lost"}, {Household: "1-1-101", Reason: "moved"}} {
		if _, err := Perform(t.Context(), dir, RevokePasses, r); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []ledger.Field{{Name: "pass", Value: "0011223344556677"}, {Name: "household", Value: "1-1-101"}} {
		e := recorded(t, dir, had)[i]
		found := false
		for _, f := range e.Personal {
			found = found || f.Name == want.Name && f.Value == want.Value
		}
		if !found {
			t.Errorf("%s: its fields are %+v", e.Reason, e.Personal)
		}
	}
}
