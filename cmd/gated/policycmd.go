package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"

	"gated/policy"

	"github.com/spf13/cobra"
)

func policyCommand() *cobra.Command {
	load := func(c *cobra.Command) (*policy.Policy, error) {
		if file, _ := c.Flags().GetString("file"); file != "" {
			return policy.Load(file)
		}
		set, err := anySettings(c)
		if err != nil || set == nil || set.Policy.File == "" {
			return policy.Shipped(), err
		}
		return policy.Load(set.Policy.File)
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
		Use:   "explain KEY=VALUE…",
		Short: "say what the policy decides about some facts, and which rules it tried",
		Example: "  gated policy explain direction=in class=resident known=true" +
			" credential=gated-pass credential_reason=expired proof=signed",
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
				fmt.Fprintf(w, "%s\t%s\n", t.Rule, cmp.Or(t.Why, "matches"))
			}
			w.Flush()
			fmt.Fprintf(c.OutOrStdout(), "\n%s, reason %s, rule %s\n", d.Verdict, d.Reason, d.Rule)
			return nil
		}}
	g := group("policy", "show and explain the entry policy", show, explain)
	g.PersistentFlags().String("file", "", "policy file instead of the one that the settings name; it is checked with its examples")
	return g
}
