package box

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"gated/durable"
	"gated/ledger/seal"
	"gated/ledger/tlog"
	"gated/roster"
)

// Secret keys of 32 bytes in the directory keys, made when they are first needed.
const (
	hashKey     = "code-hash.key" // never leaves the box
	compoundKey = "compound.key"  // which all gates of a compound share

	keyLimit = 1 << 10 // in bytes, for what lies there by mistake
)

// keyFile reads a key. Where there is none it is made if it may be the first, or else an error.
func keyFile(dir, name string, first bool) ([]byte, error) {
	path := filepath.Join(dir, "keys", name)
	key, err := durable.ReadFile(path, keyLimit)
	if err == nil && len(key) != 32 {
		return nil, fmt.Errorf("%s has %d bytes instead of 32: restore it from the backup, or remove it to begin a new one", path, len(key))
	}
	if !first || !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = make([]byte, 32)
	rand.Read(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err = durable.Create(path, key, 0o600); errors.Is(err, fs.ErrExist) { // somebody else made it at the same moment
		return durable.ReadFile(path, keyLimit)
	}
	return key, err
}

// closeKeys takes secret keys away from others than the owner, and names those that were open to them.
func closeKeys(dir string, log *slog.Logger) {
	for _, name := range []string{hashKey, compoundKey} {
		path := filepath.Join(dir, "keys", name)
		if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 && os.Chmod(path, 0o600) == nil {
			log.Warn("this key was open to others: it is not any more, and who has read it can try all names and ID numbers against what "+
				"was hashed with it", "path", path, "mode", st.Mode().Perm())
		}
	}
}

// CompoundKey is the key that roster IDs follow from. It is made where there is none, but not where IDs of the roster follow from
// one that is missing: then it is the zero key.
func CompoundKey(dir string, people *roster.Snapshot) (roster.Key, error) {
	key, err := keyFile(dir, compoundKey, !people.Keyed())
	if errors.Is(err, fs.ErrNotExist) {
		return roster.Key{}, nil
	}
	if err != nil {
		return roster.Key{}, err
	}
	return roster.Key(key), nil
}

// Shown says which key of a state directory is to be shown.
type Shown struct{ Ledger, Personal, Compound bool }

// ShowKey is a key as it is written down: the public one of the ledger, or a secret one for the safe.
func ShowKey(dir string, which Shown) (string, error) {
	switch {
	case which.Personal:
		key, err := seal.ReadMaster(seal.MasterFile(dir))
		if err != nil {
			return "", err
		}
		return key.String(), nil
	case which.Compound:
		key, err := keyFile(dir, compoundKey, false)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("there is no compound key yet: %w: the first import of a list makes it; at a second gate put that of the "+
				"first one in place (gated key restore --compound)", err)
		}
		if err != nil {
			return "", err
		}
		return roster.Key(key).Written(), nil
	}
	keys, err := tlog.PublicKeys(dir)
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// RestoreCompoundKey puts the key in place as it was written down, also instead of another one: no list is imported under it then
// that would give anybody a new ID.
func RestoreCompoundKey(dir, written string) error {
	key, err := roster.ParseKey(written)
	path := filepath.Join(dir, "keys", compoundKey)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return err
	}
	return durable.Replace(path, key[:])
}

// MakeLedgerKey makes a key that signs the tree heads of the ledger of that origin before it begins: path is the private one,
// path.pub the public one. It returns the head of the ledger without entries, too, and replaces no file.
func MakeLedgerKey(path, origin string) (key *tlog.Key, first tlog.Head, err error) {
	for _, path := range []string{path, path + ".pub"} {
		if _, err := os.Lstat(path); err == nil {
			return nil, first, fmt.Errorf("%s is there already: what it signed needs it; choose another name", path)
		}
	}
	if key, err = tlog.NewKey(origin); err != nil {
		return nil, first, err
	}
	if first, err = key.Empty(); err != nil {
		return nil, first, err
	}
	if err = tlog.WriteKeys(path, key); err != nil {
		return nil, first, err
	}
	return key, first, durable.Create(path+".pub", []byte(key.Verifier()+"\n"), 0o644)
}
