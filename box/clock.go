package box

import "context"

// ConfirmClock tells the daemon that the box's clock is right, and what it says.
var ConfirmClock = inDaemon("clock-confirm", func(_ context.Context, b *Box, by string, _ struct{}) (string, error) {
	err := b.as(by).ConfirmClock(by)
	return b.Gate.View().Now.Format("2006-01-02 15:04:05 -07:00"), err
})
