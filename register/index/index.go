// Package index is the file in which passages are looked up and from which a start takes the register's state. It may be
// lost at any time: everything in it comes from the ledger.
package index

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"gated/register/blind"
	"gated/sqliteprocess"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// version changes whenever what is kept in the index does, also in Head.State; an older index is thrown away and made anew.
const version = "30"

// schema: the state, of which the many parts are rows and the few are in meta, and by what entries are found. What an entry is
// found by is first kept with the entry in the table fresh, at its end, and moved into the table term when there is enough of it:
// so each of the pages of a day, over which the keys are strewn, is written for many passages at once.
const schema = `
CREATE TABLE IF NOT EXISTS meta(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passage(first INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL, last INTEGER NOT NULL,
	at INTEGER NOT NULL, decided INTEGER NOT NULL, lane TEXT NOT NULL, direction TEXT NOT NULL, class TEXT NOT NULL,
	credential TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, emergency INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS person(key INTEGER NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, inside INTEGER NOT NULL,
	unknown INTEGER NOT NULL, class TEXT NOT NULL, back INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS trip(seq INTEGER NOT NULL PRIMARY KEY, household INTEGER NOT NULL, day TEXT NOT NULL,
	who INTEGER NOT NULL, due INTEGER NOT NULL, unsure INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS visit(id TEXT NOT NULL PRIMARY KEY, said TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS later(seq INTEGER NOT NULL PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS fresh(seq INTEGER NOT NULL PRIMARY KEY, first INTEGER NOT NULL, day TEXT NOT NULL, keys BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS term(day TEXT NOT NULL, key INTEGER NOT NULL, seq INTEGER NOT NULL, first INTEGER NOT NULL,
	PRIMARY KEY(day, key, seq)) STRICT, WITHOUT ROWID;
`

// ErrNone: the index cannot be used.
var ErrNone = errors.New("there is no index")

// Index is such a file, for one goroutine at a time. Where it cannot be used the gate works without it.
type Index struct {
	Path    string
	MergeAt int // how many rows the table fresh has before they go into the table term

	key   string // of the box, by its fingerprint
	log   *slog.Logger
	db    *sql.DB // nil: the index cannot be used
	fresh int     // rows of that table
}

// Open opens the index of a state directory. One that does not fit the box begins anew.
func Open(dir string, h blind.Hasher, log *slog.Logger) *Index {
	x := &Index{Path: filepath.Join(dir, "index.db"), MergeAt: 2048, key: fmt.Sprint(h.Fingerprint()), log: log}
	if err := x.open(); err != nil {
		x.Reset(err)
	}
	return x
}

// OpenReader opens the index of a state directory for reading, also while a daemon writes it.
func OpenReader(dir string) (*Index, error) {
	x := &Index{Path: filepath.Join(dir, "index.db")}
	if _, err := os.Stat(x.Path); err != nil {
		return nil, err
	}
	return x, x.connect("mode=ro&_pragma=query_only(1)")
}

// connect opens the file, with one connection, so that BEGIN is for all.
func (x *Index) connect(query string) (err error) {
	if err = sqliteprocess.Prepare(x.Path); err != nil {
		return err
	}
	dsn := "file:" + (&url.URL{Path: x.Path}).EscapedPath() + "?_dqs=0&_busy_timeout=5000&_pragma=trusted_schema(0)&" + query
	if x.db, err = sql.Open("sqlite", dsn); err == nil {
		x.db.SetMaxOpenConns(1)
	}
	return err
}

func (x *Index) open() error {
	if f, err := os.OpenFile(x.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		f.Close()
	}
	err := x.connect("_txlock=immediate&_journal_mode=WAL&_synchronous=NORMAL&_pragma=secure_delete(ON)&_pragma=temp_store(MEMORY)")
	if err != nil {
		return err
	}
	if _, err = x.db.Exec(schema); err == nil {
		err = x.fits()
	}
	if err == nil {
		err = x.db.QueryRow("SELECT count(*) FROM fresh").Scan(&x.fresh)
	}
	if err != nil {
		x.Close()
	}
	return err
}

// fits tells whether the index is of this version and of this box's key; an empty one becomes so.
func (x *Index) fits() error {
	m, err := x.meta()
	for _, want := range [][2]string{{"version", version}, {"key", x.key}} {
		switch has := m[want[0]]; {
		case err != nil:
		case has == "":
			_, err = x.db.Exec("INSERT INTO meta VALUES(?, ?)", want[0], want[1])
		case has != want[1]:
			err = fmt.Errorf("its %s is another", want[0])
		}
	}
	return err
}

// Usable tells whether the index can be used.
func (x *Index) Usable() bool { return x.db != nil }

// Busy tells whether an error is that of a file that somebody looks at with a tool which locks; later it will do.
func Busy(err error) bool {
	e := (*sqlite.Error)(nil)
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// Reset throws the file away and begins a new one; where even that fails the gate goes on without an index.
func (x *Index) Reset(why error) {
	x.log.Warn("the index is made anew from the ledger", "path", x.Path, "cause", why)
	x.Remove()
	if err := x.open(); err != nil {
		x.log.Warn("no index: passages are recorded all the same, the next start takes longer", "path", x.Path, "cause", err)
	}
}

// GiveUp throws the file away and goes on without it: the next start makes it anew.
func (x *Index) GiveUp(why error) {
	x.log.Warn("the index cannot be written: passages are recorded all the same, the next start takes longer", "path", x.Path, "cause", why)
	x.Remove()
}

// Remove closes the file and removes it.
func (x *Index) Remove() {
	x.Close()
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		os.Remove(x.Path + suffix)
	}
}

// Close closes the file: it cannot be used from here on.
func (x *Index) Close() (err error) {
	if x.db != nil {
		err = x.db.Close()
		x.db = nil
	}
	return err
}

// Beside begins an empty index in a file of its own, to take this one's place; until then it is to be removed.
func (x *Index) Beside() (*Index, error) {
	anew := &Index{Path: x.Path + ".new", MergeAt: x.MergeAt, key: x.key, log: x.log}
	anew.Remove()
	return anew, anew.open()
}

// Replace puts one that was made beside it in its place.
func (x *Index) Replace(anew *Index) error {
	anew.Close()
	x.Remove()
	if err := os.Rename(anew.Path, x.Path); err != nil {
		return err
	}
	return x.open()
}

// Checkpoint empties the write-ahead log: not even hashes of what is gone are to stay in it.
func (x *Index) Checkpoint() error {
	_, err := x.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}
