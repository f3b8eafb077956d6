package ledger

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"time"

	"gated/ledger/tlog"
)

// migrations bring a ledger from format i to i+1, all that are missing in one transaction; a new ledger goes through
// every one of them. One that was released is never changed: testdata holds a ledger of each older format.
var migrations = []func(c *conn, m Meta) error{format1, format2, format3}

func (c *conn) migrate(from int, m Meta) error {
	for format := from; format < len(migrations); format++ {
		if err := migrations[format](c, m); err != nil {
			return fmt.Errorf("format %d: %w", format+1, err)
		}
	}
	return nil
}

// format reads the number of the format alone: the rest of meta may be of another one.
func (c *conn) format() (int, error) {
	s, err := c.one("SELECT value FROM meta WHERE key = 'format'")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("format %q: not a gated ledger", s)
	}
	if n > len(migrations) {
		return 0, fmt.Errorf("format %d, this gated writes %d: %s", n, len(migrations), otherFormat(n))
	}
	return n, nil
}

// format1: entries are only ever added. The triggers refuse the rest even to someone at the sqlite3 prompt, until that
// someone drops them.
func format1(c *conn, m Meta) error {
	err := c.exec(`
CREATE TABLE meta(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entry(seq INTEGER NOT NULL PRIMARY KEY, ts INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE TABLE segment(first INTEGER NOT NULL PRIMARY KEY, day TEXT NOT NULL) STRICT;
CREATE TABLE personal(seq INTEGER NOT NULL, field TEXT NOT NULL, salt BLOB, value TEXT, hash BLOB NOT NULL, PRIMARY KEY(seq, field)) STRICT, WITHOUT ROWID;
CREATE TRIGGER entry_gapless BEFORE INSERT ON entry WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entry)
	BEGIN SELECT raise(ABORT, 'entry: seq must be the next one'); END;
CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry BEGIN SELECT raise(ABORT, 'entry: nothing is ever changed'); END;
CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry BEGIN SELECT raise(ABORT, 'entry: nothing is ever removed'); END;
CREATE TRIGGER segment_no_update BEFORE UPDATE ON segment BEGIN SELECT raise(ABORT, 'segment: nothing is ever changed'); END;
CREATE TRIGGER segment_no_delete BEFORE DELETE ON segment BEGIN SELECT raise(ABORT, 'segment: nothing is ever removed'); END;
CREATE TRIGGER personal_only_erased BEFORE UPDATE ON personal WHEN NEW.seq IS NOT OLD.seq OR NEW.field IS NOT OLD.field OR NEW.hash IS NOT OLD.hash OR NEW.salt IS NOT NULL OR NEW.value IS NOT NULL
	BEGIN SELECT raise(ABORT, 'personal: a field can only be erased, salt and value together'); END;
CREATE TRIGGER personal_no_delete BEFORE DELETE ON personal BEGIN SELECT raise(ABORT, 'personal: its hash stays'); END;
CREATE TRIGGER meta_no_update BEFORE UPDATE ON meta BEGIN SELECT raise(ABORT, 'meta: nothing is ever changed'); END;
CREATE TRIGGER meta_no_delete BEFORE DELETE ON meta BEGIN SELECT raise(ABORT, 'meta: nothing is ever removed'); END;
`)
	for _, kv := range [][2]string{{"format", "1"}, {"gate", m.Gate}, {"origin", m.Origin}, {"time_zone", m.TimeZone}, {"epoch", strconv.Itoa(max(m.Epoch, 1))}} {
		if err == nil {
			err = c.exec("INSERT INTO meta VALUES(?, ?)", kv[0], kv[1])
		}
	}
	return err
}

// setFormat is the one change of meta that there is.
func (c *conn) setFormat(n int) error {
	return c.exec("DROP TRIGGER meta_no_update; UPDATE meta SET value = '" + strconv.Itoa(n) + `' WHERE key = 'format';
CREATE TRIGGER meta_no_update BEFORE UPDATE ON meta BEGIN SELECT raise(ABORT, 'meta: nothing is ever changed'); END`)
}

