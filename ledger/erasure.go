package ledger

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/ledger/seal"
)

// formatList writes entries, which are in order, as 1-3,7.
func formatList(seqs []int64) string {
	var b strings.Builder
	for i := 0; i < len(seqs); {
		from, to := seqs[i], seqs[i]
		for i++; i < len(seqs) && seqs[i] == to+1; i++ {
			to++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(from, 10))
		if to > from {
			b.WriteString("-" + strconv.FormatInt(to, 10))
		}
	}
	return b.String()
}

// parseList reads what formatList writes.
func parseList(s string) (seqs []int64, err error) {
	bad := fmt.Errorf("%q is not a list of at most %d entries", s[:min(len(s), 100)], EraseAtOnce)
	for _, run := range strings.Split(s, ",") {
		first, last, more := strings.Cut(run, "-")
		from, err := strconv.ParseInt(first, 10, 64)
		to := from
		if err == nil && more {
			to, err = strconv.ParseInt(last, 10, 64)
		}
		if err != nil || from < 1 || to < from || to-from >= EraseAtOnce-int64(len(seqs)) {
			return nil, bad
		}
		for ; from <= to; from++ {
			seqs = append(seqs, from)
		}
	}
	if !slices.IsSorted(seqs) || formatList(seqs) != s {
		return nil, bad
	}
	return seqs, nil
}

// erasure is what an erase entry says.
type erasure struct {
	epoch int        // of the entries
	seqs  []int64    // in order
	said  seal.Place // where the erase entry is
}

