package entry

import (
	"testing"
	"time"

	"gated/ledger/seal"
)

var shanghai, _ = time.LoadLocation("Asia/Shanghai")

// recordOf is the record of an event as entry seq.
func recordOf(t testing.TB, ev Event, seq int64, zone *time.Location) []byte {
	t.Helper()
	e, _, err := New(&ev, zone)
	if err != nil {
		t.Fatal(err)
	}
	e.Seq = seq
	return e.JSON()
}

func TestRecordBytesAreFixed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 8, 1, 2, 3000, shanghai)
	ev := Event{Stamp: Stamp{Time: at, Boot: "2f1b", Mono: 5 * time.Second, Trusted: true}, Kind: "register", Passage: "p1", Lane: "in", Direction: "in",
		Verdict: "admit", Reason: "a<b", By: "machine", Ref: 7, Detail: map[string]string{"b": "2", "a": "1"}}
	raw := recordOf(t, ev, 8, shanghai)
	want := `{"v":1,"seq":8,"time":"2026-11-23T08:01:02.000003+08:00","boot":"2f1b","mono":5000000,"clock":"trusted","kind":"register","passage":"p1","lane":"in","direction":"in","verdict":"admit","reason":"a<b","by":"machine","ref":7,"detail":{"a":"1","b":"2"}}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	var salt [32]byte
	copy(salt[:], "0123456789abcdef0123456789abcdef")
	rows := []seal.Row{{Field: Field{Name: "name", Value: "王小明"}, Salt: salt}, {Field: Field{Name: "subject", Value: "r-000001"}, Salt: salt}}
	for i := range rows {
		rows[i].Hash = seal.FieldHash(salt, rows[i].Field)
	}
	// python3: hmac.new(salt, b"name\0"+"王小明".encode(), "sha256"), then sha256 over the two sorted digests
	if got, want := seal.Commitment(rows), "3d143e395d74ab861e34285cd47db23591c62a1b9f48c707bc64672bb289f292"; got != want {
		t.Errorf("commitment %s, want %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"v":1,"seq":1,"time":"2026-11-23T08:01:02.000003+08:00","kind":"start"}`)
	f.Add(`{"v":1,"seq":1}`)
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(1, 1795392062000003, s, shanghai)
		if err == nil && (e.Seq != 1 || e.At.UnixMicro() != 1795392062000003) {
			t.Errorf("accepted %q as %+v", s, e.Record)
		}
	})
}
