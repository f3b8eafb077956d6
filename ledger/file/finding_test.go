package file

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gated/ledger/entry"
)

func TestUnsignedEntriesAreOfOneShortRun(t *testing.T) {
	type x struct {
		kind entry.Kind
		boot string
		mono time.Duration
		late bool
	}
	many := func(n int) (list []x) {
		for range n {
			list = append(list, x{"check", "a", time.Second, false})
		}
		return list
	}
	for _, c := range []struct {
		name    string
		entries []x
		want    string // of the finding
	}{
		{"nothing", nil, ""},
		{"512 entries", many(512), ""},
		{"513 entries", many(513), "more than 512 entries after entry 100 are signed by no tree head"},
		{"a start", []x{{entry.Start, "a", 0, false}, {"check", "a", time.Second, false}}, ""},
		{"a start behind epoch and key", []x{{entry.Epoch, "a", 0, false}, {entry.KeyChange, "a", 0, false}, {entry.Start, "a", 0, false}, {"check", "a", 0, false}}, ""},
		{"a start behind an entry", []x{{"check", "a", 0, false}, {entry.Start, "a", 0, false}}, "entry 102 is a start, and entry 101 before it"},
		{"a start behind a start", []x{{entry.Start, "a", 0, false}, {entry.Start, "a", 0, false}}, "entry 102 is a start, and entry 101 before it"},
		{"a start behind an outage", []x{{entry.Outage, "a", 0, false}, {entry.Start, "a", 0, false}}, "entry 102 is a start"},
		{"a stop", []x{{"check", "a", 0, false}, {entry.Stop, "a", time.Second, false}}, ""},
		{"an entry behind a stop", []x{{entry.Stop, "a", 0, false}, {"check", "a", time.Second, false}}, "entry 102 is signed by no tree head and stands behind entry 101, a stop"},
		{"a minute", []x{{"check", "a", 5 * time.Second, false}, {"check", "a", 65 * time.Second, false}}, ""},
		{"more than a minute", []x{{"check", "a", 5 * time.Second, false}, {"check", "a", 7 * time.Second, false}, {"check", "a", 66 * time.Second, false}}, "entries 101 and 103 are signed by no tree head, and 1m1s lie between them"},
		{"backwards", []x{{"check", "a", 66 * time.Second, false}, {"check", "a", 5 * time.Second, false}}, "entries 101 and 102"},
		{"late", []x{{"check", "a", 5 * time.Second, true}, {"check", "a", 66 * time.Second, false}}, ""},
		{"behind a stop that is signed, a start", []x{{entry.Start, "a", 0, false}, {"check", "a", 0, false}}, ""},
		{"behind a stop that is signed, a key and a start", []x{{entry.KeyChange, "a", 0, false}, {entry.Start, "a", 0, false}}, ""},
		{"behind a stop that is signed, a passage", []x{{"check", "a", 0, false}}, "entry 101 is signed by no tree head and stands behind entry 100, a stop"},
		{"behind a stop that is signed, a key and a passage", []x{{entry.KeyChange, "a", 0, false}, {"check", "a", 0, false}}, "entry 102 is signed by no tree head and stands behind entry 100, a stop"},
		{"two boots", []x{{"check", "a", time.Hour, false}, {"check", "b", 66 * time.Second, false}}, ""},
	} {
		u := &unsignedTail{signed: 100}
		if strings.HasPrefix(c.name, "behind a stop that is signed") {
			u.stop = 100
		}
		var err error
		for i, x := range c.entries {
			e := entry.Entry{Record: entry.Record{Seq: 101 + int64(i), Kind: x.kind, Boot: x.boot, Mono: x.mono.Microseconds()}}
			if x.late {
				e.Detail = map[string]string{"late": "1m"}
			}
			if err = u.take(&e); err != nil {
				break
			}
		}
		switch f := new(Finding); {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!errors.As(err, &f) || !strings.Contains(f.What, c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
