package gate

import (
	"slices"
	"strconv"
	"time"

	"gated/credential"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// Somebody who tries one code after the other is told of (GB 50396-2007, 5.1.5: an alarm after wrong tries in a row).
const (
	mostTries   = 5
	triesWithin = 2 * time.Minute
	// triesFor is how long the page says so.
	triesFor = time.Minute
)

// wrong tells whether somebody must have meant to deceive, or holds what somebody else has lost. Codes of payments, orders and
// chats, damaged ones and those of neighbours are no tries.
func wrong(f *policy.Facts) bool {
	return f.Reason == "bad-signature" || f.Reason == "revoked" || f.Reason == "unknown-signer" && f.Credential == credential.KindPass
}

// tried are the wrong tries in a row at the lane with this passage, which ends the row if it is admitted; and what the ledger is to
// tell of them where they are too many. The caller holds passage.
func (g *Gate) tried(p *passage) (row []time.Time, alarm []ledger.Event) {
	now := time.Now()
	switch {
	case p.decision.Verdict == policy.Admit:
		return nil, nil
	case !wrong(&p.facts):
		return p.lane.tries, nil
	}
	row = append(slices.Clone(p.lane.tries), now)
	if len(row) < mostTries {
		return row, nil
	}
	if now.Sub(row[0]) > triesWithin {
		return row[1:], nil
	}
	ev := ledger.Event{Stamp: p.at, Kind: register.Alarm, Lane: p.lane.ID, Direction: p.lane.Direction, Reason: "wrong-tries",
		By: byMachine, Detail: map[string]string{"codes": strconv.Itoa(mostTries)}}
	return nil, []ledger.Event{ev}
}

// alarm tells of too many wrong tries, which the ledger has told of.
func (g *Gate) alarm(l *lane) {
	g.log.Warn("wrong codes in a row: somebody tries one after the other", "lane", l.ID, "codes", mostTries)
	g.m.tries.WithLabelValues(l.ID).Inc()
	l.update(func() { l.triedAt = time.Now() })
}
