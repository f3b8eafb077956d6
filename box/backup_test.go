package box

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/backup"
	"gated/evidence"
	"gated/ledger"
	"gated/ledger/file"
	"gated/ledger/seal"
	"gated/register/erasure"

	"golang.org/x/sys/unix"
)

// members are the files of an archive.
func members(t testing.TB, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o600 {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = b
	}
}

// restore puts a backup into a new state directory.
func restore(t testing.TB, from, master string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if _, err := Restore(Restoring{From: from, State: dir, Master: func() (string, error) { return master, nil }}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func masterOf(t testing.TB, dir string) string {
	t.Helper()
	m, err := seal.ReadMaster(seal.MasterFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	return m.String()
}

const noAccounts = `{"format": 1, "accounts": []}`

// Each file of a state directory is copied for ever, in the archive, rebuilt or never copied: a file that is new, and of which
// nobody said what becomes of it, fails this test. The directory is that of a box with an older epoch, slots that were lost, a
// daemon at work and one that was killed.
func TestEachFileOfAStateDirectoryHasItsFateInABackup(t *testing.T) {
	dir := site(t)
	for name, text := range map[string]string{"trust/pass/office.pub": "a key", "trust/dcc/xx.pem": "a certificate", "trust/shc/crl/x.json": "{}",
		"keys/compound.key": strings.Repeat("k", 32), "accounts.json": noAccounts, "keys/code-hash.key": "of an older version, to which an upgrade may step back"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := BeginEpoch(dir, nil, "the disk was exchanged", nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "personal.keys"), filepath.Join(t.TempDir(), "lost")); err != nil {
		t.Fatal(err)
	}
	stop := listening(t, dir)
	to := filepath.Join(t.TempDir(), "backup")
	m, err := BackUpAll(t.Context(), backup.Sources{State: dir}, to)
	if err != nil {
		t.Fatal(err)
	}
	var kept, archived []string
	look := func() {
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, _ := filepath.Rel(dir, path)
			switch backup.FateOf(name) {
			case backup.Unknown:
				t.Errorf("%s: say in package backup what becomes of it", name)
			case backup.Kept:
				kept = append(kept, name)
			case backup.Archived:
				archived = append(archived, name)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	look()
	stop()
	if len(m.Unknown) > 0 {
		t.Errorf("not known: %v", m.Unknown)
	}
	slices.Sort(kept)
	if want := []string{"ledger-1.db", "ledger.db"}; !slices.Equal(kept, want) {
		t.Errorf("kept: %v, want %v", kept, want)
	}
	for _, want := range []string{"roster.db", "accounts.json", "ledger-1.keys", "keys/compound.key", "keys/ledger.pub", "trust/pass/office.pub", "trust/dcc/xx.pem", "trust/shc/crl/x.json"} {
		if !slices.Contains(archived, want) {
			t.Errorf("%s is not among what is archived: %v", want, archived)
		}
	}
	has := members(t, filepath.Join(to, backup.Archive))
	for _, name := range archived {
		if _, ok := has[name]; !ok {
			t.Errorf("%s is not in the archive", name)
		}
		delete(has, name)
	}
	delete(has, "manifest.sha256")
	if len(has) > 0 {
		t.Errorf("the archive has files that the directory has not: %d", len(has))
	}
	files, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
	if want := append(kept, backup.Archive); !slices.Equal(names, want) {
		t.Errorf("the backup has %v, want %v", names, want)
	}
	master := []byte(masterOf(t, dir))
	for _, name := range names {
		if b, err := os.ReadFile(filepath.Join(to, name)); err != nil || bytes.Contains(b, master) {
			t.Errorf("%s has the master key: %v", name, err)
		}
	}
	if out, err := exec.Command("tar", "tf", filepath.Join(to, backup.Archive)).CombinedOutput(); err != nil || !strings.Contains(string(out), "roster.db\n") {
		t.Errorf("tar: %v: %s", err, out)
	}
	// It all comes back, with both epochs, and a third begins.
	second := restore(t, to, string(master))
	if _, err := os.Stat(filepath.Join(second, "ledger-2.db")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(second, "accounts.json")); string(b) != noAccounts {
		t.Errorf("the accounts are %q, %v", b, err)
	}
	if _, err := evidence.VerifyChain(filepath.Join(second, "ledger.db"), evidence.Given{}); err != nil {
		t.Error(err)
	}
}

// The archive holds what was erased since: it is overwritten, not merely unlinked.
func TestTheArchiveBeforeIsOverwritten(t *testing.T) {
	dir, to := site(t), filepath.Join(t.TempDir(), "backup")
	src := backup.Sources{State: dir}
	if _, err := BackUpAll(t.Context(), src, to); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(filepath.Join(to, backup.Archive))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	left := filepath.Join(to, "."+backup.Archive+".17") // of one that was killed
	if err := os.WriteFile(left, []byte("slots"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := BackUpAll(t.Context(), src, to); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(old)
	if err != nil || len(b) < 1000 || len(bytes.Trim(b, "\x00")) > 0 {
		t.Errorf("%d bytes are left of %d, %v", len(bytes.Trim(b, "\x00")), len(b), err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left half written: %v", err)
	}
	if len(members(t, filepath.Join(to, backup.Archive))) < 4 {
		t.Error("the new one is not whole")
	}
}

// What was erased after the slots were copied is erased once more when they are put back.
func TestARestoreErasesOnceMore(t *testing.T) {
	dir, to := site(t), filepath.Join(t.TempDir(), "backup")
	src, archive := backup.Sources{State: dir}, filepath.Join(to, backup.Archive)
	if _, err := BackUpAll(t.Context(), src, to); err != nil {
		t.Fatal(err)
	}
	older, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Perform(t.Context(), dir, Erase, Erasure{erasure.Selection{Subject: "r-000001"}, "moved out"}); err != nil {
		t.Fatal(err)
	}
	if _, err := BackUpAll(t.Context(), src, to); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, older, 0o600); err != nil {
		t.Fatal(err)
	}
	second := restore(t, to, masterOf(t, dir))
	r, err := file.OpenFile(file.OfEpoch(second, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rep, err := evidence.Verify(r, evidence.Given{})
	if err != nil || rep.Erased == 0 || rep.Hidden > 0 {
		t.Errorf("got %+v, %v", rep, err)
	}
	if err := r.Scan(1, 1<<62, true, func(e *ledger.Entry) error {
		if e.Kind != ledger.Erase && e.Personally("subject") == "r-000001" {
			t.Errorf("entry %d (%s) names who was erased", e.Seq, e.Kind)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// A backup is not replaced by that of another ledger, of one that was cut off, or of a box that has lost its roster.
func TestABackupIsNotReplacedByALesserOne(t *testing.T) {
	dir, to := site(t), filepath.Join(t.TempDir(), "backup")
	if _, err := BackUpAll(t.Context(), backup.Sources{State: dir}, to); err != nil {
		t.Fatal(err)
	}
	whole := members(t, filepath.Join(to, backup.Archive))
	other, older, lost := site(t), t.TempDir(), t.TempDir()
	for _, x := range []string{older, lost} {
		if err := os.CopyFS(x, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Perform(t.Context(), dir, recordSubject, Subject{ID: "r-000001", Why: "asked for it"}); err != nil {
		t.Fatal(err)
	}
	if _, err := BackUpAll(t.Context(), backup.Sources{State: dir}, to); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(lost, "roster.db")); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct{ dir, to, want string }{
		"of another ledger":           {other, to, "of another ledger"},
		"of a time before":            {older, to, "more entries"},
		"of a box without its roster": {lost, to, "put roster.db back"},
		"in the state directory":      {dir, filepath.Join(dir, "backup"), "burns with the original"},
	} {
		if _, err := BackUpAll(t.Context(), backup.Sources{State: x.dir}, x.to); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if now := members(t, filepath.Join(to, backup.Archive)); !bytes.Equal(now["roster.db"], whole["roster.db"]) {
		t.Error("the roster in the backup is another one")
	}
}

// A ledger that was put aside because it does not hold keeps nobody from making backups, and what was copied of it before stays.
func TestABackupBehindAFinding(t *testing.T) {
	dir, to := site(t), filepath.Join(t.TempDir(), "backup")
	src := backup.Sources{State: dir}
	if m, err := BackUpAll(t.Context(), src, to); err != nil || len(m.Broken) > 0 {
		t.Fatal(m.Broken, err)
	}
	whole := size(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "ledger.db"), bytes.Repeat([]byte("x"), 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	opt := ledger.Options{Gate: "South Gate", Origin: "south-gate", TimeZone: "Asia/Shanghai"}
	if _, found, err := BeginEpoch(dir, &opt, "somebody wrote into it", nil); err != nil || found == "" {
		t.Fatal(found, err)
	}
	for range 2 {
		if m, err := BackUpAll(t.Context(), src, to); err != nil || len(m.Broken) != 1 {
			t.Fatal(m.Broken, err)
		}
	}
	for epoch, path := range map[int]string{1: file.OfEpoch(to, 1), 2: filepath.Join(to, "ledger.db")} {
		r, err := file.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.Size(); err != nil || r.Meta.Epoch != epoch || epoch == 1 && n != whole-1 {
			t.Errorf("%s: epoch %d, %d entries of %d, %v", path, r.Meta.Epoch, n, whole, err)
		}
		r.Close()
	}
}

// A restore replaces nothing and leaves nothing half done.
func TestARestoreThatCannotBe(t *testing.T) {
	dir, to := site(t), filepath.Join(t.TempDir(), "backup")
	if _, err := BackUpAll(t.Context(), backup.Sources{State: dir}, to); err != nil {
		t.Fatal(err)
	}
	try := func(from, state, master, want string) {
		t.Helper()
		_, err := Restore(Restoring{From: from, State: state, Master: func() (string, error) { return master, nil }})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	empty := t.TempDir()
	try(to, dir, masterOf(t, dir), "is there already")
	try(to, empty, strings.Repeat("00", 32), "not the one that sealed")
	try(t.TempDir(), empty, masterOf(t, dir), "no such file")
	cut := t.TempDir()
	if err := os.CopyFS(cut, os.DirFS(to)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(cut, backup.Archive), 5000); err != nil {
		t.Fatal(err)
	}
	try(cut, empty, masterOf(t, dir), "it is cut off")
	for _, name := range []string{backup.Archive, "ledger.db"} { // that would never end
		odd := t.TempDir()
		if err := errors.Join(os.CopyFS(odd, os.DirFS(to)), os.Remove(filepath.Join(odd, name)), unix.Mkfifo(filepath.Join(odd, name), 0o600)); err != nil {
			t.Fatal(err)
		}
		try(odd, empty, masterOf(t, dir), "no regular file")
	}
	flipped := t.TempDir()
	if err := os.CopyFS(flipped, os.DirFS(to)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(to, backup.Archive)); err != nil {
		t.Fatal(err)
	} else if b[len(b)/2] ^= 1; os.WriteFile(filepath.Join(flipped, backup.Archive), b, 0o600) != nil {
		t.Fatal("not written")
	}
	try(flipped, empty, masterOf(t, dir), "not those of manifest.sha256")
	evil := t.TempDir()
	if err := os.CopyFS(evil, os.DirFS(to)); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(evil, backup.Archive))
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "trust/../../evil", Mode: 0o600}), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	try(evil, empty, masterOf(t, dir), "does not belong there")
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// A damaged copy of the ledger is put aside, and the roster with its revocations counts.
	ledger := filepath.Join(to, "ledger.db")
	b, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[len(b)-4096:])
	if err := os.WriteFile(ledger, b, 0o600); err != nil {
		t.Fatal(err)
	}
	try(to, empty, masterOf(t, dir), "gated ledger begin --reason")
}

// A state directory on another disk is most often a link. Its copy verifies where it lies, without the anchor that it has not.
func TestABackupOfADirectoryThatIsALink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "state")
	if err := os.Symlink(site(t), link); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "backup")
	if _, err := BackUpAll(t.Context(), backup.Sources{State: link}, to); err != nil {
		t.Fatal(err)
	}
	if all := members(t, filepath.Join(to, backup.Archive)); all["personal.keys"] == nil || all["roster.db"] == nil {
		t.Errorf("the archive has %q, and not the slots", slices.Sorted(maps.Keys(all)))
	}
	if _, err := BackUpAll(t.Context(), backup.Sources{State: link}, filepath.Join(link, "backup")); err == nil {
		t.Error("a backup was put into the directory itself")
	}
}

// What a box has lost does not go from its backup, too: the backup is refused until it is put back, and says how. What is taken
// away on purpose is no loss.
func TestABackupKeepsWhatTheBoxHasLost(t *testing.T) {
	t.Parallel()
	write := func(name, text string) func(dir string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	remove := func(name string) func(dir string) error {
		return func(dir string) error { return os.RemoveAll(filepath.Join(dir, name)) }
	}
	for what, x := range map[string]struct {
		spoil func(dir string) error
		want  string // "": it is no loss
	}{
		"slots":           {remove("personal.keys"), "personal.keys"},
		"slots of zeros":  {write("personal.keys", string(make([]byte, 50_000))), "personal.keys"},
		"slots cut short": {func(dir string) error { return os.Truncate(filepath.Join(dir, "personal.keys"), 64) }, "personal.keys"},
		"slots of the epoch before": {func(dir string) error {
			_, _, err := BeginEpoch(dir, nil, "the disk was exchanged", nil)
			return errors.Join(err, os.Remove(filepath.Join(dir, "ledger-1.keys")))
		}, "personal.keys (here ledger-1.keys)"},
		"compound key":        {write("keys/compound.key", strings.Repeat("k", 32)), "keys/compound.key"},
		"accounts":            {remove("accounts.json"), "accounts.json"},
		"the trust directory": {remove("trust"), "trust/"},
		"all trusted keys": {func(dir string) error {
			return errors.Join(remove("trust/pass/office.pub")(dir), remove("trust/pass/other.pub")(dir))
		}, "trust/"},
		"one trusted key": {remove("trust/pass/office.pub"), ""},
		"an erased person": {func(dir string) error {
			_, err := Perform(t.Context(), dir, Erase, Erasure{erasure.Selection{Subject: "r-000001"}, "moved out"})
			return err
		}, ""},
		"a new epoch": {func(dir string) error {
			_, _, err := BeginEpoch(dir, nil, "the disk was exchanged", nil)
			return err
		}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir, to := site(t), filepath.Join(t.TempDir(), "backup")
			if err := errors.Join(os.MkdirAll(filepath.Join(dir, "trust", "pass"), 0o700), write("trust/pass/office.pub", "a key")(dir),
				write("trust/pass/other.pub", "another key")(dir), write("keys/compound.key", strings.Repeat("c", 32))(dir),
				write("accounts.json", noAccounts)(dir)); err != nil {
				t.Fatal(err)
			}
			src := backup.Sources{State: dir}
			if _, err := BackUpAll(t.Context(), src, to); err != nil {
				t.Fatal(err)
			}
			before := digests(t, to)
			if err := x.spoil(dir); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err := BackUpAll(t.Context(), src, to)
				if x.want == "" {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), "otherwise: "+x.want) || !strings.Contains(err.Error(), "put it back") ||
					!strings.Contains(err.Error(), "NAME > FILE)") && !strings.Contains(err.Error(), "NAME > FILE; mkdir -p ") {
					t.Errorf("got %v", err)
				}
				if now := digests(t, to); !maps.Equal(now, before) {
					t.Errorf("the backup has changed: %v", slices.Sorted(maps.Keys(now)))
				}
			}
			if _, err := BackUpAll(t.Context(), src, filepath.Join(t.TempDir(), "another")); err != nil {
				t.Errorf("into another directory: %v", err)
			}
			name, _, _ := strings.Cut(x.want, " ")
			if name == "trust/" {
				c := exec.Command("sh", "-c", `mkdir -p "$1"; tar -xf "$0" -C "$1" --strip-components=1 trust`, filepath.Join(to, backup.Archive), filepath.Join(dir, "trust"))
				if said, err := c.CombinedOutput(); err != nil {
					t.Fatalf("%v, %s", err, said)
				}
				if _, err := BackUpAll(t.Context(), src, to); err != nil {
					t.Errorf("put back: %v", err)
				}
			} else if name != "" {
				_, here, is := strings.Cut(strings.TrimSuffix(x.want, ")"), "(here ")
				if !is {
					here = name
				}
				old := members(t, filepath.Join(to, backup.Archive))[name]
				if err := write(here, string(old))(dir); err != nil {
					t.Fatal(err)
				}
				if _, err := BackUpAll(t.Context(), src, to); err != nil {
					t.Errorf("put back: %v", err)
				}
			}
		})
	}
}

// digests are the files of a directory.
func digests(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name()] = string(b)
	}
	return all
}

// What came after the newest head is in the copy, too, and counted.
func TestABackupSaysHowManyEntriesItHas(t *testing.T) {
	t.Parallel()
	dir, to := site(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(to, "one"), 0o700); err != nil {
		t.Fatal(err)
	}
	defer listening(t, dir)()
	unsigned := false
	for late := time.Now().Add(time.Minute); !unsigned && time.Now().Before(late); {
		if _, err := Perform(t.Context(), dir, recordSubject, Subject{ID: "r-000001", Why: "asked for it"}); err != nil {
			t.Fatal(err)
		}
		all, err := BackUpAll(t.Context(), backup.Sources{State: dir}, to)
		if err != nil {
			t.Fatal(err)
		}
		one, err := Backup(t.Context(), dir, filepath.Join(to, "one", "ledger.db"))
		if err != nil {
			t.Fatal(err)
		}
		unsigned = all.Head.Size < all.Entries && one.Head.Size < one.Entries
		for path, got := range map[string]int64{to: all.Entries, filepath.Join(to, "one"): one.Entries} {
			if want := size(t, path); got != want {
				t.Errorf("got %d entries, want %d", got, want)
			}
		}
	}
	if !unsigned {
		t.Error("the newest head signs each copy")
	}
}

// A restore says that its roster is older than its ledger, before the gate does with everybody on hold; and a backup that cannot be
// made tells of an older one only where there is one.
func TestWordsOfABackupAndARestore(t *testing.T) {
	t.Parallel()
	dir, to := site(t), filepath.Join(t.TempDir(), "backup")
	src, archive := backup.Sources{State: dir}, filepath.Join(to, backup.Archive)
	if _, err := BackUpAll(t.Context(), src, to); err != nil {
		t.Fatal(err)
	}
	older, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Perform(t.Context(), dir, RevokePasses, Revocation{Serial: "0011223344556677", Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
	if _, err := BackUpAll(t.Context(), src, to); err != nil {
		t.Fatal(err)
	}
	for _, stale := range []bool{false, true} {
		if stale {
			if err := os.WriteFile(archive, older, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		done, err := Restore(Restoring{From: to, State: t.TempDir(), Master: func() (string, error) { return masterOf(t, dir), nil }})
		var said strings.Builder
		if done.Tell(&said); err != nil || strings.Contains(said.String(), "the ledger knows of") != stale {
			t.Errorf("an older roster %t: %v, %q", stale, err, &said)
		}
	}
	if err := os.Remove(filepath.Join(dir, "roster.db")); err != nil {
		t.Fatal(err)
	}
	for path, there := range map[string]bool{to: true, filepath.Join(t.TempDir(), "new"): false} {
		if _, err := BackUpAll(t.Context(), src, path); err == nil || strings.Contains(err.Error(), "older backup") != there {
			t.Errorf("an older backup %t: %v", there, err)
		}
	}
}
