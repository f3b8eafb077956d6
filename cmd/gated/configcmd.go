package main

import (
	"gated/config"
	"gated/daemon"

	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	check := &cobra.Command{Use: "check", Args: cobra.NoArgs,
		Short: "check the settings, the policy and the trusted keys, and change nothing",
		RunE: func(c *cobra.Command, _ []string) error {
			at := place(c)
			set, err := at.Load()
			if err != nil {
				return err
			}
			dir, err := at.Dir(set)
			if err != nil {
				return err
			}
			said, err := daemon.Check(at.File(), dir, c.ErrOrStderr())
			return say(c.OutOrStdout(), err, "%s: ok: %s\n", at.File(), said)
		}}
	show := &cobra.Command{Use: "show", Short: "print the settings in force and where each comes from", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := place(c).Load()
			if err != nil {
				return err
			}
			return set.Show(c.OutOrStdout())
		}}
	example := &cobra.Command{Use: "example", Short: "print a commented settings file to begin with", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Example())
			return err
		}}
	return group("config", "check and show the settings", check, show, example)
}
