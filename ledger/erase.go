package ledger

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// EraseAtOnce is how many entries are erased in one transaction: people wait at the gate meanwhile.
const EraseAtOnce = 500

// byCutOff is the reason of an erase entry that takes the place of one that was never written: in an older epoch.
const byCutOff = "cut-off"

// ErrNothingErased: there was nothing, or nothing left, to erase.
var ErrNothingErased = errors.New("nothing to erase")

// Erased is what an erasure came to in one epoch.
type Erased struct {
	Epoch   int     // 0: the current one
	Entries int     // that lost fields
	Fields  int64   // erased
	First   int64   // the oldest of the entries
	Last    int64   // the newest
	Records []int64 // the erase entries, of the current epoch
}

// Add adds what another erasure came to in the same epoch.
func (d *Erased) Add(o Erased) {
	if d.First == 0 || o.First != 0 && o.First < d.First {
		d.First = o.First
	}
	d.Last = max(d.Last, o.Last)
	d.Entries, d.Fields, d.Records = d.Entries+o.Entries, d.Fields+o.Fields, append(d.Records, o.Records...)
}

// Erase erases the personal data of entries of an epoch (0: the current one), salts and values, and records that it did:
// ev is the erase entry without its moment and numbers. The hashes stay, and every proof with them. The entries are in
// order. Many of them go in chunks with an erase entry each, so that passages are answered in between; an erasure that
// fails on the way says with its error what was erased until then.
func (l *Ledger) Erase(epoch int, seqs []int64, ev Event) (done Erased, err error) {
	return l.erase(epoch, seqs, "", ev)
}

// EraseField is Erase for one field of one entry.
func (l *Ledger) EraseField(epoch int, seq int64, field string, ev Event) (Erased, error) {
	return l.erase(epoch, []int64{seq}, field, ev)
}

func (l *Ledger) erase(epoch int, seqs []int64, field string, ev Event) (done Erased, err error) {
	if !slices.IsSorted(seqs) {
		return done, errors.New("erase: the entries must be in order")
	}
	l.erasing.Lock()
	defer l.erasing.Unlock()
	chunk := l.eraseChunk
	if epoch != 0 && epoch != l.Meta().Epoch {
		done.Epoch = epoch
		chunk = func(seqs []int64, field string, ev Event) (Erased, error) {
			return l.eraseAside(epoch, seqs, field, ev)
		}
	}
	for seqs := range slices.Chunk(seqs, EraseAtOnce) {
		var part Erased
		part, err = chunk(seqs, field, ev)
		if done.Add(part); err != nil {
			break
		}
	}
	return done, errors.Join(err, l.swept(done))
}

// among selects the fields of some entries that are not erased.
const among = "seq IN (SELECT value FROM json_each(?1)) AND value IS NOT NULL AND ?2 IN ('', field)"

func list(seqs []int64) string { b, _ := json.Marshal(seqs); return string(b) }

// lose counts the entries and fields among some that are there to be erased.
func (c *conn) lose(seqs []int64, field string) (done Erased, err error) {
	if done.Fields, err = c.number("SELECT count(*) FROM personal WHERE "+among, list(seqs), field); err == nil && done.Fields > 0 {
		done.Entries, done.First, done.Last = len(seqs), seqs[0], seqs[len(seqs)-1]
	}
	return done, err
}

// said is the erase entry with its numbers.
func (d *Erased) said(ev Event) Event {
	ev.Detail = maps.Clone(ev.Detail)
	if ev.Detail == nil {
		ev.Detail = map[string]string{}
	}
	for k, v := range map[string]int64{"first": d.First, "last": d.Last, "entries": int64(d.Entries), "fields": d.Fields} {
		ev.Detail[k] = strconv.FormatInt(v, 10)
	}
	if d.Epoch != 0 {
		ev.Detail["epoch"] = strconv.Itoa(d.Epoch)
	}
	return ev
}

// eraseChunk erases fields of the entries and records it, in one transaction.
func (l *Ledger) eraseChunk(seqs []int64, field string, ev Event) (done Erased, err error) {
	err = l.do(func() error {
		if done, err = l.c.lose(seqs, field); err != nil || done.Fields == 0 {
			return err
		}
		e := done.said(ev)
		e.Stamp = l.opt.Now()
		entries, err := l.enter(func() error {
			return cmp.Or(l.c.exec("PRAGMA user_version = 1"), l.c.exec("UPDATE personal SET salt = NULL, value = NULL WHERE "+among, list(seqs), field))
		}, e)
		if err != nil {
			done = Erased{}
			return err
		}
		done.Records = []int64{entries[0].Seq}
		l.remains = append(l.remains, spans(seqs)...)
		l.traces.Store(true)
		return l.checkpoint("PASSIVE")
	})
	return done, err
}

// elsewhere tells whether an erasure was one in an older epoch: first and last are entries of that.
func (e *Entry) elsewhere() bool { return e.Detail["epoch"] != "" }

// swept removes what is left of erased fields in the files.
func (l *Ledger) swept(done Erased) error {
	if done.Fields == 0 {
		return nil
	}
	if done.Epoch != 0 {
		clean, err := l.sweepAside()
		if err == nil && !clean {
			l.opt.Log.Info("what was erased still stands in the write-ahead log of an older epoch, as somebody is reading: it is overwritten once they have ended")
		}
		return err
	}
	for clean, held := false, false; !clean && !held; {
		if err := l.do(func() (err error) { clean, err = l.clean(); held = l.held; return err }); err != nil {
			return err
		}
	}
	return nil // where somebody is reading the writer goes on by itself
}

// Readable lists the entries from..to that still have personal data, at most limit of them, without it; next is where to
// go on, to+1 at the end.
func (r *Reader) Readable(from, to int64, limit int) (found []Entry, next int64, err error) {
	err = r.query("seq IN (SELECT DISTINCT seq FROM personal WHERE seq BETWEEN ? AND ? AND value IS NOT NULL ORDER BY seq LIMIT ?)", func(e *Entry) error {
		found = append(found, *e)
		return nil
	}, from, to, int64(limit))
	if err != nil {
		return nil, 0, fmt.Errorf("look for personal data: %w", err)
	}
	if next = to + 1; len(found) == limit {
		next = found[limit-1].Seq + 1
	}
	return found, next, nil
}
