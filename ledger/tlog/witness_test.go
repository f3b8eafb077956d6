package tlog

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

func newWitness(t testing.TB, name string) *torchwood.CosignatureSigner {
	t.Helper()
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w, err := torchwood.NewCosignatureSigner(name, secret)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// named is the key of a witness under another name, such as torchwood would not make.
func named(w *torchwood.CosignatureSigner, name string) string {
	encoded := strings.SplitN(w.Verifier().String(), "+", 3)[2]
	raw, _ := base64.StdEncoding.DecodeString(encoded)
	sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
	return fmt.Sprintf("%s+%x+%s", name, sum[:4], encoded)
}

func TestWitnessKeys(t *testing.T) {
	w := newWitness(t, "witness.example/w1")
	key := w.Verifier().String()
	if name, err := WitnessName(key); err != nil || name != "witness.example/w1" || named(w, name) != key {
		t.Errorf("%q (%v)", name, err)
	}
	k, _ := NewKey("east-gate")
	for _, bad := range []string{"", "w1", k.Verifier(), "x" + key, key + "x", key[:len(key)-1], strings.Replace(key, "w1", "w 1", 1), named(w, ""), named(w, "a b"), named(w, "a\x01b")} {
		if _, err := WitnessName(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzWitnessAnswer(f *testing.F) {
	w := newWitness(f, "w1")
	h := Head{Origin: "east-gate", Size: 1}
	signed, err := note.Sign(&note.Note{Text: h.Text()}, w)
	if err != nil {
		f.Fatal(err)
	}
	_, line, _ := strings.Cut(string(signed), "\n\n")
	f.Add("text/x.tlog.size", []byte("17\n"))
	f.Add("", []byte(line))
	f.Add("text/plain; x", []byte("— a AAAAAAAA\n"+line))
	f.Fuzz(func(t *testing.T, typ string, b []byte) {
		if n, err := conflictSize(typ, b); err == nil && n < 0 {
			t.Errorf("%q is the size %d", b, n)
		}
		line, at, err := h.Cosignature(w.Verifier().String(), b)
		if err != nil {
			return
		}
		again, at2, err := h.Cosignature(w.Verifier().String(), []byte(line+"\n"))
		if again != line || at2 != at || err != nil || strings.Contains(line, "\n") {
			t.Errorf("%q gives %q, that gives %q (%v)", b, line, again, err)
		}
	})
}
