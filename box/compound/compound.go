// Package compound keeps the key from which roster IDs follow, which all gates of a compound share.
package compound

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
	"gated/roster"
)

// name is that of the file in the directory keys, which has 32 secret bytes.
const name = "compound.key"

const keyLimit = 1 << 10 // in bytes, for what lies there by mistake

// cure says what to do about a key that is damaged or gone.
const cure = "put it back from the backup (tar -xOf secret.tar keys/compound.key), or as it was written down with \"gated key " +
	"restore --compound\"; only where no list was imported yet, remove it"

// read reads the key. Where there is none it is made if it may be the first, or else an error.
func read(dir string, first bool) ([]byte, error) {
	path := filepath.Join(dir, "keys", name)
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

// Shut takes the key away from others than the owner, and says that it was open to them.
func Shut(dir string, log *slog.Logger) {
	path := filepath.Join(dir, "keys", name)
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 && os.Chmod(path, 0o600) == nil {
		log.Warn("this key was open to others: it is not any more, and who has read it can tell the roster ID of anybody whose document "+
			"they know", "path", path, "mode", st.Mode().Perm())
	}
}

// Key is the one that roster IDs follow from. It is made where there is none, but not where IDs of the roster follow from
// one that is missing: then it is the zero key. A dry run makes one that is not kept.
func Key(dir string, people *roster.Snapshot, dry bool) (k roster.Key, kept bool, err error) {
	key, err := read(dir, !people.Keyed() && !dry)
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

// Fault says why no list can be imported by the key that is here: it is not the one from which the roster's IDs follow.
func Fault(dir string, people *roster.Snapshot) error {
	if !people.Keyed() {
		return nil
	}
	key, err := read(dir, false)
	if err == nil && !people.Fits(roster.Key(key)) {
		err = fmt.Errorf("%s is not the key from which the IDs of the roster follow", filepath.Join(dir, "keys", name))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: %s", err, cure)
}

// Written is the key as it is written down for the safe. of reads the roster of a state directory.
func Written(dir string, of func(dir string) (*roster.Snapshot, error)) (string, error) {
	key, err := read(dir, false)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no compound key yet: %w: the first import of a list makes it; at a second gate put that of the "+
			"first one in place (gated key restore --compound)", err)
	}
	if err != nil {
		return "", err
	}
	if people, err := of(dir); err == nil && !people.Fits(roster.Key(key)) {
		return "", fmt.Errorf("%s is not the key from which the IDs of the roster here follow: %s",
			filepath.Join(dir, "keys", name), cure)
	}
	return roster.Key(key).Written(), nil
}

// Restore puts the key in place as it was written down. One that is not that of the roster's IDs is refused unless it is to
// replace that: no list without IDs is imported under it then.
func Restore(dir, written string, replace bool, of func(dir string) (*roster.Snapshot, error)) error {
	key, err := roster.ParseKey(written)
	if err != nil {
		return err
	}
	people, err := of(dir)
	switch {
	case replace, errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("whether the key is the roster's cannot be seen: %w: say --replace to put it in place all the same", err)
	case !people.Fits(key):
		return errors.New("this is not the compound key from which the IDs of the roster here follow: is it another compound's? Only to " +
			"give this gate the key of another gate, whose list with IDs is imported next, say --replace")
	}
	path := filepath.Join(dir, "keys", name)
	if err = os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.Replace(path, key[:])
}
