package ledger

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"gated/durable"
	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/medium"
	"gated/ledger/tlog"
)

// fail puts the ledger into fault. What a failed commit has left behind is unknown: SQLite may have written it whole.
// So the connection is given up, and the records are kept to be compared when the file is read again.
func (l *Ledger) fail(cause error, unknown []Entry) {
	if l.c != nil {
		// Its error changes nothing: the file is read again before it is trusted.
		if l.opt.credulous {
			l.c.Close()
		} else {
			l.c.Leave()
		}
		l.c = nil
	}
	if l.anchor != nil {
		l.anchor.Close()
		l.anchor = nil
	}
	if u := (unknownError{}); errors.As(cause, &u) {
		unknown = u.entries
	}
	for i := range unknown {
		l.unknown = append(l.unknown, unknown[i].Raw)
	}
	f := &Fault{Since: l.opt.Now().Time, Cause: cause.Error(), Unknown: len(l.unknown)}
	if old := l.fault.Load(); old != nil {
		f.Since = old.Since
	}
	l.fault.Store(f)
	l.tell(f)
}

// tell tells of a fault that begins or changes.
func (l *Ledger) tell(f *Fault) {
	l.opt.Log.Error("ledger-fault: nothing is recorded and nothing opens but the emergency key; trying again",
		"cause", f.Cause, "path", l.path, "unknown", f.Unknown)
	if l.opt.OnChange != nil {
		l.opt.OnChange(f)
	}
}

// recover tries to open and verify the ledger again, and makes the first entry say what happened meanwhile.
func (l *Ledger) recover() {
	old := l.fault.Load()
	before, last, unknown := l.size, l.last, len(l.unknown)
	if err := l.openFile(); err != nil {
		l.size, l.last = before, last // what follows is to be looked at again
		if err.Error() != old.Cause { // log a cause once, not at every try
			l.fail(err, nil)
		}
		return
	}
	now, zone := l.opt.Now(), l.zone.Load()
	var kept []Entry
	if unknown > 0 {
		var err error
		if kept, err = l.written(before + 1); err != nil {
			l.size, l.last = before, last
			l.fail(err, nil)
			return
		}
	}
	// Their fate is known now. The first commit that succeeds tells it.
	l.follow(kept)
	l.unknown, l.doubted, l.kept = nil, l.doubted+unknown, append(l.kept, kept...)
	if err := l.firstOfEpoch(); err != nil {
		l.fail(err, nil)
		return
	}
	unknown, found := l.doubted, len(l.kept)
	events := []Event{{Stamp: now, Kind: Outage, Reason: "ledger-fault", By: "machine", Detail: map[string]string{
		"from": old.Since.In(zone).Format(entry.TimeFormat), "to": now.Time.In(zone).Format(entry.TimeFormat),
		"unknown": fmt.Sprint(unknown), "kept": fmt.Sprint(found)}}}
	if l.opt.Recovered != nil {
		events = append(events, l.opt.Recovered(l.kept, now)...)
	}
	if _, err := l.enter(events...); err != nil {
		l.fail(err, nil)
		return
	}
	l.doubted, l.kept = 0, nil
	if err := l.rotate(); err != nil {
		l.fail(err, nil)
		return
	}
	l.fault.Store(nil)
	l.readOn()
	l.opt.Log.Info("the ledger works again", "entries", l.size, "unknown", unknown, "kept", found)
	if l.opt.OnChange != nil {
		l.opt.OnChange(nil)
	}
}

