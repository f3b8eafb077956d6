package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// full has every field; sparse only those that are always there.
var (
	full = `{"v":1,"seq":123456,"time":"2026-11-23T17:55:30.123456+08:00","boot":"6f1c9a1e-0b9e-4b5f-9d2e-7d9f6a3f0f11","mono":987654321,"clock":"trusted","kind":"register",` +
		`"passage":"20261123-0000123","lane":"north","direction":"in","class":"resident","credential":"gated-pass","proof":"signed","verdict":"admit","reason":"ok","rule":"居民",` +
		`"policy":"0123456789abcdef0123456789abcdef","roster":"77","by":"machine","ref":12,"detail":{"a":"b","c":"<&>"},"personal":"` + strings.Repeat("0f", 32) + `"}`
	sparse = `{"v":1,"seq":1,"time":"2026-11-23T09:55:30.000000Z","boot":"","mono":0,"clock":"untrusted","kind":"alive"}`
)

// slow is what canonical must agree with.
func slow(s string) (r Record, at int64, err error) {
	if err = json.Unmarshal([]byte(s), &r); err != nil {
		return r, 0, err
	}
	t, err := time.Parse(time.RFC3339Nano, r.Time)
	return r, t.UnixMicro(), err
}

// agree checks that the fast ways of reading s say what encoding/json says, or nothing.
func agree(t *testing.T, s string) (fast bool) {
	t.Helper()
	var r Record
	at, ok := canonical(s, &r)
	if ok {
		want, wantAt, err := slow(s)
		if err != nil {
			t.Fatalf("%s: read, though encoding/json says: %v", s, err)
		}
		if d := cmp.Diff(want, r); d != "" || at != wantAt {
			t.Fatalf("%s: at %d, want %d; (-want +got):\n%s", s, at, wantAt, d)
		}
		if k := kindOf(s); k != r.Kind {
			t.Fatalf("%s: of kind %q", s, k)
		}
		seq, ts, personal, skimmed := skim(s)
		if hash := len(r.Personal) == 64 && isHex(r.Personal); skimmed && (seq != r.Seq || ts != at || personal != r.Personal) ||
			!skimmed && (hash || !strings.Contains(s, `"personal":`)) {
			t.Fatalf("%s: skimmed as %d %d %q %t", s, seq, ts, personal, skimmed)
		}
	}
	return ok
}

func TestRecordsAreReadFastAsWellAsSlow(t *testing.T) {
	change := func(old, new string) string {
		if !strings.Contains(full, old) {
			t.Fatalf("nothing to change: %s", old)
		}
		return strings.Replace(full, old, new, 1)
	}
	for name, c := range map[string]struct {
		s    string
		fast bool
	}{
		"full":               {full, true},
		"sparse":             {sparse, true},
		"west of Greenwich":  {change("+08:00", "-03:30"), true},
		"leap day":           {change("2026-11-23", "2028-02-29"), true},
		"first year":         {change("2026-11-23", "0000-01-01"), true},
		"last year":          {change("2026-11-23", "9999-12-31"), true},
		"no leap day":        {change("2026-11-23", "2100-02-29"), false},
		"month 13":           {change("2026-11-23", "2026-13-23"), false},
		"second 60":          {change("17:55:30", "17:55:60"), false},
		"milliseconds":       {change("30.123456", "30.123"), false},
		"escape":             {change("north", `no\nrth`), false},
		"escaped letter":     {change("north", `n\u006frth`), false},
		"raw control":        {change("north", "no\x01rth"), false},
		"empty optional":     {change("north", ""), true},
		"null":               {change(`"north"`, "null"), false},
		"twice":              {change(`"lane"`, `"seq":5,"lane"`), false},
		"unknown field":      {change(`"lane"`, `"line"`), false},
		"upper case":         {change(`"lane"`, `"Lane"`), false},
		"another order":      {change(`"lane":"north","direction":"in"`, `"direction":"in","lane":"north"`), false},
		"white space":        {change(`,"lane"`, `, "lane"`), false},
		"after the end":      {full + " ", false},
		"cut":                {full[:len(full)-1], false},
		"empty":              {"", false},
		"leading zero":       {change("123456,", "0123456,"), false},
		"fraction":           {change("123456,", "123456.0,"), false},
		"negative":           {change("123456,", "-123456,"), false},
		"too large":          {change("123456,", "12345678901234567890,"), false},
		"detail twice":       {change(`"c":"<&>"`, `"a":"<&>"`), true},
		"no detail":          {change(`{"a":"b","c":"<&>"}`, `{}`), false},
		"detail cut":         {change(`"c":"<&>"}`, `"c":"<&>",}`), false},
		"version 2":          {change(`"v":1`, `"v":2`), false},
		"short commitment":   {change("0f0f", "0f"), true},
		"personal in detail": {strings.TrimSuffix(full, `,"personal":"`+strings.Repeat("0f", 32)+`"}`) + "}", true},
	} {
		if got := agree(t, c.s); got != c.fast {
			t.Errorf("%s: read fast is %t, want %t", name, got, c.fast)
		}
	}
	// Whatever record writes without an escape is read fast, whatever the zone.
	for _, zone := range []*time.Location{time.UTC, shanghai, time.FixedZone("", -5*3600-30*60)} {
		for _, at := range []time.Time{time.Unix(0, 0), time.Unix(1e9, 999999000), time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(9998, 12, 31, 23, 59, 59, 0, time.UTC), time.Unix(-1, 1000)} {
			ev := Event{Stamp: Stamp{Time: at, Boot: "b", Mono: time.Hour}, Kind: Alive}
			var r Record
			ev.record(&r, at.In(zone), "")
			if raw := r.appendRest(fmt.Appendf(nil, "%s%d", recordHead, 7)); !agree(t, string(raw)) {
				t.Errorf("%s in %s: not read fast: %s", at, zone, raw)
			}
		}
	}
}

