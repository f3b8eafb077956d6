package passlist

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gated/credential"
	"gated/durable"
	"gated/roster"
	"gated/roster/sheet"
)

func TestAListOfPassesIsReadAsItWasWritten(t *testing.T) {
	want := []roster.IssuedPass{{Serial: "0011223344556677", Subject: "r-000001", Issuer: "office", NotBefore: time.Unix(1e9, 0).UTC(), NotAfter: time.Unix(2e9, 0).UTC()}}
	path := filepath.Join(t.TempDir(), "passes.csv")
	var b bytes.Buffer
	if err := Write(&b, want); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path); err != nil || len(got) != 1 || got[0] != want[0] {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A FIFO in the place of the list would be waited for, without end.
func TestAListIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passes.csv")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); !errors.Is(err, durable.ErrNotRegular) {
		t.Errorf("got %v", err)
	}
}

// A list that is empty, as of a disk that was full, has no passes to record: to say "0 recorded" would be to take it.
func TestAListHasHeadings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passes.csv")
	for _, text := range []string{"", "\n", "0011223344556677,r-000001,office,2001-09-09T01:46:40Z,2033-05-18T03:33:20Z\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path); err == nil || !strings.Contains(err.Error(), "no headings") {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}

// The list says of each pass whether the gate would refuse it, and names what was revoked and never recorded.
func TestPrintSaysWhatIsRevoked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roster.db")
	s, err := roster.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows := []sheet.Row{{Number: 2, ID: "r-000001", Room: "1-1-101", Name: "王伟"}, {Number: 3, ID: "r-000002", Room: "1-1-102", Name: "李芳"}}
	ctx, at := t.Context(), time.Now().Truncate(time.Second)
	if _, err := s.Import(ctx, rows, roster.ImportOptions{CheckResidentID: func(string) (string, error) { return "", nil }}); err != nil {
		t.Fatal(err)
	}
	pass := func(serial, subject string, from time.Time) {
		t.Helper()
		if err := s.RecordPasses(ctx, []roster.IssuedPass{{Serial: serial, Subject: subject, Issuer: "office", NotBefore: from, NotAfter: from.AddDate(1, 0, 0)}}); err != nil {
			t.Fatal(err)
		}
	}
	wang, li := s.Snapshot().Find("1-1-101")[0].ID, s.Snapshot().Find("1-1-102")[0].ID
	pass("00000000000000a1", wang, at.AddDate(0, 0, -2))
	pass("00000000000000b1", li, at.AddDate(0, 0, -2))
	if _, err := s.RevokeHousehold(ctx, "1-1-101", at); err != nil {
		t.Fatal(err)
	}
	pass("00000000000000a2", wang, at.AddDate(0, 0, -1)) // recorded late, and begins before
	pass("00000000000000a3", wang, at.AddDate(0, 0, 1))
	for serial, why := range map[string]string{"00000000000000b1": "lost", "00000000000000c1": ""} {
		if err := s.Revoke(ctx, serial, why, true); err != nil {
			t.Fatal(err)
		}
	}
	list := func(revoked bool) (all []string) {
		var b bytes.Buffer
		if err := Print(&b, path, revoked); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			f := regexp.MustCompile(`\s\s+`).Split(strings.TrimSpace(line), -1)
			all = append(all, f[0]+" "+f[1]+" "+f[len(f)-1])
		}
		return all[1:]
	}
	want := []string{"00000000000000c1 - revoked", "00000000000000a1 " + wang + " household", "00000000000000a2 " + wang + " household",
		"00000000000000a3 " + wang + " -", "00000000000000b1 " + li + " lost", "all others 1-1-101 household",
		"all others " + wang + " household"}
	if got := list(false); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got, want := list(true), append(want[:3:3], want[4:]...); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("revoked: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	snapshot := s.Snapshot()
	for serial, from := range map[string]time.Time{"00000000000000a1": at.AddDate(0, 0, -2), "00000000000000a2": at.AddDate(0, 0, -1)} {
		if !snapshot.Revoked(serial, wang, from) {
			t.Errorf("%s is listed as revoked, and is not", serial)
		}
	}
	if snapshot.Revoked("00000000000000a3", wang, at.AddDate(0, 0, 1)) {
		t.Error("what is listed as good is revoked")
	}
}

func TestIssuedPassesAreThoseOfTheirList(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, made := filepath.Join(t.TempDir(), "passes"), 0
	p := credential.Pass{Issuer: "office", NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(2e9, 0)}
	bearers := []sheet.Bearer{{ID: "r-000001", Kind: "resident", Name: "王伟"}, {ID: "v-000002", Kind: "vehicle", Name: "粤B12345"}}
	issue := func() error { return Issue(dir, key, p, bearers, func(n int) { made = n }) }
	if err := issue(); err != nil || made != len(bearers) {
		t.Fatalf("%d are made: %v", made, err)
	}
	list, err := Read(filepath.Join(dir, "passes.csv"))
	if err != nil || len(list) != len(bearers) || list[0].Serial == list[1].Serial {
		t.Fatalf("got %+v, %v", list, err)
	}
	for i, b := range bearers {
		if got := list[i]; got.Subject != b.ID || got.Issuer != p.Issuer || !got.NotBefore.Equal(p.NotBefore) || !got.NotAfter.Equal(p.NotAfter) {
			t.Errorf("got %+v for %+v", got, b)
		}
		if _, err := os.Stat(filepath.Join(dir, b.ID+".png")); err != nil {
			t.Error(err)
		}
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the directory is not its owner's alone: %v, %v", st.Mode(), err)
	}
	if err := issue(); err == nil || !strings.Contains(err.Error(), "--out: mkdir") {
		t.Errorf("a second time into the same directory: %v", err)
	}
}
