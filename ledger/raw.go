package ledger

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gated/ledger/tlog"
)

// What a verification reads: the rows as they are, of which it believes nothing.

// Path is the name of the file.
func (r *Reader) Path() string { return r.path }

// Snapshot lets f read one state of a ledger that may be growing.
func (r *Reader) Snapshot(f func() error) error {
	if err := r.c.exec("SAVEPOINT snapshot"); err != nil {
		return err
	}
	return errors.Join(f(), r.c.exec("RELEASE snapshot"))
}

// Rows calls f for each of the entries from..to, in order; all of them must be there. ts is the time that the row has, in
// µs since 1970.
func (r *Reader) Rows(from, to int64, f func(seq, ts int64, record string) error) error {
	return r.c.rows(from, to, f)
}

// Heads calls f for each tree head that is kept, the oldest first. leaves are the hashes that were in no full tile yet,
// where they are kept with it.
func (r *Reader) Heads(f func(size int64, note string, leaves []byte) error) error {
	return r.c.query(func(v []driver.Value) error {
		size, _ := v[0].(int64)
		leaves, _ := v[2].([]byte)
		return f(size, text(v[1]), bytes.Clone(leaves))
	}, "SELECT size, note, leaves FROM head ORDER BY size")
}

// FullTile reads a tile that must be there.
func (r *Reader) FullTile(level int, n int64) (tlog.Tile, error) {
	t := tlog.Tile{Level: level, N: n}
	err := r.c.query(func(v []driver.Value) error {
		root, _ := v[0].([]byte)
		data, _ := v[1].([]byte)
		if len(root) != tlog.HashSize || len(data) != tlog.TileWidth*tlog.HashSize {
			return fmt.Errorf("tile %d/%d was changed: it has %d bytes and a root of %d", level, n, len(data), len(root))
		}
		t.Root, t.Data = tlog.Hash(root), bytes.Clone(data)
		return nil
	}, "SELECT root, data FROM tile WHERE at = ?", tileAt(level, n))
	if err == nil && t.Data == nil {
		err = fmt.Errorf("tile %d/%d is missing", level, n)
	}
	return t, err
}

// FullTiles counts the tiles that are kept.
func (r *Reader) FullTiles() (int64, error) { return r.c.number("SELECT count(*) FROM tile") }

// PersonalState tells of the personal fields of an entry.
type PersonalState struct {
	Commitment       string // what their hashes come to, as a record has it
	Readable, Erased int64
}

// PersonalStates reads the personal fields of the entries from..to, each of which must be what its hash says. Of an
// entry without any there is none.
func (r *Reader) PersonalStates(from, to int64) (map[int64]PersonalState, error) {
	rows := map[int64][]personalRow{}
	if err := r.personalRows(from, to, rows); err != nil {
		return nil, err
	}
	states := make(map[int64]PersonalState, len(rows))
	for seq, own := range rows {
		s := PersonalState{Commitment: commitment(own)}
		for i := range own {
			if own[i].erased {
				s.Erased++
			} else {
				s.Readable++
			}
		}
		states[seq] = s
	}
	return states, nil
}

// PersonalRows counts the personal fields that are kept, erased ones too.
func (r *Reader) PersonalRows() (int64, error) { return r.c.number("SELECT count(*) FROM personal") }

// ParseEntry reads a record back and checks that it is what its row says it is.
func ParseEntry(seq, ts int64, record string, zone *time.Location) (Entry, error) {
	return parse(seq, ts, record, zone)
}

// Skim reads of a record what verifying needs: its seq, its time in µs and its commitment to personal fields ("" without).
// ok is false where the record is not in the form that gated writes; then ParseEntry says what it is.
func Skim(record string) (seq, ts int64, personal string, ok bool) { return skim(record) }

// SameBox compares the name of the gate and its time zone, which stand outside the records, with what a start or the first
// entry of an epoch says of them. Those of older versions say nothing.
func (e *Entry) SameBox(gate, zone string) error {
	if e.Kind != Start && e.Kind != Epoch {
		return nil
	}
	for _, x := range []struct{ key, what, has string }{{"gate", "gate", gate}, {"time_zone", "time zone", zone}} {
		if said, ok := e.Detail[x.key]; ok && said != x.has {
			return fmt.Errorf("entry %d says that the %s is %q, and here it is %q: that was changed", e.Seq, x.what, said, x.has)
		}
	}
	return nil
}

// NamedKeys are the keys that an entry says sign from there on, or have signed up to there.
func NamedKeys(record []byte) (keys []string) {
	if !bytes.Contains(record, []byte(`"kind":"`+KeyChange+`"`)) {
		return nil
	}
	var r Record
	if json.Unmarshal(record, &r) != nil || r.Kind != KeyChange {
		return nil
	}
	for _, k := range []string{r.Detail["verifier"], r.Detail["was"]} {
		if _, err := tlog.NewVerifier(k); err == nil {
			keys = append(keys, k)
		}
	}
	return keys
}
