package ledger

import "gated/ledger/entry"

// What an entry is, package entry says. Those who append use these names for it.
type (
	Kind   = entry.Kind
	Stamp  = entry.Stamp
	Field  = entry.Field
	Event  = entry.Event
	Record = entry.Record
	Entry  = entry.Entry
)

// The kinds that the ledger writes itself or goes by.
const (
	Start     = entry.Start
	Stop      = entry.Stop
	Outage    = entry.Outage
	KeyChange = entry.KeyChange
	Epoch     = entry.Epoch
	Erase     = entry.Erase
	Carried   = entry.Carried
	Keep      = entry.Keep
	Backup    = entry.Backup
)
