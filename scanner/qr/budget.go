package qr

import (
	"context"
	"time"
)

// Limit is the longest that Decode works on any picture, while somebody waits at a gate; what it has found by then it returns.
const Limit = 150 * time.Millisecond

// slack is what is left of Limit when the budget ends: the longest stretch of work that asks for no time, the error
// correction of one version 40 symbol, on a slow core.
const slack = 30 * time.Millisecond

// A budget is the time one picture may still take. Every loop whose length the picture decides asks it.
type budget struct {
	ctx   context.Context
	end   time.Time
	spent bool
}

func newBudget(ctx context.Context, limit time.Duration) *budget {
	return &budget{ctx: ctx, end: time.Now().Add(limit - slack)}
}

// late says whether the work must end. It costs about as much as the work on twenty pixels.
func (b *budget) late() bool {
	if !b.spent && (time.Now().After(b.end) || b.ctx.Err() != nil) {
		b.spent = true
	}
	return b.spent
}
