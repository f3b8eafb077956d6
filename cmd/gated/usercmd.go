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
	add := userChange("add NAME --role R", "make an account, and ask for its PIN or password", access.Change{What: access.Added})
	add.Example = "  gated user add 张伟 --role guard\n  gated user add \"Chen Jing\" --role manager"
	return group("user", "say who can sign in, and as what", add, userList(),
		userChange("token NAME --role R", "make a program's token, and print it this once", access.Change{What: access.Added, Token: true}),
		userChange("disable NAME", "let somebody sign in no more, or revoke a token", access.Change{What: access.Disabled}),
		userChange("reset NAME", "give an account a new PIN or password", access.Change{What: access.Reset}))
}

func userChange(use, short string, ch access.Change) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: help("user"), Args: cobra.ExactArgs(1)}
	if ch.What == access.Added {
		c.Flags().StringVar((*string)(&ch.Role), "role", "", "guard, shift-leader, manager, auditor or maintainer")
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		ch.Name = args[0]
		secret, err := ch.Ask()
		if secret != "" && err == nil {
			ch.Secret, err = prompt.Secret(c.InOrStdin(), c.ErrOrStderr(), secret)
		}
		if err != nil {
			return err
		}
		a, err := perform(c, box.ChangeAccount, ch)
		return say(c.OutOrStdout(), err, "%s\n", ch.Done(a))
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
