package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gated/box"
	"gated/progress"
	"gated/roster/passlist"

	"github.com/spf13/cobra"
)

func passCommand() *cobra.Command {
	return group("pass", "issue, list and revoke passes", passIssue(), passRecord(), passList(), passRevoke(), passLift())
}

func passIssue() *cobra.Command {
	var q passlist.Request
	var zone string
	c := &cobra.Command{Use: "issue --key FILE --issuer ISS --until T (--sub ID --kind KIND [--png FILE] | --list ROSTER.csv --out DIR)",
		Short: "issue a pass, or one for everybody on a list", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := place(c).Any()
			if err != nil {
				return err
			}
			in, err := set.Zone(zone)
			if err != nil {
				return fmt.Errorf("--time-zone %w", err)
			}
			key, err := q.Resolve(in)
			if err != nil {
				return err
			}
			if q.List == "" {
				text, err := q.Sign(key)
				return say(c.OutOrStdout(), err, "%s\n", text)
			}
			list, err := box.ReadRoster(q.List, language())
			if err != nil {
				return err
			}
			n, err := q.SignAll(key, list, func(n, of int) { progress.Bar(c.ErrOrStderr(), "passes", n, of) })
			return say(c.ErrOrStderr(), err, "%d passes in %s: print %s, and on the gate: gated pass record passes.csv\n",
				n, q.Out, filepath.Join(q.Out, "print.html"))
		}}
	f := c.Flags()
	f.StringVar(&q.Key, "key", "", "private key")
	f.StringVar(&q.Issuer, "issuer", "", "name of the issuer, as the gate knows it: trust/pass/ISSUER.pub")
	f.StringVar(&q.Subject, "sub", "", "roster ID of the person, vehicle or household")
	f.StringVar(&q.Kind, "kind", "", "resident, vehicle, household or staff")
	f.StringVar(&q.Scope, "scope", "", "what the pass is limited to, in your words")
	f.StringVar(&q.From, "from", "now", "first day or moment at which it is good")
	f.StringVar(&q.Until, "until", "", "last day at which it is good, to its last second, or the moment at which it no longer is")
	f.StringVar(&zone, "time-zone", "", "where a day begins and ends (default: gate.time_zone of the settings, Asia/Shanghai)")
	f.StringVar(&q.PNG, "png", "", "write the pass as a QR code, too")
	f.StringVar(&q.List, "list", "", "exported roster: issue a pass for every row")
	f.StringVar(&q.Out, "out", "", "directory for --list; it must not exist")
	for _, name := range []string{"key", "issuer", "until"} {
		c.MarkFlagRequired(name)
	}
	return c
}

func passRecord() *cobra.Command {
	return &cobra.Command{Use: "record PASSES.csv", Short: "tell the gate which passes were issued", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			passes, err := passlist.Read(args[0])
			if err != nil {
				return err
			}
			n, err := perform(c, box.RecordPasses, passes)
			return say(c.ErrOrStderr(), err, "%d passes recorded\n", n)
		}}
}

func passList() *cobra.Command {
	var revoked bool
	c := &cobra.Command{Use: "list", Short: "list the passes that were recorded or revoked", Args: cobra.NoArgs,
		RunE: inState(func(c *cobra.Command, dir string, _ []string) error {
			return passlist.Print(c.OutOrStdout(), box.RosterFile(dir), revoked)
		})}
	c.Flags().BoolVar(&revoked, "revoked", false, "only those that are revoked, recorded or not")
	return c
}

func passRevoke() *cobra.Command {
	var r box.Revocation
	c := &cobra.Command{Use: "revoke SERIAL | --household H | --suspended ID", Args: cobra.MaximumNArgs(1),
		Short: "make the gate refuse a pass, all that a household has now, or those that were reported lost",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args)+given(r.Household)+given(r.Subject) != 1 {
				return errors.New("pass revoke: give a serial, or --household H, or --suspended ID")
			}
			if len(args) == 1 {
				r.Serial = strings.ToLower(args[0])
			}
			n, err := perform(c, box.RevokePasses, r)
			switch {
			case r.Subject != "":
				return say(c.ErrOrStderr(), err, "revoked: %d recorded passes of %s that were suspended, and all others from before that\n",
					n, r.Subject)
			case r.Household == "":
				return say(c.ErrOrStderr(), err, "revoked: %s\n", r.Serial)
			}
			return say(c.ErrOrStderr(), err, "revoked: %d recorded passes of the household, and all others that began before now; "+
				"one made with --from now is good again\n", n)
		}}
	c.Flags().StringVar(&r.Household, "household", "", "revoke every pass of this household, such as 3-2-501")
	c.Flags().StringVar(&r.Subject, "suspended", "", "revoke the passes of this person, vehicle or household that a guard suspended")
	c.Flags().BoolVar(&r.Unseen, "unseen", false, "also a serial that nobody has recorded")
	c.Flags().StringVar(&r.Reason, "reason", "revoked", "a word that says why, such as lost")
	return c
}

func given(s string) int { return map[bool]int{true: 1}[s != ""] }

func passLift() *cobra.Command {
	r := box.Revocation{Lift: true}
	c := &cobra.Command{Use: "lift ID", Short: "have passes count again that a guard suspended since they were reported lost",
		Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
			r.Subject = args[0]
			n, err := perform(c, box.RevokePasses, r)
			return say(c.ErrOrStderr(), err, "lifted: %d recorded passes of %s, and any others\n", n, r.Subject)
		}}
	c.Flags().StringVar(&r.Reason, "reason", "", "why, such as found")
	return c
}
