package register

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
	"gated/register/trips"
	"gated/sqliteprocess"

	_ "modernc.org/sqlite"
)

// indexVersion changes whenever what is kept in the index does; an older index is thrown away and made anew.
const indexVersion = "14"

// indexSchema: the state as rows, and by what entries are found. What an entry is found by is first kept with the entry in
// the table fresh, at its end, and moved into the table term when there is enough of it: so each of the pages of a day,
// over which the keys are strewn, is written for many passages at once.
const indexSchema = `
CREATE TABLE IF NOT EXISTS meta(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passage(first INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL, last INTEGER NOT NULL,
	at INTEGER NOT NULL, decided INTEGER NOT NULL, lane TEXT NOT NULL, direction TEXT NOT NULL, class TEXT NOT NULL,
	credential TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, emergency INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS recent(place INTEGER NOT NULL PRIMARY KEY, first INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS hold(first INTEGER NOT NULL PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS opening(seq INTEGER NOT NULL PRIMARY KEY, first INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS keep(seq INTEGER NOT NULL PRIMARY KEY, from_day TEXT NOT NULL, to_day TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS person(key INTEGER NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, inside INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS trip(seq INTEGER NOT NULL PRIMARY KEY, household INTEGER NOT NULL, day TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS later(seq INTEGER NOT NULL PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS fresh(seq INTEGER NOT NULL PRIMARY KEY, first INTEGER NOT NULL, day TEXT NOT NULL, keys BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS term(day TEXT NOT NULL, key INTEGER NOT NULL, seq INTEGER NOT NULL, first INTEGER NOT NULL,
	PRIMARY KEY(day, key, seq)) STRICT, WITHOUT ROWID;
`

// errAhead: the index knows entries that the ledger does not have.
var errAhead = errors.New("it has heard of more entries than the ledger has: entries were cut off, or an older copy was put in its place")

// index keeps the state and what is searched in a file that may be lost at any time: everything in it comes from the
// ledger. Who uses it holds the register's writing.
type index struct {
	path  string
	log   *slog.Logger
	hash  blind.Hasher
	db    *sql.DB // nil: the index cannot be used; the gate works without it
	fresh int     // rows of that table
	merge int     // how many it has before they go into the table term
}

func openIndex(path string, h blind.Hasher, log *slog.Logger) *index {
	x := &index{path: path, hash: h, log: log, merge: mergeAt}
	if err := x.open(); err != nil {
		x.reset(err)
	}
	return x
}

func dsn(path, query string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?_dqs=0&_busy_timeout=5000&_pragma=trusted_schema(0)&" + query
}

