package ledger

import (
	"fmt"
	"time"

	"gated/ledger/entry"
	"gated/ledger/seal"
)

// draft is what one call appends.
type draft struct {
	entries []Entry // Seq and Raw are missing until it is numbered
	rest    []rest  // of each entry
}

type rest struct {
	day    string // in the gate's zone
	fields []byte // to be sealed beside it; nil without any
	sealed []byte // what that gave, once it was put
}

// newDraft makes the events ready to be written, or says which cannot be recorded.
func newDraft(events []Event, zone *time.Location) (draft, error) {
	d := draft{make([]Entry, len(events)), make([]rest, len(events))}
	for i := range events {
		e, fields, err := entry.New(&events[i], zone)
		if err != nil {
			return draft{}, err
		}
		d.entries[i], d.rest[i] = e, rest{day: e.Time[:len(time.DateOnly)], fields: seal.Encode(fields)}
	}
	return d, nil
}

// number makes the records of the draft as they follow the first size entries, or says which is too large.
func (d *draft) number(size int64) error {
	for i := range d.entries {
		e := &d.entries[i]
		e.Seq = size + int64(i) + 1
		if e.Raw = e.JSON(); len(e.Raw) > entry.MaxRecord {
			return fmt.Errorf("event %s cannot be recorded: record of %d bytes: at most %d can be kept",
				e.Kind, len(e.Raw), entry.MaxRecord)
		}
	}
	return nil
}

// draftOf makes rows ready to be put once more, from an entry on.
func draftOf(rows []recentRow, seq int64, zone *time.Location) (draft, error) {
	d := draft{make([]Entry, len(rows)), make([]rest, len(rows))}
	for i, x := range rows {
		e, err := entry.Parse(seq+int64(i), x.ts, string(x.raw), zone)
		if err != nil {
			return draft{}, err
		}
		d.entries[i] = e
		d.rest[i] = rest{day: e.Time[:len(time.DateOnly)], sealed: x.sealed}
	}
	return d, nil
}
