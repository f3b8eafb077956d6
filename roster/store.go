package roster

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gated/durable"
	"gated/sqliteprocess"
)

// Store is the roster on disk. Reading goes through Snapshot and never waits for a change.
type Store struct {
	path     string
	db       *sql.DB // one connection; nil when open for reading only
	mu       sync.Mutex
	doubtful bool                           // under mu: a commit failed, so the file must be opened again
	opened   atomic.Pointer[durable.Opened] // the files, where they are open for writing
	lost     atomic.Bool                    // see Lost
	snapshot atomic.Pointer[Snapshot]
	commit   func(*sql.Tx) error // faults in tests
}

const (
	format  = "gated-roster"
	version = 1
)

const schema = `
CREATE TABLE meta(key TEXT NOT NULL PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE household(id TEXT NOT NULL PRIMARY KEY, building TEXT NOT NULL, unit TEXT NOT NULL, room TEXT NOT NULL) STRICT;
CREATE TABLE person(id TEXT NOT NULL PRIMARY KEY, household TEXT REFERENCES household DEFERRABLE INITIALLY DEFERRED, name TEXT NOT NULL,
	document_type TEXT NOT NULL, document TEXT UNIQUE, birth_date TEXT NOT NULL, phone TEXT NOT NULL, class TEXT NOT NULL,
	others TEXT NOT NULL) STRICT;
CREATE TABLE vehicle(id TEXT NOT NULL PRIMARY KEY, plate TEXT NOT NULL UNIQUE, service TEXT NOT NULL,
	household TEXT REFERENCES household DEFERRABLE INITIALLY DEFERRED) STRICT;
CREATE TABLE pass(serial TEXT NOT NULL PRIMARY KEY, subject TEXT NOT NULL, issuer TEXT NOT NULL,
	not_before INTEGER NOT NULL, not_after INTEGER NOT NULL) STRICT;
CREATE TABLE revoked(serial TEXT NOT NULL PRIMARY KEY, reason TEXT NOT NULL) STRICT;
-- revoked_subject: a household that was revoked, and all who belonged to it then, wherever they live now.
CREATE TABLE revoked_subject(subject TEXT NOT NULL PRIMARY KEY, before INTEGER NOT NULL) STRICT;
-- suspended: whose passes that begin before since were reported lost, until somebody decides.
CREATE TABLE suspended(subject TEXT NOT NULL PRIMARY KEY, since INTEGER NOT NULL) STRICT;
CREATE INDEX person_household ON person(household);
CREATE INDEX vehicle_household ON vehicle(household);
CREATE INDEX pass_subject ON pass(subject);
`

// pragmas are set on the writing connection and read back: a misspelt one would be silent. So each value is as SQLite writes it.
var pragmas = []struct{ name, value string }{
	{"busy_timeout", "5000"},
	{"journal_mode", "wal"},
	{"synchronous", "2"}, // FULL
	{"foreign_keys", "1"},
	{"secure_delete", "1"}, // who was removed is overwritten, not only unlinked
	{"trusted_schema", "0"},
	{"cell_size_check", "1"},
	{"temp_store", "2"},     // in memory
	{"cache_size", "-1024"}, // KiB: the snapshot is what is read, not the pages
}

// Open opens the roster for reading and writing and makes it, for its owner's eyes only, if it is not there. One process at a time
// should do so; another's change is noticed, at the next write at the latest.
func Open(path string) (*Store, error) {
	s := &Store{path: path, commit: (*sql.Tx).Commit}
	if err := s.open(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open roster %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open() error {
	if err := sqliteprocess.Prepare(s.path); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(0o600)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	dsn, err := dataSource(s.path, "_txlock=immediate")
	if err != nil {
		return err
	}
	for _, p := range pragmas {
		dsn += "&_pragma=" + url.QueryEscape(p.name+"("+p.value+")")
	}
	if s.db, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	for _, p := range pragmas {
		var got string
		if err := s.db.QueryRow("PRAGMA " + p.name).Scan(&got); err != nil {
			return notRoster(err)
		}
		if got != p.value {
			return fmt.Errorf("pragma %s is %s, want %s: the file system may not support it", p.name, got, p.value)
		}
	}
	tx, err := s.db.Begin()
	if err != nil {
		return notRoster(err)
	}
	defer tx.Rollback()
	var tables int
	if err := tx.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return notRoster(err)
	}
	if tables == 0 {
		salt := make([]byte, 32)
		rand.Read(salt)
		if _, err := tx.Exec(schema); err != nil {
			return fmt.Errorf("make its tables: %w", err)
		}
		if _, err := tx.Exec(`INSERT INTO meta VALUES('format',?),('version',?),('salt',?),('compound',''),('change',0)`,
			format, version, salt); err != nil {
			return fmt.Errorf("make its tables: %w", err)
		}
	}
	snapshot, err := load(tx)
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	opened := durable.Look(s.path, s.path+"-wal")
	s.opened.Store(&opened)
	s.snapshot.Store(snapshot)
	return nil
}

// OpenReadOnly reads the roster as it stands and closes the file again. It makes no file and changes none, and works while a gate
// runs.
func OpenReadOnly(path string) (*Store, error) {
	snapshot, err := read(path, load)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open roster: no roster at %s (%w): import one first, or name another state directory", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("open roster %s to read: %w", path, err)
	}
	s := &Store{path: path}
	s.snapshot.Store(snapshot)
	return s, nil
}

