package box

import (
	"context"
	"errors"
)

// ConfirmClock tells the daemon that the box's clock is right, and what it says.
var ConfirmClock = Op[struct{}, string]{"clock-confirm", func(_ context.Context, b *Box, by string, _ struct{}) (string, error) {
	if b.Gate == nil {
		return "", errors.New("no daemon runs on this state directory: start it first, the confirmation is for its clock")
	}
	if err := b.as(by).ConfirmClock(by); err != nil {
		return "", err
	}
	return b.Gate.View().Now.Format("2006-01-02 15:04:05 -07:00"), nil
}}
