package box

import (
	"fmt"
	"os"

	"gated/box/compound"
	"gated/durable"
	"gated/ledger/seal"
	"gated/ledger/tlog"
)

// CompoundFault says why no list can be imported by the key that is here.
func (b *Box) CompoundFault() error { return compound.Fault(b.Dir, b.Roster.Snapshot()) }

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
		return compound.Written(dir, Roster)
	}
	keys, err := tlog.PublicKeys(dir)
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// RestoreCompoundKey puts the compound key in place as it was written down.
func RestoreCompoundKey(dir, written string, replace bool) error {
	return compound.Restore(dir, written, replace, Roster)
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
