package ledger

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gated/durable"
)

// master is the key that, with an entry's slot, opens the entry's personal fields. Without it ledger and slots together
// say nothing about anybody. It is in no backup: people keep it in a safe, on paper.
type master [32]byte

// masterName is how the master key is called among the credentials of the service.
const masterName = "personal.key"

// MasterFile is where the master key of a state directory lies: the credential of the service where there is one, which
// may be bound to the TPM, else keys/personal.key.
func MasterFile(dir string) string {
	if creds := os.Getenv("CREDENTIALS_DIRECTORY"); creds != "" {
		path := filepath.Join(creds, masterName)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return filepath.Join(dir, "keys", masterName)
}

// readMaster reads a master key: 64 hexadecimal digits, in groups or not.
func readMaster(path string) (*master, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the master key of the personal data is not there: %w: put it back from the safe", err)
	}
	if err != nil {
		return nil, fmt.Errorf("the master key of the personal data: %w", err)
	}
	m, err := parseMaster(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func parseMaster(s string) (*master, error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil || len(b) != len(master{}) {
		return nil, errors.New("not a master key: it has 64 hexadecimal digits; put it back from the safe")
	}
	return (*master)(b), nil
}

// String is the key as it is written down: in groups of four digits.
func (m *master) String() string {
	var groups []string
	for i := 0; i < len(m); i += 2 {
		groups = append(groups, hex.EncodeToString(m[i:i+2]))
	}
	return strings.Join(groups, " ")
}

// newMaster makes a master key, for a ledger that is being created. It never replaces one.
func newMaster(path string) (*master, error) {
	m := new(master)
	rand.Read(m[:]) // never fails: the process ends first
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return m, durable.Create(path, []byte(m.String()+"\n"), 0o600)
}

// NewMaster makes a master key for a ledger that has not begun yet, and returns it as people write it down.
func NewMaster(path string) (string, error) {
	m, err := newMaster(path)
	if err != nil {
		return "", err
	}
	return m.String(), nil
}

// ShowMaster returns the master key of a state directory as people write it down.
func ShowMaster(dir string) (string, error) {
	m, err := readMaster(MasterFile(dir))
	if err != nil {
		return "", err
	}
	return m.String(), nil
}

// RestoreMaster puts the master key back that opens the personal data of a state directory's ledger, as somebody wrote it
// down.
func RestoreMaster(dir, written string) error {
	m, err := parseMaster(written)
	if err != nil {
		return err
	}
	r, err := OpenReader(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := m.fits(r.Meta.Origin, r.Meta.Master); err != nil {
		return err
	}
	path := filepath.Join(dir, "keys", masterName)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.Create(path, []byte(m.String()+"\n"), 0o600)
}

// check is what the ledger says of its master key, so that another one is noticed before anything is sealed under it.
func (m *master) check(origin string) string {
	h := hmac.New(sha256.New, m[:])
	h.Write([]byte("gated master key of " + origin))
	return hex.EncodeToString(h.Sum(nil))
}

// fits says why the key is not the one of a ledger that has this check.
func (m *master) fits(origin, check string) error {
	if !hmac.Equal([]byte(m.check(origin)), []byte(check)) {
		return fmt.Errorf("the master key is not the one that sealed the personal data of %s: put the right one back from the safe", origin)
	}
	return nil
}

// KeyFor derives a key of another purpose from the master key of a state directory. The master key is made first in a
// directory that never had a ledger.
func KeyFor(dir, purpose string) ([]byte, error) {
	path := MasterFile(dir)
	m, err := readMaster(path)
	if errors.Is(err, fs.ErrNotExist) && neverHadLedger(dir) {
		m, err = newMaster(path)
	}
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, m[:])
	h.Write([]byte("gated key for " + purpose))
	return h.Sum(nil), nil
}

// neverHadLedger tells whether nothing in a state directory says that there ever was a ledger.
func neverHadLedger(dir string) bool {
	for _, pattern := range []string{"ledger*.db", "index.db", "personal*.keys", "keys/ledger.pub"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(found) > 0 {
			return false
		}
	}
	return true
}

// loadMaster reads the master key and returns what a new ledger says of it. One is made only where there is no ledger and
// none came before: under another key than its own nobody could ever read a ledger's personal data again.
func (l *Ledger) loadMaster(anew Meta, gone bool) (check string, err error) {
	path := MasterFile(l.opt.Dir)
	if st, err := os.Stat(path); err == nil && filepath.Dir(path) == filepath.Join(l.opt.Dir, "keys") && st.Mode().Perm()&0o077 != 0 && os.Chmod(path, 0o600) == nil {
		l.opt.Log.Warn("the master key of the personal data could be read by others and cannot now", "path", path, "was", st.Mode().Perm().String())
	}
	key, err := readMaster(path)
	if errors.Is(err, fs.ErrNotExist) && gone && anew.Epoch == 1 {
		key, err = newMaster(path)
	}
	if err == nil && gone && anew.Epoch == 1 {
		l.opt.Log.Info("the personal data of this ledger is sealed under a master key that is in no backup: "+
			"write it down for the safe (\"gated key show --personal\")", "path", path)
	}
	if err == nil {
		l.master.Store(key)
		return key.check(anew.Origin), nil
	}
	l.master.Store(nil)
	if gone {
		return "", err
	}
	l.masterErr = err // of the ledger that is there
	return "", nil
}
