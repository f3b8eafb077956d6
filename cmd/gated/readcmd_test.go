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
