package ledger

import (
	"os"
	"strings"
	"testing"
)

// verifyDir verifies the ledger of a state directory.
func verifyDir(t testing.TB, dir string, g Given) (*Report, error) {
	t.Helper()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return r.Verify(g)
}

// TestTheEmptyHeadHidesNothing: the head of no entries is printed for auditors when a key is made, so anybody may have it.
func TestTheEmptyHeadHidesNothing(t *testing.T) {
	dir := small(t)
	keys, err := ReadKeys(keyFile(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := keys[0].Empty()
	if err != nil {
		t.Fatal(err)
	}
	rep, err := verifyDir(t, dir, Given{Since: &empty})
	if err != nil || rep.Since == nil {
		t.Errorf("an untouched ledger: %+v, %v", rep, err)
	}
	if text := strings.Join(Proved([]*Report{rep}), "\n"); !strings.Contains(text, "not that its whole history was never replaced") {
		t.Errorf("a head of no entries proves nothing about them:\n%s", text)
	}
	c := unlocked(t, dir)
	if err := c.exec("UPDATE entry SET record = replace(record, 'admit', 'adm1t') WHERE seq = 258; UPDATE head SET leaves = NULL"); err != nil {
		t.Fatal(err)
	}
	const want = "tree head of 258 entries: the records have the root"
	if _, err := verifyDir(t, dir, Given{Since: &empty}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a changed entry, with --since: %v", err)
	}
	if err := c.exec("INSERT INTO head(size, note) VALUES(0, ?)", string(empty.Note)); err != nil {
		t.Fatal(err)
	}
	if _, err := verifyDir(t, dir, Given{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a changed entry, with a head of no entries in the file: %v", err)
	}
}

// TestARowHoldsOneRecord: two records in one row read as the same lines.
func TestARowHoldsOneRecord(t *testing.T) {
	dir := small(t)
	c := unlocked(t, dir)
	if err := c.exec("UPDATE entry SET record = record || char(10) || (SELECT ts || ' ' || record FROM entry WHERE seq = 6) WHERE seq = 5; DELETE FROM entry WHERE seq = 6"); err != nil {
		t.Fatal(err)
	}
	if _, err := verifyDir(t, dir, Given{}); err == nil || !strings.Contains(err.Error(), "entry 5 was changed") {
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

// TestAReplacedKeySignsNothingMore: a key is changed because somebody may have it. Whoever does must not be able to write
// another history after the change.
func TestAReplacedKeySignsNothingMore(t *testing.T) {
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	many(t, l, ck, 10)
	l.Close()
	old, err := ReadKeys(keyFile(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	anew, _ := NewKey("east-gate")
	WriteKeys(keyFile(dir, 1), anew, old[0])
	l = open(t, dir, ck)
	many(t, l, ck, 5)
	l.Close()
	for _, k := range []*Key{old[0], anew} {
		if _, err := verifyDir(t, dir, Given{Keys: []string{k.public}}); err != nil {
			t.Errorf("untouched: %v", err)
		}
	}
	c := unlocked(t, dir)
	h, err := c.head(1 << 62)
	if err != nil || h.Size != 16 {
		t.Fatal(h.Size, err)
	}
	forged, err := signHead("east-gate", 16, h.Root, old[0]) // the content does not matter
	if err != nil {
		t.Fatal(err)
	}
	if err := c.exec("UPDATE head SET note = ? WHERE size = 16", string(forged.Note)); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Key{old[0], anew} {
		if _, err := verifyDir(t, dir, Given{Keys: []string{k.public}}); err == nil || !strings.Contains(err.Error(), "was replaced at entry 11") {
			t.Errorf("a head by the key that was replaced: %v", err)
		}
	}
}

// TestAWitnessCountsOnlyFromOutside: the ledger names the witnesses of its box, and whoever has the box can name himself.
func TestAWitnessCountsOnlyFromOutside(t *testing.T) {
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	many(t, l, ck, 10)
	signNow(t, l)
	w := newFakeWitness(t, "witness.example/w1")
	h := *l.Head()
	if err := l.Cosign(h, w.key, strings.TrimSuffix(w.sign(headText(h.Origin, h.Size, h.Root), 1700000000), "\n")); err != nil {
		t.Fatal(err)
	}
	l.Close()
	rep, err := verifyDir(t, dir, Given{})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(Proved([]*Report{rep}), "\n")
	if !strings.Contains(text, "by its own word") || !strings.Contains(text, "--witness") || !strings.Contains(text, "not that its whole history was never replaced") {
		t.Errorf("a witness that only the box names:\n%s", text)
	}
	rep, err = verifyDir(t, dir, Given{Witnesses: []string{w.key}})
	if err != nil || rep.Witness != 10 {
		t.Fatal(rep, err)
	}
	if text := strings.Join(Proved([]*Report{rep}), "\n"); !strings.Contains(text, "saw the first 10 entries as they are here") {
		t.Errorf("a witness that was given:\n%s", text)
	}
}

func TestAKeyThatLiesElsewhereIsChangedThere(t *testing.T) {
	dir := small(t)
	os.Remove(keyFile(dir, 1))
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
