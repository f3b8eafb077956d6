package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gated/box"
	"gated/credential"
	"gated/progress"
	"gated/roster/passlist"

	"github.com/spf13/cobra"
)

func passCommand() *cobra.Command {
	return group("pass", "issue, list and revoke passes", passIssue(), passRecord(), passList(), passRevoke())
}

func passIssue() *cobra.Command {
	var p credential.Pass
	var keyFile, from, until, zoneName, png, list, out string
	c := &cobra.Command{Use: "issue --key FILE --issuer ISS --until T (--sub ID --kind KIND [--png FILE] | --list ROSTER.csv --out DIR)",
		Short: "issue a pass, or one for everybody on a list", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := anySettings(c)
			if err != nil {
				return err
			}
			zone, err := set.Zone(zoneName)
			if err != nil {
				return fmt.Errorf("--time-zone %w", err)
			}
			if p.NotBefore, err = credential.PassTime("from", from, zone, false); err != nil {
				return err
			}
			if p.NotAfter, err = credential.PassTime("until", until, zone, true); err != nil {
				return err
			}
			key, err := credential.ReadPrivateKey(keyFile)
			if err != nil {
				return err
			}
			if list != "" {
				if p.Subject != "" || p.Kind != "" || png != "" || out == "" {
					return errors.New("pass issue --list: give --out DIR, and none of --sub, --kind and --png")
				}
				return issueList(c, key, p, list, out)
			}
			if p.Subject == "" || p.Kind == "" {
				return errors.New("pass issue: give --sub and --kind, or --list and --out")
			}
			text, err := credential.Issue(key, p)
			if err == nil && png != "" {
				err = credential.WritePNG(png, text)
			}
			return say(c.OutOrStdout(), err, "%s\n", text)
		}}
	f := c.Flags()
	f.StringVar(&keyFile, "key", "", "private key")
	f.StringVar(&p.Issuer, "issuer", "", "name of the issuer, as the gate knows it: trust/pass/ISSUER.pub")
	f.StringVar(&p.Subject, "sub", "", "roster ID of the person, vehicle or household")
	f.StringVar(&p.Kind, "kind", "", "resident, vehicle, household or staff")
	f.StringVar(&p.Scope, "scope", "", "what the pass is limited to, in your words")
	f.StringVar(&from, "from", "now", "first day or moment at which it is good")
	f.StringVar(&until, "until", "", "last day at which it is good, to its last second, or the moment at which it no longer is")
	f.StringVar(&zoneName, "time-zone", "", "where a day begins and ends (default: gate.time_zone of the settings, Asia/Shanghai)")
	f.StringVar(&png, "png", "", "write the pass as a QR code, too")
	f.StringVar(&list, "list", "", "exported roster: issue a pass for every row")
	f.StringVar(&out, "out", "", "directory for --list; it must not exist")
	for _, name := range []string{"key", "issuer", "until"} {
		c.MarkFlagRequired(name)
	}
	return c
}

// issueList issues a pass for each row of an exported roster.
func issueList(c *cobra.Command, key ed25519.PrivateKey, p credential.Pass, list, out string) error {
	read, err := box.ReadRoster(list, language())
	if err != nil {
		return err
	}
	all, err := read.Bearers()
	if err != nil {
		return fmt.Errorf("%s %w", list, err)
	}
	err = passlist.Issue(out, key, p, all, func(n int) { progress.Bar(c.ErrOrStderr(), "passes", n, len(all)) })
	return say(c.ErrOrStderr(), err, "%d passes in %s: print %s, and on the gate: gated pass record passes.csv\n",
		len(all), out, filepath.Join(out, "print.html"))
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
	c := &cobra.Command{Use: "revoke SERIAL | --household H", Short: "make the gate refuse a pass, or all that a household has now",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) == (r.Household != "") {
				return errors.New("pass revoke: give a serial, or --household H")
			}
			if len(args) == 1 {
				r.Serial = strings.ToLower(args[0])
			}
			n, err := perform(c, box.RevokePasses, r)
			if r.Household == "" {
				return say(c.ErrOrStderr(), err, "revoked: %s\n", r.Serial)
			}
			return say(c.ErrOrStderr(), err, "revoked: %d recorded passes of the household, and all others that began before now; "+
				"one made with --from now is good again\n", n)
		}}
	c.Flags().StringVar(&r.Household, "household", "", "revoke every pass of this household, such as 3-2-501")
	c.Flags().BoolVar(&r.Unseen, "unseen", false, "also a serial that nobody has recorded")
	c.Flags().StringVar(&r.Reason, "reason", "revoked", "a word that says why, such as lost")
	return c
}
