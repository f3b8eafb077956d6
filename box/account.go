package box

import (
	"context"
	"errors"

	"gated/access"
	"gated/gate"
	"gated/ledger"
	"gated/register"
)

// ChangeAccount changes who can sign in, and returns the account as it is then.
var ChangeAccount = Op[access.Change, access.Account]{"account",
	func(_ context.Context, b *Box, by string, c access.Change) (access.Account, error) {
		a, err := Change(b.Accounts, b.append, access.Actor{Name: by, How: access.Socket}, c)
		if errors.As(err, new(access.Refusal)) {
			err = No{err}
		}
		return a, err
	}}

// Change changes an account for somebody, and returns it as it is then. The entry comes first.
func Change(x *access.Accounts, append func(ledger.Event) error, by access.Actor, c access.Change) (access.Account, error) {
	return x.Do(c, func(was access.Account) error {
		ev := ledger.Event{Kind: register.Account, Reason: c.What, By: by.By(),
			Detail:   map[string]string{"role": string(was.Role)},
			Personal: []ledger.Field{{Name: "account", Value: was.Name}, {Name: "by", Value: by.Name}}}
		if was.Disabled {
			ev.Detail["was"] = access.Disabled
		}
		if was.Token || c.Token {
			ev.Detail["token"] = "yes"
		}
		return append(ev)
	})
}

// Guessed is the entry that somebody guesses PINs or passwords: whose stands nowhere.
func Guessed() ledger.Event {
	return ledger.Event{Kind: register.Alarm, Reason: register.PINGuessing, By: "machine"}
}

// Accounts lists who can sign in, and who no longer can.
var Accounts = Op[struct{}, []access.Account]{"accounts", func(_ context.Context, b *Box, _ string, _ struct{}) ([]access.Account, error) {
	return b.Accounts.List()
}}

// as is the gate for a user of the box.
func (b *Box) as(user string) *gate.Gate {
	return b.Gate.As(access.Actor{Name: user, How: access.Socket})
}
