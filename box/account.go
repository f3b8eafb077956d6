package box

import (
	"context"
	"errors"

	"gated/access"
	"gated/ledger"
	"gated/register"
)

// ChangeAccount changes who can sign in, and returns the account as it is then. The entry comes first.
var ChangeAccount = Op[access.Change, access.Account]{"account", changeAccount}

func changeAccount(_ context.Context, b *Box, by string, c access.Change) (access.Account, error) {
	a, err := b.Accounts.Do(c, func(was access.Account) error {
		ev := ledger.Event{Kind: register.Account, Reason: c.What, By: "unauthenticated",
			Detail:   map[string]string{"role": string(was.Role)},
			Personal: []ledger.Field{{Name: "account", Value: was.Name}, {Name: "by", Value: by}}}
		if was.Disabled {
			ev.Detail["was"] = access.Disabled
		}
		return b.append(ev)
	})
	if errors.As(err, new(access.Refusal)) {
		err = No{err}
	}
	return a, err
}

// Accounts lists who can sign in, and who no longer can.
var Accounts = Op[struct{}, []access.Account]{"accounts", func(_ context.Context, b *Box, _ string, _ struct{}) ([]access.Account, error) {
	return b.Accounts.List()
}}
