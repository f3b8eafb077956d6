package bundle

import (
	"gated/ledger"
	"gated/register/registertest"
)

type (
	Event = ledger.Event
	Entry = ledger.Entry
	Field = ledger.Field
	Stamp = ledger.Stamp
	clock = registertest.Clock
)

var (
	shanghai   = registertest.Shanghai
	at         = registertest.At
	open       = registertest.Open
	passage    = registertest.Passage
	decided    = registertest.Decided
	mustAppend = registertest.MustAppend
	many       = registertest.Many
	startOf    = registertest.StartOf
	unlocked   = registertest.Unlocked
	sample     = registertest.Sample
)
