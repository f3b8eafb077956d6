package ledger

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"gated/sqliteprocess"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gated/ledger/seal"
)

// pragmas are set in the DSN and read back, because SQLite accepts a misspelt one in silence.
var pragmas = []struct{ name, want string }{
	{"journal_mode", "wal"}, {"synchronous", "2"}, {"recursive_triggers", "1"},
	{"trusted_schema", "0"}, {"cell_size_check", "1"}, {"wal_autocheckpoint", "0"}, {"foreign_keys", "0"},
}

func writerDSN(path string) string {
	q := "_txlock=immediate&_busy_timeout=5000&_journal_mode=WAL&_synchronous=FULL&_defensive=1&_dqs=0&_error_rc=1"
	for _, p := range []string{"recursive_triggers(1)", "trusted_schema(0)", "temp_store(MEMORY)", "cell_size_check(1)",
		"wal_autocheckpoint(0)"} {
		q += "&_pragma=" + url.QueryEscape(p)
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q
}

func readerDSN(path string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=ro&_busy_timeout=5000&_defensive=1&_dqs=0&_error_rc=1" +
		"&_pragma=query_only(1)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)"
}

// conn is one raw driver connection: database/sql would add half again to the time of a commit (measured),
// and its pool could open a second writer.
type conn struct {
	driver.Conn
	stmts    []driver.Stmt
	repeated map[string]driver.Stmt // see repeat
	hold     *conn                  // see leave; nil where nothing is written
}

func connect(dsn string) (*conn, error) {
	if err := sqliteprocess.Set(); err != nil {
		return nil, err
	}
	cn, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	dc, err := cn.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	return &conn{Conn: dc}, nil
}

func named(args []any) []driver.NamedValue {
	nv := make([]driver.NamedValue, len(args))
	for i, a := range args {
		nv[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return nv
}

func (c *conn) exec(q string, args ...any) error {
	_, err := c.Conn.(driver.ExecerContext).ExecContext(context.Background(), q, named(args))
	return err
}

func (c *conn) prepare(q string) (driver.Stmt, error) {
	st, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(context.Background(), q)
	if err == nil {
		c.stmts = append(c.stmts, st)
	}
	return st, err
}

// Close finalizes the statements first: SQLite would keep a connection with open ones alive, and its lock with it. Where it
// is the last connection SQLite moves the write-ahead log into the database.
func (c *conn) Close() error {
	var errs []error
	if c.hold != nil {
		errs = append(errs, c.hold.Close())
	}
	for _, st := range c.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}

// leave is Close after an error: the log stays as it is. What SQLite moved into the database now would come from the page
// cache, which may show what the disk never got, and a power cut in between would leave neither of the two whole. The
// driver has no SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE; a connection that may not write, and is closed last, has the same effect.
func (c *conn) leave() error {
	hold := c.hold
	c.hold = nil
	err := c.Close()
	if hold != nil {
		err = errors.Join(err, hold.Close())
	}
	return err
}

// query calls row for each result row; the values are valid until row returns.
func (c *conn) query(row func([]driver.Value) error, q string, args ...any) error {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(context.Background(), q, named(args))
	if err != nil {
		return err
	}
	return each(rows, row)
}

// repeat is query for what is asked again and again, which SQLite parses but once. row must not ask the same.
func (c *conn) repeat(row func([]driver.Value) error, q string, args ...any) error {
	st := c.repeated[q]
	if st == nil {
		var err error
		if st, err = c.prepare(q); err != nil {
			return err
		}
		if c.repeated == nil {
			c.repeated = map[string]driver.Stmt{}
		}
		c.repeated[q] = st
	}
	rows, err := st.(driver.StmtQueryContext).QueryContext(context.Background(), named(args))
	if err != nil {
		return err
	}
	return each(rows, row)
}

func each(rows driver.Rows, row func([]driver.Value) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }() // an open Rows would keep the WAL growing
	vals := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(vals); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
		if err := row(vals); err != nil {
			return err
		}
	}
}

// one reads the first value of the first row as text; no row reads as "".
func (c *conn) one(q string, args ...any) (s string, err error) {
	err = c.query(func(v []driver.Value) error { s = text(v[0]); return nil }, q, args...)
	return s, err
}

func (c *conn) number(q string, args ...any) (n int64, err error) {
	err = c.query(func(v []driver.Value) error { n, _ = v[0].(int64); return nil }, q, args...)
	return n, err
}

func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

func run(st driver.Stmt, args ...driver.Value) error {
	nv := make([]driver.NamedValue, len(args))
	for i, a := range args {
		nv[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	_, err := st.(driver.StmtExecContext).ExecContext(context.Background(), nv)
	return err
}

// moveLog moves the write-ahead log into the database and tells whether all of it is there now, and synced.
func (c *conn) moveLog(mode string) (all bool, err error) {
	err = c.query(func(v []driver.Value) error {
		all = v[0] == int64(0) && v[1] == v[2]
		return nil
	}, "PRAGMA wal_checkpoint("+mode+")")
	return all, err
}

// Meta is what a ledger says about itself, fixed at its creation.
type Meta struct {
	Format   int
	Gate     string // name for people
	Origin   string // name in tree heads: gate.origin, and /2 and so on from the second epoch
	TimeZone string // IANA; a day is a day there
	Epoch    int    // 1; a restored box starts the next one
	Machine  string // which box wrote it, as a hash; empty where the box has no machine ID
	Master   string // tells whether a master key is the one of its personal data
}

// whose says to which ledger slots and sealed data belong.
func (m Meta) whose() seal.Whose {
	return seal.Whose{Origin: m.Origin, Epoch: m.Epoch, Check: m.Master}
}

// Name is the origin without the epoch: gate.origin of the settings.
func (m Meta) Name() string {
	return strings.TrimSuffix(m.Origin, fmt.Sprintf("/%d", m.Epoch))
}

func (c *conn) meta() (Meta, error) {
	m := map[string]string{}
	err := c.query(func(v []driver.Value) error { m[text(v[0])] = text(v[1]); return nil }, "SELECT key, value FROM meta")
	if err != nil {
		return Meta{}, err
	}
	n, err1 := strconv.Atoi(m["format"])
	epoch, err2 := strconv.Atoi(m["epoch"])
	if errors.Join(err1, err2) != nil {
		return Meta{}, fmt.Errorf("format %q, epoch %q: not a gated ledger", m["format"], m["epoch"])
	}
	if n != format {
		return Meta{}, fmt.Errorf("format %d, this gated reads %d: use the gated that wrote it", n, format)
	}
	return Meta{Format: n, Gate: m["gate"], Origin: m["origin"], TimeZone: m["time_zone"], Epoch: epoch,
		Machine: m["machine"], Master: m["master"]}, nil
}

// openWriter opens or creates the database and reads every pragma back.
func openWriter(path string, m Meta) (*conn, error) {
	// SQLite would create the file with the umask's mode; WAL and SHM take the mode of the database.
	switch f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); {
	case err == nil:
		f.Close()
	case !errors.Is(err, os.ErrExist):
		return nil, err
	}
	hold, err := openHold(path)
	if e := (*sqlite.Error)(nil); errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_READONLY {
		hold, err = nil, nil // the writer must undo first what was cut off while the file was made
	}
	if err != nil {
		return nil, err
	}
	c, err := connect(writerDSN(path))
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
		c.leave()
		return nil, err
	}
	return c, nil
}

// openHold opens the connection that leave needs, which must have read once. An empty file has none.
func openHold(path string) (*conn, error) {
	if fileSize(path) == 0 {
		return nil, nil
	}
	c, err := connect(readerDSN(path))
	if err != nil {
		return nil, err
	}
	if _, err := c.number("SELECT count(*) FROM sqlite_schema"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *conn) setUp(m Meta) error {
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
		_, err := c.meta()
		return err
	}
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err = c.create(m); err == nil {
		err = c.exec("COMMIT")
	}
	if err != nil {
		c.exec("ROLLBACK")
		return fmt.Errorf("create the ledger: %w", err)
	}
	return nil
}

func fileSize(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
