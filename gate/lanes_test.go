package gate

import (
	"testing"
	"time"

	"gated/gate/device"
	"gated/register"
)

// What the ledger says of a scanner does not depend on whether a page shows it, nor on a state that comes and goes within
// one look: the entry names the cause of the fall that it tells of.
func TestTheLedgerTellsOfADeviceAsItIs(t *testing.T) {
	s := newSite(t)
	s.stop() // the gate's own looks, each second
	<-s.ended
	l := s.g.lanes["out"]
	s.g.ScannerState("roof", true, "online", "") // no such lane
	s.g.ScannerDropped("roof", "timeout")
	s.g.CardReaderState("roof", true, "")
	s.g.ScannerState("out", true, "online", "")
	s.g.recordDevices(s.g.clock.Now())
	s.g.ScannerState("out", false, "backoff", "hang-up")
	l.scanner.RecordedAt = time.Now().Add(-device.Every)
	// It falls again while the entry of the first fall is written.
	s.inject = func(op string) error {
		s.inject = nil
		s.g.ScannerState("out", true, "online", "")
		s.g.ScannerState("out", false, "absent", "absent")
		return nil
	}
	s.g.recordDevices(s.g.clock.Now())
	l.scanner.RecordedAt = time.Now().Add(-device.Every)
	s.g.recordDevices(s.g.clock.Now())
	var got []string
	for _, e := range s.records() {
		if e.Kind == register.Scanner {
			got = append(got, e.Lane+" "+e.Reason+" "+e.Detail["cause"]+e.Detail["downs"])
		}
	}
	if len(got) != 3 || got[0] != "out up " || got[1] != "out down hang-up" || got[2] != "out down absent" {
		t.Errorf("got entries %q", got)
	}
}
