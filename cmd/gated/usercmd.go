package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"gated/access"
	"gated/box"
	"gated/prompt"

	"github.com/spf13/cobra"
)

func userCommand() *cobra.Command {
	add := &access.Change{What: access.Added}
	c := userChange("add NAME --role R", "make an account, and ask for its PIN or password", add)
	c.Example = "  gated user add 张伟 --role guard\n  gated user add \"Chen Jing\" --role manager"
	c.Flags().StringVar((*string)(&add.Role), "role", "", "guard, shift-leader, manager, auditor or maintainer")
	return group("user", "say who can sign in, and as what", c, userList(),
		userChange("disable NAME", "let somebody sign in no more", &access.Change{What: access.Disabled}),
		userChange("reset NAME", "give an account a new PIN or password", &access.Change{What: access.Reset}))
}

func userChange(use, short string, ch *access.Change) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: help("user"), Args: cobra.ExactArgs(1)}
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		ch.Name = args[0]
		secret := "new PIN or password"
		if ch.What == access.Added {
			secret, err = map[bool]string{true: "PIN", false: "password"}[ch.Role.PIN()], ch.Role.Check()
		}
		if ch.What != access.Disabled && err == nil {
			ch.Secret, err = prompt.Secret(c.InOrStdin(), c.ErrOrStderr(), secret)
		}
		if err != nil {
			return err
		}
		a, err := perform(c, box.ChangeAccount, *ch)
		return say(c.OutOrStdout(), err, "%s: %s, %s\n", ch.What, a.Name, a.Role)
	}
	return c
}

func userList() *cobra.Command {
	asJSON := false
	c := &cobra.Command{Use: "list", Short: "list the accounts", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		list, err := perform(c, box.Accounts, struct{}{})
		if asJSON && err == nil {
			return json.NewEncoder(c.OutOrStdout()).Encode(list)
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, a := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\n", a.Name, a.Role, a.State(time.Now()))
		}
		return errors.Join(err, w.Flush())
	}}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return c
}
