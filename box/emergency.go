package box

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gated/gate"
)

// Emergency does what the emergency key of the page does, or the page's closing afterwards, where the page cannot be reached.
var Emergency = Op[Press, string]{"emergency", func(ctx context.Context, b *Box, _ string, p Press) (string, error) {
	if b.Gate == nil {
		return "", errors.New("no daemon runs on this state directory, and without one nothing opens: open the barrier by hand")
	}
	if p.Close {
		return "closing", b.Gate.Close(p.Lane)
	}
	_, err := b.Gate.Emergency(p.Lane)
	if errors.Is(err, gate.ErrUnknownLane) {
		return "", No{err}
	}
	if err != nil {
		return "", err
	}
	switch said := answered(ctx, b.Gate, p.Lane); said {
	case "open":
		return said, nil
	case "by-hand":
		return "", No{fmt.Errorf("lane %s has no barrier: open it by hand", p.Lane)}
	case "opening":
		return "", No{fmt.Errorf("lane %s: opening, and the barrier has not answered yet: look, and open it by hand if it stays closed",
			p.Lane)}
	case "": // another guard closed it at the same moment
		return "", No{fmt.Errorf("lane %s: closed again", p.Lane)}
	default:
		return "", No{fmt.Errorf("lane %s: %s: the barrier does not obey: open it by hand, or press again", p.Lane, said)}
	}
}}

// barrierWait is how long the command waits for the barrier's answer.
const barrierWait = time.Second

// answered is what the lane's barrier says to the emergency key, as the page has it.
func answered(ctx context.Context, g *gate.Gate, lane string) (latch string) {
	ctx, cancel := context.WithTimeout(ctx, barrierWait)
	defer cancel()
	changed, unsubscribe := g.Subscribe()
	defer unsubscribe()
	for {
		for _, l := range g.View().Lanes {
			if l.ID == lane {
				latch = l.Latch
			}
		}
		if latch != "opening" {
			return latch
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return latch
		}
	}
}

// Press is of which lane's key.
type Press struct {
	Lane  string
	Close bool
}
