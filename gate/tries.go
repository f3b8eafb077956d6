package gate

import (
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

// tried counts the wrong tries in a row at the lane of a passage, which is durable; what is admitted there ends the row. Of
// too many of them an entry, the page, a metric and the log tell. The caller holds passage.
func (g *Gate) tried(p *passage) {
	l, now := p.lane, time.Now()
	switch {
	case p.decision.Verdict == policy.Admit:
		l.tries = l.tries[:0]
		return
	case !wrong(&p.facts):
		return
	}
	if l.tries = append(l.tries, now); len(l.tries) < mostTries {
		return
	}
	if first := l.tries[0]; now.Sub(first) > triesWithin {
		l.tries = l.tries[1:]
		return
	}
	l.tries = nil
	g.log.Warn("wrong codes in a row: somebody tries one after the other", "lane", l.ID, "codes", mostTries)
	g.m.tries.WithLabelValues(l.ID).Inc()
	l.update(func() { l.triedAt = now })
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Alarm, Lane: l.ID, Direction: l.Direction, Reason: "wrong-tries", By: byMachine,
		Detail: map[string]string{"codes": strconv.Itoa(mostTries)}}
	g.work.Go(func() { g.record(ev) })
}
