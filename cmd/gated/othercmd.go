package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"gated/config"
	"gated/policy"

	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	check := &cobra.Command{Use: "check", Short: "check the settings, the policy and the trusted keys, and change nothing", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, path, err := settings(c)
			if err != nil {
				return err
			}
			dir, err := stateDir(c, set)
			if err != nil {
				return err
			}
			rules, err := loadRules(set, dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: ok: gate %s, %d lanes, policy %s at level %s, %d issuers of passes\n", path, set.Gate.Name, len(set.Lanes), rules.Policy.Name(), rules.Level, len(rules.Trust.Issuers()))
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

func policyCommand() *cobra.Command {
	load := func(c *cobra.Command) (*policy.Policy, error) {
		if file, _ := c.Flags().GetString("file"); file != "" {
			return policy.Load(file)
		}
		set, _, err := settings(c)
		named, _ := c.Flags().GetString("config")
		if err != nil && named != "" {
			return nil, err
		}
		if err == nil && set.Policy.File != "" {
			return policy.Load(set.Policy.File)
		}
		return policy.Shipped(), nil
	}
	show := &cobra.Command{Use: "show", Short: "print the policy that the settings name, else the shipped one", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := load(c)
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(p.Source())
			return err
		}}
	explain := &cobra.Command{
		Use:     "explain KEY=VALUE…",
		Short:   "say what the policy decides about some facts, and which rules it tried",
		Example: "  gated policy explain direction=in class=resident known=true credential=gated-pass credential_reason=expired proof=signed",
		RunE: func(c *cobra.Command, args []string) error {
			p, err := load(c)
			if err != nil {
				return err
			}
			f, err := p.ParseFacts(args)
			if err != nil {
				return err
			}
			tried, d := p.Explain(f)
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, t := range tried {
				why := t.Why
				if why == "" {
					why = "matches"
				}
				fmt.Fprintf(w, "%s\t%s\n", t.Rule, why)
			}
			w.Flush()
			fmt.Fprintf(c.OutOrStdout(), "\n%s, reason %s, rule %s\n", d.Verdict, d.Reason, d.Rule)
			return nil
		}}
	g := group("policy", "show and explain the entry policy", show, explain)
	g.PersistentFlags().String("file", "", "policy file instead of the one that the settings name; it is checked with its examples")
	return g
}

func clockCommand() *cobra.Command {
	confirm := &cobra.Command{Use: "confirm", Short: "tell the running gate that the box's clock is right",
		Long: `confirm is for a box without a time server: compare "date" with a watch, set the clock if it is
wrong, then confirm it. Until then passes that are about to expire are held for the guard. It is recorded.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := existing(c)
			if err != nil {
				return err
			}
			var now string
			if err := perform(c.Context(), dir, "clock-confirm", nil, &now); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "confirmed:", now)
			return nil
		}}
	return group("clock", "confirm the clock", confirm)
}

func init() {
	operations["clock-confirm"] = func(ctx context.Context, s *site, by string, _ json.RawMessage) (any, error) {
		if s.gate == nil {
			return nil, errors.New("no daemon runs on this state directory: start it first, the confirmation is for its clock")
		}
		if err := s.gate.ConfirmClock(by); err != nil {
			return nil, err
		}
		return s.gate.View().Now.Format("2006-01-02 15:04:05 -07:00"), nil
	}
}
