// Package tries counts the wrong codes in a row that somebody tries at a lane (GB 50396-2007, 5.1.5: an alarm after wrong tries).
package tries

import (
	"slices"
	"time"

	"gated/credential"
	"gated/policy"
)

const (
	// Most in a row raise an alarm.
	Most   = 5
	within = 2 * time.Minute
)

// Row is when the wrong codes in a row were tried, monotonic.
type Row []time.Time

// wrong tells whether somebody must have meant to deceive, or holds what somebody else has lost. Codes of payments, orders and
// chats, damaged ones and those of neighbours are no tries.
func wrong(f *policy.Facts) bool {
	return f.Reason == "bad-signature" || f.Reason == "revoked" || f.Reason == credential.ReasonNoVisit ||
		f.Reason == "unknown-signer" && f.Credential == credential.KindPass
}

// After is the row after a passage with these facts and this verdict, which ends it if it is an admission; and whether it is one too many.
func (r Row) After(f *policy.Facts, verdict string, now time.Time) (row Row, alarm bool) {
	switch {
	case verdict == policy.Admit:
		return nil, false
	case !wrong(f):
		return r, false
	}
	row = append(slices.Clone(r), now)
	if len(row) < Most {
		return row, false
	}
	if now.Sub(row[0]) > within {
		return row[1:], false
	}
	return nil, true
}
