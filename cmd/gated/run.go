package main

import (
	"os"
	"os/signal"
	"syscall"

	"gated/daemon"

	"github.com/spf13/cobra"
)

func runCommand() *cobra.Command {
	var verdicts, restored bool
	c := &cobra.Command{Use: "run", Short: "run the gate until it is told to stop", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			at := place(c)
			d := &daemon.Daemon{Path: at.File(), Dir: at.State, Version: buildVersion(), Restored: restored,
				Stderr: c.ErrOrStderr()}
			if verdicts {
				d.Verdicts = c.OutOrStdout()
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			ctx, stop := untilSignalled(c.Context())
			defer stop()
			return d.Run(ctx, hup)
		}}
	c.Flags().BoolVar(&restored, "restored", false,
		"this state directory was restored from a backup or cloned: begin a new epoch of its ledger (once)")
	c.Flags().BoolVar(&verdicts, "log-verdicts", false, "print one JSON line on standard output for each verdict, once it is durable")
	return c
}
