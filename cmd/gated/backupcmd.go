package main

import (
	"errors"
	"time"

	"gated/box"

	"github.com/spf13/cobra"
)

func ledgerBackup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "copy the ledger while the gate works",
		Long: `backup copies the whole ledger into FILE and its slots beside it (personal.keys where FILE is called
ledger.db, else FILE with .keys for .db), looks whether the copy holds, and only then gives it its
name: an older copy is replaced by a whole one or stays. The copy is an entry of the ledger, and its
time a metric.

Personal data is sealed in it. It opens with the slots and with the master key, which is in no backup
("gated key show --personal", for the safe). Older copies of the ledger may be kept as long as you
like: what was erased since opens with no slots of today. Older copies of the slots may not.

To restore, put FILE as ledger.db, the slots as personal.keys and the master key as keys/personal.key
("gated key restore") into the state directory of a stopped gate, and start it once with
"gated run --restored": a restored box never goes on with the old tree, it begins a new epoch.`,
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