// format2: the entries become leaves of a Merkle tree with signed heads, and later entries about a day are found
// without reading on to the end.
func format2(c *conn, m Meta) error {
	err := c.exec(`
CREATE TABLE tile(level INTEGER NOT NULL, n INTEGER NOT NULL, root BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY(level, n)) STRICT;
CREATE TABLE head(size INTEGER NOT NULL PRIMARY KEY, note TEXT NOT NULL, leaves BLOB) STRICT;
CREATE TABLE later(seq INTEGER NOT NULL PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
CREATE TRIGGER tile_no_update BEFORE UPDATE ON tile BEGIN SELECT raise(ABORT, 'tile: nothing is ever changed'); END;
CREATE TRIGGER tile_no_delete BEFORE DELETE ON tile BEGIN SELECT raise(ABORT, 'tile: nothing is ever removed'); END;
CREATE TRIGGER later_no_update BEFORE UPDATE ON later BEGIN SELECT raise(ABORT, 'later: nothing is ever changed'); END;
CREATE TRIGGER later_no_delete BEFORE DELETE ON later BEGIN SELECT raise(ABORT, 'later: nothing is ever removed'); END;
CREATE TRIGGER head_only_cosigned BEFORE UPDATE ON head WHEN NEW.size IS NOT OLD.size OR substr(NEW.note, 1, length(OLD.note)) IS NOT OLD.note OR NEW.leaves IS NOT OLD.leaves
	BEGIN SELECT raise(ABORT, 'head: a cosignature is added, nothing else is ever changed'); END;
CREATE TRIGGER head_stays BEFORE DELETE ON head WHEN OLD.size = (SELECT max(size) FROM head) OR EXISTS(SELECT 1 FROM segment WHERE first = OLD.size + 1)
	BEGIN SELECT raise(ABORT, 'head: the newest one and those of day ends stay'); END;
`)
	if err == nil && m.Machine != "" {
		err = c.exec("INSERT INTO meta VALUES('machine', ?)", m.Machine)
	}
	if err == nil {
		err = c.setFormat(2)
	}
	if err != nil {
		return err
	}
	zoneName, err := c.one("SELECT value FROM meta WHERE key = 'time_zone'")
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		return err
	}
	segments, err := c.segments()
	if err != nil {
		return err
	}
	t, s := &tlog.Tree{}, newState()
	insertTile, insertLater := newInsert("tile", 4), newInsert("later", 3)
	return scan(c, zone, 1, 1<<62, false, func(e *Entry) error {
		for _, x := range t.Push(tlog.LeafHash(e.Raw)) {
			if err := insertTile.rows(c, []driver.Value{int64(x.Level), x.N, x.Root[:], x.Data}); err != nil {
				return err
			}
		}
		if first, last := s.about(e, segments); first != 0 {
			if err := insertLater.rows(c, []driver.Value{e.Seq, first, last}); err != nil {
				return err
			}
		}
		s.apply(e)
		return nil
	})
}

// format3: what opening reads lies together, and an entry costs less. The tiles of each level get keys of their own range,
// so that the roots from which the upper edge of the tree is made stand on a few pages, not each on its own; and the trigger
// looks the newest seq up instead of computing an aggregate, which took a third of the time of a row.
func format3(c *conn, _ Meta) error {
	err := c.exec(`
DROP TRIGGER entry_gapless;
CREATE TRIGGER entry_gapless BEFORE INSERT ON entry WHEN NEW.seq IS NOT coalesce((SELECT seq FROM entry ORDER BY seq DESC LIMIT 1), 0) + 1
	BEGIN SELECT raise(ABORT, 'entry: seq must be the next one'); END;
DROP TRIGGER tile_no_update;
DROP TRIGGER tile_no_delete;
ALTER TABLE tile RENAME TO tile2;
CREATE TABLE tile(at INTEGER NOT NULL PRIMARY KEY, root BLOB NOT NULL, data BLOB NOT NULL) STRICT;
INSERT INTO tile SELECT n - (level << 56), root, data FROM tile2 ORDER BY level, n;
DROP TABLE tile2;
CREATE TRIGGER tile_no_update BEFORE UPDATE ON tile BEGIN SELECT raise(ABORT, 'tile: nothing is ever changed'); END;
CREATE TRIGGER tile_no_delete BEFORE DELETE ON tile BEGIN SELECT raise(ABORT, 'tile: nothing is ever removed'); END;
`)
	if err == nil {
		err = c.setFormat(3)
	}
	return err
}
