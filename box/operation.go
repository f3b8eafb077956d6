package box

import (
	"context"
	"encoding/json"
	"errors"
)

// Op is something that may be done to a box; A are its arguments and R is what comes of it, both of which go over the
// control socket as JSON. The daemon does it when one runs, else the command itself under the directory's lock.
type Op[A, R any] struct {
	name string // on the control socket
	// do does it; by is the user who asked.
	do func(ctx context.Context, b *Box, by string, args A) (R, error)
}

// errNoDaemon: what is asked for depends on the policy and the register of the daemon.
var errNoDaemon = errors.New("no daemon runs on this state directory: start it first, as it is its policy, and its register, that count")

// inDaemon is an Op that nobody but the daemon can do.
func inDaemon[A, R any](name string, do func(ctx context.Context, b *Box, by string, args A) (R, error)) Op[A, R] {
	return Op[A, R]{name, func(ctx context.Context, b *Box, by string, args A) (r R, err error) {
		if b.Gate == nil {
			return r, errNoDaemon
		}
		return do(ctx, b, by, args)
	}}
}

// operation is any Op, as the control server sees it.
type operation interface {
	Name() string
	serve(ctx context.Context, b *Box, by string, args json.RawMessage) (any, error)
}

// operations are all that there are.
func operations() []operation {
	return []operation{
		ImportRoster, RemoveFromRoster, RecordPasses, RevokePasses, AcceptRoster, ConfirmClock,
		Erase, Keep, Keeps, recordSubject, findSomebody, recordExport, entryKeys, beginBackup, recordBackup,
		Rebuild, Emergency, Announce, Levels, PlanLevel, Foretell, Trips, MarkSomebody, Marks, InstructHost,
		HostInstructions, AnnulPassage, BecamePassage,
		CorrectPassage, DisputePassage, AnswerCallback, handOver, ChangeAccount, Accounts,
		PrintPaper, EnterPaper,
	}
}

// Name is what the control socket calls it.
func (op Op[A, R]) Name() string { return op.name }

func (op Op[A, R]) serve(ctx context.Context, b *Box, by string, args json.RawMessage) (any, error) {
	var a A
	if err := json.Unmarshal(args, &a); err != nil {
		return nil, err
	}
	return op.do(ctx, b, by, a)
}

// No is an answer, not a failure: a forged code, a faulty roster, nothing to erase. The exit status of the command is 1.
type No struct{ Err error }

func (n No) Error() string { return n.Err.Error() }
func (n No) Unwrap() error { return n.Err }
