package box

import (
	"context"
	"errors"

	"gated/gate"
	"gated/register/erasure"
	"gated/register/hosts"
)

// InstructHost records what a host says of whoever comes, once for all, or that it says so no more, and returns the number of the entry.
var InstructHost = inDaemon("host-set", func(_ context.Context, b *Box, by string, a gate.Hosting) (int64, error) {
	seq, err := b.as(by).Instruct(a)
	if errors.Is(err, gate.ErrNoHost) {
		err = No{err}
	}
	return seq, err
})

// HostInstructions lists what hosts say. That somebody looked, and why, is recorded first.
var HostInstructions = inDaemon("host-list", func(_ context.Context, b *Box, by, why string) ([]hosts.Named, error) {
	if err := erasure.CheckWhy(why); err != nil {
		return nil, err
	}
	return b.as(by).Counter().Instructions(why)
})
