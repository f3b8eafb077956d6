package health

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

var (
	start = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	end   = time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC)
	noon  = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
)

// reasonUnknownCode is what these tests say of a code that is no certificate.
const reasonUnknownCode = "unknown-code"

func (t *Trust) check(code []byte, at time.Time) Certificate {
	c, ok := t.Check(code, at)
	if !ok {
		c.Kind, c.Reason = "unknown", reasonUnknownCode
	}
	if c.Signed != (len(c.Content) == sha256.Size) { // what was signed is known of genuine ones, and of no others
		panic(c.Content)
	}
	c.Content = ""
	return c
}

// seeded returns the key whose seed is 32 times b.
func seeded(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

var deterministic = must(cbor.CoreDetEncOptions().EncMode())

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := deterministic.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type fields = map[any]any

// A pipe in the trust directory must not keep the gate from starting: nobody writes to it.
func TestATrustFileThatIsNoFile(t *testing.T) {
	for _, name := range []string{"dcc/at.pem", "shc/clinic.json", "shc/crl/list.json"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), syscall.Mkfifo(path, 0o644)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { _, err := LoadTrust(dir); done <- err }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("%s: got %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s keeps it waiting", name)
		}
	}
}
