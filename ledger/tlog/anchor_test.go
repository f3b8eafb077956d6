package tlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func anchorHead(t testing.TB, size int64, keys ...*Key) Head {
	t.Helper()
	h, err := SignHead(keys[0].Origin(), size, LeafHash(fmt.Append(nil, size)), keys...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newTestKey(t testing.TB, origin string) *Key {
	t.Helper()
	k, err := NewKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAnchorGivesTheNewestHead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "anchor")
	if _, err := ReadAnchor(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no anchor: %v", err)
	}
	a, err := OpenAnchor(path)
	if err != nil {
		t.Fatal(err)
	}
	if heads, err := ReadAnchor(path); len(heads) > 0 || err != nil {
		t.Errorf("before the first head: %v, %v", heads, err)
	}
	old, k := newTestKey(t, "east-gate"), newTestKey(t, "east-gate")
	var last Head
	for i, h := range []Head{anchorHead(t, 1, old), anchorHead(t, 300, old), anchorHead(t, 300, k, old), anchorHead(t, 301, k)} {
		if err := a.Write(h); err != nil {
			t.Fatal(err)
		}
		heads, err := ReadAnchor(path)
		want := []Head{h, last}[:min(i+1, 2)]
		if d := cmp.Diff(want, heads); d != "" || err != nil {
			t.Errorf("after head %d (-want +got): %v\n%s", i+1, err, d)
		}
		last = h
		if err := a.Close(); err != nil { // another process goes on with it
			t.Fatal(err)
		}
		if a, err = OpenAnchor(path); err != nil {
			t.Fatal(err)
		}
	}
	a.Close()
	if st, err := os.Stat(path); err != nil || st.Size() != 2*anchorBlock || st.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", st, err)
	}
	for _, h := range []Head{{Origin: "east-gate", Size: 1}, anchorHead(t, 1, old, k, old), anchorHead(t, 1, newTestKey(t, strings.Repeat("x", 256)))} {
		if _, err := formatRecord(h, 1); err == nil {
			t.Errorf("it took a head that it has no room for: %.60q", h.Note)
		}
	}
}

// A power cut may stop the write of a record at any byte, or leave any mixture of old and new: the head before is there.
func TestAnchorTornAtEveryByte(t *testing.T) {
	path, k := filepath.Join(t.TempDir(), "anchor"), newTestKey(t, "east-gate")
	a, err := OpenAnchor(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for size := range int64(3) {
		if err := a.Write(anchorHead(t, size+1, k)); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Write(anchorHead(t, 4, k)); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := 0 // of the record that was written
	for before[at+8+7] == after[at+8+7] {
		at += anchorBlock
	}
	for i := range anchorRecord + 1 {
		for _, torn := range [][]byte{
			append(bytes.Clone(after[:at+i]), before[at+i:]...), // stopped after i bytes
			append(bytes.Clone(before[:at+i]), after[at+i:]...), // the end came first
			append(append(bytes.Clone(after[:at+i]), make([]byte, anchorRecord-i)...), after[at+anchorRecord:]...),
		} {
			h, _, err := newestRecord(torn)
			if err != nil || h.Size != 3 && !bytes.Equal(torn, after) && !sameRecord(torn[at:], after[at:]) {
				t.Fatalf("torn at byte %d: %v, size %d", i, err, h.Size)
			}
		}
	}
	for bit := range anchorRecord * 8 {
		flipped := bytes.Clone(after)
		flipped[at+bit/8] ^= 1 << (bit % 8)
		if h, _, err := newestRecord(flipped); err != nil || h.Size != 3 {
			t.Fatalf("bit %d flipped: %v, size %d", bit, err, h.Size)
		}
	}
}

func sameRecord(a, b []byte) bool { return bytes.Equal(a[:anchorRecord], b[:anchorRecord]) }

// What no power cut leaves is an error that names the file, and is never written over.
func TestAnchorThatIsDamaged(t *testing.T) {
	k := newTestKey(t, "east-gate")
	whole := func(count uint64) []byte {
		b, err := formatRecord(anchorHead(t, int64(count), k), count)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	file := func(first, second []byte) []byte {
		b := make([]byte, 2*anchorBlock)
		copy(b, first)
		copy(b[anchorBlock:], second)
		return b
	}
	torn := func(b []byte) []byte { return append(bytes.Clone(b[:100]), make([]byte, anchorRecord-100)...) }
	for name, b := range map[string][]byte{
		"both torn":           file(torn(whole(2)), torn(whole(3))),
		"one torn":            file(torn(whole(2)), nil),
		"each in the other's": file(whole(3), whole(2)),
		"something else":      bytes.Repeat([]byte("gate "), 2*anchorBlock/5+1)[:2*anchorBlock],
		"empty":               {},
		"short":               make([]byte, anchorBlock),
	} {
		path := filepath.Join(t.TempDir(), "anchor")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, open := range []func() error{
			func() error { _, err := ReadAnchor(path); return err },
			func() error { _, err := OpenAnchor(path); return err },
		} {
			if err := open(); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v, want an error that names %s", name, err, path)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, b) {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
}

// The very first record may be torn by a power cut: that is an anchor without a head.
func TestAnchorWhoseFirstRecordIsTorn(t *testing.T) {
	path, k := filepath.Join(t.TempDir(), "anchor"), newTestKey(t, "east-gate")
	b := make([]byte, 2*anchorBlock)
	first, err := formatRecord(anchorHead(t, 1, k), 1)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[anchorBlock:], first[:100])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if heads, err := ReadAnchor(path); len(heads) > 0 || err != nil {
		t.Errorf("read: %v, %v", heads, err)
	}
	a, err := OpenAnchor(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Write(anchorHead(t, 2, k)); err != nil {
		t.Fatal(err)
	}
	if heads, err := ReadAnchor(path); len(heads) != 1 || err != nil || heads[0].Size != 2 {
		t.Errorf("written over: %v, %v", heads, err)
	}
}

// Golden vector: others can read an anchor by it.
func TestAnchorFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("PRIVATE+KEY+east-gate+2c8fa5ac+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ReadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := SignHead("east-gate", 1234067, Hash(bytes.Repeat([]byte{0xab}, 32)), keys...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := formatRecord(h, 258)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/anchor.bin")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the record is\n%x, want\n%x", got, want)
	}
	if back, count, err := parseRecord(want); err != nil || count != 258 || !cmp.Equal(back, h) {
		t.Errorf("read back: %v, %d, %+v", err, count, back)
	}
}

func FuzzAnchor(f *testing.F) {
	k := newTestKey(f, "east-gate")
	b, err := formatRecord(anchorHead(f, 7, k), 2)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, b)
	f.Add([]byte{}, b[:100])
	f.Fuzz(func(t *testing.T, first, second []byte) {
		b := make([]byte, 2*anchorBlock)
		copy(b[:anchorBlock], first)
		copy(b[anchorBlock:], second)
		h, count, err := newestRecord(b)
		if err != nil {
			return
		}
		again, err := formatRecord(h, count)
		if err != nil || !bytes.Equal(again, b[count%2*anchorBlock:][:anchorRecord]) {
			t.Errorf("a head that was read is written otherwise: %v", err)
		}
		if _, err := ParseHead(h.Note); err != nil {
			t.Error(err)
		}
	})
}
