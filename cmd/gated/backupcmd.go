package main

import (
	"errors"
	"time"

	"gated/box"
	"gated/config"
	"gated/daemon/lastgood"
	"gated/prompt"

	"github.com/spf13/cobra"
)

func backupCommand() *cobra.Command {
	return &cobra.Command{Use: "backup [DIR]", Short: "copy all that the gate needs while it works", Args: cobra.MaximumNArgs(1),
		RunE: inState(func(c *cobra.Command, dir string, args []string) error {
			began, at := time.Now(), place(c)
			src, err := lastgood.Sources(at.File(), dir, at.Environ, at.Settings != "")
			if err != nil {
				return err
			}
			m, err := box.BackUpAll(c.Context(), src, append(args, "/var/backups/gated")[0])
			m.Tell(c.ErrOrStderr())
			return say(c.OutOrStdout(), err, "%s\n", m.Line(time.Since(began)))
		})}
}

func restoreCommand() *cobra.Command {
	return &cobra.Command{Use: "restore DIR", Short: "put back what \"gated backup\" copied", Args: cobra.ExactArgs(1),
		RunE: inState(func(c *cobra.Command, dir string, args []string) error {
			done, err := box.Restore(box.Restoring{From: args[0], State: dir, Settings: place(c).File(),
				Named: config.Files, Master: func() (string, error) {
					return prompt.Line(c.InOrStdin(), c.ErrOrStderr(), "master key")
				}})
			done.Tell(c.ErrOrStderr())
			err = say(c.OutOrStdout(), err, "origin=%s\n", done.Meta.Origin)
			return say(c.ErrOrStderr(), err, "let an auditor have the new key: gated key show --ledger\n")
		})}
}

func ledgerBackup() *cobra.Command {
	return &cobra.Command{Use: "backup FILE", Short: "copy the ledger while the gate works", Args: cobra.ExactArgs(1),
		RunE: inState(func(c *cobra.Command, dir string, args []string) error {
			began := time.Now()
			m, err := box.Backup(c.Context(), dir, args[0])
			return say(c.OutOrStdout(), err, "%s\n", m.Line(time.Since(began)))
		})}
}

func ledgerRebuild() *cobra.Command {
	return &cobra.Command{Use: "rebuild", Short: "make the index and all counts anew from the entries", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			began := time.Now()
			done, err := perform(c, box.Rebuild, struct{}{})
			err = say(c.OutOrStdout(), err, "entries=%d equal=%t seconds=%.1f\n", done.Entries, done.Equal, time.Since(began).Seconds())
			if err == nil && !done.Equal {
				return box.No{Err: errors.New("what was derived from the entries was not what they add up to: it is now; report it")}
			}
			return err
		}}
}
