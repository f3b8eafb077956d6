package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"

	"gated/box"
	"gated/box/lock"
	"gated/credential"
	"gated/ledger"
	"gated/ledger/seal"
	"gated/ledger/tlog"
	"gated/prompt"

	"github.com/spf13/cobra"
)

func keyCommand() *cobra.Command {
	return group("key", "make, show and change keys", keyNew(), keyShow(), keyRotate(), keyRestore())
}

func keyNew() *cobra.Command {
	var led, personal bool
	var out, origin string
	c := &cobra.Command{Use: "new --pass|--ledger|--personal --out FILE",
		Short: "make a key: FILE is the private one, FILE.pub the public one", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case led && origin == "":
				return errors.New("key new --ledger: name the ledger with --origin, as gate.origin of the settings does")
			case !led && origin != "":
				return errors.New("key new: --origin is for --ledger")
			case personal:
				key, err := seal.MakeMaster(out)
				return say(c.OutOrStdout(), err, "%s\n", key)
			case !led:
				return say(c.ErrOrStderr(), credential.MakeKey(out), "private key %s: whoever has it can make passes\n"+
					"public key  %s.pub: copy it to the gate as trust/pass/ISSUER.pub\n", out, out)
			}
			key, first, err := box.MakeLedgerKey(out, origin)
			if err != nil {
				return err
			}
			key.PrintNew(c.ErrOrStderr(), out, first)
			_, err = c.OutOrStdout().Write(first.Note)
			return err
		}}
	c.Flags().Bool("pass", false, "a key that signs passes")
	c.Flags().BoolVar(&led, "ledger", false, "a key that signs the ledger's tree heads")
	c.Flags().BoolVar(&personal, "personal", false, "the master key of the ledger's personal data")
	c.Flags().StringVar(&origin, "origin", "", "with --ledger: the ledger's name in tree heads, gate.origin of the settings")
	c.Flags().StringVar(&out, "out", "", "file of the private key; it must not exist")
	c.MarkFlagRequired("out")
	c.MarkFlagsOneRequired("pass", "ledger", "personal")
	c.MarkFlagsMutuallyExclusive("pass", "ledger", "personal")
	return c
}

func keyShow() *cobra.Command {
	var which box.Shown
	c := &cobra.Command{Use: "show FILE | show --ledger | show --personal | show --compound",
		Short: "print the public key of a private one, or a key of a gate", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if (which != box.Shown{}) == (len(args) == 1) {
				return errors.New("key show: name the file of a pass key, or say --ledger, --personal or --compound for the gate's")
			}
			if len(args) == 1 {
				key, err := credential.ReadPrivateKey(args[0])
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write(credential.MarshalPublicKey(key.Public().(ed25519.PublicKey)))
				return err
			}
			dir, err := existing(c)
			if err != nil {
				return err
			}
			key, err := box.ShowKey(dir, which)
			return say(c.OutOrStdout(), err, "%s\n", key)
		}}
	c.Flags().BoolVar(&which.Ledger, "ledger", false, "the note verifier key (name+hash+base64) of the state directory's ledger")
	c.Flags().BoolVar(&which.Personal, "personal", false, "the master key of its personal data, for the safe")
	c.Flags().BoolVar(&which.Compound, "compound", false, "the key of roster IDs, for the office and the other gates")
	c.MarkFlagsMutuallyExclusive("ledger", "personal", "compound")
	return c
}

func keyRestore() *cobra.Command {
	var compound, replace bool
	c := &cobra.Command{Use: "restore [--compound]", Short: "put the master key, or the compound key, back as it was written down",
		Args: cobra.NoArgs,
		RunE: inState(func(c *cobra.Command, dir string, _ []string) error {
			if err := lock.Owned(dir); err != nil {
				return err
			}
			line, err := prompt.Line(c.InOrStdin(), c.ErrOrStderr(), map[bool]string{false: "master key", true: "compound key"}[compound])
			if err == nil && compound {
				return box.RestoreCompoundKey(dir, line, replace)
			}
			if err != nil {
				return err
			}
			return ledger.RestoreMaster(dir, line)
		})}
	c.Flags().BoolVar(&compound, "compound", false, "the key that roster IDs follow from")
	c.Flags().BoolVar(&replace, "replace", false, "with --compound: also instead of that of the roster here")
	return c
}

func keyRotate() *cobra.Command {
	return &cobra.Command{Use: "rotate", Short: "let a new key sign the ledger's tree heads from the daemon's next start on",
		Args: cobra.NoArgs,
		RunE: inState(func(c *cobra.Command, dir string, _ []string) error {
			if err := lock.Owned(dir); err != nil && os.Geteuid() != 0 {
				return err
			}
			key, err := ledger.RotateKey(dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "the new key signs from the daemon's next start on: systemctl restart gated\n"+
				"for the auditor to keep: fingerprint %s\n", tlog.Fingerprint(key.Verifier()))
			fmt.Fprintln(c.OutOrStdout(), key.Verifier())
			return nil
		})}
}
