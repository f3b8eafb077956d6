package device

import (
	"testing"
	"time"

	"gated/ledger"
)

// A device that falls again while the entry of its first fall is written is told of once more.
func TestAFallDuringTheEntryIsNotLost(t *testing.T) {
	t.Parallel()
	var d Device
	now := time.Now()
	d.Became(true, "online", "", now)
	_, told, _ := d.Due(ledger.Stamp{})
	told()
	if _, _, some := d.Due(ledger.Stamp{}); some {
		t.Error("told of twice")
	}
	d.Became(false, "backoff", "hang-up", now)
	if _, _, some := d.Due(ledger.Stamp{}); some {
		t.Error("told of too soon after the last")
	}
	d.RecordedAt = d.RecordedAt.Add(-Every)
	ev, told, some := d.Due(ledger.Stamp{})
	if !some || ev.Reason != "down" || ev.Detail["cause"] != "hang-up" {
		t.Fatalf("%t, %+v", some, ev)
	}
	d.Became(true, "online", "", now)
	d.Became(false, "absent", "absent", now)
	d.Became(true, "online", "", now)
	told()
	d.RecordedAt = d.RecordedAt.Add(-Every)
	if ev, _, some = d.Due(ledger.Stamp{}); !some || ev.Reason != "up" || ev.Detail["cause"] != "absent" {
		t.Errorf("of the second fall: %t, %+v", some, ev)
	}
}