func FuzzRecordsAreReadFastAsWellAsSlow(f *testing.F) {
	f.Add(full)
	f.Add(sparse)
	f.Add(strings.Replace(full, "north", `no\"rth`, 1))
	f.Fuzz(func(t *testing.T, s string) {
		skim(s) // must not panic, whatever they say
		kindOf(s)
		if utf8.ValidString(s) {
			agree(t, s)
		}
	})
}

func BenchmarkReadRecord(b *testing.B) {
	_, ts, _, _ := skim(full)
	s := strings.Replace(full, `"detail":{"a":"b","c":"<&>"},`, "", 1) // as nearly all are
	for name, f := range map[string]func(){
		"parse":     func() { parse(123456, ts, s, shanghai) },
		"canonical": func() { var r Record; canonical(s, &r) },
		"skim":      func() { skim(s) },
		"json":      func() { slow(s) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

// threeDays fills a ledger with n entries of three days.
func threeDays(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	ck := &clock{}
	ck.set("2026-11-20 00:00:00")
	l := open(t, dir, ck)
	start := ck.now().Time
	var evs []Event
	for i := range n {
		at := ck.now()
		at.Time = start.Add(time.Duration(i) * 72 * time.Hour / time.Duration(n))
		evs = append(evs, Event{Stamp: at, Kind: Alive, Detail: map[string]string{"n": strconv.Itoa(i)}, Personal: []Field{{"by", strconv.Itoa(i)}}})
		if len(evs) == maxBatch || i == n-1 {
			mustAppend(t, l, evs...)
			evs = evs[:0]
		}
	}
	return dir
}

func TestLongStretchesAreReadInOrderAndWhole(t *testing.T) {
	const n = 9*piece + 7
	r, err := OpenReader(threeDays(t, n))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, c := range []struct{ from, to int64 }{{1, n}, {1, 1}, {2, 4*piece + 1}, {3, 4*piece + 4}, {piece, n - 1}, {5, 4}} {
		next := c.from
		err := r.Entries(c.from, c.to, true, func(e *Entry) error {
			if want := strconv.FormatInt(next-1, 10); e.Seq != next || e.Detail["n"] != want || e.Personally("by") != want {
				t.Fatalf("%v: got entry %d %v %v, want %d", c, e.Seq, e.Detail, e.Personal, next)
			}
			next++
			return nil
		})
		if err != nil || next != c.to+1 {
			t.Errorf("%v: read up to %d, %v", c, next-1, err)
		}
		var b bytes.Buffer
		if err := r.Records(c.from, c.to, func(lines []byte) error { b.Write(lines); return nil }); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		seq := c.from
		for line := range strings.Lines(b.String()) {
			if got, _, _, ok := skim(strings.TrimSuffix(line, "\n")); !ok || got != seq {
				t.Fatalf("%v: line %d is %s", c, seq, line)
			}
			seq++
		}
		if seq != c.to+1 {
			t.Errorf("%v: lines up to %d", c, seq-1)
		}
	}
	// However late a reader begins.
	for range 2000 {
		next := int64(1)
		err := pieces(r, 1, 5*piece, func(_ *conn, from, to int64) (int64, error) { return from, nil }, func(from int64) error {
			if from != next {
				t.Fatalf("the piece of %d came where that of %d was due", from, next)
			}
			next += piece
			return nil
		})
		if err != nil || next != 5*piece+1 {
			t.Fatalf("pieces up to %d, %v", next-1, err)
		}
	}
	// What is not there is said, and the reader can be used after it, as after a caller who had enough.
	for range 3 {
		if err := r.Entries(1, n+1, false, func(*Entry) error { return nil }); err == nil || !strings.Contains(err.Error(), strconv.Itoa(n+1)) {
			t.Errorf("an entry too many: %v", err)
		}
		if err := r.Records(2, n+2000, func([]byte) error { return nil }); err == nil || !strings.Contains(err.Error(), strconv.Itoa(n+1)) {
			t.Errorf("records too many: %v", err)
		}
		enough := errors.New("enough")
		if err := r.Records(1, n, func([]byte) error { return enough }); err != enough {
			t.Errorf("stopped with %v", err)
		}
	}
}

// FuzzMarshal holds the records that we write to what encoding/json writes.
func FuzzMarshal(f *testing.F) {
	f.Add("a", "b<>&", "c\u2028\x7f", int64(1))
	f.Add("王", "\xff", "\\\"", int64(0))
	f.Fuzz(func(t *testing.T, a, b, c string, n int64) {
		r := &Record{V: 1, Seq: n, Time: a, Boot: b, Mono: n, Clock: c, Kind: Kind(a), Passage: b, Rule: c, By: a, Ref: n, Detail: map[string]string{a: b, b: c}, Personal: c}
		got := r.appendRest(fmt.Appendf(nil, "%s%d", recordHead, n))
		var w bytes.Buffer
		enc := json.NewEncoder(&w)
		enc.SetEscapeHTML(false)
		enc.Encode(r)
		if want := bytes.TrimSuffix(w.Bytes(), []byte("\n")); !bytes.Equal(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}