// Unreadable stands for a roster whose file cannot be read: nobody is in it, it has had fewer changes than any that somebody
// knows of, and it takes none.
func Unreadable(path string) *Store {
	s := &Store{path: path}
	nobody := &Snapshot{change: -1}
	nobody.index(nil)
	s.snapshot.Store(nobody)
	return s
}

// Close closes the file. The snapshot stays usable.
func (s *Store) Close() error {
	if s.db == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Close()
}

// Snapshot returns the roster as it stands now.
func (s *Store) Snapshot() *Snapshot { return s.snapshot.Load() }

// Moved says that a file which is open has its name no longer: what is written to it would be gone when it is closed, and what has the
// name now nobody has read.
func (s *Store) Moved() error {
	opened := s.opened.Load()
	if opened == nil {
		return nil
	}
	err := opened.Moved()
	if s.lost.Store(err != nil); err != nil {
		err = fmt.Errorf("%w, or restart the daemon", err)
	}
	return err
}

// Lost tells whether Moved has said so the last time.
func (s *Store) Lost() bool { return s.lost.Load() }

// Watch asks Moved each second, and tells what it says, until ctx ends.
func (s *Store) Watch(ctx context.Context, tell func(error)) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tell(s.Moved())
		}
	}
}

// read reads the roster without making or changing any file: SQLite would make -wal and -shm files beside a roster in WAL mode
// even when opened with mode=ro. Where there is no -wal, nobody has the roster open, and it can be read as it lies; that this
// was so throughout is checked afterwards.
func read[T any](path string, load func(*sql.Tx) (T, error)) (what T, err error) {
	if err := sqliteprocess.Prepare(path); err != nil {
		return what, err
	}
	for range 3 {
		before, err := os.Stat(path)
		if err != nil {
			return what, err
		}
		mode := "mode=ro&readonly_shm=1"
		_, err = os.Stat(path + "-wal")
		alone := errors.Is(err, fs.ErrNotExist)
		if alone {
			mode = "mode=ro&immutable=1"
		}
		what, err = readWith(path, mode+"&_pragma=busy_timeout(5000)&_pragma=query_only(1)&_pragma=trusted_schema(0)", load)
		if !alone {
			if _, shm := os.Stat(path + "-shm"); err != nil && errors.Is(shm, fs.ErrNotExist) {
				err = fmt.Errorf("%w: there is a -wal file without its -shm, as after copying a roster in use: "+
					"let the gate open it once, or copy it when the gate is stopped", err)
			}
			return what, err
		}
		after, statErr := os.Stat(path)
		_, walErr := os.Stat(path + "-wal")
		if statErr == nil && errors.Is(walErr, fs.ErrNotExist) && os.SameFile(before, after) &&
			after.ModTime().Equal(before.ModTime()) && after.Size() == before.Size() {
			return what, err
		}
	}
	return what, errors.New("it is being changed: try again")
}

func readWith[T any](path, query string, load func(*sql.Tx) (T, error)) (what T, err error) {
	dsn, err := dataSource(path, query)
	if err != nil {
		return what, err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return what, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	tx, err := db.Begin()
	if err != nil {
		return what, notRoster(err)
	}
	defer tx.Rollback()
	return load(tx)
}

// dataSource is the SQLite URI of a path: without "file:" SQLite would ignore mode=ro.
func dataSource(path, query string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "file", Path: abs, RawQuery: query}).String(), nil
}

func notRoster(err error) error {
	if text := err.Error(); strings.Contains(text, "file is not a database") || strings.Contains(text, "no such table") {
		return fmt.Errorf("not a roster (%w): name another file or restore this one from a backup", err)
	}
	return err
}

