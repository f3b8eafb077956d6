package lane

import (
	"time"

	"gated/gate/device"
	"gated/ledger"
)

// ScannerState takes what its scanner says of itself.
func (l *Lane) ScannerState(up bool, state, cause string) {
	now := l.all.opt.Now().Time
	l.update(func() { l.scanner.Became(up, state, cause, now) })
}

// CardReaderState takes what its ID card reader says of itself.
func (l *Lane) CardReaderState(up bool, cause string) {
	now := l.all.opt.Now().Time
	l.update(func() { l.cards.Became(up, "", cause, now) })
}

// ScannerDropped says on the page, for a moment, that what the scanner sent was no whole code: whoever held it up waits for an answer.
func (l *Lane) ScannerDropped(cause string) {
	l.update(func() { l.dropped, l.droppedAt, l.front = cause, time.Now(), "" })
}

// RecordDevices records the scanners and card readers that went up or down since their newest entries.
func (a *Lanes) RecordDevices(now ledger.Stamp) {
	for _, l := range a.list {
		for _, d := range []*device.Device{&l.scanner, &l.cards} {
			l.mu.Lock()
			ev, told, some := d.Due(now)
			l.mu.Unlock()
			if ev.Lane, ev.Direction, ev.By = l.ID, l.Direction, byMachine; some && a.opt.Writing.Note(ev) {
				l.mu.Lock()
				told()
				l.mu.Unlock()
			}
		}
	}
}
