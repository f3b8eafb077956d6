package file

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net/url"
	"strconv"

	"gated/sqliteprocess"

	"modernc.org/sqlite"
)

// pragmas are set in the DSN and read back, because SQLite accepts a misspelt one in silence.
var pragmas = []struct{ name, want string }{
	{"journal_mode", "wal"}, {"synchronous", "2"}, {"recursive_triggers", "1"},
	{"trusted_schema", "0"}, {"cell_size_check", "1"}, {"wal_autocheckpoint", "0"}, {"foreign_keys", "0"},
	{"journal_size_limit", "4194304"}, // what a long reader made longer becomes that short again
}

func writerDSN(path string) string {
	q := "_txlock=immediate&_busy_timeout=5000&_journal_mode=WAL&_synchronous=FULL&_defensive=1&_dqs=0&_error_rc=1"
	for _, p := range []string{"recursive_triggers(1)", "trusted_schema(0)", "temp_store(MEMORY)", "cell_size_check(1)",
		"wal_autocheckpoint(0)", "journal_size_limit(4194304)"} {
		q += "&_pragma=" + url.QueryEscape(p)
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q
}

func readerDSN(path string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=ro&_busy_timeout=5000&_defensive=1&_dqs=0&_error_rc=1" +
		"&_pragma=query_only(1)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)"
}

// Conn is one connection to a ledger's file: the one that writes it (OpenWriter), or that of a Reader. It is a raw connection
// of the driver: database/sql would add half again to the time of a commit (measured), and its pool could open a second
// writer.
type Conn struct {
	raw        driver.Conn
	statements map[string]driver.Stmt // see prepared
	hold       *Conn                  // see Leave; nil where nothing is written
}

func connect(path, dsn string) (*Conn, error) {
	if err := sqliteprocess.Prepare(path); err != nil {
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
	return &Conn{raw: dc, statements: map[string]driver.Stmt{}}, nil
}

func named(args []any) []driver.NamedValue {
	nv := make([]driver.NamedValue, len(args))
	for i, a := range args {
		nv[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return nv
}

// Exec runs a statement that gives no rows.
func (c *Conn) Exec(q string, args ...any) error {
	_, err := c.raw.(driver.ExecerContext).ExecContext(context.Background(), q, named(args))
	return err
}

// prepared is the statement for what is asked again and again, which SQLite parses but once.
func (c *Conn) prepared(q string) (driver.Stmt, error) {
	if st := c.statements[q]; st != nil {
		return st, nil
	}
	st, err := c.raw.(driver.ConnPrepareContext).PrepareContext(context.Background(), q)
	if err == nil {
		c.statements[q] = st
	}
	return st, err
}

// run is Exec for what is run again and again.
func (c *Conn) run(q string, args ...any) error {
	st, err := c.prepared(q)
	if err == nil {
		_, err = st.(driver.StmtExecContext).ExecContext(context.Background(), named(args))
	}
	return err
}

// Close finalizes the statements first: SQLite would keep a connection with open ones alive, and its lock with it. Where it
// is the last connection SQLite moves the write-ahead log into the database.
func (c *Conn) Close() error {
	var errs []error
	if c.hold != nil {
		errs = append(errs, c.hold.Close())
	}
	for _, st := range c.statements {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}

// Leave is Close after an error: the log stays as it is. What SQLite moved into the database now would come from the page
// cache, which may show what the disk never got, and a power cut in between would leave neither of the two whole. The
// driver has no SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE; a connection that may not write, and is closed last, has the same effect.
func (c *Conn) Leave() error {
	hold := c.hold
	c.hold = nil
	err := c.Close()
	if hold != nil {
		err = errors.Join(err, hold.Close())
	}
	return err
}

// query calls row for each result row; the values are valid until row returns. row must not ask the same.
func (c *Conn) query(row func([]driver.Value) error, q string, args ...any) (err error) {
	st, err := c.prepared(q)
	if err != nil {
		return err
	}
	rows, err := st.(driver.StmtQueryContext).QueryContext(context.Background(), named(args))
	if err != nil {
		return err
	}
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
func (c *Conn) one(q string, args ...any) (s string, err error) {
	err = c.query(func(v []driver.Value) error { s = text(v[0]); return nil }, q, args...)
	return s, err
}

func (c *Conn) number(q string, args ...any) (n int64, err error) {
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

// MoveLog moves the write-ahead log into the database and tells whether all of it is there now, and synced.
func (c *Conn) MoveLog(mode string) (all bool, err error) {
	err = c.query(func(v []driver.Value) error {
		all = v[0] == int64(0) && v[1] == v[2]
		return nil
	}, "PRAGMA wal_checkpoint("+mode+")")
	return all, err
}
