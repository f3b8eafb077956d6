package ledger

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unlocked opens the ledger of a state directory as somebody would who means to change it.
func unlocked(t testing.TB, dir string) *conn {
	t.Helper()
	c, err := connect("file:" + filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var triggers []string
	if err := c.query(func(v []driver.Value) error { triggers = append(triggers, text(v[0])); return nil }, "SELECT name FROM sqlite_schema WHERE type = 'trigger'"); err != nil {
		t.Fatal(err)
	}
	for _, name := range triggers {
		if err := c.exec("DROP TRIGGER " + name); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// small is a ledger of two days, more than one tile, personal fields and three heads.
func small(t testing.TB) string {
	ck := &clock{}
	ck.set("2026-11-22 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	many(t, l, ck, 253)
	mustAppend(t, l, passage(ck, "a", "in", "admit")...)
	ck.set("2026-11-23 08:00:00")
	mustAppend(t, l, passage(ck, "b", "in", "admit")...)
	mustAppend(t, l, register(ck, "b", "in", "admit", "resident"))
	l.Close()
	return dir
}

// TestNoByteCanChangeUnseen changes one byte after the other, of a sample of everything that is evidence, and wants each
// found and named.
func TestNoByteCanChangeUnseen(t *testing.T) {
	dir := small(t)
	verify := func() error {
		r, err := OpenReader(dir)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = r.Verify(Given{})
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	c := unlocked(t, dir)
	for _, x := range []struct {
		table, column, where string
		step                 int // every so many bytes
		named                string
	}{
		{"entry", "record", "seq = 1", 1, "entry 1"}, {"entry", "record", "seq = 254", 1, "entry 254"}, {"entry", "record", "seq = 257", 1, "entry 257"}, {"entry", "record", "seq = 258", 1, "entry 258"},
		{"tile", "data", "at = 0", 61, "tile 0/0"}, {"tile", "root", "at = 0", 1, "tile 0/0"},
		{"head", "note", "size = 255", 1, "tree head of 255"}, {"head", "note", "size = 258", 1, "tree head of 258"}, {"head", "leaves", "size = 258", 1, "tree head of 258"},
		{"personal", "value", "seq = 258 AND field = 'subject'", 1, "entry 258"}, {"personal", "salt", "seq = 258 AND field = 'subject'", 1, "entry 258"}, {"personal", "hash", "seq = 257 AND field = 'name'", 1, "entry 257"},
		{"segment", "day", "first = 256", 1, "entry 256"}, {"personal", "field", "seq = 257 AND field = 'name'", 1, "entry 257"},
	} {
		var was []byte
		isText := false
		if err := c.query(func(v []driver.Value) error { was = []byte(text(v[0])); _, isText = v[0].(string); return nil }, "SELECT "+x.column+" FROM "+x.table+" WHERE "+x.where); err != nil || len(was) == 0 {
			t.Fatal(x, err, len(was))
		}
		put := func(b []byte, where string) {
			var v any = b
			if isText {
				v = string(b)
			}
			if err := c.exec("UPDATE "+x.table+" SET "+x.column+" = ? WHERE "+where, v); err != nil {
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
			if x.column == "field" {
				put(was, fmt.Sprintf("seq = 257 AND field = '%s'", b))
			} else {
				put(was, x.where)
			}
		}
	}
	if err := verify(); err != nil {
		t.Fatal("after all was put back:", err)
	}
}

func TestWhatVerifyFindsAndNames(t *testing.T) {
	for name, x := range map[string]struct{ sql, want string }{
		"rows removed from the end":   {"DELETE FROM entry WHERE seq > 256; DELETE FROM personal WHERE seq > 256", "entry 257 is missing"},
		"an entry too many":           {"INSERT INTO entry SELECT 259, ts, replace(record, '\"seq\":258', '\"seq\":259') FROM entry WHERE seq = 258", "entry 259: its personal fields"},
		"an entry removed":            {"DELETE FROM entry WHERE seq = 7", "entry 7 is missing"},
		"entries swapped":             {"UPDATE entry SET seq = -1 WHERE seq = 5; UPDATE entry SET seq = 5 WHERE seq = 6; UPDATE entry SET seq = 6 WHERE seq = -1", "entry 5"},
		"the tile removed":            {"DELETE FROM tile", "tile 0/0 is missing"},
		"a tile too many":             {"INSERT INTO tile SELECT at - (1 << 56), root, data FROM tile", "1 tiles that belong"},
		"the newest head removed":     {"DELETE FROM head WHERE size = 258", ""}, // no contradiction: what a paper or an older head is for
		"a head of another ledger":    {"UPDATE head SET note = replace(note, 'east', 'west') WHERE size = 258", "it is of the ledger"},
		"a head of more entries":      {"UPDATE head SET size = 300, note = replace(note, '258', '300') WHERE size = 258", "entry 259 is missing"},
		"a record and its tile":       {"UPDATE entry SET record = replace(record, 'alive', 'start') WHERE seq = 9; UPDATE tile SET data = zeroblob(8192)", "entry 1 was changed"},
		"a personal row of none":      {"INSERT INTO personal SELECT 99, field, salt, value, hash FROM personal LIMIT 1", "entry 99"},
		"a segment too many":          {"INSERT INTO segment VALUES(300, '2026-11-24')", "segment \"2026-11-24\""},
		"a segment cut in two":        {"INSERT INTO segment VALUES(9, '2026-11-22')", "segment \"2026-11-22\" begins a second time with entry 9"},
		"a segment before the first":  {"INSERT INTO segment VALUES(0, '2026-11-21')", "segment \"2026-11-21\" begins with entry 0"},
		"a cosignature of a stranger": {"UPDATE head SET note = note || '— witness.example AAAAAAAAAAAA' || char(10) WHERE size = 258", "key that is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := small(t)
			c := unlocked(t, dir)
			if err := c.exec(x.sql); err != nil {
				t.Fatal(err)
			}
			r, err := OpenReader(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			_, err = r.Verify(Given{})
			if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
}

// startOf is the start entry as the gate writes it.
func startOf(l *Ledger) Event {
	m := l.Meta()
	return Event{Stamp: l.opt.Now(), Kind: Start, By: "machine", Detail: map[string]string{"gate": m.Gate, "time_zone": m.TimeZone}}
}

// TestMetaIsWhatTheEntriesSay: the name of the gate and its time zone are in no hash but that of the entries that name them.
func TestMetaIsWhatTheEntriesSay(t *testing.T) {
	for _, x := range []struct {
		name, sql, want string
		begins          Kind
	}{
		{"as it is", "", "", Start},
		{"another gate", "UPDATE meta SET value = 'West gate' WHERE key = 'gate'", `entry 259 says that the gate is "East gate", and here it is "West gate"`, Start},
		{"another zone", "UPDATE meta SET value = 'Asia/Taipei' WHERE key = 'time_zone'", `entry 259 says that the time zone is "Asia/Shanghai"`, Start},
		{"another gate before its next start", "UPDATE meta SET value = 'West gate' WHERE key = 'gate'", "entry 259", Stop},
		{"an epoch", "", "", Epoch},
		{"another gate in an epoch", "UPDATE meta SET value = 'West gate' WHERE key = 'gate'", "entry 1 says that the gate", Epoch},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := small(t)
			ck := &clock{}
			ck.set("2026-11-23 09:00:00")
			opt := options(dir, ck)
			opt.Restored = x.begins == Epoch
			l, err := Open(opt)
			if err != nil || l.Fault() != nil {
				t.Fatal(err, l.Fault())
			}
			if x.begins != Epoch {
				mustAppend(t, l, startOf(l))
			}
			l.Close()
			if err := unlocked(t, dir).exec(x.sql); err != nil {
				t.Fatal(err)
			}
			if x.begins == Stop { // the daemon starts with what was changed, and says so in a start entry of its own
				l := open(t, dir, ck)
				mustAppend(t, l, startOf(l))
				l.Close()
			}
			_, err = verifyDir(t, dir, Given{})
			if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
}

// TestAReplacedHistoryIsFoundFromOutside: whoever has the key can sign another history; what was carried away before
// tells.
func TestAReplacedHistoryIsFoundFromOutside(t *testing.T) {
	dir := small(t)
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	old, err := r.HeadAt(255)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := PublicKeys(dir)
	p, err := ParsePaper(fmt.Sprintf("255:%s", strings.ToLower(old.Paper())))
	if err != nil {
		t.Fatal(err)
	}
	rep, err := r.Verify(Given{Keys: key, Since: &old, Papers: []Paper{p}})
	if err != nil || rep.Since == nil || rep.OwnKey || rep.Heads != 2 || rep.Entries != 258 || rep.Personal != 8 {
		t.Errorf("got %+v, %v", rep, err)
	}
	r.Close()

	// The same gate, the same key, another history of the same size.
	other := t.TempDir()
	if err := os.CopyFS(filepath.Join(other, "keys"), os.DirFS(filepath.Join(dir, "keys"))); err != nil {
		t.Fatal(err)
	}
	os.Remove(publicFile(other))
	os.Chmod(filepath.Join(other, "keys", "ledger.key"), 0o600)
	ck := &clock{}
	ck.set("2026-11-22 09:00:00")
	l := open(t, other, ck)
	many(t, l, ck, 300)
	l.Close()
	r, err = OpenReader(other)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Verify(Given{Keys: key}); err != nil {
		t.Errorf("in itself it is consistent: %v", err)
	}
	if _, err := r.Verify(Given{Keys: key, Since: &old}); err == nil || !strings.Contains(err.Error(), "first 255 entries are not those") {
		t.Errorf("--since: %v", err)
	}
	if _, err := r.Verify(Given{Keys: key, Papers: []Paper{p}}); err == nil || !strings.Contains(err.Error(), "the paper says") {
		t.Errorf("--paper: %v", err)
	}
	k, _ := NewKey("east-gate")
	if _, err := r.Verify(Given{Keys: []string{k.public}}); err == nil || !strings.Contains(err.Error(), "right public key") {
		t.Errorf("another key: %v", err)
	}
}

func TestPapersAreReadAsWritten(t *testing.T) {
	for s, ok := range map[string]bool{
		"12:ABCDEFGHIJKLMNOP": true, "12:abcd efgh ijkl mnop": true, "12:ABCD-EFGH-IJKL-MN0P": true,
		"12:ABCDEFGHIJKLMNO": false, "x:ABCDEFGHIJKLMNOP": false, "0:ABCDEFGHIJKLMNOP": false, "12": false, "12:ABCDEFGHIJKLMNO9": false, "": false,
	} {
		if p, err := ParsePaper(s); (err == nil) != ok || ok && p != (Paper{12, "ABCDEFGHIJKLMNOP"}) {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
}
