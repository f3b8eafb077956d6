package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"gated/config"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// settings reads the settings file that the flags name.
func settings(c *cobra.Command) (*config.Settings, string, error) {
	path, _ := c.Flags().GetString("config")
	if path == "" {
		path = os.Getenv("GATED_CONFIG")
	}
	if path == "" {
		path = "/etc/gated/gated.yaml"
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, "", fmt.Errorf("no settings: %w: name them with --config FILE; \"gated config example\" prints some to begin with", err)
		}
	}
	s, err := config.Load(path, os.Environ())
	return s, path, err
}

// stateDir is where a command's state is: --state, $STATE_DIRECTORY (systemd), state_dir of the settings, ./gated-data.
// The settings are only asked where the first two say nothing; a command that only reads may have none.
func stateDir(c *cobra.Command, s *config.Settings) (string, error) {
	dir, _ := c.Flags().GetString("state")
	if dir == "" {
		dir, _, _ = strings.Cut(os.Getenv("STATE_DIRECTORY"), ":")
	}
	if dir == "" && s == nil {
		loaded, _, err := settings(c)
		if named, _ := c.Flags().GetString("config"); err != nil && (!errors.Is(err, fs.ErrNotExist) || named != "" || os.Getenv("GATED_CONFIG") != "") {
			return "", err
		}
		s = loaded // none are needed
	}
	if dir == "" && s != nil {
		dir = s.StateDir
	}
	if dir == "" {
		dir = "gated-data"
	}
	return filepath.Abs(dir)
}

// existing is stateDir for commands that never create it.
func existing(c *cobra.Command) (string, error) {
	dir, err := stateDir(c, nil)
	if err != nil {
		return "", err
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return "", fmt.Errorf("no state directory %s: name it with --state D, or the settings with --config FILE", dir)
	}
	return dir, nil
}

// ledgerKey is the credential that signs tree heads, or "" where the key lies in the state directory.
func ledgerKey() string {
	path := filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), "ledger.key")
	if _, err := os.Stat(path); os.Getenv("CREDENTIALS_DIRECTORY") == "" || err != nil {
		return ""
	}
	return path
}

// machine tells this box from a clone of it: a hash of its machine ID, which is not to be published itself
// (machine-id(5)). Empty where there is none, as in many containers.
func machine() string {
	id, err := os.ReadFile("/etc/machine-id")
	if id = bytes.TrimSpace(id); err != nil || len(id) != 32 {
		return ""
	}
	m := hmac.New(sha256.New, id)
	m.Write([]byte("gated ledger"))
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// lock is held by the one process that writes a state directory.
type lock struct{ f *os.File }

// lockState takes the lock or says who holds it.
func lockState(dir string) (*lock, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state directory %s cannot be written: %w", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		var b [32]byte
		n, _ := f.Read(b[:])
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
			return nil, fmt.Errorf("state directory %s is in use by gated, process %d: stop that one first, or use another directory", dir, pid)
		}
		return nil, fmt.Errorf("state directory %s is in use by another gated: stop that one first, or use another directory", dir)
	}
	// The number is a courtesy; on a full disk it may be missing, and the gate must start all the same.
	fmt.Fprintf(f, "%-11d\n", os.Getpid())
	return &lock{f}, nil
}

func (l *lock) release() { l.f.Close() }

// owner refuses everyone but the owner of the state directory: files of another user's would stop the daemon.
func owner(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Geteuid() {
		name := userName(int(sys.Uid))
		return fmt.Errorf("state directory %s belongs to %s, you are %s, and no daemon runs to do it for you: start it, or use runuser -u %s", dir, name, userName(os.Geteuid()), name)
	}
	return nil
}
