package box

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"gated/box/lock"
	"gated/clock"
	"gated/gate/spool"
	"gated/ledger"
	"gated/ledger/file"
	"gated/peer"
	"gated/register"
	"gated/register/erasure"
)

// BeginEpoch puts the ledger of a state directory aside, whatever it holds, and begins a new one, whose first entry names what
// was found and why it was done. opt says what the settings say; without them a ledger that can be opened says it itself. verify
// is as in ledger.Begin. It is done without a daemon only: the gate begins with its start entry.
func BeginEpoch(dir string, opt *ledger.Options, why string, verify func(old *file.Reader) error) (m file.Meta, found string, err error) {
	if err := erasure.CheckWhy(why); err != nil {
		return m, "", err
	}
	if err := lock.Owned(dir); err != nil {
		return m, "", err
	}
	held, err := lock.Take(dir)
	if err != nil {
		return m, "", err
	}
	defer held.Release()
	if opt == nil {
		r, err := file.OpenReader(dir)
		if err != nil {
			return m, "", fmt.Errorf("%w: name the settings with --config", err)
		}
		opt = &ledger.Options{Gate: r.Meta.Gate, Origin: r.Meta.Name(), TimeZone: r.Meta.TimeZone}
		r.Close()
	}
	opt.Begin = &ledger.Begin{By: peer.Name(os.Getuid()), Why: why, Verify: verify}
	return beginEpoch(dir, *opt)
}

// beginEpoch opens the ledger, which begins a new epoch as opt says, and closes it. The caller holds the lock.
func beginEpoch(dir string, opt ledger.Options) (m file.Meta, found string, err error) {
	b := &Box{Dir: dir}
	c := clock.New(clock.System())
	opt.Dir, opt.Command = dir, opt.Begin != nil
	opt.Now, opt.Log = func() ledger.Stamp { return ledger.Stamp(c.Now()) }, slog.New(slog.DiscardHandler)
	if err := b.openLedger(opt); err != nil {
		return m, "", err
	}
	defer func() { err = errors.Join(err, b.closeLedger()) }()
	if f := b.Ledger.Fault(); f != nil {
		return m, "", errors.New(f.Cause)
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		return m, "", err
	}
	defer r.Close()
	err = r.Scan(1, 1, false, func(e *ledger.Entry) error { found = e.Detail["found"]; return nil })
	return r.Meta, found, err
}

// Known says how many entries the ledger of a name had, by what lies beside it in a state directory: the index, and what is
// still pending.
func Known(dir string) func(origin string) int64 {
	return func(origin string) int64 {
		return max(register.Known(dir, origin), spool.Known(spoolFile(dir), origin))
	}
}
