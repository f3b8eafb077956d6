package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/ledger/file"
	"gated/ledger/tlog"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

// many appends n entries.
func many(t testing.TB, l *Ledger, ck *clock, n int) {
	t.Helper()
	for n > 0 {
		k := min(n, file.MaxBatch)
		events := make([]Event, k)
		for i := range events {
			events[i] = Event{Stamp: ck.now(), Kind: Alive}
		}
		mustAppend(t, l, events...)
		n -= k
	}
}

// headAt is the row of the tree head of exactly size entries; Note is nil where there is none.
func headAt(t testing.TB, r *file.Reader, size int64) (h tlog.Head) {
	t.Helper()
	if err := r.Heads(func(n int64, note string, _ []byte) (err error) {
		if n == size {
			h, err = tlog.ParseHead([]byte(note))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

// record is the record of an entry.
func record(t testing.TB, r *file.Reader, seq int64) (s string) {
	t.Helper()
	if err := r.Records(seq, seq, func(record string) error { s = record; return nil }); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHeadsAreSignedKeptAndProved(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	dir := t.TempDir()
	for i, n := range []int{1000, 700, 300} {
		l := open(t, dir, ck)
		mustAppend(t, l, startOf(l))
		many(t, l, ck, n-1)
		l.Close() // signs
		if i == 0 {
			ck.set("2026-11-22 08:00:00")
		}
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var sizes []int64
	err = r.Heads(func(size int64, _ string, _ []byte) error { sizes = append(sizes, size); return nil })
	if err != nil || fmt.Sprint(sizes) != "[1000 1700]" { // the end of a day, and what a start found; the newest is in the anchor
		t.Errorf("heads of %v entries are kept (%v)", sizes, err)
	}
	if heads, err := tlog.ReadAnchor(file.AnchorOf(r.Path())); err != nil || heads[0].Size != 2000 {
		t.Errorf("the anchor holds %+v (%v)", heads, err)
	}
	public, err := tlog.PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	known, err := tlog.Verifiers(public...)
	if err != nil {
		t.Fatal(err)
	}
	newest, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	old := headAt(t, r, 1000)
	for _, h := range []tlog.Head{old, newest} {
		if err := h.Verify(known); err != nil {
			t.Error(err)
		}
		if root, err := tlog.RootAt(r, h.Size); err != nil || root != h.Root {
			t.Errorf("root at %d is %v, signed %v (%v)", h.Size, root, h.Root, err)
		}
	}
	hr := tlog.HashReader(r, newest)
	proof, err := sumdb.ProveTree(newest.Size, old.Size, hr)
	if err != nil {
		t.Fatal(err)
	}
	if err := sumdb.CheckTree(proof, newest.Size, newest.Root, old.Size, old.Root); err != nil {
		t.Error(err)
	}
	for _, seq := range []int64{1, 256, 257, 1500, 1793, 2000} {
		p, err := sumdb.ProveRecord(newest.Size, seq-1, hr)
		if err != nil {
			t.Fatal(err)
		}
		if err := sumdb.CheckRecord(p, newest.Size, newest.Root, seq-1, tlog.LeafHash([]byte(record(t, r, seq)))); err != nil {
			t.Errorf("entry %d: %v", seq, err)
		}
	}
	if st, _ := os.Stat(filepath.Join(dir, "keys", "ledger.key")); st.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", st.Mode())
	}
}

func TestAKeyIsChangedByBothSigningOneHead(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	many(t, l, ck, 10)
	l.Close()
	path := filepath.Join(dir, "keys", "ledger.key")
	old, err := tlog.ReadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	anew, err := tlog.NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	fault := func() string {
		l, err := Open(options(dir, ck))
		if err != nil {
			return err.Error()
		}
		defer l.Close()
		if f := l.Fault(); f != nil {
			return f.Cause
		}
		return ""
	}
	// A key that nobody vouches for is refused, and so is a gate without its key or with another gate's.
	tlog.WriteKeys(path, anew)
	if got := fault(); !strings.Contains(got, "is not signed by the key") {
		t.Errorf("a foreign key: %q", got)
	}
	os.Remove(path)
	if got := fault(); !strings.Contains(got, "is not there") {
		t.Errorf("no key: %q", got)
	}
	west, _ := tlog.NewKey("west-gate")
	tlog.WriteKeys(path, west)
	if got := fault(); !strings.Contains(got, "west-gate") {
		t.Errorf("another gate's key: %q", got)
	}
	os.WriteFile(path, []byte("nonsense\n"), 0o600)
	if got := fault(); !strings.Contains(got, "not a ledger key") {
		t.Errorf("nonsense: %q", got)
	}
	tlog.WriteKeys(path, anew, old[0])
	os.Chmod(path, 0o644)
	if _, err := tlog.ReadKeys(path); err == nil || !strings.Contains(err.Error(), "can be read by others") {
		t.Errorf("mode 0644: %v", err)
	}
	l = open(t, dir, ck) // a copy that lost its mode does not stop the gate
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", st.Mode())
	}
	many(t, l, ck, 5)
	l.Close()
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := headAt(t, r, 11)
	if !h.SignedBy(old[0].Verifier()) || !h.SignedBy(anew.Verifier()) {
		t.Errorf("the head at the change is not signed by both:\n%s", h.Note)
	}
	raw := record(t, r, 11)
	if !strings.Contains(raw, anew.Verifier()) || !strings.Contains(raw, `"kind":"key"`) {
		t.Errorf("entry 11 does not name the new key: %s", raw)
	}
	if h, err := r.Head(); err != nil || h.Size != 16 || h.SignedBy(old[0].Verifier()) || !h.SignedBy(anew.Verifier()) {
		t.Errorf("afterwards the new key signs alone (%v): %s", err, h.Note)
	}
	// Who holds either key follows it to the other.
	for _, given := range []string{old[0].Verifier(), anew.Verifier()} {
		if rep, err := verifyReader(r, Given{Keys: []string{given}}); err != nil || rep.Key != anew.Verifier() {
			t.Errorf("verified with %s: %+v, %v", given, rep, err)
		}
	}
	tlog.WriteKeys(path, anew)
	open(t, dir, ck).Close()

	// The entry that names a key may be the first of a day, behind entries that nothing signs yet, and its commit may fail.
	fails := func(op string) Options {
		opt := options(dir, ck)
		opt.Inject = func(is string) error {
			if is == op {
				return errors.New("power lost")
			}
			return nil
		}
		return opt
	}
	if l, err = Open(fails("sign")); err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Start}, Event{Stamp: ck.now(), Kind: Alive})
	l.Close()
	third, _ := tlog.NewKey("east-gate")
	tlog.WriteKeys(path, third, anew)
	ck.set("2026-11-22 08:00:00")
	if l, err = Open(fails("commit")); err != nil || l.Fault() == nil {
		t.Fatal(err, l.Fault())
	}
	l.Close()
	l = open(t, dir, ck)
	many(t, l, ck, 1)
	l.Close()
	if rep, err := verifyReader(r, Given{Keys: []string{old[0].Verifier()}}); err != nil || rep.Key != third.Verifier() {
		t.Errorf("verified with the oldest key: %+v, %v", rep, err)
	}
	if n, _ := r.Size(); n != 20 { // 16, two that nothing signed, the one that names the key, one
		t.Errorf("%d entries", n)
	}
}

// TestAKeyIsNotReplaced: with the key gone, the list of public keys or the entries tell that there was one.
func TestAKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		with func(path string) error // what becomes of the list
		want string
	}{
		"empty":    {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "ledger.pub"},
		"a folder": {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "ledger.pub"},
		"gone":     {os.Remove, "the key that signs tree heads is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := small(t)
			if err := errors.Join(os.Remove(tlog.KeyFile(dir, 1)), x.with(tlog.PublicFile(dir))); err != nil {
				t.Fatal(err)
			}
			ck := &clock{}
			ck.set("2026-11-24 08:00:00")
			l, err := Open(options(dir, ck))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if f := l.Fault(); f == nil || !strings.Contains(f.Cause, x.want) {
				t.Errorf("fault %+v", f)
			}
			if _, err := os.Stat(tlog.KeyFile(dir, 1)); err == nil {
				t.Error("a new key was made")
			}
		})
	}
}
