package ledger

import (
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	own := []segment{{first: 1, last: 1<<63 - 1}}
	if f.Day != "" { // a passage is of the day in whose segment its first entry stands
		if own, _, err = r.day(f.Day); err != nil {
			return nil, 0, err
		}
	}
	for _, w := range []struct{ column, value string }{{"verdict", f.Verdict}, {"reason", f.Reason}, {"class", f.Class}, {"lane", f.Lane}} {
		if w.value != "" {
			where += " AND " + w.column + " = ?"
			args = append(args, w.value)
		}
	}
	add := func(v []driver.Value) error {
		first, _ := v[1].(int64)
		last, _ := v[2].(int64)
		at, _ := v[3].(int64)
		p := Passage{ID: text(v[0]), First: first, Last: last, At: time.UnixMicro(at).In(r.Zone), Lane: text(v[4]), Direction: text(v[5]),
			Class: text(v[6]), Credential: text(v[7]), Verdict: text(v[8]), Reason: text(v[9]), By: text(v[10])}
		p.Day = p.At.Format(time.DateOnly)
		found = append(found, p)
		return nil
	}
	for _, s := range slices.Backward(own) {
		if len(found) == f.Limit {
			break
		}
		err := c.query(add, "SELECT id, first, last, at, lane, direction, class, credential, verdict, reason, by FROM passage WHERE "+where+" AND first BETWEEN ? AND ? ORDER BY first DESC LIMIT ?",
			append(slices.Clone(args), s.first, s.last, int64(f.Limit-len(found)))...)
		if err != nil {
			return nil, 0, fmt.Errorf("read %s: %w: the daemon makes it anew at its next start", path, err)
		}
	}
	return found, behind, nil
}
