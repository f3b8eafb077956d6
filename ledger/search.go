package ledger

import (
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Filter says which passages are wanted; an empty field matches all.
type Filter struct {
	Day, Verdict, Reason, Class, Lane string
	Limit                             int
}

// Search asks the index of a state directory for passages, newest first, without reading the ledger through. What is
// found is no evidence: the index is made from the ledger and may be behind it, by as many entries as it says.
func Search(dir string, f Filter) (found []Passage, behind int64, err error) {
	r, err := OpenReader(dir)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	path := filepath.Join(dir, "index.db")
	if _, err := os.Stat(path); err != nil {
		return nil, 0, fmt.Errorf("no index: %w: the daemon makes it at its next start", err)
	}
	c, err := connect(readerDSN(path))
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", path, err)
	}
	defer c.Close()
	size, err := r.Size()
	if err != nil {
		return nil, 0, err
	}
	x := index{c: c}
	behind = max(size-x.size(), 0)
	where, args := "1", []any{}
	for _, w := range []struct{ column, value string }{{"day", f.Day}, {"verdict", f.Verdict}, {"reason", f.Reason}, {"class", f.Class}, {"lane", f.Lane}} {
		if w.value != "" {
			where += " AND " + w.column + " = ?"
			args = append(args, w.value)
		}
	}
	err = c.query(func(v []driver.Value) error {
		first, _ := v[1].(int64)
		last, _ := v[2].(int64)
		at, _ := v[3].(int64)
		found = append(found, Passage{ID: text(v[0]), First: first, Last: last, At: time.UnixMicro(at).In(r.Zone), Day: text(v[4]), Lane: text(v[5]), Direction: text(v[6]),
			Class: text(v[7]), Credential: text(v[8]), Verdict: text(v[9]), Reason: text(v[10]), By: text(v[11])})
		return nil
	}, "SELECT id, first, last, at, day, lane, direction, class, credential, verdict, reason, by FROM passage WHERE "+where+" ORDER BY first DESC LIMIT ?", append(args, int64(f.Limit))...)
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w: the daemon makes it anew at its next start", path, err)
	}
	return found, behind, nil
}