// erasureOf reads an erase entry with its personal fields, of a ledger of that epoch. ok is false where they cannot be read.
func erasureOf(e *Entry, own int) (x erasure, ok bool, err error) {
	x = erasure{epoch: own, said: seal.Place{Epoch: own, Seq: e.Seq}}
	if s := e.Detail["epoch"]; s != "" {
		if x.epoch, err = strconv.Atoi(s); err != nil || x.epoch < 1 || x.epoch > own {
			return x, false, fmt.Errorf("entry %d: erased in epoch %q", e.Seq, s)
		}
	}
	list := e.Personally(listField)
	if list == "" {
		return x, false, nil
	}
	if x.seqs, err = parseList(list); err != nil {
		err = fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return x, err == nil, err
}

// erasures calls f for what the erase entries after a seq say, in order.
func erasures(c *conn, zone *time.Location, o *opener, after int64, f func(x erasure, readable bool) error) error {
	var found []int64
	if err := c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		found = append(found, seq)
		return nil
	}, `SELECT seq FROM entry WHERE seq > ? AND instr(record, '"kind":"erase"') ORDER BY seq`, after); err != nil {
		return err
	}
	for _, seq := range found {
		err := c.scan(zone, seq, seq, o, func(e *Entry) error {
			if e.Kind != Erase { // the words stand in a text of it
				return nil
			}
			x, ok, err := erasureOf(e, o.epoch)
			if err != nil {
				return err
			}
			return f(x, ok)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// clear writes zeros over the slots of what was erased, in whichever epoch, and over those of the entries that carried what
// was left of it before.
func (l *Ledger) clear(x erasure) error {
	for epoch := x.epoch; epoch <= x.said.Epoch; epoch++ {
		seqs, err := l.carriers(epoch, x)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the epoch was taken away
		}
		if err != nil {
			return err
		}
		if epoch == x.epoch {
			seqs = append(seqs, x.seqs...)
			slices.Sort(seqs)
			seqs = slices.Compact(seqs)
		}
		if len(seqs) == 0 {
			continue
		}
		if w := l.slots.Load(); epoch == w.Epoch {
			err = w.Erase(seqs)
		} else if err = l.clearAside(epoch, seqs, x.said); err != nil {
			err = asideError{err}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// carriers lists the entries of an epoch that carried what was left of those that are erased, before the erase entry.
func (l *Ledger) carriers(epoch int, x erasure) (seqs []int64, err error) {
	path, before := l.path, int64(1<<62)
	if epoch == x.said.Epoch {
		before = x.said.Seq
	}
	if epoch != l.slots.Load().Epoch {
		path = EpochFile(l.opt.Dir, epoch)
	}
	r, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	err = r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		at, _ := v[1].(int64)
		if _, ok := slices.BinarySearch(x.seqs, seq); ok {
			seqs = append(seqs, at)
		}
		return nil
	}, "SELECT seq, at FROM carried WHERE epoch = ? AND seq BETWEEN ? AND ? AND at < ?",
		int64(x.epoch), x.seqs[0], x.seqs[len(x.seqs)-1], before)
	return seqs, err
}

// clearAside writes zeros over slots of an older epoch.
func (l *Ledger) clearAside(epoch int, seqs []int64, said seal.Place) error {
	files, err := slotsAside(EpochFile(l.opt.Dir, epoch))
	if err == nil {
		err = l.opt.inject("erase")
	}
	if err == nil {
		err = files.Erase(seqs)
	}
	if err == nil {
		err = files.Mark(said)
	}
	if err == nil {
		err = l.opt.inject("erased")
	}
	return errors.Join(err, files.Close())
}

// slotsAside opens the slots of an older epoch for writing.
func slotsAside(path string) (seal.Files, error) {
	r, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	files, _, err := seal.OpenFiles(seal.Stem(path), r.Meta.whose(), os.O_RDWR)
	return files, errors.Join(err, r.Close())
}

// carryOut does what erase entries say and a crash, or an older copy of the slots, left undone.
func (l *Ledger) carryOut(c *conn, m Meta, size int64) error {
	w := l.slots.Load()
	own := &opener{epoch: m.Epoch, files: w.Files, seals: *l.seals}
	do := func(x erasure, readable bool) error {
		if !readable {
			l.opt.Log.Error("an erase entry cannot be read, as its slot is lost: what it names may still be readable", "entry", x.said.Seq)
			return nil
		}
		err := l.clear(x)
		if errors.As(err, new(asideError)) {
			l.postpone(x)
			err = nil
		}
		return err
	}
	l.mu.Lock()
	l.undone = nil // they are found again
	l.mu.Unlock()
	if err := erasures(c, l.zone.Load(), own, w.Files.Done().Seq, do); err != nil {
		return err
	}
	for _, n := range aside(l.opt.Dir, m.Epoch) {
		if err := l.carryOutAside(c, own, n, do); err != nil {
			l.opt.Log.Warn("erasures in an older epoch are not carried out; the next start tries again",
				"ledger", filepath.Base(EpochFile("", n)), "cause", err)
		}
	}
	if len(l.postponed()) > 0 {
		l.pending.Store(true)
		return nil
	}
	l.pending.Store(false)
	return w.Mark(seal.Place{Epoch: m.Epoch, Seq: size})
}

// carryOutAside is carryOut for an older epoch whose slots know of no erasure in the current one: it ended just now, or its
// slots were restored.
func (l *Ledger) carryOutAside(c *conn, own *opener, n int, do func(erasure, bool) error) error {
	files, err := slotsAside(EpochFile(l.opt.Dir, n))
	if err != nil || len(files) == 0 || !files.Done().Before(seal.Place{Epoch: own.epoch, Seq: 0}) {
		return errors.Join(err, files.Close())
	}
	from := files.Done()
	ours := func(x erasure, readable bool) error {
		if x.epoch != n {
			return nil
		}
		return do(x, readable)
	}
	for epoch := from.Epoch; epoch < own.epoch && err == nil; epoch++ {
		after := int64(0)
		if epoch == from.Epoch {
			after = from.Seq
		}
		var r *Reader
		if r, err = OpenFile(EpochFile(l.opt.Dir, epoch)); errors.Is(err, fs.ErrNotExist) {
			err = nil
			continue
		} else if err == nil {
			err = errors.Join(erasures(r.c, r.Zone, r.personal(), after, ours), r.Close())
		}
	}
	if err == nil {
		err = erasures(c, l.zone.Load(), own, 0, ours)
	}
	if err == nil {
		err = files.Mark(seal.Place{Epoch: own.epoch, Seq: 0})
	}
	return errors.Join(err, files.Close())
}
