package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/evidence"
	"gated/ledger/tlog"
)

func TestWhatIsToldByItsContent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(content string, path ...string) string {
		name := filepath.Join(dir, filepath.Join(path...))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	in := func(name string) string { return filepath.Dir(file("", name)) }
	key := evidence.Given{Keys: []string{"k"}}
	older := evidence.Given{Keys: []string{"k"}, Since: new(tlog.Head)}
	copied := evidence.Given{Keys: []string{"k"}, ShortRoots: []evidence.ShortRoot{{}}}
	zip := file("PK\x03\x04", "x")
	in("backup/secret.tar")
	for _, tt := range []struct {
		path  string
		given evidence.Given
		kind  string
		err   string
	}{
		{file("SQLite format 3\x00…", "copy.db"), evidence.Given{}, Ledger, ""},
		{file("SQLite format 3\x00…", "copy.db"), older, Ledger, ""},
		{zip, key, Bundle, ""},
		{file("", "empty.zip"), key, Bundle, ""},
		{in("unpacked/manifest.sha256"), key, Bundle, ""},
		{in("tiles/checkpoint"), key, Tiles, ""},
		{zip, evidence.Given{Witnesses: []string{"w"}}, "", "name it with --key"},
		{zip, older, "", "are for a whole ledger"},
		{filepath.Join(dir, "tiles"), copied, "", "are for a whole ledger"},
		{in("backup/ledger.db"), key, "", "is a backup: verify its"},
		{in("state/ledger.db"), key, "", "is a state directory"},
		{in("empty/note"), key, "", "is neither a folder of tiles nor an unpacked bundle"},
		{file("SQ", "short"), key, "", "is neither an audit bundle nor a copy of a ledger"},
		{filepath.Join(dir, "missing"), key, "", "no such file"},
	} {
		kind, err := WhatIs(tt.path, tt.given)
		if kind != tt.kind || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %q, %v; want %q, %q", tt.path, kind, err, tt.kind, tt.err)
		}
	}
}

func TestWhatCannotBeReadIsNamedByItsFlag(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	note := filepath.Join(t.TempDir(), "note")
	if err := os.WriteFile(note, []byte("no head"), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, b := range map[string]Brought{
		"--key": {Keys: []string{none}}, "--witness": {Witnesses: []string{none}}, "--short-root": {ShortRoots: []string{"12"}},
		"--since": {Since: none}, "--since " + note: {Since: note},
	} {
		if _, err := b.Given(); err == nil || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	k, err := tlog.NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Brought{Witnesses: []string{k.Verifier()}}).Given(); err == nil || !strings.Contains(err.Error(), "the gate's own key is for --key") {
		t.Errorf("a gate's key as a witness's: %v", err)
	}
	g, err := Brought{ShortRoots: []string{"12:ABCD-EFGH-IJKL-MNOP"}}.Given()
	if err != nil || len(g.ShortRoots) != 1 || g.ShortRoots[0].String() != "12:ABCDEFGHIJKLMNOP" || g.Since != nil {
		t.Errorf("got %+v, %v", g, err)
	}
}
