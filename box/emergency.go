package box

import (
	"context"
	"errors"

	"gated/gate"
)

// Emergency does what the emergency key of the page does, or the page's closing afterwards, where the page cannot be reached.
var Emergency = Op[Press, string]{"emergency", func(_ context.Context, b *Box, _ string, p Press) (string, error) {
	if b.Gate == nil {
		return "", errors.New("no daemon runs on this state directory, and without one nothing opens: open the barrier by hand")
	}
	if p.Close {
		return "closing", b.Gate.Close(p.Lane)
	}
	out, err := b.Gate.Emergency(p.Lane)
	if errors.Is(err, gate.ErrUnknownLane) {
		return "", No{err}
	}
	return out.Verdict + " " + out.Reason, err
}}

// Press is of which lane's key.
type Press struct {
	Lane  string
	Close bool
}
