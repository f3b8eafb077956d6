package ledger

import (
	"errors"
	"fmt"
)

// fail puts the ledger into fault. What a failed commit has left behind is unknown: SQLite may have written it whole.
// So the connection is given up, and the records are kept to be compared when the file is read again.
func (l *Ledger) fail(cause error, unknown []Entry) {
	if l.c != nil {
		l.c.Close() // its error changes nothing: the file is read again before it is trusted
		l.c = nil
	}
	if u := (unknownError{}); errors.As(cause, &u) {
		unknown = u.entries
	}
	for i := range unknown {
		l.unknown = append(l.unknown, unknown[i].Raw)
	}
	f := &Fault{Since: l.opt.Now().Time, Cause: cause.Error(), Unknown: len(l.unknown)}
	if old := l.fault.Load(); old != nil {
		f.Since = old.Since
	}
	l.fault.Store(f)
	l.tell(f)
}

// tell tells of a fault that begins or changes.
func (l *Ledger) tell(f *Fault) {
	l.opt.Log.Error("ledger-fault: nothing is recorded and nothing opens but the emergency key; trying again", "cause", f.Cause, "path", l.path, "unknown", f.Unknown)
	if l.opt.OnChange != nil {
		l.opt.OnChange(f)
	}
}

// recover tries to open and verify the ledger again, and makes the first entry say what happened meanwhile.
func (l *Ledger) recover() {
	old := l.fault.Load()
	before, last, unknown := l.size, l.last, len(l.unknown)
	if err := l.openFile(); err != nil {
		l.size, l.last = before, last // what follows is to be looked at again
		if err.Error() != old.Cause { // log a cause once, not at every try
			l.fail(err, nil)
		}
		return
	}
	now, zone := l.opt.Now(), l.zone.Load()
	var kept []Entry
	if unknown > 0 {
		if err := scan(l.c, zone, before+1, l.size, true, func(e *Entry) error { kept = append(kept, *e); return nil }); err != nil {
			l.size, l.last = before, last
			l.fail(err, nil)
			return
		}
	}
	// Their fate is known now. The first commit that succeeds tells it.
	l.follow(kept)
	l.unknown, l.doubted, l.kept = nil, l.doubted+unknown, append(l.kept, kept...)
	if err := l.firstOfEpoch(); err != nil {
		l.fail(err, nil)
		return
	}
	unknown, found := l.doubted, len(l.kept)
	events := []Event{{Stamp: now, Kind: Outage, Reason: "ledger-fault", By: "machine", Detail: map[string]string{
		"from": old.Since.In(zone).Format(timeFormat), "to": now.Time.In(zone).Format(timeFormat),
		"unknown": fmt.Sprint(unknown), "kept": fmt.Sprint(found)}}}
	if l.opt.Recovered != nil {
		events = append(events, l.opt.Recovered(l.kept, now)...)
	}
	if _, err := l.enter(nil, events...); err != nil {
		l.fail(err, nil)
		return
	}
	l.doubted, l.kept = 0, nil
	if err := l.rotate(); err != nil {
		l.fail(err, nil)
		return
	}
	l.fault.Store(nil)
	l.opt.Log.Info("the ledger works again", "entries", l.size, "unknown", unknown, "kept", found)
	if l.opt.OnChange != nil {
		l.opt.OnChange(nil)
	}
}
