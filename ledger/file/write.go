package file

import (
	"errors"
	"fmt"
	"os"

	"gated/ledger/entry"
	"gated/ledger/tlog"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// OpenWriter opens or creates the database and reads every pragma back.
func OpenWriter(path string, m Meta) (*Conn, error) {
	// SQLite would create the file with the umask's mode; WAL and SHM take the mode of the database.
	switch f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); {
	case err == nil:
		f.Close()
	case !errors.Is(err, os.ErrExist):
		return nil, err
	}
	hold, err := openHold(path)
	if coded(err, sqlite3.SQLITE_READONLY) {
		hold, err = nil, nil // the writer must undo first what was cut off while the file was made
	}
	if err != nil {
		return nil, err
	}
	c, err := connect(path, writerDSN(path))
	if err != nil {
		if hold != nil {
			err = errors.Join(err, hold.Close())
		}
		return nil, err
	}
	c.hold = hold
	if err = c.setUp(m); err == nil && hold == nil {
		c.hold, err = openHold(path)
	}
	if err != nil {
		c.Leave()
		return nil, err
	}
	return c, nil
}

// openHold opens the connection that Leave needs, which must have read once. An empty file has none.
func openHold(path string) (*Conn, error) {
	if Length(path) == 0 {
		return nil, nil
	}
	c, err := connect(path, readerDSN(path))
	if err != nil {
		return nil, err
	}
	if _, err := c.number("SELECT count(*) FROM sqlite_schema"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// setUp reads the pragmas back, and makes the tables of a new ledger.
func (c *Conn) setUp(m Meta) error {
	for _, p := range pragmas {
		got, err := c.one("PRAGMA " + p.name)
		if err != nil {
			return fmt.Errorf("read pragma %s: %w", p.name, err)
		}
		if got != p.want {
			return fmt.Errorf("pragma %s is %s, want %s: this is not a ledger that gated created", p.name, got, p.want)
		}
	}
	n, err := c.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	if n > 0 {
		_, err := c.Meta()
		return err
	}
	if err := c.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err = c.create(m); err == nil {
		err = c.Exec("COMMIT")
	}
	if err != nil {
		c.Exec("ROLLBACK")
		return fmt.Errorf("create the ledger: %w", err)
	}
	return nil
}

// Damaged says whether it is the file, and not the disk, that gives an error.
func Damaged(err error) bool {
	return coded(err, sqlite3.SQLITE_CORRUPT) || coded(err, sqlite3.SQLITE_NOTADB)
}

func coded(err error, code int) bool {
	e := (*sqlite.Error)(nil)
	return errors.As(err, &e) && e.Code()&0xff == code
}

// Begin begins the transaction that entries are added in.
func (c *Conn) Begin() error { return c.run("BEGIN IMMEDIATE") }

// Commit ends it. Without an error it would survive a power cut; after one nobody knows what became of it.
func (c *Conn) Commit() error { return c.run("COMMIT") }

// AddEntry adds the row of an entry; sealed is nil where it has no personal fields.
func (c *Conn) AddEntry(e *entry.Entry, sealed []byte) error {
	return c.run("INSERT INTO entry VALUES(?, ?, ?, ?)", e.Seq, e.At.UnixMicro(), string(e.Raw), sealed)
}

// AddSegment says with which entry a day begins.
func (c *Conn) AddSegment(first int64, day string) error {
	return c.run("INSERT INTO segment VALUES(?, ?)", first, day)
}

// AddTile adds a full tile.
func (c *Conn) AddTile(t tlog.Tile) error {
	return c.run("INSERT INTO tile VALUES(?, ?, ?)", tileAt(t.Level, t.N), t.Root[:], t.Data)
}

// AddCarried says which entry carries what is left of another.
func (c *Conn) AddCarried(epoch int, seq, at int64) error {
	return c.Exec("INSERT INTO carried VALUES(?, ?, ?)", int64(epoch), seq, at)
}

// AddHead adds a tree head. The leaves that no full tile holds yet let a verifier name the entry that was changed, should one
// be; they may be nil.
func (c *Conn) AddHead(h tlog.Head, leaves []byte) error {
	return c.Exec("INSERT INTO head(size, note, leaves) VALUES(?, ?, ?)", h.Size, string(h.Note), leaves)
}

// AddCosignature adds the signature line of a witness to the tree head of so many entries, which is there.
func (c *Conn) AddCosignature(size int64, line string) error {
	return c.Exec("INSERT INTO cosignature VALUES(?, ?)", size, line)
}
