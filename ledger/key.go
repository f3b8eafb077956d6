package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Key signs tree heads with Ed25519. Its name is the ledger's origin.
type Key struct {
	signer   note.Signer
	verifier note.Verifier
	private  string // PRIVATE+KEY+name+hash+base64, as golang.org/x/mod/sumdb/note has it
	public   string // name+hash+base64, the note verifier key
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
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, bad
	}
	return &Key{signer, verifier, private, public}, nil
}

// Verifier is the note verifier key of the public half: name+hash+base64.
func (k *Key) Verifier() string { return k.public }

// Empty is the head of the ledger before its first entry.
func (k *Key) Empty() (Head, error) { return signHead(k.signer.Name(), 0, (&tree{}).root(), k) }

// RotateKey puts a new key above the one that signs the ledger of a state directory; the next opening lets it take over.
func RotateKey(dir string) (*Key, error) {
	r, err := OpenReader(dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	path := keyFile(dir, r.Meta.Epoch)
	keys, err := ReadKeys(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: where the key is a credential of the service, put a new one above it there by hand, as the help of this command says", err)
	}
	if err != nil {
		return nil, err
	}
	if len(keys) > 1 {
		if h, err := r.Head(); err == nil && !h.signedBy(keys[0].public) {
			return nil, fmt.Errorf("%s has a new key already: start the daemon, which lets it take over", path)
		}
	}
	k, err := NewKey(r.Meta.Origin)
	if err != nil {
		return nil, err
	}
	if err := WriteKeys(path, k, keys[0]); err != nil {
		return nil, err
	}
	if st, err := os.Stat(dir); err == nil { // made by root for the user of the daemon
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			os.Chown(path, int(sys.Uid), int(sys.Gid))
		}
	}
	return k, nil
}

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

func paper(root tlog.Hash) string { return base32.StdEncoding.EncodeToString(root[:10]) }

// ReadKeys reads a file of ledger keys, one a line: the first one signs; those below signed before it and vouch for it.
func ReadKeys(path string) ([]*Key, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	shared := fs.FileMode(0o077)
	if creds := os.Getenv("CREDENTIALS_DIRECTORY"); creds != "" && filepath.Dir(path) == filepath.Clean(creds) {
		shared = 0o007 // systemd hands it over by an access list, which shows as group bits
	}
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&shared != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): chmod 600, and make a new key if others may have read it", path, st.Mode().Perm())
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
		return nil, fmt.Errorf("%s is empty: restore it from the backup", path)
	}
	return keys, nil
}

// WriteKeys writes a file of ledger keys, mode 0600, which is there whole or not at all. It replaces an older one.
func WriteKeys(path string, keys ...*Key) error {
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(k.private + "\n")
	}
	return writeWhole(path, []byte(b.String()))
}

// writeWhole writes a file of mode 0600 that is there whole or not at all, also after a power cut.
func writeWhole(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// publicFile is where the public key of a state directory's ledger lies, the newest first, for those who check.
func publicFile(dir string) string { return filepath.Join(dir, "keys", "ledger.pub") }

// PublicKeys reads the note verifier keys of a state directory's ledger, the one in force first.
func PublicKeys(dir string) ([]string, error) {
	b, err := os.ReadFile(publicFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no ledger key yet: the daemon makes it at its first start, or \"gated key new --ledger\" before it: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	keys := strings.Fields(string(b))
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s is empty", publicFile(dir))
	}
	return keys, nil
}

// signHead signs a tree head with the keys, the newest first.
func signHead(origin string, size int64, root tlog.Hash, keys ...*Key) (Head, error) {
	var signers []note.Signer
	for _, k := range keys {
		signers = append(signers, k.signer)
	}
	b, err := note.Sign(&note.Note{Text: headText(origin, size, root)}, signers...)
	if err != nil {
		return Head{}, fmt.Errorf("sign a tree head: %w", err)
	}
	return Head{origin, size, root, b}, nil
}

// verifiers is the set of keys by which a note may be signed.
func verifiers(keys ...string) (note.Verifiers, error) {
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
	name, rest, _ := strings.Cut(key, "+")
	hash, encoded, ok := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != cosignatureV1 {
		return nil, fmt.Errorf("%q is not a note verifier key: it reads name+hash+base64, as \"gated key show --ledger\" prints it", key)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
	id := binary.BigEndian.Uint32(sum[:])
	if fmt.Sprintf("%08x", id) != hash {
		return nil, fmt.Errorf("%q is not a note verifier key: its hash is %08x; was it copied whole?", key, id)
	}
	return &cosigner{name, id, raw[1:]}, nil
}

const cosignatureV1 = 4

// cosigner verifies the cosignatures of a witness: over a time and the text of the note.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	t := binary.BigEndian.Uint64(sig)
	return ed25519.Verify(c.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", t, msg), sig[8:])
}

// epochOrigin is the name in the tree heads of an epoch.
func epochOrigin(origin string, epoch int) string {
	if epoch <= 1 {
		return origin
	}
	return fmt.Sprintf("%s/%d", origin, epoch)
}

// keyFile is where the key of an epoch lies unless the caller says otherwise.
func keyFile(dir string, epoch int) string {
	if epoch <= 1 {
		return filepath.Join(dir, "keys", "ledger.key")
	}
	return filepath.Join(dir, "keys", fmt.Sprintf("ledger-%d.key", epoch))
}

// loadKeys reads the keys, makes the first one, and writes the public half where those who check find it.
func (l *Ledger) loadKeys(m Meta) error {
	path := l.opt.KeyFile
	if path == "" {
		path = keyFile(l.opt.Dir, m.Epoch)
	}
	if st, err := os.Stat(path); err == nil && l.opt.KeyFile == "" && st.Mode().Perm()&0o077 != 0 && os.Chmod(path, 0o600) == nil {
		// A copy that lost its mode must not stop the gate; the directory keeps others out.
		l.opt.Log.Warn("the key that signs tree heads could be read by others and cannot now: if others may have read it, make a new one", "path", path, "was", st.Mode().Perm().String())
	}
	keys, err := ReadKeys(path)
	known, _ := PublicKeys(l.opt.Dir)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the key that signs tree heads: %w", err)
	case l.opt.Unsigned:
		l.keys = nil
		return nil
	case len(ofOrigin(known, m.Origin)) > 0 || l.opt.KeyFile != "":
		return fmt.Errorf("the key that signs tree heads is not there: %w: put it back; if it is lost, begin a new epoch with \"gated run --restored\"", err)
	default:
		k, err := NewKey(m.Origin)
		if err != nil {
			return fmt.Errorf("%w: %w", errSettings, err)
		}
		keys = []*Key{k}
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".ledger*.key.*")) // by a power cut while one was written
			for _, l := range left {
				os.Remove(l)
			}
			err = WriteKeys(path, k)
		}
		if err != nil {
			return fmt.Errorf("write the key that signs tree heads: %w", err)
		}
	}
	for _, k := range keys {
		if k.signer.Name() != m.Origin {
			return fmt.Errorf("%w: the key in %s is for %q, the ledger's origin is %q: make one with \"gated key new --ledger --origin %s\"", errSettings, path, k.signer.Name(), m.Origin, m.Origin)
		}
	}
	l.keys = keys
	var public []string
	for _, k := range keys {
		public = append(public, k.public)
	}
	for _, k := range known {
		if !slices.Contains(public, k) {
			public = append(public, k)
		}
	}
	if slices.Equal(public, known) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(publicFile(l.opt.Dir)), 0o700); err != nil {
		return err
	}
	return writeWhole(publicFile(l.opt.Dir), []byte(strings.Join(public, "\n")+"\n"))
}
