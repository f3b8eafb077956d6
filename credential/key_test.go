package credential

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gated/credential/keyfile"

	"github.com/google/go-cmp/cmp"
)

func TestAKeySurvivesItsFile(t *testing.T) {
	dir := t.TempDir()
	private, pub := filepath.Join(dir, "longshan.key"), filepath.Join(dir, "pass", "longshan.pub")
	if err := os.Mkdir(filepath.Dir(pub), 0o755); err != nil {
		t.Fatal(err)
	}
	key := NewKey()
	if err := WritePrivateKey(private, key); err != nil {
		t.Fatal(err)
	}
	if err := WritePublicKey(pub, public(key)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(private); err != nil || info.Mode() != 0o600 {
		t.Errorf("private key: %v, %v", info.Mode(), err)
	}
	got, err := ReadPrivateKey(private)
	if err != nil || !got.Equal(key) {
		t.Errorf("read back: %v", err)
	}
	trust, err := LoadTrust(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := trust.Check([]byte(issue(t, key, longshanPass())), noon); !got.Valid {
		t.Errorf("%+v", got)
	}
	if got := trust.Issuers(); !cmp.Equal(got, []string{"longshan"}) {
		t.Errorf("issuers: %q", got)
	}
}

func TestAKeyFileIsNeverReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	key := NewKey()
	if err := WritePrivateKey(path, key); err != nil {
		t.Fatal(err)
	}
	for _, write := range []func() error{
		func() error { return WritePrivateKey(path, NewKey()) },
		func() error { return WritePublicKey(path, public(key)) },
	} {
		if err := write(); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another name") {
			t.Errorf("got %v", err)
		}
	}
	if got, err := ReadPrivateKey(path); err != nil || !got.Equal(key) {
		t.Errorf("the old key is gone: %v", err)
	}
}

func TestAKeyThatCannotBeWrittenLeavesNothingBehind(t *testing.T) {
	if os.Getenv("GATED_TEST_FULL_DISK") == "" {
		// In a process of its own: the limit below holds for the log of opened files too, which go test
		// has a test write to know what it may cache. A log that cannot be written fails the package.
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), "GATED_TEST_FULL_DISK=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := WritePrivateKey(filepath.Join(t.TempDir(), "no", "such", "dir"), NewKey()); err == nil {
		t.Error("no error")
	}
	var limit syscall.Rlimit // files may not grow: stands in for a full disk
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 10, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err := WritePrivateKey(path, NewKey())
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Error("no error for a file that could not be written")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("half a key is left: %v", err)
	}
}

func TestAPrivateKeyThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := WritePrivateKey(path, NewKey()); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o660, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPrivateKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPrivateKey(path); err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

// ecPEM returns a pair of keys of another algorithm.
func ecPEM(t *testing.T) (private, public []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	priv, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: priv}), pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: pub})
}

func TestWhatIsNoPrivateKeyIsRefusedByName(t *testing.T) {
	ec, _ := ecPEM(t)
	good, err := x509.MarshalPKCS8PrivateKey(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: good})
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("secret"), "public": MarshalPublicKey(public(longshanKey)), "ec": ec,
		"cut": pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: good[:20]}), "two": append(block, block...),
		"huge": append(block, make([]byte, keyfile.Limit)...),
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPrivateKey(path); err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if _, err := ReadPrivateKey(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestABadTrustedKeyIsAnErrorThatNamesIt(t *testing.T) {
	ecPrivate, ecPublic := ecPEM(t)
	good := MarshalPublicKey(public(longshanKey))
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty.pub":   {nil, "empty"},
		"text.pub":    {[]byte("hello"), "PEM"},
		"half.pub":    {append(good, "hello"...), "PEM"},
		"ec.pub":      {ecPublic, "Ed25519"},
		"private.pub": {ecPrivate, "private key"},
		"other.pub":   {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), "CERTIFICATE"},
		"cut.pub":     {pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: []byte{0x30}}), "asn1"},
		"huge.pub":    {make([]byte, keyfile.Limit+1), "larger"},
		".pub":        {good, "issuer"},
		"a b .pub":    {good, "issuer"},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "pass"), 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "pass", name)
		if err := os.WriteFile(path, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadTrust(dir); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want the path and %q", name, err, c.want)
		}
	}
}

func TestAMissingTrustDirectoryTrustsNobody(t *testing.T) {
	trust, err := LoadTrust(filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	if got := trust.Check([]byte(issue(t, longshanKey, longshanPass())), noon).Reason; got != ReasonOtherIssuer {
		t.Errorf("got %s", got)
	}
	path := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadTrust(filepath.Dir(path)); err == nil {
		t.Error("a file in place of the directory: no error")
	}
}

func TestAnIssuerMayHaveAnOldAndANewKey(t *testing.T) {
	trust := trusting(t, map[string][]byte{
		"longshan.pub": append(MarshalPublicKey(public(longshanKey)), MarshalPublicKey(public(seeded(2)))...),
	})
	for _, key := range []ed25519.PrivateKey{longshanKey, seeded(2)} {
		if got := trust.Check([]byte(issue(t, key, longshanPass())), noon); !got.Valid {
			t.Errorf("%+v", got)
		}
	}
}

func TestAChineseNameIsAnIssuer(t *testing.T) {
	p := longshanPass()
	p.Issuer = "龙山小区"
	trust := trusting(t, map[string][]byte{p.Issuer + ".pub": MarshalPublicKey(public(longshanKey))})
	if got := trust.Check([]byte(issue(t, longshanKey, p)), noon); !got.Valid {
		t.Errorf("%+v", got)
	}
}

func TestKeyIDIsTheHashOfTheSPKI(t *testing.T) {
	id := KeyID(public(longshanKey))
	// openssl pkey -pubin -in longshan.pub -outform DER | sha256sum | head -c 16
	if got := hex.EncodeToString(id[:]); got != "fd110d301d2f077d" {
		t.Errorf("got %s", got)
	}
}