// load reads the whole roster.
func load(tx *sql.Tx) (*Snapshot, error) {
	var made string
	var v int64
	if err := cmp.Or(meta(tx, "format", &made), meta(tx, "version", &v)); err != nil {
		return nil, notRoster(err)
	}
	if made != format || v != version {
		return nil, fmt.Errorf("it is a %.40q of version %d, this program reads %q of version %d: use the program that made it",
			made, v, format, version)
	}
	s := &Snapshot{revoked: map[string]struct{}{}, revokedSubject: map[string]int64{}, suspended: map[string]int64{}}
	var salt []byte
	if err := cmp.Or(meta(tx, "salt", &salt), meta(tx, "change", &s.change), meta(tx, "compound", &s.compound)); err != nil {
		return nil, err
	}
	var household, document sql.Null[string]
	var h Household
	if err := each(tx, "SELECT id, building, unit, room FROM household", func() {
		s.households = append(s.households, h)
	}, &h.ID, &h.Building, &h.Unit, &h.Room); err != nil {
		return nil, err
	}
	var p Person
	if err := each(tx, "SELECT id, household, name, document_type, document, birth_date, phone, class, others FROM person", func() {
		p.Household, p.Document = household.V, document.V
		s.people = append(s.people, p)
	}, &p.ID, &household, &p.Name, &p.DocumentType, &document, &p.BirthDate, &p.Phone, &p.Class, &p.Others); err != nil {
		return nil, err
	}
	var car Vehicle
	if err := each(tx, "SELECT id, plate, service, household FROM vehicle", func() {
		car.Household = household.V
		s.vehicles = append(s.vehicles, car)
	}, &car.ID, &car.Plate, &car.Service, &household); err != nil {
		return nil, err
	}
	var key string
	if err := each(tx, "SELECT serial FROM revoked", func() { s.revoked[key] = struct{}{} }, &key); err != nil {
		return nil, err
	}
	var before int64
	if err := each(tx, "SELECT subject, before FROM revoked_subject", func() {
		s.revokedSubject[key] = before
	}, &key, &before); err != nil {
		return nil, err
	}
	if err := each(tx, "SELECT subject, since FROM suspended", func() { s.suspended[key] = before }, &key, &before); err != nil {
		return nil, err
	}
	s.index(salt)
	return s, nil
}

// meta reads a value of the table meta.
func meta(tx *sql.Tx, key string, into any) error {
	return tx.QueryRow("SELECT value FROM meta WHERE key=?", key).Scan(into)
}

// each scans every row into dest and calls f.
func each(tx *sql.Tx, query string, f func(), dest ...any) error {
	rows, err := tx.Query(query)
	if err != nil {
		return notRoster(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		f()
	}
	return rows.Err()
}

// change makes one change, all or nothing. f is given the roster as it stands in the database. The snapshot is replaced only when
// the change is durable. The context can stop a change that has not been committed; it never leaves one in doubt.
func (s *Store) change(ctx context.Context, f func(tx *sql.Tx, now *Snapshot) error) error {
	if s.db == nil {
		return ErrReadOnly
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.doubtful {
		if err := s.reopen(); err != nil {
			return err
		}
	}
	// A statement stopped by its context may yet have been done: the context is asked between statements instead.
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	now, err := load(tx) // not the snapshot: another process may have changed it since
	if err != nil {
		return err
	}
	if err := f(tx, now); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE meta SET value=value+1 WHERE key='change'"); err != nil {
		return err
	}
	next, err := load(tx)
	if err != nil {
		return err
	}
	if err := cmp.Or(ctx.Err(), s.Moved()); err != nil {
		return err
	}
	if err := s.commit(tx); err != nil {
		// Whether it is stored is not known (an EIO may hide a commit): what the file says when it is opened again counts.
		s.doubtful = true
		tx.Rollback()
		return errors.Join(fmt.Errorf("commit: %w", err), s.reopen())
	}
	s.snapshot.Store(next)
	// What was removed is to leave the log as well. A reader may be in the way: then the next change does it.
	var busy, frames, moved int
	if err := s.db.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved); err != nil {
		return fmt.Errorf("the change is stored, but not yet wiped from %s-wal: %w", s.path, err)
	}
	return nil
}

// reopen opens the file again after a commit that failed, and takes the roster as it is found there.
func (s *Store) reopen() error {
	s.db.Close() // has failed already
	if err := s.open(); err != nil {
		return fmt.Errorf("open roster again: %w", err)
	}
	s.doubtful = false
	return nil
}
