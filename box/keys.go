package box

import (
	"fmt"
	"os"

	"gated/durable"
	"gated/ledger/tlog"
)

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
