package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"gated/register/registertest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/ledger/tlog"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// TestNoByteCanChangeUnseen changes one byte after the other, of a sample of everything that is evidence, and wants each
// found and named.
func TestNoByteCanChangeUnseen(t *testing.T) {
	dir := small(t)
	verify := func() error {
		r, err := file.OpenReader(dir)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = Verify(r, Given{})
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	c := registertest.Unlocked(t, dir)
	for _, x := range []struct {
		table, column, where string
		step                 int // every so many bytes
		named                string
	}{
		{"entry", "record", "seq = 1", 1, "entry 1"}, {"entry", "record", "seq = 254", 1, "entry 254"}, {"entry", "record", "seq = 257", 1, "entry 257"}, {"entry", "record", "seq = 258", 1, "entry 258"},
		{"tile", "data", "at = 0", 61, "tile 0/0"}, {"tile", "root", "at = 0", 1, "tile 0/0"},
		{"head", "note", "size = 255", 1, "tree head of 255"}, {"head", "note", "size = 258", 1, "tree head of 258"}, {"head", "leaves", "size = 258", 1, "tree head of 258"},
		{"entry", "sealed", "seq = 258", 1, "entry 258"}, {"segment", "day", "first = 256", 1, "entry 256"},
	} {
		var v any
		if err := c.QueryRow("SELECT " + x.column + " FROM " + x.table + " WHERE " + x.where).Scan(&v); err != nil {
			t.Fatal(x, err)
		}
		was, isBlob := v.([]byte)
		if !isBlob {
			was = []byte(v.(string))
		}
		if len(was) == 0 {
			t.Fatal(x)
		}
		put := func(b []byte, where string) {
			var v any = b
			if !isBlob {
				v = string(b)
			}
			if _, err := c.Exec("UPDATE "+x.table+" SET "+x.column+" = ? WHERE "+where, v); err != nil {
				t.Fatal(err)
			}
		}
		for i := 0; i < len(was); i += x.step {
			b := bytes.Clone(was)
			if b[i] ^= 1; b[i] == '\'' {
				b[i] ^= 3
			}
			put(b, x.where)
			err := verify()
			if err == nil || !strings.Contains(err.Error(), x.named) {
				t.Errorf("%s.%s where %s, byte %d from %q to %q: %v", x.table, x.column, x.where, i, was[i], b[i], err)
			}
			put(was, x.where)
		}
	}
	if err := verify(); err != nil {
		t.Fatal("after all was put back:", err)
	}
}

func TestWhatVerifyFindsAndNames(t *testing.T) {
	for name, x := range map[string]struct{ sql, want string }{
		"rows removed from the end":      {"DELETE FROM entry WHERE seq > 256", "entry 257 is missing"},
		"an entry too many":              {"INSERT INTO entry SELECT 259, ts, replace(record, '\"seq\":258', '\"seq\":259'), sealed FROM entry WHERE seq = 258", "entry 259: its personal data does not open"},
		"an entry removed":               {"DELETE FROM entry WHERE seq = 7", "entry 7 is missing"},
		"entries swapped":                {"UPDATE entry SET seq = -1 WHERE seq = 5; UPDATE entry SET seq = 5 WHERE seq = 6; UPDATE entry SET seq = 6 WHERE seq = -1", "entry 5"},
		"the tile removed":               {"DELETE FROM tile", "tile 0/0 is missing"},
		"a tile too many":                {"INSERT INTO tile SELECT at - (1 << 56), root, data FROM tile", "1 tiles that belong"},
		"the newest head removed":        {"DELETE FROM head WHERE size = 258", ""}, // no contradiction: what a short root or an older head is for
		"a head of another ledger":       {"UPDATE head SET note = replace(note, 'east', 'west') WHERE size = 258", "it is of the ledger"},
		"a head of more entries":         {"UPDATE head SET size = 300, note = replace(note, '258', '300') WHERE size = 258", "entry 259 is missing"},
		"a record and its tile":          {"UPDATE entry SET record = replace(record, 'alive', 'start') WHERE seq = 9; UPDATE tile SET data = zeroblob(8192)", "entry 1 was changed"},
		"sealed and not committed to":    {"UPDATE entry SET sealed = zeroblob(50) WHERE seq = 99", "entry 99: personal fields are sealed in its row that its record does not know"},
		"committed to and not sealed":    {"UPDATE entry SET sealed = NULL WHERE seq = 257", "entry 257: its record commits to personal fields, and none are sealed"},
		"a row that carries":             {"INSERT INTO carried VALUES(1, 257, 258)", "table carried: entry 258 does not carry what is left of entry 257"},
		"a segment too many":             {"INSERT INTO segment VALUES(300, '2026-11-24')", "segment \"2026-11-24\""},
		"a segment cut in two":           {"INSERT INTO segment VALUES(9, '2026-11-22')", "segment \"2026-11-22\" begins a second time with entry 9"},
		"a segment before the first":     {"INSERT INTO segment VALUES(0, '2026-11-21')", "segment \"2026-11-21\" begins with entry 0"},
		"a cosignature without its head": {"INSERT INTO cosignature VALUES(99, '— a line')", "cosignatures of tree heads that are not there"},
		"a cosignature of a stranger":    {"UPDATE head SET note = note || '— witness.example AAAAAAAAAAAA' || char(10) WHERE size = 258", "key that is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := small(t)
			c := registertest.Unlocked(t, dir)
			if _, err := c.Exec(x.sql); err != nil {
				t.Fatal(err)
			}
			r, err := file.OpenReader(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			_, err = Verify(r, Given{})
			if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
}

// TestMetaIsWhatTheEntriesSay: the name of the gate and its time zone are in no hash but that of the entries that name them.
func TestMetaIsWhatTheEntriesSay(t *testing.T) {
	for _, x := range []struct {
		name, sql, want string
		begins          ledger.Kind
	}{
		{"as it is", "", "", ledger.Start},
		{"another gate", "UPDATE meta SET value = 'West gate' WHERE key = 'gate'", `entry 259 says that the gate is "East gate", and here it is "West gate"`, ledger.Start},
		{"another zone", "UPDATE meta SET value = 'Asia/Taipei' WHERE key = 'time_zone'", `entry 259 says that the time zone is "Asia/Shanghai"`, ledger.Start},
		{"another gate before its next start", "UPDATE meta SET value = 'West gate' WHERE key = 'gate'", "entry 259", ledger.Stop},
		{"another master key", "UPDATE meta SET value = replace(value, '0', '1') WHERE key = 'master'", "the master key fits the slots of east-gate, and not what the ledger says", ledger.Start},
		{"another master key, with none here", "UPDATE meta SET value = replace(value, '0', '1') WHERE key = 'master'", "entry 259 says that the check value of the master key is", ""},
		{"no master key", "DELETE FROM meta WHERE key = 'master'", "nothing in its table meta tells its master key", ledger.Start},
		{"an epoch", "", "", ledger.Epoch},
		{"another gate in an epoch", "UPDATE meta SET value = 'West gate' WHERE key = 'gate'", "entry 1 says that the gate", ledger.Epoch},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := small(t)
			ck := &registertest.Clock{}
			ck.Set("2026-11-23 09:00:00")
			l := registertest.Open(t, dir, ck, func(o *ledger.Options) { o.Restored = x.begins == ledger.Epoch })
			if x.begins != ledger.Epoch {
				registertest.MustAppend(t, l, registertest.StartOf(l, ck))
			}
			l.Close()
			if _, err := registertest.Unlocked(t, dir).Exec(x.sql); err != nil {
				t.Fatal(err)
			}
			if x.begins == ledger.Stop { // the daemon starts with what was changed, and says so in a start entry of its own
				l := registertest.Open(t, dir, ck)
				registertest.MustAppend(t, l, registertest.StartOf(l, ck))
				l.Close()
			}
			if x.begins == "" {
				if err := os.Remove(filepath.Join(dir, "keys", "personal.key")); err != nil {
					t.Fatal(err)
				}
			}
			err := func() error {
				r, err := file.OpenReader(dir)
				if err == nil {
					defer r.Close()
					_, err = Verify(r, Given{})
				}
				return err
			}()
			if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
}

// headAt is the tree head of exactly size entries that is kept.
func headAt(t testing.TB, r *file.Reader, size int64) (h tlog.Head) {
	t.Helper()
	if err := r.Heads(func(n int64, note string, _ []byte) (err error) {
		if n == size {
			h, err = tlog.ParseHead([]byte(note))
		}
		return err
	}); err != nil || h.Note == nil {
		t.Fatalf("no tree head of %d entries (%v)", size, err)
	}
	return h
}

// TestAReplacedHistoryIsFoundFromOutside: whoever has the key can sign another history; what was carried away before
// tells.
func TestAReplacedHistoryIsFoundFromOutside(t *testing.T) {
	dir := small(t)
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	old := headAt(t, r, 255)
	key, _ := tlog.PublicKeys(dir)
	p, err := ParseShortRoot(fmt.Sprintf("255:%s", strings.ToLower(old.ShortRoot())))
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Verify(r, Given{Keys: key, Since: &old, ShortRoots: []ShortRoot{p}})
	if err != nil || rep.Since == nil || rep.OwnKey || rep.Heads != 4 || rep.Entries != 258 || rep.Personal != 8 {
		t.Errorf("got %+v, %v", rep, err)
	}
	r.Close()

	// The same gate, the same key, another history of the same size.
	other := t.TempDir()
	if err := os.CopyFS(filepath.Join(other, "keys"), os.DirFS(filepath.Join(dir, "keys"))); err != nil {
		t.Fatal(err)
	}
	os.Remove(tlog.PublicFile(other))
	os.Chmod(filepath.Join(other, "keys", "ledger.key"), 0o600)
	ck := &registertest.Clock{}
	ck.Set("2026-11-22 09:00:00")
	l := registertest.Open(t, other, ck)
	registertest.Many(t, l, ck, 300)
	l.Close()
	r, err = file.OpenReader(other)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := Verify(r, Given{Keys: key}); err != nil {
		t.Errorf("in itself it is consistent: %v", err)
	}
	if _, err := Verify(r, Given{Keys: key, Since: &old}); err == nil || !strings.Contains(err.Error(), "first 255 entries are not those") {
		t.Errorf("--since: %v", err)
	}
	if _, err := Verify(r, Given{Keys: key, ShortRoots: []ShortRoot{p}}); err == nil || !strings.Contains(err.Error(), "the handover book says") {
		t.Errorf("--short-root: %v", err)
	}
	k, _ := tlog.NewKey("east-gate")
	if _, err := Verify(r, Given{Keys: []string{k.Verifier()}}); err == nil || !strings.Contains(err.Error(), "right public key") {
		t.Errorf("another key: %v", err)
	}
}

func TestShortRootsAreReadAsWritten(t *testing.T) {
	for s, ok := range map[string]bool{
		"12:ABCDEFGHIJKLMNOP": true, "12:abcd efgh ijkl mnop": true, "12:ABCD-EFGH-IJKL-MN0P": true,
		"12:ABCDEFGHIJKLMNO": false, "x:ABCDEFGHIJKLMNOP": false, "0:ABCDEFGHIJKLMNOP": false, "12": false, "12:ABCDEFGHIJKLMNO9": false, "": false,
	} {
		if p, err := ParseShortRoot(s); (err == nil) != ok || ok && p != (ShortRoot{12, "ABCDEFGHIJKLMNOP"}) {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
}

// TestTheEmptyHeadHidesNothing: the head of no entries is printed for auditors when a key is made, so anybody may have it.
func TestTheEmptyHeadHidesNothing(t *testing.T) {
	dir := small(t)
	keys, err := tlog.ReadKeys(tlog.KeyFile(dir, 1))
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
	c := registertest.Unlocked(t, dir)
	if _, err := c.Exec("UPDATE entry SET record = replace(record, 'admit', 'adm1t') WHERE seq = 258; UPDATE head SET leaves = NULL"); err != nil {
		t.Fatal(err)
	}
	const want = "tree head of 258 entries: the records have the root"
	if _, err := verifyDir(t, dir, Given{Since: &empty}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a changed entry, with --since: %v", err)
	}
	if _, err := c.Exec("INSERT INTO head(size, note) VALUES(0, ?)", string(empty.Note)); err != nil {
		t.Fatal(err)
	}
	if _, err := verifyDir(t, dir, Given{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a changed entry, with a head of no entries in the file: %v", err)
	}
}

// TestAReplacedKeySignsNothingMore: a key is changed because somebody may have it. Whoever does must not be able to write
// another history after the change.
func TestAReplacedKeySignsNothingMore(t *testing.T) {
	ck := &registertest.Clock{}
	ck.Set("2026-11-21 08:00:00")
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 10)
	l.Close()
	old, err := tlog.ReadKeys(tlog.KeyFile(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	anew, _ := tlog.NewKey("east-gate")
	tlog.WriteKeys(tlog.KeyFile(dir, 1), anew, old[0])
	l = registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 5)
	l.Close()
	for _, k := range []*tlog.Key{old[0], anew} {
		if _, err := verifyDir(t, dir, Given{Keys: []string{k.Verifier()}}); err != nil {
			t.Errorf("untouched: %v", err)
		}
	}
	c := registertest.Unlocked(t, dir)
	h, err := reader(t, dir).Head()
	if err != nil || h.Size != 16 {
		t.Fatal(h.Size, err)
	}
	forged, err := tlog.SignHead("east-gate", 16, h.Root, old[0]) // the content does not matter
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec("UPDATE head SET note = ? WHERE size = 16", string(forged.Note)); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*tlog.Key{old[0], anew} {
		if _, err := verifyDir(t, dir, Given{Keys: []string{k.Verifier()}}); err == nil || !strings.Contains(err.Error(), "was replaced at entry 11") {
			t.Errorf("a head by the key that was replaced: %v", err)
		}
	}
}

// TestALedgerIsNotVouchedForByAnotherGate: whoever forges one can name his own key in it, and have the heads signed by himself and by
// another gate of the compound, whose key the auditor trusts.
func TestALedgerIsNotVouchedForByAnotherGate(t *testing.T) {
	ck := &registertest.Clock{}
	ck.Set("2026-11-21 08:00:00")
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 10)
	keys, err := tlog.ReadKeys(tlog.KeyFile(dir, 1)) // stands for the forger's own
	if err != nil {
		t.Fatal(err)
	}
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.KeyChange, Reason: "witness", By: "machine",
		Detail: map[string]string{"verifier": keys[0].Verifier()}})
	l.Close()
	h, err := reader(t, dir).Head()
	if err != nil {
		t.Fatal(err)
	}
	west, err := tlog.NewKey("west-gate")
	if err != nil {
		t.Fatal(err)
	}
	both, err := tlog.SignHead(h.Origin, h.Size, h.Root, keys[0], west)
	if err != nil {
		t.Fatal(err)
	}
	c := registertest.Unlocked(t, dir)
	if _, err := c.Exec("UPDATE head SET note = ? WHERE size = ?", string(both.Note), h.Size); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec("DELETE FROM head WHERE size < ?", h.Size); err != nil {
		t.Fatal(err)
	}
	os.Remove(file.AnchorOf(filepath.Join(dir, "ledger.db")))
	if _, err := verifyDir(t, dir, Given{Keys: []string{west.Verifier()}}); err == nil || !strings.Contains(err.Error(), "none of the keys given is of east-gate") {
		t.Errorf("with another gate's key: %v", err)
	}
}

// TestAWitnessCountsOnlyFromOutside: the ledger names the witnesses of its box, and whoever has the box can name himself.
func TestAWitnessCountsOnlyFromOutside(t *testing.T) {
	ck := &registertest.Clock{}
	ck.Set("2026-11-21 08:00:00")
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 10)
	for l.Head() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w, err := torchwood.NewCosignatureSigner("witness.example/w1", secret)
	if err != nil {
		t.Fatal(err)
	}
	h := *l.Head()
	cosigned, err := note.Sign(&note.Note{Text: h.Text()}, w)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(strings.TrimSuffix(string(cosigned), "\n"), "\n\n")
	if err := l.Cosign(h, w.Verifier().String(), line); err != nil {
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
	rep, err = verifyDir(t, dir, Given{Witnesses: []string{w.Verifier().String()}})
	if err != nil || rep.Witness != 10 {
		t.Fatal(rep, err)
	}
	if text := strings.Join(Proved([]*Report{rep}), "\n"); !strings.Contains(text, "saw the first 10 entries as they are here") {
		t.Errorf("a witness that was given:\n%s", text)
	}

	// It saw the older epoch of a restored box too, of which the box has no key.
	second := restore(t, dir, "ledger.db")
	registertest.Open(t, second, ck, func(o *ledger.Options) { o.Restored = true }).Close()
	reports, err := VerifyChain(filepath.Join(second, "ledger.db"), Given{Witnesses: []string{w.Verifier().String()}})
	if err != nil || reports[0].Key != "" || reports[0].Witness != 10 {
		t.Errorf("the witness of an older epoch: %+v, %v", reports, err)
	}

	// A witness that is given must have signed a head, and be another than the gate.
	path := filepath.Join(dir, "ledger.db")
	keys, _ := tlog.PublicKeys(dir)
	namesake, err := torchwood.NewCosignatureSigner("east-gate", secret)
	if err != nil {
		t.Fatal(err)
	}
	_, another, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	absent, err := torchwood.NewCosignatureSigner("witness.example/w2", another)
	if err != nil {
		t.Fatal(err)
	}
	signer, silent := w.Verifier().String(), absent.Verifier().String()
	for _, tt := range []struct {
		witnesses []string
		want      string
	}{
		{[]string{signer}, ""},
		{[]string{silent}, "witness.example/w2 signed no head of this ledger"},
		{[]string{signer, silent}, "witness.example/w2 signed no head of this ledger"},
		{keys, "the witness given is east-gate itself"},
		{[]string{signer, namesake.Verifier().String()}, "the witness given is east-gate itself"},
	} {
		_, err := VerifyChain(path, Given{Keys: keys, Witnesses: tt.witnesses})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.witnesses, err, tt.want)
		}
	}
}

// TestTheHandoverBookOfAnOlderEpoch: its lines do not say of which epoch they are.
func TestTheHandoverBookOfAnOlderEpoch(t *testing.T) {
	ck := &registertest.Clock{}
	ck.Set("2026-11-24 08:00:00")
	from := small(t)
	r, err := file.OpenReader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	old, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	dir := restore(t, from, "ledger.db", "keys/ledger.pub")
	l := registertest.Open(t, dir, ck, func(o *ledger.Options) { o.Restored = true })
	registertest.Many(t, l, ck, 300)
	l.Close()
	path := filepath.Join(dir, "ledger.db")
	g := Given{ShortRoots: []ShortRoot{{old.Size, old.ShortRoot()}}}
	reports, err := VerifyChain(path, g)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(Proved(reports), "\n")
	if !strings.Contains(text, "east-gate: nothing up to entry 258 was changed since 258:"+old.ShortRoot()) || strings.Contains(text, "the key you trust") {
		t.Error(text)
	}
	if !strings.Contains(text, "This shows that east-gate/2 is consistent, not") {
		t.Errorf("nothing was brought for the newest epoch:\n%s", text)
	}
	g.ShortRoots[0].Chars = "ABCDEFGHIJKLMNOP"
	if _, err := VerifyChain(path, g); err == nil || !strings.Contains(err.Error(), "the handover book says") {
		t.Errorf("a line of no epoch: %v", err)
	}
	keys, _ := tlog.PublicKeys(dir)
	for given, want := range map[string]string{"east-gate/2": "east-gate: the heads are signed by the key you trust", "east-gate": "east-gate/2: the key was taken from the box"} {
		g := Given{Keys: tlog.OfOrigin(keys, given)}
		reports, err := VerifyChain(path, g)
		if err != nil || !strings.Contains(strings.Join(Proved(reports), "\n"), want) {
			t.Errorf("with the key of %s: %v, %v", given, err, Proved(reports))
		}
	}
}
