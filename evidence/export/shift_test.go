package export

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"testing"

	"gated/evidence"
	"gated/ledger"
	"gated/register"
	"gated/register/registertest"
)

// What guards write of their shift is found by its kind, stands in the day's export of events with its words, and with the personal fields
// where those are asked for; once they are erased, without them.
func TestTheShiftStandsInTheExport(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	say, _ := registertest.Diary(t, l, ck)
	field := func(fields ...string) (list []ledger.Field) {
		for i := 0; i < len(fields); i += 2 {
			list = append(list, ledger.Field{Name: fields[i], Value: fields[i+1]})
		}
		return list
	}
	say("2026-11-23 07:00:00", ledger.Event{Kind: register.SignOn, Personal: field("guard", "老张")})
	say("2026-11-23 08:00:00", ledger.Event{Kind: register.Log, Reason: "quarrel", Personal: field("guard", "老张", "note", "=1+1")})
	say("2026-11-23 09:00:00", ledger.Event{Kind: register.Count, Reason: "goods-left", Detail: map[string]string{"n": "3"}})
	say("2026-11-23 10:00:00", ledger.Event{Kind: register.Slip, Reason: "issued", Detail: map[string]string{"slip": "abc", "agreed": "owner", "until": "2026-11-23T12:00:00+08:00"},
		Personal: field("household", "3-2-501", "what", "钢琴", "agreed_by", "王先生")})
	say("2026-11-23 11:00:00", ledger.Event{Kind: register.Slip, Reason: "used", Ref: 4, Detail: map[string]string{"slip": "abc"}})
	say("2026-11-23 12:00:00", ledger.Event{Kind: register.HandOver, Detail: map[string]string{"blank": "12", "one-sided": "outgoing"}, Personal: field("outgoing", "老张")})
	say("2026-11-23 13:00:00", ledger.Event{Kind: register.SignOff, Ref: 1, Personal: field("guard", "老张")})
	r, err := evidence.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for kind, want := range map[ledger.Kind]string{register.Log: "2 08:00:00 quarrel 0", register.Count: "3 09:00:00 goods-left 0 n=3",
		register.Slip:     "4 10:00:00 issued 0 agreed=owner slip=abc until=2026-11-23T12:00:00+08:00 5 11:00:00 used 4 slip=abc",
		register.HandOver: "6 12:00:00 0 blank=12 one-sided=outgoing", register.SignOff: "7 13:00:00 1"} {
		var b bytes.Buffer
		n, err := Kind(&b, r, string(kind), register.Filter{Day: "2026-11-23"})
		_, rows, _ := strings.Cut(strings.ReplaceAll(b.String(), "2026-11-23 ", ""), "\n")
		if got := strings.Join(strings.Fields(rows), " "); err != nil || n == 0 || got != want {
			t.Errorf("%s: %d, %v, found %q, want %q", kind, n, err, got, want)
		}
	}
	export := func() (rows []string) {
		t.Helper()
		var b bytes.Buffer
		x := evidence.Selection{From: "2026-11-23", To: "2026-11-23", Events: true, Personal: true, Now: registertest.At("2026-11-24 00:00:00")}
		if err := r.ExportCSV(&b, io.Discard, x); err != nil {
			t.Fatal(err)
		}
		in := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), "\ufeff")))
		in.FieldsPerRecord = -1
		all, err := in.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, cells := range all {
			rows = append(rows, strings.Join(slices.DeleteFunc(cells, func(c string) bool { return c == "" || strings.HasPrefix(c, "2026-") }), " "))
		}
		return rows
	}
	for _, want := range []string{"2 trusted log quarrel 老张 '=1+1", "3 trusted count goods-left n=3", "4 trusted slip issued agreed=owner slip=abc until=2026-11-23T12:00:00+08:00 王先生 3-2-501 钢琴",
		"5 trusted slip used 4 slip=abc", "6 trusted handover blank=12 one-sided=outgoing 老张", "7 trusted signoff 1 老张"} {
		if rows := export(); !slices.Contains(rows, want) {
			t.Errorf("the export has not %q, but\n%s", want, strings.Join(rows, "\n"))
		}
	}
	if err := l.Register.Erasing(func(lose func([]int64)) error {
		lose([]int64{4, 6})
		_, err := l.Erase(0, []int64{4, 6}, ledger.Event{Kind: ledger.Erase, Stamp: ck.Now()})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"4 trusted slip issued agreed=owner slip=abc until=2026-11-23T12:00:00+08:00", "6 trusted handover blank=12 one-sided=outgoing"} {
		if rows := export(); !slices.Contains(rows, want) {
			t.Errorf("once they are erased the export has not %q, but\n%s", want, strings.Join(rows, "\n"))
		}
	}
}
