package main

import (
	"fmt"

	"gated/config"
	"gated/daemon"

	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	check := &cobra.Command{Use: "check", Args: cobra.NoArgs,
		Short: "check the settings, the policy and the trusted keys, and change nothing",
		RunE: func(c *cobra.Command, _ []string) error {
			set, path, err := settings(c)
			if err != nil {
				return err
			}
			dir, err := stateDir(c, set)
			if err != nil {
				return err
			}
			rules, err := daemon.Rules(set, dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: ok: gate %s, %d lanes, policy %s at level %s, %d issuers of passes\n",
				path, set.Gate.Name, len(set.Lanes), rules.Policy.Name(), rules.Level, len(rules.Trust.Issuers()))
			return nil
		}}
	show := &cobra.Command{Use: "show", Short: "print the settings in force and where each comes from", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, _, err := settings(c)
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
