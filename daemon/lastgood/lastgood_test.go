package lastgood

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gated/credential"
	"gated/policy"
)

const (
	settingsText = "gate: {name: South Gate, level: guarded}\npolicy: {file: policy.yaml}\n" +
		"lanes: [{id: in, direction: in, scanner: {device: /dev/gated-none}}]\n"
	variable = "GATED_CONSOLE_LANGUAGE=en"
)

// site is a box that has good copies: its settings and its state directory.
func site(t *testing.T) (path, state string) {
	t.Helper()
	dir := t.TempDir()
	path, state = filepath.Join(dir, "gated.yaml"), filepath.Join(dir, "state")
	put(t, path, settingsText)
	put(t, filepath.Join(dir, "policy.yaml"), string(policy.Shipped().Source()))
	for _, issuer := range []string{"office", "clinic"} {
		put(t, filepath.Join(state, "trust", "pass", issuer+".pub"),
			string(credential.MarshalPublicKey(credential.NewKey().Public().(ed25519.PublicKey))))
	}
	s, err := Load(path, state, []string{variable, "HOME=/root"})
	if err != nil || len(s.Faults) > 0 {
		t.Fatal(err, s)
	}
	if err := s.Keep(state); err != nil {
		t.Fatal(err)
	}
	return path, state
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// named are the faulty files, with a mark where no copy stands in.
func named(s *Setup) string {
	var list []string
	for _, f := range s.Faults {
		name := f.File
		if !f.Used {
			name += "!"
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

func TestTheFileThatIsToBlameIsNamed(t *testing.T) {
	t.Parallel()
	otherLevels := strings.ReplaceAll(string(policy.Shipped().Source()), "guarded", "watched")
	fiveDays := strings.Replace(string(policy.Shipped().Source()), "trip_days: 2", "trip_days: 5", 1)
	short := func(class string, days int) string {
		return settingsText + fmt.Sprintf("ledger: {retention: [{class: %s, days: %d}]}\n", class, days)
	}
	for _, tt := range []struct {
		name, settings, policy string
		environ                []string
		want, level            string
	}{
		{name: "nothing", level: "guarded"},
		{name: "settings name a level that the policy has not", settings: strings.Replace(settingsText, "guarded", "gone", 1), want: "settings", level: "guarded"},
		{name: "the policy has lost the level", policy: otherLevels, want: "policy", level: "guarded"},
		{name: "both are changed, and fit", settings: strings.Replace(settingsText, "guarded", "watched", 1), policy: otherLevels, level: "watched"},
		{name: "a variable names a level that the policy has not", environ: []string{"GATED_GATE_LEVEL=gone"}, want: "environment", level: "guarded"},
		{name: "settings and policy", settings: "gate:", policy: "rules:", want: "settings policy", level: "guarded"},
		{name: "all three", settings: "gate:", policy: "rules:", environ: []string{"GATED_X=1"}, want: "settings environment policy", level: "guarded"},
		{name: "no policy any more, and a level of the old one", settings: strings.Replace(strings.Replace(settingsText, "policy: {file: policy.yaml}\n", "", 1), "guarded", "own", 1),
			want: "settings", level: "guarded"},
		{name: "trips that count would be erased", settings: short("resident", 1), policy: fiveDays, want: "settings", level: "guarded"},
		{name: "trips that count would be erased with all others", settings: short("'*'", 3), policy: fiveDays, want: "settings", level: "guarded"},
		{name: "trips that count are kept just so long", settings: short("resident", 4), policy: fiveDays, level: "guarded"},
		{name: "trips that count would be erased with all passages", settings: short("passage", 3), policy: fiveDays, want: "settings", level: "guarded"},
		{name: "visits are no trips", settings: short("visit", 1), policy: fiveDays, level: "guarded"},
		{name: "those of couriers count nothing", settings: short("courier", 1), policy: fiveDays, level: "guarded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, state := site(t)
			if tt.settings != "" {
				put(t, path, tt.settings)
			}
			if tt.policy != "" {
				put(t, filepath.Join(filepath.Dir(path), "policy.yaml"), tt.policy)
			}
			environ := tt.environ
			if environ == nil {
				environ = []string{variable}
			}
			for range 2 { // also from the copies that are kept then
				s, err := Load(path, state, environ)
				if err != nil {
					t.Fatal(err)
				}
				if named(s) != tt.want || s.Level != tt.level {
					t.Errorf("faulty are %q, the level is %s, want %q and %s", named(s), s.Level, tt.want, tt.level)
				}
				for _, f := range s.Faults {
					if f.Err == nil {
						t.Errorf("%s: not said why", f.File)
					}
				}
				if _, err := Check(path, state, environ); (err == nil) != (tt.want == "") {
					t.Errorf("checked: %v", err)
				}
				if err := s.Keep(state); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The examples beside a policy are a part of it, which its last good copy does not need.
func TestFaultyExamplesAreAFaultOfThePolicy(t *testing.T) {
	t.Parallel()
	path, state := site(t)
	beside := filepath.Join(filepath.Dir(path), "policy.examples.yaml")
	for _, step := range []struct{ examples, want string }{
		{"examples:\n  - {name: nobody, given: {direction: in}, then: admit}\n", "policy"},
		{"examples:\n  - {name: nobody, given: {direction: in}, then: refuse}\n", ""}, {"rules: []\n", "policy"}} {
		put(t, beside, step.examples)
		s, err := Load(path, state, []string{variable})
		if err != nil || named(s) != step.want || s.Policy.Hash() != policy.Shipped().Hash() {
			t.Fatalf("%q: faulty are %q, %v", step.examples, named(s), err)
		}
		if step.want != "" && !strings.Contains(s.Faults[0].Err.Error(), "policy.examples.yaml:\nline ") {
			t.Errorf("%v", s.Faults[0].Err)
		}
		if err := s.Keep(state); err != nil {
			t.Fatal(err)
		}
	}
}

// An upgrade may find fault with a policy that an older version took, and with its copy.
func TestAGateWithoutAnyPolicyHoldsEverybody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, settings, want string
	}{
		{"policy alone", "", "policy!"},
		{"settings, too", "gate:", "settings policy!"},
		{"a retention shorter than what trips may need", settingsText + "ledger: {retention: [{class: resident, days: 1}]}\n", "policy!"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, state := site(t)
			if tt.settings != "" {
				put(t, path, tt.settings)
			}
			copied := filepath.Join(state, "last-good", Policy)
			for _, file := range []string{filepath.Join(filepath.Dir(path), "policy.yaml"), copied} {
				put(t, file, "name: old\nlevels: [sealed, guarded]\nrules: [{name: all, then: hold}]\n")
			}
			s, err := Load(path, state, []string{variable})
			if err != nil {
				t.Fatal(err)
			}
			if named(s) != tt.want || s.Policy.Name() != policy.PolicyFault || s.Level != s.Policy.Levels()[0] {
				t.Errorf("faulty are %q, the policy is %s at level %s", named(s), s.Policy.Name(), s.Level)
			}
			for _, f := range s.Faults {
				if f.Err == nil {
					t.Errorf("%s: not said why", f.File)
				}
			}
			if err := s.Keep(state); err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(copied); err != nil || !strings.Contains(string(b), "name: old") {
				t.Errorf("the copy is %q, %v", b, err)
			}
			put(t, path, settingsText)
			put(t, filepath.Join(filepath.Dir(path), "policy.yaml"), string(policy.Shipped().Source()))
			if s, err := Load(path, state, []string{variable}); err != nil || named(s) != "" || s.Level != "guarded" {
				t.Errorf("mended: %+v, %v", s, err)
			}
		})
	}
}

func TestATrustedFileStandsByItself(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		spoil   func(t *testing.T, trust string)
		want    string
		issuers string
	}{
		{name: "one is faulty", want: "trust/pass/office.pub", issuers: "clinic office",
			spoil: func(t *testing.T, trust string) { put(t, filepath.Join(trust, "pass", "office.pub"), "") }},
		{name: "one is taken away", issuers: "clinic",
			spoil: func(t *testing.T, trust string) { os.Remove(filepath.Join(trust, "pass", "office.pub")) }},
		{name: "all are taken away", spoil: func(t *testing.T, trust string) { os.RemoveAll(trust) }},
		{name: "one is taken away, the other faulty", want: "trust/pass/clinic.pub", issuers: "clinic", spoil: func(t *testing.T, trust string) {
			os.Remove(filepath.Join(trust, "pass", "office.pub"))
			put(t, filepath.Join(trust, "pass", "clinic.pub"), "-")
		}},
		{name: "a new one is faulty", want: "trust/pass/new.pub!", issuers: "clinic office",
			spoil: func(t *testing.T, trust string) { put(t, filepath.Join(trust, "pass", "new.pub"), "") }},
		{name: "the directory cannot be listed", want: "trust/pass", issuers: "clinic office", spoil: func(t *testing.T, trust string) {
			os.RemoveAll(filepath.Join(trust, "pass"))
			put(t, filepath.Join(trust, "pass"), "")
		}},
		{name: "one is faulty, and there are no copies", want: "trust/pass/office.pub!", issuers: "clinic", spoil: func(t *testing.T, trust string) {
			os.RemoveAll(place(filepath.Dir(trust)))
			put(t, filepath.Join(trust, "pass", "office.pub"), "")
		}},
		{name: "a list of revocations of nobody", want: "trust/shc/crl/a.json!", issuers: "clinic office", spoil: func(t *testing.T, trust string) {
			put(t, filepath.Join(trust, "shc", "crl", "a.json"), `{"method":"rid","kid":"a","issuer":"https://example.org"}`)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, state := site(t)
			tt.spoil(t, filepath.Join(state, "trust"))
			for range 2 {
				s, err := Load(path, state, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(s.Trust.Issuers(), " "); named(s) != tt.want || got != tt.issuers {
					t.Errorf("faulty are %q, trusted %q, want %q and %q", named(s), got, tt.want, tt.issuers)
				}
				if err := s.Keep(state); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Who is taken away while nobody has the gate look does not return with what is faulty later.
func TestWhoIsTakenAwayIsForgotten(t *testing.T) {
	t.Parallel()
	path, state := site(t)
	trust := filepath.Join(state, "trust")
	os.Remove(filepath.Join(trust, "pass", "office.pub"))
	s, err := Load(path, state, nil)
	if err == nil {
		err = s.Forget(state)
	}
	if err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(filepath.Join(trust, "pass"))
	put(t, filepath.Join(trust, "pass"), "")
	if s, err = Load(path, state, nil); err != nil || strings.Join(s.Trust.Issuers(), " ") != "clinic" || named(s) != "trust/pass" {
		t.Errorf("trusted are %q, faulty %q, %v", s.Trust.Issuers(), named(s), err)
	}
	if !slices.Contains(slices.Collect(maps.Keys(copies(state))), Settings) {
		t.Error("other copies are gone, too")
	}
}

func TestCopiesAreForTheOwnerAndOfWhatIsInUse(t *testing.T) {
	t.Parallel()
	path, state := site(t)
	want := []string{"environment", "policy", "settings", "trust/pass/clinic.pub", "trust/pass/office.pub"}
	kept := copies(state)
	if got := slices.Sorted(maps.Keys(kept)); !slices.Equal(got, want) || string(kept[Environment]) != variable {
		t.Errorf("copies of %q, variables %q", got, kept[Environment])
	}
	filepath.WalkDir(place(state), func(path string, d fs.DirEntry, err error) error {
		if st, err := d.Info(); err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", path, st.Mode(), err)
		}
		return nil
	})
	put(t, path, "gate: {name: South Gate}\nlanes: [{id: in, direction: in, scanner: {device: /dev/gated-none}}]\n")
	s, err := Load(path, state, nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(place(state), ".settings.123"), "half written")
	if err := s.Keep(state); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(copies(state))); !slices.Equal(got, []string{"environment", "settings", want[3], want[4]}) {
		t.Errorf("copies of %q", got)
	}
}

func TestWithoutCopiesAFaultIsAnError(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../gated.yaml", "../policy.yaml"} {
		path, state := site(t)
		os.RemoveAll(place(state))
		put(t, filepath.Join(state, name), "-")
		if _, err := Load(path, state, nil); err == nil || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStampChangesWithEachFile(t *testing.T) {
	t.Parallel()
	path, state := site(t)
	s, err := Load(path, state, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := Stamp(s.Paths)
	if Stamp(s.Paths) != before {
		t.Error("it changes by itself")
	}
	for _, name := range []string{"../gated.yaml", "../policy.yaml", "../policy.examples.yaml", "trust/pass/office.pub", "trust/shc/new.json"} {
		put(t, filepath.Join(state, name), "other")
		if now := Stamp(s.Paths); now == before {
			t.Errorf("%s: no change", name)
		} else {
			before = now
		}
	}
}
