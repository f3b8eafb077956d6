package gate

import (
	"strconv"
	"time"

	"gated/gate/lane"
	"gated/gate/tries"
	"gated/ledger"
	"gated/register"
)

// tried are the wrong tries in a row at the lane with this passage, and what the ledger is to tell of them where they are too many.
// The caller holds passage.
func (g *Gate) tried(p *passage) (row tries.Row, alarm []ledger.Event) {
	row, tooMany := g.tries[p.lane.ID].After(&p.facts, p.decision.Verdict, time.Now())
	if tooMany {
		alarm = []ledger.Event{{Stamp: p.at, Kind: register.Alarm, Lane: p.lane.ID, Direction: p.lane.Direction, Reason: "wrong-tries",
			By: byMachine, Detail: map[string]string{"codes": strconv.Itoa(tries.Most)}}}
	}
	return row, alarm
}

// alarm tells of too many wrong tries, which the ledger has told of.
func (g *Gate) alarm(l *lane.Lane) {
	g.log.Warn("wrong codes in a row: somebody tries one after the other", "lane", l.ID, "codes", tries.Most)
	g.m.Tries.WithLabelValues(l.ID).Inc()
	l.WrongTries()
}
