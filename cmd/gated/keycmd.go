package main

import (
	"crypto/ed25519"
	"fmt"

	"gated/credential"

	"github.com/spf13/cobra"
)

func keyCommand() *cobra.Command {
	var pass bool
	var out string
	create := &cobra.Command{
		Use:   "new --pass --out FILE",
		Short: "make a key: FILE is the private one, FILE.pub the public one",
		Long: `new makes an Ed25519 key. FILE (mode 0600) signs passes and need not be on the gate box: keep it
where passes are made, and keep a copy. FILE.pub goes to the gate as trust/pass/ISSUER.pub in its
state directory, where ISSUER is the name that "gated pass issue --issuer" is given.`,
		Example: "  gated key new --pass --out office.key\n  install -Dm644 office.key.pub /var/lib/gated/trust/pass/office.pub",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !pass {
				return fmt.Errorf("key new: say what the key is for: --pass")
			}
			key := credential.NewKey()
			if err := credential.WritePrivateKey(out, key); err != nil {
				return err
			}
			if err := credential.WritePublicKey(out+".pub", key.Public().(ed25519.PublicKey)); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "private key %s: whoever has it can make passes\npublic key  %s.pub: copy it to the gate as trust/pass/ISSUER.pub\n", out, out)
			return nil
		},
	}
	create.Flags().BoolVar(&pass, "pass", false, "a key that signs passes")
	create.Flags().StringVar(&out, "out", "", "file of the private key; it must not exist")
	create.MarkFlagRequired("out")
	show := &cobra.Command{
		Use:   "show FILE",
		Short: "print the public key of a private one",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := credential.ReadPrivateKey(args[0])
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(credential.MarshalPublicKey(key.Public().(ed25519.PublicKey)))
			return err
		},
	}
	return group("key", "make and show keys", create, show)
}
