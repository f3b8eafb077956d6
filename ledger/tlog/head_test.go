package tlog

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// TestNoByteOfAHeadCanChangeUnseen: also where base64 would decode to the same.
func TestNoByteOfAHeadCanChangeUnseen(t *testing.T) {
	k, err := NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	h, err := SignHead("east-gate", 12345, LeafHash([]byte("x")), k)
	if err != nil {
		t.Fatal(err)
	}
	known, _ := Verifiers(k.Verifier())
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

func FuzzParseHead(f *testing.F) {
	k, _ := NewKey("east-gate")
	h, _ := SignHead("east-gate", 7, Hash{1}, k)
	f.Add(h.Note)
	f.Add([]byte("a\n1\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n\n— a AAAA\n"))
	known, _ := Verifiers(k.Verifier())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHead(b)
		if err != nil {
			return
		}
		if !strings.HasPrefix(string(b), h.Text()) {
			t.Errorf("%q was read as %+v", b, h)
		}
		h.Verify(known)
	})
}
