package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gated/ledger"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func ledgerBackup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "copy the ledger while the gate works",
		Long: `backup copies the whole ledger, personal data included, into FILE, looks whether the copy holds, and
only then gives it its name: an older copy is replaced by a whole one or stays. The copy is an
entry of the ledger, and its time a metric.

To restore, put FILE as ledger.db into the state directory of a stopped gate, and start it once with
"gated run --restored": a restored box never goes on with the old tree, it begins a new epoch.
What was erased after the copy was made is still in it: do not keep copies for longer than the data.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := existing(c)
			if err != nil {
				return err
			}
			to, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if filepath.Dir(to) == dir {
				return fmt.Errorf("%s is in the state directory: a copy that burns with the original is none", args[0])
			}
			r, err := ledger.OpenReader(dir)
			if err != nil {
				return err
			}
			defer r.Close()
			f, err := newCopy(to)
			if err != nil {
				return err
			}
			defer f.Close()
			defer os.Remove(f.Name())
			began := time.Now()
			h, err := r.Copy(f.Name())
			if err != nil {
				return err
			}
			if err := os.Rename(f.Name(), to); err != nil {
				return err
			}
			if err := errors.Join(syncDir(filepath.Dir(to)), perform(c.Context(), dir, "ledger-backup", backup{h.Size, h.Root.String()}, new(bool))); err != nil {
				return fmt.Errorf("the copy %s is whole, and could not be recorded: %w", to, err)
			}
			st, err := os.Stat(to)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "entries=%d bytes=%d seconds=%.1f head=%d:%s\n", h.Size, st.Size(), time.Since(began).Seconds(), h.Size, h.ShortRoot())
			return nil
		},
	}
}

// newCopy makes the file, of mode 0600, that becomes the copy when it is whole, and holds a lock on it. What an earlier
// backup has left that was killed is removed: it is full of personal data.
func newCopy(to string) (*os.File, error) {
	dir, prefix := filepath.Dir(to), "."+filepath.Base(to)+"."
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		suffix, ours := strings.CutPrefix(f.Name(), prefix)
		if !ours || strings.Trim(suffix, "0123456789") != "" || !f.Type().IsRegular() {
			continue
		}
		if left, err := os.Open(filepath.Join(dir, f.Name())); err == nil {
			if unix.Flock(int(left.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
				os.Remove(left.Name())
			}
			left.Close()
		}
	}
	f, err := os.CreateTemp(dir, prefix+"*")
	if err != nil {
		return nil, err
	}
	return f, unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

type backup struct {
	Size int64
	Root string
}

func ledgerRebuild() *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild",
		Short: "make the index and all counts anew from the entries",
		Long: `rebuild reads all entries and makes anew what is derived from them: who is inside, holds, trips,
debts, and the index for search. The gate works meanwhile. It answers 1 if they were not equal to
what was there before, which is put right by it, and which should be reported.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := existing(c)
			if err != nil {
				return err
			}
			began := time.Now()
			var done rebuilt
			if err := perform(c.Context(), dir, "ledger-rebuild", struct{}{}, &done); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "entries=%d equal=%t seconds=%.1f\n", done.Entries, done.Equal, time.Since(began).Seconds())
			if !done.Equal {
				return no{errors.New("what was derived from the entries was not what they add up to: it is now; report it")}
			}
			return nil
		},
	}
}

type rebuilt struct {
	Entries int64
	Equal   bool
}

func init() {
	operations["ledger-backup"] = func(_ context.Context, s *site, by string, args json.RawMessage) (any, error) {
		var b backup
		if err := json.Unmarshal(args, &b); err != nil {
			return nil, err
		}
		return true, s.append(ledger.Event{Kind: ledger.Backup, By: "machine", Detail: map[string]string{"size": strconv.FormatInt(b.Size, 10), "root": b.Root},
			Personal: []ledger.Field{{Name: "by", Value: by}}})
	}
	operations["ledger-rebuild"] = func(_ context.Context, s *site, _ string, _ json.RawMessage) (any, error) {
		if s.register == nil {
			return nil, errors.New("there is no ledger yet")
		}
		n, equal, err := s.register.Rebuild()
		return rebuilt{n, equal}, err
	}
}
