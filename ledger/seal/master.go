package seal

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

// master is the key that, with an entry's Slot, opens the entry's personal fields. Without it ledger and slots together
// say nothing about anybody. It is in no backup: people keep it in a safe, on paper.
type Master [32]byte

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

// ReadMaster reads a master key: 64 hexadecimal digits, in groups or not.
func ReadMaster(path string) (*Master, error) {
	b, err := durable.ReadFile(path, 1<<10) // it has 80
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the master key of the personal data is not there: %w: put it back from the safe; "+
			"where it is a credential of the service, start the daemon, which commands ask", err)
	}
	if err != nil {
		return nil, fmt.Errorf("the master key of the personal data: %w", err)
	}
	m, err := ParseMaster(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func ParseMaster(s string) (*Master, error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil || len(b) != len(Master{}) {
		return nil, errors.New("not a master key: it has 64 hexadecimal digits; put it back from the safe")
	}
	return (*Master)(b), nil
}

// String is the key as it is written down: in groups of four digits.
func (m *Master) String() string {
	var groups []string
	for i := 0; i < len(m); i += 2 {
		groups = append(groups, hex.EncodeToString(m[i:i+2]))
	}
	return strings.Join(groups, " ")
}

// MakeMaster makes a master key, for a ledger that is being created. It never replaces one.
func MakeMaster(path string) (*Master, error) {
	m := new(Master)
	rand.Read(m[:]) // never fails: the process ends first
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return m, durable.Create(path, []byte(m.String()+"\n"), 0o600)
}

// Keep puts a key that somebody wrote down into a state directory. It never replaces one.
func (m *Master) Keep(dir string) error {
	path := filepath.Join(dir, "keys", masterName)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.Create(path, []byte(m.String()+"\n"), 0o600)
}

// Check is what the ledger says of its master key, so that another one is noticed before anything is sealed under it.
func (m *Master) Check(origin string) string {
	h := hmac.New(sha256.New, m[:])
	h.Write([]byte("gated master key of " + origin))
	return hex.EncodeToString(h.Sum(nil))
}

// Fits says why the key is not the one of a ledger.
func (m *Master) Fits(w Whose) error {
	if !hmac.Equal([]byte(m.Check(w.Origin)), []byte(w.Check)) {
		return fmt.Errorf("the master key is not the one that sealed the personal data of %s: put the right one back from the safe",
			w.Origin)
	}
	return nil
}

// Derive makes a key for another purpose.
func (m *Master) Derive(purpose string) []byte {
	h := hmac.New(sha256.New, m[:])
	h.Write([]byte("gated key for " + purpose))
	return h.Sum(nil)
}
