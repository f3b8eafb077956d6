package evidence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/ledger"
	"gated/ledger/file"
	"gated/ledger/tlog"
	"gated/register/registertest"
)

// threeEpochs has a first epoch that holds, a second one that was cut, and a third that says so. keys are those of each.
func threeEpochs(t *testing.T) (dir string, keys [3][]string) {
	t.Helper()
	ck := &registertest.Clock{}
	ck.Set("2026-11-24 08:00:00")
	dir = small(t)
	begin := func(o *ledger.Options) { o.Begin = &ledger.Begin{By: "root", Why: "the gate was moved"} }
	l := registertest.Open(t, dir, ck, begin)
	registertest.Many(t, l, ck, 20)
	l.Close()
	if _, err := registertest.Unlocked(t, dir).Exec("DELETE FROM entry WHERE seq > 15"); err != nil {
		t.Fatal(err)
	}
	l = registertest.Open(t, dir, ck, begin)
	registertest.Many(t, l, ck, 20)
	l.Close()
	known, err := tlog.PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, origin := range []string{"east-gate", "east-gate/2", "east-gate/3"} {
		if keys[i] = tlog.OfOrigin(known, origin); len(keys[i]) != 1 {
			t.Fatal(origin, known)
		}
	}
	return dir, keys
}

// changeEpoch changes an older epoch, as somebody would who has the box.
func changeEpoch(t *testing.T, dir string, epoch int, change string, args ...any) {
	t.Helper()
	there := t.TempDir()
	if err := os.Symlink(file.OfEpoch(dir, epoch), filepath.Join(there, "ledger.db")); err != nil {
		t.Fatal(err)
	}
	c := registertest.Unlocked(t, there)
	if _, err := c.Exec(change, args...); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// rewriteFirst writes another first epoch, signs it with a fresh key, and has the second epoch vouch for both.
func rewriteFirst(t *testing.T, dir string, was string) {
	t.Helper()
	root := func(size int64) (h tlog.Hash) {
		r, err := file.OpenFile(file.OfEpoch(dir, 1))
		if err == nil {
			h, err = tlog.RootAt(r, size)
			r.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	before := root(258)
	changeEpoch(t, dir, 1, "UPDATE entry SET record = replace(record, 'admit', 'refuse') WHERE seq = 258; DELETE FROM head")
	if root(258) == before {
		t.Fatal("nothing was changed")
	}
	anew, err := tlog.NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{255, 258} { // the first day's last one, and the newest
		h, err := tlog.SignHead("east-gate", size, root(size), anew)
		if err != nil {
			t.Fatal(err)
		}
		changeEpoch(t, dir, 1, "INSERT INTO head(size, note) VALUES(?, ?)", size, string(h.Note))
	}
	os.Remove(file.AnchorOf(file.OfEpoch(dir, 1)))
	changeEpoch(t, dir, 2, "UPDATE entry SET record = replace(replace(record, ?, ?), ?, ?) WHERE seq = 1", was, anew.Verifier(),
		before.String(), root(258).String())
}

// TestAnEpochThatCountsForNothingVouchesForNone: its first entry names the key and the root of the one before, and whoever has the box
// can have written it.
func TestAnEpochThatCountsForNothingVouchesForNone(t *testing.T) {
	t.Parallel()
	dir, keys := threeEpochs(t)
	path := filepath.Join(dir, "ledger.db")
	for i, want := range []string{"", "signs no epoch that holds", ""} {
		_, err := VerifyChain(path, Given{Keys: keys[i]})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("untouched, with the key of epoch %d: %v", i+1, err)
		}
	}
	rewriteFirst(t, dir, keys[0][0])
	for i, want := range []string{"is it the right public key?", "signs no epoch that holds", ""} {
		reports, err := VerifyChain(path, Given{Keys: keys[i]})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("forged, with the key of epoch %d: %v", i+1, err)
		}
		if err == nil && !reports[0].OwnKey {
			t.Errorf("with the key of epoch %d, the first one counts as signed by a key that is trusted:\n%s", i+1,
				strings.Join(Proved(reports), "\n"))
		}
	}
}

// TestAKeyProvesNothingWhereNoHeadIsSigned: who deletes the tree heads of a short ledger can write in it what he likes, and the key
// that the auditor brought has nothing to say about it.
func TestAKeyProvesNothingWhereNoHeadIsSigned(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	ck.Set("2026-11-24 08:00:00")
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 20)
	l.Close()
	path := filepath.Join(dir, "ledger.db")
	keys, err := tlog.ReadKeys(tlog.KeyFile(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	own := keys[0].Verifier()
	if _, err := VerifyChain(path, Given{Keys: []string{own}}); err != nil {
		t.Fatal(err)
	}
	c := registertest.Unlocked(t, dir)
	if _, err := c.Exec("UPDATE entry SET record = replace(record, 'admit', 'refuse'); DELETE FROM head"); err != nil {
		t.Fatal(err)
	}
	os.Remove(file.AnchorOf(path))
	if _, err := VerifyChain(path, Given{}); err != nil {
		t.Errorf("without a key, it fits itself: %v", err)
	}
	other, err := tlog.NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	west, err := tlog.NewKey("west-gate")
	if err != nil {
		t.Fatal(err)
	}
	const want = "east-gate: no tree head is there that the key given signs"
	for _, k := range []string{own, other.Verifier(), west.Verifier()} {
		if _, err := VerifyChain(path, Given{Keys: []string{k}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no head, with the key %s: %v", k, err)
		}
	}
	// Nor does the head of no entries say anything about them, which anybody may have.
	empty, err := keys[0].Empty()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec("INSERT INTO head(size, note) VALUES(0, ?)", string(empty.Note)); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyChain(path, Given{Keys: []string{own}}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("with a head of no entries: %v", err)
	}
}

// TestTheKeyOfAnOlderEpochDoesNotStandInForTheNewest: who brought the keys of both is told where one of them signs nothing.
func TestTheKeyOfAnOlderEpochDoesNotStandInForTheNewest(t *testing.T) {
	t.Parallel()
	dir, keys := threeEpochs(t)
	path := filepath.Join(dir, "ledger.db")
	if _, err := registertest.Unlocked(t, dir).Exec("DELETE FROM head"); err != nil {
		t.Fatal(err)
	}
	os.Remove(file.AnchorOf(path))
	if _, err := VerifyChain(path, Given{Keys: keys[0]}); err != nil {
		t.Errorf("with the key of the first epoch alone: %v", err)
	}
	const want = "east-gate/3: no tree head is there that the key given signs"
	if _, err := VerifyChain(path, Given{Keys: append(keys[0], keys[2]...)}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("with the keys of the first and the third: %v", err)
	}
}