func (x *index) open() error {
	if err := sqliteprocess.Prepare(x.path); err != nil {
		return err
	}
	if f, err := os.OpenFile(x.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		f.Close()
	}
	db, err := sql.Open("sqlite", dsn(x.path, "_txlock=immediate&_journal_mode=WAL&_synchronous=NORMAL"+
		"&_pragma=secure_delete(ON)&_pragma=temp_store(MEMORY)"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if _, err = db.Exec(indexSchema); err == nil {
		err = x.fits(db)
	}
	if err == nil {
		err = db.QueryRow("SELECT count(*) FROM fresh").Scan(&x.fresh)
	}
	if err != nil {
		db.Close()
		return err
	}
	x.db = db
	return nil
}

// fits tells whether the index is of this version and of this box's key; an empty one becomes so.
func (x *index) fits(db *sql.DB) error {
	for _, m := range [][2]string{{"version", indexVersion}, {"key", fmt.Sprint(x.hash.Fingerprint())}} {
		v, err := one(db, "SELECT value FROM meta WHERE key = ?", m[0])
		if err == nil && v == "" {
			_, err = db.Exec("INSERT INTO meta VALUES(?, ?)", m[0], m[1])
		} else if err == nil && v != m[1] {
			err = fmt.Errorf("its %s is another", m[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// one reads one text; no row reads as "".
func one(db *sql.DB, q string, args ...any) (s string, err error) {
	if err = db.QueryRow(q, args...).Scan(&s); errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return s, err
}

// querier is a database or a transaction.
type querier interface {
	Query(q string, args ...any) (*sql.Rows, error)
}

// each calls f for each row of a query; f scans it.
func each(db querier, f func(scan func(...any) error) error, q string, args ...any) error {
	rows, err := db.Query(q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// reset throws the file away and begins a new one; where even that fails the gate goes on without an index.
func (x *index) reset(why error) {
	x.log.Warn("the index is made anew from the ledger", "path", x.path, "cause", why)
	x.remove()
	if err := x.open(); err != nil {
		x.log.Warn("no index: passages are recorded all the same, the next start takes longer", "path", x.path, "cause", err)
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

// kept are the parts of the state that are one value, as the index has them.
type kept struct {
	scalars
	Day string // of the trip book
}

// scalarsOf reads these; of which ledger it is, and the hash of the newest record.
func scalarsOf(db *sql.DB) (v kept, origin, last string, err error) {
	err = each(db, func(scan func(...any) error) error {
		var key, value string
		err := scan(&key, &value)
		switch {
		case err != nil:
		case key == "state":
			err = json.Unmarshal([]byte(value), &v)
		case key == "origin":
			origin = value
		case key == "last":
			last = value
		}
		return err
	}, "SELECT key, value FROM meta")
	return v, origin, last, err
}

// known is how many entries of the ledger of that name the index has heard of; 0 where it does not know.
func (x *index) known(origin string) int64 {
	if x.db == nil {
		return 0
	}
	v, of, _, err := scalarsOf(x.db)
	if err != nil || of != origin {
		return 0
	}
	return v.Size
}

// Known is how many entries of the ledger of that name the index of a state directory has heard of; 0 where there is none.
func Known(dir, origin string) int64 {
	db, err := toRead(dir)
	if err != nil {
		return 0
	}
	defer db.Close()
	x := index{db: db}
	return x.known(origin)
}

// toRead opens the index of a state directory for reading.
func toRead(dir string) (*sql.DB, error) {
	path := filepath.Join(dir, "index.db")
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	if err := sqliteprocess.Prepare(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, "mode=ro&_pragma=query_only(1)"))
	if err == nil {
		db.SetMaxOpenConns(1) // so that BEGIN is for all
	}
	return db, err
}

// load reads the state as it was when the index was written last; an empty one where there is none yet. An error says why
// it is not one of this ledger.
func load(db *sql.DB, in *file.Reader, h blind.Hasher) (*State, error) {
	s := newState(h)
	v, origin, last, err := scalarsOf(db)
	if err != nil || v.Size == 0 {
		return s, err
	}
	size, err := in.Size()
	switch {
	case err != nil:
		return nil, err
	case origin != in.Meta.Origin:
		return nil, fmt.Errorf("it is of the ledger %s, not of %s", origin, in.Meta.Origin)
	case v.Size > size:
		return nil, errAhead
	}
	s.scalars, s.book.Day = v.scalars, v.Day
	s.Newest.Time, s.Trusted.Time = s.Newest.Time.In(in.Zone), s.Trusted.Time.In(in.Zone)
	if err := in.Scan(v.Size, v.Size, false, func(e *ledger.Entry) error { s.last = sha256.Sum256(e.Raw); return nil }); err != nil {
		return nil, err
	}
	if hex.EncodeToString(s.last[:]) != last {
		return nil, fmt.Errorf("it ends with another entry %d than the ledger has", v.Size)
	}
	if s.segments, err = in.Segments(); err != nil {
		return nil, err
	}
	return s, s.rows(db, in.Zone)
}

// rows reads the parts of the state that are many.
func (s *State) rows(db *sql.DB, zone *time.Location) error {
	var seq int64
	for _, q := range []struct {
		sql string
		row func(scan func(...any) error) error
	}{
		{selectPassage + "JOIN recent r ON p.first = r.first ORDER BY r.place", func(scan func(...any) error) error {
			p, err := scanPassage(scan, zone)
			s.Recent = append(s.Recent, &p)
			return err
		}},
		{selectPassage + "JOIN hold h ON p.first = h.first", func(scan func(...any) error) error {
			p, err := scanPassage(scan, zone)
			s.Open[p.ID] = p
			return err
		}},
		{"SELECT seq, first FROM opening", func(scan func(...any) error) error {
			var first int64
			err := scan(&seq, &first)
			s.ToAccountFor[seq] = Passage{First: first}
			return err
		}},
		{"SELECT seq, from_day, to_day FROM keep", func(scan func(...any) error) error {
			var k Span
			err := scan(&seq, &k.From, &k.To)
			s.Keeps[seq] = k
			return err
		}},
		{"SELECT key, seq, inside FROM person", func(scan func(...any) error) error {
			var who blind.Key
			var at whereabouts
			err := scan(&who, &at.seq, &at.inside)
			s.people[who] = at
			return err
		}},
		{"SELECT seq, household, day FROM trip", func(scan func(...any) error) error {
			var t trips.Trip
			err := scan(&seq, &t.Household, &t.Day)
			s.book.Add(seq, t)
			return err
		}},
	} {
		if err := each(db, q.row, q.sql); err != nil {
			return err
		}
	}
	for seq, p := range s.ToAccountFor {
		if err := each(db, func(scan func(...any) error) (err error) {
			s.ToAccountFor[seq], err = scanPassage(scan, zone)
			return err
		}, selectPassage+"WHERE p.first = ?", p.First); err != nil {
			return err
		}
	}
	return nil
}

const selectPassage = "SELECT id, p.first, p.last, at, decided, lane, direction, class, credential, verdict, reason, by, emergency " +
	"FROM passage p "

// scanPassage reads the columns of selectPassage.
func scanPassage(scan func(...any) error, zone *time.Location) (p Passage, err error) {
	var at, decided int64
	err = scan(&p.ID, &p.First, &p.Last, &at, &decided,
		&p.Lane, &p.Direction, &p.Class, &p.Credential, &p.Verdict, &p.Reason, &p.By, &p.Emergency)
	p.At = time.UnixMicro(at).In(zone)
	p.Day = p.At.Format(time.DateOnly)
	if decided != 0 {
		p.Decided = time.UnixMicro(decided).In(zone)
	}
	return p, err
}

func packKeys(keys []blind.Key) []byte {
	b := make([]byte, 0, 8*len(keys))
	for _, k := range keys {
		b = binary.BigEndian.AppendUint64(b, uint64(k))
	}
	return b
}

func unpackKeys(b []byte) (keys []blind.Key) {
	for ; len(b) >= 8; b = b[8:] {
		keys = append(keys, blind.Key(binary.BigEndian.Uint64(b)))
	}
	return keys
}
