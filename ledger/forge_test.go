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
	if _, err := reader(t, dir).Verify(Given{}); err == nil || !strings.Contains(err.Error(), "entry 5 was changed") {
		t.Errorf("verify: %v", err)
	}
	if err := c.exec("UPDATE entry SET record = replace(record, char(10) || (SELECT ts FROM entry WHERE seq = 5) || ' ', char(10))"); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Records(1, 258, func([]byte) error { return nil }); err == nil || !strings.Contains(err.Error(), "entry 5 is not a record of one line") {
		t.Errorf("records: %v", err)
	}
}

func TestAKeyThatLiesElsewhereIsChangedThere(t *testing.T) {
	dir := small(t)
	os.Remove(tlog.KeyFile(dir, 1))
	if _, err := RotateKey(dir); err == nil || !strings.Contains(err.Error(), "is a credential") {
		t.Error(err)
	}
}

// TestLinesAreTheEntries: a line each, in order, and whatever is not so is named.
func TestLinesAreTheEntries(t *testing.T) {
	for name, x := range map[string]struct{ sql, want string }{
		"an entry removed":               {"DELETE FROM entry WHERE seq = 5", "entry 5 is missing"},
		"the last one removed":           {"DELETE FROM entry WHERE seq = 258", "entry 258 is missing"},
		"two in the row of one":          {"UPDATE entry SET record = record || char(10) || (SELECT record FROM entry WHERE seq = 6) WHERE seq = 5; DELETE FROM entry WHERE seq = 6", "entry 5 is not a record of one line"},
		"two in one row, and one is two": {"UPDATE entry SET record = record || char(10) || (SELECT record FROM entry WHERE seq = 6) WHERE seq = 5", "entry 5 is not a record of one line"},
		"a line behind the last":         {"UPDATE entry SET record = record || char(10) WHERE seq = 258", "entry 258 is not a record of one line"},
		"two swapped":                    {"UPDATE entry SET record = replace(record, '\"seq\":5,', '\"seq\":6,') WHERE seq = 5", "entry 5 is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := small(t)
			want := ""
			r := reader(t, dir)
			lines := func() (got string, err error) {
				err = r.Records(1, 258, func(b []byte) error { got += string(b); return nil })
				return got, err
			}
			if err := r.Scan(1, 258, false, func(e *Entry) error { want += string(e.Raw) + "\n"; return nil }); err != nil {
				t.Fatal(err)
			}
			if got, err := lines(); err != nil || got != want {
				t.Errorf("as it is: %v, %d bytes, want %d", err, len(got), len(want))
			}
			if err := unlocked(t, dir).exec(x.sql); err != nil {
				t.Fatal(err)
			}
			if _, err := lines(); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v, want %s", err, x.want)
			}
		})
	}
}
