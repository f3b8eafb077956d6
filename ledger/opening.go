package ledger

import (
	"bytes"
	"crypto/sha256"
	"database/sql/driver"
	"fmt"
	"os"
	"time"

	"gated/ledger/tlog"
)

// openFile opens the database, checks that it is this ledger and that its newest entries are what they claim.
func (l *Ledger) openFile() (err error) {
	if err := l.opt.inject("open"); err != nil {
		return fmt.Errorf("open %s: %w", l.path, err)
	}
	anew := Meta{Gate: l.opt.Gate, Origin: l.opt.Origin, TimeZone: l.opt.TimeZone, Machine: l.opt.Machine, Epoch: 1}
	st, missing := os.Stat(l.path)
	gone := missing != nil || st.Size() == 0
	ended, next, err := l.ended()
	if err != nil {
		return err
	}
	if ended > 0 && !next {
		anew.Epoch, anew.Origin = ended+1, epochOrigin(l.opt.Origin, ended+1)
	} else if gone && l.opt.Restored && !l.begun {
		return fmt.Errorf("%w: there is no ledger that was restored: put the copy in place as %s, or start without --restored", errSettings, l.path)
	} else if known := max(l.size, l.opt.Known); gone && (known > 0 || next) {
		// It must not be replaced by an empty one that looks well, nor by another history under the same name and key.
		had := "a key of its own"
		if known > 0 {
			had = fmt.Sprintf("%d entries", known)
		}
		return fmt.Errorf("%s is gone, and it had %s: restore it from the backup; only to begin a new ledger, move index.db, keys/ledger.pub and keys/ledger.key in %s away as well",
			l.path, had, l.opt.Dir)
	}
	log := fileSize(l.path + "-wal")
	c, err := openWriter(l.path, anew)
	if err != nil {
		return fmt.Errorf("open %s: %w", l.path, err)
	}
	defer func() {
		if err != nil && c != nil {
			c.Close()
		}
	}()
	m, err := c.meta()
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	zone, err := time.LoadLocation(m.TimeZone)
	if err != nil {
		return fmt.Errorf("%s: time zone %q: %w", l.path, m.TimeZone, err)
	}
	if m.TimeZone != l.opt.TimeZone {
		l.opt.Log.Warn("the ledger keeps the time zone it was created with", "ledger", m.TimeZone, "settings", l.opt.TimeZone)
	}
	if want := epochOrigin(l.opt.Origin, m.Epoch); m.Origin != want {
		return fmt.Errorf("%w: %s belongs to the gate %q, they name %q: correct gate.origin, or use another state directory", errSettings, l.path, m.Origin, want)
	}
	l.zone.Store(zone)
	entries, err := c.number("SELECT coalesce(max(seq), 0) FROM entry")
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if why := l.restored(m, entries); why != "" {
		if err := l.retire(c, m, zone); err != nil {
			return fmt.Errorf("%s must begin a new epoch (%s): %w", l.path, why, err)
		}
		c, l.begun = nil, true
		return l.openFile()
	}
	if l.segments, err = c.segments(); err != nil {
		return err
	}
	if err := l.loadKeys(m); err != nil {
		return err
	}
	if err := verifyTail(c, zone, tail); err != nil {
		return fmt.Errorf("%s: %w: keep the file and call the maintainer", l.path, err)
	}
	if err := l.openTree(c, m); err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if err := l.compare(c); err != nil {
		return fmt.Errorf("%s: %w: keep the file and call the maintainer", l.path, err)
	}
	if err := l.findEnd(c, entries); err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if err := l.unclean(c, log); err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	for _, s := range []struct {
		st *driver.Stmt
		q  string
	}{
		{&l.begin, "BEGIN IMMEDIATE"}, {&l.commit, "COMMIT"},
	} {
		if *s.st, err = c.prepare(s.q); err != nil {
			return err
		}
	}
	l.entry, l.personal, l.segment = newInsert("entry", 3), newInsert("personal", 5), newInsert("segment", 2)
	l.tile = newInsert("tile", 3)
	l.c, l.meta = c, m
	l.says.Store(&m)
	l.unswept.Store(m.Epoch > 1) // until somebody has looked
	return nil
}

// compare checks, after a fault, that what was durable before is still there and that what was unknown
// is there as it was, whole, or not at all.
func (l *Ledger) compare(c *conn) error {
	if l.size == 0 {
		return nil
	}
	raw, err := c.one("SELECT record FROM entry WHERE seq = ?", l.size)
	if err != nil {
		return err
	}
	if sha256.Sum256([]byte(raw)) != l.last {
		return fmt.Errorf("entry %d was recorded before the fault and is not there any more", l.size)
	}
	more, err := c.number("SELECT count(*) FROM entry WHERE seq > ?", l.size)
	if err != nil {
		return err
	}
	if more != 0 && more != int64(len(l.unknown)) {
		return fmt.Errorf("%d entries after %d, where the failed commit had %d: someone else has written", more, l.size, len(l.unknown))
	}
	i := 0
	return c.query(func(v []driver.Value) error {
		if text(v[1]) != string(l.unknown[i]) {
			return fmt.Errorf("entry %d is not what the failed commit wrote: someone else has written", v[0])
		}
		i++
		return nil
	}, "SELECT seq, record FROM entry WHERE seq > ? ORDER BY seq", l.size)
}

// findEnd takes note of the newest entry.
func (l *Ledger) findEnd(c *conn, size int64) error {
	last := [32]byte{}
	if size > 0 {
		raw, err := c.one("SELECT record FROM entry WHERE seq = ?", size)
		if err != nil {
			return err
		}
		last = sha256.Sum256([]byte(raw))
	}
	l.size, l.last = size, last
	l.entries.Store(size)
	l.m.entries.Set(float64(size))
	return nil
}

// verifyTail reads the newest n entries and checks that they follow each other, are well formed, and are the leaves that
// the tiles hold.
func verifyTail(c *conn, zone *time.Location, n int64) error {
	size, err := c.number("SELECT coalesce(max(seq), 0) FROM entry")
	if err != nil {
		return err
	}
	first := max(size-n+1, 1)
	next := first
	var leaves []byte // of the full tile that the entry is in
	err = scan(c, zone, first, size, true, func(e *Entry) error {
		if e.Seq != next {
			return fmt.Errorf("entry %d is missing", next)
		}
		next++
		leaf := e.Seq - 1
		if leaf/tlog.TileWidth == size/tlog.TileWidth {
			return nil // in no full tile yet: the tree is made of it
		}
		if leaves == nil {
			if leaves, err = c.ReadTile(0, leaf/tlog.TileWidth, tlog.TileWidth); err != nil {
				return err
			}
		}
		h, at := tlog.LeafHash(e.Raw), leaf%tlog.TileWidth*tlog.HashSize
		if !bytes.Equal(h[:], leaves[at:at+tlog.HashSize]) {
			return fmt.Errorf("entry %d is not the one in its tile: one of them was changed", e.Seq)
		}
		if leaf%tlog.TileWidth == tlog.TileWidth-1 {
			leaves = nil
		}
		return nil
	})
	if err == nil && next != size+1 {
		err = fmt.Errorf("entry %d is missing", next)
	}
	return err
}
