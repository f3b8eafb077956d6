package register

import (
	"testing"
	"time"
)

// What a commit that failed has left is taken back, as the lane was told that nothing opened; but an opening by the
// emergency key did happen.
func TestCorrectionsLeaveTheEmergencyKeyAlone(t *testing.T) {
	t.Parallel()
	at := Stamp{Time: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)}
	kept := []Entry{
		{Record: Record{Seq: 1, Kind: Check, Passage: "a", Lane: "in"}},
		{Record: Record{Seq: 2, Kind: Query, Passage: "a", Lane: "in"}},
		{Record: Record{Seq: 3, Kind: Decided, Passage: "a", Lane: "in", Verdict: "admit"}},
		{Record: Record{Seq: 4, Kind: Opening, Passage: "b", Lane: "out", Verdict: "admit", Reason: "emergency-key"}},
		{Record: Record{Seq: 5, Kind: Decided, Passage: "c", Lane: "out", Verdict: "admit", By: "unauthenticated"}},
	}
	got := new(Register).Recovered(kept, at)
	if len(got) != 2 || got[0].Ref != 3 || got[0].Verdict != "refuse" || got[1].Ref != 5 || got[1].Verdict != "hold" {
		t.Errorf("got %+v, want entry 3 refused and entry 5 on hold again", got)
	}
}
