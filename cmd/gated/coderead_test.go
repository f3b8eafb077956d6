package main

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/credential"
)

// A picture without a code is an answer, a file that is no picture is none.
func TestCodeReadExitStatus(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	drawn, err := credential.PNG("GP1:X")
	if err != nil {
		t.Fatal(err)
	}
	var blank strings.Builder
	if err := png.Encode(&blank, image.NewGray(image.Rect(0, 0, 100, 100))); err != nil {
		t.Fatal(err)
	}
	code, none, text := write("code.png", drawn), write("none.png", []byte(blank.String())), write("text.png", []byte("text"))
	for _, tt := range []struct {
		files  []string
		status int
		out    string
	}{
		{[]string{code}, 0, "GP1:X\n"},
		{[]string{none}, 1, ""},
		{[]string{none, code}, 1, "GP1:X\n"},
		{[]string{text, code}, 2, "GP1:X\n"},
		{[]string{none, filepath.Join(dir, "missing.png")}, 2, ""},
		{nil, 2, ""},
	} {
		var stdout, stderr strings.Builder
		status := execute(append([]string{"code", "read"}, tt.files...), strings.NewReader(""), &stdout, &stderr)
		if status != tt.status || stdout.String() != tt.out {
			t.Errorf("%v: status %d, %q; want %d, %q", tt.files, status, stdout.String(), tt.status, tt.out)
		}
		if strings.Contains(stderr.String(), "GP1") {
			t.Errorf("%v: the payload is among the errors", tt.files)
		}
	}
}

// A ledger that is gone is an answer as long as anything beside it tells of it; where nothing does, the directory is the wrong one.
func TestVerifyOfALedgerThatIsGone(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	verify := func(status int, want string) {
		t.Helper()
		var out, say strings.Builder
		if got := execute([]string{"ledger", "verify", "--state", dir}, nil, &out, &say); got != status || !strings.Contains(say.String(), want) {
			t.Errorf("status %d, %q; want %d, %q", got, say.String(), status, want)
		}
	}
	remove := func(names ...string) {
		for _, name := range names {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	verify(0, "")
	remove("ledger.db", "ledger.db-wal", "ledger.db-shm")
	verify(1, "ledger.db is gone, and it had ")
	remove("keys")
	verify(1, "ledger.db is gone, and it had ")
	remove("anchor")
	verify(1, "slots of its personal data")
	remove("personal.keys")
	verify(2, "no such file or directory")
}
