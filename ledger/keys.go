package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gated/ledger/epoch"
	"gated/ledger/file"
	"gated/ledger/tlog"
)

// RotateKey puts a new key above the one that signs the ledger of a state directory; the next opening lets it take over.
func RotateKey(dir string) (*tlog.Key, error) {
	r, err := file.OpenReader(dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	path := tlog.KeyFile(dir, r.Meta.Epoch)
	keys, err := tlog.ReadKeys(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: where the key is a credential of the service, put a new one above it there by hand, "+
			"as the help of this command says", err)
	}
	if err != nil {
		return nil, err
	}
	if len(keys) > 1 {
		if h, err := r.Head(); err == nil && !h.SignedBy(keys[0].Verifier()) {
			return nil, fmt.Errorf("%s has a new key already: start the daemon, which lets it take over", path)
		}
	}
	k, err := tlog.NewKey(r.Meta.Origin)
	if err != nil {
		return nil, err
	}
	return k, tlog.WriteKeys(path, k, keys[0])
}

// loadKeys reads the keys, makes the first one before there are entries, and writes the public half where those who check find it.
func (l *Ledger) loadKeys(m file.Meta, entries int64) error {
	path := l.opt.KeyFile
	if path == "" {
		path = tlog.KeyFile(l.opt.Dir, m.Epoch)
	}
	if st, err := os.Stat(path); err == nil && l.opt.KeyFile == "" && st.Mode().Perm()&0o077 != 0 && os.Chmod(path, 0o600) == nil {
		// A copy that lost its mode must not stop the gate; the directory keeps others out.
		l.opt.Log.Warn("the key that signs tree heads could be read by others and cannot now: if others may have read it, make a new one",
			"path", path, "was", st.Mode().Perm().String())
	}
	keys, err := tlog.ReadKeys(path)
	known, kerr := tlog.PublicKeys(l.opt.Dir)
	if kerr != nil && !errors.Is(kerr, fs.ErrNotExist) {
		// It may name a key that signed this ledger: then another one would not do, and its list of older keys is evidence.
		return fmt.Errorf("the public keys of the ledger: %w: put the file back from a backup", kerr)
	}
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the key that signs tree heads: %w", err)
	case len(tlog.OfOrigin(known, m.Origin)) > 0 || l.opt.KeyFile != "" || entries > 0:
		return fmt.Errorf("the key that signs tree heads is not there: %w: put it back; where it is a credential of the service, "+
			"let the daemon do it; if it is lost, begin a new epoch with \"gated run --restored\"", err)
	default:
		k, err := tlog.NewKey(m.Origin)
		if err != nil {
			return fmt.Errorf("%w: %w", epoch.ErrSettings, err)
		}
		keys = []*tlog.Key{k}
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".ledger*.key.*")) // by a power cut while one was written
			for _, l := range left {
				os.Remove(l)
			}
			err = tlog.WriteKeys(path, k)
		}
		if err != nil {
			return fmt.Errorf("write the key that signs tree heads: %w", err)
		}
	}
	for _, k := range keys {
		if k.Origin() != m.Origin {
			return fmt.Errorf("%w: the key in %s is for %q, the ledger's origin is %q: "+
				"make one with \"gated key new --ledger --origin %s\"", epoch.ErrSettings, path, k.Origin(), m.Origin, m.Origin)
		}
	}
	l.keys = keys
	var public []string
	for _, k := range keys {
		public = append(public, k.Verifier())
	}
	for _, k := range known {
		if !slices.Contains(public, k) {
			public = append(public, k)
		}
	}
	if slices.Equal(public, known) {
		return nil
	}
	return tlog.WritePublicKeys(l.opt.Dir, public)
}
