// Package access knows who may do what: people, their PINs and passwords, their roles.
//
// The emergency key asks nobody, and a gate whose settings say so works without accounts: nothing that opens waits for this package.
package access

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Account is somebody who can sign in.
type Account struct {
	Name     string    `json:"name"`
	Role     Role      `json:"role"`
	Disabled bool      `json:"disabled,omitempty"`
	Wrong    int       `json:"wrong,omitempty"` // tries in a row
	Tried    time.Time `json:"tried,omitzero"`  // the newest of them
	Token    bool      `json:"token,omitempty"` // of a program, which signs in by nothing else
}

// LockedUntil is when the next try is looked at: five wrong ones in a row lock an account for a minute, each further one for twice as
// long, at most an hour. Who guesses has 33 tries on the first day and 24 on each one after it. Zero: at once.
func (a Account) LockedUntil() time.Time {
	if a.Wrong < 5 {
		return time.Time{}
	}
	return a.Tried.Add(min(time.Minute<<min(a.Wrong-5, 6), time.Hour))
}

// State says whether somebody can sign in now.
func (a Account) State(now time.Time) string {
	switch until := a.LockedUntil(); {
	case a.Disabled:
		return "disabled"
	case now.Before(until):
		return "locked until " + until.Local().Format(time.DateTime)
	case a.Token:
		return "token"
	}
	return "enabled"
}

// Refusal is an answer, not a failure. It says what to do.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// ErrWrong says no more than it must: neither whether there is such a name, nor whether it is disabled.
const ErrWrong Refusal = "name, PIN or password is wrong: try again, or have a new one set (gated user reset NAME)"

// Locked refuses a name that was tried too often.
type Locked struct{ Until time.Time }

func (l Locked) Error() string {
	return fmt.Sprintf("too many wrong tries: wait until %s, or have a shift leader who is signed on at the box lift it",
		l.Until.Format(time.TimeOnly))
}

// Guessed refuses a wrong try that has just locked the account.
type Guessed struct{ Locked }

// Is tells that it was a wrong one, too.
func (Guessed) Is(err error) bool { return err == ErrWrong }

// Accounts are the people of a gate, as their file has them.
type Accounts struct {
	path string
	now  func() time.Time
	mu   sync.Mutex // held while the file is changed, and during argon2id: one at a time. No passage waits for it

	known  sync.Mutex // guards the rest; never held while anything waits
	all    []kept     // as they were read or written last
	fault  error      // likewise
	writes int
}

// File is the name of the file in the state directory.
const File = "accounts.json"

// In are the accounts of a state directory. Their file is read whenever they are asked for: one that is damaged stops no gate, and one
// that was put back counts at once.
func In(dir string, now func() time.Time) *Accounts {
	return &Accounts{path: filepath.Join(dir, File), now: now}
}

// List are all of them, in the order in which they were made.
func (x *Accounts) List() ([]Account, error) {
	all, err := x.read()
	list := []Account{}
	for _, k := range all {
		list = append(list, k.Account)
	}
	return list, err
}

// Fault looks at the file, and says why nobody can sign in, though there are accounts.
func (x *Accounts) Fault() error {
	_, err := x.read()
	return err
}

// Check lets somebody sign in. The try is counted in the file before it is looked at, so that neither a restart nor a power cut gives
// it back. A name that is not there costs what a wrong secret costs.
func (x *Accounts) Check(name, secret string) (Account, error) {
	k, err := x.check(name, secret)
	return k.Account, err
}

func (x *Accounts) check(name, secret string) (kept, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	all, err := x.read()
	if err != nil {
		return kept{}, err
	}
	k := &kept{}
	if i := find(all, tidy(name)); i >= 0 && !all[i].Disabled && !all[i].Token {
		k = &all[i]
	}
	now := x.now()
	if k.Wrong > 0 && now.Before(k.Tried) { // the clock was set back: no lock may last until it gets there again
		k.Tried = now
		if err := x.write(all); err != nil {
			return kept{}, err
		}
	}
	if until := k.LockedUntil(); now.Before(until) {
		return kept{}, Locked{until}
	}
	k.Wrong, k.Tried = k.Wrong+1, now
	if err := x.write(all); err != nil {
		return kept{}, fmt.Errorf("a try that cannot be counted is not looked at: %w", err)
	}
	if !fits(k.Hash, secret) {
		if until := k.LockedUntil(); !until.IsZero() {
			return kept{}, Guessed{Locked{until}}
		}
		return kept{}, ErrWrong
	}
	k.Wrong, k.Tried = 0, time.Time{}
	return *k, x.write(all)
}

// Change is what is done to an account.
type Change struct {
	What   string // Added, Disabled, Reset or Lifted
	Name   string
	Role   Role   // of one that is added
	Secret string // the new PIN or password of one that is added or reset
	Token  bool   // the secret is a token, of one that is added
}

