package register

import (
	"cmp"
	"crypto/sha256"
	"database/sql"
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

	"gated/ledger"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// indexEvery is how far the index may fall behind: what a crash leaves out is caught up from the ledger.
const indexEvery = time.Second

// indexVersion changes whenever what is kept in the index does; an older index is thrown away and rebuilt.
const indexVersion = "8"

const indexSchema = `
CREATE TABLE IF NOT EXISTS meta(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passage(first INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL, last INTEGER NOT NULL, at INTEGER NOT NULL,
	lane TEXT NOT NULL, direction TEXT NOT NULL, class TEXT NOT NULL, credential TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS later(seq INTEGER NOT NULL PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
`

// later is an entry that is about the entries first..last of an earlier day.
type later struct{ seq, first, last int64 }

// index keeps search and the state in a file that may be lost at any time: everything in it comes from the ledger.
type index struct {
	path    string
	log     *slog.Logger
	db      *sql.DB            // nil: the index cannot be used; the gate works without it
	pending map[int64]*Passage // by first entry; under the register's mu, like the next two
	later   []later
	dirty   bool
	origin  string // of the ledger
}

func openIndex(path string, log *slog.Logger) *index {
	x := &index{path: path, log: log, pending: map[int64]*Passage{}}
	if err := x.open(); err != nil {
		x.reset(err)
	}
	return x
}

func dsn(path, query string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?_dqs=0&_pragma=trusted_schema(0)&" + query
}

func (x *index) open() error {
	if f, err := os.OpenFile(x.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		f.Close()
	}
	db, err := sql.Open("sqlite", dsn(x.path, "_txlock=immediate&_busy_timeout=0&_journal_mode=WAL&_synchronous=NORMAL&_pragma=secure_delete(ON)&_pragma=temp_store(MEMORY)"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	v := ""
	if _, err = db.Exec(indexSchema); err == nil {
		v, err = one(db, "SELECT value FROM meta WHERE key = 'version'")
	}
	if err == nil && v == "" {
		_, err = db.Exec("INSERT INTO meta VALUES('version', ?)", indexVersion)
	} else if err == nil && v != indexVersion {
		err = fmt.Errorf("version %s, this gated keeps %s", v, indexVersion)
	}
	if err != nil {
		db.Close()
		return err
	}
	x.db = db
	return nil
}

// one reads one text; no row reads as "".
func one(db *sql.DB, q string, args ...any) (s string, err error) {
	if err = db.QueryRow(q, args...).Scan(&s); errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return s, err
}

// take brings the state up to the next entry, and notes what of the index changes by it.
func (x *index) take(s *State, e *ledger.Entry, segments *[]ledger.Segment) {
	if day := e.At.Format(time.DateOnly); ledger.DayOf(*segments, e.Seq) != day {
		*segments = append(*segments, ledger.Segment{First: e.Seq, Day: day})
	}
	if first, last := s.about(e, *segments); first != 0 {
		x.later = append(x.later, later{e.Seq, first, last})
	}
	if p := s.apply(e); p != nil {
		x.pending[p.First] = p
	}
	x.dirty = true
}

// reset throws the file away and begins a new one; where even that fails the gate goes on without an index.
func (x *index) reset(why error) {
	x.log.Warn("the index is rebuilt from the ledger", "path", x.path, "cause", why)
	x.remove()
	clear(x.pending)
	x.later = nil
	if err := x.open(); err != nil {
		x.log.Warn("no index: passages are recorded all the same, the next start takes longer", "path", x.path, "cause", err)
	}
}

// size is how many entries the ledger had that the index was built from; 0 where it does not know.
func (x *index) size() (n int64) {
	if x.db != nil {
		x.db.QueryRow("SELECT coalesce(json_extract(value, '$.size'), 0) FROM meta WHERE key = 'state'").Scan(&n) // an error reads as 0
	}
	return n
}

// load returns the state as the index kept it, if it was built from this very ledger.
func (x *index) load(in *ledger.Reader) *State {
	x.origin = in.Meta.Origin
	if x.db == nil {
		return nil
	}
	s, err := x.state(in)
	if err != nil {
		x.reset(err)
	}
	return s
}

// state reads the state, nil where there is none yet.
func (x *index) state(in *ledger.Reader) (*State, error) {
	s := newState()
	raw, err := one(x.db, "SELECT value FROM meta WHERE key = 'state'")
	if err != nil || raw == "" {
		return nil, err
	}
	if err := json.Unmarshal([]byte(raw), s); err != nil {
		return nil, err
	}
	origin, err := one(x.db, "SELECT value FROM meta WHERE key = 'origin'")
	if err != nil {
		return nil, err
	}
	if origin != in.Meta.Origin {
		return nil, fmt.Errorf("it is of the ledger %s, not of %s", origin, in.Meta.Origin)
	}
	want, err := one(x.db, "SELECT value FROM meta WHERE key = 'last'")
	if err != nil {
		return nil, err
	}
	last := ""
	if err := in.Scan(s.Size, s.Size, false, func(e *ledger.Entry) error { last = hash(e.Raw); return nil }); err != nil {
		return nil, err
	}
	if last != want {
		return nil, fmt.Errorf("it ends with another entry %d than the ledger has", s.Size)
	}
	return s, nil
}

func hash(record []byte) string {
	sum := sha256.Sum256(record)
	return hex.EncodeToString(sum[:])
}

// flush brings the index up to the state. Its errors cost a rebuild, never a passage.
func (r *Register) flush() {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.flushLocked()
}

// flushLocked is flush for who holds writing.
func (r *Register) flushLocked() {
	x := r.index
	r.mu.Lock()
	passages, about, state, last, err := x.pending, x.later, []byte(nil), r.last, error(nil)
	if x.dirty && x.db != nil {
		state, err = json.Marshal(r.state)
	}
	x.pending, x.later, x.dirty = map[int64]*Passage{}, nil, false
	r.mu.Unlock()
	if state == nil && err == nil {
		return
	}
	if err == nil {
		err = x.write(passages, about, state, hex.EncodeToString(last[:]))
	}
	if busy := (*sqlite.Error)(nil); errors.As(err, &busy) && busy.Code()&0xff == sqlite3.SQLITE_BUSY {
		r.mu.Lock() // somebody looks at it with a tool that locks; later will do
		maps.Copy(passages, x.pending)
		x.pending, x.later, x.dirty = passages, append(about, x.later...), true
		r.mu.Unlock()
		return
	}
	if err != nil { // the next start finds no index and builds it anew
		x.log.Warn("the index cannot be written: passages are recorded all the same, the next start takes longer", "path", x.path, "cause", err)
		x.remove()
	}
}

func (x *index) write(passages map[int64]*Passage, about []later, state []byte, last string) error {
	tx, err := x.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	put, err := tx.Prepare(`INSERT INTO passage VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(first) DO UPDATE SET
		last = excluded.last, class = excluded.class, credential = excluded.credential, verdict = excluded.verdict, reason = excluded.reason, by = excluded.by`)
	if err != nil {
		return err
	}
	for _, p := range slices.SortedFunc(maps.Values(passages), func(a, b *Passage) int { return cmp.Compare(a.First, b.First) }) {
		if _, err := put.Exec(p.First, p.ID, p.Last, p.At.UnixMicro(), p.Lane, p.Direction, p.Class, p.Credential, p.Verdict, p.Reason, p.By); err != nil {
			return err
		}
	}
	for _, l := range about {
		if _, err := tx.Exec("INSERT OR REPLACE INTO later VALUES(?, ?, ?)", l.seq, l.first, l.last); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("INSERT INTO meta VALUES('state', ?), ('last', ?), ('origin', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", string(state), last, x.origin); err != nil {
		return err
	}
	return tx.Commit()
}

// keep writes the state and what changed.
func (x *index) keep(s *State, last [32]byte) error {
	if x.db == nil {
		clear(x.pending)
		return nil
	}
	state, err := json.Marshal(s)
	if err == nil {
		err = x.write(x.pending, x.later, state, hex.EncodeToString(last[:]))
	}
	clear(x.pending)
	x.later = nil
	return err
}

// scrub leaves nothing of what was erased in the write-ahead log.
func (x *index) scrub() {
	if x.db != nil {
		if _, err := x.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil { // it goes with the next rebuild, or the next erasure
			x.log.Warn("empty the index's write-ahead log", "err", err)
		}
	}
}

func (x *index) remove() {
	x.close()
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		os.Remove(x.path + suffix)
	}
}

func (x *index) close() {
	if x.db != nil {
		x.db.Close()
		x.db = nil
	}
}
