package box

import (
	"bytes"
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

// compoundKey is a secret of 32 bytes in the directory keys, which all gates of a compound share.
const compoundKey = "compound.key"

const keyLimit = 1 << 10 // in bytes, for what lies there by mistake

// cure says what to do about a key that is damaged or gone.
const cure = "put it back from the backup (tar -xOf secret.tar keys/compound.key), or as it was written down with \"gated key " +
	"restore --compound\"; only where no list was imported yet, remove it"

// keyFile reads the key. Where there is none it is made if it may be the first, or else an error.
func keyFile(dir string, first bool) ([]byte, error) {
	path := filepath.Join(dir, "keys", compoundKey)
	key, err := durable.ReadFile(path, keyLimit)
	if err == nil && len(key) != 32 {
		return nil, fmt.Errorf("%s has %d bytes instead of 32: %s", path, len(key), cure)
	}
	if err == nil && bytes.Equal(key, make([]byte, 32)) { // a power cut: the length was on the disk, the bytes were not
		return nil, fmt.Errorf("%s holds nothing but zeros: %s", path, cure)
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

// closeKey takes the key away from others than the owner, and says that it was open to them.
func closeKey(dir string, log *slog.Logger) {
	path := filepath.Join(dir, "keys", compoundKey)
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 && os.Chmod(path, 0o600) == nil {
		log.Warn("this key was open to others: it is not any more, and who has read it can tell the roster ID of anybody whose document "+
			"they know", "path", path, "mode", st.Mode().Perm())
	}
}

// CompoundKey is the key that roster IDs follow from. It is made where there is none, but not where IDs of the roster follow from
// one that is missing: then it is the zero key. A dry run makes one that is not kept.
func CompoundKey(dir string, people *roster.Snapshot, dry bool) (k roster.Key, kept bool, err error) {
	key, err := keyFile(dir, !people.Keyed() && !dry)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !people.Keyed():
		return roster.NewKey(), false, nil
	case errors.Is(err, fs.ErrNotExist):
		return k, true, nil
	case err != nil:
		return k, false, err
	}
	return roster.Key(key), true, nil
}

// CompoundFault says why no list can be imported by the key that is here: it is not the one from which the roster's IDs follow.
func (b *Box) CompoundFault() error {
	people := b.Roster.Snapshot()
	if !people.Keyed() {
		return nil
	}
	key, err := keyFile(b.Dir, false)
	if err == nil && !people.Fits(roster.Key(key)) {
		err = fmt.Errorf("%s is not the key from which the IDs of the roster follow", filepath.Join(b.Dir, "keys", compoundKey))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: %s", err, cure)
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
		key, err := keyFile(dir, false)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("there is no compound key yet: %w: the first import of a list makes it; at a second gate put that of the "+
				"first one in place (gated key restore --compound)", err)
		}
		if err != nil {
			return "", err
		}
		if people, err := Roster(dir); err == nil && !people.Fits(roster.Key(key)) {
			return "", fmt.Errorf("%s is not the key from which the IDs of the roster here follow: %s",
				filepath.Join(dir, "keys", compoundKey), cure)
		}
		return roster.Key(key).Written(), nil
	}
	keys, err := tlog.PublicKeys(dir)
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// RestoreCompoundKey puts the key in place as it was written down. One that is not that of the roster's IDs is refused unless it is to
// replace that: no list without IDs is imported under it then.
func RestoreCompoundKey(dir, written string, replace bool) error {
	key, err := roster.ParseKey(written)
	if err != nil {
		return err
	}
	people, err := Roster(dir)
	switch {
	case replace, errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("whether the key is the roster's cannot be seen: %w: say --replace to put it in place all the same", err)
	case !people.Fits(key):
		return errors.New("this is not the compound key from which the IDs of the roster here follow: is it another compound's? Only to " +
			"give this gate the key of another gate, whose list with IDs is imported next, say --replace")
	}
	path := filepath.Join(dir, "keys", compoundKey)
	if err = os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
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