// Ask is the secret that whoever makes the change is asked for; "": none. A token nobody chooses: it is made here.
func (c *Change) Ask() (secret string, err error) {
	switch {
	case c.What == Reset:
		return "new PIN or password", nil
	case c.What != Added:
		return "", nil
	case c.Token:
		c.Secret = NewToken()
		return "", c.Role.Check()
	}
	return map[bool]string{true: "PIN", false: "password"}[c.Role.PIN()], c.Role.Check()
}

// Done is what a command says once it is done: of a token that, since nobody can say it again.
func (c *Change) Done(a Account) string {
	if c.Token {
		return c.Secret
	}
	return fmt.Sprintf("%s: %s, %s", c.What, a.Name, a.Role)
}

// What is done to accounts, in the words of their entries.
const (
	Added    = "added"
	Disabled = "disabled"
	Reset    = "reset"  // a new PIN or password; one that was disabled or locked is not any more
	Lifted   = "lifted" // wrong tries are forgotten
)

// Do changes an account and returns it as it is then. Before that record gets it as it was; where it fails nothing is changed.
func (x *Accounts) Do(c Change, record func(Account) error) (Account, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	all, err := x.read()
	if err != nil {
		return Account{}, err
	}
	name := tidy(c.Name)
	i := find(all, name)
	if c.What == Added {
		if err := c.new(all, name); err != nil {
			return Account{}, err
		}
		i, all = len(all), append(all, kept{Account: Account{Name: name, Role: c.Role}})
	} else if i < 0 {
		return Account{}, Refusal(fmt.Sprintf("no account %.60q: gated user list has them", name))
	}
	k := &all[i]
	was := k.Account
	k.Wrong, k.Tried = 0, time.Time{}
	switch c.What {
	case Added, Reset:
		if was.Token {
			return Account{}, Refusal(was.Name + " is a program with a token: disable it, and make another one (gated user token NAME)")
		}
		if err := k.set(c); err != nil {
			return Account{}, err
		}
	case Disabled:
		if was.Disabled {
			return Account{}, Refusal(was.Name + " is disabled already")
		}
		k.Disabled = true
		if !slices.ContainsFunc(all, kept.manages) && (kept{Account: was}).manages() {
			return Account{}, Refusal(was.Name + " is the last manager: add another one first (gated user add NAME --role manager)")
		}
	case Lifted:
	default:
		return Account{}, fmt.Errorf("%.20q is nothing that can be done to an account: is the program that asks newer?", c.What)
	}
	if err := record(was); err != nil {
		return Account{}, err
	}
	if err := x.write(all); err != nil {
		return Account{}, fmt.Errorf("it is on record, and may not be done: look (gated user list), and do it again if it is not: %w", err)
	}
	return k.Account, nil
}

// manages tells of a manager who can sign in.
func (k kept) manages() bool { return k.Role == Manager && !k.Disabled && !k.Token }

// set gives an account its secret.
func (k *kept) set(c Change) error {
	if c.Token {
		if !isToken(c.Secret) {
			return Refusal("a token is made by gated user token, and by nobody")
		}
		k.Token, k.Hash = true, tokenHash(c.Secret)
		return nil
	}
	if err := k.Role.checkSecret(c.Secret); err != nil {
		return err
	}
	k.Disabled, k.Hash = false, hash(c.Secret)
	return nil
}

// most is how many accounts there are at most. Disabled ones stay: their names stand in the ledger, and nobody else gets them.
const most = 1000

// new tells what is wrong with an account that is to be added.
func (c Change) new(all []kept, name string) error {
	switch err := errors.Join(checkName(name), c.Role.Check()); {
	case err != nil:
		return err
	case find(all, name) >= 0:
		return Refusal(fmt.Sprintf("there is an account %s already: choose another name, or give that one a new PIN or password "+
			"(gated user reset NAME)", all[find(all, name)].Name))
	case len(all) >= most:
		return Refusal(fmt.Sprintf("there are %d accounts, and no more fit: who had one gets that again (gated user reset NAME)", most))
	}
	return nil
}

// tidy is a name as it is kept: without space around it, and one at most between its words.
func tidy(name string) string { return strings.Join(strings.Fields(norm.NFC.String(name)), " ") }

// checkName tells what is wrong with a tidy name.
func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > 60 || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return Refusal("a name has 1 to 60 printable characters: write it as it is to stand in the handover book")
	}
	return nil
}

// find is the index of the account of a tidy name, however its letters are cased, or -1.
func find(all []kept, name string) int {
	return slices.IndexFunc(all, func(k kept) bool { return strings.EqualFold(k.Name, name) })
}
