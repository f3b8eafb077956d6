package file

import (
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"
	"sync"
)

// format is the form of ledger.db that this gated reads and writes.
const format = 1

// schema: entries are only ever added. The triggers stop the rest even for someone at the sqlite3 prompt, until that
// someone drops them. The tiles of each level have keys of their own range, so that the roots from which the upper edge of
// the tree is made stand on a few pages. The trigger on entry looks the newest seq up instead of computing an aggregate,
// which took a third of the time of a row.
const schema = `
CREATE TABLE meta(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entry(seq INTEGER NOT NULL PRIMARY KEY, ts INTEGER NOT NULL, record TEXT NOT NULL, sealed BLOB) STRICT;
CREATE TABLE segment(first INTEGER NOT NULL PRIMARY KEY, day TEXT NOT NULL) STRICT;
CREATE TABLE carried(epoch INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(epoch, seq, at))
	STRICT, WITHOUT ROWID;
CREATE TABLE tile(at INTEGER NOT NULL PRIMARY KEY, root BLOB NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE head(size INTEGER NOT NULL PRIMARY KEY, note TEXT NOT NULL, leaves BLOB) STRICT;
CREATE TABLE cosignature(size INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY(size, line)) STRICT, WITHOUT ROWID;
CREATE VIEW cosigned AS SELECT size, note || coalesce(
	(SELECT group_concat(line || char(10), '') FROM cosignature WHERE cosignature.size = head.size), '') AS note, leaves FROM head;
CREATE TRIGGER entry_gapless BEFORE INSERT ON entry WHEN NEW.seq IS NOT coalesce((SELECT seq FROM entry ORDER BY seq DESC LIMIT 1), 0) + 1
	BEGIN SELECT raise(ABORT, 'entry: seq must be the next one'); END;
CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry BEGIN SELECT raise(ABORT, 'entry: nothing is ever changed'); END;
CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry BEGIN SELECT raise(ABORT, 'entry: nothing is ever removed'); END;
CREATE TRIGGER segment_no_update BEFORE UPDATE ON segment BEGIN SELECT raise(ABORT, 'segment: nothing is ever changed'); END;
CREATE TRIGGER segment_no_delete BEFORE DELETE ON segment BEGIN SELECT raise(ABORT, 'segment: nothing is ever removed'); END;
CREATE TRIGGER carried_no_update BEFORE UPDATE ON carried BEGIN SELECT raise(ABORT, 'carried: nothing is ever changed'); END;
CREATE TRIGGER carried_no_delete BEFORE DELETE ON carried BEGIN SELECT raise(ABORT, 'carried: nothing is ever removed'); END;
CREATE TRIGGER meta_no_update BEFORE UPDATE ON meta BEGIN SELECT raise(ABORT, 'meta: nothing is ever changed'); END;
CREATE TRIGGER meta_no_delete BEFORE DELETE ON meta BEGIN SELECT raise(ABORT, 'meta: nothing is ever removed'); END;
CREATE TRIGGER tile_no_update BEFORE UPDATE ON tile BEGIN SELECT raise(ABORT, 'tile: nothing is ever changed'); END;
CREATE TRIGGER tile_no_delete BEFORE DELETE ON tile BEGIN SELECT raise(ABORT, 'tile: nothing is ever removed'); END;
CREATE TRIGGER head_no_update BEFORE UPDATE ON head BEGIN SELECT raise(ABORT, 'head: nothing is ever changed'); END;
CREATE TRIGGER head_no_delete BEFORE DELETE ON head BEGIN SELECT raise(ABORT, 'head: nothing is ever removed'); END;
CREATE TRIGGER cosignature_no_update BEFORE UPDATE ON cosignature
	BEGIN SELECT raise(ABORT, 'cosignature: nothing is ever changed'); END;
CREATE TRIGGER cosignature_no_delete BEFORE DELETE ON cosignature
	BEGIN SELECT raise(ABORT, 'cosignature: nothing is ever removed'); END;
`

// create makes the tables of a new ledger.
func (c *Conn) create(m Meta) error {
	if m.Master == "" {
		return errors.New("the master key of its personal data could not be read")
	}
	err := c.Exec(schema)
	rows := [][2]string{{"format", strconv.Itoa(format)}, {"gate", m.Gate}, {"origin", m.Origin}, {"time_zone", m.TimeZone},
		{"epoch", strconv.Itoa(max(m.Epoch, 1))}, {"master", m.Master}}
	if m.Machine != "" {
		rows = append(rows, [2]string{"machine", m.Machine})
	}
	for _, kv := range rows {
		if err == nil {
			err = c.Exec("INSERT INTO meta VALUES(?, ?)", kv[0], kv[1])
		}
	}
	return err
}

// shipped is what create makes: the SQL of each object, by its name.
var shipped = sync.OnceValues(func() (map[string]string, error) {
	c, err := connect("", "file::memory:")
	if err != nil {
		return nil, err
	}
	err = c.Exec(schema)
	objects, oerr := c.objects()
	return objects, errors.Join(err, oerr, c.Close())
})

func (c *Conn) objects() (map[string]string, error) {
	all := map[string]string{}
	err := c.query(func(v []driver.Value) error { all[text(v[0])] = text(v[1]); return nil },
		"SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
	return all, err
}

// checkSchema finds tables, views and triggers that are not those of create: they may make a reader run for ever, or show
// what is in no row. Triggers may be missing, which stop nobody who can change the file.
func (c *Conn) checkSchema() error {
	want, err := shipped()
	if err != nil {
		return err
	}
	got, err := c.objects()
	if err != nil {
		return err
	}
	for name, sql := range got {
		if want[name] != sql {
			return Found("%q in its schema is not as gated makes it: the file was changed by something else", name)
		}
	}
	for name, sql := range want {
		if got[name] == "" && !strings.HasPrefix(sql, "CREATE TRIGGER") {
			return Found("%q is missing in its schema: the file was changed by something else", name)
		}
	}
	return nil
}
