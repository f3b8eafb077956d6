package main

import (
	"os"
	"os/signal"
	"syscall"

	"gated/config"
	"gated/daemon"

	"github.com/spf13/cobra"
)

func runCommand() *cobra.Command {
	var verdicts, restored bool
	c := &cobra.Command{
		Use:   "run",
		Short: "run the gate until it is told to stop",
		Long: `run is the daemon: it reads the scanners, answers on the page, keeps the ledger.

SIGTERM and SIGINT end it with nothing lost. SIGHUP reads the settings, the policy and the
trusted keys again; when they are wrong the old ones stay in force and the log says why.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, path, err := settings(c)
			if err != nil {
				if set := config.Barriers(path, os.Environ()); set != nil {
					if dir, err := stateDir(c, set); err == nil {
						(&daemon.Daemon{Settings: set, Dir: dir, Stderr: c.ErrOrStderr()}).CloseBarriers()
					}
				}
				return err
			}
			dir, err := stateDir(c, set)
			if err != nil {
				return err
			}
			d := &daemon.Daemon{Path: path, Settings: set, Dir: dir, Version: buildVersion(), Restored: restored, Stderr: c.ErrOrStderr()}
			if verdicts {
				d.Verdicts = c.OutOrStdout()
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			ctx, stop := untilSignalled(c.Context())
			defer stop()
			return d.Run(ctx, hup)
		},
	}
	c.Flags().BoolVar(&restored, "restored", false,
		"this state directory was restored from a backup or cloned: begin a new epoch of its ledger (once)")
	c.Flags().BoolVar(&verdicts, "log-verdicts", false, "print one JSON line on standard output for each verdict, once it is durable")
	return c
}