// written are the entries from one on, with their personal fields.
func (l *Ledger) written(from int64) (entries []Entry, err error) {
	r, err := file.OpenReader(l.opt.Dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	err = r.Scan(from, l.size, true, func(e *Entry) error { entries = append(entries, *e); return nil })
	return entries, err
}

// fromMedium makes the page cache show what the disk has: all of the log, and of the database what is not in use.
func (l *Ledger) fromMedium() error {
	if l.opt.credulous {
		return nil
	}
	for name, read := range map[string]func(path string) error{
		l.path:                medium.Drop,
		l.path + "-wal":       l.trust,
		file.AnchorOf(l.path): l.trust,
	} {
		if err := read(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read from the medium: %w", err)
		}
	}
	return nil
}

func (l *Ledger) trust(path string) error {
	stale, err := medium.Trust(path)
	if stale > 0 {
		l.opt.Log.Warn("the page cache showed what the disk never got", "path", path, "bytes", stale)
	}
	return err
}

// compare checks, after a fault, that what was durable before is still there as it was, and that what was unknown is there
// as it was, whole, or not at all. It returns what was durable and is not on the medium, where that is known.
func (l *Ledger) compare(c *file.Conn, entries int64) (lost []recentRow, err error) {
	if l.size == 0 {
		return nil, nil
	}
	if entries < l.size {
		var ok bool
		if lost, ok = l.recent.cut(entries); !ok {
			return nil, fmt.Errorf("entry %d was recorded before the fault and is not there any more", l.size)
		}
	}
	if end := min(entries, l.size); len(l.recent.rows) > 0 {
		if _, err := c.Rows(l.recent.first, end, true, func(row file.Row) error {
			if x := l.recent.rows[row.Seq-l.recent.first]; string(x.raw) != row.Record || !bytes.Equal(x.sealed, row.Sealed) {
				return fmt.Errorf("entry %d was recorded before the fault and is not there any more", row.Seq)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if entries < l.size {
		return lost, nil
	}
	raw, err := c.Record(l.size)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256([]byte(raw)) != l.last {
		return nil, fmt.Errorf("entry %d was recorded before the fault and is not there any more", l.size)
	}
	if root, err := tlog.RootAt(c, l.size); err != nil {
		return nil, err
	} else if l.durable != nil && root != l.durable.Root() {
		return nil, fmt.Errorf("the entries up to %d are not those that were recorded before the fault", l.size)
	}
	return nil, l.compareUnknown(c, entries-l.size)
}

func (l *Ledger) compareUnknown(c *file.Conn, more int64) error {
	if more != 0 && more != int64(len(l.unknown)) {
		return fmt.Errorf("%d entries after %d, where the failed commit had %d: someone else has written", more, l.size, len(l.unknown))
	}
	_, err := c.Rows(l.size+1, l.size+more, false, func(row file.Row) error {
		if row.Record != string(l.unknown[row.Seq-l.size-1]) {
			return fmt.Errorf("entry %d is not what the failed commit wrote: someone else has written", row.Seq)
		}
		return nil
	})
	return err
}

// appendAgain appends what the medium lacks, as it was, with its tree heads. known is how many entries there were.
func (l *Ledger) appendAgain(lost []recentRow, known int64) error {
	row, err := l.c.Head(1 << 62)
	if err != nil {
		return err
	}
	l.rowed = row.Size // a newer one is lost, too
	l.known = true
	defer func() { l.known = false }()
	l.opt.Log.Error("the disk has lost entries that were recorded: they are appended again as they were", "from", l.size+1, "to", known)
	last, durable := sha256.Sum256(lost[len(lost)-1].raw), l.durable
	for rows := range slices.Chunk(lost, file.MaxBatch) {
		d, err := draftOf(rows, l.size+1, l.zone.Load())
		if err != nil {
			return err
		}
		if err := l.put([]*request{{draft: d}}); err != nil {
			return err
		}
	}
	if l.size != known || l.last != last || durable != nil && l.tree.Root() != durable.Root() {
		return fmt.Errorf("the entries up to %d are not those that were recorded before the fault", known)
	}
	return nil
}

// putAside moves a file that cannot be opened out of the way.
func (l *Ledger) putAside(why error) error {
	aside := l.path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z")
	l.opt.Log.Error("the disk has nothing that could be opened: the ledger is written anew from memory, "+
		"and the file is kept for the maintainer to look at", "err", why, "path", aside)
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(l.path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return durable.SyncDir(l.opt.Dir)
}

// readOn reads, once the ledger works again, what stands before its end, as the medium has it. What is wrong there does not
// heal. Where the disk does not let it be read three times, the ledger stays in fault until it does.
func (l *Ledger) readOn() {
	if !l.reading.CompareAndSwap(false, true) {
		return
	}
	size := l.size
	l.work.Go(func() {
		defer l.reading.Store(false)
		var err error
		for try := 0; try < 3; try++ {
			if err = l.readUpTo(size); errors.Is(err, ErrClosed) {
				return
			} else if err == nil {
				l.unread.Store(0)
				return
			}
			medium.Drop(l.path) // its error is that of the next try
		}
		l.do(func() error {
			err := fmt.Errorf("read %s after a fault: %w", l.path, err)
			if f := new(file.Finding); errors.As(err, &f) || l.unread.Add(1) == 3 {
				l.broken = err
			}
			return err
		})
	})
}

// stillBroken says whether what was found after a fault stays. A finding does; what could not be read is read again, so that a
// disk that lets itself be read once more needs no restart.
func (l *Ledger) stillBroken() error {
	if l.broken == nil || errors.As(l.broken, new(*file.Finding)) {
		return l.broken
	}
	if err := l.readUpTo(l.size); err != nil {
		return fmt.Errorf("read %s after a fault: %w", l.path, err)
	}
	l.broken = nil
	l.unread.Store(0)
	return nil
}

// readUpTo compares the first entries with their tiles.
func (l *Ledger) readUpTo(size int64) error {
	r, err := file.OpenReader(l.opt.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	t := &tlog.Tree{}
	for from := int64(1); from <= size; from += tlog.TileWidth {
		select {
		case <-l.quit:
			return ErrClosed
		default:
		}
		var full []tlog.Tile
		if err := r.Records(from, min(size, from+tlog.TileWidth-1), func(record string) error {
			full = append(full, t.Push(tlog.LeafHash([]byte(record)))...)
			return nil
		}); err != nil {
			return err
		}
		for _, x := range full {
			kept, err := r.FullTile(x.Level, x.N)
			if err != nil {
				return err
			}
			if kept.Root != x.Root || !bytes.Equal(kept.Data, x.Data) {
				return file.Found("tile %d/%d is not made of its entries: something was lost or changed", x.Level, x.N)
			}
		}
		time.Sleep(time.Millisecond) // passages go first
	}
	return nil
}
