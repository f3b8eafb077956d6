package ledger

import (
	"cmp"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// indexEvery is how far the index may fall behind: what a crash leaves out is caught up from the ledger.
const indexEvery = time.Second

// indexVersion changes whenever what is kept in the index does; an older index is thrown away and rebuilt.
const indexVersion = "7"

const indexSchema = `
CREATE TABLE IF NOT EXISTS meta(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passage(first INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL, last INTEGER NOT NULL, at INTEGER NOT NULL,
	lane TEXT NOT NULL, direction TEXT NOT NULL, class TEXT NOT NULL, credential TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL) STRICT;
`

// index keeps search and the state in a file that may be lost at any time: everything in it comes from the ledger.
// Only the writer goroutine uses the file.
type index struct {
	path    string
	log     *slog.Logger
	c       *conn // nil: the index cannot be used; the gate works without it
	passage *insert
	pending map[int64]*Passage // by first entry; under the ledger's mu, like dirty
	dirty   bool
}

func openIndex(path string, log *slog.Logger) *index {
	x := &index{path: path, log: log, pending: map[int64]*Passage{}}
	if err := x.open(); err != nil {
		x.reset(err)
	}
	return x
}

func (x *index) open() error {
	if f, err := os.OpenFile(x.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		f.Close()
	}
	c, err := connect("file:" + (&url.URL{Path: x.path}).EscapedPath() + "?_txlock=immediate&_busy_timeout=0&_journal_mode=WAL&_synchronous=NORMAL&_dqs=0&_pragma=secure_delete(ON)&_pragma=trusted_schema(0)&_pragma=temp_store(MEMORY)")
	if err != nil {
		return err
	}
	v := ""
	if err = c.exec(indexSchema); err == nil {
		v, err = c.one("SELECT value FROM meta WHERE key = 'version'")
	}
	if err == nil && v == "" {
		err = c.exec("INSERT INTO meta VALUES('version', ?)", indexVersion)
	} else if err == nil && v != indexVersion {
		err = fmt.Errorf("version %s, this gated keeps %s", v, indexVersion)
	}
	if err != nil {
		c.Close()
		return err
	}
	x.c, x.passage = c, newInsert("passage", 11)
	x.passage.suffix = ` ON CONFLICT(first) DO UPDATE SET
		last = excluded.last, class = excluded.class, credential = excluded.credential, verdict = excluded.verdict, reason = excluded.reason, by = excluded.by`
	return nil
}

// reset throws the file away and begins a new one; where even that fails the gate goes on without an index.
func (x *index) reset(why error) {
	x.log.Warn("the index is rebuilt from the ledger", "path", x.path, "cause", why)
	x.remove()
	if err := x.open(); err != nil {
		x.log.Warn("no index: passages are recorded all the same, the next start takes longer", "path", x.path, "cause", err)
	}
}

// size is how many entries the ledger had that the index was built from; 0 where it does not know.
func (x *index) size() (n int64) {
	if x.c != nil {
		n, _ = x.c.number("SELECT json_extract(value, '$.size') FROM meta WHERE key = 'state'")
	}
	return n
}

// load returns the state as the index kept it, if it was built from this very ledger.
func (x *index) load(ledger *conn) *State {
	if x.c == nil {
		return nil
	}
	s := newState()
	raw, err := x.c.one("SELECT value FROM meta WHERE key = 'state'")
	if err != nil {
		x.reset(err)
		return nil
	}
	if raw == "" {
		return nil
	}
	err = json.Unmarshal([]byte(raw), s)
	if err == nil {
		var want, record string
		if want, err = x.c.one("SELECT value FROM meta WHERE key = 'last'"); err == nil {
			if record, err = ledger.one("SELECT record FROM entry WHERE seq = ?", s.Size); err == nil && hash(record) != want {
				err = fmt.Errorf("it ends with another entry %d than the ledger has", s.Size)
			}
		}
	}
	if err != nil {
		x.reset(err)
		return nil
	}
	return s
}

func hash(record string) string {
	sum := sha256.Sum256([]byte(record))
	return hex.EncodeToString(sum[:])
}

// flushIndex brings the index up to the state. Its errors cost a rebuild, never a passage. It needs no turn: entries go
// on being written meanwhile.
func (l *Ledger) flushIndex() {
	x := l.index
	l.mu.Lock()
	passages, state, last, err := x.pending, []byte(nil), l.applied, error(nil)
	if x.dirty && x.c != nil {
		state, err = json.Marshal(l.state)
	}
	x.pending, x.dirty = map[int64]*Passage{}, false
	l.mu.Unlock()
	if state == nil && err == nil {
		return
	}
	if err == nil {
		err = x.write(passages, state, hex.EncodeToString(last[:]))
	}
	if busy := (*sqlite.Error)(nil); errors.As(err, &busy) && busy.Code()&0xff == sqlite3.SQLITE_BUSY {
		l.mu.Lock() // somebody looks at it with a tool that locks; later will do
		maps.Copy(passages, x.pending)
		x.pending, x.dirty = passages, true
		l.mu.Unlock()
		return
	}
	if err != nil { // the next start finds no index and builds it anew
		x.log.Warn("the index cannot be written: passages are recorded all the same, the next start takes longer", "path", x.path, "cause", err)
		x.remove()
	}
}

func (x *index) write(passages map[int64]*Passage, state []byte, last string) (err error) {
	if err := x.c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	rows := make([]driver.Value, 0, 11*len(passages))
	for _, p := range slices.SortedFunc(maps.Values(passages), func(a, b *Passage) int { return cmp.Compare(a.First, b.First) }) {
		rows = append(rows, p.First, p.ID, p.Last, p.At.UnixMicro(), p.Lane, p.Direction, p.Class, p.Credential, p.Verdict, p.Reason, p.By)
	}
	if err = x.passage.rows(x.c, rows); err == nil {
		err = x.c.exec("INSERT INTO meta VALUES('state', ?), ('last', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", string(state), last)
	}
	if err == nil {
		err = x.c.exec("COMMIT")
	}
	if err != nil {
		x.c.exec("ROLLBACK")
	}
	return err
}

func (x *index) remove() {
	x.close()
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		os.Remove(x.path + suffix)
	}
}

func (x *index) close() {
	if x.c != nil {
		x.c.Close()
		x.c = nil
	}
}
