package entry

import (
	"encoding/json"
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

// agree checks that the fast way of reading s says what encoding/json says, or nothing.
func agree(t *testing.T, s string) (fast bool) {
	t.Helper()
	var r, want Record
	if !canonical(s, &r) {
		return false
	}
	if err := json.Unmarshal([]byte(s), &want); err != nil {
		t.Fatalf("%s: read, though encoding/json says: %v", s, err)
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Fatalf("%s (-want +got):\n%s", s, d)
	}
	return true
}

func TestRecordsAreReadFastAsWellAsSlow(t *testing.T) {
	t.Parallel()
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
	// Whatever is written without an escape is read fast, whatever the zone.
	for _, zone := range []*time.Location{time.UTC, shanghai, time.FixedZone("", -5*3600-30*60)} {
		for _, at := range []time.Time{time.Unix(0, 0), time.Unix(1e9, 999999000), time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(9998, 12, 31, 23, 59, 59, 0, time.UTC), time.Unix(-1, 1000)} {
			r := Record{V: 1, Seq: 7, Time: at.In(zone).Format(TimeFormat), Boot: "b", Mono: 3_600_000_000, Clock: "trusted", Kind: "alive"}
			if raw := r.JSON(); !agree(t, string(raw)) {
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
		if utf8.ValidString(s) {
			agree(t, s)
		}
	})
}

func BenchmarkReadRecord(b *testing.B) {
	s := strings.Replace(full, `"detail":{"a":"b","c":"<&>"},`, "", 1) // as nearly all are
	for name, f := range map[string]func(){
		"parse":     func() { ParseRecord(s, shanghai) },
		"canonical": func() { var r Record; canonical(s, &r) },
		"json":      func() { var r Record; json.Unmarshal([]byte(s), &r) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

// TestATimeThatIsNoneIsNoRecord: also where all else of it is well.
func TestATimeThatIsNoneIsNoRecord(t *testing.T) {
	for name, time := range map[string]string{"no leap day": "2100-02-29T17:55:30.123456+08:00", "month 13": "2026-13-23T17:55:30.123456+08:00",
		"second 60": "2026-11-23T17:55:60.123456+08:00", "no time": ""} {
		s := strings.Replace(sparse, "2026-11-23T09:55:30.000000Z", time, 1)
		if e, err := ParseRecord(s, shanghai); err == nil {
			t.Errorf("%s: read as %s", name, e.At)
		}
	}
}

// FuzzRecordsAreReadAsTheyAreWritten: what JSON writes says the same when it is read, and is read fast where no text needs an
// escape.
func FuzzRecordsAreReadAsTheyAreWritten(f *testing.F) {
	f.Add("a", "b<>&", "c\u2028\x7f", int64(1))
	f.Add("王", "\ufffd", "\\\"", int64(0))
	f.Fuzz(func(t *testing.T, a, b, c string, n int64) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) || !utf8.ValidString(c) {
			return // written as U+FFFD
		}
		want := Record{V: 1, Seq: n, Time: "2026-11-23T08:01:02.000003+08:00", Boot: b, Mono: n, Clock: c, Kind: Kind(a), Passage: b, Rule: c,
			By: a, Ref: n, Detail: map[string]string{a: b, b: c}, Personal: c}
		raw := string(want.JSON())
		got, err := ParseRecord(raw, time.UTC)
		if err != nil || cmp.Diff(want, got.Record) != "" {
			t.Errorf("%s: %v (-want +got):\n%s", raw, err, cmp.Diff(want, got.Record))
		}
		if fast := agree(t, raw); !fast && !strings.Contains(raw, `\`) && n >= 0 && n < 1e18 {
			t.Errorf("not read fast: %s", raw)
		}
	})
}
