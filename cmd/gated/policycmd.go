package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/box"
	"gated/evidence"
	"gated/evidence/replay"
	"gated/gate/query"
	"gated/ledger/file"
	"gated/policy"
	"gated/progress"

	"github.com/spf13/cobra"
)

func policyCommand() *cobra.Command {
	load := func(c *cobra.Command) (*policy.Policy, error) {
		for _, flag := range []string{"policy", "file"} {
			if file, _ := c.Flags().GetString(flag); file != "" {
				return policy.Load(file)
			}
		}
		set, err := place(c).Any()
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
			text := p.Source()
			if examples, _ := c.Flags().GetBool("examples"); examples {
				if text = p.Examples(); len(text) == 0 {
					return fmt.Errorf("the policy %s has no file of examples beside it: those of the shipped policy are printed "+
						"where the settings name none", p.Name())
				}
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		}}
	show.Flags().Bool("examples", false, "print its file of examples instead")
	g := group("policy", "show, explain and try the entry policy", show, policyExplain(load), policyReplay(load))
	g.PersistentFlags().String("file", "", "policy file instead of the one that the settings name; it is checked with its examples")
	return g
}

func policyExplain(load func(*cobra.Command) (*policy.Policy, error)) *cobra.Command {
	var who box.Foretelling
	c := &cobra.Command{Use: "explain KEY=VALUE… | --person ID --direction out",
		Short: "say what the policy decides about some facts, or about a person, and which rules it tried",
		RunE: func(c *cobra.Command, args []string) error {
			for _, flag := range []string{"direction", "level", "at"} {
				if who.ID == "" && c.Flags().Changed(flag) {
					return fmt.Errorf("--%s is for a --person: among facts write it as they are written, such as level=sealed", flag)
				}
			}
			if who.ID != "" {
				if len(args) > 0 || c.Flags().Changed("file") {
					return errors.New("about a --person the running gate is asked, by its own policy: give no facts and no --file")
				}
				return show(c, box.Foretell, who, query.PrintForetold)
			}
			p, err := load(c)
			if err != nil {
				return err
			}
			f, err := query.Explain(p, args)
			if err != nil {
				return err
			}
			return f.Print(c.OutOrStdout())
		}}
	c.Flags().StringVar(&who.ID, "person", "", "roster ID of a person or vehicle who shows a valid pass; the running gate knows the rest")
	c.Flags().StringVar(&who.Direction, "direction", "out", "in or out")
	c.Flags().StringVar(&who.Level, "level", "", "at this level (default: the one that counts for them)")
	c.Flags().StringVar(&who.At, "at", "", "at this time, such as \"2026-11-29 08:00\" (default: now)")
	return c
}

func policyReplay(load func(*cobra.Command) (*policy.Policy, error)) *cobra.Command {
	var since, level string
	c := &cobra.Command{Use: "replay --policy FILE --since 7d",
		Short: "tell what another policy would have decided about the passages on record", Args: cobra.NoArgs,
		RunE: inState(func(c *cobra.Command, dir string, _ []string) error {
			p, err := load(c)
			if err != nil {
				return err
			}
			if level != "" && !slices.Contains(p.Levels(), level) {
				return fmt.Errorf("--level %q: the policy %s has the levels %s", level, p.Name(), strings.Join(p.Levels(), ", "))
			}
			in, err := file.OpenReader(dir)
			if err != nil {
				return err
			}
			defer in.Close()
			if ask := box.AskKeys(c.Context(), dir); ask != nil {
				in.AskKeys(ask)
			}
			o := replay.Options{Policy: p, Level: level,
				Progress: func(done, of int64) { progress.Bar(c.ErrOrStderr(), "entries", int(done), int(of)) }}
			if o.From, err = evidence.Since("--since", since, time.Now().In(in.Zone)); err != nil {
				return err
			}
			r, err := replay.Run(in, o)
			if err != nil {
				return fmt.Errorf("%w\n`gated ledger verify` says what is wrong with the ledger", err)
			}
			r.Tell(c.ErrOrStderr(), in.Hidden())
			return r.Print(c.OutOrStdout())
		})}
	c.Flags().String("policy", "", "policy file to try (default: the one in force)")
	c.Flags().StringVar(&since, "since", "7d", "from which day on: so many days back such as 7d, 2026-11-23, today or yesterday")
	c.Flags().StringVar(&level, "level", "", "the level all the time (default: what was in force then)")
	return c
}
