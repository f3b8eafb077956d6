package main

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"gated/backup"
	"gated/box"
	"gated/config"
	"gated/daemon/lastgood"

	"github.com/spf13/cobra"
)

func backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup [DIR]",
		Short: "copy all that the gate needs while it works",
		Long: `backup copies into DIR (/var/backups/gated where it is not said), which is replaced by a whole one or stays:

ledger.db, ledger-1.db …  the ledger and its older epochs. They may be kept as long as you like.
secret.tar                all that must be forgotten one day or kept secret: slots, roster, revocations, keys of
                          codes, trusted keys, settings, policy. Keep the newest alone.

The master key is in neither ("gated key show --personal", for the safe). "gated restore" puts it back.`,
		Args: cobra.MaximumNArgs(1),
		RunE: inState(func(c *cobra.Command, dir string, args []string) error {
			src, began := backup.Sources{State: dir, Settings: settingsFile(c), Faulty: map[string]error{}}, time.Now()
			setup, err := lastgood.Load(src.Settings, dir, os.Environ())
			if err == nil {
				src.Policy, src.Trust = setup.Settings.Policy.File, setup.Settings.Trust.Dir
				for _, f := range setup.Faults {
					src.Faulty[f.File] = f.Err
				}
			} else if text, rerr := os.ReadFile(src.Settings); rerr == nil { // no copy stands in
				src.Policy, src.Trust, err = config.Files(src.Settings, text, os.Environ())
			} else if errors.Is(rerr, fs.ErrNotExist) && namedSettings(c) == "" {
				src.Settings, err = "", nil
			}
			if err != nil {
				return err
			}
			m, err := box.BackUpAll(c.Context(), src, append(args, "/var/backups/gated")[0])
			m.Tell(c.ErrOrStderr())
			return say(c.OutOrStdout(), err, "entries=%d bytes=%d seconds=%.1f head=%d:%s\n",
				m.Head.Size, m.Bytes, time.Since(began).Seconds(), m.Head.Size, m.Head.ShortRoot())
		}),
	}
}

func restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore DIR",
		Short: "put back what \"gated backup\" copied",
		Long: `restore puts the backup DIR into a state directory without a ledger, asks for the master key, carries out
every erasure that the ledger tells of once more, and begins a new epoch: a restored box never goes on with
the old tree. Settings (/etc/gated/gated.yaml, or what --config names, whatever --state is), policy and
trusted keys go to their places, unless something else is there. Stop the daemon before, start it afterwards.`,
		Example: "  gated restore --state /var/lib/gated /var/backups/gated",
		Args:    cobra.ExactArgs(1),
		RunE: inState(func(c *cobra.Command, dir string, args []string) error {
			done, err := box.Restore(box.Restoring{From: args[0], State: dir, Settings: settingsFile(c),
				Named: config.Files, Master: func() (string, error) { return written(c, "master key") }})
			done.Tell(c.ErrOrStderr())
			err = say(c.OutOrStdout(), err, "origin=%s\n", done.Meta.Origin)
			return say(c.ErrOrStderr(), err, "let an auditor have the new key: gated key show --ledger\n")
		}),
	}
}

func ledgerBackup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "copy the ledger while the gate works",
		Long: `backup copies the whole ledger into FILE and its slots beside it (personal.keys where FILE is called
ledger.db, else FILE with .keys for .db), looks whether the copy holds, and only then gives it its
name: an older copy is replaced by a whole one or stays. The copy is an entry of the ledger, and its
time a metric.

Personal data is sealed in it. It opens with the slots and with the master key, which is in no backup.
Older copies of the ledger may be kept as long as you like; older copies of the slots may not.

"gated backup" copies the rest as well, and "gated restore" puts that back.`,
		Args: cobra.ExactArgs(1),
		RunE: inState(func(c *cobra.Command, dir string, args []string) error {
			began := time.Now()
			h, size, err := box.Backup(c.Context(), dir, args[0])
			return say(c.OutOrStdout(), err, "entries=%d bytes=%d seconds=%.1f head=%d:%s\n",
				h.Size, size, time.Since(began).Seconds(), h.Size, h.ShortRoot())
		}),
	}
}

func ledgerRebuild() *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild",
		Short: "make the index and all counts anew from the entries",
		Long: `rebuild reads all entries and makes anew what is derived from them: who is inside, holds, trips,
openings to account for, and the index for search. The gate works meanwhile. It answers 1 if they were not equal to
what was there before, which is put right by it, and which should be reported.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			began := time.Now()
			done, err := perform(c, box.Rebuild, struct{}{})
			err = say(c.OutOrStdout(), err, "entries=%d equal=%t seconds=%.1f\n", done.Entries, done.Equal, time.Since(began).Seconds())
			if err == nil && !done.Equal {
				return box.No{Err: errors.New("what was derived from the entries was not what they add up to: it is now; report it")}
			}
			return err
		},
	}
}
