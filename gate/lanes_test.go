package gate

import (
	"testing"

	"gated/register"
)

// What scanners and card readers say of themselves is on the page at once, and in the ledger within a second or so.
func TestTheGateTakesWhatDevicesSayOfThemselves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.g.ScannerState("roof", true, "online", "") // no such lane
	s.g.ScannerDropped("roof", "timeout")
	s.g.CardReaderState("roof", true, "")
	s.g.ScannerState("out", true, "online", "")
	s.g.ScannerDropped("out", "timeout")
	s.g.CardReaderState("out", false, "no-answer")
	if v := s.g.View().Lanes; v[0].Up || !v[1].Up || v[1].Scanner != "online" || v[1].Dropped != "timeout" || v[1].CardReader != "no-answer" {
		t.Errorf("the page shows %+v", v)
	}
	until(t, "the entries of both", func() bool {
		told := map[string]bool{}
		for _, e := range s.records() {
			if e.Kind == register.Scanner {
				told[e.Lane+" "+e.Detail["device"]+" "+e.Reason] = true
			}
		}
		return len(told) == 2 && told["out  up"] && told["out card-reader down"]
	})
}
