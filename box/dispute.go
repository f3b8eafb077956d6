package box

import (
	"context"

	"gated/access"
	"gated/ledger"
	"gated/register"
	"gated/register/erasure"
)

// DisputePassage records that a host says that a passage was none of theirs.
var DisputePassage = Op[Dispute, bool]{"passage-dispute", func(_ context.Context, b *Box, by string, d Dispute) (bool, error) {
	if err := erasure.CheckWhy(d.Why); err != nil {
		return false, err
	}
	return true, b.append(ledger.Event{Kind: register.Disputed, Passage: d.Passage, By: access.Socket, Ref: d.Entry,
		Personal: []ledger.Field{{Name: "household", Value: d.Host}, {Name: "by", Value: by}, {Name: "note", Value: d.Why}}})
}}

// Dispute says of which passage, by its first entry, which host says so, and why in somebody's own words.
type Dispute struct {
	Passage   string
	Entry     int64
	Host, Why string
}
