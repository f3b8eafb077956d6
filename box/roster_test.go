package box

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/backup"
	"gated/clock"
	"gated/ledger"
	"gated/roster"
	"gated/roster/sheet"

	"github.com/google/go-cmp/cmp"
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

// A household's passes are revoked up to now: also by a clock that nobody has confirmed, and not by one that cannot be right.
func TestAHouseholdIsRevokedUpToNowOrNotAtAll(t *testing.T) {
	for name, tt := range map[string]struct {
		wall time.Time
		says string
	}{
		"never confirmed":      {wall: time.Now()},
		"at its battery's end": {wall: time.Date(1970, 1, 1, 0, 0, 9, 0, time.UTC), says: "cannot be right (clock-before-release)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Perform(t.Context(), dir, ImportRoster, Import{Rows: rows}); err != nil {
				t.Fatal(err)
			}
			b, stop := daemonAt(t, dir, clock.Source{Wall: func() time.Time { return tt.wall }, Mono: func() time.Duration { return 0 },
				Synced: func() bool { return false }, Boot: "this"})
			defer stop()
			_, err := revokePasses(t.Context(), b, "unauthenticated", Revocation{Household: "1-1-101", Reason: "moved"})
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %v, want %q", err, tt.says)
				}
				return
			}
			if err != nil || !b.Roster.Snapshot().Revoked("", "1-1-101", tt.wall.Add(-time.Hour)) {
				t.Errorf("a pass that nobody has recorded is good still (%v)", err)
			}
		})
	}
}

