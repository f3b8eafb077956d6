package ledger

import (
	"bytes"
	"compress/gzip"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// TestTheTreeIsThatOfRFC6962 compares roots and tiles with those of tlog, which keeps every hash.
func TestTheTreeIsThatOfRFC6962(t *testing.T) {
	var stored []tlog.Hash
	all := tlog.HashReaderFunc(func(idx []int64) (out []tlog.Hash, err error) {
		for _, i := range idx {
			out = append(out, stored[i])
		}
		return out, nil
	})
	tr := &tree{}
	const n = 256*256 + 777
	for i := range int64(n) {
		record := fmt.Appendf(nil, `{"seq":%d}`, i+1)
		more, err := tlog.StoredHashes(i, record, all)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		for _, full := range tr.push(leafHash(record)) {
			want, err := tlog.ReadTileData(tlog.Tile{H: tileHeight, L: int(full.level), N: full.n, W: tileWidth}, all)
			if err != nil || !bytes.Equal(want, full.data) {
				t.Fatalf("tile %d/%d differs from tlog's (%v)", full.level, full.n, err)
			}
			if up := stored[tlog.StoredHashIndex(int(full.level+1)*tileHeight, full.n)]; up != full.root {
				t.Fatalf("tile %d/%d has another root than tlog's", full.level, full.n)
			}
		}
		if size := i + 1; size < 600 || size%997 == 0 || size > n-300 || size%256 < 2 {
			want, err := tlog.TreeHash(size, all)
			if err != nil || tr.root() != want {
				t.Fatalf("root of %d entries is %v, tlog's %v (%v)", size, tr.root(), want, err)
			}
		}
	}
	if got := (&tree{}).root().String(); got != "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" { // RFC 6962, 2.1: the hash of nothing
		t.Errorf("the empty tree has the root %s", got)
	}
}

// many appends n entries.
func many(t testing.TB, l *Ledger, ck *clock, n int) {
	t.Helper()
	for n > 0 {
		k := min(n, maxBatch)
		events := make([]Event, k)
		for i := range events {
			events[i] = Event{Stamp: ck.now(), Kind: Alive}
		}
		mustAppend(t, l, events...)
		n -= k
	}
}

func TestHeadsAreSignedKeptAndProved(t *testing.T) {
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	many(t, l, ck, 1000)
	l.Close() // signs
	l = open(t, dir, ck)
	ck.set("2026-11-22 08:00:00")
	many(t, l, ck, 700)
	l.Close()
	l = open(t, dir, ck)
	many(t, l, ck, 300)
	l.Close()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var sizes []int64
	err = r.c.query(func(v []driver.Value) error { sizes = append(sizes, v[0].(int64)); return nil }, "SELECT size FROM head ORDER BY size")
	if err != nil || fmt.Sprint(sizes) != "[1000 2000]" { // the end of a day and the newest; 1700 went
		t.Errorf("heads of %v entries are kept (%v)", sizes, err)
	}
	public, err := PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	known, err := verifiers(public...)
	if err != nil {
		t.Fatal(err)
	}
	newest, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	old, err := r.HeadAt(1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []Head{old, newest} {
		if err := h.Verify(known); err != nil {
			t.Error(err)
		}
		if root, err := r.RootAt(h.Size); err != nil || root != h.Root {
			t.Errorf("root at %d is %v, signed %v (%v)", h.Size, root, h.Root, err)
		}
	}
	hr := r.HashReader(newest)
	proof, err := tlog.ProveTree(newest.Size, old.Size, hr)
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckTree(proof, newest.Size, newest.Root, old.Size, old.Root); err != nil {
		t.Error(err)
	}
	for _, seq := range []int64{1, 256, 257, 1500, 1793, 2000} {
		p, err := tlog.ProveRecord(newest.Size, seq-1, hr)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := r.c.one("SELECT record FROM entry WHERE seq = ?", seq)
		if err := tlog.CheckRecord(p, newest.Size, newest.Root, seq-1, leafHash([]byte(raw))); err != nil {
			t.Errorf("entry %d: %v", seq, err)
		}
	}
	if st, _ := os.Stat(filepath.Join(dir, "keys", "ledger.key")); st.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", st.Mode())
	}
}

// TestNoByteOfAHeadCanChangeUnseen: also where base64 would decode to the same.
func TestNoByteOfAHeadCanChangeUnseen(t *testing.T) {
	k, err := NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	h, err := signHead("east-gate", 12345, leafHash([]byte("x")), k)
	if err != nil {
		t.Fatal(err)
	}
	known, _ := verifiers(k.Verifier())
	check := func(b []byte) error {
		h, err := ParseHead(b)
		if err != nil {
			return err
		}
		return h.Verify(known)
	}
	if err := check(h.Note); err != nil {
		t.Fatal(err)
	}
	for i := range h.Note {
		for _, x := range []byte{1, 2, 4, 32} {
			b := bytes.Clone(h.Note)
			b[i] ^= x
			if check(b) == nil {
				t.Errorf("byte %d changed from %q to %q is not seen", i, h.Note[i], b[i])
			}
		}
	}
}

func TestAKeyIsChangedByBothSigningOneHead(t *testing.T) {
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	many(t, l, ck, 10)
	l.Close()
	path := filepath.Join(dir, "keys", "ledger.key")
	old, err := ReadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	anew, err := NewKey("east-gate")
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
	WriteKeys(path, anew)
	if got := fault(); !strings.Contains(got, "is not signed by the key") {
		t.Errorf("a foreign key: %q", got)
	}
	os.Remove(path)
	if got := fault(); !strings.Contains(got, "is not there") {
		t.Errorf("no key: %q", got)
	}
	west, _ := NewKey("west-gate")
	WriteKeys(path, west)
	if got := fault(); !strings.Contains(got, "west-gate") {
		t.Errorf("another gate's key: %q", got)
	}
	os.WriteFile(path, []byte("nonsense\n"), 0o600)
	if got := fault(); !strings.Contains(got, "not a ledger key") {
		t.Errorf("nonsense: %q", got)
	}
	WriteKeys(path, anew, old[0])
	os.Chmod(path, 0o644)
	if _, err := ReadKeys(path); err == nil || !strings.Contains(err.Error(), "can be read by others") {
		t.Errorf("mode 0644: %v", err)
	}
	l = open(t, dir, ck) // a copy that lost its mode does not stop the gate
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", st.Mode())
	}
	many(t, l, ck, 5)
	l.Close()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h, err := r.HeadAt(11)
	if err != nil || !h.signedBy(old[0].public) || !h.signedBy(anew.public) {
		t.Errorf("the head at the change is not signed by both (%v):\n%s", err, h.Note)
	}
	raw, _ := r.c.one("SELECT record FROM entry WHERE seq = 11")
	if !strings.Contains(raw, anew.public) || !strings.Contains(raw, `"kind":"key"`) {
		t.Errorf("entry 11 does not name the new key: %s", raw)
	}
	if h, err := r.Head(); err != nil || h.Size != 16 || h.signedBy(old[0].public) || !h.signedBy(anew.public) {
		t.Errorf("afterwards the new key signs alone (%v): %s", err, h.Note)
	}
	// Who holds either key follows it to the other.
	for _, given := range []string{old[0].public, anew.public} {
		if rep, err := r.Verify(Given{Keys: []string{given}}); err != nil || rep.Key != anew.public {
			t.Errorf("verified with %s: %+v, %v", given, rep, err)
		}
	}
	WriteKeys(path, anew)
	open(t, dir, ck).Close()

	// The entry that names a key may be the first of a day, and the power may go right after it.
	os.Remove(path)
	opt := options(dir, ck)
	opt.Unsigned = true // an entry after the newest head
	if l, err = Open(opt); err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	many(t, l, ck, 1)
	l.Close()
	third, _ := NewKey("east-gate")
	WriteKeys(path, third, anew)
	ck.set("2026-11-22 08:00:00")
	opt = options(dir, ck)
	opt.Inject = func(op string) error {
		if op == "sign" {
			return errors.New("power lost")
		}
		return nil
	}
	l, err = Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = open(t, dir, ck)
	many(t, l, ck, 1)
	l.Close()
	if rep, err := r.Verify(Given{Keys: []string{old[0].public}}); err != nil || rep.Key != third.public {
		t.Errorf("verified with the oldest key: %+v, %v", rep, err)
	}
	if n, _ := r.Size(); n != 20 { // 16, one unsigned, two that name the key, one
		t.Errorf("%d entries", n)
	}
}

// gunzip writes a packed file of testdata into dir.
func gunzip(t *testing.T, from, to string) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzParseHead(f *testing.F) {
	k, _ := NewKey("east-gate")
	h, _ := signHead("east-gate", 7, tlog.Hash{1}, k)
	f.Add(h.Note)
	f.Add([]byte("a\n1\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n\n— a AAAA\n"))
	known, _ := verifiers(k.Verifier())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHead(b)
		if err != nil {
			return
		}
		if !strings.HasPrefix(string(b), headText(h.Origin, h.Size, h.Root)) {
			t.Errorf("%q was read as %+v", b, h)
		}
		h.Verify(known)
	})
}

var _ note.Verifier = (*cosigner)(nil)
