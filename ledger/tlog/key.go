package tlog

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gated/durable"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// Key signs tree heads with Ed25519. Its name is the ledger's origin.
type Key struct {
	signer  note.Signer
	private string // PRIVATE+KEY+name+hash+base64, as golang.org/x/mod/sumdb/note has it
	public  string // name+hash+base64, the note verifier key
}

// NewKey makes a key for the ledger of that origin.
func NewKey(origin string) (*Key, error) {
	private, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, fmt.Errorf("origin %q: %w: a name without spaces and plus", origin, err)
	}
	return parseKey(private)
}

func parseKey(private string) (*Key, error) {
	bad := errors.New("not a ledger key: it begins with PRIVATE+KEY+, as \"gated key new --ledger\" writes it")
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, bad
	}
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(private, "+", 5)[4]) // NewSigner has seen the five parts
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return nil, bad
	}
	public, err := note.NewEd25519VerifierKey(signer.Name(), ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
	if err != nil {
		return nil, bad
	}
	return &Key{signer, private, public}, nil
}

// Origin is the name of the ledger that the key is for.
func (k *Key) Origin() string { return k.signer.Name() }

// Verifier is the note verifier key of the public half: name+hash+base64.
func (k *Key) Verifier() string { return k.public }

// Empty is the head of the ledger before its first entry.
func (k *Key) Empty() (Head, error) { return SignHead(k.Origin(), 0, (&Tree{}).Root(), k) }

// Fingerprint of a note verifier key: SHA-256 of its text in groups of four hexadecimal digits, the first 16 bytes,
// for people to compare.
func Fingerprint(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	var groups []string
	for i := 0; i < 16; i += 2 {
		groups = append(groups, hex.EncodeToString(sum[i:i+2]))
	}
	return strings.Join(groups, " ")
}

// keysLimit is the largest file of ledger keys, in bytes: one for each time that the key was changed.
const keysLimit = 1 << 20

// ReadKeys reads a file of ledger keys, one a line: the first one signs; those below signed before it and vouch for it.
func ReadKeys(path string) ([]*Key, error) {
	b, err := durable.ReadFile(path, keysLimit)
	if err != nil {
		return nil, err
	}
	shared := fs.FileMode(0o077)
	if creds := os.Getenv("CREDENTIALS_DIRECTORY"); creds != "" && filepath.Dir(path) == filepath.Clean(creds) {
		shared = 0o007 // systemd hands it over by an access list, which shows as group bits
	}
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&shared != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): chmod 600, and make a new key if others may have read it", path,
			st.Mode().Perm())
	}
	var keys []*Key
	for _, line := range strings.Fields(string(b)) {
		k, err := parseKey(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s is empty, and no backup of gated has it: put back a copy of your own, or begin a new epoch, which "+
			"makes a new key: with the daemon stopped, \"gated ledger begin\"", path)
	}
	return keys, nil
}

// WriteKeys writes a file of ledger keys, mode 0600, which is there whole or not at all. It replaces an older one.
func WriteKeys(path string, keys ...*Key) error {
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(k.private + "\n")
	}
	return WriteWhole(path, []byte(b.String()))
}

// WriteWhole writes a file of mode 0600 that is there whole or not at all, also after a power cut. Made by root it belongs
// to whom the folder belongs to: a command run by root must not take a key away from the daemon.
func WriteWhole(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil && os.Geteuid() == 0 {
		err = giveToOwner(f)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}

// giveToOwner makes a file belong to whom its folder belongs to.
func giveToOwner(f *os.File) error {
	st, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	if own, ok := st.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(own.Uid), int(own.Gid))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// KeyFile is where the key of an epoch of a state directory's ledger lies unless the settings say otherwise.
func KeyFile(dir string, epoch int) string {
	if epoch <= 1 {
		return filepath.Join(dir, "keys", "ledger.key")
	}
	return filepath.Join(dir, "keys", fmt.Sprintf("ledger-%d.key", epoch))
}

// PublicFile is where the public keys of a state directory's ledger lie for those who check.
func PublicFile(dir string) string { return filepath.Join(dir, "keys", "ledger.pub") }

// PublicKeys reads the note verifier keys of a state directory's ledger, the one in force first.
func PublicKeys(dir string) ([]string, error) {
	b, err := durable.ReadFile(PublicFile(dir), keysLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no ledger key yet: the daemon makes it at its first start, or \"gated key new --ledger\" "+
			"before it: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	keys := strings.Fields(string(b))
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s is empty", PublicFile(dir))
	}
	return keys, nil
}

// WritePublicKeys replaces them.
func WritePublicKeys(dir string, keys []string) error {
	if err := os.MkdirAll(filepath.Dir(PublicFile(dir)), 0o700); err != nil {
		return err
	}
	return WriteWhole(PublicFile(dir), []byte(strings.Join(keys, "\n")+"\n"))
}

// OfOrigin are the keys that bear the name.
func OfOrigin(keys []string, origin string) (own []string) {
	for _, k := range keys {
		if strings.HasPrefix(k, origin+"+") {
			own = append(own, k)
		}
	}
	return own
}

// Verifiers is the set of keys by which a note may be signed.
func Verifiers(keys ...string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, k := range slices.Compact(slices.Sorted(slices.Values(keys))) { // a key named twice is ambiguous to note
		v, err := NewVerifier(k)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}

// NewVerifier reads a note verifier key: of a ledger (Ed25519, type 1) or of a witness (cosignature/v1, type 4,
// c2sp.org/tlog-cosignature).
func NewVerifier(key string) (note.Verifier, error) {
	if v, err := note.NewVerifier(key); err == nil {
		return v, nil
	}
	v, err := torchwood.NewCosignatureVerifier(key)
	if err == nil && v.String() != key {
		err = errors.New("not in its one spelling")
	}
	if err != nil {
		return nil, fmt.Errorf("%q is not a note verifier key (%w): it reads name+hash+base64, as \"gated key show --ledger\" "+
			"prints it; was it copied whole?", key, err)
	}
	return v, nil
}

// ReadVerifiers reads note verifier keys: each value of the flag is a file of some, or one of them.
func ReadVerifiers(flag string, values []string) (all []string, err error) {
	for _, v := range values {
		text, err := os.ReadFile(v)
		if err != nil && strings.Contains(v, "+") {
			text, err = []byte(v), nil
		}
		keys := strings.Fields(strings.TrimPrefix(string(text), "\ufeff")) // Notepad puts one before what it saves
		if err == nil && len(keys) == 0 {
			err = fmt.Errorf("%s is empty", v)
		}
		for _, k := range keys {
			if err == nil {
				_, err = NewVerifier(k)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		all = append(all, keys...)
	}
	return all, nil
}

// PrintNew tells of a new key, whose private part lies in a file, and what an auditor is to keep of it; first is its empty head.
func (k *Key) PrintNew(w io.Writer, file string, first Head) {
	fmt.Fprintf(w, `private key %s: whoever has it can sign tree heads in the gate's name
public key  %s.pub: for auditors

For the auditor to keep, away from the box:
public key   %s
fingerprint  %s
first head   0:%s

`, file, file, k.Verifier(), Fingerprint(k.Verifier()), first.ShortRoot())
}
