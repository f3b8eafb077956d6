package tlog

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAKeyFileBelongsToTheOwnerOfItsFolder: "gated key rotate" is run by root, and the daemon must be able to read it.
func TestAKeyFileBelongsToTheOwnerOfItsFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 12345, 54321); err != nil {
		t.Fatal(err)
	}
	k, err := NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ledger.key")
	if err := WriteKeys(path, k); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if own := st.Sys().(*syscall.Stat_t); own.Uid != 12345 || own.Gid != 54321 || st.Mode().Perm() != 0o600 {
		t.Errorf("it belongs to %d:%d, mode %v", own.Uid, own.Gid, st.Mode())
	}
}

// TestAFileThatCannotBeGivenAwayIsNotWritten: what the daemon could not read must not take the place of what it can.
func TestAFileThatCannotBeGivenAwayIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := giveToOwner(f); err == nil { // closed: chown fails
		t.Error("the error was dropped")
	}
}

// TestAKeyThatWasSavedWithAByteOrderMarkIsRead: an auditor's text editor may put one before it.
func TestAKeyThatWasSavedWithAByteOrderMarkIsRead(t *testing.T) {
	k, err := NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "gate.pub")
	if err := os.WriteFile(path, []byte("\ufeff"+k.Verifier()+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := ReadVerifiers("--key", []string{path}); err != nil || len(keys) != 1 || keys[0] != k.Verifier() {
		t.Errorf("got %q, %v", keys, err)
	}
	if err := os.WriteFile(path, []byte("\ufeff\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := ReadVerifiers("--key", []string{path}); err == nil {
		t.Errorf("an empty file: got %q", keys)
	}
}