// The compound key is made at the first import, once, for its owner's eyes. Where it was lost it is not made anew, and nobody gets
// another ID; a backup that still has it is not replaced.
func TestALostCompoundKeyRenumbersNobody(t *testing.T) {
	dir := site(t) // whose list gives all IDs
	path := filepath.Join(dir, "keys", "compound.key")
	list := Import{AllowRemove: 2, Rows: []sheet.Row{{Number: 2, Building: "1", Unit: "1", Room: "101", Name: "王伟"}, {Number: 3, Room: "1-1-102", Name: "李芳"}, {Number: 4, Plate: "京A12345"}}}
	ids := func() (all []string) {
		people, err := Roster(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range people.People() {
			all = append(all, p.ID)
		}
		return append(all, people.Vehicles()[0].ID)
	}
	if _, err := Perform(t.Context(), dir, ImportRoster, list); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 || st.Size() != 32 {
		t.Fatalf("got %v, %v", st, err)
	}
	was := ids()
	written, err := ShowKey(dir, Shown{Compound: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		list.DryRun = dry
		if _, err := Perform(t.Context(), dir, ImportRoster, list); !errors.As(err, new(No)) || !strings.Contains(err.Error(), "gated key restore --compound") {
			t.Errorf("without the key: %v", err)
		}
	}
	if _, err := Perform(t.Context(), dir, beginBackup, struct{}{}); err == nil || !strings.Contains(err.Error(), "gated key restore --compound") {
		t.Errorf("a backup without the key: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made anew: %v", err)
	}
	another := roster.NewKey().Written()
	if err := RestoreCompoundKey(dir, another, false); err == nil || !strings.Contains(err.Error(), "say --replace") {
		t.Errorf("another compound's key: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was put in place: %v", err)
	}
	if err := RestoreCompoundKey(t.TempDir(), another, false); err != nil { // a gate that had no list
		t.Error(err)
	}
	for _, key := range []string{another, written} { // another one, and then the right one instead
		if err := RestoreCompoundKey(dir, key+"\n", key == another); err != nil {
			t.Fatal(err)
		}
		if shown, err := ShowKey(dir, Shown{Compound: true}); (shown == written) != (key == written) || (err == nil) != (key == written) {
			t.Errorf("the right key: %t, shown %q, %v", key == written, shown, err)
		}
		if _, err := Perform(t.Context(), dir, ImportRoster, list); (err == nil) != (key == written) {
			t.Errorf("the right key: %t, %v", key == written, err)
		}
		if _, err := Perform(t.Context(), dir, beginBackup, struct{}{}); (err == nil) != (key == written) {
			t.Errorf("a backup with the right key: %t, %v", key == written, err)
		}
	}
	if d := cmp.Diff(was, ids()); d != "" {
		t.Error(d)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Perform(t.Context(), dir, ImportRoster, list); err == nil || !strings.Contains(err.Error(), "5 bytes instead of 32") {
		t.Errorf("a key that was cut: %v", err)
	}
}

func TestARevocationOfAnUnknownSerialIsANo(t *testing.T) {
	dir := site(t)
	had := size(t, dir)
	r := Revocation{Serial: "1111111111111111", Reason: "lost"}
	if _, err := Perform(t.Context(), dir, RevokePasses, r); !errors.As(err, new(No)) || len(recorded(t, dir, had)) != 0 {
		t.Errorf("got %v", err)
	}
	r.Unseen = true
	if _, err := Perform(t.Context(), dir, RevokePasses, r); err != nil || len(recorded(t, dir, had)) != 1 {
		t.Errorf("got %v", err)
	}
}

// What a guard suspended the office lifts, or revokes; either is an entry that says whose.
func TestWhatAGuardSuspendedIsLiftedOrRevoked(t *testing.T) {
	for _, lift := range []bool{true, false} {
		dir := site(t)
		people, err := roster.Open(RosterFile(dir))
		if err != nil {
			t.Fatal(err)
		}
		who := people.Snapshot().People()[0].ID
		err = people.Suspend(t.Context(), who, time.Now())
		if err := errors.Join(err, people.Close()); err != nil {
			t.Fatal(err)
		}
		had := size(t, dir)
		r := Revocation{Subject: who, Lift: lift, Reason: "found in the lift"}
		if _, err := Perform(t.Context(), dir, RevokePasses, r); err != nil {
			t.Fatal(err)
		}
		if _, err := Perform(t.Context(), dir, RevokePasses, r); !errors.As(err, new(No)) {
			t.Errorf("twice: %v", err)
		}
		list := recorded(t, dir, had)
		want := map[bool]string{true: "suspended-lifted", false: "suspended-revoked"}[lift]
		if len(list) != 1 || list[0].Reason != want || !slices.ContainsFunc(list[0].Personal, func(f ledger.Field) bool { return f.Name == "subject" && f.Value == who }) {
			t.Errorf("the entries are %+v", list)
		}
		if people, err = roster.OpenReadOnly(RosterFile(dir)); err != nil {
			t.Fatal(err)
		}
		before := time.Now().Add(-time.Hour)
		if s := people.Snapshot(); s.Suspended(who, before) || s.Revoked("00000000000000ff", who, before) == lift {
			t.Errorf("lift %t: suspended %t, revoked %t", lift, s.Suspended(who, before), s.Revoked("00000000000000ff", who, before))
		}
	}
}

// A dry run where there is no roster leaves none, and no key: the IDs that it tells are examples, and it says so.
func TestADryRunMakesNoRosterAndNoKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := Import{DryRun: true, Rows: []sheet.Row{{Number: 2, Building: "1", Unit: "1", Room: "101", Name: "王伟"}}}
	rep, err := Perform(t.Context(), dir, ImportRoster, list)
	if err != nil || len(rep.Added) != 2 || !rep.Unkept {
		t.Fatalf("got %+v, %v", rep, err)
	}
	for language, want := range map[string]string{"en": "a dry run makes none", "zh": "试运行不会生成"} {
		var b strings.Builder
		if rep.Print(&b, true, language); !strings.Contains(b.String(), want) || strings.Contains(b.String(), "key show") {
			t.Errorf("got %s", b.String())
		}
	}
	for _, name := range []string{"roster.db", "roster.db-wal", "keys"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	list.DryRun = false
	if rep, err = Perform(t.Context(), dir, ImportRoster, list); err != nil || rep.Unkept || !rep.Keyed {
		t.Errorf("the import: %+v, %v", rep, err)
	}
	list.DryRun = true
	if rep, err = Perform(t.Context(), dir, ImportRoster, list); err != nil || rep.Unkept || len(rep.Added) != 0 {
		t.Errorf("a dry run after it: %+v, %v", rep, err)
	}
}

// Under a daemon at work an older roster.db, or none, may come to lie in the place of the one that is open: nothing is changed then,
// and no backup replaces one that has more.
func TestARosterThatIsMovedUnderTheDaemonIsNotChangedAndNotBackedUp(t *testing.T) {
	t.Parallel()
	dir, to := site(t), filepath.Join(t.TempDir(), "backup")
	path, src := RosterFile(dir), backup.Sources{State: dir}
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listening(t, dir)()
	revoke := func(serial string) error {
		_, err := Perform(t.Context(), dir, RevokePasses, Revocation{Serial: serial, Reason: "lost", Unseen: true})
		return err
	}
	if err := revoke("00000000000000a1"); err != nil {
		t.Fatal(err)
	}
	if _, err := BackUpAll(t.Context(), src, to); err != nil {
		t.Fatal(err)
	}
	before, had := digests(t, to), size(t, dir)
	for what, put := range map[string]func() error{"an older one": func() error { return os.WriteFile(path, older, 0o600) }, "none": func() error { return nil }} {
		if err := errors.Join(os.Rename(path, path+".away"), put()); err != nil {
			t.Fatal(err)
		}
		_, imported := Perform(t.Context(), dir, ImportRoster, Import{Rows: rows, DryRun: true})
		_, accepted := Perform(t.Context(), dir, AcceptRoster, "it is all there is")
		_, backedUp := BackUpAll(t.Context(), src, to)
		for does, err := range map[string]error{"revoke": revoke("00000000000000a2"), "import": imported, "accept": accepted, "backup": backedUp} {
			if err == nil || !strings.Contains(err.Error(), "put it back, or restart the daemon") {
				t.Errorf("%s, %s: got %v", what, does, err)
			}
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
	if now := digests(t, to); !maps.Equal(now, before) || size(t, dir) != had {
		t.Errorf("the backup has changed, or the ledger: %d entries, %d before", size(t, dir), had)
	}
	if err := revoke("00000000000000a2"); err != nil {
		t.Errorf("put back: %v", err)
	}
	if _, err := BackUpAll(t.Context(), src, to); err != nil {
		t.Errorf("put back: %v", err)
	}
}

// Whoever has the roster open: what is copied is the file, and that is looked at.
func TestABackupLooksAtTheRosterThatItCopies(t *testing.T) {
	t.Parallel()
	dir := site(t)
	people, err := Roster(dir)
	if err != nil {
		t.Fatal(err)
	}
	has := people.Change()
	for _, missing := range []bool{false, true} {
		if missing {
			if err := os.Remove(RosterFile(dir)); err != nil {
				t.Fatal(err)
			}
		}
		for known, want := range map[int64]bool{has: !missing, has + 1: false} {
			if _, err := backup.Make(backup.Sources{State: dir, Roster: known}, filepath.Join(t.TempDir(), "b")); (err == nil) != want {
				t.Errorf("missing %t, it has %d changes, the ledger knows of %d: %v", missing, has, known, err)
			}
		}
	}
}
