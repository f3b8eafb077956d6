package ledger

import (
	"os"
	"strings"
	"testing"

	"gated/ledger/tlog"
)

// TestARowHoldsOneRecord: two records in one row read as the same lines.
func TestARowHoldsOneRecord(t *testing.T) {
	dir := small(t)
	c := unlocked(t, dir)
	if err := c.exec("UPDATE entry SET record = record || char(10) || (SELECT ts || ' ' || record FROM entry WHERE seq = 6) WHERE seq = 5; DELETE FROM entry WHERE seq = 6"); err != nil {
		t.Fatal(err)
	}
	if _, err := verifyReader(reader(t, dir), Given{}); err == nil || !strings.Contains(err.Error(), "entry 5") {
		t.Errorf("verify: %v", err)
	}
}

func TestAKeyThatLiesElsewhereIsChangedThere(t *testing.T) {
	dir := small(t)
	os.Remove(tlog.KeyFile(dir, 1))
	if _, err := RotateKey(dir); err == nil || !strings.Contains(err.Error(), "is a credential") {
		t.Error(err)
	}
}
