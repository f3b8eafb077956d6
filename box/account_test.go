package box

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/access"
	"gated/backup"
	"gated/ledger"
	"gated/ledger/file"
	"gated/register"

	"github.com/google/go-cmp/cmp"
)

// What is done to accounts is on record: what, as what role and by whom, and sealed to whom. No secret is, hashed or not.
func TestEachChangeOfAnAccountIsAnEntry(t *testing.T) {
	t.Parallel()
	dir := site(t)
	had := size(t, dir)
	if _, err := Perform(t.Context(), dir, ChangeAccount, access.Change{What: access.Added, Name: "张伟", Role: access.Guard, Secret: "271828"}); err != nil {
		t.Fatal(err)
	}
	stop := listening(t, dir)
	for _, c := range []access.Change{{What: access.Disabled, Name: "张伟"}, {What: access.Reset, Name: "张伟", Secret: "314159"}, {What: access.Lifted, Name: "张伟"}} {
		a, err := Perform(t.Context(), dir, ChangeAccount, c)
		if err != nil || a.Disabled != (c.What == access.Disabled) {
			t.Errorf("%s: got %+v, %v", c.What, a, err)
		}
	}
	stop()
	type said struct {
		Reason, Role, Was, Account string
	}
	var got []said
	for _, e := range recorded(t, dir, had) {
		ev := ledger.Event{Personal: e.Personal}
		if e.Kind != register.Account || ev.Personally("by") == "" {
			t.Errorf("%+v", e)
		}
		got = append(got, said{e.Reason, e.Detail["role"], e.Detail["was"], ev.Personally("account")})
	}
	want := []said{{"added", "guard", "", "张伟"}, {"disabled", "guard", "", "张伟"}, {"reset", "guard", "disabled", "张伟"}, {"lifted", "guard", "", "张伟"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Scan(had+1, 1<<62, true, func(e *ledger.Entry) error {
		all := append(append([]byte{}, e.Raw...), strings.Join(values(e.Personal), "\n")...)
		if bytes.Contains(e.Raw, []byte("张伟")) || bytes.Contains(all, []byte("argon2id")) || bytes.Contains(all, []byte("314159")) {
			t.Errorf("entry %d: %s", e.Seq, all)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func values(fields []ledger.Field) (all []string) {
	for _, f := range fields {
		all = append(all, f.Value)
	}
	return all
}

// What cannot be recorded is not done, and damaged accounts take the place of whole ones in no backup.
func TestAccountsThatCannotBeChanged(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	add := access.Change{What: access.Added, Name: "Chen", Role: access.Manager, Secret: "the gate is open"}
	if _, err := Perform(t.Context(), empty, ChangeAccount, add); err == nil || !strings.Contains(err.Error(), "no ledger") {
		t.Errorf("without a ledger: %v", err)
	}
	if _, err := os.Stat(filepath.Join(empty, access.File)); err == nil {
		t.Error("without a ledger, and done")
	}
	dir, to := site(t), filepath.Join(t.TempDir(), "backup")
	if _, err := Perform(t.Context(), dir, ChangeAccount, add); err != nil {
		t.Fatal(err)
	}
	src := backup.Sources{State: dir}
	if _, err := BackUpAll(t.Context(), src, to); err != nil {
		t.Fatal(err)
	}
	whole := members(t, filepath.Join(to, backup.Archive))[access.File]
	if err := os.WriteFile(filepath.Join(dir, access.File), whole[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := BackUpAll(t.Context(), src, to); err == nil || !strings.Contains(err.Error(), "the older backup stays") {
		t.Errorf("a backup of damaged accounts: %v", err)
	}
	if again := members(t, filepath.Join(to, backup.Archive))[access.File]; !bytes.Equal(again, whole) {
		t.Error("the whole ones are gone from the backup")
	}
}
